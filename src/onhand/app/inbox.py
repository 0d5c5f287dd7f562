"""What people do with messages: look, replay, discard, follow an event back to what it came from.

Everything here is safe to say twice: what is mapped already is mapped again only when somebody asks for it by its
state, and even then what was recorded is recognised.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from onhand.app.asked import missing
from onhand.app.inbox_ports import Lineage
from onhand.app.inbox_receive import UnknownFeed
from onhand.domain.errors import InvalidInput, NotFound
from onhand.domain.inbox import NEED_A_PERSON, STATES, State
from onhand.domain.network import Network

PAGE_MAX = 1_000
EVENTS_SHOWN_MAX = 100
REPLAYABLE: tuple[State, ...] = ("quarantined", "dead", "mapped")


class MessageNotFound(NotFound):
    """No message has that number."""

    code = "message_not_found"
    title = "There is no such message"
    remedy = "'onhand inbox list' shows those there are."


class MessageLine(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it stands in a list. `place` is where in the body the trouble lies."""

    id: int
    feed: str
    state: str
    mode: str
    key: str
    content_type: str
    bytes: int
    changed: bool
    occurred_at: datetime | None
    received_at: datetime
    due_at: datetime
    finished_at: datetime | None
    repeats: int
    tries: int
    attempts: int
    replays: int
    reason: str | None
    place: str | None
    fingerprint: str | None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try to map a message. `counted` tells whether it was one of the attempts that the feed allows."""

    number: int
    at: datetime
    took_ms: int
    holder: str
    fingerprint: str
    outcome: str
    counted: bool
    reason: str
    place: str


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """A message whole: what came and how, every attempt, how many events it gave, and the first of them."""

    message: MessageLine
    facts: dict[str, str]
    attempts: tuple[Attempt, ...]
    counts: dict[str, int]
    events: tuple[Lineage, ...]


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages are meant; what is None does not matter. `reason` is a part of it; times are when they came."""

    ids: tuple[int, ...] | None = None
    feed: str | None = None
    states: tuple[str, ...] = STATES
    key: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def narrow(self) -> bool:
        """Whether anything but the state is said."""
        return any(getattr(self, name) is not None for name in self.__struct_fields__ if name != "states")


class InboxReads(Protocol):
    """Where messages are looked up and changed by people."""

    async def network(self) -> Network:
        """Return the network in force."""

    async def find(self, wanted: Filter, *, before: int | None, n: int) -> Sequence[MessageLine]:
        """Return messages, the newest first."""

    async def content(self, number: int) -> tuple[bytes, dict[str, str]]:
        """Return body and facts of a message."""

    async def attempts(self, number: int) -> Sequence[Attempt]:
        """Return the attempts of a message, the first first."""

    async def events(self, number: int, *, n: int) -> tuple[Sequence[Lineage], dict[str, int]]:
        """Return the first events that a message gave, those that need a person first, and how many ended how."""

    async def origin(self, source: str, event_id: str) -> Sequence[int]:
        """Return the messages that gave an event."""

    async def replay(self, ids: Sequence[int], states: Sequence[str], *, who: str, reason: str) -> Sequence[int]:
        """Have messages of these states mapped again; return which."""

    async def discard(self, ids: Sequence[int], *, who: str, reason: str) -> Sequence[int]:
        """Discard dead letters and what nobody works on yet; return which."""


class Inbox:
    """The use cases, bound to one store."""

    def __init__(self, reads: InboxReads) -> None:
        self._reads = reads

    async def find(self, wanted: Filter, *, before: int | None = None, n: int = 50) -> Sequence[MessageLine]:
        """Return messages, the newest first. Raises MessageNotFound, and UnknownFeed for a feed that never was."""
        await self._must_be_known(wanted)
        return await self._reads.find(wanted, before=before, n=min(n, PAGE_MAX))

    async def show(self, number: int) -> MessageView:
        """Return one message whole, but for its body. Raises MessageNotFound."""
        line = await self._line(number)
        _, facts = await self._reads.content(number)
        events, counts = await self._reads.events(number, n=EVENTS_SHOWN_MAX)
        attempts = tuple(await self._reads.attempts(number))
        return MessageView(message=line, facts=facts, attempts=attempts, counts=counts, events=tuple(events))

    async def body(self, number: int) -> bytes:
        """Return a body byte for byte. Raises MessageNotFound."""
        await self._line(number)
        return (await self._reads.content(number))[0]

    async def origin(self, source: str, event_id: str) -> Sequence[MessageLine]:
        """Return the messages that gave an event, the newest first."""
        ids = tuple(await self._reads.origin(source, event_id))
        return await self._reads.find(Filter(ids=ids), before=None, n=PAGE_MAX) if ids else []

    async def replay(self, wanted: Filter, *, who: str, reason: str = "") -> list[int]:
        """Have every message that is meant mapped again by today's mapping; return which.

        Without a state these are dead letters and those of which something lies in quarantine. Raises InvalidInput
        where nothing narrows down what is meant, and as `find`.
        """
        states = NEED_A_PERSON if set(wanted.states) == set(STATES) else wanted.states
        states = tuple(state for state in states if state in REPLAYABLE)
        done: list[int] = []
        async for page in self._pages(wanted, states):
            done += await self._reads.replay([line.id for line in page], states, who=who, reason=reason)
        return sorted(done)

    async def discard(self, wanted: Filter, *, who: str, reason: str) -> list[int]:
        """Give up every dead letter that is meant, and what still waits; it is kept and listed. Raises as `replay`."""
        if not reason.strip() or len(reason) > PAGE_MAX or "\0" in reason:
            raise InvalidInput(f"Say why, in up to {PAGE_MAX} characters.", pointer="/reason")
        states = tuple(state for state in ("new", "dead") if state in wanted.states)
        done: list[int] = []
        async for page in self._pages(wanted, states):
            done += await self._reads.discard([line.id for line in page], who=who, reason=reason)
        return sorted(done)

    async def _named(self, numbers: tuple[int, ...]) -> Sequence[MessageLine]:
        return await self._reads.find(Filter(ids=numbers), before=None, n=len(numbers))

    async def _must_be_known(self, wanted: Filter) -> None:
        """Raise for what nobody knows: a slip of the pen must not look like nothing to do."""
        if named := await missing(wanted.ids, self._named):
            raise MessageNotFound(f"There is no message {named}.")
        if (
            wanted.feed is not None
            and (await self._reads.network()).feed(wanted.feed) is None
            and not await self._reads.find(Filter(feed=wanted.feed), before=None, n=1)
        ):
            raise UnknownFeed(f"The network in force has no feed '{wanted.feed}'.", feed=wanted.feed)

    async def _line(self, number: int) -> MessageLine:
        found = await self._reads.find(Filter(ids=(number,)), before=None, n=1) if 0 < number < 2**63 else []
        if not found:
            raise MessageNotFound(f"There is no message {number}.")
        return found[0]

    async def _pages(self, wanted: Filter, states: tuple[str, ...]) -> AsyncIterator[Sequence[MessageLine]]:
        if not wanted.narrow:
            raise InvalidInput(
                "Which messages are meant was not said.", remedy="Name numbers, or a feed, a key, a reason or a time."
            )
        await self._must_be_known(wanted)
        before, meant = None, msgspec.structs.replace(wanted, states=states)
        while page := await self._reads.find(meant, before=before, n=PAGE_MAX):
            before = page[-1].id
            yield page
