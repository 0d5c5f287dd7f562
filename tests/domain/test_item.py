"""Items refuse to exist in a form that the promising rules could not keep."""

from __future__ import annotations

import pytest

from onhand.domain.errors import InvalidInput
from onhand.domain.item import Component, Item
from onhand.domain.quantity import QUANTITY_MAX, Units, UnknownUnit


def test_an_item_is_plain_stock_sold_by_its_base_unit_unless_it_says_otherwise() -> None:
    item = Item(id=1, sku="A")
    assert (item.kind, item.base_uom, item.selling_factor, item.plain) == ("stock", "each", 1, True)


def test_the_selling_unit_gives_the_step_in_which_it_is_sold() -> None:
    assert Item(id=1, sku="A", units=Units("each", {"carton": 12}), selling_uom="carton").selling_factor == 12


def test_a_selling_unit_must_be_one_of_the_item_s_units() -> None:
    with pytest.raises(UnknownUnit):
        Item(id=1, sku="A", selling_uom="carton")


@pytest.mark.parametrize(
    "fields",
    [
        {"lot_tracked": True},
        {"status": "blocked"},
        {"status": "discontinued"},
        {"kind": "service"},
        {"kind": "kit", "components": (Component("B", 1),)},
    ],
)
def test_only_active_stock_without_lots_takes_the_short_way(fields: dict[str, object]) -> None:
    assert not Item(id=1, sku="A", **fields).plain  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "kit"}, "a kit needs components"),
        ({"components": (Component("B", 1),)}, "only a kit"),
        ({"kind": "kit", "components": (Component("B", 1), Component("B", 2))}, "twice"),
        ({"kind": "kit", "components": (Component("B", 0),)}, "1 to"),
        ({"kind": "kit", "components": (Component("B", QUANTITY_MAX + 1),)}, "1 to"),
        ({"shelf_life_days": -1}, "shelf life"),
    ],
)
def test_an_item_that_cannot_be_is_refused_with_the_reason(fields: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        Item(id=1, sku="A", **fields)  # type: ignore[arg-type]


def test_skus_that_differ_only_by_case_are_different_items() -> None:
    assert Item(id=1, sku="a") != Item(id=1, sku="A")
