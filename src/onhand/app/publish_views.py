"""What people see of publications: a channel as a whole, what happened to it, and its listings one by one."""

from __future__ import annotations

from datetime import datetime

import msgspec

from onhand.app.operate_flow import LimitLeft
from onhand.app.publish_ports import Listing
from onhand.domain.fallback import FRESH, Stage


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a store knows of a channel's listings as a whole."""

    listed: int = 0
    in_step: int = 0
    behind: int = 0
    waiting: int = 0
    queued: int = 0
    awaiting: int = 0
    unlisted: int = 0
    failed: int = 0
    drifts: int = 0
    oldest_at: datetime | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    paused_at: datetime | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    stage: Stage = FRESH


class ChannelEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a channel as a whole."""

    at: datetime
    who: str
    what: str
    detail: str


class ChannelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a channel stands.

    `behind` are listings that do not show what they should and are to be told; of those `waiting` wait for an interval
    or a cap, `queued` for the endpoint, `awaiting` for the channel's answer. `failed` need a person or rest. Freshness
    is from a change to its acknowledgement, over the last day.
    """

    channel: str
    endpoint: str
    endpoint_status: str
    listed: int
    in_step: int
    behind: int
    waiting: int
    queued: int
    awaiting: int
    unlisted: int
    failed: int
    drifts: int
    oldest_at: datetime | None
    oldest_s: float | None
    p50_s: float | None
    p99_s: float | None
    quota_left: LimitLeft | None
    fallback: Stage
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    events: tuple[ChannelEvent, ...] = ()


class ListingView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A listing as people see it: what it should show, was told, and is taken to show."""

    channel: str
    sku: str
    listing: str
    state: str
    desired: int
    available: int
    desired_at: datetime
    network_version: int
    location: str | None = None
    shown: int | None = None
    sent: int | None = None
    sent_at: datetime | None = None
    acknowledged: int | None = None
    acknowledged_at: datetime | None = None
    awaits_answer: bool = False
    read_back: int | None = None
    read_back_at: datetime | None = None
    due_at: datetime | None = None
    cause: str = "change"
    behind_since: datetime | None = None
    command: int | None = None
    drifts: int = 0
    failures: int = 0
    error: str | None = None
    failed_at: datetime | None = None


def view(row: Listing) -> ListingView:
    """Return a row as people see it."""
    same = [
        name for name in ListingView.__struct_fields__ if name not in ("network_version", "awaits_answer", "command")
    ]
    return ListingView(
        network_version=row.network, awaits_answer=row.ticket is not None, command=row.command_id,
        **{name: getattr(row, name) for name in same},
    )  # fmt: skip
