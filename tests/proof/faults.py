"""Faults that strike at the n-th call to the database: a real connection, really lost or really refused.

`FaultyDatabase` is the product's own `Database` with every connection wrapped. A `Strike` counts the calls (statements,
BEGIN, COMMIT) and strikes one of them, or every one from then on. Nothing is simulated beyond the moment: a lost
connection is cut, a refusal is raised by the server itself, inside the transaction that is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import asyncpg

from onhand.store.postgres.driver import Database, Session

Kind = Literal["lost_before", "lost_after", "deadlock", "full"]
_SQLSTATE = {"deadlock": "40P01", "full": "53100"}

Call = Callable[[], Awaitable[Any]]


class Strike:
    """Strikes the n-th call (from 1) by `kind`; with `for_good` every later one too."""

    def __init__(self, *, nth: int, kind: Kind, for_good: bool = False) -> None:
        self.nth = nth
        self.kind = kind
        self.for_good = for_good
        self.calls = 0
        self.struck = 0

    async def around(self, connection: Any, _text: str, call: Call) -> Any:
        """Make the call, or let it fail."""
        self.calls += 1
        if self.calls != self.nth and not (self.for_good and self.calls > self.nth):
            return await call()
        self.struck += 1
        if self.kind in _SQLSTATE:
            await connection.execute(f"do $$ begin raise 'struck' using errcode = '{_SQLSTATE[self.kind]}'; end $$")
        if self.kind == "lost_after":
            await call()
        connection.terminate()
        raise asyncpg.ConnectionDoesNotExistError("struck: the connection was closed in the middle of operation")


class Aside:
    """Does something of its own before the first statement that is `text`, as another task or node would."""

    def __init__(self, text: str, what: Call) -> None:
        self._text = text
        self._what: Call | None = what

    @property
    def done(self) -> bool:
        """Whether the statement came by."""
        return self._what is None

    async def around(self, _connection: Any, text: str, call: Call) -> Any:
        """Make the call, after the aside if it is time for it."""
        if self._what is not None and text == self._text:
            what, self._what = self._what, None
            await what()
        return await call()


class Held:
    """Holds every statement that is `text` until it is let go: a writer that has done its work and not committed."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.go = asyncio.Event()
        self.waits = asyncio.Event()

    async def around(self, _connection: Any, text: str, call: Call) -> Any:
        """Make the call, once it may be made."""
        if text == self._text:
            self.waits.set()
            await self.go.wait()
        return await call()


Fault = Strike | Aside | Held


class _Connection:
    """A connection of asyncpg's whose calls pass through a strike."""

    def __init__(self, connection: Any, strike: Fault) -> None:
        self._connection = connection
        self._strike = strike

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def fetch(self, text: str, *args: Any) -> Any:
        return await self._strike.around(self._connection, text, lambda: self._connection.fetch(text, *args))

    async def fetchrow(self, text: str, *args: Any) -> Any:
        return await self._strike.around(self._connection, text, lambda: self._connection.fetchrow(text, *args))

    async def fetchval(self, text: str, *args: Any) -> Any:
        return await self._strike.around(self._connection, text, lambda: self._connection.fetchval(text, *args))

    async def execute(self, text: str, *args: Any) -> Any:
        return await self._strike.around(self._connection, text, lambda: self._connection.execute(text, *args))

    def transaction(self, **how: Any) -> Any:
        return _Scope(self._connection, self._connection.transaction(**how), self._strike)


class _Scope:
    """A transaction whose beginning and end are calls too."""

    def __init__(self, connection: Any, scope: Any, strike: Fault) -> None:
        self._connection, self._scope, self._strike = connection, scope, strike

    async def start(self) -> None:
        await self._strike.around(self._connection, "begin", self._scope.start)

    async def commit(self) -> None:
        await self._strike.around(self._connection, "commit", self._scope.commit)

    async def rollback(self) -> None:
        await self._scope.rollback()


class FaultyDatabase(Database):
    """The product's database with a strike on it; it shares the pool of the database that it is made from."""

    def __init__(self, database: Database, strike: Fault) -> None:
        super().__init__(database._pool, database._queries, database.dsn)
        self.strike = strike

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Session]:
        async with super().acquire() as session:
            yield Session(_Connection(session._connection, self.strike), session._queries)
