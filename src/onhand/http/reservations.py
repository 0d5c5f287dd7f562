"""Promises: making a reservation, and reading what became of it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onhand.app.answers import ReservationAnswer, ReservationLogEntry, ReservationState
from onhand.app.promise_errors import DeadlineRefused, InsufficientStock, RequestReused, ReservationNotFound
from onhand.domain.errors import InvalidInput, OnhandError
from onhand.domain.kit import KitCycle, UnknownItem
from onhand.domain.quantity import InexactUnit, QuantityOutOfRange, UnknownUnit
from onhand.domain.reservation import LINES_MAX, Commitment, Destination, InvalidRequest, Line, Mode, Request
from onhand.domain.resolving import BrokenSellingUnit, ItemBlocked, LocationNotServed, UnknownChannel
from onhand.http import idempotency
from onhand.http.call import Call, Reply
from onhand.http.errors import InvalidIdempotencyKey, RequestIdMismatch
from onhand.http.fields import Code, Id, Instant, LotCode, Paging, Quantity, Sku, day, instant, link_next, rows_of
from onhand.http.limits import RESERVATION_BYTES_MAX
from onhand.http.operation import Answer, answer, operation
from onhand.ops import metrics

PLANNING_ERRORS = (
    UnknownChannel, UnknownItem, UnknownUnit, InexactUnit, QuantityOutOfRange, LocationNotServed, ItemBlocked, KitCycle,
    BrokenSellingUnit,
)  # fmt: skip
"""What can be wrong with a request that keeps its form."""

REPLAYED: tuple[bytes, bytes] = (b"idempotency-replayed", b"true")


class LineForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing asked for. Without `location` and `group` Onhand chooses where it comes from."""

    sku: Sku
    quantity: Quantity
    line_id: Annotated[Id, Meta(description="The caller's own; the line's number, from 1, when left out.")] | None = (
        None
    )
    uom: Annotated[Code, Meta(description="The unit of `quantity`; the base unit when left out.")] | None = None
    location: Annotated[Code, Meta(description="Take it from this location only.")] | None = None
    group: Annotated[Code, Meta(description="Take it from this group of locations only.")] | None = None
    lot: Annotated[LotCode, Meta(description="Take it from this lot only.")] | None = None
    min_expiry: Annotated[date, Meta(description="Only lots that expire on that day or later.")] | None = None


class ReservationForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for a promise. `request_id` is the caller's own and makes repeating it safe, for ever."""

    channel: Annotated[Code, Meta(description="The channel that sells.", examples=["web"])]
    lines: Annotated[tuple[LineForm, ...], Meta(min_length=1, max_length=LINES_MAX)]
    request_id: Annotated[Id, Meta(description="May stand in the header Idempotency-Key instead.")] | None = None
    mode: Annotated[
        Mode,
        Meta(
            description="`all`: every line whole, or nothing. `partial`: what there is. "
            "`backorder`: what there is, and the rest waits for stock."
        ),
    ] = "all"
    commitment: Annotated[
        Commitment, Meta(description="`cart` respects the channel's safety stock, `order` may use it.")
    ] = "cart"
    expires_at: Instant | None = None
    expires_in_s: Annotated[int, Meta(ge=1, le=366 * 86_400, description="Seconds from now.")] | None = None
    ship_to: Destination | None = None
    ship_date: Annotated[date, Meta(description="When it will be shipped; today when left out.")] | None = None
    min_remaining_life_days: Annotated[
        int, Meta(ge=0, le=36_500, description="Days that lots must still live on the day they are shipped.")
    ] = 0
    ship_complete: bool = False


class ReservationFilter(Paging, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which reservations to list."""

    channel: Code | None = None
    state: ReservationState | None = None
    sku: Sku | None = None


class ReservationPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of reservations, the newest first."""

    rows: tuple[ReservationAnswer, ...]
    next: str | None = None


class ReservationLog(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that happened to a reservation, the oldest first."""

    rows: tuple[ReservationLogEntry, ...]


EXAMPLE_REQUEST = {
    "request_id": "order-4711",
    "channel": "web",
    "lines": [{"line_id": "1", "sku": "TEA-001", "quantity": 3}, {"line_id": "2", "sku": "CUP-4", "quantity": 1}],
    "mode": "all",
    "expires_in_s": 900,
}
EXAMPLE_ANSWER = {
    "reservation_id": "res_1042",
    "request_id": "order-4711",
    "channel": "web",
    "state": "granted",
    "lines": [
        {
            "line_id": "1", "sku": "TEA-001", "requested": 3, "granted": 3,
            "sources": [{"location": "DC-NORTH", "quantity": 3, "lot": "L2026-031"}],
            "why": ["single_location: DC-NORTH has all lines"],
        },
        {
            "line_id": "2", "sku": "CUP-4", "requested": 1, "granted": 1,
            "sources": [{"location": "DC-NORTH", "quantity": 1}],
        },
    ],
    "created_at": "2026-11-23T08:00:00Z",
    "expires_at": "2026-11-23T08:15:00Z",
    "replayed": False,
}  # fmt: skip
REPLAY_HEADER = {"Idempotency-Replayed": "`true` when this is the answer to an earlier, equal request."}


@operation(
    "POST", "/v1/reservations", id="create_reservation", tag="Promises", scope="promises:write", lane="promises",
    body=ReservationForm, body_bytes_max=RESERVATION_BYTES_MAX, body_example=EXAMPLE_REQUEST, keyed=True, hot=True,
    answers={
        201: Answer(meaning="Granted, partly granted or backordered.", type=ReservationAnswer, example=EXAMPLE_ANSWER,
                    headers=REPLAY_HEADER),
    },
    errors=(InsufficientStock, RequestReused, RequestIdMismatch, InvalidIdempotencyKey, InvalidRequest, InvalidInput,
            DeadlineRefused, *PLANNING_ERRORS),
)  # fmt: skip
async def create(call: Call, _query: Any, form: ReservationForm) -> Reply:
    """Make a reservation.

    Promises stock to a channel until a deadline. All lines are decided together: nobody else can get in between.

    The same `request_id` with the same body gets the first answer again, whatever has happened since, and says so
    (`replayed`, `Idempotency-Replayed`); with another body it is an error. A refusal is an answer too: asking again
    after new stock has come in needs a new `request_id`.
    """
    request = to_request(form, key=idempotency.key_of(call))
    try:
        given = await call.hub.reserve(call.caller, request)
    except OnhandError as error:
        replayed = error.facts.get("replayed")
        metrics.reservation_done("replayed" if replayed else _OUTCOME.get(error.code, "invalid"))
        raise
    metrics.reservation_done("replayed" if given.replayed else given.state)
    return answer(given, status=201, headers=replay_headers(given))


@operation(
    "GET", "/v1/reservations", id="list_reservations", tag="Promises", scope="promises:read", lane="analytics",
    query=ReservationFilter, query_example={"channel": "web", "state": "granted"},
    answers={200: Answer(meaning="One page.", type=ReservationPage,
                         example={"rows": [EXAMPLE_ANSWER], "next": "MTA0Mg"})},
)  # fmt: skip
async def list_reservations(call: Call, where: ReservationFilter, _body: None) -> Reply:
    """List reservations, the newest first."""
    page = await call.hub.reservations.page(
        channel=where.channel,
        state=where.state,
        sku=where.sku,
        client=call.caller,
        after=where.after,
        limit=where.limit,
    )
    return answer({"rows": rows_of(page), "next": page.next_cursor}, headers=tuple(link_next(call, page.next_cursor)))


@operation(
    "GET", "/v1/reservations/{id}", id="get_reservation", tag="Promises", scope="promises:read", lane="promises",
    path_example={"id": "res_1042"}, errors=(ReservationNotFound,),
    answers={200: Answer(meaning="The reservation.", type=ReservationAnswer, example=EXAMPLE_ANSWER)},
)  # fmt: skip
async def get(call: Call, _query: Any, _body: None) -> Reply:
    """Show a reservation as it stands.

    A reservation whose deadline has come is shown as expired, from that instant on.
    """
    return answer(await call.hub.reservations.get(call.path["id"], client=call.caller))


@operation(
    "GET", "/v1/reservations/{id}/log", id="get_reservation_log", tag="Promises", scope="promises:read",
    lane="analytics", path_example={"id": "res_1042"}, errors=(ReservationNotFound,),
    answers={200: Answer(meaning="Its whole life.", type=ReservationLog, example={
        "rows": [{"seq": 1, "verb": "create", "state": "granted", "at": "2026-11-23T08:00:00Z",
                  "expires_at": "2026-11-23T08:15:00Z"}]})},
)  # fmt: skip
async def log(call: Call, _query: Any, _body: None) -> Reply:
    """Show what happened to a reservation.

    Every verb that was used on it, in order.
    """
    return answer({"rows": list(await call.hub.reservations.log(call.path["id"], client=call.caller))})


def to_request(form: ReservationForm, *, key: str | None) -> Request:
    """The form as the domain's request. Raises InvalidInput when no request id came with it."""
    request_id = idempotency.agree(header=key, member=form.request_id)
    if request_id is None:
        raise InvalidInput("The request has no request_id and no Idempotency-Key.", pointer="/request_id")
    return Request(
        request_id=request_id,
        channel=form.channel,
        lines=to_lines(form.lines),
        mode=form.mode,
        commitment=form.commitment,
        expires_at=instant(form.expires_at, "/expires_at"),
        expires_in_s=form.expires_in_s,
        ship_to=form.ship_to,
        ship_date=day(form.ship_date, "/ship_date"),
        min_remaining_life_days=form.min_remaining_life_days,
        ship_complete=form.ship_complete,
    )


def to_lines(forms: tuple[LineForm, ...]) -> tuple[Line, ...]:
    """The lines, each with an id: its own or its number."""
    return tuple(
        [
            Line(
                line_id=each.line_id or str(number),
                sku=each.sku,
                quantity=each.quantity,
                uom=each.uom,
                location=each.location,
                group=each.group,
                lot=each.lot,
                min_expiry=each.min_expiry,
            )
            for number, each in enumerate(forms, 1)
        ]
    )


def replay_headers(given: ReservationAnswer) -> tuple[tuple[bytes, bytes], ...]:
    """The header that says that this answer was given before."""
    return (REPLAYED,) if given.replayed else ()


_OUTCOME = {"insufficient_stock": "refused"}
