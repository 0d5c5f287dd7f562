"""Claims: the concrete takings that a plan asks for, and the rule that decides whether a batch of them stands.

`decide_claims` is the reference for the SQL function that does this on the hot rows: all claims of an order
or none, orders in arrival order. Keep it short enough to be seen to be right; a property test holds the SQL
function to it.

    a claim on row k stands iff  free(k) - keep >= quantity - from_fence  and  unconsumed(fence) >= from_fence
    and, where it names a lot,   free(lot) >= quantity

Claims of one order on the same row add up; the largest keep among them counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from onhand.domain.snapshot import FenceKey, LotKey, PoolKey

_Key = TypeVar("_Key", PoolKey, FenceKey)  # a lot's key has the shape of a fence's


class Claim(msgspec.Struct, frozen=True):
    """One taking: `quantity` base units of an item at a location (of a lot, 0: none) for request line `line`.

    `from_fence` units of the ring-fence of `fence_group_id` are used up by it. That is more than `quantity`
    only where the fences of a location exceed its stock: the part of the fence that no stock stands behind
    lapses with the first taking (ADR 0005). `keep` units must be left on the row.
    """

    item_id: int
    location_id: int
    lot_id: int
    quantity: int
    fence_group_id: int = 0
    from_fence: int = 0
    keep: int = 0
    line: int = 0


def decide_claims(
    free: dict[PoolKey, int],
    fences: dict[FenceKey, int],
    orders: Iterable[Sequence[Claim]],
    lots: dict[LotKey, int] | None = None,
) -> list[bool]:
    """Return for each order whether it stands, and deduct those that do from the numbers passed in.

    `free` is (item, location) -> free, `fences` (group, item, location) -> unconsumed, `lots` (item, location,
    lot) -> free; missing keys are zero.
    """
    lots = {} if lots is None else lots
    decisions = []
    for claims in orders:
        row, keep, fence, lot = _sums(claims)
        stands = (
            all(free.get(key, 0) - keep[key] >= need for key, need in row.items())
            and all(fences.get(key, 0) >= need for key, need in fence.items())
            and all(lots.get(key, 0) >= need for key, need in lot.items())
        )
        decisions.append(stands)
        if stands:
            _deduct(free, row)
            _deduct(fences, fence)
            _deduct(lots, lot)
    return decisions


def _deduct(numbers: dict[_Key, int], needs: dict[_Key, int]) -> None:
    for key, need in needs.items():
        numbers[key] = numbers.get(key, 0) - need


def _sums(
    claims: Sequence[Claim],
) -> tuple[dict[PoolKey, int], dict[PoolKey, int], dict[FenceKey, int], dict[LotKey, int]]:
    row: dict[PoolKey, int] = {}
    keep: dict[PoolKey, int] = {}
    fence: dict[FenceKey, int] = {}
    lot: dict[LotKey, int] = {}
    for claim in claims:
        key = (claim.item_id, claim.location_id)
        row[key] = row.get(key, 0) + claim.quantity - claim.from_fence
        keep[key] = max(keep.get(key, 0), claim.keep)
        if claim.from_fence:
            fenced = (claim.fence_group_id, *key)
            fence[fenced] = fence.get(fenced, 0) + claim.from_fence
        if claim.lot_id:
            held = (*key, claim.lot_id)
            lot[held] = lot.get(held, 0) + claim.quantity
    return row, keep, fence, lot
