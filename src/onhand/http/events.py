"""Facts in and out: events are sent here, and read back as a feed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onhand.app.answers import EventOutcome, EventRow
from onhand.app.read_ledger import EventNotFound
from onhand.contracts import cloudevents
from onhand.contracts.envelope import Envelope, InvalidAttribute
from onhand.contracts.strict_json import TooMany
from onhand.domain.errors import InvalidInput
from onhand.http.call import Call, Reply
from onhand.http.fields import Paging, link_next, rows_of
from onhand.http.limits import EVENTS_BYTES_MAX
from onhand.http.operation import Answer, answer, operation
from onhand.ops import metrics

EventSource = Annotated[str, Meta(min_length=1, max_length=500, description="The event's `source`.")]
EventId = Annotated[str, Meta(min_length=1, max_length=200, description="The event's `id`.")]
EventType = Annotated[str, Meta(min_length=1, max_length=200, description="The event's `type`.")]

ALL_MEDIA_TYPES = ("application/cloudevents+json", "application/cloudevents-batch+json", "application/json")


class EventsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each event, in the order in which they were sent, and how many ended how."""

    results: tuple[EventOutcome, ...]
    counts: dict[str, int]


class EventForm(msgspec.Struct, frozen=True, kw_only=True):
    """A CloudEvents 1.0 event. `/asyncapi.json` says what `data` holds for each type."""

    specversion: str
    id: EventId
    source: EventSource
    type: EventType
    data: dict[str, Any]
    time: Annotated[str, Meta(description="When it happened (RFC 3339); when it was received if left out.")] | None = (
        None
    )
    dataschema: Annotated[str, Meta(description="Ends in `/<type>/<version>`; version 1 when left out.")] | None = None
    subject: str | None = None


class NothingAccepted(InvalidInput):
    """Every event of the request breaks its contract; `results` tells the errors of each."""

    code = "events_rejected"
    title = "No event could be accepted"
    done = "Nothing was recorded."
    remedy = "Correct the members named in `results` and send the events again; ids may stay the same."


class EventFilter(Paging, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events to list."""

    type: EventType | None = None
    source: EventSource | None = None


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of accepted events, in the order in which they became known."""

    rows: tuple[EventRow, ...]
    next: str | None = None


class EventKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which event: sources are URIs, so they stand in the query, not in the path."""

    source: EventSource
    id: EventId


EXAMPLE_EVENT = {
    "specversion": "1.0",
    "id": "GR-5520-1",
    "source": "wms-north",
    "type": "receipt.posted",
    "time": "2026-11-23T07:58:00+01:00",
    "data": {"location": "DC-NORTH", "lines": [{"sku": "TEA-001", "quantity": 12, "uom": "carton"}]},
}
EXAMPLE_RESULTS = {
    "results": [{"source": "wms-north", "id": "GR-5520-1", "outcome": "applied"}],
    "counts": {"applied": 1},
}
EXAMPLE_MIXED = {
    "results": [
        {"source": "wms-north", "id": "GR-5520-1", "outcome": "applied"},
        {"source": "wms-north", "id": "GR-5520-2", "outcome": "rejected", "reason": "contract_violation",
         "detail": "The data breaks the contract of receipt.posted: /data/lines/0/quantity must be at least 1.",
         "errors": [{"pointer": "/data/lines/0/quantity", "keyword": "minimum", "message": "must be at least 1"}]},
    ],
    "counts": {"applied": 1, "rejected": 1},
}  # fmt: skip
EXAMPLE_ROW = {
    "seq": 81, "source": "wms-north", "id": "GR-5520-1", "type": "receipt.posted",
    "occurred_at": "2026-11-23T06:58:00Z", "recorded_at": "2026-11-23T06:58:02Z", "event": EXAMPLE_EVENT,
}  # fmt: skip


@operation(
    "POST", "/v1/events", id="record_events", tag="Facts", scope="events:write", lane="feeds", body=bytes,
    body_bytes_max=EVENTS_BYTES_MAX, body_media_types=ALL_MEDIA_TYPES, body_example=EXAMPLE_EVENT, hot=True,
    answers={
        200: Answer(meaning="Every event was accepted: applied, known already, or kept in quarantine.",
                    type=EventsAnswer, example=EXAMPLE_RESULTS),
        207: Answer(meaning="Some events break their contract; the others were accepted.",
                    type=EventsAnswer, example=EXAMPLE_MIXED),
    },
    errors=(NothingAccepted, InvalidAttribute, cloudevents.NotAnEvent, TooMany, cloudevents.UnsupportedMediaType),
)  # fmt: skip
async def record(call: Call, _query: Any, body: bytes) -> Reply:
    """Send facts.

    One event or up to 10,000, in any of the modes of CloudEvents 1.0: structured (`application/cloudevents+json`),
    batched (`application/cloudevents-batch+json`) or binary (`ce-*` headers, the data as body). `application/json`
    is read as one event when it is an object, as a batch when it is an array.

    Each event ends in one of four ways. `applied`: it is in the ledger. `duplicate`: it was there already, nothing
    happened. `quarantined`: it keeps its contract but breaks a rule of the business (an unknown SKU, say); it is kept,
    and applied when a person releases it. `rejected`: it breaks its contract and was not kept. Sending an event again
    is always safe: it is known by `source` and `id`.
    """
    outcomes = await call.hub.record(decode(call, body))
    counts = dict(Counter(each.outcome for each in outcomes))
    for outcome, count in counts.items():
        metrics.events_done(outcome, count)
    rejected = counts.get("rejected", 0)
    if outcomes and rejected == len(outcomes):
        what = "The event breaks its contract" if rejected == 1 else f"All {rejected} events break their contracts"
        raise NothingAccepted(
            f"{what}: {outcomes[0].detail or outcomes[0].reason or 'see results'}",
            results=list(outcomes),
            counts=counts,
        )
    return answer({"results": list(outcomes), "counts": counts}, status=207 if rejected else 200)


@operation(
    "GET", "/v1/events", id="list_events", tag="Facts", scope="events:read", lane="analytics", query=EventFilter,
    query_example={"type": "receipt.posted"},
    answers={200: Answer(meaning="One page.", type=EventPage, example={"rows": [EXAMPLE_ROW], "next": "ODE"})},
)  # fmt: skip
async def list_events(call: Call, where: EventFilter, _body: None) -> Reply:
    """Read accepted events as a feed.

    In the order in which they became known. A reader that keeps `next` and comes back with it later misses nothing,
    also none that was under way when the page was read. At the end `next` stays where it is: ask again later.
    """
    page = await call.hub.ledger.events(type=where.type, source=where.source, after=where.after, limit=where.limit)
    return answer({"rows": rows_of(page), "next": page.next_cursor}, headers=tuple(link_next(call, page.next_cursor)))


@operation(
    "GET", "/v1/events/one", id="get_event", tag="Facts", scope="events:read", lane="reads", query=EventKey,
    query_example={"source": "wms-north", "id": "GR-5520-1"}, errors=(EventNotFound,),
    answers={200: Answer(meaning="The event.", type=EventRow, example=EXAMPLE_ROW)},
)  # fmt: skip
async def get_event(call: Call, which: EventKey, _body: None) -> Reply:
    """Show one event, with the movements that it caused."""
    return answer(await call.hub.ledger.event(which.source, which.id))


def decode(call: Call, body: bytes) -> Sequence[Envelope | InvalidInput]:
    """The events of a request, in whichever mode they came. Raises InvalidInput when it cannot be read at all."""
    if not _is_plain_json(call):
        return cloudevents.decode(call.scope["headers"], body)
    if body.lstrip(b" \t\r\n").startswith(b"["):
        return cloudevents.decode_batch(body)
    return [cloudevents.decode_structured(body)]


def _is_plain_json(call: Call) -> bool:
    """Whether the content type is plain JSON (or none), with no event in the headers."""
    media_type = b"application/json"
    for name, value in call.scope["headers"]:
        if name == b"ce-specversion":
            return False
        if name == b"content-type":
            media_type = value
    return media_type.partition(b";")[0].strip().lower() == b"application/json"
