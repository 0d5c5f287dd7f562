"""A node whose clock is hours off, and a disk that is full: what they may spoil is nothing at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onhand.app.answers import ReservationAnswer
from onhand.app.identity import Client
from onhand.app.promise_errors import DeadlineRefused, InsufficientStock, ReservationExpired
from onhand.bootstrap import Hub
from onhand.domain.errors import Unavailable
from onhand.ops import limits
from onhand.store.postgres import migrations
from onhand.store.postgres.driver import Database
from onhand.store.postgres.supervisor import Cluster
from tests.conftest import PROVIDER
from tests.proof.audit import contradictions, oversold
from tests.proof.ground import applied, ask, client, clocked, granted, hub_on, item, receipt, wait
from tests.proof.nodes import REPOSITORY

OFF_CLOCK_C = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *told) {
    static int (*really)(clockid_t, struct timespec *);
    if (!really) really = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = really(clock, told);
    if (!failed && clock == CLOCK_REALTIME) told->tv_sec += atol(getenv("PROOF_CLOCK_OFF_S"));
    return failed;
}
"""
"""Loaded before everything else, it puts the wall clock of one process off and leaves its stop watch alone."""

NODE = """
import asyncio, sys, time
from onhand.bootstrap import open_hub
from onhand.contracts.envelope import event
from onhand.ops.settings import Settings
from onhand.store.postgres.driver import Database
from tests.proof.ground import ask, client

async def main():
    async with await Database.connect(sys.argv[1], pool_max=1) as database:
        caller = await client(database)
    async with open_hub(Settings(dsn=sys.argv[1]), migrate=False) as hub:
        made = await hub.reserve(caller, ask("off", ("A", 1), expires_in_s=600))
        await hub.amend.extend(caller, made.reservation_id, expires_in_s=1200)
        data = {"location": "EAST", "lines": [{"sku": "A", "quantity": 1}]}
        (told,) = await hub.record([event(id="untimed", source="erp", type="receipt.posted", data=data)])
        assert told.outcome == "applied", told
        print(made.reservation_id, time.time())

asyncio.run(main())
"""


@pytest.fixture(scope="session")
def off_clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that puts a process's clock off, where this machine can build one."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here to build a clock that is off")
    folder = tmp_path_factory.mktemp("clock")
    (folder / "off.c").write_text(OFF_CLOCK_C)
    library = folder / "off.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "off.c", "-ldl"], check=True)
    return library


@pytest.mark.parametrize("hours", [-9, 30])
async def test_a_node_whose_clock_is_hours_off_promises_by_the_clock_of_the_database(
    database: Database, dsn: str, off_clock: Path, hours: int
) -> None:
    async with hub_on(database) as hub:
        await applied(hub, [item("A"), receipt("A", 5, id_="r")])
        before = datetime.now(UTC)
        environment = os.environ | {"LD_PRELOAD": str(off_clock), "PROOF_CLOCK_OFF_S": str(hours * 3600)}
        run = subprocess.run(  # noqa: ASYNC221 - nothing else goes on meanwhile
            [sys.executable, "-c", NODE, dsn],
            cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        number, clock = run.stdout.split()
        assert abs(float(clock) - before.timestamp() - hours * 3600) < 600, "its clock was off indeed"
        made = await hub.reservations.get(number)
        after = datetime.now(UTC)
        assert made.state == "granted"
        assert before <= made.created_at <= after
        assert made.expires_at is not None
        assert before + timedelta(seconds=1200) <= made.expires_at <= after + timedelta(seconds=1200)
        (row,) = await database.sql("select occurred_at, recorded_at from event where event_id = 'untimed'")
        assert all(before <= told <= after for told in row)


async def test_the_clock_that_jumps_ahead_ends_what_is_due_and_nothing_else(dsn: str) -> None:
    async with clocked(dsn) as database, hub_on(database) as hub:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 10, id_="r")])
        short = await hub.reserve(caller, ask("short", ("A", 5), expires_in_s=600))
        long_ = await hub.reserve(caller, ask("long", ("A", 5), expires_in_s=7200))
        await wait(database, 3600)
        rival = await hub.reserve(caller, ask("rival", ("A", 5)))
        assert rival.state == "granted"
        assert (await hub.reservations.get(short.reservation_id)).state == "expired"
        assert (await hub.reservations.get(long_.reservation_id)).state == "granted"
        assert await contradictions(database) == []


async def test_the_clock_that_jumps_back_brings_nothing_back_and_sells_nothing_twice(dsn: str) -> None:
    """After a failover the new server's clock may be behind: what was ended stays ended."""
    async with clocked(dsn) as database, hub_on(database) as hub:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 10, id_="r")])
        made = await hub.reserve(caller, ask("q", ("A", 10), expires_in_s=600))
        await wait(database, 601)
        taken = await hub.reserve(caller, ask("rival", ("A", 10)))
        await wait(database, -3600)
        with pytest.raises(ReservationExpired):
            await hub.amend.extend(caller, made.reservation_id, expires_in_s=600)
        assert (await hub.reservations.get(taken.reservation_id)).state == "granted"
        assert granted([await _outcome(hub, caller, f"more{n}") for n in range(3)]) == 0
        with pytest.raises(DeadlineRefused):
            await hub.reserve(caller, ask("past", ("A", 1), expires_at=datetime.now(UTC) - timedelta(hours=2)))
        assert await contradictions(database) == []
        assert await oversold(database) == []


async def _outcome(hub: Hub, caller: Client, name: str) -> ReservationAnswer | InsufficientStock:
    try:
        return await hub.reserve(caller, ask(name, ("A", 1)))
    except InsufficientStock as refused:
        return refused


@pytest.fixture
def small_disk(data_root: Path) -> Iterator[Path]:
    """A file system of 250 MB, where this machine lets us make one."""
    place = data_root / "disk"
    place.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can make a small disk")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=250m,mode=755", "tmpfs", place], check=False, capture_output=True
    )
    if made.returncode != 0:
        pytest.skip(f"this machine makes no small disk: {made.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.slow
async def test_a_full_disk_is_told_loses_nothing_and_is_over_when_there_is_room_again(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DATABASE_RETRY_WAIT_S", 0.01)
    root = small_disk / "data"
    with Cluster.open(root, choice=PROVIDER) as cluster:
        async with await Database.connect(cluster.dsn("postgres"), pool_max=1) as server:
            await server.sql("create database proof")
            await server.sql("create database elsewhere")
        async with await Database.connect(cluster.dsn("proof")) as database, hub_prepared(database) as hub:
            caller = await client(database)
            await applied(hub, [item("A"), receipt("A", 100, id_="r")])
            free = shutil.disk_usage(small_disk).free
            ballast = small_disk / "ballast"
            ballast.write_bytes(b"\0" * max(0, free - 300_000))
            kept: list[str] = []
            failed: Unavailable | None = None
            for n in range(400):
                try:
                    told = await hub.record([receipt("A", 1, id_=f"e{n}", note="x" * 400)])
                except Unavailable as full:
                    failed = full
                    break
                kept += [outcome.id for outcome in told]
            assert failed is not None, "the disk never became full"
            ballast.unlink()
            for n in range(400):
                try:
                    await hub.record([receipt("A", 1, id_=f"e{n}", note="x" * 400)])
                except Unavailable:
                    with Cluster.open(root, choice=PROVIDER):  # a server that stopped for want of room is started again
                        await hub.record([receipt("A", 1, id_=f"e{n}", note="x" * 400)])
            (row,) = await database.sql("select on_hand from stock")
            assert row["on_hand"] == 100 + 400
            assert len(kept) < 400
            assert (await hub.reserve(caller, ask("q", ("A", 500)))).state == "granted"
            assert await contradictions(database) == []


@asynccontextmanager
async def hub_prepared(database: Database) -> AsyncIterator[Hub]:
    """A hub on a database that has no schema yet."""
    await migrations.migrate(database)
    async with hub_on(database) as hub:
        yield hub
