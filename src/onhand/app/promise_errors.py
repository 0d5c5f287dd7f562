"""What can be wrong with a request for a promise, told with stable codes."""

from __future__ import annotations

from collections.abc import Sequence

from onhand.app.answers import LineShortfall
from onhand.domain.errors import Conflict, InvalidInput, NotFound


class InsufficientStock(Conflict):
    """The channel cannot have what was asked for; `lines` tells the shortfall of each line."""

    code = "insufficient_stock"
    title = "There is not enough stock"
    done = "Nothing was reserved."
    remedy = "Ask for less, or use mode 'partial' or 'backorder'; a new try needs a new request_id."

    def __init__(
        self, lines: Sequence[LineShortfall], *, reservation_id: str | None = None, replayed: bool = False
    ) -> None:
        short = ", ".join(f"{line.sku}: {line.available} of {line.requested}" for line in lines[:5])
        more = f" and {len(lines) - 5} more lines" if len(lines) > 5 else ""
        super().__init__(
            f"Available is {short}{more}.", lines=list(lines), replayed=replayed, reservation_id=reservation_id
        )
        self.lines = tuple(lines)
        self.replayed = replayed


class RequestReused(InvalidInput):
    """The request id was used before for another request."""

    code = "request_id_reused"
    title = "The request id belongs to another request"
    remedy = "Use a new request_id for a new request; repeat the old one unchanged to get its answer again."


class IdempotencyKeyReused(InvalidInput):
    """The Idempotency-Key was used before for another call."""

    code = "idempotency_key_reused"
    title = "The idempotency key belongs to another call"
    remedy = "Use a new key for a new call; repeat the old one unchanged to get its answer again."


class ReservationNotFound(NotFound):
    """There is no such reservation, or it belongs to another client."""

    code = "reservation_not_found"
    title = "There is no such reservation"


class ReservationClosed(Conflict):
    """The reservation has ended; `state` tells how."""

    code = "reservation_closed"
    title = "The reservation has ended"
    remedy = "Make a new reservation under a new request_id."


class ReservationExpired(ReservationClosed):
    """Its deadline has passed and what it held is free again."""

    code = "reservation_expired"
    title = "The reservation has expired"


class DeadlineRefused(InvalidInput):
    """The deadline lies in the past or further away than the channel allows."""

    code = "deadline_refused"
    title = "The deadline cannot be kept"
