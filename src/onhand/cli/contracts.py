"""`onhand contracts`: see the event contracts, and hold a folder of them against an earlier one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from onhand.cli import output
from onhand.contracts.compatibility import BreakingChange, breaking_changes
from onhand.contracts.examples import broken_examples
from onhand.contracts.registry import Contract, Registry, load, packaged

contracts = App(name="contracts", help="List, show and check the contracts of events.")

Folder = Annotated[Path | None, Parameter(help="A folder of contracts; those of this release when absent.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs.")]
Type = Annotated[str, Parameter(help="The event type, for example receipt.posted.")]
Version = Annotated[int, Parameter(help="The contract's version.")]
Against = Annotated[Path | None, Parameter(help="The folder as it was; without it only the examples are checked.")]


@contracts.command(name="list")
def list_contracts(*, folder: Folder = None, as_json: Json = False) -> None:
    """List every contract with its version, owner and service level."""
    registry = _registry(folder)
    if as_json:
        output.emit_json([_summary(contract) for contract in registry])
        return
    rows = [(c.type, c.version, c.owner, c.service_level.latency_class, c.summary) for c in registry]
    output.table(("type", "version", "owner", "latency class", "says"), rows)


@contracts.command
def show(event_type: Type, *, version: Version = 1, folder: Folder = None, as_json: Json = False) -> None:
    """Show one contract: what it means, its schema with all references written out, and its examples."""
    registry = _registry(folder)
    contract = registry.get(event_type, version)
    shown = {"schema": registry.plain_schema(contract), "examples": contract.valid}
    if as_json:
        output.emit_json(_summary(contract) | shown)
        return
    level = contract.service_level
    output.say(f"{contract.type} v{contract.version}: {contract.description}")
    output.pairs(
        [
            ("ledger", contract.ledger),
            ("owner", contract.owner),
            ("usually stated by", ", ".join(contract.stated_by)),
            ("service level", f"{level.latency_class}, 99 of 100 within {level.latency_p99_ms} ms"),
        ]
    )
    output.emit_json(shown)


@contracts.command
def check(against: Against = None, *, folder: Folder = None, as_json: Json = False) -> int:
    """Check the contracts' own examples, and name every promise of an earlier version that is no longer kept.

    The exit code is 0 when all is well, 1 when a promise is broken or an example does not do what it says.
    """
    registry = _registry(folder)
    examples = broken_examples(registry)
    changes = [] if against is None else breaking_changes(load(against), registry)
    if as_json:
        output.emit_json({"breaking": changes, "examples": examples, "contracts": len(registry.contracts)})
    else:
        _say_findings(changes, examples, contracts_checked=len(registry.contracts))
    return 1 if changes or examples else 0


def _registry(folder: Path | None) -> Registry:
    return packaged() if folder is None else load(folder)


def _summary(contract: Contract) -> dict[str, Any]:
    return {
        "type": contract.type,
        "version": contract.version,
        "title": contract.title,
        "summary": contract.summary,
        "owner": contract.owner,
        "ledger": contract.ledger,
        "stated_by": list(contract.stated_by),
        "service_level": msgspec.structs.asdict(contract.service_level),
    }


def _say_findings(changes: list[BreakingChange], examples: list[str], *, contracts_checked: int) -> None:
    for change in changes:
        output.say(f"{change.type} v{change.version} {change.pointer or '(the whole)'}: {change.what}")
        output.say(f"    {change.rule}, breaks {' and '.join(change.breaks)}: {change.why}")
    for example in examples:
        output.say(example)
    if changes:
        output.say(f"Broken promises: {len(changes)}. A version takes additions only; make a new version instead.")
    elif not examples:
        output.say(f"{contracts_checked} contracts, every promise kept.")
