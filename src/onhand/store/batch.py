"""Turning decided facts into the arrays that `record_events` takes: sorted, summed and indexed.

All arithmetic that the database would otherwise do with joins is done here once, on plain dictionaries: places are
summed and sorted by key (every writer locks in that order), and each movement knows the running sum at its places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from onhand.app.ports import Decided
from onhand.domain.effects import Movement
from onhand.store.directory import NO_LOT, Directory

ADJUSTMENT: Final = "adjustment"
"""The virtual location that variances go to and come from."""

PlaceKey = tuple[int, int, int, int, int]
"""(item, location, status, lot, owner), all ids: the key of a balance."""


class Batch:
    """The arrays of one call; `order` is the order of the events in them."""

    def __init__(
        self,
        decided: Sequence[Decided],
        *,
        directory: Directory,
        sources: Mapping[str, int],
        owners: Mapping[str, int],
        lots: Mapping[tuple[int, str], int],
    ) -> None:
        self.order = sorted(decided, key=lambda one: (sources[one.fact.source], one.fact.id))
        self._directory = directory
        self._sources, self._owners, self._lots = sources, owners, lots

    def arguments(self) -> list[Any]:
        """Return the arguments of `intake.record` after the clock and the network version."""
        facts = [one.fact for one in self.order]
        events: list[Any] = [
            [self._sources[fact.source] for fact in facts],
            [fact.id for fact in facts],
            [fact.type for fact in facts],
            [fact.version for fact in facts],
            [fact.occurred_at for fact in facts],
            [fact.fingerprint for fact in facts],
            [fact.body for fact in facts],
        ]
        return events + self._movements()

    def place(self, move: Any, location: str, status: str) -> PlaceKey:
        """Return the key of the balance that something about an item, lot and owner speaks of."""
        directory = self._directory
        return (
            move.item.id, directory.locations[location], directory.statuses[status], self.lot(move),
            self._owners[move.owner],
        )  # fmt: skip

    def lot(self, thing: Any) -> int:
        """Return the id of the lot that something about an item speaks of, or NO_LOT."""
        return NO_LOT if thing.lot is None else self._lots[(thing.item.id, thing.lot)]

    def _movements(self) -> list[Any]:
        legs = _Legs()
        for number, one in enumerate(self.order, 1):
            for move in one.effects.movements:
                legs.add(
                    number,
                    move,
                    self.place(move, *move.origin),
                    self.place(move, *move.target),
                    one.fact.occurred_at,
                )
            for count in one.effects.counts:
                # A count settles its variance later in the transaction; taken only then, these rows would cross with
                # those of another batch, and each deadlock costs a second.
                for location in (count.place[0], ADJUSTMENT):
                    legs.hold(self.place(count, location, count.place[1]), one.fact.occurred_at)
        return legs.arrays(self._directory.pooled)


class _Legs:
    """The movements of a batch, and what they add up to at each place."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, int, PlaceKey, PlaceKey, str | None, int, int]] = []
        self._sum: dict[PlaceKey, int] = {}
        self._first: dict[PlaceKey, datetime] = {}
        self._last: dict[PlaceKey, datetime] = {}

    def add(self, event: int, move: Movement, origin: PlaceKey, target: PlaceKey, at: datetime) -> None:
        """Add one movement of the event with that number."""
        taken = self._touch(origin, -move.quantity, at)
        given = self._touch(target, move.quantity, at)
        self._rows.append((event, move.line, move.quantity, origin, target, move.serial, taken, given))

    def hold(self, place: PlaceKey, at: datetime) -> None:
        """Take a place's rows in their turn without moving anything."""
        self._touch(place, 0, at)

    def arrays(self, pooled: frozenset[tuple[int, int]]) -> list[Any]:
        """Return the arrays of movements, places, pool rows and lot rows."""
        places = sorted(self._sum)
        index = {key: number for number, key in enumerate(places, 1)}
        rows = self._rows
        movements: list[Any] = [
            [row[0] for row in rows],
            [row[1] for row in rows],
            [row[2] for row in rows],
            [index[row[3]] for row in rows],
            [index[row[4]] for row in rows],
            [row[5] for row in rows],
            [row[6] for row in rows],
            [row[7] for row in rows],
        ]
        columns: list[Any] = [list(column) for column in zip(*places, strict=True)] or [[], [], [], [], []]
        totals: list[Any] = [
            [self._sum[key] for key in places],
            [self._first[key] for key in places],
            [self._last[key] for key in places],
        ]
        return movements + columns + totals + self._pools(places, pooled)

    def _touch(self, key: PlaceKey, delta: int, at: datetime) -> int:
        if key in self._sum:
            self._sum[key] += delta
            if at < self._first[key]:
                self._first[key] = at
            elif at > self._last[key]:
                self._last[key] = at
        else:
            self._sum[key] = delta
            self._first[key] = self._last[key] = at
        return self._sum[key]

    def _pools(self, places: Sequence[PlaceKey], pooled: frozenset[tuple[int, int]]) -> list[Any]:
        stock: dict[tuple[int, int], int] = {}
        lots: dict[tuple[int, int, int], int] = {}
        for key in places:
            item, location, status, lot, _ = key
            if (location, status) in pooled:
                stock[item, location] = stock.get((item, location), 0) + self._sum[key]
                if lot:
                    lots[item, location, lot] = lots.get((item, location, lot), 0) + self._sum[key]
        by_pool, by_lot = sorted(stock), sorted(lots)
        return [
            [key[0] for key in by_pool], [key[1] for key in by_pool], [stock[key] for key in by_pool],
            [key[0] for key in by_lot], [key[1] for key in by_lot], [key[2] for key in by_lot],
            [lots[key] for key in by_lot],
        ]  # fmt: skip
