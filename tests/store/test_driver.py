"""The driver: named queries, transactions, and every fault as one of our errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from onhand.domain.errors import InvalidInput
from onhand.store.postgres import queries
from onhand.store.postgres.driver import Database, Session
from onhand.store.postgres.errors import (
    ConstraintBroken,
    DatabaseBusy,
    DatabaseUnavailable,
    DatabaseUnreachable,
    StoreFault,
)

QUERIES = """
-- query: add
-- in: a int, b int
-- out: sum int
-- retry: safe
select $1::int + $2::int as sum;

-- query: put
-- in: id int, word text
insert into thing (id, word) values ($1, $2);

-- query: all
-- out: id int, word text
select id, word from thing order by id

-- query: my_backend
-- out: pid int
-- retry: safe
select pg_backend_pid() as pid

-- query: my_backend_once
-- out: pid int
select pg_backend_pid() as pid
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> queries.Catalogue:
    (tmp_path / "demo.sql").write_text(QUERIES)
    return queries.load(tmp_path)


@pytest.fixture
async def things(empty_dsn: str, catalogue: queries.Catalogue) -> AsyncIterator[Database]:
    async with await Database.connect(empty_dsn, queries=catalogue) as connected:
        await connected.sql("create schema onhand")
        await connected.sql("create table thing (id int primary key, word varchar(5) not null)")
        yield connected


async def kill_all_connections(database: Database, dsn: str) -> None:
    async with await Database.connect(dsn, pool_max=1) as killer:
        await killer.sql("select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                         " where datname = current_database() and pid <> pg_backend_pid()")  # fmt: skip


async def test_a_named_query_is_run_by_its_name(things: Database) -> None:
    assert await things.fetchval("demo.add", 2, 3) == 5
    assert await things.execute("demo.put", 1, "one") == 1
    assert [tuple(row) for row in await things.fetch("demo.all")] == [(1, "one")]
    row = await things.fetchrow("demo.all")
    assert row is not None
    assert row["word"] == "one"


async def test_an_unknown_name_is_told_with_the_known_ones(things: Database) -> None:
    with pytest.raises(LookupError, match=r"demo\.add"):
        await things.fetch("demo.nope")


async def test_a_transaction_commits_at_its_end_and_vanishes_with_an_exception(things: Database) -> None:
    async with things.transaction() as session:
        await session.execute("demo.put", 1, "kept")
    with pytest.raises(RuntimeError, match="stop"):
        async with things.transaction() as session:
            await session.execute("demo.put", 2, "gone")
            raise RuntimeError("stop")
    assert [row["word"] for row in await things.fetch("demo.all")] == ["kept"]


async def test_an_inner_transaction_is_a_savepoint(things: Database) -> None:
    async with things.transaction() as session:
        await session.execute("demo.put", 1, "outer")
        with pytest.raises(ConstraintBroken):
            async with session.transaction():
                await session.execute("demo.put", 1, "again")
        await session.execute("demo.put", 2, "after")
    assert [row["word"] for row in await things.fetch("demo.all")] == ["outer", "after"]


async def test_copy_and_stream_carry_many_rows(things: Database) -> None:
    async with things.transaction() as session:
        written = await session.copy_in("thing", columns=["id", "word"], records=((n, "x") for n in range(2_500)))
        assert written == 2_500
        assert [row["id"] async for row in session.stream("demo.all", chunk_rows=100)] == list(range(2_500))


async def test_a_constraint_names_itself(things: Database) -> None:
    await things.execute("demo.put", 1, "one")
    with pytest.raises(ConstraintBroken) as caught:
        await things.execute("demo.put", 1, "two")
    assert caught.value.constraint == "thing_pkey"


@pytest.mark.parametrize("word", ["too long", "\x00", 7])
async def test_a_value_that_a_column_cannot_hold_is_invalid_input(things: Database, word: object) -> None:
    with pytest.raises(InvalidInput):
        await things.execute("demo.put", 1, word)


async def test_a_number_beyond_the_column_is_invalid_input(things: Database) -> None:
    with pytest.raises(InvalidInput):
        await things.execute("demo.put", 10**30, "big")


async def test_wrong_sql_is_our_own_fault(things: Database) -> None:
    with pytest.raises(StoreFault, match="42601"):
        await things.sql("selekt 1")


async def test_a_lock_held_by_somebody_else_is_busy_after_the_limit(things: Database, empty_dsn: str) -> None:
    async with await Database.connect(empty_dsn, settings={"lock_timeout": "100"}) as other:
        async with things.transaction() as session:
            await session.script("lock table thing")
            with pytest.raises(DatabaseBusy, match="lock"):
                await other.sql("select * from thing")


async def test_a_statement_beyond_its_time_limit_is_busy(empty_dsn: str) -> None:
    async with await Database.connect(empty_dsn, settings={"statement_timeout": "50"}) as database:
        with pytest.raises(DatabaseBusy, match="time limit"):
            await database.sql("select pg_sleep(5)")


async def test_a_lost_connection_is_unavailable_inside_a_transaction(things: Database, empty_dsn: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with things.transaction() as session:
            await kill_all_connections(things, empty_dsn)
            await session.fetchval("demo.add", 1, 1)
    assert await things.fetchval("demo.add", 1, 1) == 2


async def test_a_query_declared_safe_is_repeated_when_its_connection_is_lost(things: Database, empty_dsn: str) -> None:
    before = await things.fetchval("demo.my_backend")
    await kill_all_connections(things, empty_dsn)
    after = await things.fetchval("demo.my_backend")
    assert after != before


async def test_work_in_transact_is_repeated_and_sees_a_fresh_transaction(things: Database, empty_dsn: str) -> None:
    tries = []

    async def work(session: Session) -> int:
        await session.execute("demo.put", 1, "once")
        tries.append(1)
        if len(tries) == 1:
            await kill_all_connections(things, empty_dsn)
        return int(await session.fetchval("demo.add", 1, 1))

    assert await things.transact(work) == 2
    assert len(tries) == 2
    assert len(await things.fetch("demo.all")) == 1


async def test_a_query_not_declared_safe_is_not_repeated(things: Database, empty_dsn: str) -> None:
    """Its outcome is unknown: only the caller, who holds the idempotency key, may decide to send it again."""
    calls = []

    class Flaky(Session):
        async def fetchval(self, name: str, *args: object) -> object:
            calls.append(name)
            raise DatabaseUnavailable("The connection to the database was lost.")

    with pytest.raises(DatabaseUnavailable):
        await things._one(Flaky.fetchval, "demo.my_backend_once", ())
    assert calls == ["demo.my_backend_once"]


async def test_no_server_is_unreachable_and_says_that_nothing_was_sent(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachable, match="Nothing was sent"):
        await Database.connect(f"postgresql://onhand@/onhand?host={tmp_path}")


async def test_a_dsn_that_is_none_is_invalid_input() -> None:
    with pytest.raises(InvalidInput):
        await Database.connect("mysql://nobody@nowhere/nothing")


async def test_sessions_run_in_utc_under_limits_and_with_a_name(things: Database) -> None:
    names = ("timezone", "application_name", "search_path", "statement_timeout", "jit")
    found = {name: (await things.sql(f"select current_setting('{name}')"))[0][0] for name in names}
    assert found == {
        "timezone": "UTC",
        "application_name": "onhand",
        "search_path": "onhand",
        "statement_timeout": "1min",
        "jit": "off",
    }


async def test_a_notification_reaches_whoever_listens(things: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with things.acquire() as session, session.listening("bell", heard.put_nowait):
        await things.sql("select pg_notify('bell', 'ding')")
        assert await asyncio.wait_for(heard.get(), 60) == "ding"
