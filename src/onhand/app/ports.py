"""What the use cases need from a store, and the signals by which a store says that a batch has to be done anew.

The signals are not errors that anybody meets: each means "what you decided on has moved; read again and repeat".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from onhand.domain.effects import Effects
from onhand.domain.fact import Fact
from onhand.domain.item import Item
from onhand.domain.network import Network

EventKey = tuple[str, str]
"""(source, id): what makes an event one and the same."""


FactKey = tuple[str, str, bytes]
"""(source, id, fingerprint): what makes a fact that was set aside one and the same."""


class Moved(Exception):
    """Something moved between reading and writing; nothing was written."""


class NetworkMoved(Moved):
    """Another network version came into force."""


class EventsKnown(Moved):
    """Some events of the batch are recorded already."""


class ItemsInUse(Moved):
    """Statements that would give items another base unit, lots or none, or make services of them, under their stock."""

    def __init__(self, keys: Collection[EventKey]) -> None:
        super().__init__(f"{len(keys)} items are in use")
        self.keys = keys


class StockMoved(Moved):
    """A pool row, lot or ring-fence gave less than it showed."""


class RowsCrossed(Moved):
    """Two batches waited for each other's rows, and this one was undone."""


class Situation(msgspec.Struct, frozen=True):
    """Where a batch starts from: the shared clock and the network in force then.

    `set_aside` tells whether anything at all lies in quarantine, open or discarded.
    """

    now: datetime
    version: int
    network: Network
    set_aside: bool = False


class Decided(msgspec.Struct, frozen=True):
    """A fact with what it does."""

    fact: Fact
    effects: Effects


class ItemStatement(msgspec.Struct, frozen=True):
    """An item as a fact states it; `status` None leaves the status as it is."""

    fact: Fact
    item: Item
    name: str
    status: str | None
    attributes: Mapping[str, Any]


class Quarantined(msgspec.Struct, frozen=True):
    """A fact to be kept aside, with its reason."""

    source: str
    id: str
    type: str
    fingerprint: bytes
    reason: str
    detail: str
    facts: Mapping[str, Any]
    body: str


class Kept(msgspec.Struct, frozen=True):
    """Where a quarantined fact lies and what was decided about it so far."""

    id: int
    state: str
    reason: str


class FactStore(Protocol):
    """What recording facts needs."""

    async def situation(self) -> Situation:
        """Return the clock and the network in force."""

    async def items(self, skus: Collection[str]) -> Mapping[str, Item]:
        """Return those items that exist."""

    async def reservations(self, numbers: Iterable[int]) -> frozenset[int]:
        """Return those reservation numbers that exist."""

    async def fingerprints(self, keys: Sequence[EventKey]) -> Mapping[EventKey, bytes]:
        """Return the fingerprint of each event that is recorded already."""

    async def record(self, decided: Sequence[Decided], *, version: int, now: datetime) -> None:
        """Write facts and all their effects in one transaction.

        Raises EventsKnown when one of them is recorded already, NetworkMoved when `version` is no longer in force, and
        RowsCrossed.
        """

    async def record_items(self, stated: Sequence[ItemStatement], *, version: int, now: datetime) -> None:
        """Write facts about items and the items. Raises as `record`, and ItemsInUse."""

    async def quarantine(self, rows: Sequence[Quarantined]) -> Sequence[Kept]:
        """Keep facts aside; the same fact again is the same row. Answers in the order given."""

    async def set_aside(self, keys: Sequence[FactKey]) -> Mapping[FactKey, Kept]:
        """Return those that lie in quarantine, open or discarded."""

    async def release(self, ids: Sequence[int], *, who: str) -> None:
        """Mark open quarantine rows as released: what they hold is recorded."""
