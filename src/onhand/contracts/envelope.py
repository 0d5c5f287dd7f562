"""The CloudEvents 1.0 envelope: who says so, which fact, when; and the fingerprint that tells two bodies apart.

However an event travelled (see `cloudevents`), the rest of Onhand sees one frozen `Envelope` whose attributes have
been checked. What `data` may hold is the registry's business.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from onhand.contracts import strict_json
from onhand.contracts.instants import InvalidInstant, parse_instant
from onhand.contracts.limits import (
    EVENT_ATTRIBUTE_LENGTH_MAX,
    EVENT_ATTRIBUTE_NAME_LENGTH_MAX,
    EVENT_EXTENSIONS_MAX,
    EVENT_ID_LENGTH_MAX,
    EVENT_SOURCE_LENGTH_MAX,
    EVENT_TYPE_LENGTH_MAX,
)
from onhand.domain.errors import InvalidInput

SPECVERSION: Final = "1.0"


class InvalidAttribute(InvalidInput):
    """An attribute of the envelope is missing or breaks its form; `pointer` names it."""

    code = "invalid_event_attribute"
    title = "An attribute of the event is not valid"
    remedy = "Correct the attribute; CloudEvents 1.0 says what each may hold."


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event as CloudEvents 1.0 describes it.

    `time` is zoned, as stated by the sender. `data` is the decoded JSON value when the content type is JSON (numbers
    are int or Decimal), text or bytes otherwise, and None when there is none. `extensions` holds every attribute that
    CloudEvents does not name itself.
    """

    id: str
    source: str
    type: str
    specversion: str = SPECVERSION
    time: datetime | None = None
    subject: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: Any = None
    extensions: dict[str, str | int | bool] = {}

    @property
    def version(self) -> int | None:
        """The contract's version: the number that ends `dataschema`; 1 when absent, None when it names another type."""
        return 1 if self.dataschema is None else _version_in(self.dataschema, self.type)


def event(
    *,
    id: str,  # noqa: A002  (the names are those of CloudEvents)
    source: str,
    type: str,  # noqa: A002
    data: Any,
    time: datetime | None = None,
    subject: str | None = None,
    version: int = 1,
    extensions: Mapping[str, str | int | bool] | None = None,
) -> Envelope:
    """A new event of ours, checked like one that came in, its data brought into the form that `loads` gives."""
    return from_members(
        {
            "specversion": SPECVERSION,
            "id": id,
            "source": source,
            "type": type,
            "time": None if time is None else time.isoformat(),
            "subject": subject,
            "dataschema": dataschema(type, version),
            "data": strict_json.loads(strict_json.dumps(data)),
            **(extensions or {}),
        }
    )


def dataschema(event_type: str, version: int) -> str:
    """The URI by which Onhand itself names a contract; any URI that ends in `/<type>/<version>` is understood."""
    return f"urn:onhand:event/{event_type}/{version}"


def from_members(members: Mapping[str, Any]) -> Envelope:
    """An envelope from attributes and `data`; a null attribute counts as absent.

    Raises InvalidAttribute, with the pointer to the attribute.
    """
    get = members.get
    if get("specversion") != SPECVERSION:
        raise _unsupported(get("specversion"))
    event_id = _text("id", get("id"), EVENT_ID_LENGTH_MAX)
    source = _text("source", get("source"), EVENT_SOURCE_LENGTH_MAX)
    event_type = _text("type", get("type"), EVENT_TYPE_LENGTH_MAX)
    time = get("time")
    return Envelope(
        id=event_id,
        source=source,
        type=event_type,
        time=None if time is None else _time(time),
        subject=_optional("subject", get("subject")),
        datacontenttype=_optional("datacontenttype", get("datacontenttype")),
        dataschema=_optional("dataschema", get("dataschema")),
        data=get("data"),
        extensions={} if members.keys() <= _NAMED else _extensions(members),
    )


def to_members(envelope: Envelope) -> dict[str, Any]:
    """The attributes that are set, without `data`, in the order in which people read them."""
    members: dict[str, Any] = {"specversion": envelope.specversion, "id": envelope.id, "source": envelope.source}
    members["type"] = envelope.type
    for name in ("time", "subject", "datacontenttype", "dataschema"):
        value = getattr(envelope, name)
        if value is not None:
            members[name] = value
    return members | envelope.extensions


def fingerprint(envelope: Envelope) -> bytes:
    """16 bytes that are equal when two events state the same fact: type, version, subject, instant and data.

    Order of members, white space, `1.0` for `1`, and the zone in which an instant is written make no difference. The
    extensions are left out: trace ids and send times change when a sender repeats itself.
    """
    time = envelope.time
    stated = (
        envelope.type,
        envelope.version or envelope.dataschema,
        envelope.subject,
        None if time is None else time.astimezone(UTC),
        envelope.data,
    )
    return hashlib.blake2b(strict_json.canonical(stated), digest_size=16).digest()


_NAMED = frozenset(
    {"specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema", "data", "data_base64"}
)
_NAME = re.compile(rf"[a-z0-9]{{1,{EVENT_ATTRIBUTE_NAME_LENGTH_MAX}}}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_INTEGER_MAX = 2**31
_TIME_LENGTH_MAX = 64


def _text(name: str, value: Any, length_max: int) -> str:
    if type(value) is not str or not value:
        what = "is missing" if value is None else "must be a text that is not empty"
        raise _invalid(name, what)
    if len(value) > length_max:
        raise _invalid(name, f"is longer than {length_max} characters")
    if not value.isprintable() and _CONTROL.search(value):
        raise _invalid(name, "holds a control character")
    return value


def _optional(name: str, value: Any) -> str | None:
    return None if value is None else _text(name, value, EVENT_ATTRIBUTE_LENGTH_MAX)


def _time(value: Any) -> datetime:
    try:
        return parse_instant(_text("time", value, _TIME_LENGTH_MAX))
    except InvalidInstant as failure:
        raise InvalidInstant(failure.detail, pointer="/time") from None


def _extensions(members: Mapping[str, Any]) -> dict[str, str | int | bool]:
    found = {name: value for name, value in members.items() if name not in _NAMED and value is not None}
    if len(found) > EVENT_EXTENSIONS_MAX:
        detail = f"The event has more than {EVENT_EXTENSIONS_MAX} extension attributes."
        raise InvalidAttribute(detail, pointer="")
    for name, value in found.items():
        if not _NAME.fullmatch(name):
            detail = f"{name[:60]!a} is no attribute name: small Latin letters and digits, at most 50."
            raise InvalidAttribute(detail, pointer=strict_json.pointer([name[:60]]))
        if type(value) is str:
            if value:
                _text(name, value, EVENT_ATTRIBUTE_LENGTH_MAX)
        elif type(value) is not bool and (type(value) is not int or not -_INTEGER_MAX <= value < _INTEGER_MAX):
            raise _invalid(name, "must be a text, a 32-bit whole number or a boolean")
    return found


def _invalid(name: str, what: str) -> InvalidAttribute:
    return InvalidAttribute(f"The attribute '{name}' {what}.", pointer=f"/{name}")


def _unsupported(specversion: Any) -> InvalidAttribute:
    if specversion is None:
        return _invalid("specversion", "is missing")
    return _invalid("specversion", f"must be '{SPECVERSION}', the only version that Onhand reads")


@lru_cache(maxsize=1024)
def _version_in(schema: str, event_type: str) -> int | None:
    found = re.search(r"/([^/]+)/([1-9][0-9]{0,5})$", schema)
    return int(found[2]) if found and found[1] == event_type else None
