"""Reading promises: one, a page of them, and the log of what happened to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from onhand.app.amend_ports import Held, Holding
from onhand.app.answers import ReservationAnswer, ReservationLogEntry
from onhand.app.identity import Client
from onhand.app.paging import Page, decode_cursor, encode_cursor, page_limit, paged
from onhand.app.promise_errors import ReservationNotFound
from onhand.app.reservation_view import internal_number, view

LIST: Final = "reservations"


class ReservationReads(Protocol):
    """What reading promises needs from a store."""

    async def get(self, number: int) -> Held | None:
        """Return one reservation."""

    async def page(
        self, *, channel: str | None, state: str | None, sku: str | None, client: str | None, before: int | None, n: int
    ) -> Sequence[Held]:
        """Return reservations, newest first."""

    async def holdings(self, numbers: Sequence[int]) -> Mapping[int, Sequence[Holding]]:
        """Return reservation number -> what it holds."""

    async def waiting(self, numbers: Sequence[int]) -> Mapping[int, Mapping[int, int]]:
        """Return reservation number -> line -> what waits."""

    async def log(self, number: int) -> Sequence[ReservationLogEntry]:
        """Return what happened to one reservation, oldest first."""


class ReadReservations:
    """The use cases."""

    def __init__(self, store: ReservationReads) -> None:
        self._store = store

    async def get(self, reservation_id: str, *, client: Client | None = None) -> ReservationAnswer:
        """Return one reservation as it stands. Raises ReservationNotFound; a caller sees its own, admin sees all."""
        held = await self._held(reservation_id, client)
        return (await self._views([held]))[0]

    async def log(self, reservation_id: str, *, client: Client | None = None) -> Sequence[ReservationLogEntry]:
        """Return what happened to it, oldest first. Raises ReservationNotFound."""
        held = await self._held(reservation_id, client)
        return await self._store.log(held.number)

    async def page(
        self,
        *,
        channel: str | None = None,
        state: str | None = None,
        sku: str | None = None,
        client: Client | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[ReservationAnswer]:
        """Return reservations, newest first; `sku` finds those that hold the item now."""
        own = None if client is None or client.may("admin") else client.name
        before = None if after is None else decode_cursor(after, LIST, int)[0]
        found = await self._store.page(
            channel=channel, state=state, sku=sku, client=own, before=before, n=page_limit(limit) + 1
        )
        page = paged(found, limit, lambda held: encode_cursor(LIST, held.number))
        return Page(await self._views(page.rows), page.next_cursor)

    async def _held(self, reservation_id: str, client: Client | None) -> Held:
        held = await self._store.get(internal_number(reservation_id))
        if held is None or not (client is None or held.client_id == client.id or client.may("admin")):
            raise ReservationNotFound(f"There is no reservation {reservation_id!r}.")
        return held

    async def _views(self, found: Sequence[Held]) -> list[ReservationAnswer]:
        numbers = [held.number for held in found]
        holdings = await self._store.holdings(numbers)
        waiting = await self._store.waiting(numbers)
        return [view(held, holdings.get(held.number, ()), waiting.get(held.number, {})) for held in found]
