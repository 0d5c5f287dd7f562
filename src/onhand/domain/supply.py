"""Supply: what is still to come, when orders, shipping notices and receipts speak of the same goods.

A purchase order says what was ordered, an ASN (advance shipping notice) what of it is on its way, a receipt what came.
Each unit must count once:

    open(ASN line)    announced - received on that ASN
    open(order line)  ordered - announced by the ASNs that name the order - received on the order without such an ASN

A receipt takes off the lines of its reference that are due first, those for its own location before others. What an
ASN brought beyond its announcement takes off its order too. A receipt that names an ASN of the order which never came
to be known takes off the order. Statements (`supply.changed`) are absolute: their sender has done this sum.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from onhand.domain.atp import Inbound

SupplyKind = Literal["purchase_order", "asn", "statement"]

ANYWHERE = 0
"""No location of the network: a quantity that is taken off wherever the goods are due first."""


class SupplyLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of expected goods of one item, in base units; `purchase_order` is what an ASN is part of."""

    kind: SupplyKind
    reference: str
    line_id: str
    location_id: int
    quantity: int
    due: datetime.date
    reliability_percent: int = 100
    purchase_order: str = ""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What receipts of one item took off a reference at a location; one of an ASN may name a `purchase_order` too."""

    kind: SupplyKind
    reference: str
    location_id: int
    quantity: int
    purchase_order: str = ""


def open_supply(lines: Iterable[SupplyLine], received: Iterable[Received]) -> dict[int, list[Inbound]]:
    """Return location id -> what is still to come of one item, in the order in which it is due."""
    by_reference: dict[tuple[SupplyKind, str], list[SupplyLine]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: (line.due, line.kind, line.reference, line.line_id)):
        by_reference[line.kind, line.reference].append(line)
    arrived = _arrived(received, by_reference)
    _announce(by_reference, arrived)
    inbound: dict[int, list[Inbound]] = defaultdict(list)
    for key, ordered in by_reference.items():
        for line, left in zip(ordered, _left(ordered, arrived[key]), strict=True):
            if left:
                due = Inbound(due=line.due, quantity=left, reliability_percent=line.reliability_percent)
                inbound[line.location_id].append(due)
    return {location: sorted(rows, key=lambda row: row.due) for location, rows in inbound.items()}


_Taken = defaultdict[tuple[SupplyKind, str], dict[int, int]]
"""(kind, reference) -> location id -> base units that are no longer expected on it."""


def _arrived(received: Iterable[Received], known: Mapping[tuple[SupplyKind, str], Sequence[SupplyLine]]) -> _Taken:
    taken: _Taken = defaultdict(dict)
    for one in received:
        _add(taken[one.kind, one.reference], one.location_id, one.quantity)
        notice = known.get(("asn", one.reference), ())
        if one.purchase_order and not any(line.purchase_order == one.purchase_order for line in notice):
            _add(taken["purchase_order", one.purchase_order], one.location_id, one.quantity)
    return taken


def _announce(known: Mapping[tuple[SupplyKind, str], Sequence[SupplyLine]], taken: _Taken) -> None:
    """Take off each order what its shipping notices announce, and what they brought beyond that."""
    for (kind, reference), lines in known.items():
        order = next((line.purchase_order for line in lines if line.purchase_order), "")
        if kind != "asn" or not order:
            continue
        announced = taken["purchase_order", order]
        for line in lines:
            _add(announced, line.location_id, line.quantity)
        beyond = sum(taken[kind, reference].values()) - sum(line.quantity for line in lines)
        _add(announced, ANYWHERE, max(0, beyond))


def _left(lines: Sequence[SupplyLine], taken: Mapping[int, int]) -> list[int]:
    """Return what is left of each line, in order: takings at a line's own location first, then the rest."""
    left = [line.quantity for line in lines]
    rest = 0
    for location, quantity in taken.items():
        here = [index for index, line in enumerate(lines) if line.location_id == location]
        rest += _take(left, here, quantity)
    _take(left, range(len(lines)), rest)
    return left


def _take(left: list[int], places: Iterable[int], quantity: int) -> int:
    """Take a quantity off the places in order; return what none of them had."""
    for index in places:
        share = min(left[index], quantity)
        left[index] -= share
        quantity -= share
    return quantity


def _add(sums: dict[int, int], key: int, quantity: int) -> None:
    sums[key] = sums.get(key, 0) + quantity
