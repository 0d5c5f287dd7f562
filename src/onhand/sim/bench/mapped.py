"""Facts through the inbox: stored byte for byte, mapped, recorded; against recording the same facts directly."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import msgspec

from onhand.app.inbox_ports import Arrived
from onhand.contracts.envelope import event
from onhand.sim.bench.load import sku
from onhand.sim.bench.world import SOURCE
from onhand.store.directory import Directory
from onhand.store.inbox import PostgresInbox
from onhand.store.postgres.driver import Database

FEED: Final = "bench-orders"
LINES: Final = 10
PUT: Final = 500
WAIT_S: Final = 300.0

NETWORK: Final = f"""\
endpoints:
  bench-shop: {{system: bench, sender: rest, base_url: "https://shop.example", settings: {{streams: {{orders: {{
    request: {{path: /orders}}, items: data, key: [id], cursor: {{field: updated_at}}}}}}}}}}
feeds:
  {FEED}: {{endpoint: bench-shop, stream: orders, mode: webhook, mapping: bench-orders}}
mappings:
  bench-orders:
    type: receipt.posted
    id: "order/{{number}}"
    data:
      location: {{value: MAIN}}
      lines:
        each: lines[*]
        fields:
          sku: product.code
          quantity: {{path: amount, number: true, whole: true}}
"""

FLOOR: Final = (
    f"the same facts of {LINES} lines recorded directly, {PUT} a call: validated, deduplicated, in the ledger; not "
    "stored as messages, not mapped"
)


async def through_per_s(hub: Any, database: Database, *, messages: int, skus: int, run: str) -> float:
    """Messages a second that are stored, mapped and recorded."""
    inbox = PostgresInbox(database, Directory(database))
    start = time.perf_counter()
    for first in range(0, messages, PUT):
        numbers = range(first, min(first + PUT, messages))
        await inbox.put(FEED, "webhook", [_message(f"{run}-{number}", number, skus) for number in numbers])
    async with hub.reading() as (_, mapper), asyncio.timeout(WAIT_S):
        while await _recorded(database, run) < messages:  # the run's node takes its share of them
            await mapper.round()
            await asyncio.sleep(0.01)
    return messages / (time.perf_counter() - start)


async def _recorded(database: Database, run: str) -> int:
    (row,) = await database.sql("select count(*) as n from event where event_id like $1", f"order/{run}-%")
    return int(row["n"])


async def direct_per_s(hub: Any, *, messages: int, skus: int, run: str) -> float:
    """Facts a second that are recorded directly."""
    start = time.perf_counter()
    for first in range(0, messages, PUT):
        outcomes = await hub.record(
            [
                event(
                    id=f"direct/{run}-{number}", source=SOURCE, type="receipt.posted",
                    data={"location": "MAIN", "lines": [{"sku": s, "quantity": q} for s, q in _lines(number, skus)]},
                )
                for number in range(first, min(first + PUT, messages))
            ]
        )  # fmt: skip
        bad = [outcome for outcome in outcomes if outcome.outcome != "applied"]
        assert not bad, f"the bench's own facts are right: {bad[0]}"
    return messages / (time.perf_counter() - start)


def _message(name: str, number: int, skus: int) -> Arrived:
    lines = [{"product": {"code": code}, "amount": str(quantity)} for code, quantity in _lines(number, skus)]
    body = msgspec.json.encode({"number": name, "updated_at": "2026-11-23T10:00:00Z", "lines": lines})
    return Arrived(key=name, body=body, content_type="application/json")


def _lines(number: int, skus: int) -> list[tuple[str, int]]:
    return [(sku((number * LINES + line) % skus), 1 + line) for line in range(LINES)]
