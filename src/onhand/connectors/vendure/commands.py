"""What Vendure is told of orders: that they were sent, that they are cancelled. Pure: no connection, no clock.

Vendure knows no idempotency keys. But an order tells all of its fulfilments and cancellations, so that each command
looks at the order first and does only what has not been done: a fulfilment is known again by its tracking code, or by
a reference in its method; a cancellation of lines by a reference in its reason; one of the whole order by its state.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onhand.sdk import ReadFailed, Rejected


class Wanted(msgspec.Struct, frozen=True):
    """A quantity of an order's line, named by the line's id or, where there is none, by its SKU."""

    quantity: Annotated[int, Meta(ge=1)]
    line_id: str | None = None
    sku: str | None = None


class Fulfil(msgspec.Struct, frozen=True):
    """The body of `order.fulfil`: these units have left."""

    order: str
    lines: tuple[Wanted, ...]
    carrier: str = ""
    tracking: str = ""


class Cancel(msgspec.Struct, frozen=True):
    """The body of `order.cancel`: these units, or without lines the whole order, are no longer to be sent."""

    order: str
    lines: tuple[Wanted, ...] | None = None
    reason: str = ""


class VariantOfLine(msgspec.Struct, frozen=True):
    """What a line sells."""

    id: str
    sku: str


class Line(msgspec.Struct, frozen=True, rename="camel"):
    """A line of an order."""

    id: str
    quantity: int
    product_variant: VariantOfLine


class FulfilmentLine(msgspec.Struct, frozen=True, rename="camel"):
    """A line of a fulfilment."""

    order_line_id: str
    quantity: int


class Fulfilment(msgspec.Struct, frozen=True, rename="camel"):
    """A parcel, as Vendure knows it."""

    id: str
    state: str
    method: str | None
    tracking_code: str | None
    lines: tuple[FulfilmentLine, ...]


class Order(msgspec.Struct, frozen=True):
    """An order, with all that tells what was done to it."""

    id: str
    code: str
    state: str
    lines: tuple[Line, ...]
    fulfillments: tuple[Fulfilment, ...]
    cancellations: tuple[str, ...] = ()
    """The reasons of its cancellations."""


def refused(reason: str, detail: str, *, field: str | None = None) -> ReadFailed:
    """Return what to raise for a command that cannot be carried out on its order."""
    return ReadFailed(Rejected(reason=reason, detail=detail, field=field))


def order_of(item: Mapping[str, Any]) -> Order:
    """Return an order as the Admin API tells it."""
    entries = item["history"]["items"]
    reasons = [str((entry.get("data") or {}).get("reason") or "") for entry in entries]
    return msgspec.convert({**item, "cancellations": reasons}, Order)


def reference_of(idempotency_key: str) -> str:
    """Return the mark by which a command's effect is known again."""
    return f"ref {hashlib.sha256(idempotency_key.encode()).hexdigest()[:10]}"


def lines_of(order: Order, wanted: Sequence[Wanted], *, open_units: Mapping[str, int]) -> dict[str, int]:
    """Return order line id -> units; where only a SKU is named, its lines are filled one after the other.

    `open_units` are the units that each line still has for this. Raises ReadFailed.
    """
    left = dict(open_units)
    taken: Counter[str] = Counter()
    for number, want in enumerate(wanted):
        field = f"lines/{number}"
        lines = [line for line in order.lines if _fits(line, want)]
        if not lines:
            named = want.line_id or want.sku
            raise refused("unknown_line", f"Order {order.code} has no line {named!r}.", field=field)
        missing = want.quantity
        for line in lines:
            units = missing if want.line_id is not None else min(missing, left[line.id])
            left[line.id] -= units
            taken[line.id] += units
            missing -= units
        if missing:
            raise refused("too_many", f"Order {order.code} has {missing} units of {want.sku} too few.", field=field)
    return {line: units for line, units in taken.items() if units}


def unsent(order: Order) -> dict[str, int]:
    """Return order line id -> units that stand in no fulfilment."""
    sent: Counter[str] = Counter()
    for fulfilment in order.fulfillments:
        if fulfilment.state != "Cancelled":
            sent.update({line.order_line_id: line.quantity for line in fulfilment.lines})
    return {line.id: line.quantity - sent[line.id] for line in order.lines}


def done_already(order: Order, command: Fulfil, *, reference: str) -> Fulfilment | None:
    """Return the fulfilment that a command made at an earlier try, if there is one."""
    method, tracking = method_of(command, reference=reference), command.tracking
    for fulfilment in order.fulfillments:
        if fulfilment.state == "Cancelled" or fulfilment.method != method:
            continue
        if (fulfilment.tracking_code or "") == tracking and _same_goods(order, fulfilment, command):
            return fulfilment
    return None


def method_of(command: Fulfil, *, reference: str) -> str:
    """Return what a fulfilment says of its carrier; without a tracking code it carries the reference."""
    carrier = command.carrier or "Shipped"
    return carrier if command.tracking else f"{carrier} ({reference})"


def reason_of(command: Cancel, *, reference: str) -> str:
    """Return the reason of a cancellation, with the reference by which it is known again."""
    return f"{command.reason} ({reference})".strip()


def order_lines(units: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return lines as the Admin API takes them."""
    return [{"orderLineId": line, "quantity": quantity} for line, quantity in units.items()]


def _fits(line: Line, want: Wanted) -> bool:
    return line.id == want.line_id if want.line_id is not None else line.product_variant.sku == want.sku


def _same_goods(order: Order, fulfilment: Fulfilment, command: Fulfil) -> bool:
    """Compare by SKU: which of an order's lines a SKU was taken from depends on what was open then."""
    sku = {line.id: line.product_variant.sku for line in order.lines}
    sent: Counter[str] = Counter()
    for line in fulfilment.lines:
        sent[sku.get(line.order_line_id, "")] += line.quantity
    told: Counter[str] = Counter()
    for want in command.lines:
        told[sku.get(want.line_id or "", want.sku or "")] += want.quantity
    return sent == told
