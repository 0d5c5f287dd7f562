"""The snapshot: everything that planning reads, as plain numbers, and the running book that it deducts from.

The shell reads what a batch of requests needs in one round trip and puts it here. Planning never looks at
anything else, so the same snapshot and the same requests give the same plans anywhere.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from functools import cached_property

import msgspec

from onhand.domain.availability import Fence, Pool
from onhand.domain.availability import free as free_of
from onhand.domain.item import Item
from onhand.domain.lot import LotPool
from onhand.domain.sourcing import Site, rank

PoolKey = tuple[int, int]
"""(item id, location id)"""
FenceKey = tuple[int, int, int]
"""(group id, item id, location id)"""
LotKey = tuple[int, int, int]
"""(item id, location id, lot id)"""


class Seller(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A channel as planning sees it.

    `sites` are its locations in the order of declaration, `group_id` its fence group (0: none), `safety` item
    id -> base units withheld from its carts. `floor_to_selling_unit` lets it promise only whole selling units.
    """

    code: str
    sites: tuple[Site, ...]
    group_id: int = 0
    safety: Mapping[int, int] = {}
    sourcing: tuple[str, ...] = ("single_location", "priority")
    max_splits: int | None = None
    ship_complete: bool = False
    min_remaining_life_days: int = 0
    floor_to_selling_unit: bool = False

    @cached_property
    def standing(self) -> tuple[Site, ...]:
        """Its locations in standing order of preference, which no order's destination changes."""
        return rank(self.sites, self.sourcing)

    @cached_property
    def whole_first(self) -> bool:
        """Whether one location that serves the whole order is preferred (always so with a single location)."""
        return len(self.sites) == 1 or "single_location" in self.sourcing

    def unit(self, item: Item) -> int:
        """Return the smallest step, in base units, in which this channel promises an item."""
        return item.selling_factor if self.floor_to_selling_unit else 1


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was true when the shell read it. Missing pool, fence and lot keys mean zero.

    `items` maps SKU to item, parts of kits included; `sellers` channel code to seller; `groups` location group
    code to location ids. `lots` holds the lots of lot-tracked items; `today` is the date at the locations.
    """

    items: Mapping[str, Item]
    sellers: Mapping[str, Seller]
    free: Mapping[PoolKey, int]
    unconsumed: Mapping[FenceKey, int] = {}
    lots: Mapping[PoolKey, tuple[LotPool, ...]] = {}
    groups: Mapping[str, tuple[int, ...]] = {}
    today: datetime.date


def free_by_pool(pools: Iterable[Pool]) -> dict[PoolKey, int]:
    """Return (item, location) -> on hand - reserved - allocated - fenced, negative where fences exceed stock."""
    return {(pool.item_id, pool.location_id): free_of(pool) for pool in pools}


def unconsumed_by_fence(fences: Iterable[Fence]) -> dict[FenceKey, int]:
    """Return (group, item, location) -> what the ring-fence still sets aside."""
    return {(fence.group_id, fence.item_id, fence.location_id): fence.unconsumed for fence in fences}


class Book:
    """The running numbers of one batch: starts as a copy of the snapshot's and remembers how to go back.

    A plan that turns out not to work is undone to its mark; one that stands stays deducted, so that the next
    request of the batch sees what the ones before it took.
    """

    __slots__ = ("_undo", "free", "lot", "unconsumed")

    def __init__(self, snapshot: Snapshot) -> None:
        """Copy the hot numbers; the copies are as large as the batch, not as the warehouse."""
        self.free: dict[PoolKey, int] = dict(snapshot.free)
        self.unconsumed: dict[FenceKey, int] = dict(snapshot.unconsumed)
        self.lot: dict[LotKey, int] = {
            (*key, lot.lot_id): lot.free for key, lots in snapshot.lots.items() for lot in lots
        }
        self._undo: list[tuple[PoolKey, int, FenceKey, int, LotKey | None, int]] = []

    def mark(self) -> int:
        """Return a mark to go back to."""
        return len(self._undo)

    def take(self, key: PoolKey, *, quantity: int, group: int = 0, from_fence: int = 0, lot_id: int = 0) -> None:
        """Deduct one claim: the row loses what the fence does not give, the fence what it gives, the lot all."""
        fence = (group, *key)
        lot = (*key, lot_id) if lot_id else None
        self._undo.append((key, quantity - from_fence, fence, from_fence, lot, quantity))
        self._move(self._undo[-1], 1)

    def undo_to(self, mark: int) -> None:
        """Put back everything that was taken since `mark`."""
        while len(self._undo) > mark:
            self._move(self._undo.pop(), -1)

    def _move(self, entry: tuple[PoolKey, int, FenceKey, int, LotKey | None, int], sign: int) -> None:
        key, from_row, fence, from_fence, lot, quantity = entry
        self.free[key] = self.free.get(key, 0) - sign * from_row
        if from_fence:
            self.unconsumed[fence] -= sign * from_fence
        if lot is not None:
            self.lot[lot] -= sign * quantity
