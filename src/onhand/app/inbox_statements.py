"""Statements of stock become facts: read what stood there at the cut-off, ask the rule, record, part by part.

Each fact has an id made of the message and the place, so that a message that is mapped again after a crash, or replayed
after a mend, states nothing twice. What a snapshot does not name is zero only once all of the snapshot is here and
mapped; a snapshot that names nothing at all zeroes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import msgspec

from onhand.app.inbox_ports import Held, Mapped, MapStore, Unnamed, Whole
from onhand.contracts.envelope import Envelope, event
from onhand.contracts.limits import EVENT_ID_LENGTH_MAX
from onhand.domain.feed import Feed
from onhand.domain.inbox import Trouble
from onhand.domain.network import Network
from onhand.domain.stock_statement import (
    STATED,
    Derived,
    Place,
    Row,
    RowInvalid,
    Standings,
    cut_off,
    derive,
    floored,
    in_base,
    row_of,
    settled,
    zero,
)
from onhand.ops import limits


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Facts to be recorded together, and the places that are stated once they are."""

    events: Sequence[Envelope]
    places: Sequence[tuple[Place, datetime]]


class Statement(msgspec.Struct, kw_only=True):
    """The rows of one message, ready to be worked off; what is wrong with some, and what is to be said about it."""

    rows: Sequence[Row]
    troubles: list[Trouble]
    notes: list[str]


class Statements:
    """What turns rows into facts, bound to one store."""

    def __init__(self, store: MapStore) -> None:
        self._store = store

    async def read(self, network: Network, feed: Feed, message: Held, mapped: Sequence[Mapped]) -> Statement:
        """Return what a message states, every place once, in base units."""
        stated = feed.statement
        as_of = cut_off(
            stated, snapshot=message.snapshot_as_of, occurred=message.occurred_at, received=message.received_at
        )
        rows, troubles = _rows(feed, mapped, as_of, latest=_latest(network, message))
        items = await self._store.items(sorted({row.sku for row in rows}))
        rows, inexact = in_base(rows, items)
        troubles += inexact
        if stated.means == "full_with_zeroing":
            troubles += await self._named(feed, message, rows, as_of)
        below = floored(rows, stated)
        notes = [f"{below} numbers below nought were taken as nought"] if below else []
        return Statement(rows=settled(rows, stated), troubles=troubles, notes=notes)

    async def parts(self, network: Network, feed: Feed, message: Held, statement: Statement) -> AsyncIterator[Part]:
        """Yield the facts of a message; each part is to be recorded before the next is asked for."""
        for start in range(0, len(statement.rows), limits.INBOX_ROWS_IN_PART_MAX):
            rows = statement.rows[start : start + limits.INBOX_ROWS_IN_PART_MAX]
            standings: Standings = {}
            if feed.statement.means != "relative":
                standings = await self._store.standings(feed.code, [(row.place, row.as_of) for row in rows])
            facts = derive(rows, standings, feed.statement, feed=feed.code, network=network)
            yield await self._part(network, feed, message.id, list(facts), [(row.place, row.as_of) for row in rows])

    async def zeroes(self, network: Network, feed: Feed, whole: Whole) -> AsyncIterator[Part]:
        """Yield the facts that follow from what a whole snapshot does not name."""
        after: tuple[str, str, str] | None = None
        while found := await self._store.unnamed(feed.code, whole.id, as_of=whole.as_of, after=after):
            sku, location, status, _ = found[-1].place
            after = (location, status, sku)
            gone = [each for each in found if _speaks(each, whole.as_of)]
            facts = [zero(*each.place, as_of=whole.as_of) for each in gone]
            places = [(each.place, whole.as_of) for each in gone]
            yield await self._part(network, feed, whole.message_id, facts, places)

    async def _part(
        self, network: Network, feed: Feed, message_id: int, facts: Sequence[Derived],
        places: Sequence[tuple[Place, datetime]],
    ) -> Part:  # fmt: skip
        """Return facts as events, but for those that an earlier try has recorded: they may read otherwise now."""
        source = source_of(network, feed)
        events = [_event(source, message_id, fact) for fact in facts]
        known = await self._store.known([(each.source, each.id) for each in events]) if events else frozenset()
        return Part(events=[each for each in events if (each.source, each.id) not in known], places=places)

    async def _named(self, feed: Feed, message: Held, rows: Sequence[Row], as_of: datetime) -> list[Trouble]:
        """Remember what a snapshot names. A message that is a snapshot by itself and empty is told, not believed."""
        if message.mode == "poll" and message.snapshot_id is None:
            return []  # the partner does not say that it is a snapshot, so nothing can be missing from it
        if not rows and message.mode != "poll":
            return [Trouble(code="snapshot_empty", detail="a statement of everything names nothing")]
        snapshot = await self._store.snapshot_of(message, feed.code, as_of=as_of)
        await self._store.name(snapshot, [row.place for row in rows])
        return []


def source_of(network: Network, feed: Feed) -> str:
    """Return the source of a feed's facts."""
    endpoint = network.endpoint(feed.endpoint)
    return feed.source or (feed.code if endpoint is None else endpoint.system)


def _latest(network: Network, message: Held) -> datetime:
    """Return the latest cut-off that is believed, by the tolerance that the ledger has."""
    return message.received_at + timedelta(seconds=network.policies.future_tolerance_s)


def _rows(
    feed: Feed, mapped: Sequence[Mapped], as_of: datetime, *, latest: datetime
) -> tuple[list[Row], list[Trouble]]:
    rows: list[Row] = []
    troubles: list[Trouble] = []
    for number, each in enumerate(mapped):
        if each.type != STATED:
            continue
        place = f"row {number}"
        try:
            row = row_of(each.data, feed.statement, as_of=each.time or as_of, origin=place)
        except RowInvalid as invalid:
            troubles.append(Trouble(code="row_invalid", detail=f"{invalid.detail} ({invalid.field})", place=place))
        else:
            if row.as_of <= latest:
                rows.append(row)
            else:
                troubles.append(
                    Trouble(code="row_invalid", detail="the cut-off lies in the future (as_of)", place=place)
                )
    return rows, troubles


def _speaks(each: Unnamed, as_of: datetime) -> bool:
    standing = each.standing
    return standing.balance != 0 and (standing.stated_at is None or standing.stated_at <= as_of)


def _event(source: str, message_id: int, fact: Derived) -> Envelope:
    """Return a fact as an event. The number of its message comes first: of two of one moment the later counts."""
    row = fact.row
    places = (row.location, row.status, row.sku, row.lot, row.uom or "")
    parts = [f"{message_id:012d}", *(each.replace("%", "%25").replace("/", "%2F") for each in places)]
    if fact.type == "adjustment.posted":
        parts.append(row.as_of.isoformat())
    name = "/".join(parts)
    if len(name) > EVENT_ID_LENGTH_MAX:
        name = f"{message_id:012d}/{hashlib.sha256(name.encode()).hexdigest()}"
    return event(id=name, source=source, type=fact.type, time=fact.time, data=fact.data)
