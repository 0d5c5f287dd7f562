"""The loop that keeps channels right: works out what changed, decides what is told next, does the chores.

Any number of nodes run it; each takes a share of the items and of the endpoints that no other node has at that moment.
A node may be killed at any instant: what it held is free again with its connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from onhand.app.publish_chores import PublishChores
from onhand.app.publish_numbers import Worked, WorkOutNumbers
from onhand.app.publish_telling import TellChannels
from onhand.domain.errors import OnhandError
from onhand.ops import limits, metrics

log = structlog.get_logger("onhand.publishing")


class Publishing:
    """The controller of one node."""

    def __init__(self, numbers: WorkOutNumbers, telling: TellChannels, chores: PublishChores) -> None:
        self._numbers = numbers
        self._telling = telling
        self._chores = chores

    async def round(self) -> int:
        """Do all that can be done now: chores, what changed, what is told next; return how many commands there are."""
        await self._chores()
        empty = 0
        while empty < limits.PUBLISH_TURNS:  # a turn takes a share of the shards only
            empty = 0 if (await self.work_out()).items else empty + 1
        return await self._telling()

    async def work_out(self) -> Worked:
        """Take one turn at what changed."""
        worked = await self._numbers()
        if worked.since is not None and worked.now is not None:
            metrics.numbers_worked_out(worked.rows, lag_s=(worked.now - worked.since).total_seconds())
        return worked

    async def run(self, stop: asyncio.Event) -> None:
        """Keep channels right until `stop` is set."""
        every_s = limits.PUBLISH_POLL_IDLE_S
        loops = ((self._changes, every_s), (self._commands, every_s), (self._rest, limits.PUBLISH_CHORES_EVERY_S / 4))
        tasks = [asyncio.create_task(_loop(stop, work, idle_s=idle_s)) for work, idle_s in loops]
        for task in tasks:
            task.add_done_callback(_ended)
        await asyncio.gather(*tasks)

    async def _changes(self) -> bool:
        return (await self.work_out()).items > 0

    async def _commands(self) -> bool:
        return await self._telling() > 0

    async def _rest(self) -> bool:
        for channel, behind, age_s in await self._chores():
            metrics.channel_behind(channel, behind=behind, age_s=age_s)
        return False


def _ended(task: asyncio.Task[None]) -> None:
    """Say aloud when a loop ended by a defect: channels that silently stay as they are is what nobody forgives."""
    if not task.cancelled() and (defect := task.exception()) is not None:
        log.error("publishing_stopped", error=type(defect).__name__, exc_info=defect)


async def _loop(stop: asyncio.Event, work: Callable[[], Awaitable[bool]], *, idle_s: float) -> None:
    """Work over and over: at once while there is something, with pauses while there is nothing or the store is away."""
    pause_s = 0.0
    while not stop.is_set():
        try:
            found = await work()
        except OnhandError as error:
            # Nothing is lost: what changed is noted in the database, and stays so until it is worked out.
            pause_s = min(max(pause_s, limits.PUBLISH_POLL_IDLE_S) * 2, limits.PUBLISH_RETRY_MAX_S)
            log.warning("publishing_failed", code=error.code, detail=error.detail, again_in_s=pause_s)
        else:
            pause_s = 0.0 if found else min(pause_s + limits.PUBLISH_POLL_S, idle_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(pause_s, 0.001))
