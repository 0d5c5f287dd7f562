"""What waits, told to the metrics: a queue that falls behind is seen before somebody misses what is in it."""

from __future__ import annotations

import time
from collections.abc import Callable

from onhand.app.feeds import Feeds
from onhand.app.operate_flow import OperateFlow
from onhand.ops import limits, metrics


class Backlogs:
    """The use case: call it as often as you like, it looks as often as is worth it."""

    def __init__(self, flow: OperateFlow, feeds: Feeds, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._flow = flow
        self._feeds = feeds
        self._clock = clock
        self._looked_at = float("-inf")

    async def __call__(self) -> None:
        """Set what waits for each endpoint and of each feed, and since when."""
        now = self._clock()
        if now - self._looked_at < limits.BACKLOG_LOOK_EVERY_S:
            return
        self._looked_at = now
        for endpoint in await self._flow.endpoints():
            metrics.backlog_out(
                endpoint.code,
                waiting=endpoint.unfinished,
                oldest_s=endpoint.oldest_s or 0.0,
                dead=endpoint.dead,
                down=endpoint.breaker != "closed",
            )
        for feed in await self._feeds.all():
            metrics.backlog_in(
                feed.code,
                waiting=feed.waiting,
                oldest_s=feed.lag_s or 0.0,
                dead=feed.dead,
                stale=feed.stale_since is not None,
            )
