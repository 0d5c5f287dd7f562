"""Why a channel shows what it shows: each number led back to the events, promises, policy and calls behind it.

For now, the terms are worked out anew by the very rules that publish. For a past moment it is what was recorded then:
each number that was told carries its terms. Either way they add up, and a test adds them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

import msgspec

from onhand.app.answers import AvailabilityTerm, BalanceRow, MovementRow
from onhand.app.publish_numbers import Explained
from onhand.app.publish_ports import Listing
from onhand.app.publish_status import NotPublished, no_number_of
from onhand.app.publish_views import ListingView, view
from onhand.app.read_ledger import AsOf, LedgerStore, Where
from onhand.domain.fallback import FRESH, Stage
from onhand.domain.network import Network
from onhand.domain.resolving import UnknownChannel
from onhand.ops import limits

HISTORY_MAX: Final = 50
"""Steps of a listing's history that are shown."""


class Held(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one reservation holds of the item at one location."""

    reservation: int
    sku: str
    client: str
    request_id: str
    channel: str
    location: str
    quantity: int
    allocated: int = 0
    from_fence: int = 0
    expires_at: datetime | None = None


class Fenced(msgspec.Struct, frozen=True, kw_only=True):
    """What is set aside of the item at one location, and what of it is used up."""

    sku: str
    group: str
    location: str
    quantity: int
    consumed: int


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of a listing's history: what it was told, what came of it, what it was found to show."""

    at: datetime
    what: str
    quantity: int | None = None
    location: str | None = None
    available: int | None = None
    network_version: int | None = None
    fallback: Stage = FRESH
    command: int | None = None
    lag_ms: int | None = None
    terms: tuple[AvailabilityTerm, ...] = ()
    detail: str | None = None


class Try(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt of a command: what was sent and what the channel answered."""

    command: int
    number: int
    at: datetime
    took_ms: int
    kind: str
    request: str
    status: int | None = None
    detail: str = ""
    answer: str | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One number of the explanation (one a location where numbers are kept per location).

    `number` is what it should show, and `terms` add up to it; for a past moment, what it was told last by then.
    `age_s` is how long ago the channel acknowledged what it shows.
    """

    location: str | None
    number: int | None
    terms: tuple[AvailabilityTerm, ...]
    listing: ListingView | None = None
    told_at: datetime | None = None
    age_s: float | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything behind a channel's numbers of one item.

    `balances` are the item's at the channel's locations as known at that moment, each with the event that moved it
    last; `movements` the newest of them. `reservations` and `ring_fences` are those of now, and left out for the past:
    what they came to then stands in the terms.
    """

    channel: str
    sku: str
    at: datetime
    network_version: int
    safety_stock: int
    max_listed: int | None
    fallback: Stage
    lines: tuple[Line, ...]
    balances: tuple[BalanceRow, ...]
    movements: tuple[MovementRow, ...]
    reservations: tuple[Held, ...]
    ring_fences: tuple[Fenced, ...]
    history: tuple[Step, ...]
    attempts: tuple[Try, ...]


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """What a store says of an item on a channel at this moment. `numbers` are by location id, `parts` a kit's."""

    now: datetime
    version: int
    category: str | None
    stage: Stage
    parts: Sequence[str]
    rows: Sequence[Listing]
    numbers: Mapping[int, Explained]


class ExplainStore(Protocol):
    """What explaining needs from a store beside the ledger."""

    async def network(self) -> Network:
        """Return the network in force."""

    async def present(self, channel: str, sku: str) -> Present | None:
        """Return what stands at this moment; None for an unknown item."""

    async def held(self, channel: str, skus: Sequence[str]) -> tuple[Sequence[Held], Sequence[Fenced]]:
        """Return what is reserved and set aside of these items where the channel sells from."""

    async def history(self, channel: str, sku: str, *, upto: datetime | None, n: int) -> Sequence[Step]:
        """Return the newest steps up to a moment, the newest first."""

    async def tries(self, commands: Sequence[int]) -> Sequence[Try]:
        """Return the attempts of these commands, the newest first."""

    async def movements(self, skus: Sequence[str], *, upto: datetime | None, n: int) -> Sequence[MovementRow]:
        """Return the newest movements of items known by a moment, the newest first."""


class Explain:
    """The use case."""

    def __init__(self, store: ExplainStore, ledger: LedgerStore) -> None:
        self._store = store
        self._ledger = ledger

    async def __call__(self, channel: str, sku: str, *, at: datetime | None = None) -> Explanation:
        """Return why a channel shows what it shows of an item, now or at a past moment.

        Raises UnknownChannel, NotPublished.
        """
        network = await self._store.network()
        declared = network.channel(channel)
        if declared is None or declared.retired:
            raise UnknownChannel(f"There is no channel {channel!r} that sells.", channel=channel)
        present = await self._store.present(channel, sku)
        if declared.publish is None:
            raise NotPublished(f"'{channel}' is told no numbers.", channel=channel)
        if present is None:
            raise no_number_of(channel, sku)
        skus = (sku, *present.parts)
        places = {place.code for place in network.locations_of(channel)}
        # One after the other would take three times as long, and it is a person who waits.
        history, (held, fenced), balances, movements = await asyncio.gather(
            self._store.history(channel, sku, upto=at, n=HISTORY_MAX),
            self._holds(channel, () if at is not None else skus),
            self._balances(skus, places, at),
            self._movements(skus, places, at),
        )
        commands = sorted({step.command for step in history if step.command is not None}, reverse=True)
        return Explanation(
            channel=channel,
            sku=sku,
            at=at or present.now,
            network_version=present.version if at is None else _version(history),
            safety_stock=network.safety_stock(channel, sku, present.category),
            max_listed=network.max_listed(channel, sku, present.category),
            fallback=present.stage if at is None else next((s.fallback for s in history if s.terms), FRESH),
            lines=tuple(_now_lines(present) if at is None else _past_lines(history, at)),
            balances=tuple(balances),
            movements=tuple(movements),
            reservations=tuple(held),
            ring_fences=tuple(fenced),
            history=tuple(history),
            attempts=tuple(a for a in await self._store.tries(commands) if at is None or a.at <= at),
        )

    async def _holds(self, channel: str, skus: Sequence[str]) -> tuple[Sequence[Held], Sequence[Fenced]]:
        return await self._store.held(channel, skus) if skus else ((), ())

    async def _balances(self, skus: Sequence[str], places: set[str], at: datetime | None) -> list[BalanceRow]:
        """Return what stands at the channel's locations, of a kit also its parts, as known at the moment."""
        as_of, n = AsOf(recorded=at), limits.EXPLAIN_BALANCES_MAX
        pages = [await self._ledger.balances(Where(sku=sku), as_of, after=None, n=n) for sku in skus]
        return [row for rows in pages for row in rows if row.location in places]

    async def _movements(self, skus: Sequence[str], places: set[str], at: datetime | None) -> list[MovementRow]:
        found = await self._store.movements(skus, upto=at, n=limits.EXPLAIN_MOVEMENTS_MAX)
        return [row for row in found if row.from_location in places or row.to_location in places]


def _now_lines(present: Present) -> Iterator[Line]:
    for row in present.rows:
        number = present.numbers.get(row.location_id)
        known_at = max((at for at in (row.acknowledged_at, row.read_back_at) if at is not None), default=None)
        yield Line(
            location=row.location,
            number=None if number is None else number.quantity,
            terms=() if number is None else number.terms,
            listing=view(row),
            told_at=row.sent_at,
            age_s=None if known_at is None else max(0.0, (present.now - known_at).total_seconds()),
        )


def _past_lines(history: Sequence[Step], at: datetime) -> Iterator[Line]:
    """Yield what was told last by a moment, with what it was made of then."""
    seen: set[str | None] = set()
    for step in history:
        if step.terms and step.location not in seen:
            seen.add(step.location)
            yield Line(
                location=step.location, number=step.quantity, terms=step.terms, told_at=step.at,
                age_s=max(0.0, (at - step.at).total_seconds()),
            )  # fmt: skip


def _version(history: Sequence[Step]) -> int:
    return next((step.network_version for step in history if step.network_version is not None), 0)
