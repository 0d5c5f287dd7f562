"""Numbers out: how soon a change of stock is a number for twenty channels, how long explaining one takes.

Changes go on at a steady rate while single ones are followed from their commit to the moment at which all channels'
rows say the new number. Nothing is sent: the channels' endpoint is paused, as a partner that is down would be.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from onhand.contracts.envelope import event
from onhand.domain.endpoint import Endpoint
from onhand.domain.network import Channel, Network
from onhand.domain.publishing import Publishing
from onhand.sim.bench.load import sku
from onhand.sim.bench.world import SOURCE
from onhand.store.network import PostgresNetworkStore
from onhand.store.postgres.driver import Database

CHANNELS: Final = 20
CHANGES_PER_S: Final = 1_000
TICK_S: Final = 0.1
PROBE_EVERY_S: Final = 0.25
POLL_S: Final = 0.005
EMPTY_TURNS: Final = 4
"""Turns at nothing, one after the other, before all is worked out: each looks at half of the shards."""

ENDPOINT: Final = "bench-channels"

FLOOR: Final = (
    f"what a second of changes writes, nothing worked out: {CHANGES_PER_S:,} items in {CHANNELS} channels, read and "
    "written by arrays, two statements"
)
EXPLAIN_FLOOR: Final = "availability with its terms alone: one statement and the rule"


async def open_channels(hub: Any, database: Database, *, items: int) -> None:
    """Put a network in force in which twenty channels are told numbers, and wait until all are worked out."""
    store = PostgresNetworkStore(database)
    current = await store.current()
    assert current is not None, "the bench has a network by now"
    listings = {sku(number): sku(number) for number in range(items)}
    told = Publishing(endpoint=ENDPOINT, items="listed", listings=listings, read_back_percent=0.0)
    channels = {
        f"c{number:02}": Channel(code=f"c{number:02}", kind="marketplace", sells_from=("MAIN",), publish=told)
        for number in range(CHANNELS)
    }
    network: Network = msgspec.structs.replace(
        current.network,
        channels=current.network.channels | channels,
        endpoints=current.network.endpoints | {ENDPOINT: Endpoint(code=ENDPOINT, system=SOURCE, sender="bench-none")},
    )
    await store.store_version(
        base=current.version, network=network, files=current.files, fingerprint="bench", who="bench", message=""
    )
    await hub.ready()
    publisher, empty = hub.publisher(), 0
    while empty < EMPTY_TURNS:
        empty = 0 if (await publisher.work_out()).items else empty + 1
    await database.sql("analyze publication")


async def change_to_number_ms(hub: Any, database: Database, *, items: int, seconds: float, run: int) -> list[float]:
    """Milliseconds from the commit of single changes to their numbers in all channels, while others go on."""
    stop = asyncio.Event()
    async with hub.publishing():
        load = asyncio.create_task(_load(hub, items, run, stop))
        took: list[float] = []
        end = time.perf_counter() + seconds
        number = 0
        while time.perf_counter() < end:
            await asyncio.sleep(PROBE_EVERY_S)
            took.append(await _followed(hub, database, sku(number % items), run, number))
            number += 1
        stop.set()
        await load
    return took


async def _load(hub: Any, items: int, run: int, stop: asyncio.Event) -> None:
    """Change stock at a steady rate."""
    each = round(CHANGES_PER_S * TICK_S)
    number, due = 0, time.perf_counter()
    while not stop.is_set():
        await hub.record_events([_receipt(f"load/{run}/{n}", sku(n % items), 1) for n in range(number, number + each)])
        number += each
        due += TICK_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def _followed(hub: Any, database: Database, item: str, run: int, number: int) -> float:
    (before,) = await database.sql(_NUMBERS, item)
    await hub.record_events([_receipt(f"probe/{run}/{number}", item, 1_000_000)])
    start = time.perf_counter()
    while True:
        (row,) = await database.sql(_NUMBERS, item)
        if row["least"] >= before["least"] + 1_000_000:
            return (time.perf_counter() - start) * 1_000
        await asyncio.sleep(POLL_S)


_NUMBERS: Final = "select min(desired) as least from publication where item_id = (select id from item where sku = $1)"


def _receipt(name: str, item: str, quantity: int) -> Any:
    lines = [{"sku": item, "quantity": quantity}]
    return event(id=name, source=SOURCE, type="receipt.posted", data={"location": "MAIN", "lines": lines})


async def floor_ms(database: Database) -> float:
    """Milliseconds that reading and writing a second's numbers takes with nothing between."""
    start = time.perf_counter()
    async with database.transaction() as session:
        rows = await session.sql(
            "select item_id, channel_id, location_id, desired from publication where item_id in"
            " (select id from item order by id limit $1)",
            CHANGES_PER_S,
        )
        await session.sql(
            "update publication p set desired = u.desired + 1, desired_at = clock_timestamp()"
            " from unnest($1::bigint[], $2::integer[], $3::integer[], $4::bigint[]) u(item, channel, location, desired)"
            " where p.item_id = u.item and p.channel_id = u.channel and p.location_id = u.location",
            *(list(column) for column in zip(*rows, strict=True)),
        )
    return (time.perf_counter() - start) * 1_000


async def explain_ms(hub: Any, *, times: int = 40) -> tuple[Sequence[float], Sequence[float]]:
    """Milliseconds of explanations, and of availability with its terms, one after the other."""
    explained, terms = [], []
    for number in range(times):
        start = time.perf_counter()
        await hub.explain("c00", sku(number))
        middle = time.perf_counter()
        await hub.availability.read("c00", [sku(number)], explain=True)
        explained.append((middle - start) * 1_000)
        terms.append((time.perf_counter() - middle) * 1_000)
    return explained, terms
