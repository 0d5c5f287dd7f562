"""A channel's figures for any item, plain, by lot or kit: now (ATS) and on a date (ATP).

    ATS(ch,i)      as `availability.ats`; for a kit as `kit.kit_ats` over its parts' sellable quantities
    ATP(ch,i,d)    floor( sum over locations of ATP(l,d) - safety stock - what waits in backorders, selling unit )
    ATP(l,d)       `atp.atp_table` of what is within reach at the location and what is still to come there

Both are what planning would grant a cart of this channel, one item, no wishes about location or lot: a property test
holds them to each other. The listing limit bounds what is shown (ATS), not what is promised for a date. Goods still to
come are taken to live long enough and to fill, at their location, what is owed there first.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from onhand.domain.atp import Inbound, atp_on, atp_table
from onhand.domain.availability import Ats, Fence, Pool, Term, ats, attribute_safety, free, sellable
from onhand.domain.errors import InvalidInput, NotFound
from onhand.domain.item import Item
from onhand.domain.kit import explode, kit_ats
from onhand.domain.lot import LotPool, eligible_free, last_unfit_day
from onhand.domain.network import Network
from onhand.domain.quantity import QUANTITY_MAX, floor_to
from onhand.domain.snapshot import PoolKey, Seller

Why = Literal[
    "on_hand", "reserved", "allocated", "fenced_for_others", "owed", "unfit_lots", "prebuilt_kits", "kits_from_parts",
    "not_stocked", "safety_stock", "max_listed", "selling_unit", "item_blocked", "kit_incomplete",
]  # fmt: skip
"""What a summand is. Every figure is the sum of its summands."""


class Summand(msgspec.Struct, frozen=True):
    """One signed term of a figure, in base units (of a kit: kits); `location_id` 0 is the channel as a whole."""

    why: Why
    quantity: int
    location_id: int = 0


class Figure(msgspec.Struct, frozen=True):
    """A channel's number, the safety stock withheld from it, and the summands that add up to it."""

    quantity: int
    withheld: int
    summands: tuple[Summand, ...]


class ChannelStock(msgspec.Struct, frozen=True, kw_only=True):
    """All that a channel's figures are worked out from. `items` holds the parts of kits too.

    `fences`, `inbound` and `waiting` are by item id; `inbound` gives location id -> goods still to come. Missing keys
    mean none. `today` is the date at the locations.
    """

    seller: Seller
    network: Network
    items: Mapping[str, Item]
    pools: Mapping[PoolKey, Pool]
    fences: Mapping[int, Sequence[Fence]]
    lots: Mapping[PoolKey, Sequence[LotPool]]
    today: datetime.date
    inbound: Mapping[int, Mapping[int, Sequence[Inbound]]] = {}
    waiting: Mapping[int, int] = {}

    def quantity(self, item: Item) -> tuple[int, int]:
        """Return the channel's number (ATS) and the safety stock withheld from it."""
        if item.plain:
            shown = self._ats(item)
            return shown.quantity, shown.withheld
        figure = self.figure(item)
        return figure.quantity, figure.withheld

    def figure(self, item: Item) -> Figure:
        """Return the channel's number (ATS) with the summands that add up to it."""
        parts = self._parts(item)
        if parts is None:  # planning refuses such a kit, whatever of it stands pre-built
            return Figure(0, 0, (Summand("kit_incomplete", 0),))
        if item.kind == "service":
            figure = self._capped((Summand("not_stocked", QUANTITY_MAX),), item)
        elif item.kind == "kit":
            figure = self._kit_figure(item, parts)
        else:
            shown = self._ats(item)
            figure = Figure(shown.quantity, shown.withheld, tuple(_summands(shown)))
        if _blocked(item, parts):
            return Figure(0, 0, (*figure.summands, Summand("item_blocked", -figure.quantity)))
        return figure

    def promise(self, item: Item, day: datetime.date) -> int:
        """Return what can be promised for a day (ATP) without breaking what was promised for another."""
        unit = self.seller.unit(item)
        parts = self._parts(item)
        if parts is None or _blocked(item, parts):
            return 0
        if item.kind == "service":
            return floor_to(QUANTITY_MAX, unit)
        then = [(self._sellable_on(part, day), per_kit) for part, per_kit in parts]
        return kit_ats(then, self._sellable_on(item, day), selling_unit=unit)[0]

    def _ats(self, item: Item) -> Ats:
        seller, code = self.seller, self.seller.code
        return ats(
            self._pools(item),
            self.fences.get(item.id, ()),
            group=seller.group_id,
            safety=self.network.safety_stock(code, item.sku, item.category),
            max_listed=self.network.max_listed(code, item.sku, item.category),
            selling_unit=seller.unit(item),
            lot_limits=self._lot_limits(item, self.today) if item.lot_tracked else None,
        )

    def _pools(self, item: Item) -> list[Pool]:
        """Return the item's rows at the channel's locations, in standing order of preference."""
        found = (self.pools.get((item.id, site.id)) for site in self.seller.standing)
        return [pool for pool in found if pool is not None]

    def _lot_limits(self, item: Item, ship_date: datetime.date) -> dict[int, int]:
        unfit = last_unfit_day(ship_date=ship_date, min_remaining_life_days=self.seller.min_remaining_life_days)
        return {site.id: eligible_free(self.lots.get((item.id, site.id), ()), unfit) for site in self.seller.sites}

    def _parts(self, item: Item) -> tuple[tuple[Item, int], ...] | None:
        """Return a kit's stocked parts and counts, none for other items, None for a kit that cannot be resolved."""
        try:
            return explode(item, self.items) if item.kind == "kit" else ()
        except (InvalidInput, NotFound):
            return None

    def _kit_figure(self, item: Item, parts: Sequence[tuple[Item, int]]) -> Figure:
        listed = [(self._ats(part), per_kit) for part, per_kit in parts]
        own = self._ats(item)
        safely = [(sellable(part.terms, part.safety), per_kit) for part, per_kit in listed]
        _, by_site = kit_ats(safely, sellable(own.terms, own.safety))
        _, at_most = kit_ats([(sellable(part.terms), per_kit) for part, per_kit in listed], sellable(own.terms))
        withheld = sum(at_most.values()) - sum(by_site.values())
        return self._capped((*_kit_summands(own.terms, at_most), Summand("safety_stock", -withheld)), item)

    def _capped(self, summands: tuple[Summand, ...], item: Item) -> Figure:
        """Return the figure of these summands under the listing limit, in whole selling units."""
        total = sum(one.quantity for one in summands)
        limit = self.network.max_listed(self.seller.code, item.sku, item.category)
        listed = total if limit is None else min(total, limit)
        quantity = floor_to(listed, self.seller.unit(item))
        withheld = -sum(one.quantity for one in summands if one.why == "safety_stock")
        more = (Summand("max_listed", listed - total), Summand("selling_unit", quantity - listed))
        return Figure(quantity, withheld, tuple(one for one in (*summands, *more) if one.quantity))

    def _sellable_on(self, item: Item, day: datetime.date) -> dict[int, int]:
        """Return location id -> what of a stocked item may be promised for a day, safety stock and waiting kept."""
        sites = [site.id for site in self.seller.standing]
        reaches = [self._reach_on(item, site, max(day, self.today)) for site in sites]
        keep = self.network.safety_stock(self.seller.code, item.sku, item.category) + self.waiting.get(item.id, 0)
        keeps = attribute_safety(reaches, keep)
        return {site: reach - kept for site, reach, kept in zip(sites, reaches, keeps, strict=True)}

    def _reach_on(self, item: Item, site: int, day: datetime.date) -> int:
        pool = self.pools.get((item.id, site)) or Pool(item.id, site, 0)
        own = sum(
            fence.unconsumed
            for fence in self.fences.get(item.id, ())
            if self.seller.group_id and (fence.group_id, fence.location_id) == (self.seller.group_id, site)
        )
        level = free(pool) + own
        if item.lot_tracked:
            level = min(level, self._lot_limits(item, day)[site])
        coming = self.inbound.get(item.id, {}).get(site, ())
        return atp_on(atp_table(today=self.today, on_hand=level, inbound=coming), day)


def _blocked(item: Item, parts: Sequence[tuple[Item, int]]) -> bool:
    return item.status == "blocked" or any(part.status == "blocked" for part, _ in parts)


def _summands(shown: Ats) -> Iterable[Summand]:
    for term in shown.terms:
        yield from _at(term)
    for why, quantity in (
        ("safety_stock", -shown.withheld),
        ("max_listed", -shown.over_max),
        ("selling_unit", -shown.broken),
    ):
        if quantity:
            yield Summand(why, quantity)  # type: ignore[arg-type]


def _at(term: Term) -> Iterable[Summand]:
    """Yield what one location adds: stock is always named, the rest where there is any."""
    yield Summand("on_hand", term.on_hand, term.location_id)
    raw = term.on_hand - term.reserved - term.allocated - term.fenced_for_others
    for why, quantity in (
        ("reserved", -term.reserved),
        ("allocated", -term.allocated),
        ("fenced_for_others", -term.fenced_for_others),
        ("owed", max(0, -raw)),  # a location is never less than empty
        ("unfit_lots", -term.unfit_lots),
    ):
        if quantity:
            yield Summand(why, quantity, term.location_id)  # type: ignore[arg-type]


def _kit_summands(own: Sequence[Term], kits: Mapping[int, int]) -> Iterable[Summand]:
    prebuilt = {term.location_id: term.reach for term in own}
    for location, total in kits.items():
        built = prebuilt.get(location, 0)
        yield Summand("prebuilt_kits", built, location)
        yield Summand("kits_from_parts", total - built, location)
