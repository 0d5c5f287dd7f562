"""What is measured on: one warehouse, one channel, many items, each with more stock than a run can sell."""

from __future__ import annotations

from typing import Any, Final

from onhand.contracts.envelope import event
from onhand.sim.bench.load import sku
from onhand.store.postgres.driver import Database

SOURCE: Final = "bench"
STOCK_EACH: Final = 1_000_000_000
LINES: Final = 500
EVENTS: Final = 1_000

NETWORK: Final = """\
systems:
  bench: {kind: erp}
locations:
  MAIN: {kind: warehouse}
channels:
  web: {kind: storefront, sells_from: [MAIN], reservation_default_s: 86400, reservation_max_s: 86400}
authority:
  "*": [bench]
"""


async def stock(hub: Any, items: int) -> None:
    """State items and receive their stock, through the same use case as everybody's facts."""
    known = [
        event(id=f"item/{number}", source=SOURCE, type="item.upserted", data={"sku": sku(number)})
        for number in range(items)
    ]
    for start in range(0, items, EVENTS):
        _all_applied(await hub.record(known[start : start + EVENTS]))
    receipts = [
        event(
            id=f"receipt/{start}", source=SOURCE, type="receipt.posted",
            data={"location": "MAIN", "lines": [
                {"sku": sku(number), "quantity": STOCK_EACH} for number in range(start, min(start + LINES, items))
            ]},
        )
        for start in range(0, items, LINES)
    ]  # fmt: skip
    for start in range(0, len(receipts), 10):
        _all_applied(await hub.record(receipts[start : start + 10]))


async def settle(database: Database) -> None:
    """Begin a measurement with fresh statistics and with nothing left to be written by a checkpoint."""
    await database.sql("analyze")
    await database.sql("checkpoint")


def _all_applied(outcomes: Any) -> None:
    bad = [outcome for outcome in outcomes if outcome.outcome not in ("applied", "duplicate")]
    assert not bad, f"the bench's own facts are right: {bad[0]}"
