"""Cases of a mapping: a document, and the events that it must become or the way in which it must fail.

A case is a YAML file in `cases/` beside the mapping. It runs without a database: the codes that the mapping looks up
stand in the case itself. Each event is also held against its contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta
from msgspec import inspect as types

from onhand.app.mapping_files.documents import read_document
from onhand.app.network_files import yaml_tree
from onhand.app.network_files.mistakes import FileInvalid, Mistake, Position
from onhand.app.network_files.typed import MISSING, Reading
from onhand.contracts.errors import UnknownEventType
from onhand.contracts.instants import InvalidInstant, parse_instant
from onhand.contracts.registry import packaged
from onhand.domain.mapping import CompiledMapping, Context, Mapped, MappingFailed, differences

EVENT_KEYS: Final = ("type", "id", "time", "subject", "data")


class CasesInvalid(FileInvalid):
    """A case is written wrongly."""

    code: ClassVar[str] = "mapping_case_invalid"
    title: ClassVar[str] = "A case holds mistakes"
    done: ClassVar[str] = "The case was not run."
    remedy: ClassVar[str] = "Mend the places named and run 'onhand mapping test' again."
    what: ClassVar[str] = "The case holds"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """How a document must fail: each part that is stated must be so; `says` is contained in the reason."""

    pointer: str | None = None
    rule: str | None = None
    says: str | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One case as its file states it."""

    mapping: Annotated[str, Meta(description="The mapping's name.")]
    note: str = ""
    system: str = "partner"
    received_at: str = "2026-01-01T00:00:00Z"
    facts: dict[str, Any] = {}
    look_up: dict[str, dict[str, str]] = {}
    document: Any = None
    document_file: str | None = None
    expect: tuple[Any, ...] | None = None
    fails: Failure | None = None
    contract: bool = True


class CaseResult(msgspec.Struct, frozen=True):
    """What became of a case: nothing in `differences` when it passed."""

    file: str
    mapping: str
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all was as the case says."""
        return not self.differences


def read_case(text: str, *, file: str) -> Case:
    """Read one case. Raises CasesInvalid."""
    mistakes: list[Mistake] = []
    tree = yaml_tree.parse(file=file, text=text, mistakes=mistakes)
    case: Any = MISSING
    if tree is not None:
        reading = Reading(mistakes, {})
        case = reading.read(tree, types.type_info(Case), ())
        if case is not MISSING:
            mistakes += _contradictions(case, reading)
    elif not mistakes:
        mistakes.append(Mistake(at=Position(file), where="", found="an empty file", expected="a case"))
    if mistakes:
        raise CasesInvalid(mistakes)
    assert isinstance(case, Case)
    return case


def run_case(case: Case, mappings: Mapping[str, CompiledMapping], *, file: Path) -> CaseResult:
    """Run one case. `file` is where it lies: a document's file is named from there."""

    def result(*lines: str) -> CaseResult:
        return CaseResult(str(file), case.mapping, lines)

    mapping = mappings.get(case.mapping)
    if mapping is None:
        return result(f"there is no mapping '{case.mapping}'; there are {', '.join(sorted(mappings)) or 'none'}")
    document = case.document if case.document_file is None else read_document(file.parent / case.document_file)
    try:
        found = mapping.apply(document, context_of(case))
    except MappingFailed as failed:
        return result(*_failure(case, failed))
    if case.fails is not None:
        return result(f"expected it to fail, it became {len(found)} events")
    lines = _compared(case.expect or (), found)
    if case.contract and not mapping.outbound:
        lines += [line for number, each in enumerate(found) for line in violations(each, number)]
    return result(*lines)


def context_of(case: Case) -> Context:
    """Return what the mapping may know besides the document."""
    table = case.look_up
    backwards = {kind: {ours: theirs for theirs, ours in reversed(codes.items())} for kind, codes in table.items()}
    return Context(
        system=case.system,
        look_up=_look_up(table),
        look_up_theirs=_look_up(backwards),
        received_at=parse_instant(case.received_at),
        facts=case.facts,
    )


def violations(event: Mapped, number: int) -> list[str]:
    """Return how an event breaks its contract, and nothing for a type that has none."""
    try:
        found = packaged().validate(event.type, 1, event.data)
    except UnknownEventType:
        return []
    return [f"event {number}: data{each.pointer} {each.message} (contract {event.type})" for each in found]


def _look_up(table: Mapping[str, Mapping[str, str]]) -> Callable[[str, str], str | None]:
    return lambda kind, code: table.get(kind, {}).get(code)


def _contradictions(case: Case, reading: Reading) -> list[Mistake]:
    found: list[tuple[str, str]] = []
    if (case.expect is None) == (case.fails is None):
        found.append(("both or none of 'expect' and 'fails'", "one of them"))
    if case.document is not None and case.document_file is not None:
        found.append(("both 'document' and 'document_file'", "one of them"))
    try:
        parse_instant(case.received_at)
    except InvalidInstant:
        found.append((repr(case.received_at[:40]), "received_at as a time with its zone"))
    for index, event in enumerate(case.expect or ()):
        if not isinstance(event, dict) or not event or event.keys() - set(EVENT_KEYS):
            found.append((f"expect[{index}]", f"an event with {', '.join(EVENT_KEYS)}, or some of them"))
    return [Mistake(at=reading.at(()), where="", found=one, expected=other) for one, other in found]


def _failure(case: Case, failed: MappingFailed) -> list[str]:
    """Return how a failure differs from the one that was expected."""
    if case.fails is None:
        return [f"it failed at {failed.pointer or '/'}: {failed.reason} (rule {failed.rule})"]
    lines = []
    for name, wanted, found in (
        ("pointer", case.fails.pointer, failed.pointer),
        ("rule", case.fails.rule, failed.rule),
    ):
        if wanted is not None and wanted != found:
            lines.append(f"fails.{name}: expected {wanted!r}, is {found!r}")
    if case.fails.says is not None and case.fails.says not in failed.reason:
        lines.append(f"fails.says: expected {case.fails.says!r} in {failed.reason!r}")
    return lines


def _compared(expected: tuple[Any, ...], found: list[Mapped]) -> list[str]:
    lines = []
    if len(expected) != len(found):
        lines.append(f"expected {len(expected)} events, became {len(found)}")
    for number, (one, other) in enumerate(zip(expected, found, strict=False)):
        stated = {name: _plain(getattr(other, name)) for name in EVENT_KEYS if name in one}
        wanted = {**one, "time": _instant(one["time"])} if "time" in one else one
        lines += [f"event {number}: {line.removeprefix('/')}" for line in differences(wanted, stated)]
    return lines


def _instant(value: Any) -> Any:
    """Return an expected time in the zone of the world, so that it is compared as an instant."""
    try:
        return _plain(parse_instant(value)) if isinstance(value, str) else value
    except InvalidInstant:
        return value


def _plain(value: Any) -> Any:
    """Return a value as a case can write it: exact decimals as text, instants in universal time."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
