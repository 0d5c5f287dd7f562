"""One feed asked for what is new: take it, be admitted, read, store page and cursor together, until there is no more.

One node at a time reads a feed. A wait for a limit, a window or a breaker costs nothing; a partner that is down pauses
the feed by its endpoint's breaker; the cursor moves with the messages or not at all.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import structlog

from onhand.app.dispatch import Claimed, Dispatch
from onhand.app.flow_ports import Report
from onhand.app.inbox_defects import told
from onhand.app.inbox_ports import PollStore, Put, Read, Taken
from onhand.app.inbox_receive import Connectors, arrived
from onhand.domain import retry
from onhand.domain.endpoint import Endpoint
from onhand.domain.errors import OnhandError, Unavailable
from onhand.domain.feed import Feed
from onhand.domain.network import Network
from onhand.domain.outcome import Delivered, Outcome, Throttled, Transient, Unauthorised, Unknown
from onhand.ops import limits, metrics
from onhand.sdk.answers import outcome_of_fault
from onhand.sdk.connector import Connector, NotClaimed, Page, ReadFailed
from onhand.sdk.secrets import SecretMissing

log = structlog.get_logger("onhand.inbox")

MODES = ("poll", "file")


class PollFeeds:
    """The use case: which feeds are due, and one of them read until it has nothing more."""

    def __init__(
        self,
        store: PollStore,
        dispatch: Dispatch,
        connectors: Connectors,
        *,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.store = store
        self._dispatch = dispatch
        self._connectors = connectors
        self._draw = draw
        self._clock = clock

    async def due(self, network: Network) -> Sequence[Feed]:
        """Return the feeds that are to be asked now."""
        codes = [feed.code for feed in network.feeds.values() if feed.mode in MODES and in_use(network, feed)]
        return [network.feeds[code] for code in await self.store.due(codes)] if codes else []

    async def __call__(self, network: Network, feed: Feed, *, stop: Callable[[], bool] = lambda: False) -> int:
        """Read a feed page by page until it has nothing more, or is another node's; return how many messages came."""
        endpoint = network.endpoints[feed.endpoint]
        taken = await self.store.take(feed.code, lease_s=endpoint.lease_s)
        if taken is None:
            return 0
        try:
            with told(f"the connector of {feed.code}"):
                connector = self._connectors(endpoint)
        except OnhandError as error:
            await self._failed(feed, endpoint, taken, Unauthorised(detail=f"{error.code}: {error.detail}"))
            return 0
        came = 0
        for _ in range(limits.INBOX_PAGES_IN_TURN_MAX):
            try:
                with told(f"reading {feed.code}"):
                    page = await self._page(network, feed, endpoint, taken, connector)
            except Unavailable:
                raise
            except OnhandError as error:  # what came cannot be kept as it is, a cursor with a NUL in it say
                await self._failed(feed, endpoint, taken, Unknown(detail=f"{error.code}: {error.detail}"))
                return came
            if page is None:
                return came
            came += len(page.messages)
            if not page.more:
                return came
            taken = msgspec.structs.replace(taken, cursor=page.cursor)
            if stop():
                break
        await self.store.give_up(taken, again_s=0, failure=None)
        return came

    async def _page(
        self, network: Network, feed: Feed, endpoint: Endpoint, taken: Taken, connector: Connector
    ) -> Page | None:
        """Read one page and store it; None when there is nothing more to be done now."""
        admitted = await self._dispatch.permit(network, endpoint, now=self._now())
        if not admitted.calls:
            await self._blocked(feed, taken, admitted)
            return None
        started_at, started = self._now() or datetime.now(UTC), time.monotonic()
        outcome, page = await _read(connector, feed, taken.cursor, timeout_s=2 * endpoint.timeout_s)
        took_s = time.monotonic() - started
        report = Report(call=admitted.calls[0], outcomes=(outcome,), started_at=started_at, took_ms=int(took_s * 1000))
        await self._dispatch.settle(network, endpoint, [report], now=self._now())
        metrics.poll_done(feed=feed.code, outcome=outcome.kind, took_s=took_s)
        if page is None:
            await self._failed(feed, endpoint, taken, outcome)
            return None
        puts = await self._stored(feed, endpoint, taken, page)
        if puts is None:
            return None
        await _tell(connector, feed, page)
        return page

    async def _stored(self, feed: Feed, endpoint: Endpoint, taken: Taken, page: Page) -> Sequence[Put] | None:
        """Store a page with its cursor. One that says "more" and moves nothing would be read for ever: that is told."""
        # What a snapshot says is as of its cut-off: the same row in the next one is said anew.
        suffix = f"@{page.snapshot_as_of.isoformat()}" if page.snapshot_as_of is not None else ""
        facts = {"stream": feed.stream, "cursor": (taken.cursor or "")[: limits.INBOX_FACT_CHARACTERS_MAX]}
        messages = [arrived(each, facts, suffix=suffix) for each in page.messages]
        read = Read(
            messages=messages, cursor=page.cursor, more=page.more, mode=feed.mode, snapshot_as_of=page.snapshot_as_of
        )
        puts = await self.store.store(taken, read, lease_s=endpoint.lease_s, every_s=feed.every_s)
        if puts is None:
            log.warning("feed_taken_over", feed=feed.code)
            return None
        for put in puts:
            metrics.message_in(feed=feed.code, outcome=put.outcome)
        if page.more and page.cursor == taken.cursor and all(put.outcome == "repeated" for put in puts):
            detail = "the connector says that there is more, and its cursor does not move"
            await self._failed(feed, endpoint, taken, Unknown(detail=detail))
            return None
        return puts

    async def _blocked(self, feed: Feed, taken: Taken, admitted: Claimed) -> None:
        wait_s = limits.OUTBOX_BLOCKED_RECHECK_S
        if admitted.back_at is not None:
            wait_s = min(wait_s, max(0.0, (admitted.back_at - admitted.now).total_seconds()))
        metrics.poll_done(feed=feed.code, outcome="blocked", took_s=0.0)
        await self.store.give_up(taken, again_s=wait_s, failure=None, blocked=admitted.reason, till=admitted.back_at)

    async def _failed(self, feed: Feed, endpoint: Endpoint, taken: Taken, outcome: Outcome) -> None:
        """Let the feed go until it is worth asking again: sooner than usual for what passes, not for what stays."""
        retry_after_s = outcome.retry_after_s if isinstance(outcome, Transient | Throttled) else None
        wait_s = retry.wait_s(
            endpoint.retry, attempts=taken.failures + 1, draw=self._draw(), retry_after_s=retry_after_s
        )
        if not isinstance(outcome, Transient | Throttled | Unknown):
            wait_s = max(wait_s, float(feed.every_s))
        log.warning("poll_failed", feed=feed.code, kind=outcome.kind, detail=outcome.detail)
        failure = f"{outcome.kind}: {outcome.detail}"
        await self.store.give_up(taken, again_s=max(wait_s, limits.INBOX_FAILED_WAIT_S_MIN), failure=failure)

    def _now(self) -> datetime | None:
        return None if self._clock is None else self._clock()


def in_use(network: Network, feed: Feed) -> bool:
    """Tell whether a feed is to be worked on at all."""
    endpoint = network.endpoint(feed.endpoint)
    return not feed.retired and endpoint is not None and not endpoint.retired


async def _read(
    connector: Connector, feed: Feed, cursor: str | None, *, timeout_s: float
) -> tuple[Outcome, Page | None]:
    """Ask for a page; whatever happens becomes an outcome."""
    try:
        with told(f"the connector of {feed.code}"):
            async with asyncio.timeout(timeout_s):
                page = await connector.read(feed.stream, cursor, limit=feed.page)
    except TimeoutError:
        return Unknown(detail=f"no answer within {timeout_s:g} s"), None
    except ReadFailed as failed:
        return failed.outcome, None
    except (NotClaimed, SecretMissing) as error:
        return Unauthorised(detail=f"{error.code}: {error.detail}"), None
    except OnhandError as fault:
        return outcome_of_fault(fault), None
    return Delivered(), page


async def _tell(connector: Connector, feed: Feed, page: Page) -> None:
    """Tell the connector that a page is durable. What it does then, moving files away say, may fail: it comes again."""
    if not page.messages:
        return
    try:
        with told(f"the connector of {feed.code}"):
            async with asyncio.timeout(limits.INBOX_STORED_WAIT_S):
                await connector.stored(feed.stream, page.messages)
    except (TimeoutError, OnhandError) as error:
        log.warning("stored_not_heard", feed=feed.code, error=str(error) or type(error).__name__)
