"""Stock out: make Vendure show the numbers that are wanted, and tell what it really shows.

Read, reckon, set, and look at what the answer says: a sale between reading and setting would leave the number wrong by
as much as was sold. Then it is reckoned anew, a few times at most.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from onhand.connectors.vendure import documents
from onhand.connectors.vendure.session import Session
from onhand.connectors.vendure.stock import (
    Counting,
    GlobalSettings,
    Place,
    Variant,
    by_listing,
    carrier_of,
    place_of,
)
from onhand.sdk import (
    Delivered,
    Gone,
    Outcome,
    ReadFailed,
    Rejected,
    Shown,
    StockUpdate,
    Transient,
    Unauthorised,
)

ROUNDS_MAX: Final = 3
"""Times that a number is set before somebody else's sales are given the time to end."""
TAKE_MAX: Final = 1_000
"""The longest list that Vendure gives, as it comes (`apiOptions.adminListQueryLimit`)."""


Changes = Mapping[str, Mapping[str, int]]
"""Variant -> location -> stockOnHand."""


ON_HAND_MAX: Final = 2**31 - 1
"""What GraphQL's whole numbers hold."""


class _Places(msgspec.Struct, frozen=True):
    items: tuple[Place, ...]


class _Variants(msgspec.Struct, frozen=True, rename="camel"):
    items: tuple[Variant, ...]
    total_items: int


class Shelves(msgspec.Struct, frozen=True, rename="camel"):
    """What one question about stock brings."""

    global_settings: GlobalSettings
    stock_locations: _Places
    product_variants: _Variants


class _Set(msgspec.Struct, frozen=True, rename="camel"):
    update_product_variants: tuple[Variant, ...]


class _Aim(msgspec.Struct, frozen=True):
    """A number that one variant should show, at one location or in the whole channel."""

    variant: str
    location: str | None
    quantity: int


class Shelf:
    """The stock of one channel."""

    def __init__(self, session: Session, config: Mapping[str, Any]) -> None:
        self._session = session
        self._listing_by: str = config.get("listing_by", "sku")
        self._named: str | None = config.get("stock_location")

    async def publish(self, updates: Sequence[StockUpdate]) -> list[Outcome]:
        """Set what differs; one outcome for each update. Raises ReadFailed."""
        counting, found = await self.look({update.listing for update in updates})
        aims = [_aim(counting, found, update) for update in updates]
        wanted = [aim for aim in aims if isinstance(aim, _Aim)]
        standing = {variant.id: variant for variants in found.values() for variant in variants}
        refused: dict[str, Outcome] = {}
        for _ in range(ROUNDS_MAX):
            changes = _changes(counting, standing, [aim for aim in wanted if aim.variant not in refused])
            if not changes:
                break
            standing |= await self._set_apart(changes, refused)
        left = _changes(counting, standing, wanted)
        return [aim if isinstance(aim, Outcome) else refused.get(aim.variant) or _told(aim, left) for aim in aims]

    async def read_back(self, listings: Sequence[tuple[str, str | None]]) -> list[Shown]:
        """Return what is shown; None for what Vendure does not have, or has twice. Raises ReadFailed."""
        counting, found = await self.look({listing for listing, _ in listings})
        return [
            Shown(listing=listing, location=location, quantity=_shown(counting, found.get(listing, []), location))
            for listing, location in listings
        ]

    async def look(self, listings: Collection[str]) -> tuple[Counting, Mapping[str, list[Variant]]]:
        """Return how the channel counts, and its variants of these names. Raises ReadFailed."""
        named = {self._listing_by: {"in": sorted(listings)}}
        data = await self._session.ask(documents.STOCK, {"options": {"filter": named, "take": TAKE_MAX}})
        shelves = msgspec.json.decode(data, type=Shelves)
        found = by_listing(shelves.product_variants.items, listing_by=self._listing_by)
        return self._counting(shelves), found

    async def _set_apart(self, changes: Changes, refused: dict[str, Outcome]) -> dict[str, Variant]:
        """Set all at once; where Vendure refuses that for the sake of one variant, the others by themselves."""
        try:
            return await self.set(changes)
        except ReadFailed as failed:
            if not isinstance(failed.outcome, Gone | Rejected):
                raise
            if len(changes) == 1:
                refused[next(iter(changes))] = failed.outcome
                return {}
        standing: dict[str, Variant] = {}
        for variant, levels in changes.items():
            standing |= await self._set_apart({variant: levels}, refused)
        return standing

    async def set(self, changes: Changes) -> dict[str, Variant]:
        """Set variant -> location -> stockOnHand; return the variants as they stand then. Raises ReadFailed."""
        given = [
            {
                "id": variant,
                "stockLevels": [{"stockLocationId": place, "stockOnHand": n} for place, n in levels.items()],
            }
            for variant, levels in changes.items()
        ]
        data = await self._session.ask(documents.SET_STOCK, {"input": given})
        return {variant.id: variant for variant in msgspec.json.decode(data, type=_Set).update_product_variants}

    def _counting(self, shelves: Shelves) -> Counting:
        places = shelves.stock_locations.items
        carrier = carrier_of(places, self._named)
        if carrier is None:
            what = f"no stock location {self._named!r}" if self._named else "no stock location"
            raise ReadFailed(Unauthorised(detail=f"The channel has {what}: correct it, or the endpoint's settings."))
        return Counting(shelves.global_settings, places, carrier)


def _aim(counting: Counting, found: Mapping[str, list[Variant]], update: StockUpdate) -> _Aim | Outcome:
    variants = found.get(update.listing, [])
    if not variants:
        return Gone(detail=f"The channel has no variant {update.listing!r}.")
    if len(variants) > 1:
        detail = f"{len(variants)} variants are named {update.listing!r}: set listing_by to 'id'."
        return Rejected(reason="ambiguous", detail=detail, field="listing")
    if not counting.tracked(variants[0]):
        detail = f"Vendure does not track the inventory of {update.listing!r}, so that it sells without end."
        return Rejected(reason="not_tracked", detail=detail, field="listing")
    location = None if update.location is None else place_of(counting.places, update.location)
    if update.location is not None and location is None:
        detail = f"The channel has no stock location {update.location!r}."
        return Rejected(reason="unknown_location", detail=detail, field="location")
    if abs(counting.on_hand(variants[0], location, update.quantity)[1]) > ON_HAND_MAX:
        return Rejected(reason="too_large", detail=f"Vendure cannot hold {update.quantity} units.", field="quantity")
    return _Aim(variants[0].id, location, update.quantity)


def _changes(counting: Counting, standing: Mapping[str, Variant], aims: Sequence[_Aim]) -> dict[str, dict[str, int]]:
    """Return what has to be set: of several aims for one number the last counts."""
    latest = {(aim.variant, aim.location): aim for aim in aims}
    now = dict(standing)
    changes: dict[str, dict[str, int]] = {}
    for aim in latest.values():
        variant = now[aim.variant]
        location, on_hand = counting.on_hand(variant, aim.location, aim.quantity)
        if variant.level(location).stock_on_hand != on_hand:
            changes.setdefault(variant.id, {})[location] = on_hand
            now[variant.id] = variant.with_on_hand(location, on_hand)
    return changes


def _told(aim: _Aim, left: Changes) -> Outcome:
    if aim.variant in left:
        return Transient(detail=f"The stock of variant {aim.variant} kept changing while it was set.")
    return Delivered(detail=str(aim.quantity))


def _shown(counting: Counting, variants: Sequence[Variant], location: str | None) -> int | None:
    if len(variants) != 1:
        return None
    place = None if location is None else place_of(counting.places, location)
    if location is not None and place is None:
        return None
    return counting.shown(variants[0], place)
