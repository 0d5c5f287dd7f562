"""Facts that were set aside: look at them, apply them after the mend, or let them go."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from onhand.app.answers import EventOutcome, QuarantineRow
from onhand.app.quarantine import QuarantineClosed, QuarantineNotFound
from onhand.http.call import Call, Reply
from onhand.http.errors import InvalidParameter
from onhand.http.events import EventsAnswer, EventSource, EventType
from onhand.http.fields import Code, Paging, Text, link_next, rows_of
from onhand.http.limits import IDS_PER_RELEASE_MAX
from onhand.http.operation import Answer, NoBody, answer, operation

RowState = Literal["open", "released", "discarded"]


class QuarantineFilter(Paging, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which facts to list."""

    state: RowState | None = None
    reason: Code | None = None
    source: EventSource | None = None
    type: EventType | None = None


class QuarantinePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of facts that were set aside, the oldest first."""

    rows: tuple[QuarantineRow, ...]
    next: str | None = None


class ReleaseForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which facts to try again: these, or the oldest open ones that match (all of them when nothing is said)."""

    ids: (
        Annotated[tuple[Annotated[int, Meta(ge=1)], ...], Meta(min_length=1, max_length=IDS_PER_RELEASE_MAX)] | None
    ) = None
    reason: Code | None = None
    source: EventSource | None = None
    type: EventType | None = None
    limit: Annotated[int, Meta(ge=1, le=IDS_PER_RELEASE_MAX)] = IDS_PER_RELEASE_MAX


class DiscardForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why the fact is let go; kept with it."""

    note: Annotated[Text, Meta(min_length=1)]


ROW = {
    "id": 17, "source": "wms-north", "event_id": "GR-5521-1", "type": "receipt.posted", "reason": "unknown_item",
    "detail": "There is no item 'TEA-002'.", "facts": {"sku": "TEA-002"},
    "event": {"specversion": "1.0", "id": "GR-5521-1", "source": "wms-north", "type": "receipt.posted"},
    "received_at": "2026-11-23T07:00:00Z", "times": 1, "state": "open",
}  # fmt: skip
RELEASED = {"results": [{"source": "wms-north", "id": "GR-5521-1", "outcome": "applied"}], "counts": {"applied": 1}}


@operation(
    "GET", "/v1/quarantine", id="list_quarantine", tag="Quarantine", scope="quarantine:read", lane="analytics",
    query=QuarantineFilter, query_example={"state": "open"},
    answers={200: Answer(meaning="One page.", type=QuarantinePage, example={"rows": [ROW], "next": None})},
)  # fmt: skip
async def list_rows(call: Call, where: QuarantineFilter, _body: None) -> Reply:
    """List facts that were set aside."""
    page = await call.hub.quarantine.page(
        state=where.state,
        reason=where.reason,
        source=where.source,
        type=where.type,
        after=where.after,
        limit=where.limit,
    )
    return answer({"rows": rows_of(page), "next": page.next_cursor}, headers=tuple(link_next(call, page.next_cursor)))


@operation(
    "GET", "/v1/quarantine/{id}", id="get_quarantined", tag="Quarantine", scope="quarantine:read", lane="reads",
    path_example={"id": 17}, errors=(QuarantineNotFound,),
    answers={200: Answer(meaning="The fact, as it was sent.", type=QuarantineRow, example=ROW)},
)  # fmt: skip
async def get(call: Call, _query: Any, _body: None) -> Reply:
    """Show a fact that was set aside, and why."""
    return answer(await call.hub.quarantine.get(number(call)))


@operation(
    "POST", "/v1/quarantine/release", id="release_quarantine", tag="Quarantine", scope="quarantine:write",
    errors=(QuarantineNotFound,), lane="feeds", body=ReleaseForm, body_example={"reason": "unknown_item"},
    answers={200: Answer(meaning="What became of each.", type=EventsAnswer, example=RELEASED)},
)  # fmt: skip
async def release_many(call: Call, _query: Any, form: ReleaseForm) -> Reply:
    """Try facts again, by ids or by reason.

    Each is decided anew by today's rules: what still breaks one stays in quarantine, with today's reason.
    """
    outcomes = await call.hub.quarantine.release(
        form.ids, who=call.caller.name, reason=form.reason, source=form.source, type=form.type, limit=form.limit
    )
    return _outcomes(outcomes)


@operation(
    "POST", "/v1/quarantine/{id}/release", id="release_quarantined", tag="Quarantine", scope="quarantine:write",
    lane="feeds", body=NoBody, body_example={}, body_required=False,
    path_example={"id": 17}, errors=(QuarantineNotFound,),
    answers={200: Answer(meaning="What became of it.", type=EventsAnswer, example=RELEASED)},
)  # fmt: skip
async def release(call: Call, _query: Any, _form: NoBody) -> Reply:
    """Try a fact again.

    It is decided anew by today's rules. Releasing one that was released before changes nothing.
    """
    return _outcomes(await call.hub.quarantine.release([number(call)], who=call.caller.name))


@operation(
    "POST", "/v1/quarantine/{id}/discard", id="discard_quarantined", tag="Quarantine", scope="quarantine:write",
    lane="feeds", body=DiscardForm, body_example={"note": "Typed twice; GR-5520-1 is the right one."},
    path_example={"id": 17}, errors=(QuarantineNotFound, QuarantineClosed),
    answers={200: Answer(meaning="The fact, now discarded.", type=QuarantineRow,
                         example={**ROW, "state": "discarded", "note": "Typed twice."})},
)  # fmt: skip
async def discard(call: Call, _query: Any, form: DiscardForm) -> Reply:
    """Let a fact go.

    It is kept and can be listed, but it will not be applied; sent again, it is answered as `discarded`.
    """
    rows = await call.hub.quarantine.discard([number(call)], who=call.caller.name, note=form.note)
    return answer(rows[0])


def number(call: Call) -> int:
    """The path's `id` as a number. Raises InvalidParameter."""
    text = call.path["id"]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidParameter("The parameter 'id' is a whole number.", parameter="id")
    return int(text)


def _outcomes(outcomes: list[EventOutcome]) -> Reply:
    counts: dict[str, int] = {}
    for each in outcomes:
        counts[each.outcome] = counts.get(each.outcome, 0) + 1
    return answer({"results": outcomes, "counts": counts})
