"""Reads the query string and the path of a URL into typed values, strictly.

A misspelt filter that is ignored answers with everything, and nobody notices: unknown and repeated parameters are
errors here. SKUs may hold slashes, blanks and emoji, so the path is taken apart before it is decoded.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import unquote_to_bytes

import msgspec

from onhand.http.errors import InvalidParameter

T = TypeVar("T")


def read(query_string: bytes, form: type[T]) -> T:
    """The query string as a `form`, whose list members may be given several times. Raises InvalidParameter."""
    given: dict[str, Any] = {}
    many = lists_of(form)  # type: ignore[arg-type]
    for part in query_string.split(b"&") if query_string else ():
        raw_name, _, raw_value = part.partition(b"=")
        if not part:
            continue
        name = decode(raw_name.replace(b"+", b" "), parameter="query")
        value = decode(raw_value.replace(b"+", b" "), parameter=name[:60])
        if name in many:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise InvalidParameter(f"The parameter {name[:60]!r} is there twice.", parameter=name[:60])
        else:
            given[name] = value
    return convert(given, form)


def convert(given: dict[str, Any], form: type[T]) -> T:
    """Texts as a `form`. Raises InvalidParameter, naming the parameter."""
    try:
        return msgspec.convert(given, form, strict=False)
    except msgspec.ValidationError as failure:
        raise _invalid(str(failure)) from None


def decode(raw: bytes, *, parameter: str) -> str:
    """Undo percent-encoding. Raises InvalidParameter for what is not UTF-8, and for control characters."""
    try:
        text = unquote_to_bytes(raw).decode("utf-8") if b"%" in raw else raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidParameter(f"The parameter {parameter!r} is not UTF-8.", parameter=parameter) from None
    if _CONTROL.search(text):
        raise InvalidParameter(f"The parameter {parameter!r} holds a control character.", parameter=parameter)
    return text


def path_values(template: str, raw_path: bytes) -> dict[str, str]:
    """The values of a template's parameters in an undecoded path that matches it; the last may hold slashes.

    Raises InvalidParameter for a value that is not UTF-8 or is empty.
    """
    wanted = template.split("/")
    given = raw_path.split(b"/", len(wanted) - 1)
    values = {}
    for name, raw in zip(wanted, given, strict=False):
        if name.startswith("{"):
            parameter = name[1:-1]
            values[parameter] = decode(raw, parameter=parameter)
            if not values[parameter]:
                raise InvalidParameter(f"The path parameter {parameter!r} is empty.", parameter=parameter)
    return values


@cache
def lists_of(form: Any) -> frozenset[str]:
    """The members of a form that hold several values."""
    hints = get_type_hints(form)
    return frozenset(name for name, hint in hints.items() if _is_list(hint))


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PLACE = re.compile(r"\$\.(\w+)")
_NAMED = re.compile(r"field `(.*)`", re.DOTALL)


def _is_list(hint: Any) -> bool:
    return get_origin(hint) in {tuple, list} or any(_is_list(part) for part in get_args(hint) if part is not type(None))


def _invalid(message: str) -> InvalidParameter:
    reason, _, place = message.partition(" - at `")
    named = _NAMED.search(reason)
    parameter = named[1] if named else (found[1] if (found := _PLACE.match(place)) else "query")
    if named:
        reason = "it is not known here" if "unknown" in reason else "it is missing"
    text = reason.replace("`", "")
    return InvalidParameter(f"The parameter {parameter[:60]!r}: {text}.", parameter=parameter[:60])
