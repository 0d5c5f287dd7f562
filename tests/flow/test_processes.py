"""Real workers in processes of their own, on real sockets: limits shared by nodes (P8), and effects once (P4)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from onhand.store.postgres.driver import Database
from tests.flow.partner_process import HttpPartner, partner_on_a_socket
from tests.flow.world import Clock, World

pytestmark = pytest.mark.slow


@asynccontextmanager
async def workers(dsn: str, n: int) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """So many `onhand work` on one database, each at work."""
    source = str(Path(__file__).parents[2] / "src")
    environment = {**os.environ, "ONHAND_DSN": dsn, "PYTHONPATH": source}
    command = (sys.executable, "-c", "from onhand.cli import main; main()", "work")
    started = [
        await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
        for _ in range(n)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert b"At work" in await asyncio.wait_for(process.stdout.readline(), 90)
        yield started
    finally:
        for process in started:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        codes = [await asyncio.wait_for(process.wait(), 90) for process in started]
        assert all(code in (0, -signal.SIGKILL) for code in codes), codes


async def put(world: World, n: int) -> None:
    from onhand.app.flow_ports import Command  # noqa: PLC0415

    await world.outbox.write(
        [Command(endpoint="hook", operation="stock", body=f'{{"n": {number}}}', idempotency_key=f"k{number}")
         for number in range(n)]
    )  # fmt: skip


async def settled(database: Database, n: int, *, seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while True:
            (row,) = await database.sql("select count(*) as n from outbox where state = 'done'")
            if row["n"] >= n:
                return
            await database.sql("select pg_sleep(0.05)")


def policy(partner: HttpPartner, more: str) -> str:
    return (
        f"endpoints:\n  hook: {{system: shop, base_url: '{partner.url}/{{operation}}',"
        f" allow_private_addresses: true, {more}}}\n"
    )


async def test_two_processes_that_share_a_limit_never_exceed_it_says_the_partner(dsn: str, database: Database) -> None:
    async with partner_on_a_socket() as partner:
        world = World(database, Clock())
        await world.apply(policy(partner, "limits: {rates: [{calls_per_s: 0.0056, burst: 20}]}, deadline_s: 86400"))
        await put(world, 60)
        async with workers(dsn, 2) as both:
            await settled(database, 20)
            # Both have work in plenty and time to do too much of it.
            await database.sql("select pg_sleep(3)")
            assert [process.returncode for process in both] == [None, None]
        assert len(partner.times) == 20
        names = await database.sql("select distinct worker from outbox_attempt")
        assert 1 <= len(names) <= 2


async def test_a_worker_that_is_killed_in_mid_send_leaves_no_second_effect(dsn: str, database: Database) -> None:
    """The partner did the work, its answer was lost with the worker; another says it again under the same key."""
    async with partner_on_a_socket() as partner:
        world = World(database, Clock())
        await world.apply(policy(partner, "timeout_s: 20, retry: {first_s: 0.1}, bulkhead: 4"))
        await put(world, 10)
        partner.hold = asyncio.Event()
        async with workers(dsn, 1) as (victim,):
            await asyncio.wait_for(partner.working.wait(), 90)
            victim.kill()
            await victim.wait()
        done_before = dict(partner.effects)
        assert done_before
        partner.hold.set()
        partner.hold = None
        # Its leases last 35 s; rather than wait for them, let that time have passed.
        await database.sql("update flow_call set lease_until = now() - interval '1 second'")
        async with workers(dsn, 2):
            await settled(database, 10)
        assert set(partner.effects.values()) == {1}
        assert len(partner.effects) == len(partner.bodies) == 10
        assert all(partner.heard[key] >= 2 for key in done_before)
        lost = await database.sql("select distinct detail from outbox_attempt where kind = 'unknown'")
        assert [row["detail"] for row in lost] == ["the worker that had it did not come back"]


async def test_a_lost_answer_is_asked_for_again_under_the_same_key(dsn: str, database: Database) -> None:
    async with partner_on_a_socket() as partner:
        world = World(database, Clock())
        await world.apply(policy(partner, "timeout_s: 0.3, retry: {first_s: 0.05}, breaker: {calls_min: 1000}"))
        await put(world, 5)
        partner.hold = asyncio.Event()
        async with workers(dsn, 1):
            async with asyncio.timeout(90):
                while sum(partner.heard.values()) < 8:
                    await database.sql("select pg_sleep(0.05)")
            partner.hold.set()
            partner.hold = None
            await settled(database, 5)
        assert len(partner.bodies) == 5
        rows = await database.sql("select count(*) as n from outbox_attempt where kind = 'unknown'")
        assert rows[0]["n"] >= 3


async def test_a_worker_that_is_asked_to_stop_finishes_what_it_began(dsn: str, database: Database) -> None:
    async with partner_on_a_socket() as partner:
        world = World(database, Clock())
        await world.apply(policy(partner, "timeout_s: 20, bulkhead: 2"))
        await put(world, 6)
        partner.hold = asyncio.Event()
        async with workers(dsn, 1) as (worker,):
            await asyncio.wait_for(partner.working.wait(), 90)
            worker.send_signal(signal.SIGTERM)
            await database.sql("select pg_sleep(0.3)")
            assert worker.returncode is None
            partner.hold.set()
            assert await asyncio.wait_for(worker.wait(), 90) == 0
        states = [row["state"] for row in await database.sql("select state from outbox")]
        assert "sending" not in states
        assert states.count("done") == len(partner.bodies)
        assert states.count("ready") == 6 - len(partner.bodies)
        assert await database.sql("select from flow_call") == []
