"""In which order locations are tried."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.domain.reservation import Destination
from onhand.domain.sourcing import SETS_MIN, TRIES_MAX, Site, distance_m, rank, splits

VIENNA = Site(1, "VIENNA", priority=5, cost=30, latitude=48.21, longitude=16.37)
GRAZ = Site(2, "GRAZ", priority=5, cost=10, latitude=47.07, longitude=15.44)
LINZ = Site(3, "LINZ", priority=1)
ALL = (VIENNA, GRAZ, LINZ)


def codes(sites: tuple[Site, ...]) -> list[str]:
    return [site.code for site in sites]


def test_the_published_distance_from_nashville_to_los_angeles() -> None:
    """36.12 N 86.67 W to 33.94 N 118.40 W is 2886.444 km on a sphere of 6371 km (Rosetta Code, Haversine formula)."""
    assert distance_m(a=(36.12, -86.67), b=(33.94, -118.40)) == 2_886_444


def test_the_far_side_of_the_earth_is_half_a_circle_away() -> None:
    assert distance_m(a=(0, 0), b=(0, 180)) == 20_015_087


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (("priority", "cost"), ["LINZ", "GRAZ", "VIENNA"]),
        (("cost", "priority"), ["GRAZ", "VIENNA", "LINZ"]),
        (("nearest", "priority"), ["VIENNA", "GRAZ", "LINZ"]),
        (("single_location",), ["VIENNA", "GRAZ", "LINZ"]),
    ],
)
def test_the_first_rule_decides_and_the_next_breaks_its_ties(rules: tuple[str, ...], expected: list[str]) -> None:
    near_vienna = Destination(latitude=48.1, longitude=16.5)
    assert codes(rank(ALL, rules, near_vienna)) == expected


def test_without_a_destination_nearest_says_nothing() -> None:
    assert codes(rank(ALL, ("nearest", "cost"))) == ["GRAZ", "VIENNA", "LINZ"]


def test_a_location_without_coordinates_or_cost_comes_last() -> None:
    assert codes(rank(ALL, ("nearest",), Destination(latitude=48.3, longitude=14.3)))[-1] == "LINZ"
    assert codes(rank(ALL, ("cost",)))[-1] == "LINZ"


def test_without_a_limit_an_order_may_come_from_everywhere() -> None:
    assert [codes(sites) for sites in splits(ALL, None)] == [["VIENNA", "GRAZ", "LINZ"]]


def test_with_a_limit_fewer_locations_are_tried_before_more() -> None:
    assert [codes(sites) for sites in splits(ALL, 2)] == [
        ["VIENNA"],
        ["GRAZ"],
        ["LINZ"],
        ["VIENNA", "GRAZ"],
        ["VIENNA", "LINZ"],
        ["GRAZ", "LINZ"],
    ]


def test_the_number_of_sets_tried_is_bounded() -> None:
    many = tuple(Site(n, f"L{n}") for n in range(60))
    assert comb(60, 5) > TRIES_MAX
    assert sum(1 for _ in splits(many, 5)) == TRIES_MAX
    assert sum(1 for _ in splits(many, 5, lines=4)) == TRIES_MAX // 4
    assert sum(1 for _ in splits(many, 5, lines=1_000)) == SETS_MIN


@given(st.permutations(ALL))
def test_a_full_order_does_not_depend_on_the_order_of_declaration(declared: list[Site]) -> None:
    assert codes(rank(declared, ("cost",))) == ["GRAZ", "VIENNA", "LINZ"]


POINT = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(POINT, POINT)
def test_a_distance_is_the_same_there_and_back_and_never_beyond_half_the_earth(
    a: tuple[float, float], b: tuple[float, float]
) -> None:
    assert 0 <= distance_m(a=a, b=b) <= 20_015_087
    assert abs(distance_m(a=a, b=b) - distance_m(a=b, b=a)) <= 1
