"""What the ledger says: balances, now or at an earlier time in both time axes, and the movements behind them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from onhand.app.answers import BalanceRow, MovementRow
from onhand.http.call import Call, Reply
from onhand.http.fields import Code, Instant, LotCode, Paging, Sku, instant, link_next, rows_of
from onhand.http.operation import Answer, answer, operation


class BalanceFilter(Paging, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which balances to list, and as of when."""

    sku: Sku | None = None
    location: Code | None = None
    status: Code | None = None
    lot: LotCode | None = None
    owner: Code | None = None
    occurred_as_of: Annotated[Instant, Meta(description="What was true in the world then.")] | None = None
    recorded_as_of: Annotated[Instant, Meta(description="What was known here then.")] | None = None


class BalancePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of balances, by SKU, location, status, lot and owner."""

    rows: tuple[BalanceRow, ...]
    next: str | None = None


class MovementFilter(Paging, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which movements to list."""

    sku: Sku | None = None
    location: Code | None = None
    occurred_from: Annotated[Instant, Meta(description="Only what happened at this instant or later.")] | None = None
    occurred_before: Annotated[Instant, Meta(description="Only what happened before this instant.")] | None = None


class PlaceFilter(Paging, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which balance to explain."""

    sku: Sku
    location: Code
    status: Code | None = None
    lot: LotCode | None = None
    owner: Code | None = None


class MovementPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of movements, in the order in which they were recorded."""

    rows: tuple[MovementRow, ...]
    next: str | None = None


BALANCE = {"sku": "TEA-001", "location": "DC-NORTH", "status": "available", "quantity": 144, "lot": "L2026-031",
           "expiry": "2027-03-31", "event_id": "GR-5520-1"}  # fmt: skip
MOVEMENT = {
    "seq": 310, "sku": "TEA-001", "quantity": 144, "from_location": "supplier", "from_status": "available",
    "to_location": "DC-NORTH", "to_status": "available", "occurred_at": "2026-11-23T06:58:00Z",
    "recorded_at": "2026-11-23T06:58:02Z", "kind": "fact", "source": "wms-north", "event_id": "GR-5520-1",
    "event_type": "receipt.posted", "from_balance": -144, "to_balance": 144, "lot": "L2026-031",
}  # fmt: skip


@operation(
    "GET", "/v1/balances", id="list_balances", tag="Stock", scope="stock:read", lane="reads", query=BalanceFilter,
    query_example={"sku": "TEA-001"},
    answers={200: Answer(meaning="One page.", type=BalancePage, example={"rows": [BALANCE], "next": None})},
)  # fmt: skip
async def balances(call: Call, where: BalanceFilter, _body: None) -> Reply:
    """List balances.

    What the ledger sums to at each place. With `occurred_as_of` and `recorded_as_of`: at an earlier moment, and as it
    was known at an earlier moment.
    """
    page = await call.hub.ledger.balances(
        sku=where.sku, location=where.location, status=where.status, lot=where.lot, owner=where.owner,
        occurred_as_of=instant(where.occurred_as_of, "occurred_as_of"),
        recorded_as_of=instant(where.recorded_as_of, "recorded_as_of"), after=where.after, limit=where.limit,
    )  # fmt: skip
    return answer({"rows": rows_of(page), "next": page.next_cursor}, headers=tuple(link_next(call, page.next_cursor)))


@operation(
    "GET", "/v1/movements", id="list_movements", tag="Stock", scope="stock:read", lane="analytics",
    query=MovementFilter, query_example={"sku": "TEA-001"},
    answers={200: Answer(meaning="One page.", type=MovementPage, example={"rows": [MOVEMENT], "next": "MzEw"})},
)  # fmt: skip
async def movements(call: Call, where: MovementFilter, _body: None) -> Reply:
    """List movements.

    Each takes from one place and gives to another; with the event that caused it and the balances that it left.
    """
    page = await call.hub.ledger.movements(
        sku=where.sku, location=where.location, occurred_from=instant(where.occurred_from, "occurred_from"),
        occurred_before=instant(where.occurred_before, "occurred_before"), after=where.after, limit=where.limit,
    )  # fmt: skip
    return answer({"rows": rows_of(page), "next": page.next_cursor}, headers=tuple(link_next(call, page.next_cursor)))


@operation(
    "GET", "/v1/balances/explain", id="explain_balance", tag="Stock", scope="stock:read", lane="analytics",
    query=PlaceFilter, query_example={"sku": "TEA-001", "location": "DC-NORTH"},
    answers={200: Answer(meaning="One page.", type=MovementPage, example={"rows": [MOVEMENT], "next": None})},
)  # fmt: skip
async def explain(call: Call, where: PlaceFilter, _body: None) -> Reply:
    """List the movements that made a balance.

    In the order in which they were recorded; each names its event, so every balance leads back to what was stated.
    """
    page = await call.hub.ledger.explain_balance(
        sku=where.sku, location=where.location, status=where.status, lot=where.lot, owner=where.owner,
        after=where.after, limit=where.limit,
    )  # fmt: skip
    return answer({"rows": rows_of(page), "next": page.next_cursor}, headers=tuple(link_next(call, page.next_cursor)))
