"""Kits: counted where their parts stand together."""

from __future__ import annotations

import pytest

from onhand.domain.errors import InvalidInput
from onhand.domain.item import Component, Item
from onhand.domain.kit import KitCycle, UnknownItem, buildable, explode, kit_ats
from onhand.domain.quantity import QUANTITY_MAX, QuantityOutOfRange


def stock(sku: str) -> Item:
    return Item(id=ord(sku[0]), sku=sku)


def kit(sku: str, **parts: int) -> Item:
    return Item(id=ord(sku[0]), sku=sku, kind="kit", components=tuple(Component(part, n) for part, n in parts.items()))


def by_sku(*items: Item) -> dict[str, Item]:
    return {item.sku: item for item in items}


def counts(item: Item, items: dict[str, Item]) -> dict[str, int]:
    return {part.sku: n for part, n in explode(item, items)}


def test_kits_are_counted_per_location() -> None:
    """The oil change kit of IBM, Bundle availability, at a single node: 4 oil, 1 funnel, 1 pan make one kit."""
    oil, funnel, pan = {1: 4, 2: 8, 3: 8}, {1: 1, 2: 1, 3: 2}, {1: 1, 2: 0, 3: 2}
    assert kit_ats([(oil, 4), (funnel, 1), (pan, 1)], {}) == (3, {1: 1, 2: 0, 3: 2})


def test_the_scarcest_part_decides() -> None:
    """20 of each part at 1, 2 and 10 a bundle make 2 (Oracle ATG Commerce, bundled SKUs in the inventory)."""
    assert buildable([(20, 1), (20, 2), (20, 10)]) == 2


def test_parts_in_different_warehouses_make_no_kit() -> None:
    assert kit_ats([({1: 5}, 1), ({2: 5}, 1)], {}) == (0, {1: 0, 2: 0})


def test_pre_built_kits_are_added_to_those_that_can_be_built() -> None:
    assert kit_ats([({1: 7}, 2), ({1: 9}, 1)], {1: 2, 2: 4}) == (9, {1: 5, 2: 4})


def test_limit_and_whole_selling_units_hold_for_kits_too() -> None:
    assert kit_ats([({1: 100}, 1)], {}, max_listed=25, selling_unit=10)[0] == 20


def test_an_overdrawn_part_or_pre_built_kit_counts_as_none() -> None:
    assert kit_ats([({1: -3}, 1)], {1: -2}) == (0, {1: 0})


def test_a_kit_inside_a_kit_is_exploded_and_the_quantities_multiply() -> None:
    items = by_sku(stock("nut"), stock("bolt"), kit("pair", nut=2, bolt=1), kit("set", pair=3, nut=1))
    assert counts(items["set"], items) == {"nut": 7, "bolt": 3}


def test_a_service_in_a_kit_needs_no_stock() -> None:
    items = by_sku(stock("pump"), Item(id=9, sku="fitting", kind="service"), kit("job", pump=1, fitting=1))
    assert counts(items["job"], items) == {"pump": 1}


def test_a_kit_of_services_alone_cannot_be_built_from_stock() -> None:
    assert buildable([]) == 0


@pytest.mark.parametrize("inner", ["outer", "self"])
def test_a_kit_that_contains_itself_is_refused_with_the_way_round(inner: str) -> None:
    items = by_sku(kit("outer", inner=1), kit("inner", outer=1), kit("self", self=1))
    with pytest.raises(KitCycle, match=" > "):
        explode(items["outer" if inner == "outer" else "self"], items)


def test_a_part_that_is_no_item_is_named() -> None:
    with pytest.raises(UnknownItem, match="'ghost'"):
        explode(kit("set", ghost=1), {})


def test_quantities_that_multiply_beyond_the_limit_are_refused() -> None:
    items = by_sku(stock("nut"), kit("box", nut=QUANTITY_MAX), kit("crate", box=2))
    with pytest.raises(QuantityOutOfRange):
        explode(items["crate"], items)


def test_kits_nested_beyond_any_reason_end_in_an_error_and_not_in_a_crash() -> None:
    items = {f"k{n}": Item(id=n, sku=f"k{n}", kind="kit", components=(Component(f"k{n + 1}", 1),)) for n in range(500)}
    items["k500"] = Item(id=500, sku="k500")
    with pytest.raises(InvalidInput):
        explode(items["k0"], items)
