"""What is done once in a while, by one node of all: fall back and come back, refresh, sample, find what was lost.

Nothing here is needed for a number to be right as long as all goes well; it is what makes numbers right again by
themselves when it did not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from onhand.app.publish_ports import ChoresStore, Listing, TellingStore, publishing
from onhand.app.publish_send import answered
from onhand.domain.endpoint import Endpoint
from onhand.domain.fallback import FRESH, Freshness, Stage, stage
from onhand.domain.network import Channel, Network
from onhand.ops import limits, metrics

DAY: Final = timedelta(days=1)


async def nothing_heard() -> Mapping[str, Freshness]:
    """What a hub without feeds knows of them."""
    return {}


class Pulse(NamedTuple):
    """How a channel stands: listings that are not in step, and for how long the oldest is not."""

    channel: str
    behind: int
    age_s: float


class PublishChores:
    """The use case. `freshness` tells when feeds were heard; `reads_back` which endpoints can be read back at all."""

    def __init__(
        self,
        store: ChoresStore,
        telling: TellingStore,
        *,
        freshness: Callable[[], Awaitable[Mapping[str, Freshness]]] = nothing_heard,
        reads_back: Callable[[Endpoint], bool] = lambda _: True,
    ) -> None:
        self._store = store
        self._telling = telling
        self._freshness = freshness
        self._reads_back = reads_back

    async def __call__(self) -> list[Pulse]:
        """Do the chores where it is time and nobody else does them; return how the channels stand."""
        network = await self._store.network()
        channels = publishing(network)
        if not channels:
            return []
        begun = await self._store.begin(every_s=limits.PUBLISH_CHORES_EVERY_S)
        if begun is None:
            return []
        now, day, swept, last = begun
        await self._fall_back(channels, now)
        await self._sweep(now, day, swept, last)
        for channel in channels.values():
            await self._refresh(channel, now)
            await self._sample(network, channel, now)
        await self._give_up_tickets(channels, now)
        await self._store.untie(n=limits.PUBLISH_CHORE_ROWS_MAX)
        await self._store.clean()
        return [
            Pulse(channel, behind, 0.0 if since is None else max(0.0, (now - since).total_seconds()))
            for channel, behind, since in await self._store.pulse()
        ]

    async def _fall_back(self, channels: Mapping[str, Channel], now: datetime) -> None:
        wanting = any(c.publish is not None and c.publish.fallback is not None for c in channels.values())
        heard = await self._freshness() if wanting else {}
        before = await self._store.stages()
        for code, channel in channels.items():
            assert channel.publish is not None, "only channels that are told numbers are looked at"
            was, becomes = before.get(code, FRESH), stage(channel.publish.fallback, heard, now=now)
            metrics.fallen_back(code, becomes.kind)
            if was != becomes:
                what = "" if was.kind == becomes.kind else "recovered" if becomes.fresh else "fallback"
                await self._store.restage(code, becomes, now=now, what=what, detail=_words(was, becomes))

    async def _sweep(self, now: datetime, day: object, swept: int, last: int) -> None:
        step = max(100, round(last * limits.PUBLISH_CHORES_EVERY_S / limits.PUBLISH_SWEEP_S))
        after = 0 if swept >= last else swept
        await self._store.sweep(after, after + step, day=now.date(), lots=day != now.date())

    async def _refresh(self, channel: Channel, now: datetime) -> None:
        assert channel.publish is not None, "only channels that are told numbers are looked at"
        if channel.publish.full_refresh_s is not None:
            before = now - timedelta(seconds=channel.publish.full_refresh_s)
            await self._store.refresh(channel.code, now=now, before=before, n=limits.PUBLISH_CHORE_ROWS_MAX)

    async def _sample(self, network: Network, channel: Channel, now: datetime) -> None:
        assert channel.publish is not None, "only channels that are told numbers are looked at"
        percent = channel.publish.read_back_percent
        if not percent or not self._reads_back(network.endpoints[channel.publish.endpoint]):
            return
        listings, until = await self._store.sampled(channel.code)
        if not listings:
            return
        # What was missed is made up for, but never more than a day's share; a channel begins with that.
        since = now - DAY if until is None else min(now, max(until, now - DAY))
        each_s = DAY.total_seconds() / (listings * percent / 100)
        n = min(int((now - since).total_seconds() / each_s), limits.PUBLISH_CHORE_ROWS_MAX)
        if n > 0:
            await self._store.sample(channel.code, now=now, n=n, since=since, each_s=each_s)

    async def _give_up_tickets(self, channels: Mapping[str, Channel], now: datetime) -> None:
        before = {
            code: now - timedelta(seconds=channel.publish.answers_within_s)
            for code, channel in channels.items()
            if channel.publish is not None
        }
        rows: list[Listing] = list(await self._store.unanswered(before, n=limits.PUBLISH_CHORE_ROWS_MAX))
        if rows:
            await self._telling.record(answered(rows, None, now=now), [])


def _words(was: Stage, becomes: Stage) -> str:
    """Return a change of stage in words."""
    if becomes.fresh:
        return f"{was.source} is heard again"
    how = {"shrink": f"{becomes.percent} % of each number is shown", "zero": "nothing is shown any more"}
    return f"{becomes.source} is stale since {becomes.since:%Y-%m-%d %H:%M:%S}Z: " + how.get(
        becomes.kind, "numbers fall by what usually sells"
    )
