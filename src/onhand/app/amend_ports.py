"""What the verbs on one reservation need from a store: a transaction with that reservation locked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

import msgspec

from onhand.app.answers import LineAnswer
from onhand.app.ports import Decided
from onhand.app.promise_ports import Reading
from onhand.domain.claiming import Claim
from onhand.domain.effects import Known
from onhand.domain.planning import Plan
from onhand.domain.reservation import Request, State


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation's own row at `now`; `lines` as they were last decided."""

    number: int
    client_id: int
    request: Request
    channel: str
    state: State
    created_at: datetime
    expires_at: datetime | None
    lines: tuple[LineAnswer, ...]
    now: datetime


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What one line of a reservation holds of an item at a place now, and what has left from there already."""

    line: int
    item_id: int
    lot_id: int
    sku: str
    location: str
    lot: str | None
    held: int
    fulfilled: int


class ShippingPlace(msgspec.Struct, frozen=True):
    """A balance from which an item can be shipped."""

    sku: str
    location: str
    lot: str | None
    status: str
    owner: str
    quantity: int


class Kept(msgspec.Struct, frozen=True):
    """What was answered under an idempotency key."""

    fingerprint: bytes
    body: bytes


class Opened(Protocol):
    """One reservation, locked until the block ends. Leaving by an exception undoes everything."""

    held: Held

    async def holdings(self) -> Sequence[Holding]:
        """Return what it holds and what has left, by line and place."""

    async def waiting(self) -> dict[int, int]:
        """Return line number -> base units that wait for stock."""

    async def extend(self, until: datetime) -> None:
        """Set its deadline."""

    async def end(self, *, state: State, verb: str) -> None:
        """End it and give back all that it holds."""

    async def put_back(self) -> None:
        """Give back all that it holds for the rest of this block."""

    async def read(self, request: Request) -> Reading:
        """Read what planning needs, as this transaction sees it."""

    async def retake(self, plan: Plan, request: Request, reading: Reading, *, verb: str) -> None:
        """Take what was planned. Raises StockMoved when it is no longer there."""

    async def add(self, claims: Sequence[Claim], lines: Sequence[LineAnswer], reading: Reading) -> None:
        """Take more for what waits; `lines` is the whole answer then. Raises StockMoved."""

    async def shipping_places(self, holdings: Sequence[Holding]) -> Sequence[ShippingPlace]:
        """Return the balances behind holdings, own goods first."""

    async def fulfilments(self) -> int:
        """Return in how many events parts of it have left."""

    async def known(self, skus: Sequence[str]) -> tuple[Known, int]:
        """Return what ledger rules may know, and the network version."""

    async def record(self, decided: Sequence[Decided], *, version: int) -> None:
        """Record facts in this transaction."""

    async def note_answer(self, *, client: int, key: str, fingerprint: bytes, body: bytes) -> None:
        """Keep what is answered under an idempotency key."""

    async def again(self) -> Held:
        """Return its row as it is now."""


class AmendStore(Protocol):
    """What changing promises needs."""

    def open(self, number: int) -> AbstractAsyncContextManager[Opened | None]:
        """Lock a reservation; None when there is none of that number."""

    async def answered(self, client: int, key: str) -> Kept | None:
        """Return what was answered under an idempotency key."""
