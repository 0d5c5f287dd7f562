"""The number on a channel: every term of it, the published examples, and the laws it obeys."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from onhand.domain.availability import Fence, Pool, Term, ats, attribute_safety, available, free, sellable

EAST, WEST = 1, 2
GROUP, OTHERS = 7, 8


def test_available_is_on_hand_less_allocated_less_reserved() -> None:
    assert available(Pool(1, EAST, 10, reserved=2, allocated=3)) == 5


def test_free_for_anybody_is_available_less_everything_fenced() -> None:
    assert free(Pool(1, EAST, 10, reserved=2, allocated=3, fenced=4)) == 1


def test_safety_stock_is_withheld_after_demand() -> None:
    """On hand 4, safety 2, demand 3 leave 0 available and 1 withheld (IBM, Calculating availability, example 1)."""
    result = ats([Pool(1, EAST, 4, reserved=3)], safety=2)
    assert (result.quantity, result.withheld) == (0, 1)


def test_safety_stock_is_withheld_from_a_full_shelf() -> None:
    """On hand 10, safety 2 leave 8 (IBM, Item-based safety stock, Medium T-shirt at Matrix-Store-001)."""
    assert ats([Pool(1, EAST, 10)], safety=2).quantity == 8


def test_the_same_store_after_eight_are_sold_shows_none() -> None:
    """10 - 8 leave 2, all of it safety stock (IBM, Item-based safety stock, after the first customer)."""
    result = ats([Pool(1, EAST, 2)], safety=2)
    assert (result.quantity, result.withheld) == (0, 2)


def test_a_channel_sums_its_locations() -> None:
    assert ats([Pool(1, EAST, 4), Pool(1, WEST, 5)]).quantity == 9


def test_what_is_fenced_for_another_group_is_not_shown() -> None:
    pools = [Pool(1, EAST, 10, fenced=6)]
    fences = [Fence(1, EAST, OTHERS, 6)]
    assert ats(pools, fences, group=GROUP).quantity == 4
    assert ats(pools, fences).quantity == 4


def test_the_group_sees_its_own_fence_and_what_is_free_besides() -> None:
    assert ats([Pool(1, EAST, 10, fenced=6)], [Fence(1, EAST, GROUP, 6)], group=GROUP).quantity == 10


def test_a_fence_sets_aside_only_what_is_not_used_up_yet() -> None:
    fences = [Fence(1, EAST, OTHERS, 6, consumed=4)]
    assert fences[0].unconsumed == 2
    assert ats([Pool(1, EAST, 10, reserved=4, fenced=2)], fences, group=GROUP).quantity == 4


def test_a_fence_used_beyond_its_quantity_gives_nothing_back() -> None:
    assert Fence(1, EAST, OTHERS, 6, consumed=9).unconsumed == 0


def test_a_fence_larger_than_the_stock_of_its_location_does_not_eat_another_location() -> None:
    pools = [Pool(1, EAST, 4, fenced=10), Pool(1, WEST, 5)]
    fences = [Fence(1, EAST, OTHERS, 10)]
    assert ats(pools, fences, group=GROUP).quantity == 5
    assert ats(pools, fences, group=OTHERS).quantity == 9


def test_a_location_with_more_promised_than_there_is_does_not_eat_another_location() -> None:
    assert ats([Pool(1, EAST, 2, reserved=5), Pool(1, WEST, 5)]).quantity == 5


def test_two_fences_that_exceed_the_stock_together_keep_it_from_each_other() -> None:
    pools = [Pool(1, EAST, 4, fenced=20)]
    fences = [Fence(1, EAST, GROUP, 10), Fence(1, EAST, OTHERS, 10)]
    assert (ats(pools, fences, group=GROUP).quantity, ats(pools, fences, group=OTHERS).quantity) == (0, 0)


def test_no_more_than_the_listing_limit_is_shown() -> None:
    result = ats([Pool(1, EAST, 50)], max_listed=20)
    assert (result.quantity, result.over_max) == (20, 30)


def test_whole_selling_units_only_counted_over_all_locations() -> None:
    result = ats([Pool(1, EAST, 7), Pool(1, WEST, 6)], selling_unit=12)
    assert (result.quantity, result.broken) == (12, 1)


def test_the_limit_is_floored_to_whole_selling_units_too() -> None:
    assert ats([Pool(1, EAST, 100)], max_listed=30, selling_unit=12).quantity == 24


def test_lots_that_are_too_old_are_not_shown() -> None:
    result = ats([Pool(1, EAST, 10), Pool(1, WEST, 5)], lot_limits={EAST: 4})
    assert result.quantity == 4
    assert [term.unfit_lots for term in result.terms] == [6, 5]


def test_every_term_of_the_number_is_told() -> None:
    result = ats(
        [Pool(1, EAST, 100, reserved=10, allocated=5, fenced=30)],
        [Fence(1, EAST, GROUP, 10), Fence(1, EAST, OTHERS, 20)],
        group=GROUP,
        safety=7,
        max_listed=50,
        selling_unit=12,
    )
    assert result.terms == (
        Term(location_id=EAST, on_hand=100, reserved=10, allocated=5, fenced_for_others=20, unfit_lots=0, reach=65),
    )
    assert (result.withheld, result.over_max, result.broken, result.quantity) == (7, 8, 2, 48)


def test_the_least_preferred_location_keeps_the_safety_stock_first() -> None:
    assert attribute_safety([10, 3, 4], 5) == [0, 1, 4]


def test_safety_stock_beyond_what_is_there_keeps_everything() -> None:
    assert attribute_safety([1, 2], 50) == [1, 2]


def test_what_a_kit_may_draw_on_is_the_reach_less_the_safety_stock_kept_there() -> None:
    terms = ats([Pool(1, EAST, 10), Pool(1, WEST, 4)]).terms
    assert sellable(terms, safety=6) == {EAST: 8, WEST: 0}


QUANTITY = st.integers(0, 30)


@st.composite
def shelves(draw: st.DrawFn) -> tuple[list[Pool], list[Fence]]:
    pools, fences = [], []
    for location in range(1, draw(st.integers(1, 4)) + 1):
        here = [
            Fence(1, location, g, draw(QUANTITY), draw(QUANTITY)) for g in draw(st.sets(st.sampled_from([7, 8, 9])))
        ]
        fences += here
        fenced = sum(fence.unconsumed for fence in here)
        pools.append(Pool(1, location, draw(st.integers(-5, 30)), draw(QUANTITY), draw(QUANTITY), fenced))
    return pools, fences


POLICY = st.fixed_dictionaries(
    {
        "group": st.sampled_from([0, 7, 8]),
        "safety": st.integers(0, 20),
        "max_listed": st.one_of(st.none(), st.integers(0, 40)),
        "selling_unit": st.integers(1, 6),
    }
)


@given(shelves(), POLICY)
def test_the_number_and_what_was_left_out_add_up_to_what_the_locations_have(
    shelf: tuple[list[Pool], list[Fence]], policy: dict[str, Any]
) -> None:
    result = ats(*shelf, **policy)
    parts = result.quantity + result.broken + result.over_max + result.withheld
    assert parts == sum(term.reach for term in result.terms)
    assert min(result.quantity, result.broken, result.over_max, result.withheld) >= 0
    assert result.quantity % policy["selling_unit"] == 0


@given(shelves(), POLICY, st.integers(0, 3), st.integers(1, 20))
def test_adding_stock_never_lowers_the_number(
    shelf: tuple[list[Pool], list[Fence]], policy: dict[str, Any], where: int, more: int
) -> None:
    pools, fences = shelf
    before = ats(pools, fences, **policy).quantity
    at = where % len(pools)
    pool = pools[at]
    richer = Pool(1, pool.location_id, pool.on_hand + more, pool.reserved, pool.allocated, pool.fenced)
    assert ats([*pools[:at], richer, *pools[at + 1 :]], fences, **policy).quantity >= before


@given(shelves(), POLICY, st.randoms(use_true_random=False))
def test_the_order_in_which_rows_are_read_makes_no_difference(
    shelf: tuple[list[Pool], list[Fence]], policy: dict[str, Any], random: Any
) -> None:
    pools, fences = shelf
    mixed_pools, mixed_fences = list(pools), list(fences)
    random.shuffle(mixed_pools)
    random.shuffle(mixed_fences)
    assert ats(mixed_pools, mixed_fences, **policy).quantity == ats(pools, fences, **policy).quantity


@given(st.lists(QUANTITY, max_size=5), st.integers(0, 60), st.data())
def test_safety_stock_is_kept_whole_and_taking_the_rest_does_not_move_it(
    reaches: list[int], safety: int, data: st.DataObject
) -> None:
    keeps = attribute_safety(reaches, safety)
    assert sum(keeps) == min(safety, sum(reaches))
    left = [reach - data.draw(st.integers(0, reach - keep)) for reach, keep in zip(reaches, keeps, strict=True)]
    assert attribute_safety(left, safety) == keeps
