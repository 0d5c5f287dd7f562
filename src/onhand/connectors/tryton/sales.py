"""What Tryton is told: sales, their cancellations, and returns, which to Tryton are sales of less than nothing.

A sale is made in steps, each a transaction of its own: create, quote, confirm. The hub's key goes into the sale's
description, which nobody can change after the draft, and is looked for before anything is made: so whatever answer was
lost, the next try goes on from the step that was reached. A request that outlives its caller can leave a draft behind,
never a second confirmed sale, because only a caller that is alive confirms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

import msgspec

from onhand.connectors.tryton.client import Client
from onhand.connectors.tryton.wire import Record
from onhand.sdk import Delivered, Outcome, Outgoing, ReadFailed, Rejected, Transient

MARK: Final = "onhand:"
"""What stands before the hub's key in a sale's description."""

FIELDS: Final = ("number", "state", "reference", "party", "shipments", "shipment_state")
_WIZARD: Final = "wizard.sale.handle.shipment.exception"

T = TypeVar("T")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an order or a return; without a unit it counts units in which the product is sold."""

    sku: str
    quantity: int
    unit: str | None = None
    unit_price: str | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `order.create`. Codes are Tryton's own: the mapping has translated ours."""

    order: str
    lines: tuple[Line, ...]
    customer: str | None = None
    warehouse: str | None = None
    currency: str | None = None


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `return.create`; `order` is the reference of the sale that the goods come from."""

    reference: str
    lines: tuple[Line, ...]
    order: str | None = None
    customer: str | None = None
    warehouse: str | None = None
    currency: str | None = None


class Cancellation(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `order.cancel`."""

    order: str


class Refusal(ReadFailed):
    """We refuse a message ourselves, because Tryton does not know what it speaks of."""

    def __init__(self, reason: str, field: str) -> None:
        super().__init__(Rejected(reason=reason, field=field))


class Sales:
    """The operations on sales of one Tryton."""

    def __init__(self, client: Client, config: Mapping[str, Any]) -> None:
        self._client = client
        self._customer: str | None = config.get("customer")
        self._warehouse: str | None = config.get("warehouse")

    async def create(self, command: Outgoing) -> Outcome:
        """Make a sale and confirm it."""
        order = _body(command, Order)
        return await self._made(command, order.order, order, sign=1)

    async def take_back(self, command: Outgoing) -> Outcome:
        """Make a sale of less than nothing, which is Tryton's return, and confirm it."""
        wanted = _body(command, Return)
        return await self._made(command, wanted.reference, wanted, sign=-1)

    async def cancel(self, command: Outgoing) -> Outcome:
        """Cancel a sale; once it is confirmed, cancel its deliveries, unless one has been picked."""
        order = _body(command, Cancellation).order
        sale = await self._sale_of(order)
        if sale is None:
            raise Refusal(f"Tryton has no sale with the reference {order!r}.", "order")
        if sale["state"] == "confirmed":
            await self._reopen(sale)
        if sale["state"] in ("draft", "quotation", "confirmed"):
            await self._press(sale["id"], "cancel")
            return _done(sale, "cancelled")
        if sale["state"] == "processing":
            await self._stop_deliveries(sale)
        elif sale["state"] == "done":
            raise Refusal(f"Sale {sale['number']} is done.", "order")
        return _done(sale, sale["state"])

    async def _reopen(self, sale: Record) -> None:
        """Make a draft of a sale whose processing has not begun; what has begun meanwhile is seen by the next try."""
        try:
            await self._press(sale["id"], "draft")
        except ReadFailed as error:
            if isinstance(error.outcome, Rejected):
                raise ReadFailed(Transient(detail=error.outcome.reason)) from error
            raise

    async def _made(self, command: Outgoing, reference: str, wanted: Order | Return, *, sign: int) -> Outcome:
        key = MARK + command.idempotency_key
        domain = [["description", "=", key]]
        found = await self._client.find("sale.sale", domain, FIELDS, limit=1)
        sale: Record = found[0] if found else {"id": await self._draft(key, reference, wanted, sign), "state": "draft"}
        if sale["state"] == "draft":
            await self._press(sale["id"], "quote")
        if sale["state"] in ("draft", "quotation"):
            await self._press(sale["id"], "confirm")
        (sale,) = await self._client.find("sale.sale", [["id", "=", sale["id"]]], FIELDS)
        return _done(sale, sale["state"])

    async def _draft(self, key: str, reference: str, wanted: Order | Return, sign: int) -> int:
        """Create the sale in one transaction, with what Tryton itself fills in for the customer and each product."""
        origin = await self._sale_of(wanted.order) if isinstance(wanted, Return) and wanted.order else None
        customer = wanted.customer or self._customer
        party = await self._one("party.party", "customer", customer) if origin is None or customer else origin["party"]
        company = (await self._client.context()).get("company")
        head = await self._filled("sale.sale", {"party": party, "company": company}, "party")
        if wanted.warehouse or self._warehouse:
            code = wanted.warehouse or self._warehouse
            head["warehouse"] = await self._one("stock.location", "warehouse", code, ["type", "=", "warehouse"])
        if wanted.currency:
            head["currency"] = await self._one("currency.currency", "currency", wanted.currency)
        lines = await self._lines(wanted.lines, head, sign)
        source = {} if origin is None else {"origin": f"sale.sale,{origin['id']}"}
        values = {**head, **source, "reference": reference, "description": key, "lines": [["create", lines]]}
        (made,) = await self._client.call("model.sale.sale.create", [values])
        return int(made)

    async def _lines(self, lines: Sequence[Line], head: Record, sign: int) -> list[Record]:
        products = await self._products({line.sku for line in lines})
        parent = {f"_parent_sale.{name}": head.get(name) for name in ("party", "company", "currency", "warehouse")}
        found = []
        for place, line in enumerate(lines):
            product = products.get(line.sku)
            if product is None:
                raise Refusal(f"Tryton has no product {line.sku!r}.", f"lines/{place}/sku")
            unit = _unit(line, product, f"lines/{place}/unit")
            known = {"type": "line", "product": product["id"], "unit": unit, "quantity": sign * line.quantity}
            filled = await self._filled("sale.line", {**known, **parent}, "product")
            own = {"sequence": place + 1} | ({} if line.unit_price is None else {"unit_price": _price(line, place)})
            kept = {
                name: value for name, value in filled.items() if not name.startswith("_parent_") and name != "amount"
            }
            taxes = [["add", kept.pop("taxes")]] if kept.get("taxes") else []
            found.append({**kept, **known, **own, "taxes": taxes})
        return found

    async def _products(self, skus: set[str]) -> dict[str, Record]:
        fields = ("code", "sale_uom", "sale_uom.symbol", "default_uom", "default_uom.symbol")
        found = await self._client.find("product.product", [["code", "in", sorted(skus)]], fields)
        return {each["code"]: each for each in reversed(found)}

    async def _filled(self, model: str, values: Record, changed: str) -> Record:
        """Return values with what Tryton's own form fills in when a field is set: prices, taxes, addresses, terms."""
        filled = await self._client.call(f"model.{model}.on_change", values, [changed])
        return {name: value for name, value in {**values, **filled}.items() if not name.endswith(".")}

    async def _one(self, model: str, field: str, code: str | None, *more: Sequence[Any]) -> int:
        if not code:
            raise Refusal(f"The order names no {field}, and the endpoint's settings name none.", field)
        found = await self._client.find(model, [["code", "=", code], *more], ("code",), limit=2)
        if len(found) != 1:
            raise Refusal(f"Tryton has {'no' if not found else 'more than one'} {field} {code!r}.", field)
        return int(found[0]["id"])

    async def _sale_of(self, reference: str) -> Record | None:
        """Return the sale with a reference, returns left out; the one that lives, where others were cancelled."""
        # SQL's "not like" leaves out what has no origin at all.
        no_return = ["OR", ["origin", "=", None], ["origin", "not like", "sale.sale,%"]]
        domain = [["reference", "=", reference], ["description", "like", f"{MARK}%"], no_return]
        found = await self._client.find("sale.sale", domain, FIELDS, limit=10)
        alive = [each for each in found if each["state"] != "cancelled"]
        return next(iter(alive or found), None)

    async def _stop_deliveries(self, sale: Record) -> None:
        """Cancel the deliveries of a confirmed sale and tell the sale that nothing is to be delivered instead."""
        model = "stock.shipment.out"
        found = await self._client.find(model, [["id", "in", sale["shipments"]]], ("number", "state"))
        gone = [each for each in found if each["state"] in ("picked", "packed", "shipped", "done")]
        if gone:
            raise Refusal(
                f"Delivery {gone[0]['number']} of sale {sale['number']} is {gone[0]['state']} already.", "order"
            )
        waiting = [each["id"] for each in found if each["state"] != "cancelled"]
        if waiting:
            await self._client.call(f"model.{model}.cancel", waiting)
        (now,) = await self._client.find("sale.sale", [["id", "=", sale["id"]]], FIELDS)
        if now["shipment_state"] == "exception":
            await self._ignore_cancelled(sale["id"])

    async def _ignore_cancelled(self, sale_id: int) -> None:
        where = {"active_model": "sale.sale", "active_id": sale_id, "active_ids": [sale_id]}
        moves = await self._client.find("stock.move", [["sale", "=", sale_id], ["state", "=", "cancelled"]], ("state",))
        ids = [each["id"] for each in moves]
        form = {"domain_moves": ids, "ignore_moves": ids, "recreate_moves": []}
        session, *_ = await self._client.call(f"{_WIZARD}.create")
        await self._client.call(f"{_WIZARD}.execute", session, {"ask": form}, "handle", **where)
        await self._client.call(f"{_WIZARD}.delete", session)

    async def _press(self, sale_id: int, button: str) -> None:
        await self._client.call(f"model.sale.sale.{button}", [sale_id])


def _body(command: Outgoing, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(command.body, type=kind)
    except msgspec.DecodeError as error:
        raise ReadFailed(Rejected(reason=f"The body is not what the operation takes: {error}")) from error


def _unit(line: Line, product: Record, field: str) -> int:
    """Return Tryton's unit for a line: among the units of the product, by its symbol."""
    units = {(product.get(f"{name}.") or {}).get("symbol"): product.get(name) for name in ("default_uom", "sale_uom")}
    wanted = line.unit or (product.get("sale_uom.") or product["default_uom."])["symbol"]
    unit = units.get(wanted)
    if unit is None:
        raise Refusal(f"Product {line.sku!r} is not sold in {wanted!r}.", field)
    return int(unit)


def _price(line: Line, place: int) -> Decimal:
    try:
        return Decimal(line.unit_price or "")
    except InvalidOperation as error:
        raise Refusal(f"{line.unit_price!r} is no price.", f"lines/{place}/unit_price") from error


def _done(sale: Record, state: str) -> Delivered:
    answer = {"sale": sale["id"], "number": sale.get("number"), "state": state}
    detail = f"sale {sale.get('number') or sale['id']} is {state}"
    return Delivered(answer=msgspec.json.encode(answer).decode(), detail=detail)
