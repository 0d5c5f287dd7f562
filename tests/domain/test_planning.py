"""Planning, rule by rule: what a request gets, from where, and what it is told."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from onhand.domain.claiming import Claim, decide_claims
from onhand.domain.errors import OnhandError
from onhand.domain.item import Component, Item
from onhand.domain.kit import UnknownItem
from onhand.domain.planning import Plan, Shortfall, ShortLine, plan, plan_batch
from onhand.domain.quantity import InexactUnit, QuantityOutOfRange, Units, UnknownUnit
from onhand.domain.reservation import Destination, InvalidRequest
from onhand.domain.resolving import BrokenSellingUnit, ItemBlocked, LocationNotServed, UnknownChannel
from onhand.domain.snapshot import Snapshot
from onhand.domain.sourcing import Site
from tests.domain.promise_worlds import OTHER_GROUP, TODAY, WEB_GROUP, ask, granted, parts, sources, world

CARTONS = Item(id=1, sku="A", units=Units("each", {"carton": 12}), selling_uom="carton")
YOGHURT = Item(id=1, sku="A", lot_tracked=True)
SET = Item(id=50, sku="SET", kind="kit", components=(Component("NUT", 2), Component("BOLT", 1)))
DAY = datetime.timedelta(days=1)


def planned(snapshot: Snapshot, *lines: tuple[Any, ...], **fields: Any) -> Plan:
    result = plan(snapshot, ask(*lines, **fields))
    assert isinstance(result, Plan)
    return result


def missing(snapshot: Snapshot, *lines: tuple[Any, ...], **fields: Any) -> list[tuple[str, int, int]]:
    result = plan(snapshot, ask(*lines, **fields))
    assert isinstance(result, Shortfall)
    return [(line.sku, line.available, line.short) for line in result.lines]


# --- modes ------------------------------------------------------------------------------------------------------


def test_a_plain_line_becomes_one_claim_on_one_row() -> None:
    result = planned(world({"A": {"EAST": 5}}), ("A", 3))
    assert result.claims == (Claim(100, 1, 0, 3, line=0),)
    assert (result.state, sources(result)) == ("granted", [("EAST", 3)])


def test_mode_all_refuses_when_one_line_is_short_and_names_every_short_line() -> None:
    """Saleor told only the last of three lines that were out of stock; here each one is named."""
    snapshot = world({"A": {"EAST": 1}, "B": {"EAST": 9}, "C": {"EAST": 0}})
    result = plan(snapshot, ask(("A", 3), ("B", 9), ("C", 2)))
    assert result == Shortfall((ShortLine("1", "A", 3, 1, 2), ShortLine("3", "C", 2, 0, 2)))


def test_mode_partial_grants_what_there_is() -> None:
    result = planned(world({"A": {"EAST": 1}, "B": {"EAST": 9}}), ("A", 3), ("B", 2), mode="partial")
    assert (result.state, granted(result), [line.backordered for line in result.lines]) == (
        "partly_granted",
        [1, 2],
        [0, 0],
    )


def test_mode_partial_refuses_when_there_is_nothing_at_all() -> None:
    assert missing(world({"A": {"EAST": 0}}), ("A", 3), mode="partial") == [("A", 0, 3)]


def test_mode_backorder_lets_the_rest_wait() -> None:
    result = planned(world({"A": {"EAST": 1}}), ("A", 3), mode="backorder")
    assert (result.state, granted(result), result.lines[0].backordered) == ("partly_granted", [1], 2)


def test_mode_backorder_waits_for_everything_when_there_is_nothing() -> None:
    result = planned(world({"A": {"EAST": 0}}), ("A", 3), mode="backorder")
    assert (result.state, result.claims, result.lines[0].backordered) == ("backordered", (), 3)


def test_what_is_discontinued_is_sold_off_and_never_waited_for() -> None:
    last = Item(id=1, sku="A", status="discontinued")
    assert planned(world({"A": {"EAST": 1}}, items=[last]), ("A", 3), mode="backorder").lines[0].backordered == 0
    assert missing(world({"A": {"EAST": 0}}, items=[last]), ("A", 3), mode="backorder") == [("A", 0, 3)]


@pytest.mark.parametrize("where", ["channel", "request"])
def test_ship_complete_turns_partial_into_all(where: str) -> None:
    snapshot = world({"A": {"EAST": 1}}, ship_complete=where == "channel")
    assert missing(snapshot, ("A", 3), mode="partial", ship_complete=where == "request") == [("A", 1, 2)]


def test_a_service_is_granted_without_stock() -> None:
    snapshot = world({"A": {"EAST": 1}}, items=[Item(id=9, sku="FIT", kind="service")])
    result = planned(snapshot, ("FIT", 4), ("A", 1))
    assert (result.state, len(result.claims), sources(result)) == ("granted", 1, [])


# --- the same units wanted twice --------------------------------------------------------------------------------


def test_the_same_sku_on_two_lines_of_one_request_adds_up() -> None:
    """Two lines of 6 from 10 were both accepted by Medusa (16502), Vendure (2702) and InvenTree (7285)."""
    snapshot = world({"A": {"EAST": 10}})
    assert missing(snapshot, ("A", 6), ("A", 6)) == [("A", 4, 2)]
    assert granted(planned(snapshot, ("A", 6), ("A", 4))) == [6, 4]


def test_a_kit_and_its_part_in_one_order_share_the_same_units() -> None:
    snapshot = world({"NUT": {"EAST": 5}, "BOLT": {"EAST": 9}}, items=[SET])
    assert granted(planned(snapshot, ("SET", 2), ("NUT", 1))) == [2, 1]
    assert missing(snapshot, ("SET", 2), ("NUT", 2)) == [("NUT", 1, 1)]


def test_later_requests_of_a_batch_see_what_earlier_ones_took() -> None:
    snapshot = world({"A": {"EAST": 5}})
    first, second, third = plan_batch(snapshot, [ask(("A", 3)), ask(("A", 3)), ask(("A", 2))])
    assert isinstance(second, Shortfall)
    assert (granted(first), second.lines[0].available, granted(third)) == ([3], 2, [2])


def test_a_refused_request_takes_nothing_from_the_ones_after_it() -> None:
    snapshot = world({"A": {"EAST": 5}, "B": {"EAST": 0}})
    refused, second = plan_batch(snapshot, [ask(("A", 5), ("B", 1)), ask(("A", 5))])
    assert isinstance(refused, Shortfall)
    assert granted(second) == [5]


def test_one_request_that_makes_no_sense_does_not_spoil_the_batch() -> None:
    snapshot = world({"A": {"EAST": 5}})
    bad, good = plan_batch(snapshot, [ask(("GHOST", 1)), ask(("A", 5))])
    assert isinstance(bad, UnknownItem)
    assert granted(good) == [5]


# --- sourcing ---------------------------------------------------------------------------------------------------


def test_one_location_that_serves_the_whole_order_goes_before_a_nearer_mix() -> None:
    snapshot = world({"A": {"EAST": 9, "WEST": 9}, "B": {"EAST": 0, "WEST": 9}})
    result = planned(snapshot, ("A", 1), ("B", 1))
    assert [sources(result, n) for n in (0, 1)] == [[("WEST", 1)], [("WEST", 1)]]
    assert result.lines[0].why[0].startswith("single_location: WEST")


def test_without_that_rule_each_line_comes_from_the_preferred_location() -> None:
    snapshot = world({"A": {"EAST": 9, "WEST": 9}, "B": {"EAST": 0, "WEST": 9}}, sourcing=("priority",))
    result = planned(snapshot, ("A", 1), ("B", 1))
    assert [sources(result, n) for n in (0, 1)] == [[("EAST", 1)], [("WEST", 1)]]


def test_when_no_location_has_it_all_the_order_is_split_in_order_of_preference() -> None:
    sites = (Site(1, "EAST", priority=9), Site(2, "WEST", priority=1))
    result = planned(world({"A": {"EAST": 5, "WEST": 4}}, sites=sites), ("A", 6))
    assert sources(result) == [("WEST", 4), ("EAST", 2)]
    assert result.lines[0].why == ("priority: taken in the order WEST, EAST",)


def test_the_nearest_location_is_tried_first_when_the_destination_is_known() -> None:
    sites = (Site(1, "VIENNA", latitude=48.2, longitude=16.4), Site(2, "LYON", latitude=45.8, longitude=4.8))
    snapshot = world({"A": {"VIENNA": 5, "LYON": 5}}, sites=sites, sourcing=("single_location", "nearest"))
    paris = Destination(latitude=48.9, longitude=2.4)
    assert sources(planned(snapshot, ("A", 1), ship_to=paris)) == [("LYON", 1)]
    assert sources(planned(snapshot, ("A", 1))) == [("VIENNA", 1)]


def test_a_split_limit_leaves_the_order_short_rather_than_in_too_many_parcels() -> None:
    stock = {"A": {"EAST": 3, "WEST": 3, "NORTH": 3}}
    assert missing(world(stock, max_splits=2), ("A", 7)) == [("A", 6, 1)]
    assert granted(planned(world(stock), ("A", 7))) == [7]


def test_under_a_split_limit_the_set_that_serves_the_whole_order_is_found() -> None:
    stock = {"A": {"EAST": 1, "WEST": 4, "NORTH": 5}}
    result = planned(world(stock, max_splits=2), ("A", 9))
    assert sources(result) == [("WEST", 4), ("NORTH", 5)]
    assert result.lines[0].why == ("max_splits: at most 2 locations, chosen: WEST, NORTH",)


def test_under_a_split_limit_partial_takes_the_set_that_gives_most() -> None:
    stock = {"A": {"EAST": 1, "WEST": 4, "NORTH": 5}}
    assert granted(planned(world(stock, max_splits=1), ("A", 9), mode="partial")) == [5]


def test_among_sets_that_give_the_same_the_preferred_one_is_taken() -> None:
    stock = {"A": {"EAST": 4, "WEST": 4}}
    assert sources(planned(world(stock, max_splits=1), ("A", 9), mode="partial")) == [("EAST", 4)]


def test_a_line_that_names_a_location_uses_only_that() -> None:
    snapshot = world({"A": {"EAST": 9, "WEST": 2}})
    assert sources(planned(snapshot, ("A", 2, {"location": "WEST"}))) == [("WEST", 2)]
    assert missing(snapshot, ("A", 3, {"location": "WEST"})) == [("A", 2, 1)]


def test_a_line_that_names_a_group_uses_only_the_group_s_locations() -> None:
    snapshot = world({"A": {"EAST": 9, "WEST": 2, "NORTH": 1}}, groups={"shops": ("WEST", "NORTH")})
    assert sources(planned(snapshot, ("A", 3, {"group": "shops"}))) == [("WEST", 2), ("NORTH", 1)]
    assert missing(snapshot, ("A", 4, {"group": "shops"})) == [("A", 3, 1)]


def test_a_shortage_is_explained_with_what_the_safety_stock_withholds() -> None:
    snapshot = world({"A": {"EAST": 5}}, safety={"A": 2})
    why = planned(snapshot, ("A", 5), mode="partial").lines[0].why
    assert why[-2:] == ("short: 2 of 5 are not there", "safety_stock: 2 withheld from carts")


# --- units ------------------------------------------------------------------------------------------------------


def test_a_line_in_cartons_is_granted_in_base_units() -> None:
    assert granted(planned(world({"A": {"EAST": 30}}, items=[CARTONS]), ("A", 2, {"uom": "carton"}))) == [24]


def test_only_whole_selling_units_are_granted_where_the_channel_says_so() -> None:
    snapshot = world({"A": {"EAST": 30}}, items=[CARTONS], floor_to_selling_unit=True)
    assert granted(planned(snapshot, ("A", 36), mode="partial")) == [24]
    assert granted(planned(world({"A": {"EAST": 30}}, items=[CARTONS]), ("A", 36), mode="partial")) == [30]


def test_a_broken_selling_unit_is_refused_before_stock_is_looked_at() -> None:
    snapshot = world({"A": {"EAST": 30}}, items=[CARTONS], floor_to_selling_unit=True)
    with pytest.raises(BrokenSellingUnit):
        plan(snapshot, ask(("A", 5)))


def test_whole_cartons_leave_each_location_and_only_the_last_is_made_up_from_remainders() -> None:
    snapshot = world({"A": {"EAST": 19, "WEST": 17}}, items=[CARTONS], floor_to_selling_unit=True)
    assert sources(planned(snapshot, ("A", 24))) == [("EAST", 12), ("WEST", 12)]
    assert sources(planned(snapshot, ("A", 36))) == [("EAST", 19), ("WEST", 17)]


# --- safety stock and fences ------------------------------------------------------------------------------------


def test_a_cart_leaves_the_safety_stock_and_an_order_may_take_it() -> None:
    snapshot = world({"A": {"EAST": 4}}, safety={"A": 2})
    assert missing(snapshot, ("A", 3)) == [("A", 2, 1)]
    assert planned(snapshot, ("A", 2)).claims[0].keep == 2
    order = planned(snapshot, ("A", 4), commitment="order")
    assert (granted(order), order.claims[0].keep) == ([4], 0)


def test_an_order_of_several_lines_may_take_the_safety_stock_too() -> None:
    snapshot = world({"A": {"EAST": 4}}, safety={"A": 2})
    assert granted(planned(snapshot, ("A", 2), ("A", 2), commitment="order")) == [2, 2]


@pytest.mark.parametrize("shortcuts", [True, False])
def test_safety_stock_inside_the_own_fence_is_left_alone_without_asking_the_row_for_it(shortcuts: bool) -> None:
    snapshot = world({"A": {"EAST": 10}}, fences={(WEB_GROUP, "A", "EAST"): 10}, group_id=WEB_GROUP, safety={"A": 2})
    taken, beyond = plan_batch(snapshot, [ask(("A", 8)), ask(("A", 1))], shortcuts=shortcuts)
    assert isinstance(taken, Plan)
    assert isinstance(beyond, Shortfall)
    assert taken.claims == (Claim(100, 1, 0, 8, WEB_GROUP, 8),)
    assert decide_claims(dict(snapshot.free), dict(snapshot.unconsumed), [taken.claims]) == [True]


def test_safety_stock_lies_at_the_least_preferred_location() -> None:
    snapshot = world({"A": {"EAST": 5, "WEST": 5}}, safety={"A": 3})
    result = planned(snapshot, ("A", 7))
    assert sources(result) == [("EAST", 5), ("WEST", 2)]
    assert [claim.keep for claim in result.claims] == [0, 3]


def test_safety_stock_stays_where_it_is_when_an_order_goes_the_other_way_round() -> None:
    sites = (Site(1, "VIENNA", latitude=48.2, longitude=16.4), Site(2, "LYON", latitude=45.8, longitude=4.8))
    snapshot = world({"A": {"VIENNA": 5, "LYON": 5}}, sites=sites, sourcing=("nearest",), safety={"A": 3})
    lyon = Destination(latitude=45.8, longitude=4.8)
    assert sources(planned(snapshot, ("A", 5), ship_to=lyon)) == [("LYON", 2), ("VIENNA", 3)]


def test_what_is_fenced_for_others_is_not_taken() -> None:
    snapshot = world({"A": {"EAST": 10}}, fences={(OTHER_GROUP, "A", "EAST"): 7}, group_id=WEB_GROUP)
    assert missing(snapshot, ("A", 4)) == [("A", 3, 1)]


def test_the_own_fence_is_used_up_first() -> None:
    snapshot = world({"A": {"EAST": 10}}, fences={(WEB_GROUP, "A", "EAST"): 4}, group_id=WEB_GROUP)
    assert planned(snapshot, ("A", 3)).claims[0] == Claim(100, 1, 0, 3, WEB_GROUP, 3)
    assert planned(snapshot, ("A", 6)).claims[0] == Claim(100, 1, 0, 6, WEB_GROUP, 4)


def test_the_part_of_a_fence_that_no_stock_stands_behind_lapses_with_the_first_taking() -> None:
    snapshot = world({"A": {"EAST": 4}}, fences={(WEB_GROUP, "A", "EAST"): 10}, group_id=WEB_GROUP)
    first, second = plan_batch(snapshot, [ask(("A", 1)), ask(("A", 3))])
    assert isinstance(first, Plan)
    assert isinstance(second, Plan)
    assert first.claims[0] == Claim(100, 1, 0, 1, WEB_GROUP, 7)
    assert second.claims[0] == Claim(100, 1, 0, 3, WEB_GROUP, 3)


def test_a_location_whose_fences_exceed_its_stock_is_tried_in_its_turn() -> None:
    fences = {(WEB_GROUP, "A", "EAST"): 10}
    snapshot = world({"A": {"EAST": 4, "WEST": 9}}, fences=fences, group_id=WEB_GROUP)
    assert sources(planned(snapshot, ("A", 3))) == [("EAST", 3)]


# --- lots -------------------------------------------------------------------------------------------------------

LOTS = {("A", "EAST"): [("OLD", TODAY + 5 * DAY, 4), ("NEW", TODAY + 90 * DAY, 4), ("MID", TODAY + 30 * DAY, 4)]}


def lots_of(result: Plan) -> list[tuple[str | None, int]]:
    return [(source.lot, source.quantity) for source in result.lines[0].sources]


def test_the_lot_that_expires_first_leaves_first_and_the_claims_name_the_lots() -> None:
    result = planned(world({"A": {"EAST": 12}}, items=[YOGHURT], lots=LOTS), ("A", 6))
    assert lots_of(result) == [("OLD", 4), ("MID", 2)]
    assert [(claim.lot_id, claim.quantity) for claim in result.claims] == [(101, 4), (301, 2)]


def test_a_lot_that_does_not_live_long_enough_is_left_out() -> None:
    snapshot = world({"A": {"EAST": 12}}, items=[YOGHURT], lots=LOTS, min_remaining_life_days=20)
    assert lots_of(planned(snapshot, ("A", 8))) == [("MID", 4), ("NEW", 4)]
    assert missing(snapshot, ("A", 9)) == [("A", 8, 1)]


def test_the_customer_s_remaining_life_and_the_ship_date_count() -> None:
    snapshot = world({"A": {"EAST": 12}}, items=[YOGHURT], lots=LOTS)
    assert lots_of(planned(snapshot, ("A", 2), min_remaining_life_days=31)) == [("NEW", 2)]
    assert lots_of(planned(snapshot, ("A", 2), ship_date=TODAY + 6 * DAY)) == [("MID", 2)]


def test_a_line_may_ask_for_an_expiry_or_for_one_lot() -> None:
    snapshot = world({"A": {"EAST": 12}}, items=[YOGHURT], lots=LOTS)
    assert lots_of(planned(snapshot, ("A", 2, {"min_expiry": TODAY + 31 * DAY}))) == [("NEW", 2)]
    assert lots_of(planned(snapshot, ("A", 2, {"lot": "MID"}))) == [("MID", 2)]
    assert missing(snapshot, ("A", 5, {"lot": "MID"})) == [("A", 4, 1)]


def test_a_location_whose_lots_are_too_old_for_the_line_leaves_it_to_the_next() -> None:
    lots = {("A", "EAST"): [("OLD", TODAY + DAY, 4)], ("A", "WEST"): [("NEW", TODAY + 9 * DAY, 4)]}
    snapshot = world({"A": {"EAST": 4, "WEST": 4}}, items=[YOGHURT], lots=lots, sourcing=("priority",))
    assert sources(planned(snapshot, ("A", 4, {"min_expiry": TODAY + 5 * DAY}))) == [("WEST", 4)]


def test_the_row_bounds_what_the_lots_would_give() -> None:
    assert missing(world({"A": {"EAST": 3}}, items=[YOGHURT], lots=LOTS), ("A", 4)) == [("A", 3, 1)]


def test_two_lines_of_one_lot_add_up() -> None:
    snapshot = world({"A": {"EAST": 12}}, items=[YOGHURT], lots=LOTS)
    assert missing(snapshot, ("A", 3, {"lot": "MID"}), ("A", 3, {"lot": "MID"})) == [("A", 1, 2)]


# --- kits -------------------------------------------------------------------------------------------------------


def test_a_kit_becomes_claims_on_its_parts_at_one_location() -> None:
    snapshot = world({"NUT": {"EAST": 9}, "BOLT": {"EAST": 9}}, items=[SET])
    result = planned(snapshot, ("SET", 3))
    nut, bolt = snapshot.items["NUT"].id, snapshot.items["BOLT"].id
    assert [(claim.item_id, claim.quantity) for claim in result.claims] == [(nut, 6), (bolt, 3)]
    assert result.lines[0].granted == 3
    assert parts(result) == [("EAST", "NUT", 6), ("EAST", "BOLT", 3)]


def test_pre_built_kits_go_first() -> None:
    snapshot = world({"SET": {"EAST": 2}, "NUT": {"EAST": 9}, "BOLT": {"EAST": 9}}, items=[SET])
    result = planned(snapshot, ("SET", 3))
    assert (result.claims[0].item_id, result.claims[0].quantity) == (50, 2)
    assert parts(result) == [("EAST", None, 2), ("EAST", "NUT", 2), ("EAST", "BOLT", 1)]


def test_no_kit_is_made_of_parts_from_two_locations() -> None:
    snapshot = world({"NUT": {"EAST": 9, "WEST": 0}, "BOLT": {"EAST": 0, "WEST": 9}}, items=[SET])
    assert missing(snapshot, ("SET", 1)) == [("SET", 0, 1)]


def test_kits_of_one_line_may_come_from_several_locations() -> None:
    snapshot = world({"NUT": {"EAST": 4, "WEST": 2}, "BOLT": {"EAST": 9, "WEST": 9}}, items=[SET])
    result = planned(snapshot, ("SET", 3))
    assert result.lines[0].granted == 3
    assert parts(result) == [("EAST", "NUT", 4), ("EAST", "BOLT", 2), ("WEST", "NUT", 2), ("WEST", "BOLT", 1)]


def test_the_safety_stock_of_a_part_binds_the_kit_too() -> None:
    snapshot = world({"NUT": {"EAST": 9}, "BOLT": {"EAST": 3}}, items=[SET], safety={"BOLT": 1})
    assert missing(snapshot, ("SET", 3)) == [("SET", 2, 1)]


# --- what makes no sense ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "fields", "error"),
    [
        ([("GHOST", 1)], {}, UnknownItem),
        ([("A", 1)], {"channel": "ghost"}, UnknownChannel),
        ([("A", 1, {"location": "MOON"})], {}, LocationNotServed),
        ([("A", 1, {"group": "moons"})], {}, LocationNotServed),
        ([("A", 1, {"uom": "barrel"})], {}, UnknownUnit),
        ([("A", 0)], {}, InvalidRequest),
        ([("A", -1)], {}, InvalidRequest),
        ([("A", 10**12 + 1)], {}, QuantityOutOfRange),
        ([("A", 1, {"lot": "L1"})], {}, InvalidRequest),
        ([("STOP", 1)], {}, ItemBlocked),
        ([("KITSTOP", 1)], {}, ItemBlocked),
        (
            [("A", 1)],
            {"expires_in_s": 5, "expires_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)},
            InvalidRequest,
        ),
    ],
)
@pytest.mark.parametrize("shortcuts", [True, False])
def test_a_request_that_makes_no_sense_is_told_so_whatever_the_stock(
    lines: list[tuple[Any, ...]], fields: dict[str, Any], error: type[OnhandError], shortcuts: bool
) -> None:
    blocked = Item(id=8, sku="STOP", status="blocked")
    kit = Item(id=9, sku="KITSTOP", kind="kit", components=(Component("STOP", 1),))
    snapshot = world({"A": {"EAST": 5}}, items=[blocked, kit])
    (answer,) = plan_batch(snapshot, [ask(*lines, **fields)], shortcuts=shortcuts)
    assert type(answer) is error


def test_plan_raises_what_a_batch_answers() -> None:
    with pytest.raises(UnknownItem) as caught:
        plan(world({"A": {"EAST": 5}}), ask(("GHOST", 1)))
    assert caught.value.facts == {"sku": "GHOST", "line_id": "1"}


def test_a_fraction_of_a_base_unit_never_reaches_planning() -> None:
    with pytest.raises(InexactUnit):
        CARTONS.units.to_base("0.1", "carton")


def test_ten_thousand_equal_lines_in_one_batch_sell_exactly_what_there_is() -> None:
    answers = plan_batch(world({"A": {"EAST": 700}}), [ask(("A", 1))] * 10_000)
    assert sum(isinstance(answer, Plan) for answer in answers) == 700
