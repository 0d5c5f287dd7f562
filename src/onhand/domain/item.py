"""Items: what can be stocked, bundled or sold, and what the promising rules must know about it.

An item refuses to exist in a form that the rules could not keep (a kit without parts, a selling unit that it
does not have), so that no rule has to ask again.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from onhand.domain.errors import InvalidInput
from onhand.domain.quantity import QUANTITY_MAX, Units

ItemKind = Literal["stock", "kit", "service"]
ItemStatus = Literal["active", "blocked", "discontinued"]


class Component(msgspec.Struct, frozen=True):
    """One part of a kit: `quantity` base units of `sku` go into one kit."""

    sku: str
    quantity: int


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One SKU. `units` holds the base unit; `selling_uom` names the unit in which it is sold, base if None.

    Raises `InvalidInput` for a kit without components, components on another kind, a component counted below
    one or twice, and a selling unit or shelf life that cannot be.
    """

    id: int
    sku: str
    kind: ItemKind = "stock"
    units: Units = Units()
    selling_uom: str | None = None
    lot_tracked: bool = False
    serial_tracked: bool = False
    shelf_life_days: int | None = None
    category: str | None = None
    components: tuple[Component, ...] = ()
    status: ItemStatus = "active"
    selling_factor: int = 0
    """Base units in one selling unit; worked out from `selling_uom`."""
    plain: bool = False
    """Whether the simplest promise applies: active stock without lots; worked out."""

    def __post_init__(self) -> None:
        """Check what the rules rely on and work out what they ask on every promise."""
        self._check()
        msgspec.structs.force_setattr(self, "selling_factor", self.units.factor(self.selling_uom))
        plain = self.kind == "stock" and self.status == "active" and not self.lot_tracked
        msgspec.structs.force_setattr(self, "plain", plain)

    @property
    def base_uom(self) -> str:
        """The code of the base unit."""
        return self.units.base

    def _check(self) -> None:
        if (self.kind == "kit") != bool(self.components):
            raise InvalidInput(f"Item {self.sku!r}: a kit needs components, and only a kit may have them.")
        if len({part.sku for part in self.components}) != len(self.components):
            raise InvalidInput(f"Kit {self.sku!r} names a component twice; state one line with the sum.")
        if any(not 1 <= part.quantity <= QUANTITY_MAX for part in self.components):
            raise InvalidInput(f"Kit {self.sku!r}: a component's quantity must be 1 to {QUANTITY_MAX}.")
        if self.shelf_life_days is not None and self.shelf_life_days < 0:
            raise InvalidInput(f"Item {self.sku!r}: the shelf life cannot be negative.")
