"""What the promising use cases need from a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from onhand.app.answers import LineAnswer, LineShortfall
from onhand.domain.network import Network
from onhand.domain.planning import Plan
from onhand.domain.reservation import Request
from onhand.domain.snapshot import Snapshot

RequestKey = tuple[int, str]
"""(client id, request id): what makes a request one and the same, for ever."""


class Reading(msgspec.Struct, frozen=True):
    """What was true at `now`: the planning snapshot and the network that it was read under."""

    now: datetime
    version: int
    network: Network
    snapshot: Snapshot


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """An order as planned, to be claimed; a refusal has no plan, and lines that tell its shortfall."""

    key: RequestKey
    fingerprint: bytes
    request: Request
    expires_at: datetime | None
    plan: Plan | None
    lines: tuple[LineAnswer, ...] = ()
    short: tuple[LineShortfall, ...] = ()


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A request decided before: what was first answered."""

    number: int
    fingerprint: bytes
    refused: bool
    created_at: datetime
    expires_at: datetime | None
    lines: bytes
    """JSON: the lines of the answer, or of the shortfall."""


class Verdict(msgspec.Struct, frozen=True):
    """What the claim said: the reservation's number when it is decided (now or `before`), None to plan again."""

    number: int | None
    before: bool = False


class PromiseStore(Protocol):
    """What making promises needs."""

    async def read(self, requests: Sequence[Request]) -> Reading:
        """Read what planning needs; deadlines that have come are honoured first."""

    async def claim(self, decisions: Sequence[Decision], reading: Reading, *, lock: bool) -> Sequence[Verdict]:
        """Take the stock of planned orders, each whole or not at all, and record the decisions.

        Raises StockMoved when a row moved meanwhile; nothing was taken then.
        """

    async def decided(self, keys: Sequence[RequestKey]) -> Mapping[RequestKey, Stored]:
        """Return those requests that were decided before."""
