"""First expired, first out, and only what still lives long enough."""

from __future__ import annotations

import datetime

from hypothesis import given
from hypothesis import strategies as st

from onhand.domain.lot import LotPool, eligible, eligible_free, fefo, last_unfit_day, pick

SHIP = datetime.date(2026, 11, 23)


def day(offset: int) -> datetime.date:
    return SHIP + datetime.timedelta(days=offset)


def lot(code: str, expires_in: int | None, free: int = 10, lot_id: int = 1) -> LotPool:
    return LotPool(lot_id, code, None if expires_in is None else day(expires_in), free)


def test_the_first_expired_leaves_first_and_undated_lots_leave_last() -> None:
    order = fefo([lot("D", None), lot("C", 30), lot("A", 90), lot("B", 10)])
    assert [each.code for each in order] == ["B", "C", "A", "D"]


def test_lots_that_expire_on_the_same_day_leave_in_the_order_of_their_codes() -> None:
    assert [each.code for each in fefo([lot("L10", 5), lot("L1", 5), lot("L2", 5)])] == ["L1", "L10", "L2"]


def test_a_lot_is_eligible_on_the_last_day_of_the_remaining_life_and_not_a_day_less() -> None:
    unfit = last_unfit_day(ship_date=SHIP, min_remaining_life_days=30)
    assert eligible(lot("ok", 30), unfit)
    assert not eligible(lot("short", 29), unfit)


def test_a_lot_that_expires_on_the_ship_date_can_go_and_one_of_yesterday_cannot() -> None:
    unfit = last_unfit_day(ship_date=SHIP)
    assert eligible(lot("today", 0), unfit)
    assert not eligible(lot("yesterday", -1), unfit)


def test_a_lot_without_expiry_satisfies_any_remaining_life() -> None:
    assert eligible(lot("ever", None), last_unfit_day(ship_date=SHIP, min_remaining_life_days=36_500))


def test_the_stricter_of_remaining_life_and_asked_for_expiry_counts() -> None:
    unfit = last_unfit_day(ship_date=SHIP, min_remaining_life_days=10, min_expiry=day(20))
    assert (eligible(lot("x", 19), unfit), eligible(lot("y", 20), unfit)) == (False, True)
    unfit = last_unfit_day(ship_date=SHIP, min_remaining_life_days=30, min_expiry=day(20))
    assert (eligible(lot("x", 29), unfit), eligible(lot("y", 30), unfit)) == (False, True)


def test_the_end_of_the_calendar_is_no_error() -> None:
    unfit = last_unfit_day(ship_date=datetime.date.max, min_remaining_life_days=36_500)
    assert not eligible(LotPool(1, "A", datetime.date.max, 5), unfit)


def test_picking_goes_on_to_the_next_lot_when_one_is_used_up() -> None:
    lots = [lot("B", 60, 4, 2), lot("A", 40, 3, 1), lot("C", 5, 9, 3)]
    unfit = last_unfit_day(ship_date=SHIP, min_remaining_life_days=30)
    assert [(each.code, n) for each, n in pick(lots, quantity=5, unfit=unfit)] == [("A", 3), ("B", 2)]


def test_an_overdrawn_lot_gives_nothing_and_takes_nothing_from_others() -> None:
    lots = [lot("A", 10, -4), lot("B", 20, 6)]
    unfit = last_unfit_day(ship_date=SHIP)
    assert eligible_free(lots, unfit) == 6
    assert [(each.code, n) for each, n in pick(lots, quantity=9, unfit=unfit)] == [("B", 6)]


LOTS = st.lists(
    st.builds(
        lot, st.text("ABC", min_size=1, max_size=3), st.one_of(st.none(), st.integers(-5, 60)), st.integers(-3, 9)
    ),
    max_size=6,
)


@given(LOTS, st.integers(0, 30), st.integers(0, 40))
def test_picking_takes_what_is_asked_or_all_that_is_eligible_and_never_an_unfit_lot(
    lots: list[LotPool], quantity: int, life: int
) -> None:
    unfit = last_unfit_day(ship_date=SHIP, min_remaining_life_days=life)
    picked = pick(lots, quantity=quantity, unfit=unfit)
    assert sum(n for _, n in picked) == min(quantity, eligible_free(lots, unfit))
    assert all(0 < n <= each.free and eligible(each, unfit) for each, n in picked)


@given(LOTS, st.integers(1, 30))
def test_no_lot_is_touched_while_one_that_expires_earlier_still_has_units(lots: list[LotPool], quantity: int) -> None:
    unfit = last_unfit_day(ship_date=SHIP)
    picked = pick(lots, quantity=quantity, unfit=unfit)
    assert all(each.free == n for each, n in picked[:-1])
    usable = [each for each in fefo(lots) if each.free > 0 and eligible(each, unfit)]
    assert [each for each, _ in picked] == usable[: len(picked)]
