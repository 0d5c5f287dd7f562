"""Availability: what of the stock may still be promised, and why the number on a channel is what it is.

    available(i,l)   on hand - allocated - reserved
    reach(ch,i,l)    max(0, available - what is fenced there for other groups)
    ATS(ch,i)        clamp(sum of reach over the channel's locations - safety stock, 0, max listed),
                     floored to the selling unit

`reach` is floored at zero location by location: a ring-fence is a promise about one location, so a fence
larger than the stock of its location must not eat the units of another. Safety stock is withheld after demand
(Source: IBM Sterling Inventory Visibility, "Calculating availability", example 1: on hand 4, safety 2,
demand 3 leave 0 available and 1 withheld).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from onhand.domain.quantity import floor_to


class Pool(msgspec.Struct, frozen=True):
    """The hot row of an item at a location, in base units.

    `on_hand` is the sum of balances in sellable statuses and may be negative while facts are late; `fenced` is
    the sum over all groups of what their ring-fences here still set aside.
    """

    item_id: int
    location_id: int
    on_hand: int
    reserved: int = 0
    allocated: int = 0
    fenced: int = 0


class Fence(msgspec.Struct, frozen=True):
    """A ring-fence: base units of an item set aside for a group at one location, and how many it has used up."""

    item_id: int
    location_id: int
    group_id: int
    quantity: int
    consumed: int = 0

    @property
    def unconsumed(self) -> int:
        """What is still set aside, never below zero."""
        return max(0, self.quantity - self.consumed)


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """What one location adds to a channel's number: `reach` is what is left of the other figures."""

    location_id: int
    on_hand: int
    reserved: int
    allocated: int
    fenced_for_others: int
    unfit_lots: int
    reach: int


class Ats(msgspec.Struct, frozen=True, kw_only=True):
    """A channel's number (`quantity`, base units) and every term that led to it.

    `withheld` is the safety stock that is really there; `over_max` what the listing limit hides; `broken` what
    is too little for another selling unit. Always: quantity + broken + over_max + withheld == sum of reach.
    """

    quantity: int
    withheld: int
    over_max: int
    broken: int
    safety: int
    max_listed: int | None
    selling_unit: int
    terms: tuple[Term, ...]


def available(pool: Pool) -> int:
    """Return on hand less allocated less reserved; negative when more is promised than is there."""
    return pool.on_hand - pool.reserved - pool.allocated


def free(pool: Pool) -> int:
    """Return what anybody may take: available less everything that is fenced."""
    return available(pool) - pool.fenced


def reach(free_quantity: int, own: int) -> int:
    """Return what a channel may take at one location: what is free plus its own group's unconsumed fence."""
    return max(0, free_quantity + own)


def attribute_safety(reaches: Sequence[int], safety: int) -> list[int]:
    """Return, for locations in order of preference, how much of the safety stock each must keep.

    The least preferred location keeps first, so that safety stock lies where orders go last. The sum is
    min(safety, sum of reaches). Taking no more than reach - keep anywhere leaves the result unchanged, so one
    attribution serves all lines of an order.
    """
    keeps = [0] * len(reaches)
    for index in range(len(reaches) - 1, -1, -1):
        if safety <= 0:
            break
        keeps[index] = min(safety, reaches[index])
        safety -= keeps[index]
    return keeps


def unconsumed_by_location(fences: Iterable[Fence], group: int) -> dict[int, int]:
    """Return location -> what the group's fences there still set aside; group 0 is no group."""
    own: dict[int, int] = {}
    for fence in fences:
        if group and fence.group_id == group:
            own[fence.location_id] = own.get(fence.location_id, 0) + fence.unconsumed
    return own


def ats(
    pools: Iterable[Pool],
    fences: Iterable[Fence] = (),
    *,
    group: int = 0,
    safety: int = 0,
    max_listed: int | None = None,
    selling_unit: int = 1,
    lot_limits: Mapping[int, int] | None = None,
) -> Ats:
    """Return what a channel may show of one item.

    `pools` are the item's rows at the channel's locations, `fences` the item's ring-fences, `group` the
    channel's fence group (0: none). `lot_limits` gives, for a lot-tracked item, location -> base units in
    lots that live long enough; a location it does not name has none.
    """
    own = unconsumed_by_location(fences, group)
    terms = tuple(_term(pool, own.get(pool.location_id, 0), lot_limits) for pool in pools)
    total = sum(term.reach for term in terms)
    withheld = min(max(safety, 0), total)
    listed = total - withheld if max_listed is None else min(total - withheld, max(max_listed, 0))
    quantity = floor_to(listed, selling_unit)
    return Ats(
        quantity=quantity,
        withheld=withheld,
        over_max=total - withheld - listed,
        broken=listed - quantity,
        safety=safety,
        max_listed=max_listed,
        selling_unit=selling_unit,
        terms=terms,
    )


def sellable(terms: Sequence[Term], safety: int = 0) -> dict[int, int]:
    """Return location -> reach less the safety stock kept there, for terms in order of preference.

    This is what a kit may draw on: parts are gathered at one location, so the safety stock of a part must be
    placed somewhere before anybody divides by the quantity per kit.
    """
    keeps = attribute_safety([term.reach for term in terms], safety)
    return {term.location_id: term.reach - keep for term, keep in zip(terms, keeps, strict=True)}


def _term(pool: Pool, own: int, lot_limits: Mapping[int, int] | None) -> Term:
    reachable = reach(free(pool), own)
    limited = reachable if lot_limits is None else min(reachable, max(0, lot_limits.get(pool.location_id, 0)))
    return Term(
        location_id=pool.location_id,
        on_hand=pool.on_hand,
        reserved=pool.reserved,
        allocated=pool.allocated,
        fenced_for_others=pool.fenced - own,
        unfit_lots=reachable - limited,
        reach=limited,
    )
