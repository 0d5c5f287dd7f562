"""Out and back: what a mapping out writes, the mapping in must read as the same object."""

from __future__ import annotations

from typing import Any

from onhand.domain.mapping.errors import MappingFailed, pointer_text
from onhand.domain.mapping.mapping import CompiledMapping
from onhand.domain.mapping.scope import Context

DIFFERENCES_MAX = 50


def round_trips(inbound: CompiledMapping, outbound: CompiledMapping, document: object, context: Context) -> list[str]:
    """Return how a canonical document differs after it went out and came back; empty when it is the same.

    What the partner has no place for is a difference too: hand in a document that holds what it can keep.
    """
    try:
        out = outbound.apply(document, context)
        back = [event for payload in out for event in inbound.apply(payload.data, context)]
    except MappingFailed as failed:
        return [f"{failed.pointer or '/'}: {failed.reason} (rule {failed.rule})"]
    if len(back) != 1:
        return [f"/: one document went out, {len(back)} came back"]
    return differences(document, back[0].data)


def differences(expected: Any, found: Any, place: tuple[str | int, ...] = ()) -> list[str]:
    """Return how two documents differ, place by place; numbers are equal by value, never to a truth."""
    if isinstance(expected, dict) and isinstance(found, dict):
        lines = []
        for key in [*expected, *(key for key in found if key not in expected)]:
            at = (*place, key)
            if key not in found:
                lines.append(f"{pointer_text(at)}: expected {expected[key]!r}, is not there")
            elif key not in expected:
                lines.append(f"{pointer_text(at)}: is {found[key]!r}, was not expected")
            else:
                lines += differences(expected[key], found[key], at)
        return lines[:DIFFERENCES_MAX]
    if isinstance(expected, list) and isinstance(found, list):
        lines = []
        if len(expected) != len(found):
            lines.append(f"{pointer_text(place) or '/'}: expected {len(expected)} elements, are {len(found)}")
        for index, (one, other) in enumerate(zip(expected, found, strict=False)):
            lines += differences(one, other, (*place, index))
        return lines[:DIFFERENCES_MAX]
    if isinstance(expected, bool) != isinstance(found, bool) or expected != found:
        return [f"{pointer_text(place) or '/'}: expected {expected!r}, is {found!r}"]
    return []
