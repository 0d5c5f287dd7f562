"""Available to promise on a date, held to tables that others have published."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.domain.atp import AtpRow, Demand, Inbound, PastDue, atp_on, atp_table, earliest

TODAY = datetime.date(2026, 11, 23)


def day(offset: int) -> datetime.date:
    return TODAY + datetime.timedelta(days=offset)


def by_period(on_hand: int, supply: list[int], demand: list[int]) -> tuple[AtpRow, ...]:
    """Build the table of a textbook: period n is the n-th day, counted from 1 (today)."""
    return atp_table(
        today=TODAY,
        on_hand=on_hand,
        inbound=[Inbound(due=day(n), quantity=quantity) for n, quantity in enumerate(supply)],
        demand=[Demand(due=day(n), quantity=quantity) for n, quantity in enumerate(demand)],
    )


def test_the_pump_example_of_the_master_scheduling_chapter() -> None:
    """W. J. Stevenson, Operations Management, master scheduling: 64 pumps, lots of 70 in weeks 3, 5, 7 and 8.

    Published ATP: 11 in week 1, then 56, 68, 70 and 70 in the weeks of a new lot.
    """
    table = by_period(64, [0, 0, 70, 0, 70, 0, 70, 70], [33, 20, 10, 4, 2, 0, 0, 0])
    assert [row.discrete for row in table] == [11, 0, 56, 0, 68, 0, 70, 70]
    assert [row.atp for row in table] == [11, 11, 67, 67, 135, 135, 205, 275]


def test_the_cumulative_table_of_jd_edwards() -> None:
    """Oracle JD Edwards EnterpriseOne 9.2, Cumulative Available to Promise Calculation (CATP row)."""
    table = by_period(80, [0, 0, 60, 0, 0, 60, 0, 0], [30, 25, 30, 10, 0, 35, 0, 0])
    assert [row.atp for row in table] == [25, 25, 45, 45, 45, 70, 70, 70]
    assert [row.discrete for row in table if row.discrete] == [25, 20, 25]


def test_the_backward_consumption_table_of_oracle_inventory() -> None:
    """Oracle Inventory, ATP with Backward Consumption and Accumulation: supply 6 4 2 4 8 4 4 4, demand 6 2 3 6 6 1 2 2.

    The published row "Projected QOH" is ours. Oracle then forgets the shortage of period 4 (its row ends at 9);
    a unit that is owed is still owed afterwards, so ours ends at 8, which is what will be on the shelf.
    """
    table = by_period(0, [6, 4, 2, 4, 8, 4, 4, 4], [6, 2, 3, 6, 6, 1, 2, 2])
    assert [row.projected for row in table] == [0, 2, 1, -1, 1, 4, 6, 8]
    assert [max(0, row.atp) for row in table] == [0, 0, 0, 0, 1, 4, 6, 8]


def test_the_delayed_purchase_order_of_dynamics() -> None:
    """Microsoft Dynamics 365, order promising: a receipt of 200 is three days late and now expected tomorrow,
    an order of 75 should have left yesterday, 100 more come in 10 days. 0 today, 125 tomorrow; 150 in 10 days.
    """
    table = atp_table(
        today=TODAY,
        on_hand=0,
        inbound=[Inbound(due=day(-3), quantity=200), Inbound(due=day(10), quantity=100)],
        demand=[Demand(due=day(-1), quantity=75)],
        past_due=PastDue(policy="delay", delay_days=1),
    )
    assert [atp_on(table, day(n)) for n in (0, 1, 9, 10)] == [0, 125, 125, 225]
    assert earliest(table, 150) == day(10)


def test_a_promise_for_tomorrow_does_not_eat_what_next_week_is_owed() -> None:
    table = atp_table(today=TODAY, on_hand=10, demand=[Demand(due=day(7), quantity=8)])
    assert atp_on(table, day(1)) == 2


def test_supply_after_a_later_demand_does_not_help_before_it() -> None:
    late, owed = Inbound(due=day(3), quantity=50), Demand(due=day(2), quantity=8)
    table = atp_table(today=TODAY, on_hand=10, inbound=[late], demand=[owed])
    assert [(row.day, row.atp) for row in table] == [(day(0), 2), (day(2), 2), (day(3), 52)]


@pytest.mark.parametrize(("percent", "counted"), [(100, 7), (50, 3), (99, 6), (0, 0)])
def test_inbound_counts_at_its_declared_reliability_rounded_down(percent: int, counted: int) -> None:
    inbound = [Inbound(due=day(2), quantity=7, reliability_percent=percent)]
    assert atp_on(atp_table(today=TODAY, on_hand=0, inbound=inbound), day(2)) == counted


@pytest.mark.parametrize(
    ("past_due", "expected"),
    [
        (PastDue(), [0, 0, 0]),
        (PastDue(policy="today"), [5, 5, 5]),
        (PastDue(policy="delay", delay_days=2), [0, 0, 5]),
    ],
)
def test_supply_that_is_past_due_counts_as_the_policy_says(past_due: PastDue, expected: list[int]) -> None:
    table = atp_table(today=TODAY, on_hand=0, inbound=[Inbound(due=day(-9), quantity=5)], past_due=past_due)
    assert [atp_on(table, day(n)) for n in (0, 1, 2)] == expected


def test_supply_of_today_serves_demand_of_today() -> None:
    table = by_period(0, [5], [5])
    assert (len(table), table[0].atp) == (1, 0)


def test_an_uncovered_promise_shows_as_a_negative_row_and_as_nothing_to_promise() -> None:
    table = by_period(1, [0], [4])
    assert (table[0].atp, atp_on(table, TODAY)) == (-3, 0)


def test_a_day_before_or_after_the_table_is_answered_by_its_nearest_row() -> None:
    table = by_period(3, [0, 4], [0, 0])
    assert [atp_on(table, day(n)) for n in (-5, 400)] == [3, 7]


def test_no_day_is_promised_for_more_than_will_ever_be_there() -> None:
    assert earliest(by_period(3, [0, 4], [0, 0]), 8) is None


FLOWS = st.lists(st.tuples(st.integers(-3, 12), st.integers(0, 20)), max_size=6)


def table_of(on_hand: int, supply: list[tuple[int, int]], demand: list[tuple[int, int]]) -> tuple[AtpRow, ...]:
    return atp_table(
        today=TODAY,
        on_hand=on_hand,
        inbound=[Inbound(due=day(n), quantity=quantity) for n, quantity in supply],
        demand=[Demand(due=day(n), quantity=quantity) for n, quantity in demand],
        past_due=PastDue(policy="today"),
    )


@given(st.integers(-10, 30), FLOWS, FLOWS, st.integers(0, 14))
def test_it_is_the_minimum_of_the_projection_from_that_day_on(
    on_hand: int, supply: list[tuple[int, int]], demand: list[tuple[int, int]], at: int
) -> None:
    def projected(t: int) -> int:
        return on_hand + sum(q for n, q in supply if n <= t) - sum(q for n, q in demand if n <= t)

    expected = max(0, min(projected(t) for t in range(at, 20)))
    assert atp_on(table_of(on_hand, supply, demand), day(at)) == expected


@given(st.integers(0, 30), FLOWS, FLOWS, st.integers(0, 14))
def test_a_promise_within_the_number_makes_no_other_day_short(
    on_hand: int, supply: list[tuple[int, int]], demand: list[tuple[int, int]], at: int
) -> None:
    promised = atp_on(table_of(on_hand, supply, demand), day(at))
    after = table_of(on_hand, supply, [*demand, (at, promised)])
    assert promised == 0 or all(row.projected >= 0 for row in after if row.day >= day(at))


@given(st.integers(0, 30), FLOWS, FLOWS, st.integers(0, 12), st.integers(1, 9))
def test_more_supply_never_lowers_a_number_and_later_days_never_promise_less(
    on_hand: int, supply: list[tuple[int, int]], demand: list[tuple[int, int]], at: int, more: int
) -> None:
    before, after = table_of(on_hand, supply, demand), table_of(on_hand, [*supply, (at, more)], demand)
    levels = [atp_on(after, day(n)) for n in range(15)]
    assert all(level >= atp_on(before, day(n)) for n, level in enumerate(levels))
    assert levels == sorted(levels)
    assert sum(row.discrete for row in after) == after[-1].projected
