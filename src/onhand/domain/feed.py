"""A feed: what a system sends us, how it comes, and what its numbers mean.

Vendors mean different things by "quantity", and that is where overselling is born. So a feed that speaks of stock says
what its numbers are, as of when, what they have already been lessened by, and what a missing row means. Everything here
is a value of config as code; where a feed has got to lies in the store.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from onhand.domain.codes import Code, Seconds, Text

Mode = Literal["poll", "webhook", "file"]
Meaning = Literal["events", "absolute", "relative", "in_stock", "available", "unshipped", "full_with_zeroing"]


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What the quantities of a stock feed are."""

    means: Annotated[
        Meaning,
        Meta(
            description="`events`: facts of their own, nothing to interpret. `absolute`, `in_stock`: what stands there "
            "at the cut-off. `relative`: a change. `available`: what stands there less the demand in `subtracted`. "
            "`unshipped`: less what was ordered and has not left. `full_with_zeroing`: absolute, and what a whole "
            "snapshot does not name is zero."
        ),
    ] = "events"
    lag_s: Annotated[
        int,
        Meta(ge=0, le=7 * 86_400, description="How old its numbers are when it states no cut-off, in seconds."),
    ] = 0
    subtracted: Annotated[
        tuple[Literal["allocated", "reserved", "backordered"], ...],
        Meta(description="The open demand of ours that the source has taken off already."),
    ] = ()
    location: Annotated[Code | None, Meta(description="The location that it speaks of, where its rows name none.")] = (
        None
    )
    status: Annotated[Code, Meta(description="The status that it speaks of, where its rows name none.")] = "available"


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of one endpoint, with how it is read and how it is understood."""

    code: Code
    endpoint: Annotated[Code, Meta(description="The endpoint whose connector it comes through; its limits hold.")]
    stream: Annotated[Code, Meta(description="The connector's name of the stream.")]
    mode: Annotated[
        Mode,
        Meta(
            description="`poll`: asked for in turn. `webhook`: sent to `/v1/inbox/FEED`. `file`: files that are "
            "dropped in the endpoint's folder."
        ),
    ] = "poll"
    mapping: Annotated[Code | None, Meta(description="The mapping to use instead of the connector's own.")] = None
    source: Annotated[
        Text | None, Meta(description="The CloudEvents `source` of its facts; the system's code when left out.")
    ] = None
    every_s: Annotated[Seconds, Meta(description="How often it is asked for, in seconds.")] = 60
    expect_within_s: Annotated[
        Seconds | None,
        Meta(description="It counts as stale when it has been neither heard nor found empty for so many seconds."),
    ] = None
    page: Annotated[int, Meta(ge=1, le=10_000, description="Messages that one read asks for.")] = 100
    statement: Annotated[Statement, Meta(description="What its quantities mean, where it speaks of stock.")] = (
        Statement()
    )
    channel: Annotated[
        Code | None,
        Meta(description="The channel whose orders it brings; the only one of its system when left out."),
    ] = None
    attempts_max: Annotated[
        int, Meta(ge=1, le=100, description="Tries of a message that our side fails on, before it is a dead letter.")
    ] = 5
    owner: Annotated[
        Text | None, Meta(description="Who looks after its dead letters; the system's owner when left out.")
    ] = None
    retired: Annotated[bool, Meta(description="No longer read; what it brought stays.")] = False
