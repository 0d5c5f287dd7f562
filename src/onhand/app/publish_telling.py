"""Deciding what channels are told next, as late as possible: the dearest risk first, a small horizon at a time.

Only what an endpoint can send in the next seconds is written as commands. Everything else stays a row whose number goes
on changing, so that nothing grows old in a queue and a backlog drains in the order of what it would cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from onhand.app.flow_ports import BufferFull, Command
from onhand.app.publish_ports import PUBLISH, READ_BACK, Key, Listing, Opened, TellingStore, encoded, publishing
from onhand.domain import risk
from onhand.domain.endpoint import Daily, Endpoint, Limits
from onhand.domain.network import Channel, Network
from onhand.domain.publication import Allowance, Standing, Verdict, decide, horizon
from onhand.domain.publishing import Publishing
from onhand.domain.windows import day_after
from onhand.ops import limits

BACKLOG_FACTOR: Final = 4
"""Listings looked at for each that can be told: ranks are coarse, and damping leaves some out."""

ROUNDS_MAX: Final = 10
"""How often more candidates are looked for when damping leaves out all of them."""

ENOUGH: Final = 64


class TellChannels:
    """The use case, for one node: writes the commands that come next."""

    def __init__(self, store: TellingStore) -> None:
        self._store = store

    async def __call__(self) -> int:
        """Write commands for every channel that has something due; how many."""
        network = await self._store.network()
        channels = publishing(network)
        due = await self._store.with_due(list(channels)) if channels else ()
        by_endpoint: dict[str, list[Channel]] = {}
        for channel in channels.values():
            if channel.publish is not None:
                by_endpoint.setdefault(channel.publish.endpoint, []).append(channel)
        written, refused = 0, None
        for endpoint, together in by_endpoint.items():
            if not any(channel.code in due for channel in together):
                continue
            try:
                async with self._store.open(together) as opened:
                    if opened is not None:
                        written += await _Endpoint(network, network.endpoints[endpoint], together, opened).fill()
            except BufferFull as full:  # a full endpoint holds up nobody else
                refused = full
        if refused is not None:
            raise refused
        return written


class _Endpoint:
    """One endpoint's channels in one transaction."""

    def __init__(self, network: Network, endpoint: Endpoint, channels: Sequence[Channel], opened: Opened) -> None:
        self._network = network
        self._endpoint = endpoint
        self._channels = {channel.code: channel for channel in channels}
        self._opened = opened
        quota = network.quota_of(endpoint)
        self._quota = quota
        share = sum(1 for e in network.endpoints.values() if quota and e.quota == quota.code and not e.retired)
        self._horizon = horizon(
            endpoint.limits, None if quota is None else quota.limits, batch=endpoint.batch, share=share,
            seconds=limits.PUBLISH_HORIZON_S, most=min(limits.PUBLISH_HORIZON_MAX, max(1, endpoint.buffer.limit // 4)),
        )  # fmt: skip

    async def fill(self) -> int:
        """Write what comes next, and what is to be read back; how many commands."""
        return await self._tell() + await self._look()

    async def _tell(self) -> int:
        room = self._horizon - self._opened.queued
        # What is scarce may go beyond the horizon, once more as far: it is to be told at once.
        urgent = room + self._horizon
        told: list[tuple[Key, Command]] = []
        for _ in range(ROUNDS_MAX):
            if urgent <= 0:
                break
            n = max(ENOUGH, BACKLOG_FACTOR * max(room, 0))
            candidates = await self._opened.candidates(n)
            days = await self._days(candidates)
            chosen: list[tuple[Key, Command]] = []
            put_off: list[tuple[Listing, datetime | None]] = []
            left = 0
            for listing in self._dearest_first(candidates):
                verdict = self._decide(listing, days.get(listing.listing))
                if verdict.act != "send":
                    put_off.append((listing, verdict.until))
                elif len(told) + len(chosen) < (urgent if verdict.lane == "urgent" else room):
                    chosen.append((listing.key, self._command(listing, verdict.lane)))
                else:
                    left += 1
            await self._opened.put_off(put_off)
            await self._opened.queue(chosen, look=False)
            told += chosen
            if left or len(candidates) < n:
                break
        return len(told)

    def _dearest_first(self, candidates: Sequence[Listing]) -> list[Listing]:
        """Return the candidates by what leaving each until its turn would cost, worked out anew."""
        per_s = self._horizon / limits.PUBLISH_HORIZON_S
        wait_s = max(1.0, len(candidates) / per_s)

        def cost(listing: Listing) -> tuple[bool, float, int, Key]:
            margin = self._policy(listing).margin.of(sku=listing.sku, category=listing.category)
            at_risk = risk.cost(
                desired=listing.desired, shown=listing.shown, per_h=listing.per_h, wait_s=wait_s, margin=margin
            )
            return listing.cause != "now", -at_risk, -listing.rank, listing.key

        return sorted(candidates, key=cost)

    def _decide(self, listing: Listing, used: Allowance | None) -> Verdict:
        standing = Standing(
            desired=listing.desired, shown=listing.shown, state=listing.state, cause=listing.cause,
            sent_at=listing.sent_at, awaits=listing.ticket is not None,
        )  # fmt: skip
        return decide(standing, self._policy(listing), now=self._opened.now, allowance=used)

    def _policy(self, listing: Listing) -> Publishing:
        policy = self._channels[listing.channel].publish
        assert policy is not None, "only channels that are told numbers are opened"
        return policy

    async def _days(self, candidates: Iterable[Listing]) -> Mapping[str, Allowance]:
        """Return what a daily cap leaves each listing, where there is such a cap."""
        found = _daily(self._endpoint.limits) or _daily(None if self._quota is None else self._quota.limits)
        if found is None:
            return {}
        names = sorted({each.listing for each in candidates})
        used = await self._opened.used(self._endpoint, self._quota, names)
        now = self._opened.now
        end = day_after(now, timezone=found.timezone)
        day_left = min(1.0, max(0.0, (end - now).total_seconds() / 86_400))
        return {n: Allowance(cap=found.calls, used=used.get(n, 0), day_left=day_left, next_day=end) for n in names}

    def _command(self, listing: Listing, lane: str) -> Command:
        return Command(
            endpoint=self._endpoint.code, operation=PUBLISH, body=encoded(listing.body), lane=lane,
            ordering_key=listing.ordering_key, limit_key=listing.listing, cause=f"publication {listing.cause}",
        )  # fmt: skip

    async def _look(self) -> int:
        room = min(self._horizon, limits.PUBLISH_LOOK_MAX) - self._opened.looking
        if room <= 0:
            return 0
        wanted = await self._opened.to_look_at(room)
        commands = [
            (
                each.key,
                Command(
                    endpoint=self._endpoint.code, operation=READ_BACK, body=encoded(each.body),
                    lane="bulk" if each.look_why == "sample" else "normal", ordering_key=each.ordering_key,
                    cause=f"publication {each.look_why}",
                ),
            )
            for each in wanted
        ]  # fmt: skip
        await self._opened.queue(commands, look=True)
        return len(commands)


def _daily(of: Limits | None) -> Daily | None:
    return of.daily if of is not None and of.daily is not None and of.daily.per_key else None
