"""What calls answer, typed. Members that a newer server adds are ignored, so an older client goes on working.

The client stands alone and shares no types with the server; a test holds these to the server's own.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all answers."""


class Source(Model, frozen=True, kw_only=True):
    """Where a granted quantity comes from; `sku` stands where it differs from the line's (a kit's component)."""

    location: str
    quantity: int
    lot: str | None = None
    sku: str | None = None


class ReservedLine(Model, frozen=True, kw_only=True):
    """One line of a reservation: what was asked, granted, and from where. Quantities are base units."""

    line_id: str
    sku: str
    requested: int
    granted: int
    backordered: int = 0
    held: int | None = None
    fulfilled: int | None = None
    sources: tuple[Source, ...] = ()
    why: tuple[str, ...] = ()


class Reservation(Model, frozen=True, kw_only=True):
    """A reservation. `replayed`: this is the answer to an earlier, equal request."""

    reservation_id: str
    request_id: str
    channel: str
    state: str
    lines: tuple[ReservedLine, ...]
    created_at: datetime
    expires_at: datetime | None = None
    replayed: bool = False

    @property
    def granted(self) -> bool:
        """Whether every line was granted whole."""
        return self.state == "granted"


class LineShortfall(Model, frozen=True, kw_only=True):
    """Why one line could not be granted."""

    line_id: str
    sku: str
    requested: int
    available: int
    short: int


class ReservationLogEntry(Model, frozen=True, kw_only=True):
    """One step in a reservation's life."""

    seq: int
    verb: str
    state: str
    at: datetime
    expires_at: datetime | None = None
    detail: Any = None


class EventOutcome(Model, frozen=True, kw_only=True):
    """What became of one event: applied, duplicate, quarantined, discarded or rejected."""

    source: str
    id: str
    outcome: str
    quarantine_id: int | None = None
    reason: str | None = None
    detail: str | None = None
    errors: tuple[dict[str, str], ...] = ()


class AvailabilityTerm(Model, frozen=True, kw_only=True):
    """One term of an availability figure."""

    term: str
    quantity: int
    location: str | None = None


class PromiseOnDate(Model, frozen=True, kw_only=True):
    """What can be promised for a date."""

    day: date
    quantity: int


class Availability(Model, frozen=True, kw_only=True):
    """What a channel can sell of an item now; `known` is False for a SKU that does not exist."""

    sku: str
    channel: str
    quantity: int
    withheld: int = 0
    known: bool = True
    terms: tuple[AvailabilityTerm, ...] = ()
    promise: tuple[PromiseOnDate, ...] | None = None


class Balance(Model, frozen=True, kw_only=True):
    """What the ledger sums to at one place."""

    sku: str
    location: str
    status: str
    quantity: int
    lot: str | None = None
    expiry: date | None = None
    owner: str = "own"
    event_source: str | None = None
    event_id: str | None = None


class Movement(Model, frozen=True, kw_only=True):
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
    kind: str
    source: str
    event_id: str
    event_type: str
    from_balance: int
    to_balance: int
    lot: str | None = None
    owner: str = "own"
    serial: str | None = None


class Event(Model, frozen=True, kw_only=True):
    """An accepted event: its envelope as it came, and when it became known."""

    seq: int
    source: str
    id: str
    type: str
    occurred_at: datetime
    recorded_at: datetime
    event: dict[str, Any]
    movements: tuple[Movement, ...] | None = None


class Item(Model, frozen=True, kw_only=True):
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


class QuarantinedFact(Model, frozen=True, kw_only=True):
    """A fact that is kept but not applied, with the reason."""

    id: int
    source: str
    event_id: str
    type: str
    reason: str
    detail: str
    facts: dict[str, Any]
    event: dict[str, Any]
    received_at: datetime
    times: int
    state: str
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    note: str | None = None


class Key(Model, frozen=True, kw_only=True):
    """An API key, without its secret."""

    id: int
    client: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class NewKey(Model, frozen=True, kw_only=True):
    """A key with its secret, which is shown this one time."""

    key: Key
    secret: str
