"""One test for each sentence about availability that Onhand promises, from the front door of planning.

The sentences are those of the availability page; where a number was published, its source is named. (That a
count takes the late facts before it into account is a rule of the ledger and is tested there.)
"""

from __future__ import annotations

import datetime
import doctest
from pathlib import Path

import pytest

from onhand.domain.atp import Demand, Inbound, atp_on, atp_table
from onhand.domain.availability import Fence, Pool, ats
from onhand.domain.item import Component, Item
from onhand.domain.planning import Shortfall, plan
from onhand.domain.quantity import Units
from tests.domain.promise_worlds import OTHER_GROUP, TODAY, WEB_GROUP, ask, granted, parts, world

DOCS = Path(__file__).parents[2] / "docs" / "concepts"
DAY = datetime.timedelta(days=1)


def available_to(snapshot_answer: object) -> int:
    assert isinstance(snapshot_answer, Shortfall)
    return snapshot_answer.lines[0].available


def test_atp_on_a_date_is_the_look_ahead_minimum() -> None:
    table = atp_table(
        today=TODAY,
        on_hand=80,
        inbound=[Inbound(due=TODAY + 2 * DAY, quantity=60)],
        demand=[Demand(due=TODAY, quantity=30), Demand(due=TODAY + DAY, quantity=25)],
    )
    assert [atp_on(table, TODAY + n * DAY) for n in (0, 1, 2)] == [25, 25, 85]


def test_safety_stock_is_withheld_after_demand_4_2_3_gives_0_and_1() -> None:
    """On hand 4, safety 2, demand 3 (IBM, Calculating availability, example 1)."""
    shown = ats([Pool(1, 1, 4, reserved=3)], safety=2)
    assert (shown.quantity, shown.withheld) == (0, 1)
    assert available_to(plan(world({"A": {"EAST": 1}}, safety={"A": 2}), ask(("A", 1)))) == 0


def test_kits_are_counted_per_location() -> None:
    """The oil change kit at three nodes makes 1 + 0 + 2 (IBM, Bundle availability)."""
    kit = Item(
        id=9, sku="KIT", kind="kit", components=(Component("OIL", 4), Component("FUNNEL", 1), Component("PAN", 1))
    )
    stock = {
        "OIL": {"N1": 4, "N2": 8, "N3": 8},
        "FUNNEL": {"N1": 1, "N2": 1, "N3": 2},
        "PAN": {"N1": 1, "N2": 0, "N3": 2},
    }
    snapshot = world(stock, items=[kit])
    planned = plan(snapshot, ask(("KIT", 3)))
    assert [part for part in parts(planned) if part[1] == "PAN"] == [("N1", "PAN", 1), ("N3", "PAN", 2)]
    assert available_to(plan(snapshot, ask(("KIT", 4)))) == 3


def test_a_ring_fence_keeps_its_units_for_its_group() -> None:
    pools, fences = [Pool(1, 1, 10, fenced=6)], [Fence(1, 1, WEB_GROUP, 6)]
    assert ats(pools, fences, group=WEB_GROUP).quantity == 10
    assert ats(pools, fences, group=OTHER_GROUP).quantity == 4
    stranger = world({"A": {"EAST": 10}}, fences={(WEB_GROUP, "A", "EAST"): 6}, group_id=OTHER_GROUP)
    assert available_to(plan(stranger, ask(("A", 5)))) == 4


def test_the_first_expired_lot_that_lives_long_enough_goes_first() -> None:
    lots = {("A", "EAST"): [("L3", TODAY + 60 * DAY, 5), ("L1", TODAY + 10 * DAY, 5), ("L2", TODAY + 30 * DAY, 5)]}
    snapshot = world({"A": {"EAST": 15}}, items=[Item(id=1, sku="A", lot_tracked=True)], lots=lots)
    answer = plan(snapshot, ask(("A", 6), min_remaining_life_days=30))
    assert not isinstance(answer, Shortfall)
    assert [(source.lot, source.quantity) for source in answer.lines[0].sources] == [("L2", 5), ("L3", 1)]


def test_only_whole_selling_units_are_shown_and_promised() -> None:
    cartons = Item(id=1, sku="A", units=Units("each", {"carton": 12}), selling_uom="carton")
    snapshot = world({"A": {"EAST": 35}}, items=[cartons], floor_to_selling_unit=True)
    assert ats([Pool(1, 1, 35)], selling_unit=12).quantity == 24
    assert granted(plan(snapshot, ask(("A", 36), mode="partial"))) == [24]


@pytest.mark.parametrize("page", ["availability.md", "promises.md"])
def test_every_number_on_the_page_is_what_the_code_answers(page: str) -> None:
    result = doctest.testfile(str(DOCS / page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0
