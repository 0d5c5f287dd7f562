"""Resolving: from what a caller wrote (SKUs, units, codes) to what planning works with (items, base units, ids).

Everything that makes a request impossible, whatever the stock, is told here as a typed error; after this
module only quantities can stand in the way.
"""

from __future__ import annotations

import msgspec

from onhand.domain.errors import Conflict, InvalidInput, NotFound
from onhand.domain.item import Item
from onhand.domain.kit import UnknownItem, explode
from onhand.domain.lot import last_unfit_day
from onhand.domain.reservation import InvalidRequest, Line, Request, check_request
from onhand.domain.snapshot import Seller, Snapshot
from onhand.domain.sourcing import Site, rank


class UnknownChannel(NotFound):
    """There is no channel of that code, or it is closed."""

    code = "unknown_channel"
    title = "There is no such channel"
    remedy = "Check the code; the network's files declare the channels."


class LocationNotServed(InvalidInput):
    """The channel does not sell from the location or group that the line names."""

    code = "location_not_served"
    title = "The channel does not sell from there"
    remedy = "Name one of the channel's locations, or none: then Onhand chooses."


class ItemBlocked(Conflict):
    """The item, or a part of it, is blocked for sale."""

    code = "item_blocked"
    title = "The item is blocked"
    remedy = "Wait until the item is active again, or take another one."


class BrokenSellingUnit(InvalidInput):
    """The quantity is not a whole number of selling units, and the channel sells only whole ones."""

    code = "broken_selling_unit"
    title = "The item is sold in whole selling units only"
    remedy = "Ask for a whole number of selling units."


class Want(msgspec.Struct, frozen=True):
    """One request line, resolved. Quantities are base units; `parts` are a kit's stocked parts and counts per kit.

    `allowed` are the location ids the line may use (None: all of the channel's); `unfit` is the latest expiry,
    as a date's ordinal, that is just too early.
    """

    index: int
    line: Line
    item: Item
    quantity: int
    unit: int
    allowed: frozenset[int] | None
    unfit: int
    parts: tuple[tuple[Item, int], ...]


class Order(msgspec.Struct, frozen=True):
    """One request, resolved: its lines, and the channel's locations in the order in which they are tried.

    `unfit` bounds the lots that count as this order's supply at all; lines may be stricter.
    """

    request: Request
    seller: Seller
    wants: tuple[Want, ...]
    sites: tuple[Site, ...]
    unfit: int


def resolve(request: Request, snapshot: Snapshot) -> Order:
    """Return the request in ids and base units.

    Raises `UnknownChannel`, `UnknownItem`, `ItemBlocked`, `LocationNotServed`, `BrokenSellingUnit`,
    `InvalidRequest`, and what `Units.to_base` and `explode` raise.
    """
    check_request(request)
    seller = snapshot.sellers.get(request.channel)
    if seller is None:
        raise UnknownChannel(f"There is no channel {request.channel!r} that sells.", channel=request.channel)
    unfit = _unfit(request, seller, snapshot)
    wants = tuple(_want(index, line, request, seller, snapshot) for index, line in enumerate(request.lines))
    sites = seller.standing if request.ship_to is None else rank(seller.sites, seller.sourcing, request.ship_to)
    return Order(request, seller, wants, sites, unfit)


def _want(index: int, line: Line, request: Request, seller: Seller, snapshot: Snapshot) -> Want:
    item = snapshot.items.get(line.sku)
    if item is None:
        raise UnknownItem(f"There is no item {line.sku!r}.", sku=line.sku, line_id=line.line_id)
    parts = explode(item, snapshot.items) if item.kind == "kit" else ()
    for each in (item, *(part for part, _ in parts)):
        if each.status == "blocked":
            raise ItemBlocked(f"Item {each.sku!r} is blocked.", sku=each.sku, line_id=line.line_id)
    if line.lot is not None and not item.lot_tracked:
        raise InvalidRequest(f"Item {line.sku!r} is not tracked by lot.", line_id=line.line_id)
    return Want(
        index=index,
        line=line,
        item=item,
        quantity=_quantity(line, item, seller),
        unit=seller.unit(item),
        allowed=_allowed(line, seller, snapshot),
        unfit=_unfit(request, seller, snapshot, line),
        parts=parts,
    )


def _quantity(line: Line, item: Item, seller: Seller) -> int:
    quantity = item.units.to_base(line.quantity, line.uom)
    if quantity < 1:
        raise InvalidRequest(f"Line {line.line_id!r} asks for {line.quantity}; it must ask for 1 or more.")
    unit = seller.unit(item)
    if quantity % unit:
        raise BrokenSellingUnit(
            f"{line.sku!r} is sold in steps of {unit} {item.base_uom}; {quantity} is no multiple of that.",
            line_id=line.line_id,
            selling_unit=unit,
        )
    return quantity


def _allowed(line: Line, seller: Seller, snapshot: Snapshot) -> frozenset[int] | None:
    if line.location is not None:
        allowed = frozenset(site.id for site in seller.sites if site.code == line.location)
    elif line.group is not None:
        named = snapshot.groups.get(line.group, ())
        allowed = frozenset(site.id for site in seller.sites if site.id in named)
    else:
        return None
    if not allowed:
        raise LocationNotServed(
            f"Channel {seller.code!r} does not sell from {line.location or line.group!r}.",
            line_id=line.line_id,
        )
    return allowed


def _unfit(request: Request, seller: Seller, snapshot: Snapshot, line: Line | None = None) -> int:
    return last_unfit_day(
        ship_date=max(request.ship_date or snapshot.today, snapshot.today),  # nothing leaves before today
        min_remaining_life_days=max(seller.min_remaining_life_days, request.min_remaining_life_days),
        min_expiry=line.min_expiry if line is not None else None,
    )
