"""What the ledger says: balances now or as of a moment, the movements behind them, and the feed of events.

Two time axes: `occurred_as_of` asks what was true in the world by then, `recorded_as_of` what was known here by then.
Both together ask what one would have believed then about then. Every balance leads to the events that made it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

import msgspec

from onhand.app.answers import BalanceRow, EventRow, MovementRow
from onhand.app.paging import PAGE_DEFAULT, Page, decode_cursor, encode_cursor, page_limit, paged
from onhand.domain.errors import InvalidInput, NotFound

END: Final = "end"
"""In the place of a cursor of the feed: begin at its present end, with what comes from now on."""

SKU_LAST: Final = "\U0010ffff" * 201
"""Sorts after every SKU there can be: a SKU has at most 200 characters."""


class EventNotFound(NotFound):
    """No event of that source and id was accepted."""

    code = "event_not_found"
    title = "There is no such event"
    remedy = "Check source and id; a fact that was set aside is found in quarantine."


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """Which balances or movements, by codes; `lot` '' means without a lot."""

    sku: str | None = None
    location: str | None = None
    status: str | None = None
    lot: str | None = None
    owner: str | None = None


class AsOf(msgspec.Struct, frozen=True, kw_only=True):
    """As of when, in either time axis; None does not bound it."""

    occurred: datetime | None = None
    recorded: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what no instant is."""
        _zoned(occurred_as_of=self.occurred, recorded_as_of=self.recorded)


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """When things happened in the world: from the first instant, before the second."""

    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what no instant is."""
        _zoned(occurred_from=self.start, occurred_before=self.end)


class LedgerStore(Protocol):
    """What reading the ledger needs from a store. Each list is in order and has up to `n` rows."""

    async def balances(
        self, where: Where, as_of: AsOf, *, after: tuple[str, str, str, str, str] | None, n: int
    ) -> Sequence[BalanceRow]:
        """Return balances other than zero by (sku, location, status, lot, owner), after that key."""

    async def movements(
        self, where: Where, span: Span, *, after: tuple[int, int], n: int
    ) -> Sequence[tuple[int, MovementRow]]:
        """Return (event number, movement): of one item in order, of all items event by event, after that pair."""

    async def feed(
        self, *, type_: str | None, source: str | None, after: tuple[int, int], n: int
    ) -> Sequence[tuple[int, EventRow]]:
        """Return (position, event) in an order in which nothing ever comes before what was shown, after that pair."""

    async def feed_end(self) -> tuple[int, int]:
        """Return the pair after which nothing is shown yet and everything to come will be."""

    async def event(self, source: str, event_id: str) -> EventRow | None:
        """Return one event with its movements."""


class ReadLedger:
    """The use cases."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store

    async def balances(  # noqa: PLR0913 - the fields of a filter
        self, *, sku: str | None = None, location: str | None = None, status: str | None = None, lot: str | None = None,
        owner: str | None = None, occurred_as_of: datetime | None = None, recorded_as_of: datetime | None = None,
        after: str | None = None, limit: int = PAGE_DEFAULT,
    ) -> Page[BalanceRow]:  # fmt: skip
        """Return balances by SKU, location, status, lot, owner; places that sum to zero are left out."""
        where = Where(sku=sku, location=location, status=status, lot=lot, owner=owner)
        as_of = AsOf(occurred=occurred_as_of, recorded=recorded_as_of)
        key = None if after is None else decode_cursor(after, "balances", str, str, str, str, str)
        rows = await self._store.balances(where, as_of, after=key, n=page_limit(limit) + 1)
        return paged(rows, limit, _balance_cursor)

    async def movements(
        self, *, sku: str | None = None, location: str | None = None, occurred_from: datetime | None = None,
        occurred_before: datetime | None = None, after: str | None = None, limit: int = PAGE_DEFAULT,
    ) -> Page[MovementRow]:  # fmt: skip
        """Return movements: of one item in the order in which they were recorded, of all items event by event."""
        where = Where(sku=sku, location=location)
        return await self._movements(where, Span(start=occurred_from, end=occurred_before), after, limit)

    async def explain_balance(
        self, *, sku: str, location: str, status: str | None = None, lot: str | None = None, owner: str | None = None,
        after: str | None = None, limit: int = PAGE_DEFAULT,
    ) -> Page[MovementRow]:  # fmt: skip
        """Return the movements that made a balance, in the order in which they were recorded; each names its event."""
        where = Where(sku=sku, location=location, status=status, lot=lot, owner=owner)
        return await self._movements(where, Span(), after, limit)

    async def events(
        self, *, type: str | None = None, source: str | None = None,  # noqa: A002  (CloudEvents' name)
        after: str | None = None, limit: int = PAGE_DEFAULT,
    ) -> Page[EventRow]:  # fmt: skip
        """Return accepted events as a feed. It always has a next cursor: come back with it later for what came since.

        An event that is committed late appears late, never before a cursor that was given out. `after` may be END.
        """
        if after == END:
            return Page([], encode_cursor("events", *await self._store.feed_end()))
        key = (0, 0) if after is None else decode_cursor(after, "events", int, int)
        rows = await self._store.feed(type_=type, source=source, after=key, n=page_limit(limit))
        last = (rows[-1][0], rows[-1][1].seq) if rows else key
        return Page([row for _, row in rows], encode_cursor("events", *last))

    async def event(self, source: str, event_id: str) -> EventRow:
        """Return one accepted event with the movements that it caused. Raises EventNotFound."""
        row = await self._store.event(source, event_id)
        if row is None:
            raise EventNotFound(f"No event {event_id!r} of {source!r} was accepted.")
        return row

    async def _movements(self, where: Where, span: Span, after: str | None, limit: int) -> Page[MovementRow]:
        key = (0, 0) if after is None else decode_cursor(after, "movements", int, int)
        found = await self._store.movements(where, span, after=key, n=page_limit(limit) + 1)
        page = paged(found, limit, lambda row: encode_cursor("movements", row[0], row[1].seq))
        return Page([row for _, row in page.rows], page.next_cursor)


def _balance_cursor(row: BalanceRow) -> str:
    return encode_cursor("balances", row.sku, row.location, row.status, row.lot or "", row.owner)


def _zoned(**instants: datetime | None) -> None:
    for name, instant in instants.items():
        if instant is not None and instant.utcoffset() is None:
            raise InvalidInput(f"The instant {instant.isoformat()} has no time zone.", pointer=f"/{name}")
