"""Mapping in one line: a rule, a document, what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from onhand.domain.mapping import Context, Mapped, MappingFailed, MappingInvalid, SpecMistake, compile_mapping

RECEIVED = datetime(2026, 3, 1, 12, tzinfo=UTC)

CODES: Mapping[str, Mapping[str, str]] = {
    "item": {"A-1": "TEA-001", "A-2": "TEA-002"},
    "status": {"OK": "available"},
    "unit": {"CT": "carton"},
    "location": {"0001": "vienna"},
    "customer": {"17": "C-17"},
}


def look_up(kind: str, code: str) -> str | None:
    return CODES[kind].get(code)


def context(*, trace: bool = False, **facts: Any) -> Context:
    return Context(system="shop", look_up=look_up, received_at=RECEIVED, trace=trace, facts=facts)


def spec(rule: Any) -> dict[str, Any]:
    """A mapping whose one field is the rule."""
    return {"direction": "out", "type": "x", "data": {"it": rule}}


def events(specification: Mapping[str, object], document: object, *, trace: bool = False) -> list[Mapped]:
    return compile_mapping(specification, name="test").apply(document, context(trace=trace))


def value(rule: Any, document: object, **facts: Any) -> Any:
    """What a rule makes of a document; None when it leaves the field out."""
    (event,) = compile_mapping(spec(rule), name="test").apply(document, context(**facts))
    return event.data.get("it")


def failure(rule: Any, document: object) -> MappingFailed:
    with pytest.raises(MappingFailed) as caught:
        value(rule, document)
    return caught.value


def mistakes(specification: Any) -> list[SpecMistake]:
    with pytest.raises(MappingInvalid) as caught:
        compile_mapping(specification, name="test")
    return list(caught.value.mistakes)


def mistake(rule: Any) -> str:
    """The one mistake in a rule."""
    (found,) = mistakes(spec(rule))
    return str(found)
