"""Supply: each unit that is to come counts once, whichever of order, notice and receipt is known, in any order."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.domain.atp import Inbound
from onhand.domain.supply import Received, SupplyLine, open_supply

DAY = datetime.date(2026, 11, 23)
A, B = 1, 2


def on(number: int) -> datetime.date:
    return DAY + datetime.timedelta(days=number)


def line(kind: Any, reference: str, quantity: int, *, due: int = 1, at: int = A, order: str = "", line_id: str = "1",
         reliability: int = 100) -> SupplyLine:  # fmt: skip
    return SupplyLine(
        kind=kind, reference=reference, line_id=line_id, location_id=at, quantity=quantity, due=on(due),
        purchase_order=order, reliability_percent=reliability,
    )  # fmt: skip


def came(kind: Any, reference: str, quantity: int, *, at: int = A, order: str = "") -> Received:
    return Received(kind=kind, reference=reference, location_id=at, quantity=quantity, purchase_order=order)


def total(lines: list[SupplyLine], received: list[Received]) -> int:
    return sum(row.quantity for rows in open_supply(lines, received).values() for row in rows)


PO = line("purchase_order", "PO", 100)
ASN = line("asn", "N", 40, order="PO")


@pytest.mark.parametrize(
    ("lines", "received", "left"),
    [
        ([PO], [], 100),
        ([PO, ASN], [], 100),  # what is announced is not expected twice
        ([ASN], [], 40),  # the order never came to be known
        ([PO], [came("purchase_order", "PO", 30)], 70),
        ([PO, ASN], [came("purchase_order", "PO", 30)], 70),
        ([PO, ASN], [came("asn", "N", 30)], 70),
        ([PO, ASN], [came("asn", "N", 30, order="PO")], 70),
        ([PO, ASN], [came("asn", "N", 40, order="PO"), came("purchase_order", "PO", 10)], 50),
        ([PO, ASN], [came("asn", "N", 55, order="PO")], 45),  # the lorry held more than was announced
        ([PO], [came("asn", "N", 30, order="PO")], 70),  # the notice comes after the goods, or never
        ([PO, line("asn", "N", 40)], [came("asn", "N", 40, order="PO")], 60),  # only the receipt knows the order
        ([PO], [came("purchase_order", "PO", 130)], 0),
        ([PO, ASN, line("asn", "M", 70, order="PO")], [], 110),  # announced beyond the order: the notices are believed
        ([line("statement", "S", 20)], [came("purchase_order", "PO", 5)], 20),
        ([line("purchase_order", "PO", 0)], [], 0),
        ([], [came("asn", "N", 3)], 0),
    ],
)
def test_each_unit_counts_once(lines: list[SupplyLine], received: list[Received], left: int) -> None:
    assert total(lines, received) == left


def test_what_came_takes_off_the_line_that_is_due_first() -> None:
    lines = [line("purchase_order", "PO", 10, due=9, line_id="late"), line("purchase_order", "PO", 10, due=2)]
    assert open_supply(lines, [came("purchase_order", "PO", 12)]) == {A: [Inbound(due=on(9), quantity=8)]}


def test_what_came_takes_off_its_own_location_first_and_then_the_others() -> None:
    lines = [line("purchase_order", "PO", 10, due=1), line("purchase_order", "PO", 10, due=5, at=B, line_id="2")]
    left = open_supply(lines, [came("purchase_order", "PO", 12, at=B)])
    assert left == {A: [Inbound(due=on(1), quantity=8)]}


def test_goods_announced_for_another_location_than_ordered_count_there_once() -> None:
    left = open_supply([PO, line("asn", "N", 40, at=B, order="PO", due=3)], [])
    assert left == {A: [Inbound(due=on(1), quantity=60)], B: [Inbound(due=on(3), quantity=40)]}


def test_the_reliability_stays_with_its_line() -> None:
    left = open_supply([line("statement", "S", 10, reliability=80)], [])
    assert left[A][0].reliability_percent == 80


@given(
    st.lists(st.tuples(st.sampled_from(("purchase_order", "asn", "statement")), st.integers(0, 9), st.integers(0, 3),
                       st.sampled_from((A, B)), st.sampled_from(("", "PO"))), max_size=5),
    st.lists(st.tuples(st.sampled_from(("purchase_order", "asn")), st.integers(1, 9), st.sampled_from((A, B)),
                       st.sampled_from(("", "PO"))), max_size=4),
)  # fmt: skip
def test_the_order_of_arrival_makes_no_difference_and_nothing_is_below_zero(
    ordered: list[Any], received: list[Any]
) -> None:
    lines = [
        line(kind, "PO" if kind == "purchase_order" else kind, quantity, due=due, at=at, line_id=str(n),
             order=order if kind == "asn" else "")
        for n, (kind, quantity, due, at, order) in enumerate(ordered)
    ]  # fmt: skip
    arrivals = [
        came(kind, "PO" if kind == "purchase_order" else kind, quantity, at=at, order=order if kind == "asn" else "")
        for kind, quantity, at, order in received
    ]
    first = open_supply(lines, arrivals)
    for turned in itertools.islice(itertools.permutations(lines), 6):
        assert open_supply(turned, arrivals) == first
    assert all(row.quantity > 0 for rows in first.values() for row in rows)
    assert total(lines, arrivals) <= sum(each.quantity for each in lines)
