"""Reading promises from PostgreSQL: the adapter behind `onhand.app.read_reservations`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from onhand.app.amend_ports import Held, Holding
from onhand.app.answers import ReservationLogEntry
from onhand.store.amend import held_of, holding_of
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database


class PostgresReservations:
    """The ReservationReads of `onhand.app.read_reservations`."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory

    async def get(self, number: int) -> Held | None:
        """Return one reservation."""
        await self._directory.situation()
        row = await self._database.fetchrow("promises.reservation", number)
        return None if row is None else held_of(row, self._directory)

    async def page(
        self, *, channel: str | None, state: str | None, sku: str | None, client: str | None, before: int | None, n: int
    ) -> Sequence[Held]:
        """Return reservations, newest first."""
        await self._directory.situation()
        rows = await self._database.fetch("promises.page", channel, state, sku, client, before, n)
        return [held_of(row, self._directory) for row in rows]

    async def holdings(self, numbers: Sequence[int]) -> Mapping[int, Sequence[Holding]]:
        """Return reservation number -> what it holds."""
        found: dict[int, list[Holding]] = {}
        for row in await self._database.fetch("promises.holdings", numbers):
            found.setdefault(row["reservation_id"], []).append(holding_of(row))
        return found

    async def waiting(self, numbers: Sequence[int]) -> Mapping[int, Mapping[int, int]]:
        """Return reservation number -> line -> what waits."""
        found: dict[int, dict[int, int]] = {}
        for row in await self._database.fetch("promises.backorders", numbers):
            found.setdefault(row["reservation_id"], {})[row["line"]] = row["quantity"]
        return found

    async def waiting_numbers(self, *, skip: int, n: int) -> Sequence[int]:
        """Return reservations whose backorder could have stock now, the longest waiting first."""
        return [row["reservation_id"] for row in await self._database.fetch("promises.waiting", skip, n)]

    async def log(self, number: int) -> Sequence[ReservationLogEntry]:
        """Return what happened to one reservation, oldest first."""
        return [
            ReservationLogEntry(
                seq=row["seq"],
                verb=row["verb"],
                state=row["state"],
                at=row["at"],
                expires_at=row["expires_at"],
                detail=_detail(row["detail"]),
            )
            for row in await self._database.fetch("promises.log", number)
        ]


def _detail(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
