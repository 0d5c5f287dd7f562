"""The way to the database: a pool of connections that speak in named queries and fail in Onhand's own errors.

The only module that imports asyncpg. Two things to know: JSON columns go in and come out as text (decode them
with msgspec, into the type that is meant), and after a kill asyncpg reports `ConnectionDoesNotExistError` and
`InternalClientError` alike, which both mean that the connection is lost and the outcome unknown.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, Self, TypeAlias

import asyncpg

from onhand.app.ports import EventsKnown, NetworkMoved, StockMoved
from onhand.domain.errors import InvalidInput, OnhandError
from onhand.ops import limits
from onhand.store.postgres import queries as query_files
from onhand.store.postgres.errors import (
    ConstraintBroken,
    DatabaseBusy,
    DatabaseFull,
    DatabaseUnavailable,
    DatabaseUnreachable,
    StoreFault,
)

Row: TypeAlias = Any
"""One row, an `asyncpg.Record`: read by position or by column name. Any, because asyncpg carries no types."""

Isolation: TypeAlias = Literal["read_committed", "repeatable_read", "serializable"]

FAULTS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What asyncpg can raise for reasons that lie outside this process. `translate` turns each into one of ours."""

_SETTINGS: Final = {
    "timezone": "UTC",
    "search_path": "onhand",
    "statement_timeout": str(limits.DATABASE_STATEMENT_TIMEOUT_MS),
    "lock_timeout": str(limits.DATABASE_LOCK_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(limits.DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS),
    "jit": "off",  # compiling costs more than any of our statements run
}


class Session:
    """One connection, held for a while. Everything done through it is one conversation with the server.

    Every method raises one of the errors of `onhand.store.postgres.errors`, or InvalidInput for a value that the
    column cannot hold. `fetch`, `fetchrow`, `fetchval` and `execute` take the name of a query file's query.
    """

    __slots__ = ("_connection", "_queries")

    def __init__(self, connection: Any, queries: query_files.Catalogue) -> None:
        self._connection = connection
        self._queries = queries

    async def fetch(self, name: str, *args: Any) -> list[Row]:
        """All rows of the query `name`."""
        try:
            return await self._connection.fetch(self._queries.text(name), *args)  # type: ignore[no-any-return]
        except FAULTS as error:
            raise translate(error) from error

    async def fetchrow(self, name: str, *args: Any) -> Row | None:
        """The first row of the query `name`, or None."""
        try:
            return await self._connection.fetchrow(self._queries.text(name), *args)
        except FAULTS as error:
            raise translate(error) from error

    async def fetchval(self, name: str, *args: Any) -> Any:
        """The first column of the first row of the query `name`, or None."""
        try:
            return await self._connection.fetchval(self._queries.text(name), *args)
        except FAULTS as error:
            raise translate(error) from error

    async def execute(self, name: str, *args: Any) -> int:
        """Run the query `name`; the number of rows it inserted, updated, deleted or selected."""
        try:
            return _count(await self._connection.execute(self._queries.text(name), *args))
        except FAULTS as error:
            raise translate(error) from error

    async def sql(self, text: str, *args: Any) -> list[Row]:
        """All rows of one ad-hoc statement: for tools and tests. The product itself keeps its SQL in files."""
        try:
            return await self._connection.fetch(text, *args)  # type: ignore[no-any-return]
        except FAULTS as error:
            raise translate(error) from error

    async def script(self, text: str) -> None:
        """Run any number of statements without parameters, as migrations are."""
        try:
            await self._connection.execute(text)
        except FAULTS as error:
            raise translate(error) from error

    async def copy_in(self, table: str, *, columns: Sequence[str], records: Iterable[Sequence[Any]]) -> int:
        """Write `records` to `table` by binary COPY; the number of rows written."""
        try:
            tag = await self._connection.copy_records_to_table(table, columns=list(columns), records=records)
        except FAULTS as error:
            raise translate(error) from error
        return _count(tag)

    async def stream(self, name: str, *args: Any, chunk_rows: int = 1_000) -> AsyncIterator[Row]:
        """The rows of the query `name`, fetched `chunk_rows` at a time. Needs an open transaction."""
        try:
            async for row in self._connection.cursor(self._queries.text(name), *args, prefetch=chunk_rows):
                yield row
        except FAULTS as error:
            raise translate(error) from error

    @asynccontextmanager
    async def transaction(self, *, isolation: Isolation | None = None, readonly: bool = False) -> AsyncIterator[None]:
        """A transaction, or a savepoint where one is open already."""
        scope = self._connection.transaction(isolation=isolation, readonly=readonly)
        try:
            await scope.start()
        except FAULTS as error:
            raise translate(error) from error
        try:
            yield
        except BaseException:
            await _rollback(self._connection, scope)
            raise
        try:
            await scope.commit()
        except FAULTS as error:
            raise translate(error) from error

    @asynccontextmanager
    async def listening(self, channel: str, heard: Callable[[str], None]) -> AsyncIterator[None]:
        """Call `heard(payload)` for every notification on `channel` while the block runs."""

        def deliver(_connection: Any, _pid: int, _channel: str, payload: str) -> None:
            heard(payload)

        try:
            await self._connection.add_listener(channel, deliver)
        except FAULTS as error:
            raise translate(error) from error
        try:
            yield
        finally:
            if not _is_closed(self._connection):
                await self._connection.remove_listener(channel, deliver)

    async def prepare(self, text: str) -> Any:
        """A prepared statement of asyncpg's, for checks that compare declared types with the server's."""
        try:
            return await self._connection.prepare(text)
        except FAULTS as error:
            raise translate(error) from error


class Database:
    """A pool of connections to one PostgreSQL database.

    `fetch`, `fetchrow`, `fetchval` and `execute` take a connection, run one query and give it back; a query that
    its file declares `retry: safe` is repeated when the connection is lost. For more than one statement use
    `transaction()`, or `transact()` where the whole may be repeated.
    """

    __slots__ = ("_pool", "_queries", "dsn")

    def __init__(self, pool: Any, queries: query_files.Catalogue, dsn: str) -> None:
        self._pool = pool
        self._queries = queries
        self.dsn = dsn

    @classmethod
    async def connect(
        cls,
        dsn: str,
        *,
        pool_min: int = limits.DATABASE_POOL_MIN,
        pool_max: int = limits.DATABASE_POOL_MAX,
        application: str = "onhand",
        queries: query_files.Catalogue | None = None,
        settings: dict[str, str] | None = None,
    ) -> Database:
        """Open a pool to `dsn`, a libpq URI; `settings` are server settings of each session, beside our own.

        Raises DatabaseUnavailable when no connection can be made, and InvalidInput for a DSN that cannot be read.
        """
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=pool_min,
                max_size=pool_max,
                timeout=limits.DATABASE_CONNECT_TIMEOUT_S,
                statement_cache_size=limits.DATABASE_STATEMENT_CACHE,
                max_cached_statement_lifetime=0,
                server_settings={"application_name": application, **_SETTINGS, **(settings or {})},
                reset=_keep_as_is,
            )
        except (asyncpg.ClientConfigurationError, ValueError, OverflowError) as error:
            raise InvalidInput(f"The database address cannot be used: {error}.") from error
        except FAULTS as error:
            raise _unreachable(error) from error
        return cls(pool, queries or query_files.shipped(), dsn)

    async def close(self) -> None:
        """Wait for what is under way, a few seconds at most, then close every connection."""
        try:
            async with asyncio.timeout(limits.DATABASE_CLOSE_WAIT_S):
                await self._pool.close()
        except FAULTS:
            self._pool.terminate()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Session]:
        """Hold one connection. Raises DatabaseBusy when none became free within the limit."""
        connection = await self._take()
        try:
            yield Session(connection, self._queries)
        finally:
            await _give_back(self._pool, connection)

    @asynccontextmanager
    async def transaction(
        self, *, isolation: Isolation | None = None, readonly: bool = False
    ) -> AsyncIterator[Session]:
        """Hold one connection with an open transaction; it commits at the end and rolls back on any exception."""
        async with self.acquire() as session, session.transaction(isolation=isolation, readonly=readonly):
            yield session

    async def transact(self, work: Callable[[Session], Awaitable[Any]], *, isolation: Isolation | None = None) -> Any:
        """Run `work` in a transaction and repeat it when the connection is lost or a deadlock chose it.

        Only for work whose second run is harmless: it must recognise by an id what a first run, of unknown outcome,
        may have committed.
        """

        async def attempt() -> Any:
            async with self.transaction(isolation=isolation) as session:
                return await work(session)

        return await _retrying(attempt, (DatabaseUnavailable, DatabaseBusy))

    async def fetch(self, name: str, *args: Any) -> list[Row]:
        """All rows of the query `name`."""
        return await self._one(Session.fetch, name, args)  # type: ignore[no-any-return]

    async def fetchrow(self, name: str, *args: Any) -> Row | None:
        """The first row of the query `name`, or None."""
        return await self._one(Session.fetchrow, name, args)

    async def fetchval(self, name: str, *args: Any) -> Any:
        """The first column of the first row of the query `name`, or None."""
        return await self._one(Session.fetchval, name, args)

    async def execute(self, name: str, *args: Any) -> int:
        """Run the query `name`; the number of rows it touched."""
        return await self._one(Session.execute, name, args)  # type: ignore[no-any-return]

    async def sql(self, text: str, *args: Any) -> list[Row]:
        """All rows of one ad-hoc statement, never repeated: for tools and tests."""
        async with self.acquire() as session:
            return await session.sql(text, *args)

    async def _one(self, method: Callable[..., Awaitable[Any]], name: str, args: tuple[Any, ...]) -> Any:
        async def attempt() -> Any:
            async with self.acquire() as session:
                return await method(session, name, *args)

        again = DatabaseUnavailable if self._queries[name].retry_safe else DatabaseUnreachable
        return await _retrying(attempt, (again,))

    async def _take(self) -> Any:
        try:
            return await self._pool.acquire(timeout=limits.DATABASE_POOL_WAIT_S)
        except TimeoutError as error:
            raise DatabaseBusy(f"No connection became free within {limits.DATABASE_POOL_WAIT_S:g} s.") from error
        except FAULTS as error:
            raise _unreachable(error) from error


_LOST: Final = {
    "57P01": "the server is shutting down",
    "57P02": "the server crashed and restarts",
    "57P03": "the server is starting or stopping",
    "57P05": "the server closed an idle session",
    "25P03": "the transaction was idle for too long",
    "53300": "the server has no connection left",
    "3D000": "there is no such database",
}
_BUSY: Final = {
    "40001": "another transaction changed the same rows",
    "40P01": "a deadlock with another transaction was broken up",
    "55P03": "a lock was held by somebody else for too long",
    "57014": "the statement ran into its time limit",
}


def translate(error: BaseException) -> Exception:
    """The Onhand error for what asyncpg raised: the one place where SQLSTATEs have a meaning."""
    if isinstance(error, asyncpg.PostgresError):
        return _of_sqlstate(error)
    if isinstance(error, asyncpg.DataError):
        return InvalidInput(f"A value does not fit its column: {error}.")
    if isinstance(error, asyncpg.InterfaceError) and not _speaks_of_closing(error):
        return StoreFault(f"The driver was misused: {error}.")
    return DatabaseUnavailable(f"The connection to the database was lost ({_say(error)}).")


_MOVED: Final = {"ON001": NetworkMoved, "ON002": EventsKnown, "ON003": StockMoved}
"""Signals of our own functions: what the batch was decided on has moved, nothing was written."""


def _of_sqlstate(error: Any) -> Exception:
    state = error.sqlstate or ""
    if state in _MOVED:
        return _MOVED[state](str(error))
    if state in _LOST or state.startswith("08"):
        return DatabaseUnavailable(f"The connection to the database was lost: {_LOST.get(state, _say(error))}.")
    if state in _BUSY:
        return DatabaseBusy(f"The database could not do it now: {_BUSY[state]}.", sqlstate=state)
    if state in {"53100", "53200"}:
        return DatabaseFull(f"The database server ran out of room: {error}.")
    if state.startswith("23"):
        return ConstraintBroken(f"The database refused the change: {error}.", constraint=error.constraint_name or "")
    invalid = state.startswith("22")
    return InvalidInput(f"A value cannot be stored: {error}.") if invalid else _fault(error, state)


def _fault(error: Any, state: str) -> OnhandError:
    return StoreFault(f"The database refused a statement of ours ({state}): {error}.", sqlstate=state)


def _unreachable(error: BaseException) -> OnhandError:
    return DatabaseUnreachable(f"No connection to the database could be made ({_say(error)}).")


def _say(error: BaseException) -> str:
    return str(error).rstrip(".") or type(error).__name__


def _speaks_of_closing(error: BaseException) -> bool:
    return any(word in str(error) for word in ("closed", "closing", "terminat", "released back"))


async def _retrying(attempt: Callable[[], Awaitable[Any]], when: tuple[type[OnhandError], ...]) -> Any:
    wait_s = limits.DATABASE_RETRY_WAIT_S
    for _ in range(limits.DATABASE_ATTEMPTS_MAX - 1):
        try:
            return await attempt()
        except when:
            await asyncio.sleep(random.uniform(wait_s / 2, wait_s))  # noqa: S311 - jitter, not a secret
            wait_s = min(wait_s * 2, limits.DATABASE_RETRY_WAIT_MAX_S)
    return await attempt()


async def _rollback(connection: Any, scope: Any) -> None:
    if _is_closed(connection):
        return  # the server has rolled it back already
    try:
        await scope.rollback()
    except FAULTS:
        connection.terminate()  # the exception that led here matters more; the server rolls back on its own


def _is_closed(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True  # the pool has taken a lost connection back already


async def _give_back(pool: Any, connection: Any) -> None:
    try:
        await pool.release(connection)
    except FAULTS:
        connection.terminate()


async def _keep_as_is(_: Any) -> None:
    """Skip the driver's RESET ALL, a round trip per use: our sessions change settings only with SET LOCAL."""


def _count(tag: str) -> int:
    last = tag.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0
