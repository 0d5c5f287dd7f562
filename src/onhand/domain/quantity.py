"""Quantities: whole numbers of an item's base unit, and the exact way from any other unit to them.

Everything below this module counts in base units. A conversion either is exact or is refused; it never rounds,
because a rounded-up carton is a unit sold that nobody has.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from onhand.domain.errors import InvalidInput

QUANTITY_MAX: Final = 10**12
"""The largest quantity that one line may state, in base units: sums of a million lines still fit 64 bits."""

STORED_MAX: Final = 2**63 - 1
"""The largest number that the store can hold."""

DIGITS_MAX: Final = 64
"""Longer written quantities are refused before they are computed with."""


class InexactUnit(InvalidInput):
    """The quantity is not a whole number of base units."""

    code = "inexact_unit"
    title = "The quantity is not a whole number of base units"
    remedy = "State the quantity in a smaller unit, or correct the unit's factor on the item."


class UnknownUnit(InvalidInput):
    """The item has no such unit of measure."""

    code = "unknown_unit"
    title = "The item has no such unit"
    remedy = "Use one of the item's units, or add the unit to the item first."


class QuantityOutOfRange(InvalidInput):
    """The quantity is larger than Onhand counts."""

    code = "quantity_out_of_range"
    title = "The quantity is too large"
    remedy = "Check the quantity and its unit; split it if it is real."


class Units(msgspec.Struct, frozen=True):
    """The units of one item: the base unit and, for each further unit, how many base units it holds (>= 1)."""

    base: str = "each"
    factors: dict[str, int] = {}

    def __post_init__(self) -> None:
        """Refuse factors that would make a unit empty, fractional or larger than a line may be."""
        for code, factor in self.factors.items():
            if not 1 <= factor <= QUANTITY_MAX:
                raise InvalidInput(f"The unit {code!r} has the factor {factor}; it must be 1 to {QUANTITY_MAX}.")
        if self.factors.get(self.base, 1) != 1:
            raise InvalidInput(f"The base unit {self.base!r} has another factor than 1.")

    def factor(self, uom: str | None) -> int:
        """Return how many base units one `uom` holds; None means the base unit. Raises `UnknownUnit`."""
        if uom is None or uom == self.base:
            return 1
        try:
            return self.factors[uom]
        except KeyError:
            known = ", ".join(sorted({self.base, *self.factors}))
            raise UnknownUnit(f"There is no unit {uom!r}; the item is counted in: {known}.") from None

    def to_base(self, quantity: int | Decimal | str, uom: str | None = None) -> int:
        """Return `quantity` of `uom` in base units, exactly; the sign is kept.

        Raises `InexactUnit`, `UnknownUnit`, `QuantityOutOfRange`, or `InvalidInput` for what is no number.
        """
        factor = self.factor(uom)
        if type(quantity) is int:
            return _bounded(quantity * factor)
        return _exact(_decimal(quantity), factor, uom or self.base)

    def whole(self, base_quantity: int, uom: str | None = None) -> int:
        """Return how many whole `uom` fit into `base_quantity`; a shortage counts as none."""
        return max(base_quantity, 0) // self.factor(uom)


def floor_to(base_quantity: int, unit: int) -> int:
    """Return the largest multiple of `unit` (>= 1, base units) that is not above `base_quantity`, at least 0."""
    return max(base_quantity, 0) // unit * unit


def _decimal(quantity: object) -> Decimal:
    if isinstance(quantity, str):
        if len(quantity) > DIGITS_MAX:
            raise QuantityOutOfRange(f"The quantity is written with {len(quantity)} characters.")
        try:
            quantity = Decimal(quantity)
        except InvalidOperation:
            raise InvalidInput(f"{quantity!r} is not a quantity.") from None
    if not isinstance(quantity, Decimal) or not quantity.is_finite():
        raise InvalidInput(f"{quantity!r} is not an exact quantity (whole number, decimal or string).")
    # A written exponent is cheap to send and dear to expand: look at the size before computing with it.
    if quantity and not -DIGITS_MAX <= quantity.adjusted() <= DIGITS_MAX:
        raise QuantityOutOfRange(f"{quantity} is beyond any quantity that Onhand counts.")
    return quantity


def _exact(quantity: Decimal, factor: int, uom: str) -> int:
    numerator, denominator = quantity.as_integer_ratio()
    base, rest = divmod(numerator * factor, denominator)
    if rest:
        raise InexactUnit(f"{quantity} {uom} is not a whole number of base units (one {uom} holds {factor}).")
    return _bounded(base)


def _bounded(base: int) -> int:
    if not -QUANTITY_MAX <= base <= QUANTITY_MAX:
        raise QuantityOutOfRange(f"{base} base units are more than {QUANTITY_MAX}.")
    return base
