"""What people see of publications and do with them: status, differences, tell now, pause, resume.

Everything here is safe to say twice: what is paused stays paused by whoever was first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from onhand.app.operate_flow import OperateFlow
from onhand.app.paging import PAGE_DEFAULT, Page, decode_cursor, encode_cursor, page_limit, paged
from onhand.app.publish_ports import Listing
from onhand.app.publish_views import ChannelEvent, ChannelStatus, ListingView, Summary, view
from onhand.domain.errors import NotFound
from onhand.domain.network import Network
from onhand.domain.resolving import UnknownChannel

FRESHNESS_OF_S: Final = 86_400
"""Freshness is that of the acknowledgements of the last day."""

EVENTS_MAX: Final = 10


class NotPublished(NotFound):
    """The channel is told no numbers, so there is nothing to show or to switch."""

    code = "not_published"
    title = "The channel is told no numbers"
    remedy = "Give it 'publish' in the network's files, then 'onhand apply'."


def no_number_of(channel: str, sku: str) -> NotPublished:
    """Return the error that says which items a channel is told."""
    return NotPublished(
        f"'{channel}' is told no number of '{sku}'.", channel=channel, sku=sku,
        remedy="Check the SKU; which items it is told, 'items' and 'listings' of its 'publish' say.",
    )  # fmt: skip


class PublicationReads(Protocol):
    """Where publications are looked up and changed by people."""

    async def network(self) -> Network:
        """Return the network in force."""

    async def now(self) -> datetime:
        """Return the shared clock."""

    async def summaries(self, channels: Sequence[str], *, since: datetime) -> dict[str, Summary]:
        """Return what is known of each channel as a whole, freshness since an instant."""

    async def events(self, channel: str, *, n: int) -> Sequence[ChannelEvent]:
        """Return the newest things that happened to a channel."""

    async def differences(self, channels: Sequence[str], *, n: int) -> Sequence[Listing]:
        """Return listings that do not show what they should, the dearest risk first."""

    async def page(
        self, *, channel: str | None, sku: str | None, behind: bool, after: tuple[int, int, int], n: int
    ) -> Sequence[Listing]:
        """Return up to `n` listings after a key."""

    async def tell(self, channel: str, skus: Sequence[str] | None, *, who: str) -> int:
        """Make listings due now, whatever holds them back; how many."""

    async def pause(self, channel: str, *, who: str, reason: str) -> bool:
        """Tell nothing any more, and call off what waits; False when it was paused already."""

    async def resume(self, channel: str, *, who: str, reason: str) -> bool:
        """Tell again; False when it was not paused."""


class Publications:
    """The use cases, bound to one store and to the flow that tells of endpoints."""

    def __init__(self, reads: PublicationReads, flow: OperateFlow) -> None:
        self._reads = reads
        self._flow = flow

    async def status(self, channel: str | None = None) -> list[ChannelStatus]:
        """Return how each channel that is told numbers stands; or one. Raises UnknownChannel, NotPublished."""
        network, now = await self._reads.network(), await self._reads.now()
        codes = await self._codes(network, channel)
        endpoints = {view.code: view for view in await self._flow.endpoints()}
        summaries = await self._reads.summaries(codes, since=now - timedelta(seconds=FRESHNESS_OF_S))
        found = []
        for code in codes:
            summary = summaries[code]
            publish = network.channels[code].publish
            assert publish is not None, "only channels that are told numbers are asked for"
            view = endpoints.get(publish.endpoint)
            events = await self._reads.events(code, n=EVENTS_MAX) if channel is not None else ()
            found.append(
                ChannelStatus(
                    channel=code,
                    endpoint=publish.endpoint,
                    endpoint_status="missing" if view is None else view.status,
                    oldest_s=None if summary.oldest_at is None else max(0.0, (now - summary.oldest_at).total_seconds()),
                    p50_s=_seconds(summary.p50_ms),
                    p99_s=_seconds(summary.p99_ms),
                    quota_left=None if view is None else view.quota_left or view.left,
                    fallback=summary.stage,
                    events=tuple(events),
                    **{name: getattr(summary, name) for name in _TAKEN},
                )
            )
        return found

    async def differences(self, channel: str | None = None, *, n: int = PAGE_DEFAULT) -> list[ListingView]:
        """Return listings that do not show what they should, the dearest risk first. Raises as `status`."""
        codes = await self._codes(await self._reads.network(), channel)
        return [view(row) for row in await self._reads.differences(codes, n=page_limit(n))]

    async def page(
        self, *, channel: str | None = None, sku: str | None = None, behind: bool = False, after: str | None = None,
        limit: int = PAGE_DEFAULT,
    ) -> Page[ListingView]:  # fmt: skip
        """Return a page of listings."""
        key = (0, 0, 0) if after is None else decode_cursor(after, "publications", int, int, int)
        rows = await self._reads.page(channel=channel, sku=sku, behind=behind, after=key, n=page_limit(limit) + 1)
        page = paged(rows, limit, lambda row: encode_cursor("publications", *row.key))
        return Page([view(row) for row in page.rows], page.next_cursor)

    async def tell_now(self, channel: str, skus: Sequence[str] = (), *, who: str) -> int:
        """Tell listings again now (all of a channel without SKUs), whatever the channel said before; how many.

        Raises as `status`, and with nothing told NotPublished where the channel is told no number of one of the SKUs.
        """
        (code,) = await self._codes(await self._reads.network(), channel)
        for sku in skus:
            if not await self._reads.page(channel=code, sku=sku, behind=False, after=(0, 0, 0), n=1):
                raise no_number_of(code, sku)
        return await self._reads.tell(code, list(skus) or None, who=who)

    async def pause(self, channel: str, *, who: str, reason: str = "") -> bool:
        """Tell a channel nothing until somebody resumes it; False when it was paused already."""
        (code,) = await self._codes(await self._reads.network(), channel)
        return await self._reads.pause(code, who=who, reason=reason)

    async def resume(self, channel: str, *, who: str, reason: str = "") -> bool:
        """Tell a channel numbers again, the newest there are; False when it was not paused."""
        (code,) = await self._codes(await self._reads.network(), channel)
        return await self._reads.resume(code, who=who, reason=reason)

    async def _codes(self, network: Network, channel: str | None) -> list[str]:
        if channel is None:
            return [c.code for c in network.channels.values() if c.publish is not None and not c.retired]
        found = network.channel(channel)
        if found is None or found.retired:
            raise UnknownChannel(f"There is no channel {channel!r} that sells.", channel=channel)
        if found.publish is None:
            raise NotPublished(f"The channel '{channel}' is told no numbers.", channel=channel)
        return [channel]


_TAKEN: Final = (
    "listed", "in_step", "behind", "waiting", "queued", "awaiting", "unlisted", "failed", "drifts", "oldest_at",
    "paused_at", "paused_by", "pause_reason",
)  # fmt: skip


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds / 1_000, 3)
