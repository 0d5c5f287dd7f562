"""Quarantine in PostgreSQL: the adapter behind `onhand.app.quarantine`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from onhand.app.answers import QuarantineRow
from onhand.store.postgres.driver import Database, Row


class PostgresQuarantine:
    """The QuarantineStore of `onhand.app.quarantine`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, *, state: str | None, reason: str | None, source: str | None, type_: str | None, after: int, n: int
    ) -> Sequence[QuarantineRow]:
        """Return up to `n` facts with numbers above `after`."""
        if state == "open":
            rows = await self._database.fetch("quarantine.open_page", reason, source, type_, after, n)
        else:
            rows = await self._database.fetch("quarantine.page", state, reason, source, type_, after, n)
        return [_row(row) for row in rows]

    async def some(self, ids: Sequence[int]) -> Sequence[QuarantineRow]:
        """Return those of these numbers that there are."""
        return [_row(row) for row in await self._database.fetch("quarantine.some", list(ids))]

    async def tried(self, ids: Sequence[int]) -> None:
        """Note that a release of these was tried in vain."""
        await self._database.execute("quarantine.tried", list(ids))

    async def discard(self, ids: Sequence[int], *, who: str, note: str) -> Sequence[int]:
        """Discard them all in one transaction, unless some are released: then return those and do nothing."""
        async with self._database.transaction() as session:
            found = await session.fetch("quarantine.lock", list(ids))
            released = [row["id"] for row in found if row["state"] == "released"]
            if not released:
                await session.execute("quarantine.discard", list(ids), who, note)
        return released


def _row(row: Row) -> QuarantineRow:
    return QuarantineRow(
        id=row["id"],
        source=row["source"],
        event_id=row["event_id"],
        type=row["type"],
        reason=row["reason"],
        detail=row["detail"],
        facts=msgspec.json.decode(row["facts"]),
        event=msgspec.Raw(row["body"].encode()),
        received_at=row["received_at"],
        times=row["times"],
        state=row["state"],
        resolved_at=row["resolved_at"],
        resolved_by=row["resolved_by"],
        note=row["note"],
    )
