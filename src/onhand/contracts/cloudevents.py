"""Carries events in and out of HTTP in the three ways of CloudEvents 1.0: structured, batched, binary.

Source: CloudEvents 1.0.2, the JSON event format and the HTTP protocol binding. A batch is taken apart before its
events are read, so an event that cannot be read takes none of the others with it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

from onhand.contracts import strict_json
from onhand.contracts.envelope import Envelope, InvalidAttribute, from_members, to_members
from onhand.contracts.limits import EVENTS_PER_BATCH_MAX
from onhand.domain.errors import InvalidInput

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"

Headers = Iterable[tuple[bytes, bytes]]
"""HTTP headers as ASGI gives them; names in any case."""


class UnsupportedMediaType(InvalidInput):
    """The content type is none in which events are read."""

    code = "unsupported_media_type"
    title = "The content type is not supported"
    remedy = f"Send {STRUCTURED}, {BATCHED}, or JSON with ce-* headers, in UTF-8."


class NotAnEvent(InvalidInput):
    """A JSON document was read, but it is not an object and so no event."""

    code = "not_an_event"
    title = "This is not an event"
    remedy = "Send an object with specversion, id, source, type and data."


def decode(headers: Headers, body: bytes) -> list[Envelope | InvalidInput]:
    """The events of one HTTP message, in any of the three modes; an unreadable event of a batch is its error.

    Raises InvalidInput (one of its kinds) when the message as a whole cannot be read.
    """
    pairs = [(name.lower(), value) for name, value in headers]
    declared = next((value for name, value in pairs if name == b"content-type"), b"").decode("latin-1")
    media_type, charset = _media_type(declared)
    if media_type == BATCHED:
        _require_utf8(charset)
        return decode_batch(body)
    if media_type == STRUCTURED:
        _require_utf8(charset)
        return [decode_structured(body)]
    if media_type.startswith("application/cloudevents") or not any(name == b"ce-specversion" for name, _ in pairs):
        raise UnsupportedMediaType(f"The content type {declared[:100]!a} is none that carries events.")
    return [decode_binary(pairs, body)]


def decode_structured(body: bytes) -> Envelope:
    """The one event of a structured message. Raises InvalidInput, one of its kinds."""
    return _from_json(strict_json.loads(body))


def decode_batch(body: bytes) -> list[Envelope | InvalidInput]:
    """The events of a batch in their order; in the place of an event that cannot be read stands its error.

    Raises InvalidInput when the array itself cannot be read, TooMany when it has more than EVENTS_PER_BATCH_MAX.
    """
    documents = strict_json.load_elements(body, elements_max=EVENTS_PER_BATCH_MAX)
    return [_from_json_or_failure(document) for document in documents]


def decode_binary(headers: Headers, body: bytes) -> Envelope:
    """The event whose attributes are `ce-` headers and whose data is the body.

    Raises InvalidInput, one of its kinds.
    """
    members: dict[str, Any] = {}
    for raw_name, value in headers:
        name = raw_name.lower().decode("latin-1")
        if name == "content-type":
            members["datacontenttype"] = value.decode("latin-1").strip()
        elif name.startswith("ce-"):
            attribute = name.removeprefix("ce-")
            if attribute in members or attribute in _NOT_A_HEADER:
                detail = f"The header {name[:60]!a} is there twice, or is none that CloudEvents allows."
                raise InvalidAttribute(detail, pointer=strict_json.pointer([attribute[:60]]))
            members[attribute] = _from_header(attribute, value)
    members["data"] = _payload(members.get("datacontenttype"), body) if body else None
    return from_members(members)


def encode_structured(envelope: Envelope) -> bytes:
    """The event as one JSON object, for the content type STRUCTURED."""
    return strict_json.dumps(_to_json(envelope))


def encode_batch(envelopes: Sequence[Envelope]) -> bytes:
    """The events as one JSON array, for the content type BATCHED."""
    return strict_json.dumps([_to_json(envelope) for envelope in envelopes])


def encode_binary(envelope: Envelope) -> tuple[dict[str, str], bytes]:
    """The event as HTTP headers (printable ASCII) and a body."""
    headers = {f"ce-{name}": _to_header(value) for name, value in to_members(envelope).items()}
    content_type = headers.pop("ce-datacontenttype", None)
    data = envelope.data
    if data is None:
        body = b""
    elif isinstance(data, bytes):
        body = data
    elif isinstance(data, str) and content_type is not None and not is_json(content_type):
        body = data.encode()
    else:
        body = strict_json.dumps(data)
        content_type = content_type or "application/json"
    if content_type is not None:
        headers["content-type"] = content_type
    return headers, body


@lru_cache(maxsize=256)
def is_json(content_type: str) -> bool:
    """Whether a content type says that the data are JSON: `*/json` or `*/*+json`."""
    return _media_type(content_type)[0].endswith(("/json", "+json"))


_NOT_A_HEADER = frozenset({"data", "data_base64", "datacontenttype"})
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SAFE_IN_HEADER = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


def _from_json(document: Any) -> Envelope:
    if type(document) is not dict:
        raise NotAnEvent("The document is not an object.", pointer="")
    if document.get("data_base64") is not None:
        document = {**document, "data": _from_base64(document)}
    return from_members(document)


def _from_json_or_failure(document: Any) -> Envelope | InvalidInput:
    try:
        return document if isinstance(document, InvalidInput) else _from_json(document)
    except InvalidInput as failure:
        return failure


def _from_base64(document: dict[str, Any]) -> Any:
    if document.get("data") is not None:
        raise InvalidAttribute("An event has 'data' or 'data_base64', not both.", pointer="/data_base64")
    try:
        payload = binascii.a2b_base64(document["data_base64"], strict_mode=True)
    except (ValueError, TypeError):
        raise InvalidAttribute("The member 'data_base64' is not Base64.", pointer="/data_base64") from None
    declared = document.get("datacontenttype")
    return _payload(declared, payload) if isinstance(declared, str) else payload


def _payload(declared: str | None, body: bytes) -> Any:
    """The data of an event as its content type has it: a JSON value, or the bytes as they are."""
    if declared is None or not is_json(declared):
        return body
    _require_utf8(_media_type(declared)[1])
    return strict_json.loads(body)


def _to_json(envelope: Envelope) -> dict[str, Any]:
    members = to_members(envelope)
    if envelope.data is not None:
        members["data_base64" if isinstance(envelope.data, bytes) else "data"] = envelope.data
    return members


def _from_header(name: str, value: bytes) -> str:
    """Undo quoting, then percent-encoding; more characters than needed may be encoded, invalid UTF-8 may not."""
    value = value.strip(b" \t")
    quoted = _QUOTED.fullmatch(value)
    if quoted:
        value = re.sub(rb"\\(.)", rb"\1", quoted[1], flags=re.DOTALL)
    try:
        text = None if _PERCENT.search(value) else unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if text is None:
        detail = f"The header 'ce-{name[:60]}' is not percent-encoded UTF-8."
        raise InvalidAttribute(detail, pointer=strict_json.pointer([name[:60]]))
    return text


def _to_header(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else strict_json.dumps(value).decode().strip('"')
    return quote(text, safe=_SAFE_IN_HEADER)


def _media_type(content_type: str) -> tuple[str, str | None]:
    """The media type in small letters, and the charset if one is named."""
    media_type, *parameters = content_type.split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return media_type.strip().lower(), value.strip().strip('"').lower()
    return media_type.strip().lower(), None


def _require_utf8(charset: str | None) -> None:
    if charset not in {None, "utf-8", "utf8", "us-ascii"}:
        raise UnsupportedMediaType(f"The charset {(charset or '')[:40]!a} is not read.")
