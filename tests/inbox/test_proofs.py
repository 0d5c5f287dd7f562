"""P3, P4 and P5 for what comes in: nothing acknowledged is lost, nothing counts twice, no order of arrival matters."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from onhand.app.inbox_ports import Arrived
from onhand.bootstrap import Hub
from onhand.domain.errors import Unavailable
from onhand.store.postgres.driver import Database
from tests.flow.world import Clock
from tests.inbox.world import SITE, Node, World, item, receipt
from tests.proof.audit import contradictions
from tests.proof.faults import FaultyDatabase, Kind, Strike
from tests.proof.ground import ask, client


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lost_before", "lost_after", "deadlock"])
async def test_any_call_to_the_database_may_be_the_last_and_each_message_counts_once(
    world: World, clock: Clock, kind: Kind
) -> None:
    """P3 and P4: reading, storing, mapping and writing down fail at the n-th call, until no call is left to fail."""
    await world.apply()
    await world.items("A")
    nth = struck = 1
    while struck:
        world.shelf.says({"events": [receipt("A", 1, id_=f"r{nth}")]}, key=f"k{nth}")
        strike = Strike(nth=nth, kind=kind)
        sick = Node(FaultyDatabase(world.database, strike), clock, world.mapping, name=f"sick{nth}")
        with suppress(Unavailable):  # the node is told, and somebody else goes on
            await sick.work()
        clock.forward(120)
        await world.node.work()
        clock.forward(70)
        struck = strike.struck
        assert await world.stock() == {("A", "EAST"): nth}, (kind, nth)
        nth += 1
    assert nth > 15, "that is fewer calls than the way has steps"
    assert set((await world.states()).values()) == {"mapped"}
    assert await contradictions(world.database) == []


async def test_the_order_in_which_messages_arrive_does_not_change_the_end_state(world: World, clock: Clock) -> None:
    """P5: receipts and statements of the same true story, told in any order, end in the same stock."""
    await world.apply("  stock: {endpoint: shelf, stream: stock, mode: webhook, statement: {means: absolute}}")
    skus = [f"S{n}" for n in range(8)]
    await world.items(*skus)
    for number, sku in enumerate(skus):
        story = _story(sku, seed=number)
        random.Random(number).shuffle(story)
        for key, feed, document, minute in story:
            at = clock.now + timedelta(minutes=minute)
            await world.put(document, key=f"{sku}/{key}", feed=feed, occurred_at=at - timedelta(hours=1))
            await world.node.mapper.round()
    truth = {(sku, "EAST"): _truth(sku, seed=number) for number, sku in enumerate(skus)}
    assert await world.stock() == {place: n for place, n in truth.items() if n}
    assert await contradictions(world.database) == []


def _story(sku: str, *, seed: int) -> list[tuple[str, str, dict[str, Any], int]]:
    """Ten receipts and, between them, four statements of what then stood there."""
    draw = random.Random(f"{sku}{seed}")
    told: list[tuple[str, str, dict[str, Any], int]] = []
    stands = 0
    for minute in range(10):
        quantity = draw.randint(1, 9)
        stands += quantity
        told.append((f"r{minute}", "moves", {"events": [receipt(sku, quantity, id_=f"{sku}{minute}")]}, minute * 2))
        if minute % 3 == 0:
            row = {"sku": sku, "quantity": stands, "location": "EAST"}
            told.append((f"s{minute}", "stock", {"rows": [row]}, minute * 2 + 1))
    return told


def _truth(sku: str, *, seed: int) -> int:
    return sum(
        document["events"][0]["data"]["lines"][0]["quantity"]
        for _, feed, document, _ in _story(sku, seed=seed)
        if feed == "moves"
    )


@pytest.mark.slow
async def test_a_backlog_of_fifteen_thousand_messages_drains_while_reservations_are_answered(
    world: World, database: Database
) -> None:
    """P7. The bound is generous, because the machine that runs this may be busy with other things."""
    await world.apply()
    await world.items("A", "B")
    await world.put({"events": [receipt("B", 1_000_000, id_="plenty")]}, key="plenty")
    await world.node.mapper.round()
    for start in range(0, 15_000, 1_000):
        await world.node.store.put("moves", "webhook", [_small(n) for n in range(start, start + 1_000)])
    hub = Hub(database)
    caller = await client(database)
    took: list[float] = []
    done = asyncio.Event()

    async def reserve() -> None:
        number = 0
        while not done.is_set():
            started = time.monotonic()
            await hub.reserve(caller, ask(f"q{number}", ("B", 1)))
            took.append(time.monotonic() - started)
            number += 1
            await database.sql("select pg_sleep(0.01)")

    reserving = asyncio.create_task(reserve())
    started = time.monotonic()
    async with asyncio.timeout(300):
        await world.node.mapper.round()
    drained_s = time.monotonic() - started
    done.set()
    await reserving
    await hub.close()
    took.sort()
    rows = await database.sql("select state, count(*) as n from inbox group by 1")
    assert {row["state"]: row["n"] for row in rows} == {"mapped": 15_002}
    assert (await world.stock())["A", "EAST"] == 15_000
    assert len(took) > drained_s
    p99_s = took[int(len(took) * 0.99)]
    assert took[len(took) // 2] < 0.5, f"drained in {drained_s:.1f} s, {len(took)} reservations, p99 {p99_s:.3f} s"


def _small(number: int) -> Arrived:
    body = f'{{"events": [{{"type": "receipt.posted", "id": "b{number}", "data": {{"location": "EAST", "lines": [{{"sku": "A", "quantity": 1}}]}}}}]}}'  # noqa: E501
    return Arrived(key=f"b{number}", body=body.encode(), content_type="application/json")


@asynccontextmanager
async def working(dsn: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One `onhand work`, a whole node in a process of its own."""
    paths = [str(Path(__file__).parents[2] / "src"), str(SITE)]
    environment = {**os.environ, "ONHAND_DSN": dsn, "PYTHONPATH": os.pathsep.join(paths)}
    command = (sys.executable, "-c", "from onhand.cli import main; main()", "work")
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 90) in (0, -signal.SIGKILL)


async def until(database: Database, query: str, *, seconds: float = 90) -> None:
    async with asyncio.timeout(seconds):
        while not (await database.sql(f"select ({query}) as there"))[0]["there"]:
            await database.sql("select pg_sleep(0.02)")


@pytest.mark.slow
async def test_nodes_that_are_killed_in_the_middle_lose_nothing_and_count_nothing_twice(
    world: World, dsn: str, database: Database
) -> None:
    """P3 and P4 with the real command, the real engine, a connector of another distribution, and kill -9."""
    await world.apply("  never: {endpoint: shelf, stream: stock, every_s: 86400}", policy="timeout_s: 2")
    await database.sql("update feed_state set due_at = null")
    world.shelf.says({"kind": "item", "sku": "A"})
    for number in range(600):
        world.shelf.says({"kind": "receipt", "no": f"r{number}", "sku": "A", "quantity": 1})
    for goal in (50, 300):
        async with working(dsn) as node:
            await until(database, f"select count(*) >= {goal} from inbox")  # noqa: S608 - a number of ours
            node.send_signal(signal.SIGKILL)
            await node.wait()
        # Time passes: what the dead node held is anybody's.
        await database.sql("update feed_state set lease_until = clock_timestamp() where lease_until is not null")
        await database.sql("update inbox set lease_until = clock_timestamp() where lease_until is not null")
    async with working(dsn), working(dsn):
        await until(database, "select count(*) = 601 and bool_and(state = 'mapped') from inbox")
    assert await world.stock() == {("A", "EAST"): 600}
    rows = await database.sql("select count(*) as n, count(distinct event_id) as ids from inbox_event")
    assert (rows[0]["n"], rows[0]["ids"]) == (601, 601)
    assert await contradictions(database) == []


async def test_duplicates_from_everywhere_are_one_fact(world: World) -> None:
    """P4: the same event by webhook, by poll, by two messages, and by a replay."""
    await world.apply("  hooks: {endpoint: shelf, stream: moves, mode: webhook}")
    await world.items("A")
    same = {"events": [item("A"), receipt("A", 5, id_="r1")]}
    for key in ("a", "b", "a"):
        await world.put(same, key=key, feed="hooks")
    world.shelf.says(same, key="a")
    world.shelf.says({"events": [receipt("A", 5, id_="r1")] * 3}, key="c")
    await world.node.work()
    assert await world.stock() == {("A", "EAST"): 5}
    assert set((await world.states()).values()) == {"mapped"}
    rows = await world.database.sql("select outcome, count(*) as n from inbox_event where event_id = 'r1' group by 1")
    assert {row["outcome"]: row["n"] for row in rows} == {"applied": 1, "duplicate": 3}
