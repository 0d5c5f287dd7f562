"""What the inbox needs from a store, from whoever maps bodies, and from whoever records events.

A message is stored before anything else happens to it. From then on one node at a time holds it, by a lease that
survives the node; what a node writes down about a message it no longer holds is not taken.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, Protocol

import msgspec

from onhand.app.answers import EventOutcome
from onhand.app.record_events import Incoming
from onhand.domain.feed import Feed
from onhand.domain.inbox import End, Trouble
from onhand.domain.item import Item
from onhand.domain.network import Network
from onhand.domain.stock_statement import Place, Standing, Standings


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """A message on its way into the inbox. `facts` are those of its transport, without secrets."""

    key: str
    body: bytes
    content_type: str
    occurred_at: datetime | None = None
    facts: Mapping[str, str] = {}


UNREADABLE: Final = "not readable"
"""The fact that holds why a connector could not take a message apart. No header has a blank in its name."""


class Put(msgspec.Struct, frozen=True):
    """Where a message lies: `stored`, `changed` (its key came before, with another body) or `repeated`."""

    id: int
    outcome: Literal["stored", "changed", "repeated"]


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A feed that this node may read now, and where it has got to."""

    feed: str
    turn: int
    cursor: str | None
    failures: int
    now: datetime


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What a read brought, as it is stored together with where the next read begins."""

    messages: Sequence[Arrived]
    cursor: str | None
    more: bool
    mode: str
    snapshot_as_of: datetime | None = None


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A message that this node holds in order to map it. `replays`: how often a person had it mapped again."""

    id: int
    replays: int = 0
    tries: int
    attempts: int
    lost: bool
    key: str
    mode: str
    content_type: str
    body: bytes
    facts: Mapping[str, str]
    occurred_at: datetime | None
    received_at: datetime
    snapshot_id: int | None = None
    snapshot_as_of: datetime | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How the try of a message that is held ended, with the mapping that was used."""

    message: Held
    end: End
    fingerprint: str = ""
    took_ms: int = 0


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one event of a message."""

    message_id: int
    source: str
    event_id: str
    outcome: str
    quarantine_id: int | None = None
    reason: str = ""


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot that is whole and mapped; `message_id` is the last of its messages."""

    id: int
    as_of: datetime
    message_id: int


class Mapped(Protocol):
    """An event, or a row of stock, that a mapping gave."""

    @property
    def type(self) -> str:
        """The event's type, or `stock.stated`."""

    @property
    def id(self) -> str | None:
        """Its id within its source; None: the message's key and its number."""

    @property
    def time(self) -> datetime | None:
        """When it happened; None: the message's own time, or when it came."""

    @property
    def subject(self) -> str | None:
        """What it is about."""

    @property
    def data(self) -> Any:
        """What it says."""


class Made(msgspec.Struct, frozen=True):
    """What a mapping made of a document, and what is wrong with those of its records that it made nothing of."""

    mapped: Sequence[Mapped]
    troubles: Sequence[Trouble] = ()


class Choice(Protocol):
    """The mapping that holds for a feed."""

    @property
    def fingerprint(self) -> str:
        """What tells it from every other, for the history of a message."""

    def apply(self, document: Any, message: Held) -> Made:
        """Return what a decoded body says. Raises InvalidInput for one of which nothing can be made."""


class Choose(Protocol):
    """Finds the mapping of a feed."""

    async def __call__(self, network: Network, feed: Feed) -> Choice:
        """Return it. Raises OnhandError where there is none that can be used."""


class Recording(Protocol):
    """How events are recorded: `onhand.app.record_events.RecordEvents`."""

    def __call__(
        self, events: Sequence[Incoming], *, received: Sequence[datetime] | None = None
    ) -> Awaitable[list[EventOutcome]]:
        """Record events; one outcome for each, in order."""


class InboxStore(Protocol):
    """Where messages are stored."""

    async def network(self) -> Network:
        """Return the network in force."""

    async def put(self, feed: str, mode: str, messages: Sequence[Arrived]) -> Sequence[Put]:
        """Store messages in one transaction; where each lies, in order."""


class PollStore(Protocol):
    """Where feeds have got to."""

    async def network(self) -> Network:
        """Return the network in force."""

    async def due(self, feeds: Sequence[str]) -> Sequence[str]:
        """Return those that are due and that nobody reads."""

    async def take(self, feed: str, *, lease_s: float) -> Taken | None:
        """Take a feed in order to read it; None when it is not due any more, paused, or somebody else reads it."""

    async def store(self, taken: Taken, read: Read, *, lease_s: float, every_s: float) -> Sequence[Put] | None:
        """Store messages and cursor in one transaction; None, and nothing stored, where the feed is another's by now.

        With `more` to come the lease is renewed; otherwise the feed is due again in `every_s`.
        """

    async def give_up(
        self, taken: Taken, *, again_s: float, failure: str | None, blocked: str = "", till: datetime | None = None
    ) -> None:
        """Let a feed go that gave no page; `failure` None: something stood before it, which counts as nothing."""


class MapStore(Protocol):
    """What mapping messages needs."""

    async def network(self) -> Network:
        """Return the network in force."""

    async def with_work(self, feeds: Sequence[str]) -> Sequence[str]:
        """Return those feeds that have something to be mapped, or a snapshot to be closed."""

    async def claim(self, feed: str, *, n: int, bytes_max: int, lease_s: float, alone: bool) -> Sequence[Held]:
        """Take the oldest messages that are due; with `alone`, none while another node holds one of the feed."""

    async def renew(self, messages: Sequence[Held], *, lease_s: float) -> None:
        """Hold messages for longer."""

    async def finish(self, ended: Sequence[Ended]) -> None:
        """Write down how tries ended; those that another node holds by now are left to it."""

    async def lineage(self, rows: Sequence[Lineage]) -> None:
        """Write down what became of events."""

    async def items(self, skus: Sequence[str]) -> Mapping[str, Item]:
        """Return those items that exist."""

    async def standings(self, feed: str, places: Sequence[tuple[Place, datetime]]) -> Standings:
        """Return what stood at each place at its cut-off, and as of when the feed has stated it."""

    async def stated(self, feed: str, places: Sequence[tuple[Place, datetime]]) -> None:
        """Remember as of when a feed has stated places."""

    async def known(self, keys: Sequence[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        """Return those (source, id) that are recorded already."""

    async def snapshot_of(self, message: Held, feed: str, *, as_of: datetime) -> int:
        """Return the snapshot that a message belongs to, or that it is by itself."""

    async def name(self, snapshot: int, places: Sequence[Place]) -> None:
        """Remember what a snapshot names."""

    async def to_close(self, feed: str) -> Sequence[Whole]:
        """Return snapshots that are whole and mapped, the oldest first."""

    async def unnamed(
        self, feed: str, snapshot: int, *, as_of: datetime, after: tuple[str, str, str] | None
    ) -> Sequence[Unnamed]:
        """Return the next places where something stood that a snapshot does not name; none at the end."""

    async def close_snapshot(self, snapshot: int, *, zeroed: int) -> None:
        """Say no more of this snapshot, nor of older ones of its feed."""


class Unnamed(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the way of a snapshot that it does not name; `standing` is what stood there."""

    place: Place
    standing: Standing
