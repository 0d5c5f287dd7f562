"""The verbs on a reservation that exists: extend, change, transfer, release, fulfil."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onhand.app.answers import ReservationAnswer
from onhand.app.fulfilment import FulfilLine
from onhand.app.promise_errors import (
    DeadlineRefused,
    IdempotencyKeyReused,
    InsufficientStock,
    ReservationClosed,
    ReservationExpired,
    ReservationNotFound,
)
from onhand.domain.errors import InvalidInput
from onhand.domain.reservation import LINES_MAX
from onhand.http import idempotency
from onhand.http.call import Call, Reply
from onhand.http.errors import InvalidIdempotencyKey
from onhand.http.fields import Code, Instant, instant
from onhand.http.limits import RESERVATION_BYTES_MAX
from onhand.http.operation import Answer, NoBody, Run, answer, operation
from onhand.http.reservations import EXAMPLE_ANSWER, PLANNING_ERRORS, REPLAY_HEADER, LineForm, replay_headers, to_lines


class ExtendForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The new deadline: one of the two."""

    expires_at: Instant | None = None
    expires_in_s: Annotated[int, Meta(ge=1, le=366 * 86_400, description="Seconds from now.")] | None = None


class ChangeForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All lines as they shall be; a line that is not named is given up."""

    lines: Annotated[tuple[LineForm, ...], Meta(min_length=1, max_length=LINES_MAX)]


class TransferForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the reservation shall belong, or come from: at least one of the three."""

    channel: Code | None = None
    location: Code | None = None
    group: Code | None = None


class FulfilForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has been shipped; all that is held when `lines` is left out."""

    lines: Annotated[tuple[FulfilLine, ...], Meta(min_length=1, max_length=LINES_MAX)] | None = None
    occurred_at: Instant | None = None


def _verb(
    verb: str, *, form: type[Any], example: Any, may_fall_short: bool = False, optional: bool = False
) -> Callable[[Run], Run]:
    ending = (InsufficientStock, *PLANNING_ERRORS) if may_fall_short else ()
    return operation(
        "POST", f"/v1/reservations/{{id}}/{verb}", id=f"{verb}_reservation", tag="Promises", scope="promises:write",
        lane="promises", body=form, body_bytes_max=RESERVATION_BYTES_MAX, body_example=example, keyed=True,
        body_required=not optional, path_example={"id": "res_1042"},
        answers={200: Answer(meaning="The reservation as it stands now.", type=ReservationAnswer,
                             example=EXAMPLE_ANSWER, headers=REPLAY_HEADER)},
        errors=(ReservationNotFound, ReservationClosed, ReservationExpired, *ending, IdempotencyKeyReused,
                InvalidIdempotencyKey, InvalidInput, DeadlineRefused),
    )  # fmt: skip


@_verb("extend", form=ExtendForm, example={"expires_in_s": 1800})
async def extend(call: Call, _query: Any, form: ExtendForm) -> Reply:
    """Move a reservation's deadline.

    To an instant, or to so many seconds from now. What is held stays held all the while.
    """
    if (form.expires_at is None) == (form.expires_in_s is None):
        raise InvalidInput("Exactly one of expires_at and expires_in_s must be given.", pointer="/expires_at")
    return _answer(
        await call.hub.amend.extend(
            call.caller, call.path["id"], expires_at=instant(form.expires_at, "/expires_at"),
            expires_in_s=form.expires_in_s, key=idempotency.key_of(call),
        )
    )  # fmt: skip


@_verb("change", form=ChangeForm, example={"lines": [{"line_id": "1", "sku": "TEA-001", "quantity": 2}]},
       may_fall_short=True)  # fmt: skip
async def change(call: Call, _query: Any, form: ChangeForm) -> Reply:
    """Change what a reservation holds.

    The lines are replaced as a whole, in one step: when the new ones cannot be granted, the old ones stay as they were.
    """
    return _answer(
        await call.hub.amend.change(
            call.caller, call.path["id"], lines=to_lines(form.lines), key=idempotency.key_of(call)
        )
    )  # fmt: skip


@_verb("transfer", form=TransferForm, example={"location": "STORE-1"}, may_fall_short=True)
async def transfer(call: Call, _query: Any, form: TransferForm) -> Reply:
    """Hand a reservation to another channel or place.

    Gives it to another channel, or moves what it holds to another location or group, in one step or not at all.
    """
    if form.channel is None and form.location is None and form.group is None:
        raise InvalidInput("At least one of channel, location and group must be given.", pointer="/channel")
    return _answer(
        await call.hub.amend.transfer(
            call.caller, call.path["id"], channel=form.channel, location=form.location, group=form.group,
            key=idempotency.key_of(call),
        )
    )  # fmt: skip


@_verb("release", form=NoBody, example={}, optional=True)
async def release(call: Call, _query: Any, _form: NoBody) -> Reply:
    """Give up a reservation.

    What it held is available again at once.
    """
    return _answer(
        await call.hub.amend.release(call.caller, call.path["id"], key=idempotency.key_of(call))
    )  # fmt: skip


@_verb("fulfil", form=FulfilForm, example={"lines": [{"line_id": "1", "quantity": 3}]}, optional=True)
async def fulfil(call: Call, _query: Any, form: FulfilForm) -> Reply:
    """Say that a reservation has been shipped, wholly or in part.

    What was held leaves the stock in the same step, so that the number on the channels does not jump in between.
    """
    return _answer(
        await call.hub.amend.fulfil(
            call.caller, call.path["id"], lines=form.lines,
            occurred_at=instant(form.occurred_at, "/occurred_at"), key=idempotency.key_of(call),
        )
    )  # fmt: skip


def _answer(given: ReservationAnswer) -> Reply:
    return answer(given, headers=tuple(replay_headers(given)))
