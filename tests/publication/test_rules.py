"""The rules of publishing, without a store: risk, decisions, caps, shares, horizons, fallbacks, findings."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.domain import risk
from onhand.domain.availability import Pool, ats
from onhand.domain.channel_stock import Figure, Summand
from onhand.domain.endpoint import Cost, Daily, Limits, Rate, Sliding
from onhand.domain.fallback import FRESH, Stage, lessened, stage
from onhand.domain.publication import (
    NOTHING,
    Allowance,
    Look,
    Standing,
    Verdict,
    decide,
    horizon,
    judge,
    retry_s,
    sellable_of,
    split,
)
from onhand.domain.publishing import Fallback, Margins, Publishing
from tests.publication.heard import Heard

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def policy(**fields: Any) -> Publishing:
    return Publishing(endpoint="e", **fields)


def standing(desired: int, shown: int | None, **fields: Any) -> Standing:
    return Standing(desired=desired, shown=shown, **fields)


# --- risk --------------------------------------------------------------------------------------------------------


def exact_tail(k: int, mean: Fraction) -> float:
    """P(D >= k) summed downwards from far out, in exact numbers but for e."""
    term = mean**k / math.factorial(k)
    total, number = Fraction(0), k
    while number < k + 150:
        total += term
        number += 1
        term *= mean / number
    return math.log(total) - float(mean)


@given(st.integers(0, 60), st.fractions(min_value=Fraction(1, 1_000), max_value=30, max_denominator=1_000))
def test_the_tail_is_that_of_poisson_and_certain_where_it_is_likely(k: int, mean: Fraction) -> None:
    found = risk.ln_tail(k, float(mean))
    if k <= mean:
        assert found == 0.0
    else:
        assert found == pytest.approx(min(0.0, exact_tail(k, mean)), abs=1e-9, rel=1e-9)


@given(st.integers(0, 10_000), st.floats(1e-6, 1e5))
def test_fewer_units_are_never_a_smaller_risk(k: int, mean: float) -> None:
    assert risk.ln_tail(k, mean) >= risk.ln_tail(k + 1, mean)


@given(st.integers(0, 1_000), st.integers(0, 1_000), st.floats(0, 1_000), st.integers(1, 10_000))
def test_an_oversell_costs_more_than_a_sale_that_is_missed(low: int, high: int, per_h: float, margin: int) -> None:
    if low == high:
        return
    low, high = sorted((low, high))
    over = risk.cost(desired=low, shown=high, per_h=per_h, wait_s=60, margin=margin)
    missed = risk.cost(desired=high, shown=low, per_h=per_h, wait_s=60, margin=margin)
    assert over > missed > risk.NO_RISK
    assert risk.rank(over) >= risk.rank(missed) > risk.REFRESH_RANK
    assert risk.cost(desired=low, shown=low, per_h=per_h, wait_s=60, margin=margin) == risk.NO_RISK


def test_velocity_halves_in_a_day_and_rises_only_with_what_goes() -> None:
    once = risk.learn(risk.Velocity(), before=10, after=4, now=NOW)
    later = risk.learn(once, before=4, after=50, now=NOW + timedelta(days=1))
    assert later.per_h == pytest.approx(once.per_h / 2)
    steady = risk.Velocity()
    for hour in range(24 * 20):
        steady = risk.learn(steady, before=3, after=1, now=NOW + timedelta(hours=hour))
    assert steady.per_h == pytest.approx(2, rel=0.05)


# --- decisions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "becomes"),
    [
        (standing(50, 50), NOTHING),
        (standing(50, 52), NOTHING),
        (standing(50, 60), Verdict("send", "normal")),
        (standing(50, None), Verdict("send", "normal")),
        (standing(4, 5), Verdict("send", "urgent")),
        (standing(5, 4), Verdict("send", "normal")),
        (standing(0, 50), Verdict("send", "urgent")),
        (standing(50, 0), Verdict("send", "normal")),
        (standing(50, 50, cause="refresh"), Verdict("send", "bulk")),
        (standing(50, 51, cause="refresh"), Verdict("send", "normal")),
        (standing(50, 51, cause="repair"), Verdict("send", "normal")),
        (standing(50, 50, cause="now"), Verdict("send", "normal")),
        (standing(50, 60, sent_at=NOW - timedelta(seconds=99)), Verdict("wait", until=NOW + timedelta(seconds=1))),
        (standing(50, 60, sent_at=NOW - timedelta(seconds=100)), Verdict("send", "normal")),
        (standing(4, 60, sent_at=NOW), Verdict("send", "urgent")),
        (standing(50, 60, awaits=True), NOTHING),
        (standing(50, 60, state="unlisted"), NOTHING),
        (standing(50, 60, state="stuck", cause="repair"), NOTHING),
    ],
)
def test_a_listing_is_told_now_later_or_not(at: Standing, becomes: Verdict) -> None:
    assert decide(at, policy(min_change=5, interval_s=100), now=NOW) == becomes


def allowance(cap: int, used: int, day_left: float) -> Allowance:
    return Allowance(cap=cap, used=used, day_left=day_left, next_day=NOW + timedelta(days=day_left))


@given(st.integers(1, 300), st.integers(0, 301), st.floats(0.001, 1), st.integers(0, 100), st.booleans())
def test_a_cap_is_never_exceeded_and_waiting_ends(cap: int, used: int, left: float, kept: int, scarce: bool) -> None:
    at = standing(3 if scarce else 500, 600)
    day = allowance(cap, used, left)
    found = decide(at, policy(reserve_percent=kept), now=NOW, allowance=day)
    if used >= cap:
        assert found == Verdict("wait", until=day.next_day)
    if found.act == "wait":
        assert found.until is not None
        assert NOW < found.until <= max(day.next_day, NOW + timedelta(seconds=1))


@given(st.integers(2, 300), st.integers(0, 299), st.floats(0.01, 1), st.integers(1, 100))
def test_after_the_wait_it_may_be_told(cap: int, used: int, left: float, kept: int) -> None:
    at, day = standing(500, 600), allowance(cap, min(used, cap - 1), left)
    found = decide(at, policy(reserve_percent=kept), now=NOW, allowance=day)
    if found.act != "wait":
        return
    assert found.until is not None
    rest = max(0.0, (day.next_day - found.until).total_seconds() / 86_400)
    again = allowance(cap, day.used, rest)
    assert decide(at, policy(reserve_percent=kept), now=found.until, allowance=again).act == "send"


def test_scarce_items_use_what_was_kept_and_the_last_one_is_for_nought() -> None:
    plenty, few, none = standing(500, 600), standing(3, 9), standing(0, 9)
    keep = policy(reserve_percent=50)

    def act(at: Standing, used: int) -> str:
        return decide(at, keep, now=NOW, allowance=allowance(10, used, 1.0)).act

    assert [act(plenty, used) for used in (0, 4, 5, 9)] == ["send", "send", "wait", "wait"]
    assert [act(few, used) for used in (0, 8, 9)] == ["send", "send", "wait"]
    assert [act(none, used) for used in (9, 10)] == ["send", "wait"]


def test_retries_rest_longer_each_time_and_not_for_ever() -> None:
    assert [retry_s(failures) for failures in (0, 1, 2, 3, 50)] == [60, 60, 120, 240, 21_600]


# --- shares and horizons -----------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=5), st.integers(0, 300),
    st.integers(1, 12),
)  # fmt: skip
def test_shares_of_locations_never_sum_to_more_than_the_figure(
    places: list[tuple[int, int]], withheld: int, unit: int
) -> None:
    summands = []
    for number, (has, taken) in enumerate(places, 1):
        summands += [Summand("on_hand", has, number), Summand("reserved", -min(has, taken), number)]
    total = sum(one.quantity for one in summands)
    kept = min(total, withheld)
    figure = Figure(total - kept, kept, (*summands, Summand("safety_stock", -kept)))
    sites = list(range(1, len(places) + 1))
    shares = split(figure, sites, unit=unit)
    assert sum(shares.values()) <= figure.quantity
    assert all(share >= 0 and share % unit == 0 for share in shares.values())
    assert all(share <= has - min(has, taken) for share, (has, taken) in zip(shares.values(), places, strict=True))
    if unit == 1:
        assert sum(shares.values()) == figure.quantity


@given(
    st.lists(st.tuples(st.integers(-50, 500), st.integers(0, 90)), max_size=4), st.integers(0, 200),
    st.none() | st.integers(0, 300), st.integers(1, 12),
)  # fmt: skip
def test_a_number_from_a_shared_sum_is_that_of_availability(
    places: list[tuple[int, int]], safety: int, most: int | None, unit: int
) -> None:
    pools = [Pool(1, number, has, taken) for number, (has, taken) in enumerate(places)]
    whole = ats(pools, safety=safety, max_listed=most, selling_unit=unit).quantity
    assert sellable_of(ats(pools).quantity, safety=safety, max_listed=most, selling_unit=unit) == whole


def test_safety_stock_is_kept_where_orders_go_last_and_a_service_stands_anywhere() -> None:
    figure = Figure(12, 3, (Summand("on_hand", 10, 1), Summand("on_hand", 5, 2), Summand("safety_stock", -3)))
    assert split(figure, [1, 2]) == {1: 10, 2: 2}
    assert split(figure, [2, 1]) == {2: 5, 1: 7}
    assert split(Figure(9, 0, (Summand("not_stocked", 9),)), [1, 2]) == {1: 9, 2: 0}


@pytest.mark.parametrize(
    ("limits", "quota", "expected"),
    [
        (Limits(), None, 2_000),
        (Limits(rates=(Rate(calls_per_s=2, burst=100),)), None, 200),
        (Limits(rates=(Rate(calls_per_s=2),), sliding=(Sliding(calls=60, in_s=600),)), None, 10),
        (Limits(rates=(Rate(calls_per_s=0.0056),)), None, 10),
        (Limits(), Limits(rates=(Rate(calls_per_s=6),)), 300),
        (Limits(cost=Cost(capacity=1_000, restore_per_s=10, per_call=10)), None, 100),
        (Limits(daily=Daily(calls=3)), None, 30),
        (Limits(daily=Daily(calls=3, per_key=True)), None, 2_000),
    ],
)
def test_the_horizon_is_what_ten_seconds_can_send(limits: Limits, quota: Limits | None, expected: int) -> None:
    assert horizon(limits, quota, batch=10, share=2, seconds=10.0, most=2_000) == expected


# --- fallback ----------------------------------------------------------------------------------------------------

STALE = {"wms": Heard(NOW - timedelta(hours=3), NOW - timedelta(hours=2))}


def test_a_stale_source_shrinks_and_then_empties_and_a_fresh_one_does_nothing() -> None:
    contract = Fallback(sources=("wms", "erp"), shrink_after_s=3_600, factor_percent=50, zero_after_s=10_800)
    assert stage(contract, {}, now=NOW) == FRESH
    assert stage(contract, {"wms": Heard(NOW)}, now=NOW) == FRESH
    assert stage(contract, STALE, now=NOW - timedelta(hours=1.5)) == FRESH
    assert stage(contract, STALE, now=NOW).kind == "shrink"
    assert lessened(7, stage(contract, STALE, now=NOW), per_h=0) == 3
    both = {**STALE, "erp": Heard(None, NOW - timedelta(hours=5))}
    found = stage(contract, both, now=NOW)
    assert (found.kind, found.source, lessened(7, found, per_h=0)) == ("zero", "erp", 0)


def test_last_known_minus_velocity_falls_with_the_silence() -> None:
    contract = Fallback(sources=("wms",), mode="last_known_minus_velocity", shrink_after_s=60)
    found = stage(contract, STALE, now=NOW)
    assert found.age_s == 3 * 3_600
    assert lessened(20, found, per_h=2.5) == 12
    assert lessened(5, found, per_h=2.5) == 0
    assert stage(contract, STALE, now=NOW + timedelta(seconds=1)).age_s == 3 * 3_600 + 60


def test_the_mode_zero_changes_nothing_until_its_time() -> None:
    contract = Fallback(sources=("wms",), mode="zero", shrink_after_s=1, zero_after_s=7_201)
    assert stage(contract, STALE, now=NOW) == FRESH
    assert stage(contract, STALE, now=NOW + timedelta(seconds=1)).kind == "zero"


@given(st.integers(0, 10_000), st.sampled_from(["shrink", "velocity", "zero"]), st.integers(0, 100), st.floats(0, 50))
def test_a_fallback_never_shows_more(number: int, kind: Any, percent: int, per_h: float) -> None:
    at = Stage(kind=kind, percent=percent, age_s=600)
    assert 0 <= lessened(number, at, per_h=per_h) <= number


# --- looking -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("look", "lag_s", "what"),
    [
        (Look(shown=None, told=5, desired=5), 0, "unlisted"),
        (Look(shown=5, told=5, desired=7), 0, "in_step"),
        (Look(shown=7, told=5, desired=7), 0, "in_step"),
        (Look(shown=6, told=5, desired=7), 0, "drift"),
        (Look(shown=6, told=5, desired=7, stubborn=2), 0, "stuck"),
        (Look(shown=4, told=5, desired=7), 60, "sold"),
        (Look(shown=4, told=5, desired=3), 60, "in_step"),
        (Look(shown=6, told=5, desired=7), 60, "drift"),
        (Look(shown=4, told=5, desired=7, why="sold"), 60, "drift"),
        (Look(shown=4, told=5, desired=7, why="conflict", stubborn=2), 0, "in_step"),
        (Look(shown=4, told=None, desired=7), 0, "in_step"),
    ],
)
def test_what_a_look_means(look: Look, lag_s: int, what: str) -> None:
    assert judge(look, policy(order_lag_s=lag_s)).what == what


def test_margins_go_by_sku_then_category() -> None:
    margins = Margins(default=1, by_category={"tea": 5}, by_sku={"A": 9})
    assert margins.of(sku="A", category="tea") == 9
    assert margins.of(sku="B", category="tea") == 5
    assert margins.of(sku="B", category=None) == 1
