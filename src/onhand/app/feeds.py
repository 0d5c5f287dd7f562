"""What people see of feeds and do with them; and how fresh each is, for whoever publishes numbers from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from onhand.app.inbox_receive import UnknownFeed
from onhand.domain.feed import Feed
from onhand.domain.inbox import Freshness, freshness
from onhand.domain.network import Network


class FeedState(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a feed."""

    code: str
    now: datetime
    known_since: datetime
    cursor: str | None = None
    due_at: datetime | None = None
    holder: str | None = None
    paused_at: datetime | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    last_heard_at: datetime | None = None
    last_message_at: datetime | None = None
    last_empty_at: datetime | None = None
    failures: int = 0
    failed_at: datetime | None = None
    failure: str = ""
    blocked_by: str = ""
    blocked_till: datetime | None = None
    waiting: int = 0
    dead: int = 0
    quarantined: int = 0
    oldest_at: datetime | None = None


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """When a feed was heard last."""

    code: str
    now: datetime
    known_since: datetime
    last_heard_at: datetime | None


class FeedView(msgspec.Struct, frozen=True, kw_only=True):
    """A feed as people see it. `status` is the first of what is wrong with it, or `well`; `why` says more.

    `lag_s` is the age of the oldest message that is not mapped yet.
    """

    code: str
    endpoint: str
    stream: str
    mode: str
    means: str
    status: Literal["well", "retired", "paused", "failing", "blocked", "stale", "silent"]
    why: str
    stale_since: datetime | None
    last_heard_at: datetime | None
    last_message_at: datetime | None
    last_empty_at: datetime | None
    due_at: datetime | None
    cursor: str | None
    waiting: int
    lag_s: float | None
    dead: int
    quarantined: int
    failures: int
    read_by: str | None
    owner: str | None


class FeedReads(Protocol):
    """Where feeds are looked up and changed by people."""

    async def network(self) -> Network:
        """Return the network in force."""

    async def states(self, feeds: Sequence[str]) -> Sequence[FeedState]:
        """Return what is stored of feeds."""

    async def heard(self, feeds: Sequence[str]) -> Sequence[Heard]:
        """Return when feeds were heard last."""

    async def pause(self, feed: str, *, who: str, reason: str) -> bool:
        """Pause; False when it was paused already."""

    async def resume(self, feed: str, *, who: str) -> bool:
        """Resume; False when it was not paused."""

    async def poll_now(self, feed: str, *, who: str) -> None:
        """Make a feed due at once."""


class Feeds:
    """The use cases, bound to one store."""

    def __init__(self, reads: FeedReads) -> None:
        self._reads = reads

    async def all(self) -> list[FeedView]:
        """Return every feed of the network in force."""
        network = await self._reads.network()
        states = {state.code: state for state in await self._reads.states(list(network.feeds))}
        return [view(network, network.feeds[code], state) for code, state in states.items()]

    async def feed(self, code: str) -> FeedView:
        """Return one feed. Raises UnknownFeed."""
        network = await self._reads.network()
        feed = _known(network, code)
        (state,) = await self._reads.states([code])
        return view(network, feed, state)

    async def pause(self, code: str, *, who: str, reason: str = "") -> bool:
        """Read nothing, and map nothing, until somebody resumes it; webhooks are stored. False when it was paused."""
        return await self._reads.pause(_known(await self._reads.network(), code).code, who=who, reason=reason)

    async def resume(self, code: str, *, who: str) -> bool:
        """Go on; False when it was not paused."""
        return await self._reads.resume(_known(await self._reads.network(), code).code, who=who)

    async def poll_now(self, code: str, *, who: str) -> None:
        """Have a feed read at once, by whichever node is free; its endpoint's limits hold."""
        await self._reads.poll_now(_known(await self._reads.network(), code).code, who=who)

    async def freshness(self) -> dict[str, Freshness]:
        """Return how fresh each feed in use is."""
        network = await self._reads.network()
        codes = [feed.code for feed in network.feeds.values() if not feed.retired]
        heard = await self._reads.heard(codes) if codes else []
        return {each.code: _fresh(network.feeds[each.code], each) for each in heard}


def view(network: Network, feed: Feed, state: FeedState) -> FeedView:
    """Return a feed as people see it, from its config and what is stored."""
    fresh = _fresh(feed, state)
    status, why = _status(feed, state, fresh)
    endpoint = network.endpoint(feed.endpoint)
    system = None if endpoint is None else network.system(endpoint.system)
    return FeedView(
        code=feed.code,
        endpoint=feed.endpoint,
        stream=feed.stream,
        mode=feed.mode,
        means=feed.statement.means,
        status=status,
        why=why,
        stale_since=fresh.stale_since,
        last_heard_at=state.last_heard_at,
        last_message_at=state.last_message_at,
        last_empty_at=state.last_empty_at,
        due_at=state.due_at,
        cursor=state.cursor,
        waiting=state.waiting,
        lag_s=None if state.oldest_at is None else max(0.0, (state.now - state.oldest_at).total_seconds()),
        dead=state.dead,
        quarantined=state.quarantined,
        failures=state.failures,
        read_by=state.holder,
        owner=feed.owner or (None if system is None else system.owner or None),
    )


def _status(
    feed: Feed, state: FeedState, fresh: Freshness
) -> tuple[Literal["well", "retired", "paused", "failing", "blocked", "stale", "silent"], str]:
    if feed.retired:
        return "retired", ""
    if state.paused_at is not None:
        return "paused", state.pause_reason or ""
    if state.failures:
        return "failing", state.failure
    if fresh.stale_since is not None:
        return "stale", state.blocked_by
    if state.blocked_by:
        return "blocked", state.blocked_by
    return ("well", "") if state.last_heard_at is not None else ("silent", "nothing was heard of it yet")


def _fresh(feed: Feed, state: FeedState | Heard) -> Freshness:
    return freshness(
        now=state.now,
        known_since=state.known_since,
        last_heard_at=state.last_heard_at,
        expect_within_s=feed.expect_within_s,
    )


def _known(network: Network, code: str) -> Feed:
    feed = network.feed(code)
    if feed is None:
        raise UnknownFeed(f"The network in force has no feed '{code}'.", feed=code)
    return feed
