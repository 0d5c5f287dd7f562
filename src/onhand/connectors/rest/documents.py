"""Looking into JSON without changing it: things are cut out byte for byte, so that no number is rounded on its way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from onhand.domain.outcome import Transient
from onhand.sdk.connector import ReadFailed

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")


def cut(body: bytes | msgspec.Raw, path: str) -> msgspec.Raw | None:
    """Return the part of a document that lies at a path, as it is written there; None where nothing does."""
    part = msgspec.Raw(body)
    for name in path.split(".") if path else ():
        try:
            if name.isdigit():
                part = msgspec.json.decode(part, type=list[msgspec.Raw])[int(name)]
            else:
                part = msgspec.json.decode(part, type=dict[str, msgspec.Raw])[name]
        except (msgspec.MsgspecError, LookupError, RecursionError, UnicodeDecodeError):
            return None
    return part


def things(body: bytes, path: str) -> list[bytes]:
    """Return the things of an answer, each as it is written. Raises ReadFailed where there is no list."""
    part = cut(body, path)
    try:
        if part is not None:
            return [bytes(each) for each in msgspec.json.decode(part, type=list[msgspec.Raw])]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        pass
    raise ReadFailed(Transient(detail=f"the answer has no list at {path!r}, as the settings say"))


def text(body: bytes | msgspec.Raw, path: str) -> str | None:
    """Return what lies at a path: texts without their quotes, everything else as it is written; None for none."""
    part = cut(body, path)
    if part is None:
        return None
    written = bytes(part)
    if written[:1] == b'"':
        try:
            return msgspec.json.decode(written, type=str)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
    found = written.decode(errors="replace").strip()
    return None if found in ("null", "") else found


def present(body: bytes, path: str) -> bool:
    """Tell whether something lies at a path that is not empty."""
    found = text(body, path)
    return found not in (None, "", "[]", "{}", "false", "0")


def whole(written: str | None) -> int | None:
    """Return a whole number, exact; None for anything else."""
    if written is None:
        return None
    try:
        number = Decimal(written)
    except InvalidOperation:
        return None
    if not number.is_finite() or number.adjusted() > 15 or number != number.to_integral_value() or abs(number) > 10**15:
        return None
    return int(number)


def instant(written: str | None) -> datetime | None:
    """Return an instant with a zone; None for anything else, times without a zone included."""
    if written is None:
        return None
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


class Values(Mapping[str, Any]):
    """What a request's placeholders may name: values given by name, then members of a body by path."""

    def __init__(self, given: Mapping[str, Any], body: bytes = b"null") -> None:
        self._given = given
        self._body = body

    def __getitem__(self, name: str) -> Any:
        if name in self._given:
            return self._given[name]
        part = cut(self._body, name)
        if part is None:
            raise KeyError(name)
        return part

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


def fill(template: str, values: Values, *, quote: Any = str) -> str:
    """Return a text with its placeholders replaced; those that stand for nothing become empty."""

    def one(match: re.Match[str]) -> str:
        value = values.get(match[1], "")
        if isinstance(value, msgspec.Raw):
            value = text(value, "") or ""
        return str(quote("" if value is None else str(value)))

    return _PLACEHOLDER.sub(one, template)


def fill_document(template: Any, values: Values) -> Any:
    """Return a JSON template with its placeholders replaced; a text that is one placeholder becomes the value."""
    if isinstance(template, str):
        alone = _PLACEHOLDER.fullmatch(template)
        return values.get(alone[1]) if alone else fill(template, values)
    if isinstance(template, Mapping):
        return {name: fill_document(each, values) for name, each in template.items()}
    if isinstance(template, list | tuple):
        return [fill_document(each, values) for each in template]
    return template
