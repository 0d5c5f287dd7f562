"""What a move of goods at Tryton means: from the two locations, the warehouses around them, and the zones within.

Tryton keeps stock in bins below a warehouse. The hub knows the warehouse as the location and the zone as the status:
what lies in the input zone has arrived but is not put away, and what lies in the output zone is picked. Locations are
a tree with numbered edges (`left`, `right`): one lies below another when its numbers lie within the other's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from onhand.connectors.tryton.wire import Record

FIELDS: Final = (
    "name", "code", "type", "left", "right", "active",
    "storage_location.left", "storage_location.right", "input_location.left", "input_location.right",
    "output_location.left", "output_location.right",
)  # fmt: skip
"""What is read of a location."""

ZONES: Final = ("storage", "input", "output")
"""The zones of a warehouse. Where one location serves as several, the first named holds."""


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One end of a move: Tryton's location, and what it is to us."""

    type: str
    code: str
    name: str
    warehouse: str | None = None
    zone: str | None = None

    @property
    def within(self) -> bool:
        """Whether stock lies here that is ours to promise or to watch."""
        return self.type == "storage" and self.warehouse is not None

    @property
    def transit(self) -> bool:
        """Whether this is storage of no warehouse: goods under way."""
        return self.type == "storage" and self.warehouse is None


class Head(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A location that stands for everything below it, in one zone of a warehouse."""

    warehouse: str
    zone: str
    id: int
    code: str


class Places:
    """The locations of one read of Tryton."""

    def __init__(self, locations: Iterable[Record]) -> None:
        self._by_id = {location["id"]: location for location in locations}
        self.warehouses = [each for each in self._by_id.values() if each["type"] == "warehouse"]

    def at(self, location_id: int | None) -> Place:
        """Return what a location is; one that is not there or not to be seen is of no type."""
        location = self._by_id.get(location_id) if location_id is not None else None
        if location is None:
            return Place(type="unknown", code=f"#{location_id}", name="")
        house = next((each for each in self.warehouses if _below(location, each)), None)
        return Place(
            type=location["type"],
            code=code_of(location),
            name=location["name"] or "",
            warehouse=None if house is None else code_of(house),
            zone=None if house is None else _zone(location, house),
        )

    def named(self) -> list[tuple[str, str]]:
        """Return code and name of each warehouse."""
        return sorted((code_of(each), each["name"]) for each in self.warehouses)

    def heads(self) -> list[Head]:
        """Return the locations that together hold all stock of all warehouses, each unit once, always in one order."""
        stores = [each for each in self._by_id.values() if each["type"] == "storage" and each["active"]]
        tops = [each for each in stores if not any(_below(each, other) for other in stores if other is not each)]
        return sorted(
            Head(warehouse=code_of(house), zone=_zone(top, house), id=top["id"], code=code_of(top))
            for top in tops
            for house in self.warehouses
            if _below(top, house)
        )


def code_of(location: Record) -> str:
    """Return how a location is called: its code, or its name where it has none."""
    return str(location.get("code") or location.get("name") or f"#{location['id']}")


def meaning(origin: Place, target: Place) -> str | None:
    """Return what a move between two places is, in a word; None where it does not touch what the hub counts.

    Moves that are ours and fit nowhere are `unexplained`, so that a person sees them.
    """
    if origin.within and target.within:
        return _inside(origin, target)
    if origin.within:
        return _LEAVES.get(target.type, "unexplained") if not target.transit else "transfer_out"
    if target.within:
        return _COMES.get(origin.type, "unexplained") if not origin.transit else "transfer_in"
    return None


def _inside(origin: Place, target: Place) -> str | None:
    if origin.warehouse != target.warehouse:
        return "transfer"
    if origin.zone == target.zone:
        return None
    return _BETWEEN.get((origin.zone, target.zone), "rezone")


_LEAVES: Final[Mapping[str, str]] = {
    "customer": "shipment", "supplier": "supplier_return", "lost_found": "loss", "production": "consumption",
}  # fmt: skip
_COMES: Final[Mapping[str, str]] = {
    "supplier": "receipt", "customer": "return", "lost_found": "gain", "production": "output",
}  # fmt: skip
_BETWEEN: Final[Mapping[tuple[str | None, str | None], str]] = {
    ("input", "storage"): "putaway",
    ("storage", "output"): "pick",
}


def _zone(location: Record, warehouse: Record) -> str:
    for zone in ZONES:
        head = warehouse.get(f"{zone}_location.")
        if head and _below(location, head):
            return zone
    return "storage"


def _below(location: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(other["left"] <= location["left"] and location["right"] <= other["right"])
