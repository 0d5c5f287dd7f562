"""How Vendure counts stock, and which number makes it show the one that is wanted.

    saleable = Σ over the channel's locations (stockOnHand − stockAllocated) − outOfStockThreshold

`stockAllocated` is Vendure's own count of what it has sold and not sent; it loses updates under load, in both
directions, and nothing can set it. So this rule never reckons with what it should be: it reads what it is, and sets
`stockOnHand` such that the difference is right. Of the numbers per location, one location carries the threshold,
so that they sum to what a buyer sees. Pure: no connection, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

UNLIMITED = 2**53 - 1
"""What Vendure shows of a variant whose inventory it does not track."""


class Level(msgspec.Struct, frozen=True, rename="camel"):
    """A variant's stock at one location."""

    stock_location_id: str
    stock_on_hand: int
    stock_allocated: int
    id: str = ""
    updated_at: str = ""

    @property
    def free(self) -> int:
        """What is there and not allocated."""
        return self.stock_on_hand - self.stock_allocated


class Variant(msgspec.Struct, frozen=True, rename="camel"):
    """A variant as the Admin API tells it; only the levels of the channel's own locations are among them."""

    id: str
    sku: str
    name: str
    track_inventory: str
    out_of_stock_threshold: int
    use_global_out_of_stock_threshold: bool
    stock_levels: tuple[Level, ...]

    def level(self, location: str) -> Level:
        """Return its stock at a location; none yet is nought."""
        empty = Level(location, 0, 0)
        return next((level for level in self.stock_levels if level.stock_location_id == location), empty)

    def with_on_hand(self, location: str, on_hand: int) -> Variant:
        """Return it with another stock on hand at a location."""
        others = tuple(level for level in self.stock_levels if level.stock_location_id != location)
        changed = msgspec.structs.replace(self.level(location), stock_on_hand=on_hand)
        return msgspec.structs.replace(self, stock_levels=(*others, changed))


class Place(msgspec.Struct, frozen=True):
    """A stock location of the channel."""

    id: str
    name: str


class GlobalSettings(msgspec.Struct, frozen=True, rename="camel"):
    """What counts for variants that say nothing of their own."""

    track_inventory: bool
    out_of_stock_threshold: int


class Counting(msgspec.Struct, frozen=True):
    """How one channel counts: its settings, its locations, and the location that carries the rest."""

    settings: GlobalSettings
    places: tuple[Place, ...]
    carrier: str

    def tracked(self, variant: Variant) -> bool:
        """Tell whether Vendure counts the variant at all."""
        own = variant.track_inventory
        return own == "TRUE" or (own == "INHERIT" and self.settings.track_inventory)

    def threshold(self, variant: Variant) -> int:
        """Return what Vendure holds back of the variant (or, below nought, sells beyond)."""
        if variant.use_global_out_of_stock_threshold:
            return self.settings.out_of_stock_threshold
        return variant.out_of_stock_threshold

    def shown(self, variant: Variant, location: str | None) -> int:
        """Return what a buyer can order: of the whole channel, or a location's share of it."""
        if not self.tracked(variant):
            return UNLIMITED
        if location is None:
            return sum(level.free for level in variant.stock_levels) - self.threshold(variant)
        return variant.level(location).free - self._share(variant, location)

    def on_hand(self, variant: Variant, location: str | None, quantity: int) -> tuple[str, int]:
        """Return the location and the `stockOnHand` there that make `quantity` what is shown.

        May be below nought: where Vendure's count of allocated units is, and where other locations hold more.
        """
        if location is not None:
            level = variant.level(location)
            return location, quantity + level.stock_allocated + self._share(variant, location)
        level = variant.level(self.carrier)
        return self.carrier, level.stock_on_hand + quantity - self.shown(variant, None)

    def _share(self, variant: Variant, location: str) -> int:
        return self.threshold(variant) if location == self.carrier else 0


def carrier_of(places: Sequence[Place], named: str | None) -> str | None:
    """Return the id of the location that is named (by id or name), or else of the first; None: there is none."""
    if named is None:
        return min((place.id for place in places), key=_in_order, default=None)
    return next((place.id for place in places if named in (place.id, place.name)), None)


def place_of(places: Sequence[Place], location: str) -> str | None:
    """Return the id of a location that is named by id or name; None: it is not one of the channel's."""
    return carrier_of(places, location)


def by_listing(variants: Sequence[Variant], *, listing_by: str) -> Mapping[str, list[Variant]]:
    """Return the variants by the name that listings have."""
    found: dict[str, list[Variant]] = {}
    for variant in variants:
        found.setdefault(variant.sku if listing_by == "sku" else variant.id, []).append(variant)
    return found


def _in_order(number: str) -> tuple[int, str]:
    return (int(number), "") if number.isdecimal() else (2**63, number)
