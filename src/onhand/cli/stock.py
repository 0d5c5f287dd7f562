"""`onhand stock`: what the ledger says stands where, now or at an earlier moment, and what made it so."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from cyclopts import Parameter

from onhand.cli import output
from onhand.cli.desk import ANYWHERE, At, Desk
from onhand.cli.options import Json
from onhand.domain.network import VIRTUAL_LOCATIONS

ROWS_MAX: Final = 1_000
"""Rows shown when no SKU is named; --limit shows more."""

Moment = Annotated[datetime | None, Parameter(help="An instant with its zone, such as 2026-11-23T08:00:00Z.")]


async def stock(  # noqa: PLR0913 - the filters of one list
    *skus: Annotated[str, Parameter(help="SKUs; all when left out.")],
    location: Annotated[str | None, Parameter(help="Only at this location.")] = None,
    status: Annotated[str | None, Parameter(help="Only in this status.")] = None,
    virtual: Annotated[bool, Parameter(negative="", help="The other side of the double entry too.")] = False,
    occurred_as_of: Moment = None,
    recorded_as_of: Moment = None,
    movements: Annotated[bool, Parameter(negative="", help="Show the movements that made it.")] = False,
    limit: Annotated[int, Parameter(help="Rows at most.")] = ROWS_MAX,
    at: At = ANYWHERE,
    json: Json = False,
) -> int:
    """Show what stands where. Exit code 1 when nothing does."""
    where: dict[str, Any] = {"location": location, "status": status}
    as_of = {"occurred_as_of": occurred_as_of, "recorded_as_of": recorded_as_of}
    rows: list[Any] = []
    async with at.desk() as desk:
        for sku in skus or (None,):
            if movements:
                rows += [row async for row in _first(desk.movements(sku=sku, location=location), limit - len(rows))]
            else:
                found = _balances(desk, virtual=virtual or location is not None, sku=sku, **where, **as_of)
                rows += [row async for row in _first(found, limit - len(rows))]
    if json:
        output.emit_json(rows)
    elif movements:
        _show_movements(rows)
    else:
        _show_balances(rows)
    return 0 if rows else 1


async def _balances(desk: Desk, *, virtual: bool, **where: Any) -> Any:
    async for row in desk.balances(**where):
        if virtual or row.location not in VIRTUAL_LOCATIONS:
            yield row


async def _first(rows: Any, limit: int) -> Any:
    if limit <= 0:
        return
    async for row in rows:
        yield row
        limit -= 1
        if limit == 0:
            return


def _show_balances(rows: list[Any]) -> None:
    output.table(
        ("sku", "location", "status", "lot", "expiry", "owner", "quantity", "last event"),
        [(r.sku, r.location, r.status, r.lot, r.expiry, r.owner, r.quantity, r.event_id) for r in rows],
    )


def _show_movements(rows: list[Any]) -> None:
    output.table(
        ("occurred", "sku", "quantity", "from", "to", "balances", "kind", "event"),
        [
            (
                row.occurred_at.isoformat(),
                row.sku,
                row.quantity,
                f"{row.from_location} {row.from_status}",
                f"{row.to_location} {row.to_status}",
                f"{row.from_balance:,} / {row.to_balance:,}",
                row.kind,
                f"{row.event_type} {row.source} {row.event_id}",
            )
            for row in rows
        ],
    )
