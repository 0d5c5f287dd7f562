"""Filling what waits: when stock comes, reservations with a backorder get it, the longest waiting first.

What a reservation already holds is not touched. A pass is safe at any time and on any number of nodes: each
reservation is locked, planned on what is free then, and claimed by the same rule as a new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from onhand.app.amend_ports import AmendStore, Held, Opened
from onhand.app.answers import LineAnswer, Source
from onhand.app.ports import Moved
from onhand.app.reserve import lines_of
from onhand.domain.errors import OnhandError
from onhand.domain.planning import Plan, plan
from onhand.domain.reservation import LIVE, Request, state_at


class WaitingReads(Protocol):
    """Where reservations wait."""

    async def waiting_numbers(self, *, skip: int, n: int) -> Sequence[int]:
        """Return reservations whose backorder could have stock now, the longest waiting first."""


class FillBackorders:
    """One pass a call. Remembers how far it looked, so that what cannot be filled does not stand in the way."""

    def __init__(self, reads: WaitingReads, store: AmendStore, *, batch: int = 200) -> None:
        self._reads = reads
        self._store = store
        self._batch = batch
        self._skip = 0

    async def __call__(self) -> int:
        """Return how many reservations got something."""
        numbers = await self._reads.waiting_numbers(skip=self._skip, n=self._batch)
        filled = 0
        for number in numbers:
            try:
                async with self._store.open(number) as opened:
                    filled += opened is not None and await _fill(opened)
            except Moved:
                continue  # the next pass sees what moved
        self._skip = 0 if filled or len(numbers) < self._batch else self._skip + self._batch
        return filled


async def _fill(opened: Opened) -> bool:
    held = opened.held
    waiting = await opened.waiting()
    if not waiting or state_at(held.state, expires_at=held.expires_at, now=held.now) not in LIVE:
        return False
    numbers = sorted(waiting)
    request = _request(held, waiting, numbers)
    reading = await opened.read(request)
    try:
        planned = plan(reading.snapshot, request)
    except OnhandError:
        return False  # its channel or item no longer sells: it waits until somebody decides
    if not isinstance(planned, Plan) or not planned.claims:
        return False
    lines = _lines(planned, held, numbers)
    claims = tuple(msgspec.structs.replace(claim, line=numbers[claim.line]) for claim in planned.claims)
    await opened.add(claims, lines, reading)
    return True


def _request(held: Held, waiting: Mapping[int, int], numbers: Sequence[int]) -> Request:
    lines = tuple(
        msgspec.structs.replace(held.request.lines[number], quantity=waiting[number], uom=None) for number in numbers
    )
    return msgspec.structs.replace(
        held.request, lines=lines, channel=held.channel, mode="backorder", expires_at=None, expires_in_s=None
    )


def _lines(planned: Plan, held: Held, numbers: Sequence[int]) -> tuple[LineAnswer, ...]:
    """Return the reservation's lines with what the plan adds to them."""
    fresh = dict(zip(numbers, lines_of(planned), strict=True))
    return tuple(_added(line, fresh.get(number)) for number, line in enumerate(held.lines))


def _added(line: LineAnswer, fresh: LineAnswer | None) -> LineAnswer:
    if fresh is None or not fresh.granted:
        return line
    places = {(s.location, s.lot, s.sku): s.quantity for s in line.sources}
    for source in fresh.sources:
        place = (source.location, source.lot, source.sku)
        places[place] = places.get(place, 0) + source.quantity
    return msgspec.structs.replace(
        line,
        granted=line.granted + fresh.granted,
        backordered=fresh.backordered,
        sources=tuple(
            Source(location=at, lot=lot, sku=sku, quantity=quantity) for (at, lot, sku), quantity in places.items()
        ),
        why=(*line.why, "backorder: filled when stock came"),
    )
