"""Orders back: tell Vendure what was sent and what is cancelled, looking first at what it knows already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from onhand.connectors.vendure import documents
from onhand.connectors.vendure.commands import (
    Cancel,
    Fulfil,
    Order,
    done_already,
    lines_of,
    method_of,
    order_lines,
    order_of,
    reason_of,
    reference_of,
    refused,
    unsent,
)
from onhand.connectors.vendure.publishing import Shelf
from onhand.connectors.vendure.session import Session, refusal
from onhand.sdk import Delivered, Gone, Outcome, Outgoing, ReadFailed

INSUFFICIENT: Final = "INSUFFICIENT_STOCK_ON_HAND_ERROR"
_AFTER: Final = {"Pending": 0, "Shipped": 1, "Delivered": 2}

Body = TypeVar("Body", Fulfil, Cancel)


async def fulfil(session: Session, config: Mapping[str, Any], command: Outgoing) -> Outcome:
    """Have the order say that units have left. Raises ReadFailed."""
    body = _body(command, Fulfil)
    order = await _order(session, body.order)
    reference = reference_of(command.idempotency_key)
    earlier = done_already(order, body, reference=reference)
    if earlier is not None:
        return await _move(session, earlier.id, earlier.state, config)
    units = lines_of(order, body.lines, open_units=unsent(order))
    arguments = {"method": method_of(body, reference=reference), "trackingCode": body.tracking}
    handler = {
        "code": config.get("fulfilment_handler", "manual-fulfillment"),
        "arguments": [{"name": name, "value": value} for name, value in arguments.items()],
    }
    made = await _act(session, documents.FULFIL, {"input": {"lines": order_lines(units), "handler": handler}})
    if made.get("errorCode") == INSUFFICIENT:
        made = await _fulfil_uncounted(session, config, order, units, handler)
    return refusal(made, done="Fulfillment") or await _move(session, made["id"], made["state"], config)


async def cancel(session: Session, config: Mapping[str, Any], command: Outgoing) -> Outcome:
    """Cancel an order, or units of it. Raises ReadFailed."""
    body = _body(command, Cancel)
    order = await _order(session, body.order)
    reference = reference_of(command.idempotency_key)
    if order.state == "Cancelled" or any(reference in reason for reason in order.cancellations):
        return Delivered(detail="It was cancelled already.", answer=order.id)
    given: dict[str, Any] = {"orderId": order.id, "reason": reason_of(body, reference=reference)}
    open_units = {line.id: line.quantity for line in order.lines}
    units = open_units if body.lines is None else lines_of(order, body.lines, open_units=open_units)
    if units == {line: quantity for line, quantity in open_units.items() if quantity} or body.lines is None:
        given["cancelShipping"] = config.get("cancel_shipping", True)
    else:
        given["lines"] = order_lines(units)
    done = await _act(session, documents.CANCEL, {"input": given})
    return refusal(done, done="Order") or Delivered(detail=f"The order is {done['state']}.", answer=order.id)


def _body(command: Outgoing, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(command.body, type=kind)
    except msgspec.DecodeError as error:
        raise refused("malformed", f"The body is no {command.operation}: {error}.") from error


async def _order(session: Session, code: str) -> Order:
    """Return an order as it stands. Raises ReadFailed."""
    options = {"filter": {"code": {"eq": code}}, "take": 1}
    data = msgspec.json.decode(await session.ask(documents.ORDER, {"options": options}), type=dict[str, dict[str, Any]])
    items = data["orders"]["items"]
    if not items:
        raise ReadFailed(Gone(detail=f"The channel has no order {code!r}."))
    return order_of(items[0])


async def _move(session: Session, fulfilment: str, state: str, config: Mapping[str, Any]) -> Outcome:
    """Bring a fulfilment into the state that is wanted; one that is there, or beyond, stays."""
    wanted = config.get("fulfilment_state", "Shipped")
    if _AFTER.get(state, 0) < _AFTER[wanted]:
        moved = await _act(session, documents.MOVE, {"id": fulfilment, "state": wanted})
        objection = refusal(moved, done="Fulfillment")
        if objection is not None:
            return objection
    return Delivered(detail=f"Fulfilment {fulfilment}.", answer=fulfilment)


async def _fulfil_uncounted(
    session: Session, config: Mapping[str, Any], order: Order, units: Mapping[str, int], handler: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Fulfil what Vendure believes not to have: its lost allocations make `stockOnHand` too low.

    The goods have left, whatever Vendure counted. So it is lent the units and they are taken back afterwards,
    so that buyers are shown no more than before.
    """
    shelf = Shelf(session, {**config, "listing_by": "id"})
    variant_of = {line.id: line.product_variant.id for line in order.lines}
    wanted: Counter[str] = Counter()
    for line, quantity in units.items():
        wanted[variant_of[line]] += quantity
    _, found = await shelf.look(wanted)
    held = {variant: sum(level.stock_on_hand for level in one.stock_levels) for variant, (one,) in found.items()}
    lent = {variant: wanted[variant] - n for variant, n in held.items() if n < wanted[variant]}
    await _lend(shelf, lent, sign=1)
    try:
        return await _act(session, documents.FULFIL, {"input": {"lines": order_lines(units), "handler": handler}})
    finally:
        await _lend(shelf, lent, sign=-1)


async def _lend(shelf: Shelf, lent: Mapping[str, int], *, sign: int) -> None:
    counting, found = await shelf.look(lent)
    here = {variant: one.level(counting.carrier).stock_on_hand for variant, (one,) in found.items()}
    await shelf.set({variant: {counting.carrier: n + sign * lent[variant]} for variant, n in here.items()})


async def _act(session: Session, document: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the union that a mutation answers with."""
    data = msgspec.json.decode(await session.ask(document, variables), type=dict[str, dict[str, Any]])
    return next(iter(data.values()))
