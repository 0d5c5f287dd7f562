"""Fulfilling a reservation: from what it holds to the shipment facts that the hub records for it.

The hub speaks as its own source. One fact is made for each location and status that goods leave from, named after
the reservation and the number of the fulfilment, so that a repetition can never ship twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onhand.app.amend_ports import Held, Holding, Opened, ShippingPlace
from onhand.app.ports import Decided
from onhand.app.reserve import external_id
from onhand.contracts.cloudevents import encode_structured
from onhand.contracts.envelope import event, fingerprint
from onhand.domain.admission import Admission
from onhand.domain.effects import AVAILABLE, OWN
from onhand.domain.errors import InvalidInput
from onhand.domain.fact import Fact, Refused
from onhand.domain.ledger import decide
from onhand.domain.quantity import QUANTITY_MAX

HUB = "onhand"


class FulfilLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What leaves of one line: base units, and the serials where the item is kept by serial."""

    line_id: Annotated[str, Meta(min_length=1, max_length=200)]
    quantity: Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]
    serials: tuple[str, ...] = ()


class _Leaving(msgspec.Struct, frozen=True):
    holding: Holding
    quantity: int
    serials: tuple[str, ...] = ()


async def shipments_of(
    opened: Opened, lines: Sequence[FulfilLine] | None, occurred_at: datetime
) -> tuple[list[Decided], int]:
    """Return the decided facts of a fulfilment and the network version they were decided under.

    Raises InvalidInput for a line that is not there, that holds less, or that the ledger's rules refuse, and for a time
    that cannot be.
    """
    leaving = list(_leaving(opened.held, await opened.holdings(), lines))
    if not leaving:
        raise InvalidInput("The reservation holds nothing that could be shipped.", pointer="")
    places = await opened.shipping_places([one.holding for one in leaving])
    known, version = await opened.known([one.holding.sku for one in leaving])
    number = await opened.fulfilments() + 1
    facts = _facts(opened.held, _by_place(leaving, places), number=number, occurred_at=occurred_at)
    try:
        Admission(known.network, opened.held.now).check_time(occurred_at)
        return [Decided(fact, decide(known, fact)) for fact in facts], version
    except Refused as refusal:
        pointer = "/occurred_at" if refusal.reason == "impossible_date" else "/lines"
        raise InvalidInput(refusal.detail, reason=refusal.reason, pointer=pointer) from None


def _leaving(held: Held, holdings: Sequence[Holding], lines: Sequence[FulfilLine] | None) -> Iterator[_Leaving]:
    if lines is None:
        yield from (_Leaving(holding, holding.held) for holding in holdings if holding.held)
        return
    numbers = {line.line_id: number for number, line in enumerate(held.lines)}
    for place, line in enumerate(lines):
        if line.line_id not in numbers:
            raise InvalidInput(f"The reservation has no line {line.line_id!r}.", pointer=f"/lines/{place}/line_id")
        mine = [h for h in holdings if h.line == numbers[line.line_id] and h.held]
        yield from _part(held.lines[numbers[line.line_id]].sku, mine, line, pointer=f"/lines/{place}/quantity")


def _part(sku: str, holdings: Sequence[Holding], line: FulfilLine, *, pointer: str) -> Iterator[_Leaving]:
    if any(h.sku != sku for h in holdings):
        raise InvalidInput(f"Line {line.line_id!r} is a kit: leave 'lines' out to ship all of it.", pointer=pointer)
    left, serials = line.quantity, line.serials
    if left > sum(h.held for h in holdings):
        raise InvalidInput(
            f"Line {line.line_id!r} holds {sum(h.held for h in holdings)}, less than {left}.", pointer=pointer
        )
    for holding in holdings:
        part = min(left, holding.held)
        if part:
            yield _Leaving(holding, part, serials[:part])
            left, serials = left - part, serials[part:]


def _by_place(
    leaving: Sequence[_Leaving], places: Sequence[ShippingPlace]
) -> Mapping[tuple[str, str], list[dict[str, Any]]]:
    """Spread what leaves over the balances behind it; what no balance shows leaves the available stock."""
    there = {(p.sku, p.location, p.lot, p.status, p.owner): p.quantity for p in places}
    spread: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in leaving:
        held, serials = one.holding, one.serials
        for status, owner, part in _parts(there, held, one.quantity):
            line = {"sku": held.sku, "quantity": part, "reservation_line": held.line, "owner": owner}
            if held.lot is not None:
                line["lot"] = held.lot
            if serials:
                line["serials"], serials = list(serials[:part]), serials[part:]
            spread.setdefault((held.location, status), []).append(line)
    return spread


def _parts(
    there: dict[tuple[str, str, str | None, str, str], int], held: Holding, quantity: int
) -> Iterator[tuple[str, str, int]]:
    for key, shown in there.items():
        if key[:3] == (held.sku, held.location, held.lot) and shown and quantity:
            part = min(quantity, shown)
            there[key] -= part
            quantity -= part
            yield key[3], key[4], part
    if quantity:
        yield AVAILABLE, OWN, quantity


def _facts(
    held: Held, spread: Mapping[tuple[str, str], list[dict[str, Any]]], *, number: int, occurred_at: datetime
) -> Iterator[Fact]:
    reservation = external_id(held.number)
    for (location, status), lines in sorted(spread.items()):
        envelope = event(
            id=f"{reservation}/{number}/{location}/{status}",
            source=HUB,
            type="shipment.confirmed",
            time=occurred_at,
            data={"location": location, "status": status, "reservation_id": reservation, "lines": lines},
        )
        yield Fact(
            source=HUB,
            id=envelope.id,
            type=envelope.type,
            version=1,
            system=HUB,
            occurred_at=occurred_at,
            data=envelope.data,
            fingerprint=fingerprint(envelope),
            body=encode_structured(envelope).decode(),
        )
