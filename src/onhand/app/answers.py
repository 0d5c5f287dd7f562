"""What the use cases answer: typed, and in the very form that the API, the client and `--json` show.

Quantities are whole base units unless a field says otherwise; times are UTC.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import msgspec

EventResult = Literal["applied", "duplicate", "quarantined", "discarded", "rejected"]
ReservationState = Literal["granted", "partly_granted", "backordered", "refused", "released", "expired", "fulfilled"]


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of all answers."""


class EventOutcome(Answer, frozen=True, kw_only=True):
    """What became of one event.

    `quarantine_id` and `reason` stand when it was quarantined; `errors` when it breaks its contract.
    """

    source: str
    id: str
    outcome: EventResult
    quarantine_id: int | None = None
    reason: str | None = None
    detail: str | None = None
    errors: tuple[dict[str, str], ...] = ()


class Source(Answer, frozen=True, kw_only=True):
    """Where a granted quantity comes from; `sku` stands where it differs from the line's (a kit's component)."""

    location: str
    quantity: int
    lot: str | None = None
    sku: str | None = None


class LineAnswer(Answer, frozen=True, kw_only=True):
    """One line of a reservation: what was asked, granted, and from where, with the reasons of the sourcing."""

    line_id: str
    sku: str
    requested: int
    granted: int
    backordered: int = 0
    held: int | None = None
    fulfilled: int | None = None
    sources: tuple[Source, ...] = ()
    why: tuple[str, ...] = ()


class ReservationAnswer(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """A reservation as it stands, or as first answered (`replayed`)."""

    reservation_id: str
    request_id: str
    channel: str
    state: ReservationState
    lines: tuple[LineAnswer, ...]
    created_at: datetime
    expires_at: datetime | None = None
    replayed: bool = False


class LineShortfall(Answer, frozen=True, kw_only=True):
    """Why one line could not be granted: `available` is what the channel could have had of it."""

    line_id: str
    sku: str
    requested: int
    available: int
    short: int


class ReservationLogEntry(Answer, frozen=True, kw_only=True):
    """One step in a reservation's life."""

    seq: int
    verb: str
    state: ReservationState
    at: datetime
    expires_at: datetime | None = None
    detail: Any = None


class AvailabilityTerm(Answer, frozen=True, kw_only=True):
    """One term of an availability figure, so that it can be added up by hand."""

    term: str
    quantity: int
    location: str | None = None


class Availability(Answer, frozen=True, kw_only=True):
    """What a channel can sell of an item now.

    `quantity` is ATS; `withheld` is what safety stock keeps back; `terms` add up to the figure.
    """

    sku: str
    channel: str
    quantity: int
    withheld: int = 0
    known: bool = True
    terms: tuple[AvailabilityTerm, ...] = ()
    promise: tuple[PromiseOnDate, ...] | None = None


class PromiseOnDate(Answer, frozen=True, kw_only=True):
    """ATP: what can be promised for a date (from that date on, nothing promised earlier is broken)."""

    day: date
    quantity: int


class BalanceRow(Answer, frozen=True, kw_only=True):
    """What the ledger sums to at one place; `event_source` and `event_id` name the event that moved it last."""

    sku: str
    location: str
    status: str
    quantity: int
    lot: str | None = None
    expiry: date | None = None
    owner: str = "own"
    event_source: str | None = None
    event_id: str | None = None


class MovementRow(Answer, frozen=True, kw_only=True):
    """One movement, with the event that caused it and the balances that it left behind."""

    seq: int
    sku: str
    quantity: int
    from_location: str
    from_status: str
    to_location: str
    to_status: str
    occurred_at: datetime
    recorded_at: datetime
    kind: Literal["fact", "count", "recount"]
    source: str
    event_id: str
    event_type: str
    from_balance: int
    to_balance: int
    lot: str | None = None
    owner: str = "own"
    serial: str | None = None


class EventRow(Answer, frozen=True, kw_only=True):
    """An accepted event: its envelope as it came and when it became known."""

    seq: int
    source: str
    id: str
    type: str
    occurred_at: datetime
    recorded_at: datetime
    event: msgspec.Raw
    movements: tuple[MovementRow, ...] | None = None


class ItemRow(Answer, frozen=True, kw_only=True):
    """An item as last stated."""

    sku: str
    name: str
    kind: str
    status: str
    base_uom: str
    units: dict[str, int]
    selling_uom: str | None = None
    lot_tracked: bool = False
    serial_tracked: bool = False
    shelf_life_days: int | None = None
    category: str | None = None
    components: tuple[dict[str, Any], ...] = ()
    attributes: dict[str, Any] = {}


class QuarantineRow(Answer, frozen=True, kw_only=True):
    """A fact that is kept but not applied, with the reason."""

    id: int
    source: str
    event_id: str
    type: str
    reason: str
    detail: str
    facts: dict[str, Any]
    event: msgspec.Raw
    received_at: datetime
    times: int
    state: Literal["open", "released", "discarded"]
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    note: str | None = None


class KeyRow(Answer, frozen=True, kw_only=True):
    """An API key, without its secret."""

    id: int
    client: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class Difference(Answer, frozen=True, kw_only=True):
    """One place where what is kept differs from what the ledger says."""

    check: str
    sku: str | None
    where: str
    kept: int | None
    recomputed: int | None
    first_at_seq: int | None = None
    explanation: str = ""


class Verification(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """What `verify` found: how much it checked, and every difference.

    `notes` are worth knowing and no fault. `found` says how many differences or notes each check found in all, because
    the lists are bounded.
    """

    ok: bool
    checked: dict[str, int]
    differences: tuple[Difference, ...]
    took_s: float
    notes: tuple[Difference, ...] = ()
    found: dict[str, int] = {}
