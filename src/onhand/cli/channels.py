"""`onhand channels`: how each channel that is told numbers stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from cyclopts import App, Parameter

from onhand.app.publish_status import Publications
from onhand.app.publish_views import ChannelStatus
from onhand.bootstrap import open_hub
from onhand.cli import output
from onhand.cli.endpoints import when
from onhand.cli.options import HERE, Json, Where

app = App(name="channels", help="How channels stand: in step, behind, fallen back, paused.")


@app.command
async def status(
    channel: Annotated[
        str | None, Parameter(name="CHANNEL", help="Only this channel, with what happened to it.")
    ] = None,
    /,
    *,
    where: Where = HERE,
    as_json: Json = False,
) -> int:
    """Show how channels stand. Exit code 1 when one of them is behind, fallen back, paused or needs a person."""
    async with publications_of(where) as publications:
        found = await publications.status(channel)
    if as_json:
        output.emit_json(found)
    elif channel is not None:
        _draw(found[0])
    else:
        output.table(_TITLES, [_row(each) for each in found])
    return 0 if all(_well(each) for each in found) else 1


@asynccontextmanager
async def publications_of(where: Where) -> AsyncIterator[Publications]:
    """The use cases on the database that the options name."""
    async with open_hub(where.settings()) as hub:
        yield hub.publications


_TITLES = (
    "channel", "listed", "in step", "behind", "oldest", "p50", "p99", "failed", "unlisted", "drift", "calls left",
    "fallback", "paused by",
)  # fmt: skip


def _row(each: ChannelStatus) -> tuple[object, ...]:
    return (
        each.channel, each.listed, each.in_step, each.behind, span(each.oldest_s), span(each.p50_s), span(each.p99_s),
        each.failed, each.unlisted, each.drifts, _left(each), None if each.fallback.fresh else each.fallback.kind,
        each.paused_by,
    )  # fmt: skip


def _draw(each: ChannelStatus) -> None:
    output.pairs(
        [
            ("channel", each.channel),
            ("endpoint", f"{each.endpoint} ({each.endpoint_status})"),
            ("listed", each.listed),
            ("in step", each.in_step),
            ("behind", each.behind),
            ("of these, waiting for an interval or a cap", each.waiting),
            ("of these, waiting for the endpoint", each.queued),
            ("of these, waiting for the channel's answer", each.awaiting),
            ("oldest difference", span(each.oldest_s)),
            ("freshness, half of the changes", span(each.p50_s)),
            ("freshness, 99 of 100 changes", span(each.p99_s)),
            ("failed", each.failed),
            ("unlisted", each.unlisted),
            ("drift", each.drifts),
            ("calls left now", _left(each)),
            ("fallback", None if each.fallback.fresh else f"{each.fallback.kind}, {each.fallback.source} is stale"),
            ("paused", None if each.paused_by is None else f"by {each.paused_by}: {each.pause_reason or 'no reason'}"),
        ]
    )
    if each.events:
        output.say("")
        rows = [(when(e.at), e.who, e.what, e.detail or None) for e in each.events]
        output.table(("at", "who", "what", "detail"), rows)


def _well(each: ChannelStatus) -> bool:
    return not each.behind and not each.failed and each.fallback.fresh and each.paused_at is None


def span(seconds: float | None) -> str | None:
    """A time in words: as many digits as it is worth."""
    if seconds is None:
        return None
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2f} s"


def _left(each: ChannelStatus) -> object:
    if each.quota_left is None:
        return None
    return "free" if each.quota_left.calls >= 1_000 else each.quota_left.calls
