"""Kits: how many can be sold, from pre-built stock and from parts that stand together.

    kit(l) = pre-built(l) + min over parts of floor(sellable(part, l) / quantity per kit); summed over locations

A kit is gathered at one location: parts that stand in different warehouses make no kit. (Source: IBM Sterling
Intelligent Promising, "Bundle availability", "at a single node"; the floor rule also in Oracle ATG Commerce,
"Handling bundled SKUs in the inventory".)

A kit inside a kit is exploded down to what is stocked; the inner kit's own pre-built stock is not opened. A
kit that contains itself is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from onhand.domain.errors import InvalidInput, NotFound
from onhand.domain.item import Item
from onhand.domain.quantity import QUANTITY_MAX, QuantityOutOfRange, floor_to

PARTS_MAX: Final = 1_000
"""A kit with more different parts than this is a mistake in its bill of material."""

DEPTH_MAX: Final = 16
"""Kits nested deeper than this are a mistake too; the limit also ends the walk."""


class KitCycle(InvalidInput):
    """A kit contains itself."""

    code = "kit_cycle"
    title = "A kit contains itself"
    remedy = "Correct the components of one of the kits named."


class UnknownItem(NotFound):
    """There is no item of that SKU."""

    code = "unknown_item"
    title = "There is no such item"
    remedy = "Check the SKU, or send the item first."


def explode(kit: Item, items: Mapping[str, Item]) -> tuple[tuple[Item, int], ...]:
    """Return the stocked parts of a kit, each once, with base units per kit; services are left out.

    `items` maps SKU to item and must hold every part. Raises `KitCycle`, `UnknownItem`, and
    `QuantityOutOfRange` for a part whose quantity multiplies beyond what a line may hold.
    """
    parts: dict[str, int] = {}
    _gather(kit, 1, items, parts, (kit.sku,))
    return tuple((items[sku], quantity) for sku, quantity in parts.items())


def buildable(sellable_and_quantity: Iterable[tuple[int, int]]) -> int:
    """Return how many kits the parts at one location make, from (sellable, quantity per kit) of each part.

    A kit without stocked parts (services only) makes none.
    """
    return max(0, min((stock // per_kit for stock, per_kit in sellable_and_quantity), default=0))


def kit_ats(
    parts: Iterable[tuple[Mapping[int, int], int]],
    prebuilt: Mapping[int, int],
    *,
    max_listed: int | None = None,
    selling_unit: int = 1,
) -> tuple[int, dict[int, int]]:
    """Return (kits a channel may show, location -> kits before the limit and the floor).

    `parts` gives for each part (location -> sellable, quantity per kit), `prebuilt` location -> sellable
    pre-built kits; both as `availability.sellable` returns them, safety stock already placed.
    """
    listed = list(parts)
    locations = dict.fromkeys([*prebuilt, *(place for sellable, _ in listed for place in sellable)])
    kits = {
        place: max(0, prebuilt.get(place, 0))
        + buildable((sellable.get(place, 0), per_kit) for sellable, per_kit in listed)
        for place in locations
    }
    total = sum(kits.values())
    return floor_to(total if max_listed is None else min(total, max_listed), selling_unit), kits


def _gather(kit: Item, times: int, items: Mapping[str, Item], parts: dict[str, int], path: tuple[str, ...]) -> None:
    for component in kit.components:
        if component.sku in path:
            raise KitCycle(f"Kit {kit.sku!r} contains itself: {' > '.join((*path, component.sku))}.")
        item = items.get(component.sku)
        if item is None:
            raise UnknownItem(f"Kit {kit.sku!r} needs {component.sku!r}, which is no known item.")
        quantity = times * component.quantity
        if quantity > QUANTITY_MAX or len(parts) > PARTS_MAX or len(path) > DEPTH_MAX:
            raise QuantityOutOfRange(f"Kit {path[0]!r} has too many parts, levels or units per kit.")
        if item.kind == "kit":
            _gather(item, quantity, items, parts, (*path, item.sku))
        elif item.kind == "stock":
            parts[item.sku] = parts.get(item.sku, 0) + quantity
