"""Reads a JSON body into a typed form, and says exactly where it does not fit.

JSON is read by `onhand.contracts.strict_json`, which refuses what two readers could understand differently; msgspec
then holds the value to the type. msgspec says `$.lines[...].quantity` without the index; on that (failing) path the
index is found by trying the elements one by one, so that the pointer leads to the very line.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from onhand.contracts import strict_json
from onhand.domain.errors import InvalidInput

T = TypeVar("T")


def read(body: bytes, form: type[T]) -> T:
    """The body as a `form`; an empty body counts as an empty object.

    Raises MalformedJson and its siblings for what is not JSON, InvalidInput with `pointer` for what does not fit.
    """
    value = strict_json.loads(body) if body else {}
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as failure:
        raise _misfit(value, form, failure) from None


_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[(\.\.\.)\]")


def _misfit(value: Any, form: type[Any], failure: msgspec.ValidationError) -> InvalidInput:
    reason, _, place = str(failure).partition(" - at `$")
    pointer = strict_json.pointer(_path(value, form, reason, place.removesuffix("`")))
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", reason, re.DOTALL)
    missing = re.fullmatch(r"Object missing required field `(.*)`", reason, re.DOTALL)
    if unknown:
        pointer += strict_json.pointer([unknown[1][:100]])
        reason = "This member is not known"
    elif missing:
        reason = f"The member {missing[1]!r} is missing"
    return InvalidInput(f"{reason.replace('`', '')} (at {pointer or 'the whole document'}).", pointer=pointer)


def _path(value: Any, form: type[Any], reason: str, place: str) -> list[str | int]:
    path: list[str | int] = []
    for member, index, any_index in _STEP.findall(place):
        if any_index:
            path.append(_culprit(value, form, path, reason))
        else:
            path.append(int(index) if index else member)
    return path


def _culprit(value: Any, form: type[Any], path: list[str | int], reason: str) -> int | str:
    """Which element of the list at `path` is to blame: the first that gives the same reason when it stands alone."""
    elements = value
    for step in path:
        elements = elements[step]
    if not isinstance(elements, list):
        return "..."
    for index, element in enumerate(elements):
        try:
            msgspec.convert(_with(value, path, [element]), form)
        except msgspec.ValidationError as again:
            if str(again).partition(" - at `$")[0] == reason:
                return index
    return 0


def _with(value: Any, path: list[str | int], replacement: Any) -> Any:
    """The value with what lies at `path` replaced; containers on the way are copied, nothing else."""
    if not path:
        return replacement
    step, *rest = path
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    copy[step] = _with(value[step], rest, replacement)
    return copy
