"""Reservations: what is asked, which states a promise goes through, and when two requests are the same request.

A reservation is *live* while it holds stock or waits for it (granted, partly_granted, backordered); the other
states are final. Verbs act on live reservations only; `LEGAL` is the whole table. A deadline is judged at
read time: a live reservation whose deadline has come *is* expired, whether or not anybody has swept it.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from onhand.domain.errors import Conflict, InvalidInput
from onhand.domain.quantity import QUANTITY_MAX

Mode = Literal["all", "partial", "backorder"]
Commitment = Literal["cart", "order"]
State = Literal["granted", "partly_granted", "backordered", "refused", "released", "expired", "fulfilled"]
Verb = Literal["create", "extend", "change", "transfer", "release", "fulfil", "expire"]

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND: Final = datetime.timedelta(microseconds=1)

LINES_MAX: Final = 1_000
"""An order with more lines is split by its sender: all lines are claimed in one transaction."""

DEADLINE_MAX_S: Final = 366 * 86_400
"""A hold for longer than a year is no reservation any more; channels set tighter limits."""

_NO_CONTROL: Final = r"^[^\u0000-\u001f\u007f-\u009f]+\Z"

Name = Annotated[
    str, Meta(title="up to 200 characters, none of them a control character", max_length=200, pattern=_NO_CONTROL)
]
Quantity = Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing asked for: `quantity` of `uom` (base unit if None) of a SKU.

    `location` names one location, `group` one location group; neither means "source it for me". `lot` names
    one lot; `min_expiry` asks for lots that expire on that day or later.
    """

    line_id: Name
    sku: Name
    quantity: Quantity
    uom: Name | None = None
    location: Name | None = None
    group: Name | None = None
    lot: Name | None = None
    min_expiry: datetime.date | None = None


class Destination(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the goods go, in degrees north and east; used only to put locations in order of distance."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reservation as its caller asks for it; `request_id` is the caller's own and unique to them.

    Mode `all` grants every line whole or refuses, `partial` grants what there is, `backorder` grants what there
    is and lets the rest wait. Commitment `cart` respects the channel's safety stock, `order` may use it.
    `ship_date` (today if None) and the customer's `min_remaining_life_days` bound the lots;
    `ship_complete` turns `partial` into `all`.
    """

    request_id: Name
    channel: Name
    lines: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=LINES_MAX)]
    mode: Mode = "all"
    commitment: Commitment = "cart"
    expires_at: Annotated[datetime.datetime, Meta(tz=True)] | None = None
    expires_in_s: Annotated[int, Meta(ge=1, le=DEADLINE_MAX_S)] | None = None
    ship_to: Destination | None = None
    ship_date: datetime.date | None = None
    min_remaining_life_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    ship_complete: bool = False


class InvalidRequest(InvalidInput):
    """The reservation request contradicts itself."""

    code = "invalid_request"
    title = "The reservation request contradicts itself"


class ReservationState(Conflict):
    """The reservation's state does not allow this verb."""

    code = "reservation_state"
    title = "The reservation's state forbids this"
    remedy = "Read the reservation; when it is over, make a new one under a new request id."


LIVE: Final[frozenset[State]] = frozenset(("granted", "partly_granted", "backordered"))
FINAL: Final[frozenset[State]] = frozenset(get_args(State)) - LIVE

_OUTCOMES: Final[frozenset[State]] = LIVE | {"refused"}


def _legal() -> dict[tuple[State | None, Verb], frozenset[State]]:
    table: dict[tuple[State | None, Verb], frozenset[State]] = {(None, "create"): _OUTCOMES}
    for state in LIVE:
        here = frozenset((state,))
        table[state, "extend"] = here
        table[state, "transfer"] = here
        table[state, "change"] = LIVE  # a change that cannot be granted leaves the reservation as it was
        table[state, "release"] = LIVE | {"released"}  # some lines, or all of it
        table[state, "expire"] = frozenset(("expired",))
        if state != "backordered":  # what only waits for stock holds nothing that could be shipped
            table[state, "fulfil"] = LIVE | {"fulfilled"}
    return table


LEGAL: Final[Mapping[tuple[State | None, Verb], frozenset[State]]] = MappingProxyType(_legal())
"""(state, verb) -> the states that may follow; a pair that is not here is forbidden. None: no reservation yet."""


def check_verb(state: State | None, verb: Verb) -> frozenset[State]:
    """Return the states that `verb` may lead to from `state`; raises `ReservationState` when it may not be used."""
    allowed = LEGAL.get((state, verb))
    if allowed is None:
        raise ReservationState(
            f"A reservation that is {state or 'not there'} cannot be used with {verb!r}.", state=state
        )
    return allowed


def state_at(state: State, *, expires_at: datetime.datetime | None, now: datetime.datetime) -> State:
    """Return the state as it is true at `now`: live and past its deadline is expired, from that instant on."""
    if state in LIVE and expires_at is not None and now >= expires_at:
        return "expired"
    return state


def outcome(*, requested: int, granted: int, backordered: int) -> State:
    """Return the state of a new or changed reservation from its totals in base units."""
    if granted == requested:
        return "granted"
    if granted:
        return "partly_granted"
    return "backordered" if backordered else "refused"


def check_request(request: Request) -> None:
    """Raise `InvalidRequest` for what the form allows but no meaning has: twice the same line id, two deadlines."""
    lines = request.lines
    if len(lines) > 1 and len({line.line_id for line in lines}) != len(lines):
        raise InvalidRequest("Two lines have the same line_id.", remedy="Give each line its own line_id.")
    if request.expires_at is not None and request.expires_in_s is not None:
        raise InvalidRequest("The request has both expires_at and expires_in_s.", remedy="Send one of the two.")
    if any(line.location is not None and line.group is not None for line in lines):
        raise InvalidRequest("A line names both a location and a group.", remedy="Name one of the two.")


def fingerprint(request: Request) -> bytes:
    """Return 16 bytes that are equal exactly for requests that mean the same (BLAKE2b of the canonical form).

    The canonical form has every field in a fixed order with its default filled in and the deadline as an
    instant, so the order of JSON members, omitted defaults and the zone of a deadline make no difference. The
    order of the lines does: earlier lines are served first.
    """
    instant = b""
    if request.expires_at is not None:
        # A difference, not a conversion: the first and last days of the calendar have no UTC form.
        instant = str((request.expires_at - _EPOCH) // _MICROSECOND).encode()
        request = msgspec.structs.replace(request, expires_at=None)
    return hashlib.blake2b(msgspec.json.encode(request) + instant, digest_size=16).digest()
