"""Verifying and rebuilding in PostgreSQL: the adapter behind `onhand.app.verify`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from onhand.app.verify import Found, FoundInLedger, Progress
from onhand.store.postgres.driver import Database, Session

# A check reads the whole ledger: it may take minutes and sorts more than a request ever does.
_AT_LENGTH: Final = "set local statement_timeout = 0; set local work_mem = '256MB'"


class PostgresVerify:
    """The VerifyStore of `onhand.app.verify`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresSnapshot]:
        """Open a snapshot for as long as the block runs."""
        async with self._database.transaction(isolation="repeatable_read", readonly=True) as session:
            await session.script(_AT_LENGTH)
            yield PostgresSnapshot(session)

    async def rebuild(self, progress: Progress) -> Mapping[str, int]:
        """Correct what differs from the ledger; returns how many rows of each kind were."""
        async with self._database.acquire() as session:
            last = await self._mark(session)
            async with session.transaction():
                await session.script(_AT_LENGTH)
                progress("adding up the ledger beside the writers")
                await session.fetchval("verify.gather", last)
                progress("writing what differs; writers wait")
                return {row["what"]: row["mended"] for row in await session.fetch("verify.rebuild", last)}

    async def restamp(self) -> int:
        """Correct the balances stamped on movements wherever their chain breaks; returns how many were."""
        async with self._database.transaction() as session:
            await session.script(_AT_LENGTH)
            return int(await session.fetchval("verify.rebuild_stamps"))

    async def _mark(self, session: Session) -> int:
        """Return a movement number up to which nothing is under way any more."""
        try:
            return int(await session.fetchval("verify.hold_writers"))
        finally:
            await session.fetchval("verify.let_writers_go")


class PostgresSnapshot:
    """The Snapshot of `onhand.app.verify`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def counts(self) -> Mapping[str, int]:
        """Return how many rows of each kind there are."""
        return {row["what"]: row["n"] for row in await self._session.fetch("verify.counts")}

    async def ledger(self, n: int) -> Sequence[FoundInLedger]:
        """Return up to `n` places whose balance or chain differs."""
        return [FoundInLedger(**dict(row.items())) for row in await self._session.fetch("verify.ledger", n)]

    async def found(self, check: str, n: int) -> Sequence[Found]:
        """Return up to `n` differences of one check."""
        return [Found(**dict(row.items())) for row in await self._session.fetch(f"verify.{check}", n)]
