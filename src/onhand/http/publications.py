"""Numbers on channels: what each listing should show, was told and shows, and why."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from onhand.app.explain import Explanation
from onhand.app.publish_status import NotPublished
from onhand.app.publish_views import ListingView
from onhand.domain.errors import InvalidInput
from onhand.domain.resolving import UnknownChannel
from onhand.http.call import Call, Reply
from onhand.http.fields import Code, Instant, Paging, Sku, instant, link_next, rows_of
from onhand.http.operation import Answer, answer, operation


class PublicationFilter(Paging, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which listings to list."""

    channel: Code | None = None
    sku: Sku | None = None
    behind: Annotated[bool, Meta(description="Only those that do not show what they should.")] = False


class PublicationPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of listings."""

    rows: tuple[ListingView, ...]
    next: str | None = None


class ExplainQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which number to explain, and as of when."""

    channel: Code
    sku: Sku
    at: Annotated[Instant, Meta(description="A past moment; now when left out.")] | None = None


LISTING = {
    "channel": "market", "sku": "TEA-001", "listing": "B0-TEA-001", "state": "listed", "desired": 41, "available": 41,
    "desired_at": "2026-11-23T07:00:00Z", "network_version": 3, "shown": 41, "sent": 41,
    "sent_at": "2026-11-23T07:00:01Z", "acknowledged": 41, "acknowledged_at": "2026-11-23T07:00:01Z",
}  # fmt: skip
EXPLAINED = {
    "channel": "market", "sku": "TEA-001", "at": "2026-11-23T07:05:00Z", "network_version": 3, "safety_stock": 5,
    "max_listed": None, "fallback": {},
    "lines": [{
        "location": None, "number": 41,
        "terms": [{"term": "on_hand", "quantity": 46, "location": "EAST"}, {"term": "safety_stock", "quantity": -5}],
        "listing": LISTING, "age_s": 299.0,
    }],
    "balances": [{"sku": "TEA-001", "location": "EAST", "status": "available", "quantity": 46,
                  "event_source": "wms-east", "event_id": "GR-5520-1"}],
    "movements": [], "reservations": [], "ring_fences": [], "history": [], "attempts": [],
}  # fmt: skip


@operation(
    "GET", "/v1/publications", id="list_publications", tag="Stock", scope="stock:read", lane="analytics",
    query=PublicationFilter, query_example={"channel": "market", "behind": True},
    answers={200: Answer(meaning="One page.", type=PublicationPage, example={"rows": [LISTING], "next": None})},
)  # fmt: skip
async def list_rows(call: Call, where: PublicationFilter, _body: None) -> Reply:
    """List what channels should show, were told and show.

    One row a channel and item, or a channel, item and location where a channel is told a number for each location.
    """
    page = await call.hub.publications.page(
        channel=where.channel, sku=where.sku, behind=where.behind, after=where.after, limit=where.limit
    )
    return answer({"rows": rows_of(page), "next": page.next_cursor}, headers=tuple(link_next(call, page.next_cursor)))


@operation(
    "GET", "/v1/explain", id="explain_publication", tag="Stock", scope="stock:read", lane="analytics",
    query=ExplainQuery, query_example={"channel": "market", "sku": "TEA-001"},
    errors=(UnknownChannel, NotPublished, InvalidInput),
    answers={200: Answer(meaning="Everything behind the number.", type=Explanation, example=EXPLAINED)},
)  # fmt: skip
async def explain(call: Call, asked: ExplainQuery, _body: None) -> Reply:
    """Explain a channel's number of an item, now or at a past moment.

    The terms add up to the number; balances and movements name their events; each call to the channel is there with
    its request and answer. For a past moment it is what was recorded then.
    """
    return answer(await call.hub.explain(asked.channel, asked.sku, at=instant(asked.at, "at")))
