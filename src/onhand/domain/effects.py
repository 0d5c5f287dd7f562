"""What facts do, as values: movements, counts, and what becomes of promises, supply and items.

The rules of `onhand.domain.ledger` make them; a store writes them. Quantities are base units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import msgspec

from onhand.domain.item import Item
from onhand.domain.network import Network

Place = tuple[str, str]
"""Location code and status code."""

AVAILABLE: Final = "available"
PICKED: Final = "picked"
OWN: Final = "own"


class Movement(msgspec.Struct, frozen=True):
    """`quantity` (base units, > 0) of an item from one place to another."""

    line: int
    item: Item
    quantity: int
    origin: Place
    target: Place
    lot: str | None = None
    expiry: date | None = None
    owner: str = OWN
    serial: str | None = None


class Count(msgspec.Struct, frozen=True):
    """What stood at a place at the fact's time."""

    line: int
    item: Item
    quantity: int
    place: Place
    lot: str | None = None
    expiry: date | None = None
    owner: str = OWN


class Consumption(msgspec.Struct, frozen=True):
    """Goods of a reservation left a location: its claims shrink with them, those of `line` first where it is told."""

    reservation: int
    item: Item
    location: str
    quantity: int
    lot: str | None = None
    line: int = -1


class Allocation(msgspec.Struct, frozen=True):
    """A hard hold, negative when given back. A `reservation`'s claims are hardened; else it is the system's own."""

    item: Item
    location: str
    quantity: int
    reference: str
    reservation: int | None = None
    lot: str | None = None


class Supply(msgspec.Struct, frozen=True):
    """What is expected: the newest statement about (kind, reference, line) stands."""

    kind: str
    reference: str
    line_id: str
    item: Item
    location: str
    quantity: int
    due_date: date
    reliability_percent: int = 100
    purchase_order: str | None = None
    """Of an ASN: the order that it announces a part of."""


class Arrival(msgspec.Struct, frozen=True):
    """What a receipt takes off the supply that it names; the ASN alone where it names its purchase order too."""

    kind: str
    reference: str
    item: Item
    location: str
    quantity: int
    purchase_order: str | None = None


class StatusOfItem(msgspec.Struct, frozen=True):
    """An item's own status (active, blocked, discontinued) as stated; the newest statement stands."""

    item: Item
    status: str


class Effects(msgspec.Struct, frozen=True):
    """All that one fact does. An empty one is a fact worth keeping that moves nothing."""

    movements: Sequence[Movement] = ()
    counts: Sequence[Count] = ()
    consumptions: Sequence[Consumption] = ()
    allocations: Sequence[Allocation] = ()
    supplies: Sequence[Supply] = ()
    arrivals: Sequence[Arrival] = ()
    item_statuses: Sequence[StatusOfItem] = ()

    @property
    def only_moves(self) -> bool:
        """Whether it does nothing but move stock, as most facts do."""
        return not (
            self.counts or self.consumptions or self.allocations or self.supplies or self.arrivals or self.item_statuses
        )


class Known(msgspec.Struct):
    """What a rule may know: the network in force, and the items and open references that a batch names."""

    network: Network
    items: Mapping[str, Item]
    reservations: frozenset[int] = frozenset()
