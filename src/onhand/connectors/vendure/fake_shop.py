"""The shop behind the stand-in: goods, orders, and Vendure's own way of counting, its faults included.

What is peculiar was seen at a Vendure 3.7.3 and is held by tests that run against both:
`updatedAt` has whole seconds; `stockAllocated` is read, changed and written in three steps, so that sales at one time
lose each other's; `stockOnHand` may go below nought; cancelling open units of a partly sent order also puts sent
units back on the shelf.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Given = Mapping[str, Any]
SENT = {"Shipped": "PartiallyShipped", "Delivered": "PartiallyDelivered"}


class Refused(Exception):
    """The server refuses a question, by a code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def now() -> str:
    """Return the time as Vendure on SQLite tells it."""
    return _told(datetime.now(UTC))


def earlier(at: str, *, seconds: int) -> str:
    """Return a time some seconds before another."""
    return _told(datetime.fromisoformat(at) - timedelta(seconds=seconds))


def _told(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@dataclass(slots=True)
class Level:
    """A variant's stock at one location."""

    id: str
    on_hand: int = 0
    allocated: int = 0
    updated_at: str = field(default_factory=now)

    def change(self, *, on_hand: int = 0, allocated: int = 0) -> None:
        """Add to what is counted."""
        self.on_hand += on_hand
        self.allocated += allocated
        self.updated_at = now()


@dataclass(slots=True)
class Goods:
    """A product variant."""

    id: str
    sku: str
    levels: dict[str, Level]
    tracked: str = "INHERIT"
    threshold: int = 0
    own_threshold: bool = False


@dataclass(slots=True)
class Line:
    """A line of an order, with what moved for it."""

    id: str
    goods: Goods
    location: str
    placed: int
    quantity: int
    allocated: int = 0
    returned: int = 0


@dataclass(slots=True)
class Parcel:
    """A fulfilment."""

    id: str
    lines: dict[str, int]
    method: str
    tracking: str
    state: str = "Pending"


@dataclass(slots=True)
class Sale:
    """An order. A cart has no `placed_at`."""

    id: str
    code: str
    lines: list[Line]
    name: str
    placed_at: str | None = field(default_factory=now)
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)
    state: str = "PaymentSettled"
    parcels: list[Parcel] = field(default_factory=list)
    cancellations: list[dict[str, Any]] = field(default_factory=list)


class Shop:
    """The state of one channel, and what can happen to it."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - codes that can be repeated, not secrets
        self._last: dict[str, int] = {}
        self.locations: dict[str, str] = {}
        self.goods: dict[str, Goods] = {}
        self.by_sku: dict[str, list[Goods]] = {}
        self.sales: dict[str, Sale] = {}
        self._sale_of: dict[str, Sale] = {}
        self.threshold = 0
        self.add_location("Main")

    def number(self, kind: str) -> str:
        """Return the next id of a kind."""
        self._last[kind] = self._last.get(kind, 0) + 1
        return str(self._last[kind])

    def add_location(self, name: str) -> str:
        """Add a stock location; goods that are there hold nothing at it."""
        location = self.number("location")
        self.locations[location] = name
        for goods in self.goods.values():
            goods.levels[location] = Level(self.number("level"))
        return location

    def add_goods(self, sku: str, on_hand: int) -> Goods:
        """Put a variant on the first location's shelf."""
        levels = {location: Level(self.number("level")) for location in self.locations}
        levels[next(iter(levels))].on_hand = on_hand
        goods = Goods(self.number("variant"), sku, levels)
        self.goods[goods.id] = goods
        self.by_sku.setdefault(sku, []).append(goods)
        return goods

    def remove(self, goods: Goods) -> None:
        """Sell a variant no longer."""
        del self.goods[goods.id]
        self.by_sku[goods.sku].remove(goods)

    def threshold_of(self, goods: Goods) -> int:
        """Return what is held back of a variant."""
        return goods.threshold if goods.own_threshold else self.threshold

    def saleable(self, goods: Goods) -> int:
        """Return what a buyer can order."""
        if goods.tracked == "FALSE":
            return 2**53 - 1
        free = sum(level.on_hand - level.allocated for level in goods.levels.values())
        return free - self.threshold_of(goods)

    def fill_cart(self, wanted: Mapping[str, int], *, name: str) -> Sale:
        """Begin an order for variants by id. Refuses more than is saleable, and counts nothing yet."""
        lines = []
        for variant, quantity in wanted.items():
            goods = self.goods[variant]
            if self.saleable(goods) < quantity:
                raise ValueError(f"only {self.saleable(goods)} of {goods.sku} are there")
            location = self._place(goods, quantity)
            lines.append(Line(self.number("line"), goods, location, quantity, quantity))
        code = "".join(self._random.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=16))
        sale = Sale(self.number("order"), code, lines, name, placed_at=None, state="AddingItems")
        self.sales[sale.code] = sale
        self._sale_of |= {f"line {line.id}": sale for line in lines} | {f"order {sale.id}": sale}
        return sale

    def check_out(self, sale: Sale, *, read: Mapping[str, int] | None = None) -> None:
        """Place an order; `read` is what was read of `stockAllocated` by line, which others may have changed since."""
        for line in sale.lines:
            level = line.goods.levels[line.location]
            before = level.allocated if read is None else read[line.id]
            level.change(allocated=before + line.quantity - level.allocated)
            line.allocated = line.quantity
        sale.placed_at, sale.state, sale.updated_at = now(), "PaymentSettled", now()

    def fulfil(self, wanted: Given) -> dict[str, Any]:
        """Answer addFulfillmentToOrder."""
        quantities = {str(line["orderLineId"]): int(line["quantity"]) for line in wanted["lines"]}
        if not sum(quantities.values()):
            return error("EmptyOrderLineSelectionError", "At least one OrderLine must be specified")
        sale = next((found for line in quantities if (found := self._sale_of.get(f"line {line}"))), None)
        lines = {line.id: line for line in sale.lines} if sale else {}
        if sale is None or not quantities.keys() <= lines.keys():
            missing = next(one for one in quantities if one not in lines)
            raise LookupError(f'No OrderLine with the id "{missing}" could be found')
        if any(lines[one].quantity - _sent(sale, one) < quantity for one, quantity in quantities.items()):
            return error("ItemsAlreadyFulfilledError", "One or more OrderItems are already part of a Fulfillment")
        for one, quantity in quantities.items():
            held = sum(level.on_hand for level in lines[one].goods.levels.values())
            if lines[one].goods.tracked != "FALSE" and held < quantity:
                words = f'Cannot create a Fulfillment as "{lines[one].goods.sku}" has insufficient stockOnHand ({held})'
                return error("InsufficientStockOnHandError", words)
        for one, quantity in quantities.items():
            lines[one].goods.levels[lines[one].location].change(on_hand=-quantity, allocated=-quantity)
            lines[one].allocated -= quantity
        said = {argument["name"]: argument["value"] for argument in wanted["handler"]["arguments"]}
        parcel = Parcel(self.number("parcel"), quantities, said.get("method", ""), said.get("trackingCode", ""))
        sale.parcels.append(parcel)
        self._sale_of[f"parcel {parcel.id}"] = sale
        sale.updated_at = now()
        return {"__typename": "Fulfillment", "id": parcel.id, "state": parcel.state}

    def move(self, parcel_id: str, state: str) -> dict[str, Any]:
        """Answer transitionFulfillmentToState."""
        sale = self._sale_of.get(f"parcel {parcel_id}")
        if sale is None:
            raise LookupError(f'No Fulfillment with the id "{parcel_id}" could be found')
        parcel = next(one for one in sale.parcels if one.id == parcel_id)
        if state not in _NEXT[parcel.state]:
            words = f'Cannot transition Fulfillment from "{parcel.state}" to "{state}"'
            return error("FulfillmentStateTransitionError", words, transitionError=words)
        parcel.state = state
        whole = all(line.quantity <= _sent(sale, line.id, states=_REACHED[state]) for line in sale.lines)
        sale.state = state if whole else SENT[state]
        sale.updated_at = now()
        return {"__typename": "Fulfillment", "id": parcel.id, "state": parcel.state}

    def cancel(self, wanted: Given) -> dict[str, Any]:
        """Answer cancelOrder."""
        sale = self._sale_of.get(f"order {wanted['orderId']}")
        if sale is None:
            raise LookupError(f'No Order with the id "{wanted["orderId"]}" could be found')
        whole = {line.id: line.quantity for line in sale.lines}
        named = wanted.get("lines")
        quantities = whole if named is None else {str(one["orderLineId"]): int(one["quantity"]) for one in named}
        if not sum(quantities.values()):
            return error("EmptyOrderLineSelectionError", "At least one OrderLine must be specified")
        if not quantities.keys() <= whole.keys():
            return error("MultipleOrderError", "The specified OrderLines do not belong to the Order")
        if any(whole[one] < quantity for one, quantity in quantities.items()):
            return error("QuantityTooGreatError", "The specified quantity is greater than the available OrderItems")
        for line in sale.lines:
            _cancel_units(sale, line, quantities.get(line.id, 0))
        sale.cancellations.append({"lines": wanted.get("lines") or [], "reason": wanted.get("reason")})
        if not any(line.quantity for line in sale.lines):
            sale.state = "Cancelled"
        sale.updated_at = now()
        return {"__typename": "Order", "id": sale.id, "state": sale.state}

    def _place(self, goods: Goods, quantity: int) -> str:
        """Return the first location that has enough, or the first one."""
        free: Callable[[Level], int] = lambda level: level.on_hand - level.allocated - self.threshold_of(goods)  # noqa: E731
        enough = (location for location, level in goods.levels.items() if free(level) >= quantity)
        return next(enough, next(iter(goods.levels)))


_NEXT: dict[str, tuple[str, ...]] = {
    "Pending": ("Shipped", "Delivered", "Cancelled"),
    "Shipped": ("Delivered", "Cancelled"),
    "Delivered": ("Cancelled",),
    "Cancelled": (),
}
_REACHED = {"Shipped": ("Shipped", "Delivered"), "Delivered": ("Delivered",)}


def error(kind: str, message: str, **more: Any) -> dict[str, Any]:
    """Return an error result, whose code is its type's name in capitals."""
    code = "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in kind).lstrip("_")
    return {"__typename": kind, "errorCode": code, "message": message, **more}


def _sent(sale: Sale, line: str, *, states: tuple[str, ...] = ("Pending", "Shipped", "Delivered")) -> int:
    return sum(parcel.lines.get(line, 0) for parcel in sale.parcels if parcel.state in states)


def _cancel_units(sale: Sale, line: Line, quantity: int) -> None:
    """Release what is allocated and put back what was sent: both, as Vendure does, where a line has both."""
    level = line.goods.levels[line.location]
    released = max(0, min(line.allocated, quantity))
    returned = max(0, min(_sent(sale, line.id) - line.returned, quantity))
    level.change(allocated=-released, on_hand=returned)
    line.allocated -= released
    line.returned += returned
    line.quantity -= quantity
