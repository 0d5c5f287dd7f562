"""What sending commands needs from a store, and what carries commands to a partner.

A command is written in the transaction of the fact that causes it, claimed by one worker for one call, sent by a
`Sender`, and settled. Its idempotency key is fixed when it is written and never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

import msgspec

from onhand.domain.calling import Load
from onhand.domain.endpoint import NORMAL, Endpoint, Quota
from onhand.domain.errors import InvalidInput, Unavailable
from onhand.domain.network import Network
from onhand.domain.outbox import Next
from onhand.domain.outcome import Outcome


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Something to tell a partner. `body` is JSON, or whatever the endpoint's sender understands.

    `ordering_key`: commands of one key go one after the other. `idempotency_key`: what makes it one and the same, best
    made from the fact behind it; the hub makes one when it is left out. `limit_key`: what a daily cap counts by.
    `cause`: the fact, reservation or person behind it.
    """

    endpoint: str
    operation: str
    body: str
    lane: str = NORMAL
    ordering_key: str | None = None
    idempotency_key: str | None = None
    limit_key: str | None = None
    cause: str = ""
    not_before: datetime | None = None
    deadline_at: datetime | None = None


class Written(msgspec.Struct, frozen=True):
    """Where a command lies: `written`, `known` (it was there already) or `dead` (no room: kept as a dead letter)."""

    id: int
    outcome: str


class BufferFull(Unavailable):
    """More waits for an endpoint than its policy allows, and the policy says to refuse."""

    code = "buffer_full"
    title = "Too much waits for this endpoint"
    done = "Nothing was written, the fact behind it neither."
    remedy = "'onhand endpoints show' tells what blocks it. Try again once it drains, or raise its buffer limit."


class UnknownEndpoint(InvalidInput):
    """A command names an endpoint or a lane that the network in force does not have."""

    code = "unknown_endpoint"
    title = "There is no such endpoint"
    remedy = "Declare it in the network's files, then 'onhand apply'."


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A command as a sender gets it. `verify`: an earlier try may have been done, its answer was lost."""

    id: int
    lane: str
    operation: str
    ordering_key: str | None
    idempotency_key: str
    limit_key: str | None
    body: str
    cause: str
    created_at: datetime
    deadline_at: datetime
    tries: int
    attempts: int
    verify: bool


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call to a partner, under a lease: the commands that it carries, none where somebody polls."""

    id: int
    endpoint: Endpoint
    probe: bool
    commands: tuple[Outgoing, ...] = ()


class Sender(Protocol):
    """Carries calls to partners of one kind. Safe to be called many times at once."""

    async def send(self, call: Call) -> Sequence[Outcome]:
        """Tell the partner; return one outcome for each command in order, or a single one for all of them.

        Never raises for what a partner does. The idempotency keys go along, so that the partner, or this sender by a
        read, can tell a repetition. A command with `verify` may have been done: look first where the partner lets you.
        """


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a call: one outcome for each of its commands, or one for all."""

    call: Call
    outcomes: tuple[Outcome, ...]
    started_at: datetime
    took_ms: int = 0


class Lost(msgspec.Struct, frozen=True, array_like=True):
    """A command whose worker did not come back."""

    id: int
    call: int
    attempts: int
    deadline_at: datetime
    tries: int


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an endpoint under its lock.

    `waiting` are commands that are due, `in_flight` calls, both by lane; points are those of calls not yet answered.
    """

    now: datetime
    load: Load
    tags: Mapping[str, int] = {}
    waiting: Mapping[str, int] = {}
    in_flight: Mapping[str, int] = {}
    lost: tuple[Lost, ...] = ()
    unfinished: int = 0
    points_in_flight: int = 0
    quota_points_in_flight: int = 0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Calls to be made: how many by lane, and whether they are probes.

    `batches`: operations of which one request carries fewer commands than the endpoint's batch.
    """

    lanes: Mapping[str, int]
    probe: bool
    lease_until: datetime
    batches: Mapping[str, int] = {}


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """One command's end of a try, as it is written down."""

    next: Next
    call: int
    tries: int
    outcome: Outcome
    answer: str = ""
    at: datetime
    took_ms: int = 0


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be remembered of an endpoint and its quota. `blocked` None leaves the last reason standing."""

    load: Load
    tags: Mapping[str, int]
    blocked: str | None = None
    blocked_till: datetime | None = None
    pause: str | None = None


class Opened(Protocol):
    """An endpoint's queue, locked until the block ends; then all of it is kept, or nothing."""

    situation: Situation

    async def claim(self, wanted: Wanted) -> Sequence[Call]:
        """Hand due commands to calls."""

    async def permit(self, wanted: Wanted) -> Call:
        """Make a call without commands."""

    async def settle(self, settlements: Sequence[Settlement], *, calls: Sequence[int]) -> None:
        """Write down what became of commands, and end those calls."""

    async def save(self, learnt: Learnt) -> None:
        """Remember what was learnt and used up."""


class FlowStore(Protocol):
    """Where commands and what is used up of limits lie."""

    def open(
        self, endpoint: Endpoint, quota: Quota | None, *, wanted: int, now: datetime | None
    ) -> AbstractAsyncContextManager[Opened]:
        """Lock an endpoint's queue and its quota, looking at up to so many commands of each lane.

        `now` None is the database's clock, which all nodes share.
        """

    async def with_work(self, endpoints: Sequence[str], *, now: datetime | None) -> Sequence[str]:
        """Return those endpoints that have commands due, or commands that a worker left behind."""

    async def expire(self, *, now: datetime | None) -> int:
        """Make dead letters of what waited beyond its deadline; return how many."""

    async def forget(self, *, now: datetime | None) -> int:
        """Delete what was done long ago; return how many commands."""

    async def network(self) -> Network:
        """Return the network in force."""
