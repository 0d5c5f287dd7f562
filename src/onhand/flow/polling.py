"""Asks feeds for what is new, each in a task of its own, so that a partner that is slow holds up nobody else.

Any number of nodes may do this for the same feeds: who reads which is settled in the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from onhand.app.inbox_defects import told
from onhand.app.inbox_poll import PollFeeds
from onhand.domain.errors import OnhandError, Unavailable
from onhand.domain.feed import Feed
from onhand.domain.network import Network
from onhand.ops import limits

log = structlog.get_logger("onhand.inbox")

Work = Callable[[Network, Feed], Awaitable[bool]]
"""Works on one feed; True when there may be more to do at once."""


class Tasks:
    """One task a feed, so many at work at a time, in turns."""

    def __init__(self, work: Work, *, at_once: int, name: str) -> None:
        self._work = work
        self._turns = asyncio.Semaphore(at_once)
        self._name = name
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.stopping = False

    def give(self, network: Network, feeds: Sequence[Feed]) -> bool:
        """Give each feed a task that has none; True when one was given."""
        self._tasks = {code: task for code, task in self._tasks.items() if not task.done()}
        fresh = [feed for feed in feeds if feed.code not in self._tasks]
        for feed in fresh:
            self._tasks[feed.code] = asyncio.create_task(self._until_done(network, feed))
        return bool(fresh)

    async def wait(self) -> None:
        """Wait until every task is done."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values())
            self._tasks = {code: task for code, task in self._tasks.items() if not task.done()}

    async def leave(self) -> None:
        """Let tasks come to their end, a limited time; what they hold is another's once its lease has run out."""
        self.stopping = True
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks.values(), timeout=limits.INBOX_STOP_WAIT_S)
        for task in late:
            task.cancel()
        if late:
            log.warning("feeds_left", worker=self._name, feeds=len(late))
            await asyncio.wait(late)

    async def _until_done(self, network: Network, feed: Feed) -> None:
        try:
            again = True
            while again and not self.stopping:
                async with self._turns:
                    with told(f"the work on {feed.code}"):
                        again = await self._work(network, feed)
        except OnhandError as error:
            # Nothing is lost: what was taken is another's once its lease has run out.
            log.warning("feed_failed", worker=self._name, feed=feed.code, code=error.code, detail=error.detail)


async def until(stop: asyncio.Event, look: Callable[[], Awaitable[bool]]) -> None:
    """Look for work until `stop` is set: often while there is some, seldom while there is none."""
    pause_s = limits.INBOX_POLL_S
    while not stop.is_set():
        try:
            pause_s = limits.INBOX_POLL_S if await look() else min(pause_s * 1.5, limits.INBOX_POLL_IDLE_S)
        except Unavailable as error:
            log.warning("inbox_unavailable", code=error.code, detail=error.detail)
            pause_s = limits.OUTBOX_BLOCKED_RECHECK_S
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)


class Poller:
    """Asks all feeds of the network in force, one node's part of it."""

    def __init__(self, poll: PollFeeds) -> None:
        self._poll = poll
        self._tasks = Tasks(self._read, at_once=limits.INBOX_READ_AT_ONCE_MAX, name="poller")

    async def round(self) -> None:
        """Ask every feed that is due, once."""
        await self._look()
        await self._tasks.wait()

    async def run(self, stop: asyncio.Event) -> None:
        """Ask feeds until `stop` is set, then let reads under way end."""
        await until(stop, self._look)
        await self._tasks.leave()

    async def _look(self) -> bool:
        network = await self._poll.store.network()
        return self._tasks.give(network, await self._poll.due(network))

    async def _read(self, network: Network, feed: Feed) -> bool:
        await self._poll(network, feed, stop=lambda: self._tasks.stopping)
        return False
