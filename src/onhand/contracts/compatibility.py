"""Says whether one version of the contracts keeps what an earlier one promised: additions only, within a version.

A contract promises to two sides. Senders were told what is accepted: whatever was valid must stay valid. Readers were
told what can come: whatever could not come must not come now. So loosening a bound breaks as surely as tightening it
does, only other people. What is allowed: a new contract, a new version, a new optional member, a better description.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from onhand.contracts.registry import Contract, Registry
from onhand.contracts.schema_changes import SchemaChange, schema_changes

SENDERS = ("senders",)
READERS = ("readers",)


class BreakingChange(msgspec.Struct, frozen=True, kw_only=True):
    """One broken promise. `pointer` leads into the contract's schema, its references written out; "" is the whole.

    `rule` is a stable name, `breaks` says whom: senders, readers or both.
    """

    type: str
    version: int
    pointer: str
    rule: str
    what: str
    why: str
    breaks: tuple[str, ...]


def breaking_changes(old: Registry, new: Registry) -> list[BreakingChange]:
    """Every promise of `old` that `new` does not keep, by type and version."""
    return [
        BreakingChange(type=contract.type, version=contract.version, **msgspec.structs.asdict(change))
        for contract in old
        for change in _changes(contract, old, new)
    ]


def _changes(contract: Contract, old: Registry, new: Registry) -> list[SchemaChange]:
    successor = new.contracts.get((contract.type, contract.version))
    if successor is None:
        return [_removed(contract, new)]
    changes = list(schema_changes(old.plain_schema(contract), new.plain_schema(successor)))
    changes += _service_level_changes(contract, successor)
    changes += _example_changes(contract, successor)
    # What the examples show is told only when the schemas did not show it: one cause, one line.
    told = {side for change in changes for side in change.breaks}
    return changes + [change for change in _behaviour_changes(contract, new) if not told.intersection(change.breaks)]


def _removed(contract: Contract, new: Registry) -> SchemaChange:
    others = [other.version for other in new if other.type == contract.type]
    return SchemaChange(
        pointer="",
        rule="version_removed" if others else "contract_removed",
        what=f"version {contract.version} is gone" if others else "the contract is gone",
        why="Who sends it is refused, who waits for it waits for ever.",
        breaks=SENDERS + READERS,
    )


def _service_level_changes(old: Contract, new: Contract) -> Iterator[SchemaChange]:
    before, after = old.service_level.latency_p99_ms, new.service_level.latency_p99_ms
    if after > before:
        yield SchemaChange(
            pointer="",
            rule="service_level_loosened",
            what=f"latency_p99_ms rose from {before} to {after}",
            why="Readers rely on the time within which a fact takes effect.",
            breaks=READERS,
        )


def _example_changes(old: Contract, new: Contract) -> Iterator[SchemaChange]:
    kept_valid = new.valid.values()
    kept_invalid = [example.data for example in new.invalid.values()]
    gone = [f"valid/{name}" for name, data in old.valid.items() if name not in new.valid and data not in kept_valid]
    gone += [
        f"invalid/{name}"
        for name, example in old.invalid.items()
        if name not in new.invalid and example.data not in kept_invalid
    ]
    for name in gone:
        yield SchemaChange(
            pointer="",
            rule="example_removed",
            what=f"the example {name} is gone",
            why="It was the proof of a promise; others test against it.",
            breaks=SENDERS if name.startswith("valid/") else READERS,
        )


def _behaviour_changes(old: Contract, new: Registry) -> Iterator[SchemaChange]:
    for name, data in old.valid.items():
        found = new.validate(old.type, old.version, data)
        if found:
            yield SchemaChange(
                pointer="",
                rule="example_refused",
                what=f"the example valid/{name} is refused at '{found[0].pointer}' ({found[0].keyword})",
                why="Data that were valid are refused.",
                breaks=SENDERS,
            )
    for name, example in old.invalid.items():
        if not new.validate(old.type, old.version, example.data):
            yield SchemaChange(
                pointer="",
                rule="example_accepted",
                what=f"the example invalid/{name} is accepted",
                why="Data that could not come may come now.",
                breaks=READERS,
            )
