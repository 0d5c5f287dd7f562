"""Says in a few words what is wrong with data, without ever repeating what was sent at length.

The validator's own messages quote the whole value, which may be megabytes; these are built from the place, the keyword
and what the schema asks for.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from onhand.contracts import strict_json
from onhand.contracts.limits import MESSAGE_LENGTH_MAX


class Violation(msgspec.Struct, frozen=True):
    """One way in which data break their contract: where (JSON pointer), which keyword of the schema, in words."""

    pointer: str
    keyword: str
    message: str


def describe(error: Any, data: Any) -> Violation:
    """The violation behind an error of jsonschema-rs."""
    path = list(error.instance_path)
    message = _message(error.kind, _at(data, path))
    where = strict_json.pointer(path)
    return Violation(
        pointer=where if len(where) <= MESSAGE_LENGTH_MAX else where[: MESSAGE_LENGTH_MAX - 3] + "...",
        keyword=error.kind.name,
        message=message if len(message) <= MESSAGE_LENGTH_MAX else message[: MESSAGE_LENGTH_MAX - 3] + "...",
    )


_WORDS = {
    "minimum": "must be at least {limit}",
    "maximum": "must be at most {limit}",
    "exclusiveMinimum": "must be more than {limit}",
    "exclusiveMaximum": "must be less than {limit}",
    "minLength": "must have at least {limit} characters",
    "maxLength": "must have at most {limit} characters",
    "minItems": "must have at least {limit} elements",
    "maxItems": "must have at most {limit} elements",
    "minProperties": "must have at least {limit} members",
    "maxProperties": "must have at most {limit} members",
    "multipleOf": "must be a multiple of {multiple_of}",
    "required": "must have the member '{property}'",
    "const": "must be {expected_value}",
    "propertyNames": "has a member whose name is not allowed",
    "not": "has a value that is not allowed",
    "uniqueItems": "must not have equal elements",
    "additionalProperties": "has members that are not allowed",
}

_FORMATS = {
    "date": "must be a day that exists, YYYY-MM-DD",
    "date-time": "must be a date and time with a zone, as RFC 3339 has it",
}


def _message(kind: Any, value: Any) -> str:
    if kind.name == "type":
        return f"must be {' or '.join(kind.types)}, is {_type(value)}"
    if kind.name == "enum":
        return f"must be one of {', '.join(map(str, kind.options))}"
    if kind.name == "format":
        return _FORMATS.get(kind.format, f"must be in the format {kind.format}")
    if kind.name == "pattern":
        return _pattern(kind.pattern, value)
    words = _WORDS.get(kind.name)
    return f"breaks the rule '{kind.name}'" if words is None else words.format_map(_Members(kind))


class _Members(dict[str, Any]):
    """The members of an error's kind, read only when a message asks for them: reading all would copy the data."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, name: str) -> Any:
        return getattr(self._kind, name)


def _pattern(pattern: str, value: Any) -> str:
    if isinstance(value, str):
        if value != value.strip():
            return "must not begin or end with white space"
        if any(character < " " or "\x7f" <= character <= "\x9f" for character in value):
            return "must not hold control characters"
    return f"must match {pattern}"


def _type(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    names = {str: "string", int: "integer", float: "number", Decimal: "number", dict: "object", list: "array"}
    return names.get(type(value), type(value).__name__)


def _at(data: Any, path: list[str | int]) -> Any:
    for step in path:
        data = data[step]
    return data
