"""From facts to movements: what each type of event does to the ledger.

Double entry: every movement takes from one place and gives to another, so for each item the sum over all places,
virtual ones included, is always zero. A rule never looks at what is there (a pick may arrive before its receipt),
which is why the order of arrival cannot change the end state. Counts are the one exception, and the store settles
them against the time at which they were true: see `onhand/store/functions/count.sql`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from onhand.domain.effects import (
    AVAILABLE,
    OWN,
    PICKED,
    Allocation,
    Arrival,
    Consumption,
    Count,
    Effects,
    Known,
    Movement,
    Place,
    StatusOfItem,
    Supply,
)
from onhand.domain.fact import Fact, Refused
from onhand.domain.item import Item
from onhand.domain.quantity import InexactUnit, QuantityOutOfRange, UnknownUnit


def decide(known: Known, fact: Fact) -> Effects:
    """Return what `fact` does. Raises Refused with the reason when it breaks a rule."""
    rule = _RULES.get(fact.type)
    return rule(known, fact) if rule else Effects()


def reservation_number(external: str) -> int:
    """Return the number inside a reservation id (`res_42`). Raises Refused for anything else."""
    digits = external.removeprefix("res_")
    if external.startswith("res_") and digits.isascii() and digits.isdigit() and len(digits) <= 18:
        return int(digits)
    raise Refused("unknown_reservation", f"{external!r} is no reservation id.", reservation_id=external)


# --- the rules, one a type -----------------------------------------------------------------------------------


def _receipt(known: Known, fact: Fact) -> Effects:
    data = fact.data
    target = (_physical(known, data["location"]), _status(known, fact, data.get("status", AVAILABLE)))
    origin = (_location(known, data.get("from", "supplier"), ("supplier", "customer")), AVAILABLE)
    movements = _moves(known, fact, origin, target)
    asn, order = data.get("asn"), data.get("purchase_order")
    kind, reference, part_of = ("asn", asn, order) if asn else ("purchase_order", order, None)
    if not reference:
        return Effects(movements)
    arrivals = [Arrival(kind, reference, m.item, data["location"], m.quantity, part_of) for m in movements]
    return Effects(movements, arrivals=arrivals)


def _restatus(known: Known, fact: Fact) -> Effects:
    location = _physical(known, fact.data["location"])
    origin = (location, _status(known, fact, fact.data["from_status"]))
    target = (location, _status(known, fact, fact.data["to_status"]))
    return Effects(_moves(known, fact, origin, target))


def _pick(known: Known, fact: Fact) -> Effects:
    location = _physical(known, fact.data["location"])
    return _consuming(known, fact, _moves(known, fact, (location, AVAILABLE), (location, PICKED)))


def _shipment(known: Known, fact: Fact) -> Effects:
    location = _physical(known, fact.data["location"])
    origin = (location, _status(known, fact, fact.data.get("status", AVAILABLE)))
    return _consuming(known, fact, _moves(known, fact, origin, ("customer", AVAILABLE)))


def _transfer_shipped(known: Known, fact: Fact) -> Effects:
    _physical(known, fact.data["to_location"])
    origin = (_physical(known, fact.data["from_location"]), _status(known, fact, fact.data.get("status", AVAILABLE)))
    return Effects(_moves(known, fact, origin, ("transit", "in_transit")))


def _transfer_received(known: Known, fact: Fact) -> Effects:
    target = (_physical(known, fact.data["to_location"]), _status(known, fact, fact.data.get("status", AVAILABLE)))
    return Effects(_moves(known, fact, ("transit", "in_transit"), target))


def _return(known: Known, fact: Fact) -> Effects:
    target = (_physical(known, fact.data["location"]), _status(known, fact, fact.data.get("status", "returned")))
    return Effects(_moves(known, fact, ("customer", AVAILABLE), target))


def _adjustment(known: Known, fact: Fact) -> Effects:
    place = (_physical(known, fact.data["location"]), _status(known, fact, fact.data.get("status", AVAILABLE)))
    other = ("adjustment", place[1])
    movements: list[Movement] = []
    for number, line in enumerate(fact.data["lines"]):
        more = line["quantity"] > 0
        stated = line if more else {**line, "quantity": -line["quantity"]}
        movements += _line_moves(known, fact, number, stated, *((other, place) if more else (place, other)))
    return Effects(movements=movements)


def _count(known: Known, fact: Fact) -> Effects:
    place = (_physical(known, fact.data["location"]), _status(known, fact, fact.data.get("status", AVAILABLE)))
    summed: dict[tuple[str, str | None, str], Count] = {}
    for number, line in enumerate(fact.data["lines"]):
        item, quantity, lot, expiry = _read(known, fact, line)
        key = (item.sku, lot, line.get("owner", OWN))
        before = summed[key].quantity if key in summed else 0
        summed[key] = Count(number, item, before + quantity, place, lot, expiry, key[2])
    return Effects(counts=list(summed.values()))


def _kit(known: Known, fact: Fact) -> Effects:
    data = fact.data
    location = _physical(known, data["location"])
    place, workbench = (location, AVAILABLE), ("adjustment", AVAILABLE)
    assembled = fact.type == "kit.assembled"
    item, quantity, lot, expiry = _read(known, fact, data)
    if item.kind != "kit":
        raise Refused("kit_invalid", f"Item {item.sku!r} is not a kit.", sku=item.sku)
    legs = (workbench, place) if assembled else (place, workbench)
    movements = [Movement(0, item, quantity, *legs, lot, expiry)]
    for number, part in enumerate(data["components"], 1):
        movements += _line_moves(
            known, fact, number, {**part, "quantity": part["quantity"] * quantity}, *reversed(legs)
        )
    return Effects(movements=movements)


def _allocation(known: Known, fact: Fact) -> Effects:
    data = fact.data
    location = _physical(known, data["location"])
    sign = 1 if fact.type == "allocation.created" else -1
    reservation = _reservation(known, data)
    reference = data.get("order") or fact.source
    allocations = []
    for line in data["lines"]:
        item, quantity, lot, _ = _read(known, fact, line, lot_needed=False)
        allocations.append(Allocation(item, location, sign * quantity, reference, reservation, lot))
    return Effects(allocations=allocations)


def _purchase_order(known: Known, fact: Fact) -> Effects:
    return _supplies(known, fact, "purchase_order", fact.data["purchase_order"])


def _asn(known: Known, fact: Fact) -> Effects:
    return _supplies(known, fact, "asn", fact.data["asn"])


def _supply(known: Known, fact: Fact) -> Effects:
    return _supplies(known, fact, "statement", fact.data["reference"])


def _order(known: Known, fact: Fact) -> Effects:
    channel = fact.data.get("channel")
    if channel is not None and known.network.channel(channel) is None:
        raise Refused("unknown_channel", f"There is no channel {channel!r}.", channel=channel)
    for line in fact.data.get("lines", ()):
        _item(known, line["sku"])
    return Effects()


def _item_status(known: Known, fact: Fact) -> Effects:
    return Effects(item_statuses=[StatusOfItem(_item(known, fact.data["sku"]), fact.data["status"])])


def _price(known: Known, fact: Fact) -> Effects:
    _item(known, fact.data["sku"])
    return Effects()


_RULES: Final[Mapping[str, Callable[[Known, Fact], Effects]]] = {
    "item.status_changed": _item_status,
    "receipt.posted": _receipt,
    "putaway.confirmed": _restatus,
    "status.changed": _restatus,
    "pick.confirmed": _pick,
    "shipment.confirmed": _shipment,
    "transfer.shipped": _transfer_shipped,
    "transfer.received": _transfer_received,
    "return.received": _return,
    "adjustment.posted": _adjustment,
    "count.posted": _count,
    "kit.assembled": _kit,
    "kit.broken": _kit,
    "allocation.created": _allocation,
    "allocation.released": _allocation,
    "order.accepted": _order,
    "order.changed": _order,
    "order.cancelled": _order,
    "purchase_order.placed": _purchase_order,
    "purchase_order.acknowledged": _purchase_order,
    "asn.received": _asn,
    "supply.changed": _supply,
    "price.changed": _price,
}


# --- what the rules share ------------------------------------------------------------------------------------


def _moves(known: Known, fact: Fact, origin: Place, target: Place) -> list[Movement]:
    if origin == target:
        raise Refused("nowhere_to_go", f"It comes from and goes to {origin[0]} {origin[1]}.")
    movements: list[Movement] = []
    for number, line in enumerate(fact.data["lines"]):
        movements += _line_moves(known, fact, number, line, origin, target)
    return movements


def _line_moves(
    known: Known, fact: Fact, number: int, line: Mapping[str, Any], origin: Place, target: Place
) -> Sequence[Movement]:
    item, quantity, lot, expiry = _read(known, fact, line)
    owner = line.get("owner", OWN)
    if not item.serial_tracked:
        return (Movement(number, item, quantity, origin, target, lot, expiry, owner),)
    serials = line.get("serials", ())
    if len(serials) != quantity or len(set(serials)) != quantity:
        raise Refused(
            "serials_mismatch",
            f"Line {number + 1} moves {quantity} of {item.sku!r} and names {len(set(serials))} serials.",
            sku=item.sku,
            quantity=quantity,
            serials=len(serials),
        )
    return [Movement(number, item, 1, origin, target, lot, expiry, owner, serial) for serial in serials]


def _consuming(known: Known, fact: Fact, movements: Sequence[Movement]) -> Effects:
    """Goods that leave a sellable status use up the claims of the reservation that they were promised to."""
    reservation = _reservation(known, fact.data)
    if reservation is None:
        return Effects(movements)
    consumptions = []
    for move in movements:
        status = known.network.status(move.origin[1])
        if status is not None and status.sellable:
            line = fact.data["lines"][move.line].get("reservation_line", -1)
            consumptions.append(Consumption(reservation, move.item, move.origin[0], move.quantity, move.lot, line))
    return Effects(movements, consumptions=consumptions)


def _supplies(known: Known, fact: Fact, kind: str, reference: str) -> Effects:
    location = _physical(known, fact.data["location"])
    supplies = []
    for number, line in enumerate(fact.data["lines"], 1):
        item, quantity, _, _ = _read(known, fact, line, lot_needed=False)
        due = date.fromisoformat(line.get("due_date") or fact.data["due_date"])
        supplies.append(
            Supply(kind, reference, line.get("line_id") or str(number), item, location, quantity, due,
                   line.get("reliability_percent", 100), fact.data.get("purchase_order") if kind == "asn" else None)
        )  # fmt: skip
    return Effects(supplies=supplies)


def _read(
    known: Known, fact: Fact, line: Mapping[str, Any], *, lot_needed: bool = True
) -> tuple[Item, int, str | None, date | None]:
    item = _item(known, line["sku"])
    if item.kind == "service":
        raise Refused("not_stocked", f"Item {item.sku!r} is a service.", sku=item.sku)
    uom = line.get("uom")
    if uom is not None:
        uom = known.network.unit_from(fact.system, uom)
    try:
        quantity = item.units.to_base(line["quantity"], uom)
    except InexactUnit as error:
        raise Refused("inexact_unit", error.detail, sku=item.sku, uom=uom) from None
    except QuantityOutOfRange as error:
        raise Refused("quantity_out_of_range", error.detail, sku=item.sku, uom=uom) from None
    except UnknownUnit as error:
        raise Refused("unknown_unit", error.detail, sku=item.sku, uom=uom) from None
    if not item.lot_tracked:
        return item, quantity, None, None
    lot, expiry = line.get("lot"), line.get("expiry")
    if lot is None and lot_needed:
        raise Refused("lot_missing", f"Item {item.sku!r} is kept by lot and the line names none.", sku=item.sku)
    return item, quantity, lot, date.fromisoformat(expiry) if expiry else None


def _item(known: Known, sku: str) -> Item:
    item = known.items.get(sku)
    if item is None:
        raise Refused("unknown_item", f"There is no item {sku!r}.", sku=sku)
    return item


def _physical(known: Known, code: str) -> str:
    return _location(known, code, ("warehouse", "store"))


def _location(known: Known, code: str, kinds: tuple[str, ...]) -> str:
    location = known.network.location(code)
    if location is None:
        raise Refused("unknown_location", f"There is no location {code!r}.", location=code)
    if location.kind not in kinds:
        raise Refused("not_physical", f"Location {code!r} is a {location.kind}.", location=code, kind=location.kind)
    return code


def _status(known: Known, fact: Fact, code: str) -> str:
    status = known.network.status_from(fact.system, code)
    if status is None:
        raise Refused("unknown_status", f"There is no status {code!r} and no translation of it.", status=code)
    return status.code


def _reservation(known: Known, data: Mapping[str, Any]) -> int | None:
    external = data.get("reservation_id")
    if external is None:
        return None
    number = reservation_number(external)
    if number not in known.reservations:
        raise Refused("unknown_reservation", f"There is no reservation {external!r}.", reservation_id=external)
    return number
