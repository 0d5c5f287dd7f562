"""The calls of `onhand.client.AsyncClient` made on a hub in this process: how a verb works without a server."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from onhand.app.answers import (
    Availability,
    BalanceRow,
    EventOutcome,
    EventRow,
    KeyRow,
    MovementRow,
    QuarantineRow,
    ReservationAnswer,
    ReservationLogEntry,
)
from onhand.app.fulfilment import FulfilLine
from onhand.app.identity import Client
from onhand.app.paging import PAGE_MAX, Page
from onhand.app.read_availability import SKUS_MAX
from onhand.bootstrap import Hub
from onhand.cli.desk import Mode
from onhand.contracts import strict_json
from onhand.contracts.cloudevents import decode_structured
from onhand.contracts.envelope import Envelope
from onhand.domain.errors import InvalidInput
from onhand.domain.reservation import Request

EVENTS_PER_CALL: Final = 1_000
"""Events of one transaction, as the client sends them."""

R = TypeVar("R")
Json = Mapping[str, Any]


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key with its secret, which is shown this one time."""

    key: KeyRow
    secret: str


class Direct:
    """The calls on a hub, made by a client that may do everything."""

    def __init__(self, hub: Hub, client: Client) -> None:
        self._hub = hub
        self._client = client

    async def availability(
        self, channel: str, skus: Iterable[str], *, explain: bool = False, dates: Sequence[date] = ()
    ) -> list[Availability]:
        """Say what a channel can sell now: one row for each SKU, in order; any number of SKUs."""
        rows: list[Availability] = []
        wanted = iter(skus)
        while part := list(islice(wanted, SKUS_MAX)):
            rows += await self._hub.availability.read(channel, part, explain=explain, dates=dates)
        return rows

    def balances(self, **where: Any) -> AsyncIterator[BalanceRow]:
        """Go through balances, now or as of an earlier moment."""
        return _pages(self._hub.ledger.balances, **where)

    def movements(self, **where: Any) -> AsyncIterator[MovementRow]:
        """Go through movements."""
        return _pages(self._hub.ledger.movements, **where)

    async def reserve(
        self,
        *,
        channel: str,
        lines: Sequence[Json],
        request_id: str | None = None,
        mode: Mode = "all",
        expires_in_s: int | None = None,
    ) -> ReservationAnswer:
        """Make a reservation; a request id is made up where there is none."""
        body = {
            "request_id": request_id or uuid.uuid4().hex,
            "channel": channel,
            "lines": [{"line_id": str(number), **line} for number, line in enumerate(lines, 1)],
            "mode": mode,
            "expires_in_s": expires_in_s,
        }
        return await self._hub.reserve(self._client, _request(body))

    async def extend(
        self, reservation_id: str, *, expires_in_s: int | None = None, expires_at: datetime | None = None
    ) -> ReservationAnswer:
        """Move its deadline."""
        return await self._hub.amend.extend(
            self._client, reservation_id, expires_in_s=expires_in_s, expires_at=expires_at
        )

    async def release(self, reservation_id: str) -> ReservationAnswer:
        """Give it up."""
        return await self._hub.amend.release(self._client, reservation_id)

    async def fulfil(self, reservation_id: str, *, lines: Sequence[Json] | None = None) -> ReservationAnswer:
        """Say that it was shipped: all of it, or lines of line_id and quantity."""
        some = None if lines is None else msgspec.convert(list(lines), list[FulfilLine])
        return await self._hub.amend.fulfil(self._client, reservation_id, lines=some)

    async def reservation(self, reservation_id: str) -> ReservationAnswer:
        """Show it as it stands."""
        return await self._hub.reservations.get(reservation_id)

    async def reservation_log(self, reservation_id: str) -> Sequence[ReservationLogEntry]:
        """Show what happened to it."""
        return await self._hub.reservations.log(reservation_id)

    async def send(self, events: Iterable[Json]) -> list[EventOutcome]:
        """Send CloudEvents, any number, in parts; one outcome for each, in order."""
        outcomes: list[EventOutcome] = []
        waiting = iter(events)
        while part := list(islice(waiting, EVENTS_PER_CALL)):
            outcomes += await self._hub.record([_envelope(event) for event in part])
        return outcomes

    async def feed(
        self,
        *,
        after: str | None = None,
        type: str | None = None,  # noqa: A002 - CloudEvents' name
        source: str | None = None,
    ) -> tuple[Sequence[EventRow], str]:
        """Read the next part of the feed of events, and the cursor to come back with."""
        page = await self._hub.ledger.events(after=after, type=type, source=source, limit=PAGE_MAX)
        assert page.next_cursor is not None, "a feed always has a next cursor"
        return page.rows, page.next_cursor

    async def event(self, source: str, event_id: str) -> EventRow:
        """Show one event with its movements."""
        return await self._hub.ledger.event(source, event_id)

    def quarantine(self, *, state: str | None = "open", reason: str | None = None) -> AsyncIterator[QuarantineRow]:
        """Go through facts that were set aside."""
        return _pages(self._hub.quarantine.page, state=state, reason=reason)

    async def quarantined(self, quarantine_id: int) -> QuarantineRow:
        """Show one fact that was set aside."""
        return await self._hub.quarantine.get(quarantine_id)

    async def release_quarantine(self, *, ids: Sequence[int] | None = None) -> list[EventOutcome]:
        """Try facts again: these, or the oldest open ones."""
        return await self._hub.quarantine.release(ids, who=self._client.name)

    async def discard_quarantined(self, quarantine_id: int, *, note: str) -> QuarantineRow:
        """Let a fact go."""
        return (await self._hub.quarantine.discard([quarantine_id], who=self._client.name, note=note))[0]

    async def create_key(self, *, client: str, scopes: Sequence[str], expires_at: datetime | None = None) -> NewKey:
        """Make a key."""
        key, secret = await self._hub.keys.create(client=client, scopes=scopes, expires_at=expires_at)
        return NewKey(key=key, secret=secret)

    async def keys(self) -> list[KeyRow]:
        """List all keys."""
        return await self._hub.keys.list()

    async def rotate_key(self, key_id: int, *, overlap_s: int = 86_400) -> NewKey:
        """Replace a key; the old one works on for a while."""
        key, secret = await self._hub.keys.rotate(key_id, overlap_s=overlap_s)
        return NewKey(key=key, secret=secret)

    async def revoke_key(self, key_id: int) -> KeyRow:
        """End a key."""
        return await self._hub.keys.revoke(key_id)


async def _pages(read: Callable[..., Awaitable[Page[R]]], **where: Any) -> AsyncIterator[R]:
    after: str | None = None
    while True:
        page = await read(after=after, limit=PAGE_MAX, **where)
        for row in page.rows:
            yield row
        after = page.next_cursor
        if after is None:
            return


def _request(body: Json) -> Request:
    try:
        return msgspec.convert(body, Request)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The reservation is not valid: {error}.") from None


def _envelope(event: Json) -> Envelope | InvalidInput:
    try:
        return decode_structured(strict_json.dumps(dict(event)))
    except InvalidInput as error:
        return error
