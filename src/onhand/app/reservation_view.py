"""A reservation as it stands now: what was decided, what is still held, what has left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from onhand.app.amend_ports import Held, Holding
from onhand.app.answers import LineAnswer, ReservationAnswer, Source
from onhand.app.promise_errors import ReservationNotFound
from onhand.app.reserve import external_id
from onhand.domain.fact import Refused
from onhand.domain.ledger import reservation_number
from onhand.domain.reservation import LIVE, state_at


def internal_number(reservation_id: str) -> int:
    """Return the number of a reservation id. Raises ReservationNotFound for what cannot be one."""
    try:
        return reservation_number(reservation_id)
    except Refused:
        raise ReservationNotFound(f"There is no reservation {reservation_id[:60]!r}.") from None


def view(
    held: Held, holdings: Sequence[Holding], waiting: Mapping[int, int], *, replayed: bool = False
) -> ReservationAnswer:
    """Return the answer about a reservation; a deadline that has come counts, swept or not."""
    state = state_at(held.state, expires_at=held.expires_at, now=held.now)
    alive = state in LIVE
    lines = tuple(
        _line(line, [h for h in holdings if h.line == number], waiting.get(number, 0), alive=alive)
        for number, line in enumerate(held.lines)
    )
    return ReservationAnswer(
        reservation_id=external_id(held.number),
        request_id=held.request.request_id,
        channel=held.channel,
        state=state,
        lines=lines,
        created_at=held.created_at,
        expires_at=held.expires_at,
        replayed=replayed,
    )


def _line(line: LineAnswer, holdings: Sequence[Holding], waiting: int, *, alive: bool) -> LineAnswer:
    """Show what is held where; of a kit the parts are held, each under its own SKU."""
    sources = tuple(
        Source(location=h.location, quantity=h.held, lot=h.lot, sku=None if h.sku == line.sku else h.sku)
        for h in holdings
        if h.held
    )
    whole = all(h.sku == line.sku for h in holdings)
    return msgspec.structs.replace(
        line,
        backordered=waiting if alive else line.backordered,
        held=sum(h.held for h in holdings) if alive and whole else None if alive else 0,
        fulfilled=sum(h.fulfilled for h in holdings) if whole else None,
        sources=sources if alive else line.sources,
    )
