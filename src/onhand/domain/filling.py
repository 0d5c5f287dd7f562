"""Filling: takes what an order's lines want from a given set of locations, and writes down the claims.

It answers "how much of this order do these locations give?" and deducts the answer from the running book, so
lines of one order that want the same units (the same SKU twice, a kit and its part) see each other's takings.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from onhand.domain.availability import attribute_safety, reach
from onhand.domain.claiming import Claim
from onhand.domain.item import Item
from onhand.domain.kit import buildable
from onhand.domain.lot import LotPool, eligible_free, pick
from onhand.domain.quantity import floor_to
from onhand.domain.resolving import Order, Want
from onhand.domain.snapshot import Book, Snapshot
from onhand.domain.sourcing import Site


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a granted quantity (base units) comes from.

    `sku` stands where goods are not the line's own item: the parts from which a kit is put together.
    """

    location: str
    quantity: int
    lot: str | None = None
    sku: str | None = None


class Grant(msgspec.Struct, frozen=True):
    """What one line gets."""

    granted: int
    sources: tuple[Source, ...]


class Filling:
    """Fills one order against the running book; `fill` may be tried and undone with different locations.

    The safety stock that each row keeps is worked out once an item: what this order takes never changes it
    (see `attribute_safety`).
    """

    __slots__ = ("_book", "_keeps", "_order", "_snapshot", "claims")

    def __init__(self, order: Order, snapshot: Snapshot, book: Book) -> None:
        """Start with no claims; nothing is deducted yet."""
        self._order = order
        self._snapshot = snapshot
        self._book = book
        self._keeps: dict[int, dict[int, int]] = {}
        self.claims: list[Claim] = []

    def fill(self, sites: Sequence[Site]) -> list[Grant]:
        """Take what the lines want from these locations, in line order, and return what each line gets."""
        self.claims = []
        return [self._line(want, sites) for want in self._order.wants]

    def fill_whole(self, sites: Sequence[Site]) -> list[Grant] | None:
        """Do the same, but give up at the first line that is short; what was taken until then stays taken."""
        self.claims = []
        grants = []
        for want in self._order.wants:
            grants.append(self._line(want, sites))
            if grants[-1].granted < want.quantity:
                return None
        return grants

    def kept(self, item: Item) -> int:
        """Return how much safety stock of an item this order leaves alone (base units)."""
        return sum(self._keep_by_site(item).values())

    def _line(self, want: Want, sites: Sequence[Site]) -> Grant:
        if want.item.kind == "service":
            return Grant(want.quantity, ())
        rooms = [(site, self._room(want, site)) for site in sites if _may_use(want, site)]
        sources: list[Source] = []
        granted = 0
        for site, share in share_out(want.quantity, want.unit, rooms):
            sources.extend(self._take(want, site, share))
            granted += share
        return Grant(granted, tuple(sources))

    def _room(self, want: Want, site: Site) -> int:
        return self._stocked(want.item, site, want) + (self._buildable(want, site) if want.parts else 0)

    def _buildable(self, want: Want, site: Site) -> int:
        if want.line.lot is not None:  # a lot of a kit names pre-built kits; parts have lots of their own
            return 0
        return buildable((self._stocked(part, site, want), per_kit) for part, per_kit in want.parts)

    def _stocked(self, item: Item, site: Site, want: Want) -> int:
        """Return what this line may take of one stocked item at one location."""
        room = self._reach(item, site) - self._keep_by_site(item).get(site.id, 0)
        if item.lot_tracked:
            room = min(room, eligible_free(self._lots(item, site, want), want.unfit))
        return max(0, room)

    def _reach(self, item: Item, site: Site) -> int:
        key = (item.id, site.id)
        own = self._book.unconsumed.get((self._order.seller.group_id, *key), 0)
        reachable = reach(self._book.free.get(key, 0), own)
        if item.lot_tracked:
            return min(reachable, eligible_free(self._lots(item, site), self._order.unfit))
        return reachable

    def _keep_by_site(self, item: Item) -> dict[int, int]:
        safety = self._order.seller.safety.get(item.id, 0)
        if not safety or self._order.request.commitment == "order":
            return {}
        if item.id not in self._keeps:
            standing = self._order.seller.standing
            keeps = attribute_safety([self._reach(item, site) for site in standing], safety)
            self._keeps[item.id] = {site.id: keep for site, keep in zip(standing, keeps, strict=True)}
        return self._keeps[item.id]

    def _lots(self, item: Item, site: Site, want: Want | None = None) -> list[LotPool]:
        """Return the lots of an item at a location with what is left of them, only the one that the line names."""
        named = want.line.lot if want is not None and want.item is item else None
        key = (item.id, site.id)
        return [
            msgspec.structs.replace(lot, free=self._book.lot[(*key, lot.lot_id)])
            for lot in self._snapshot.lots.get(key, ())
            if named is None or lot.code == named
        ]

    def _take(self, want: Want, site: Site, quantity: int) -> list[Source]:
        """Take from pre-built or plain stock first, then gather kits from parts."""
        stocked = min(quantity, self._stocked(want.item, site, want))
        sources = self._claim(want.item, site, stocked, want) if stocked else []
        kits = quantity - stocked
        if kits:
            for part, per_kit in want.parts:
                for taken in self._claim(part, site, kits * per_kit, want):
                    sources.append(msgspec.structs.replace(taken, sku=part.sku))
        return sources

    def _claim(self, item: Item, site: Site, quantity: int, want: Want) -> list[Source]:
        if not item.lot_tracked:
            self._claim_row(item, site, quantity, want.index)
            return [Source(site.code, quantity)]
        picked = pick(self._lots(item, site, want), quantity=quantity, unfit=want.unfit)
        for lot, share in picked:
            self._claim_row(item, site, share, want.index, lot_id=lot.lot_id)
        return [Source(site.code, share, lot.code) for lot, share in picked]

    def _claim_row(self, item: Item, site: Site, quantity: int, line: int, *, lot_id: int = 0) -> None:
        key = (item.id, site.id)
        group = self._order.seller.group_id
        free = self._book.free.get(key, 0)
        own = self._book.unconsumed.get((group, *key), 0)
        # The own fence is used up first. Where fences exceed the stock (free < 0) the part of the own fence
        # that no stock stands behind lapses with this taking, so that the row never owes more than it has.
        from_fence = max(min(own, quantity), quantity - free) if own else 0
        # Safety stock inside the own fence cannot be seen on the row; the plan has already left it alone.
        keep = min(self._keep_by_site(item).get(site.id, 0), max(0, free))
        self.claims.append(
            Claim(item.id, site.id, lot_id, quantity, group if from_fence else 0, from_fence, keep, line)
        )
        self._book.take(key, quantity=quantity, group=group, from_fence=from_fence, lot_id=lot_id)


def share_out(quantity: int, unit: int, rooms: Sequence[tuple[Site, int]]) -> list[tuple[Site, int]]:
    """Return how much each location gives: whole units first, in order; then units made up from remainders.

    The sum is the largest multiple of `unit` that is neither above `quantity` nor above what there is; no
    location gives more than its room and none gives zero.
    """
    left = min(quantity, floor_to(sum(room for _, room in rooms), unit))
    left = floor_to(left, unit)
    shares = []
    for _, room in rooms:
        shares.append(min(left, floor_to(room, unit)))
        left -= shares[-1]
    for index, (_, room) in enumerate(rooms):
        more = min(left, room - shares[index])
        shares[index] += more
        left -= more
    return [(site, share) for (site, _), share in zip(rooms, shares, strict=True) if share]


def _may_use(want: Want, site: Site) -> bool:
    return want.allowed is None or site.id in want.allowed
