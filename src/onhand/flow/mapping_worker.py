"""Maps what lies in the inbox, feed by feed in turns, so that one feed's backlog or trouble never holds up another."""

from __future__ import annotations

import asyncio

from onhand.app.inbox_map import MapMessages
from onhand.app.inbox_poll import in_use
from onhand.domain.feed import Feed
from onhand.domain.network import Network
from onhand.flow.polling import Tasks, until
from onhand.ops import limits


class Mapper:
    """Maps for all feeds of the network in force, one node's part of it."""

    def __init__(self, map_messages: MapMessages) -> None:
        self._map = map_messages
        self._tasks = Tasks(self._some, at_once=limits.INBOX_MAP_AT_ONCE_MAX, name="mapper")
        self._mapped = 0

    async def round(self) -> None:
        """Map everything that this node can map now."""
        mapped = -1
        while mapped != self._mapped and await self._look():
            mapped = self._mapped
            await self._tasks.wait()

    async def run(self, stop: asyncio.Event) -> None:
        """Map until `stop` is set, then let parts under way end."""
        await until(stop, self._look)
        await self._tasks.leave()

    async def _look(self) -> bool:
        network = await self._map.store.network()
        feeds = [feed.code for feed in network.feeds.values() if in_use(network, feed)]
        codes = await self._map.store.with_work(feeds) if feeds else []
        return self._tasks.give(network, [network.feeds[code] for code in codes])

    async def _some(self, network: Network, feed: Feed) -> bool:
        network = await self._map.store.network()  # a backlog may outlast a pause, or what was applied meanwhile
        now = network.feed(feed.code)
        if now is None or not in_use(network, now) or not await self._map.store.with_work([now.code]):
            return False
        mapped = await self._map(network, now)
        self._mapped += mapped
        return mapped > 0
