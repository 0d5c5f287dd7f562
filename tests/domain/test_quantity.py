"""Units of measure: exact or refused, never rounded up, bounded before anything is computed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.domain.errors import InvalidInput
from onhand.domain.quantity import (
    QUANTITY_MAX,
    InexactUnit,
    QuantityOutOfRange,
    Units,
    UnknownUnit,
    floor_to,
)

CARTON = Units("each", {"carton": 12, "pallet": 480})


@pytest.mark.parametrize(
    ("quantity", "uom", "base"),
    [
        (5, None, 5),
        (5, "each", 5),
        (2, "carton", 24),
        (1, "pallet", 480),
        ("0.5", "carton", 6),
        (Decimal("0.25"), "carton", 3),
        ("1e2", "each", 100),
        (-2, "carton", -24),
        (Decimal("-0.5"), "carton", -6),
        (0, "carton", 0),
    ],
)
def test_a_quantity_in_any_unit_becomes_base_units_exactly(quantity: int | str, uom: str | None, base: int) -> None:
    assert CARTON.to_base(quantity, uom) == base


@pytest.mark.parametrize(("quantity", "uom"), [("0.5", "each"), ("0.1", "carton"), ("1e-40", "pallet")])
def test_what_is_no_whole_number_of_base_units_is_refused_and_not_rounded(quantity: str, uom: str) -> None:
    with pytest.raises(InexactUnit) as caught:
        CARTON.to_base(quantity, uom)
    assert caught.value.code == "inexact_unit"


def test_a_third_of_a_carton_written_as_a_decimal_is_not_taken_for_four() -> None:
    with pytest.raises(InexactUnit):
        CARTON.to_base("0.333333333333333333333333", "carton")


def test_an_unknown_unit_is_told_with_the_units_there_are() -> None:
    with pytest.raises(UnknownUnit, match="carton, each, pallet"):
        CARTON.to_base(1, "box")


@pytest.mark.parametrize(
    "quantity", [10**12 + 1, -(10**12) - 1, 10**30, "1e30", "1e999999999", "-1e999999999", "9" * 100]
)
def test_a_quantity_beyond_the_limit_is_refused_without_being_expanded(quantity: int | str) -> None:
    with pytest.raises(QuantityOutOfRange):
        CARTON.to_base(quantity)


def test_the_limit_holds_for_the_converted_quantity_and_is_itself_allowed() -> None:
    assert Units().to_base(QUANTITY_MAX) == QUANTITY_MAX
    with pytest.raises(QuantityOutOfRange):
        CARTON.to_base(QUANTITY_MAX, "carton")


@pytest.mark.parametrize(
    "quantity", ["", "two", "NaN", "Infinity", "-Infinity", "sNaN", Decimal("NaN"), 1.5, True, None]
)
def test_what_is_no_exact_number_is_refused(quantity: object) -> None:
    with pytest.raises(InvalidInput):
        CARTON.to_base(quantity)  # type: ignore[arg-type]


@pytest.mark.parametrize("factor", [0, -1, QUANTITY_MAX + 1])
def test_a_unit_holds_at_least_one_base_unit_and_at_most_the_limit(factor: int) -> None:
    with pytest.raises(InvalidInput):
        Units("each", {"odd": factor})


def test_the_base_unit_cannot_hold_more_than_itself() -> None:
    with pytest.raises(InvalidInput):
        Units("each", {"each": 2})


def test_whole_selling_units_are_floored_and_a_shortage_counts_as_none() -> None:
    assert [CARTON.whole(n, "carton") for n in (-5, 0, 11, 12, 35, 36)] == [0, 0, 0, 1, 2, 3]
    assert [floor_to(n, 12) for n in (-5, 0, 11, 12, 35, 36)] == [0, 0, 0, 12, 24, 36]


@given(st.integers(-(10**9), 10**9), st.integers(1, 999))
def test_converting_there_and_back_loses_nothing(quantity: int, factor: int) -> None:
    units = Units("each", {"pack": factor})
    base = units.to_base(quantity, "pack")
    assert base == quantity * factor
    assert units.to_base(str(quantity), "pack") == base
    assert units.whole(base, "pack") == max(quantity, 0)


@given(st.decimals(-(10**6), 10**6, allow_nan=False, places=3), st.integers(1, 999))
def test_a_decimal_converts_to_exactly_its_product_or_not_at_all(quantity: Decimal, factor: int) -> None:
    exact = quantity * factor
    units = Units("each", {"pack": factor})
    if exact == exact.to_integral_value():
        assert units.to_base(quantity, "pack") == int(exact)
    else:
        with pytest.raises(InexactUnit):
            units.to_base(quantity, "pack")


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**4))
def test_flooring_never_rounds_up_and_loses_less_than_one_unit(quantity: int, unit: int) -> None:
    floored = floor_to(quantity, unit)
    assert floored % unit == 0
    assert 0 <= max(quantity, 0) - floored < unit
