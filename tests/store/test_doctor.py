"""The doctor: finds what was made sick, and calls a fresh database well."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from onhand.store.postgres.doctor import Finding, _transactions, examine
from onhand.store.postgres.driver import Database
from onhand.store.postgres.errors import ConstraintBroken


async def verdicts(database: Database, data_dir: Path | None = None) -> dict[str, Finding]:
    return {finding.check: finding for finding in await examine(database, data_dir=data_dir)}


async def test_a_fresh_database_is_well_but_for_the_durability_that_tests_switch_off(
    database: Database, tmp_path: Path
) -> None:
    found = await verdicts(database, tmp_path)
    assert {name: one.verdict for name, one in found.items() if one.verdict != "ok"} == {"durability": "bad"}
    assert "fsync" in found["durability"].found


async def test_a_schema_that_is_behind_is_found(empty_database: Database) -> None:
    found = await verdicts(empty_database)
    assert found["schema"].verdict == "bad"
    assert "onhand db migrate" in found["schema"].advice


async def test_an_invalid_index_is_found(database: Database) -> None:
    await database.sql("create table onhand.twin (n int)")
    await database.sql("insert into onhand.twin values (1), (1)")
    async with database.acquire() as session:
        with pytest.raises(ConstraintBroken):
            await session.script("create unique index concurrently twin_n on onhand.twin (n)")
    assert "twin_n" in (await verdicts(database))["indexes"].found


async def test_who_waits_for_whom_is_found(database: Database) -> None:
    async with database.transaction() as holder, database.acquire() as waiter:
        await holder.script("lock table onhand.item")
        (row,) = await holder.sql("select pg_backend_pid()")
        waiting = asyncio.create_task(waiter.sql("select count(*) from onhand.item"))
        while not await database.sql("select from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0"):
            await asyncio.sleep(0)
        assert str(row[0]) in (await verdicts(database))["lock waits"].found
        await holder.script("rollback; begin")
        await waiting


async def test_whoever_writes_for_long_is_found_in_whichever_database_of_the_server(
    database: Database, empty_other: Database
) -> None:
    """The feed of events waits for it."""
    async with empty_other.transaction() as elsewhere, database.transaction() as here:
        (row,) = await elsewhere.sql("select pg_backend_pid(), pg_current_xact_id(), current_database()")
        (mine,) = await here.sql("select pg_backend_pid()")
        found = (await _transactions(database, older_than_s=0)).found
    assert f"process {row[0]} in {row[2]} for" in found
    assert f"process {mine[0]} for" in found


async def test_a_check_that_cannot_look_says_so_and_the_others_go_on(database: Database) -> None:
    await database.sql("alter table onhand.schema_migration rename to hidden")
    found = await verdicts(database)
    assert "could not be checked" in found["schema"].found
    assert found["indexes"].verdict == "ok"
