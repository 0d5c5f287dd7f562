"""The floors: the least that PostgreSQL alone takes for what the hub does, measured in the same run.

A floor leaves out HTTP, validation, planning and merging; it does not leave out durability. Each says exactly what it
is, because a ratio is worth what its floor is worth.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from onhand.app.identity import Client
from onhand.app.promise_ports import Decision
from onhand.app.reserve import asked, deadline, lines_of
from onhand.domain.planning import Plan, plan_batch
from onhand.domain.reservation import Line, Request
from onhand.sim.bench.load import sku
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database
from onhand.store.promises import PostgresPromises

CLAIM_BATCH: Final = 100
COPY_BATCH: Final = 1_000
WORKERS: Final = 2

CLAIM: Final = (
    f"the SQL function claim_batch called alone, {CLAIM_BATCH} one-line orders a call, {WORKERS} connections, "
    "arguments made beforehand"
)
COPY: Final = (
    f"binary COPY of the same event and movement rows, {COPY_BATCH} of each a transaction, one connection, into tables "
    "with the same columns, defaults, checks and indexes; no validation, no dedupe, no balance"
)
AGGREGATE: Final = "the bare aggregate: create table as select ... sum(quantity) ... group by place, over the movements"


class _Tape:
    """A database that writes down the claims that it is asked for instead of making them."""

    def __init__(self, database: Database) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._database = database

    async def fetch(self, name: str, *args: Any) -> list[Any]:
        """Keep the arguments of a claim; pass on everything else."""
        if name == "promises.claim":
            self.calls.append(args)
            return []
        return list(await self._database.fetch(name, *args))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


class ClaimFloor:
    """Claims prepared as the hub prepares them, to be played to the function alone."""

    def __init__(self, database: Database, client: Client, *, skus: int) -> None:
        self._database = database
        self._client = client
        self._skus = skus
        self._run = 0

    async def per_s(self, orders: int) -> float:
        """Orders a second. Preparing them is not measured."""
        self._run += 1
        batches = await self._prepared(orders)
        queue = iter(batches)

        async def work() -> None:
            for arguments in queue:
                await self._database.fetch("promises.claim", *arguments)

        start = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(WORKERS)))
        return orders / (time.perf_counter() - start)

    async def _prepared(self, orders: int) -> list[tuple[Any, ...]]:
        tape = _Tape(self._database)
        promises = PostgresPromises(tape, Directory(self._database))  # type: ignore[arg-type]
        draw = random.Random(self._run)  # noqa: S311  (it spreads load, it guards nothing)
        for start in range(0, orders, CLAIM_BATCH):
            requests = [self._request(start + number, draw) for number in range(CLAIM_BATCH)]
            reading = await promises.read(requests)
            planned = plan_batch(reading.snapshot, requests)
            decisions = []
            for request, plan in zip(requests, planned, strict=True):
                assert isinstance(plan, Plan), "there is stock for every order of a bench"
                one = asked(self._client, request)
                decisions.append(
                    Decision(
                        key=one.key, fingerprint=one.fingerprint, request=request, plan=plan, lines=lines_of(plan),
                        expires_at=deadline(request, reading.network, reading.now),
                    )
                )  # fmt: skip
            await promises.claim(decisions, reading, lock=False)
        return tape.calls

    def _request(self, number: int, draw: random.Random) -> Request:
        line = Line(line_id="1", sku=sku(draw.randrange(self._skus)), quantity=1)
        return Request(request_id=f"floor/{self._run}/{number}", channel="web", lines=(line,))


async def copy_per_s(database: Database, *, run: int, seconds: float) -> float:
    """Events a second that COPY alone keeps: one event row and one movement row each."""
    await database.sql("create table if not exists bench_event (like event including all)")
    await database.sql("create table if not exists bench_movement (like movement including all)")
    number = 0
    start = time.perf_counter()
    async with database.acquire() as session:
        while time.perf_counter() - start < seconds:
            events, movements = _rows(run, number)
            async with session.transaction():
                await session.copy_in("bench_event", columns=_EVENT, records=events)
                await session.copy_in("bench_movement", columns=_MOVEMENT, records=movements)
            number += COPY_BATCH
        return number / (time.perf_counter() - start)


_EVENT: Final = (
    "source_id", "event_id", "type", "version", "occurred_at", "recorded_at", "fingerprint", "body",
)  # fmt: skip
_MOVEMENT: Final = (
    "item_id", "event_id", "line", "quantity", "from_location", "from_status", "to_location", "to_status",
    "occurred_at", "recorded_at", "from_balance", "to_balance",
)  # fmt: skip
_BODY: Final = (
    '{"specversion":"1.0","id":"%s","source":"bench","type":"receipt.posted","time":"2026-01-01T00:00:00Z",'
    '"data":{"location":"MAIN","lines":[{"sku":"%s","quantity":1}]}}'
)


def _rows(run: int, number: int) -> tuple[Sequence[Sequence[Any]], Sequence[Sequence[Any]]]:
    now = datetime.now(UTC)
    events, movements = [], []
    for one in range(number, number + COPY_BATCH):
        name = f"copy/{run}/{one}"
        events.append((1, name, "receipt.posted", 1, now, now, name.encode()[:16], _BODY % (name, sku(one))))
        movements.append((one, one, 0, 1, 1, 1, 5, 1, now, now, -one, one))
    return events, movements
