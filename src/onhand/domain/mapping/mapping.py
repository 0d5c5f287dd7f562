"""A whole mapping: from its specification to a compiled value, and from a document to what it becomes.

A document becomes any number of results: events on the way in, payloads of commands on the way out. A `CompiledMapping`
is immutable and may be used by any number of tasks at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from onhand.domain.mapping.building import Fields, compile_fields
from onhand.domain.mapping.compiling import Compiling, Rule, Table, failing, where
from onhand.domain.mapping.conditions import Holds, compile_condition
from onhand.domain.mapping.errors import MappingFailed, MappingInvalid, Place, SpecMistake, Unfit, shown
from onhand.domain.mapping.limits import FAILED_MAX, ID_MAX, MAPPED_MAX
from onhand.domain.mapping.paths import Path
from onhand.domain.mapping.rules import compile_rule
from onhand.domain.mapping.scope import Context, Run, Scope
from onhand.domain.mapping.times import instant_of
from onhand.domain.mapping.values import text_of

MAPPING_KEYS: Final = ("direction", "note", "tables", "events")
EVENT_KEYS: Final = ("for_each", "group_by", "when", "type", "id", "time", "subject", "data")

_FROM_DOCUMENT: Final = {"text", "path", "first_of"}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Mapped(msgspec.Struct, frozen=True):
    """What a document became: an event, or on the way out the payload of an operation (`type`).

    `origins` says for each single value of `data` (a JSON pointer) where it came from; it is filled when the context
    asks for a trace.
    """

    type: str
    id: str
    time: datetime | None
    subject: str | None
    data: dict[str, Any]
    origins: dict[str, str] = {}


class _Event(msgspec.Struct, frozen=True):
    """One compiled part of a mapping."""

    for_each: Path | None
    group_by: Rule | None
    when: Holds | None
    type: Rule
    id: Rule | None
    time: Rule | None
    subject: Rule | None
    data: Fields
    where: str


class CompiledMapping:
    """A mapping, ready to run."""

    __slots__ = ("_events", "direction", "name")

    def __init__(self, name: str, direction: str, events: tuple[_Event, ...]) -> None:
        self.name = name
        self.direction = direction
        self._events = events

    def __repr__(self) -> str:
        return f"<mapping {self.name} ({self.direction})>"

    @property
    def outbound(self) -> bool:
        """Whether it makes payloads for the partner."""
        return self.direction == "out"

    def apply(self, document: object, context: Context) -> list[Mapped]:
        """Return what a document becomes, possibly nothing. Raises MappingFailed."""
        return self._applied(document, context, None)

    def apply_each(self, document: object, context: Context) -> tuple[list[Mapped], list[MappingFailed]]:
        """Return what a document becomes, and why those of its parts do not fit that became nothing.

        Raises MappingFailed where that is so of the document as a whole, or of more than FAILED_MAX parts.
        """
        failed: list[MappingFailed] = []
        return self._applied(document, context, failed), failed

    def _applied(self, document: object, context: Context, failed: list[MappingFailed] | None) -> list[Mapped]:
        if not self._events:
            raise MappingFailed("", self.name, "the mapping is empty; the network's own is to take its place")
        run = Run(document, context, outbound=self.outbound)
        top = Scope(document, run)
        found: list[Mapped] = []
        for event in self._events:
            try:
                scopes = _scopes(event, top)
            except Unfit as unfit:
                raise MappingFailed((unfit.scope or top).pointer(unfit.at), event.where, unfit.detail) from None
            if failed is None:
                found += [_mapped(event, scope) for scope in scopes if event.when is None or _holds(event, scope)]
            else:
                found += _those_that_fit(event, scopes, failed)
            if len(found) > MAPPED_MAX:
                raise MappingFailed("", event.where, f"the document would become more than {MAPPED_MAX} events")
        return found


def compile_mapping(spec: Mapping[str, object], *, name: str) -> CompiledMapping:
    """Compile a specification. Raises MappingInvalid with all of its mistakes."""
    compiled, mistakes = read_spec(spec, name=name)
    if mistakes:
        raise MappingInvalid(name, mistakes)
    return compiled


def read_spec(spec: object, *, name: str) -> tuple[CompiledMapping, list[SpecMistake]]:
    """Return a compiled mapping with the mistakes in its specification; it may be run when there are none.

    An empty specification is a place that a connector keeps for the operator's own; no document fits it.
    """
    c = Compiling({})
    keys = c.keys(spec, (), (*MAPPING_KEYS, *EVENT_KEYS))
    c.tables = _tables(c, keys.get("tables", {}))
    direction = c.choice(keys.get("direction", "in"), ("direction",), ("in", "out")) or "in"
    events = []
    if "events" in keys:
        for key in EVENT_KEYS:
            if key in keys:
                c.wrong((key,), f"{key!r} beside 'events'", "it in each of the events")
        for at, each in _listed(c, keys["events"]):
            keys_of_event = c.keys(each, at, (*EVENT_KEYS, "note"))
            events.append(_event(c, keys_of_event, at, inbound=direction == "in"))
    elif keys or not isinstance(spec, Mapping):
        events.append(_event(c, keys, (), inbound=direction == "in"))
    return CompiledMapping(name, direction, tuple(each for each in events if each is not None)), c.mistakes


def _tables(c: Compiling, spec: Any) -> dict[str, Table]:
    if not isinstance(spec, Mapping):
        c.wrong(("tables",), shown(spec), "names with their codes")
        return {}
    read = {str(name): c.codes(table, ("tables", str(name))) for name, table in spec.items()}
    return {name: table or {} for name, table in read.items()}


def _listed(c: Compiling, spec: Any) -> Iterator[tuple[Place, Any]]:
    if not isinstance(spec, list) or not spec:
        c.wrong(("events",), shown(spec), "a list of events")
        return
    for index, each in enumerate(spec):
        yield ("events", index), each


def _event(c: Compiling, keys: dict[str, Any], at: Place, *, inbound: bool) -> _Event | None:
    for name in ("type", "data", *(("id",) if inbound else ())):
        if name not in keys:
            c.wrong(at, f"no {name!r}", "one")
    for_each = c.path(keys["for_each"], (*at, "for_each")) if "for_each" in keys else None
    loops = 1 if "for_each" in keys else 0
    c.loops += loops
    group_by = _part(c, keys, at, "group_by", compile_rule)
    if "group_by" in keys and "for_each" not in keys:
        c.wrong((*at, "group_by"), "'group_by' without 'for_each'", "'for_each' with the rows to be grouped")
    event = _Event(
        for_each=for_each,
        group_by=group_by,
        when=_part(c, keys, at, "when", compile_condition),
        type=_template_rule(c, keys.get("type", "-"), (*at, "type")),
        id=_identity(c, keys, at) if inbound else _part(c, keys, at, "id", _template_rule),
        time=_part(c, keys, at, "time", compile_rule),
        subject=_part(c, keys, at, "subject", _template_rule),
        data=compile_fields(c, keys["data"], (*at, "data")) if "data" in keys else Fields({}),
        where=".".join(map(str, at)) or "the mapping",
    )
    c.loops -= loops
    return event


def _part(c: Compiling, keys: dict[str, Any], at: Place, name: str, compile_one: Callable[..., Any]) -> Any:
    return compile_one(c, keys[name], (*at, name)) if name in keys else None


def _template_rule(c: Compiling, spec: Any, at: Place) -> Rule:
    """Compile a rule where a text is a template, not a path."""
    if isinstance(spec, Mapping) and list(spec.values()) == [None]:
        name = next(iter(spec))
        c.wrong(at, f"{{{name}}} without quotes, which YAML reads as a key", f'"{{{name}}}"')
        return failing(where(at))
    return compile_rule(c, {"text": spec} if isinstance(spec, str) else spec, at)


def _identity(c: Compiling, keys: dict[str, Any], at: Place) -> Rule | None:
    """Compile the id: it comes from the business fact, or repetitions would not be recognised."""
    if "id" not in keys:
        return None
    spec = keys["id"]
    place = (*at, "id")
    if isinstance(spec, str) and "{" not in spec.replace("{{", ""):
        c.wrong(place, f"{shown(spec)}, the same for every document", "a template of values that identify the fact")
    elif isinstance(spec, dict) and [*spec.values()] != [None] and not _FROM_DOCUMENT & spec.keys():
        c.wrong(place, "a rule that takes nothing from the document", "'text' with values that identify the fact")
    return _template_rule(c, spec, place)


def _scopes(event: _Event, top: Scope) -> list[Scope]:
    if event.for_each is None:
        return [top]
    elements = event.for_each.elements(top)
    if elements is None:
        if event.for_each.optional:
            return []
        raise Unfit("nothing stands here", event.for_each.groups[0])
    top.run.spend(len(elements) * event.data.weight)
    scopes = [Scope(element, top.run, top, event.for_each, index) for index, element in enumerate(elements)]
    return scopes if event.group_by is None else _grouped(event, event.group_by, top, scopes)


def _grouped(event: _Event, by: Rule, top: Scope, scopes: list[Scope]) -> list[Scope]:
    """Return one scope for all rows with the same key, in the order of their first rows."""
    groups: dict[str, list[Scope]] = {}
    key = by.required()
    for scope in scopes:
        found = key(scope)
        groups.setdefault("" if found is None else text_of(found), []).append(scope)
    return [
        Scope([row.here for row in rows], top.run, top, event.for_each, number, tuple(row.index for row in rows))
        for number, rows in enumerate(groups.values())
    ]


def _those_that_fit(event: _Event, scopes: list[Scope], failed: list[MappingFailed]) -> Iterator[Mapped]:
    for scope in scopes:
        try:
            if event.when is None or _holds(event, scope):
                yield _mapped(event, scope)
        except MappingFailed as misfit:
            failed.append(misfit)
            if len(failed) > FAILED_MAX:
                raise


def _holds(event: _Event, scope: Scope) -> bool:
    assert event.when is not None
    try:
        return event.when(scope)
    except Unfit as unfit:
        where = f"{event.where}.when".removeprefix("the mapping.")
        raise MappingFailed((unfit.scope or scope).pointer(unfit.at), where, unfit.detail) from None


def _mapped(event: _Event, scope: Scope) -> Mapped:
    if event.id is None:
        identity = ""
    else:
        identity = (_name(event.id, scope) or "") if scope.run.outbound else _demanded(event.id, scope)
    origins: dict[str, str] = {}
    data = event.data.build(scope)
    if scope.run.context.trace:
        event.data.origins(scope, "", origins)
    return Mapped(
        type=_demanded(event.type, scope),
        id=identity,
        time=_time(event.time, scope),
        subject=_name(event.subject, scope) if event.subject is not None else None,
        data=data,
        origins=origins,
    )


def _demanded(rule: Rule, scope: Scope) -> str:
    found = _name(rule, scope)
    if found is None:
        raise rule.missing(scope)
    return found


def _name(rule: Rule, scope: Scope) -> str | None:
    """Return the type, id or subject: one line, of a length that an index takes."""
    found = rule.value(scope)
    if found is None:
        if rule.optional:
            return None
        raise rule.missing(scope)
    try:
        text = text_of(found)
    except Unfit as unfit:
        raise MappingFailed(rule.pointer(scope), rule.where, unfit.detail) from None
    if len(text) > ID_MAX:
        raise MappingFailed(rule.pointer(scope), rule.where, f"the text would have more than {ID_MAX} characters")
    if _CONTROL.search(text):
        raise MappingFailed(rule.pointer(scope), rule.where, f"{shown(text)} holds a control character")
    return text


def _time(rule: Rule | None, scope: Scope) -> datetime | None:
    if rule is None:
        return None
    found = rule.value(scope)
    if found is None:
        if rule.optional:
            return None
        raise rule.missing(scope)
    try:
        return instant_of(found)
    except Unfit as unfit:
        raise MappingFailed(rule.pointer(scope), rule.where, unfit.detail) from None
