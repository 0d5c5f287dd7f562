"""What publishing numbers needs from a store, and the values that pass between the two.

A listing is one row: a channel's number of an item, or of an item at a location. Rows are states; what is told is read
at the moment of telling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from onhand.app.answers import AvailabilityTerm
from onhand.app.flow_ports import Command
from onhand.domain.channel_stock import ChannelStock
from onhand.domain.endpoint import Endpoint, Quota
from onhand.domain.fallback import Stage
from onhand.domain.item import Item
from onhand.domain.network import Channel, Network
from onhand.domain.publication import Cause, State, keyed
from onhand.domain.risk import Velocity

PUBLISH = "stock.publish"
TICKET = "stock.ticket"
READ_BACK = "stock.read_back"
OPERATIONS = (PUBLISH, TICKET, READ_BACK)
"""The operations by which channels are told numbers, asked for late answers, and looked at."""


class Key(NamedTuple):
    """What makes a listing one and the same: ids of item, channel and location (0: the channel as a whole)."""

    item_id: int
    channel_id: int
    location_id: int


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a command says: which listing, or which ticket. Never a number, which would grow old while it waits."""

    channel: str
    sku: str = ""
    location: str | None = None
    ticket: str | None = None
    asked: int = 0


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A row: what a listing should show, was told, and is taken to show."""

    item_id: int
    channel_id: int
    location_id: int
    sku: str
    category: str | None
    channel: str
    location: str | None
    listing: str
    place: str | None
    state: State
    available: int
    desired: int
    desired_at: datetime
    network: int
    per_h: float
    rank: int
    cause: Cause
    due_at: datetime | None
    behind_since: datetime | None
    command_id: int | None
    sent: int | None
    sent_at: datetime | None
    sent_key: str | None
    acknowledged: int | None
    acknowledged_at: datetime | None
    ticket: str | None
    ticket_at: datetime | None
    read_back: int | None
    read_back_at: datetime | None
    shown: int | None
    look_at: datetime | None
    look_why: str | None
    look_id: int | None
    stubborn: int
    refusals: int
    failures: int
    drifts: int
    failed_at: datetime | None
    error: str | None

    @property
    def key(self) -> Key:
        """What makes it one and the same."""
        return Key(self.item_id, self.channel_id, self.location_id)

    @property
    def ordering_key(self) -> str:
        """What its commands are kept in order by."""
        return keyed(self.listing, self.place)

    @property
    def body(self) -> Body:
        """What a command about it says."""
        return Body(channel=self.channel, sku=self.sku, location=self.location)


class Known(NamedTuple):
    """What a row says that new numbers are compared with."""

    listing: str
    place: str | None
    state: str
    available: int
    desired: int
    shown: int | None
    velocity: Velocity
    rank: int


class Number(NamedTuple):
    """A row's new numbers, to be written."""

    key: Key
    listing: str
    place: str | None
    state: State
    available: int
    desired: int
    per_h: float
    rank: int
    changed_at: datetime


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """All that the numbers of some items are worked out from, read at one instant.

    `stocks` and `stages` are by channel code, `channels` holds those that are told numbers, with their ids.
    """

    now: datetime
    version: int
    items: Sequence[Item]
    channels: Mapping[str, int]
    network: Network
    stocks: Mapping[str, ChannelStock]
    stages: Mapping[str, Stage]
    locations: Mapping[str, int]
    known: Mapping[Key, Known] = {}


class Turn(Protocol):
    """A share of the items, for one node alone until the block ends; then all of it is kept, or nothing."""

    async def take(self, n: int) -> Mapping[int, datetime]:
        """Return items whose numbers may have changed, each with the instant of its first change."""

    async def read(self, items: Sequence[int]) -> Reading:
        """Return what their numbers are worked out from."""

    async def write(self, reading: Reading, numbers: Sequence[Number]) -> None:
        """Write rows that differ."""


class Opened(Protocol):
    """Channels of one endpoint, for one node alone until the block ends."""

    now: datetime
    queued: int
    looking: int

    async def candidates(self, n: int) -> Sequence[Listing]:
        """Return listings that are due, the dearest risk first."""

    async def to_look_at(self, n: int) -> Sequence[Listing]:
        """Return listings that are to be read back, doubts first."""

    async def used(self, endpoint: Endpoint, quota: Quota | None, listings: Sequence[str]) -> Mapping[str, int]:
        """Return what each listing has used of its day's cap."""

    async def put_off(self, until: Sequence[tuple[Listing, datetime | None]]) -> None:
        """Look at these again later, or (None) when something changes."""

    async def queue(self, commands: Sequence[tuple[Key, Command]], *, look: bool) -> None:
        """Write commands and tie their listings to them."""


class Newest(msgspec.Struct, frozen=True, kw_only=True):
    """A listing at the moment of telling: its row, the number, and what adds up to it."""

    row: Listing
    quantity: int
    available: int
    stage: Stage
    network: int
    terms: tuple[AvailabilityTerm, ...] = ()


What = Literal["acknowledged", "later", "stale", "unknown", "refused", "unlisted", "lost", "same"]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What came of telling a listing a number, to be written down. `listing`: its name (with @place) at that time."""

    key: Key
    listing: str | None = None
    channel: str
    what: What
    quantity: int | None
    command: int | None = None
    started: datetime | None = None
    sent_key: str | None = None
    ticket: str | None = None
    available: int | None = None
    stage: Stage | None = None
    terms: tuple[AvailabilityTerm, ...] = ()
    detail: str | None = None
    look_at: datetime | None = None


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a listing found, under the name (with @place) it had then; when to look once more, and why."""

    key: Key
    listing: str
    what: Literal["in_step", "sold", "drift", "stuck", "unlisted"]
    shown: int | None
    again: datetime | None = None
    why: str | None = None
    detail: str | None = None


class NumbersStore(Protocol):
    """Where numbers are worked out and written."""

    async def network(self) -> Network:
        """Return the network in force."""

    def turn(self, first: int) -> AbstractAsyncContextManager[Turn | None]:
        """Take a share of the items, beginning at a shard; None when others have it all."""

    async def dirty(self) -> bool:
        """Tell whether anything changed that nobody has worked out yet."""


class TellingStore(Protocol):
    """Where it is decided what is told, and written down what came of it. `now` None is the database's clock."""

    async def network(self) -> Network:
        """Return the network in force."""

    async def now(self) -> datetime:
        """Return the shared clock."""

    async def with_due(self, channels: Sequence[str]) -> Sequence[str]:
        """Return those channels that have something due."""

    def open(self, channels: Sequence[Channel]) -> AbstractAsyncContextManager[Opened | None]:
        """Take the channels of an endpoint; None when another node has some of them."""

    async def newest(self, bodies: Sequence[Body]) -> Sequence[Newest | None]:
        """Return listings with the numbers of this very moment; None for those that are published no more."""

    async def rows(self, bodies: Sequence[Body]) -> Sequence[Listing | None]:
        """Return listings as their rows stand."""

    async def of_ticket(self, channel: str, ticket: str) -> Sequence[Listing]:
        """Return the listings that a ticket will answer for."""

    async def record(self, told: Sequence[Told], commands: Sequence[Command]) -> None:
        """Write down what came of a call and write what follows from it, in one transaction."""

    async def looked(self, looked: Sequence[Looked]) -> None:
        """Write down what was found."""

    async def look_later(self, at: Sequence[tuple[Key, datetime]]) -> None:
        """Look at these later: it is too soon to see what they were told."""

    async def blind(self, keys: Sequence[Key]) -> None:
        """Give up looking at these: the channel cannot be read back."""


class ChoresStore(Protocol):
    """What is done once in a while."""

    async def network(self) -> Network:
        """Return the network in force."""

    async def begin(self, *, every_s: float) -> tuple[datetime, date | None, int, int] | None:
        """Return the clock, the day of the last chores, the item swept last and the last item; None: not our turn."""

    async def stages(self) -> Mapping[str, Stage]:
        """Return how far each channel has fallen back."""

    async def restage(self, channel: str, stage: Stage, *, now: datetime, what: str, detail: str) -> None:
        """Set how far a channel has fallen back, and have its numbers worked out anew."""

    async def sweep(self, after: int, upto: int, *, day: date, lots: bool) -> None:
        """Have items looked at again, dirty or not."""

    async def refresh(self, channel: str, *, now: datetime, before: datetime, n: int) -> int:
        """Make what was last told before an instant due again; how many."""

    async def sampled(self, channel: str) -> tuple[int, datetime | None]:
        """Return the listings that could be sampled, and up to when their share has been."""

    async def sample(self, channel: str, *, now: datetime, n: int, since: datetime, each_s: float) -> None:
        """Have listings read back; each is the share of so many seconds since then."""

    async def unanswered(self, before: Mapping[str, datetime], *, n: int) -> Sequence[Listing]:
        """Return listings whose tickets are older than their channel answers."""

    async def untie(self, *, n: int) -> int:
        """Free listings whose commands ended without a word; how many."""

    async def clean(self) -> None:
        """Keep the tables small."""

    async def pulse(self) -> Sequence[tuple[str, int, datetime | None]]:
        """Return, for each channel, how many listings are not in step, and since when the oldest is not."""


def publishing(network: Network) -> dict[str, Channel]:
    """Return the channels that are told numbers and can be: their endpoint is there and in use."""
    return {
        code: channel
        for code, channel in network.channels.items()
        if channel.publish is not None and not channel.retired and _usable(network, channel.publish.endpoint)
    }


def _usable(network: Network, code: str) -> bool:
    endpoint = network.endpoint(code)
    return endpoint is not None and not endpoint.retired


def encoded(value: Any) -> str:
    """Return a value as JSON."""
    return msgspec.json.encode(value).decode()
