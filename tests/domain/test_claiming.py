"""The reference rule for claims: all of an order or nothing, in arrival order, and never below what is there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from onhand.domain.claiming import Claim, decide_claims

ROW, LOT, FENCE = (1, 1), (1, 1, 50), (7, 1, 1)


def claim(quantity: int, *, from_fence: int = 0, keep: int = 0, lot: int = 0, item: int = 1) -> Claim:
    return Claim(item, 1, lot, quantity, 7 if from_fence else 0, from_fence, keep)


def test_a_claim_stands_when_the_row_has_it_and_the_row_then_has_less() -> None:
    free = {ROW: 5}
    assert decide_claims(free, {}, [[claim(5)], [claim(1)]]) == [True, False]
    assert free == {ROW: 0}


def test_orders_are_decided_in_arrival_order_and_a_refused_one_takes_nothing() -> None:
    free = {ROW: 5}
    assert decide_claims(free, {}, [[claim(6)], [claim(5)]]) == [False, True]


def test_all_claims_of_an_order_stand_or_none() -> None:
    free = {ROW: 5, (2, 1): 0}
    assert decide_claims(free, {}, [[claim(5), claim(1, item=2)]]) == [False]
    assert free == {ROW: 5, (2, 1): 0}


def test_claims_of_one_order_on_the_same_row_add_up() -> None:
    """Two lines of 6 from a stock of 10 were both accepted by Medusa (issue 16502); together they are 12."""
    assert decide_claims({ROW: 10}, {}, [[claim(6), claim(6)]]) == [False]


def test_what_must_be_kept_is_not_taken() -> None:
    assert decide_claims({ROW: 5}, {}, [[claim(4, keep=2)]]) == [False]
    assert decide_claims({ROW: 5}, {}, [[claim(3, keep=2)]]) == [True]


def test_what_comes_out_of_the_fence_is_not_taken_from_the_row() -> None:
    free, fences = {ROW: 1}, {FENCE: 4}
    assert decide_claims(free, fences, [[claim(5, from_fence=4)]]) == [True]
    assert (free, fences) == ({ROW: 0}, {FENCE: 0})


def test_a_fence_gives_no_more_than_it_still_sets_aside() -> None:
    assert decide_claims({ROW: 9}, {FENCE: 3}, [[claim(4, from_fence=4)]]) == [False]


def test_the_row_and_the_lot_must_both_have_it() -> None:
    assert decide_claims({ROW: 5}, {}, [[claim(5, lot=50)]], {LOT: 4}) == [False]
    assert decide_claims({ROW: 4}, {}, [[claim(5, lot=50)]], {LOT: 5}) == [False]
    lots = {LOT: 5}
    assert decide_claims({ROW: 5}, {}, [[claim(5, lot=50)]], lots) == [True]
    assert lots == {LOT: 0}


def test_a_row_that_is_not_there_has_nothing() -> None:
    assert decide_claims({}, {}, [[claim(1)]]) == [False]


def test_an_order_that_claims_nothing_stands() -> None:
    assert decide_claims({}, {}, [[]]) == [True]


@given(
    st.integers(-3, 20),
    st.lists(st.lists(st.builds(claim, st.integers(1, 8), keep=st.integers(0, 4)), max_size=3), max_size=12),
)
def test_accepted_claims_never_exceed_what_was_free(start: int, orders: list[list[Claim]]) -> None:
    free = {ROW: start}
    decisions = decide_claims(free, {}, orders)
    taken = sum(each.quantity for order, stands in zip(orders, decisions, strict=True) if stands for each in order)
    assert taken <= max(0, start)
    assert free[ROW] == start - taken
