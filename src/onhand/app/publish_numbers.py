"""Working out what channels should show: items that changed in, rows that differ out.

Level-triggered: how often an item changed, and what it was in between, does not matter. The rules are those that answer
every question about availability; what publishing adds is a fallback while a source is stale, and whole packs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from onhand.app.answers import AvailabilityTerm
from onhand.app.publish_ports import Key, Known, Number, NumbersStore, Reading, publishing
from onhand.domain import risk
from onhand.domain.availability import ats
from onhand.domain.channel_stock import ChannelStock
from onhand.domain.fallback import FRESH, Stage, lessened
from onhand.domain.item import Item
from onhand.domain.publication import sellable_of, split
from onhand.domain.publishing import Publishing
from onhand.domain.quantity import floor_to
from onhand.domain.risk import Velocity
from onhand.ops import limits

RANK_WAIT_S: Final = 60.0
"""The wait for which stored ranks are worked out; who spends a quota works them out anew with the real one."""


class Worked(NamedTuple):
    """What one turn did: items looked at, rows written, and the first instant at which one of them had changed."""

    items: int = 0
    rows: int = 0
    since: datetime | None = None
    now: datetime | None = None


Reaches = dict[int, int]
"""Item id -> what may be taken of it at some locations by a fence group, before a channel's own terms."""


class Target(NamedTuple):
    """What one listing should show by the hub's own rule, before fallback and packs."""

    location_id: int
    listing: str
    place: str | None
    available: int


class WorkOutNumbers:
    """The use case, for one node: takes turns at the items that changed."""

    def __init__(self, store: NumbersStore) -> None:
        self._store = store
        self._first = 0

    async def __call__(self, n: int = limits.PUBLISH_ITEMS_MAX) -> Worked:
        """Work out the numbers of up to so many items that changed."""
        if not publishing(await self._store.network()) or not await self._store.dirty():
            return Worked()
        self._first += limits.PUBLISH_SHARDS_AT_ONCE
        async with self._store.turn(self._first) as turn:
            if turn is None:
                return Worked()
            changed = await turn.take(n)
            if not changed:
                return Worked()
            reading = await turn.read(list(changed))
            numbers = list(differing(reading, changed))
            if numbers:
                await turn.write(reading, numbers)
            return Worked(len(changed), len(numbers), min(changed.values()), reading.now)


def differing(reading: Reading, changed: Mapping[int, datetime]) -> Iterator[Number]:
    """Yield the rows that are not as they should be."""
    standing: dict[tuple[int, int], list[int]] = {}
    for row in reading.known:
        standing.setdefault((row.item_id, row.channel_id), []).append(row.location_id)
    shared: dict[tuple[tuple[int, ...], int], Reaches] = {}
    for code, channel_id in reading.channels.items():
        channel, stock = reading.network.channels[code], reading.stocks.get(code)
        publish, stage = channel.publish, reading.stages.get(code, FRESH)
        if publish is None or stock is None:
            continue
        places_sold_from = tuple(site.id for site in stock.seller.standing)
        reaches = shared.setdefault((places_sold_from, stock.seller.group_id), {})
        for item in reading.items:
            listed = targets(stock, item, publish, reading.locations, reaches)
            for target in listed:
                key = Key(item.id, channel_id, target.location_id)
                number = _number(key, target, item, publish, stage, reading, changed[item.id])
                if number is not None:
                    yield number
            stands = standing.get((item.id, channel_id), ())
            places = [target.location_id for target in listed]
            if stands != places:
                yield from _ended((item.id, channel_id), stands, places, reading, changed[item.id])


def targets(
    stock: ChannelStock, item: Item, publish: Publishing, locations: Mapping[str, int], reaches: Reaches | None = None
) -> Sequence[Target]:
    """Return what each listing of an item should show; none where the channel does not list it."""
    listing = publish.listing(item.sku)
    if listing is None:
        return ()
    if not publish.locations:
        quantity = stock.quantity(item)[0] if reaches is None or not item.plain else _shared(stock, item, reaches)
        return (Target(0, listing, None, quantity),)
    sites = [site.id for site in stock.seller.standing]
    shares = split(stock.figure(item), sites, unit=stock.seller.unit(item))
    return tuple(
        Target(locations[code], listing, place, shares.get(locations[code], 0))
        for code, place in publish.locations.items()
        if code in locations
    )


def _shared(stock: ChannelStock, item: Item, reaches: Reaches) -> int:
    """Return a channel's number of a plain item, adding up once for all channels that sell from the same places.

    What differs from channel to channel is only what is taken off the sum. A test holds this to `ChannelStock`.
    """
    seller, network = stock.seller, stock.network
    total = reaches.get(item.id)
    if total is None:
        pools = [pool for site in seller.standing if (pool := stock.pools.get((item.id, site.id))) is not None]
        total = reaches[item.id] = ats(pools, stock.fences.get(item.id, ()), group=seller.group_id).quantity
    return sellable_of(
        total,
        safety=network.safety_stock(seller.code, item.sku, item.category),
        max_listed=network.max_listed(seller.code, item.sku, item.category),
        selling_unit=seller.unit(item),
    )


class Explained(NamedTuple):
    """A listing's number at this moment, and the terms that add up to it."""

    quantity: int
    available: int
    terms: tuple[AvailabilityTerm, ...]


def explained(
    stock: ChannelStock, item: Item, publish: Publishing, stage: Stage, *, location_id: int, per_h: float
) -> Explained:
    """Return what one listing should show now, by the same rules as `differing`, with every term of it."""
    figure = stock.figure(item)
    codes = {site.id: site.code for site in stock.seller.sites}
    summands = [one for one in figure.summands if not location_id or one.location_id == location_id]
    available = figure.quantity
    if location_id:
        sites = [site.id for site in stock.seller.standing]
        available = split(figure, sites, unit=stock.seller.unit(item)).get(location_id, 0)
    terms = [AvailabilityTerm(term=s.why, quantity=s.quantity, location=codes.get(s.location_id)) for s in summands]
    kept = available - sum(term.quantity for term in terms)
    if kept:
        terms.append(AvailabilityTerm(term="kept_back_here", quantity=kept, location=codes.get(location_id)))
    lower = available if stage.fresh else lessened(available, stage, per_h=per_h)
    quantity = floor_to(lower, publish.round_to)
    more = (("fallback", lower - available), ("whole_packs", quantity - lower))
    terms += [AvailabilityTerm(term=why, quantity=number) for why, number in more if number]
    return Explained(quantity, available, tuple(terms))


def shown_number(available: int, stage: Stage, publish: Publishing, *, per_h: float) -> int:
    """Return what a listing should show: lessened while a source is stale, in whole packs."""
    return floor_to(available if stage.fresh else lessened(available, stage, per_h=per_h), publish.round_to)


def _number(
    key: Key, target: Target, item: Item, publish: Publishing, stage: Stage, reading: Reading, changed_at: datetime
) -> Number | None:
    known = reading.known.get(key)
    velocity, shown = Velocity(), None
    if known is not None:
        velocity, shown = known.velocity, known.shown
        if known.available != target.available:
            velocity = risk.learn(velocity, before=known.available, after=target.available, now=reading.now)
    desired = shown_number(target.available, stage, publish, per_h=velocity.per_h)
    if known is not None and _same(known, target, desired):
        return None
    margin = publish.margin.of(sku=item.sku, category=item.category)
    cost = risk.cost(desired=desired, shown=shown, per_h=velocity.per_h, wait_s=RANK_WAIT_S, margin=margin)
    return Number(
        key, target.listing, target.place, "listed", target.available, desired, velocity.per_h, risk.rank(cost),
        changed_at,
    )  # fmt: skip


def _same(known: Known, target: Target, desired: int) -> bool:
    return (
        known.available == target.available
        and known.desired == desired
        and known.state != "off"
        and known.listing == target.listing
        and known.place == target.place
    )


def _ended(
    key: tuple[int, int], standing: Sequence[int], listed: Collection[int], reading: Reading, changed_at: datetime
) -> Iterator[Number]:
    """Yield rows that stand and are published no more."""
    for location_id in standing:
        known = reading.known[Key(*key, location_id)]
        if location_id not in listed and known.state != "off":
            yield Number(
                Key(*key, location_id), known.listing, known.place, "off", known.available, known.desired,
                known.velocity.per_h, risk.RANK_MIN, changed_at,
            )  # fmt: skip
