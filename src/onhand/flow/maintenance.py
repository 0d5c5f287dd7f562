"""House-keeping of a node: a loop that works in rounds, backs off when a round fails, and stops when asked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import structlog

from onhand.domain.errors import OnhandError
from onhand.ops import limits

log = structlog.get_logger("onhand.maintenance")


class Maintenance:
    """Calls `work` over and over; `work` tells how much it did, by kind."""

    def __init__(self, work: Callable[[], Awaitable[Mapping[str, int]]]) -> None:
        self._work = work

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep house while the block runs."""
        task = asyncio.create_task(self._loop())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _loop(self) -> None:
        pause_s = limits.HOUSE_KEEPING_EVERY_S
        while True:
            # Nodes that started together must not knock at the same moment for ever.
            await asyncio.sleep(random.uniform(pause_s / 2, pause_s))  # noqa: S311 - jitter, not a secret
            try:
                done = await self._work()
            except OnhandError as error:
                pause_s = min(pause_s * 2, limits.HOUSE_KEEPING_RETRY_MAX_S)
                log.warning("house_keeping_failed", code=error.code, detail=error.detail, again_in_s=pause_s)
            else:
                pause_s = limits.HOUSE_KEEPING_EVERY_S
                if any(done.values()):
                    log.debug("house_keeping", **done)
