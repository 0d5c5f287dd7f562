"""The rules by themselves: how Vendure counts, and how a command is known again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.connectors.vendure import commands
from onhand.connectors.vendure.commands import Fulfil, Fulfilment, FulfilmentLine, Line, Order, VariantOfLine, Wanted
from onhand.connectors.vendure.stock import (
    Counting,
    GlobalSettings,
    Level,
    Place,
    Variant,
    carrier_of,
    place_of,
)
from onhand.sdk import ReadFailed

PLACES = (Place("3", "North"), Place("12", "South"))
numbers = st.integers(-1_000, 1_000)
levels = st.tuples(numbers, numbers)


def variant(*stock: tuple[int, int], threshold: int = 0) -> Variant:
    held = tuple(Level(place.id, *level) for place, level in zip(PLACES, stock, strict=False))
    return Variant("1", "TEA", "Tea", "INHERIT", threshold, False, held)


def counting(carrier: str = "3") -> Counting:
    return Counting(GlobalSettings(track_inventory=True, out_of_stock_threshold=0), PLACES, carrier)


@given(stock=st.lists(levels, min_size=0, max_size=2), threshold=numbers, quantity=st.integers(0, 10**6))
def test_setting_the_reckoned_number_shows_the_wanted_one(
    stock: list[tuple[int, int]], threshold: int, quantity: int
) -> None:
    """Whatever was counted before, and however wrong."""
    rule, before = counting(), variant(*stock, threshold=threshold)
    for location in (None, "3", "12"):
        place, on_hand = rule.on_hand(before, location, quantity)
        after = before.with_on_hand(place, on_hand)
        assert rule.shown(after, location) == quantity
        assert rule.on_hand(after, location, quantity) == (place, after.level(place).stock_on_hand)


@given(stock=st.lists(levels, min_size=2, max_size=2), threshold=numbers)
def test_shares_of_locations_add_up_to_what_the_channel_shows(stock: list[tuple[int, int]], threshold: int) -> None:
    rule, held = counting(carrier="12"), variant(*stock, threshold=threshold)
    assert sum(rule.shown(held, place.id) for place in PLACES) == rule.shown(held, None)


def test_the_first_location_carries_the_number_unless_one_is_named() -> None:
    assert carrier_of((Place("12", "S"), Place("3", "N")), None) == "3"
    assert carrier_of(PLACES, "South") == carrier_of(PLACES, "12") == "12"
    assert carrier_of(PLACES, "West") is None
    assert carrier_of((), None) is None
    assert place_of(PLACES, "North") == "3"


def order(*, sent: dict[str, int] | None = None, method: str = "dhl", tracking: str = "T") -> Order:
    lines = (
        Line("1", 3, VariantOfLine("10", "TEA")),
        Line("2", 2, VariantOfLine("11", "CUP")),
        Line("3", 4, VariantOfLine("10", "TEA")),
    )
    parcel = tuple(FulfilmentLine(line, quantity) for line, quantity in (sent or {}).items())
    done = (Fulfilment("9", "Shipped", method, tracking, parcel),) if sent else ()
    return Order("5", "CODE", "PaymentSettled", lines, done)


def test_a_sku_is_taken_from_its_lines_one_after_the_other() -> None:
    unsent = commands.unsent(order(sent={"1": 1}))
    assert unsent == {"1": 2, "2": 2, "3": 4}
    assert commands.lines_of(order(), [Wanted(5, sku="TEA")], open_units=unsent) == {"1": 2, "3": 3}
    assert commands.lines_of(order(), [Wanted(5, line_id="3"), Wanted(1, sku="CUP")], open_units=unsent) == {
        "3": 5,
        "2": 1,
    }
    with pytest.raises(ReadFailed, match="3 units of TEA too few"):
        commands.lines_of(order(), [Wanted(9, sku="TEA")], open_units=unsent)


@pytest.mark.parametrize(
    ("wanted", "known"),
    [
        (Fulfil("CODE", (Wanted(1, line_id="1"),), "dhl", "T"), True),
        (Fulfil("CODE", (Wanted(1, sku="TEA"),), "dhl", "T"), True),
        (Fulfil("CODE", (Wanted(2, line_id="1"),), "dhl", "T"), False),
        (Fulfil("CODE", (Wanted(1, line_id="2"),), "dhl", "T"), False),
        (Fulfil("CODE", (Wanted(1, line_id="1"),), "dhl", "OTHER"), False),
        (Fulfil("CODE", (Wanted(1, line_id="1"),), "ups", "T"), False),
        (Fulfil("CODE", (Wanted(1, line_id="1"),), "dhl", ""), False),
    ],
)
def test_a_fulfilment_is_known_again_by_carrier_tracking_code_and_goods(wanted: Fulfil, known: bool) -> None:
    found = commands.done_already(order(sent={"1": 1}), wanted, reference="ref x")
    assert (found is not None) is known


def test_a_fulfilment_without_tracking_code_is_known_again_by_its_reference() -> None:
    wanted = Fulfil("CODE", (Wanted(1, line_id="1"),))
    method = commands.method_of(wanted, reference=commands.reference_of("key-1"))
    done = order(sent={"1": 1}, method=method, tracking="")
    assert commands.done_already(done, wanted, reference=commands.reference_of("key-1")) is not None
    assert commands.done_already(done, wanted, reference=commands.reference_of("key-2")) is None
