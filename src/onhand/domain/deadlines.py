"""Deadlines at read time: what stock shows once claims past their deadline count as given back.

A sweeper writes this down sooner or later; reading never waits for it and never writes. The effect is that of
`end_reservations` in onhand/store/functions/release.sql: the whole claim goes, its hard part included, and what it
used up of a ring-fence returns to it as far as the fence still sets something aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from onhand.domain.availability import Fence, Pool
from onhand.domain.lot import LotPool
from onhand.domain.snapshot import FenceKey, PoolKey


class DueClaim(msgspec.Struct, frozen=True):
    """What claims past their deadline hold together on one pool row, lot and fence group (0: none)."""

    item_id: int
    location_id: int
    lot_id: int
    group_id: int
    quantity: int
    allocated: int
    from_fence: int


class Shelf(msgspec.Struct):
    """The rows that availability is worked out from, by their keys."""

    pools: dict[PoolKey, Pool]
    fences: dict[FenceKey, Fence]
    lots: dict[PoolKey, list[LotPool]]


def honour(shelf: Shelf, due: Iterable[DueClaim]) -> Shelf:
    """Give back on `shelf` what the due claims hold, and return it."""
    for claim in due:
        key = (claim.item_id, claim.location_id)
        returned = _unfence(shelf.fences, claim)
        pool = shelf.pools.get(key)
        if pool is not None:
            shelf.pools[key] = msgspec.structs.replace(
                pool,
                reserved=pool.reserved - (claim.quantity - claim.allocated),
                allocated=pool.allocated - claim.allocated,
                fenced=pool.fenced + returned,
            )
        if claim.lot_id:
            shelf.lots[key] = [_freed(lot, claim) for lot in shelf.lots.get(key, ())]
    return shelf


def fences_by_item(fences: Mapping[FenceKey, Fence]) -> dict[int, list[Fence]]:
    """Return item id -> its ring-fences."""
    found: dict[int, list[Fence]] = {}
    for fence in fences.values():
        found.setdefault(fence.item_id, []).append(fence)
    return found


def _unfence(fences: dict[FenceKey, Fence], claim: DueClaim) -> int:
    """Return how many more units the claim's ring-fence sets aside once the claim is given back."""
    key = (claim.group_id, claim.item_id, claim.location_id)
    before = fences.get(key)
    if before is None or not claim.from_fence:
        return 0
    fences[key] = msgspec.structs.replace(before, consumed=max(0, before.consumed - claim.from_fence))
    return fences[key].unconsumed - before.unconsumed


def _freed(lot: LotPool, claim: DueClaim) -> LotPool:
    return msgspec.structs.replace(lot, free=lot.free + claim.quantity) if lot.lot_id == claim.lot_id else lot
