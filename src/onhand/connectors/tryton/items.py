"""The stream `items`: products as they are now, told again whenever the product or its template has changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from onhand.connectors.tryton.client import Client
from onhand.connectors.tryton.cursor import Seen, read_cursor, write_cursor
from onhand.connectors.tryton.wire import Record, number, plain
from onhand.sdk import Message, Page

FIELDS: Final = (
    "code", "name", "type", "active", "salable", "purchasable", "write_date", "create_date",
    "template.write_date", "template.create_date", "default_uom.symbol", "default_uom.factor",
    "sale_uom.symbol", "sale_uom.factor", "purchase_uom.symbol", "purchase_uom.factor",
)  # fmt: skip


async def read(client: Client, cursor: str | None, *, limit: int, overlap_s: int) -> Page:
    """Return products that changed since a cursor."""
    walk = read_cursor(cursor)
    domain = walk.domain(overlap_s, "", "template.")
    # Tryton leaves out what is inactive, and an item that is blocked is news.
    asked = walk.asks(limit)
    found = await client.find("product.product", domain, FIELDS, limit=asked, active_test=False)
    taken = walk.took([Seen(each["id"], _changed_at(each), _key(each)) for each in found], limit)
    new = [message_of(each) for each, seen in zip(found, taken, strict=False) if seen.key not in walk.known]
    more = len(taken) < len(found) or len(found) == asked
    walk = walk.walked(taken, now=client.now(), more=more, overlap_s=overlap_s)
    return Page(messages=tuple(new), cursor=write_cursor(walk), more=more)


def message_of(product: Record) -> Message:
    """Return the message that a product is."""
    return Message(key=_key(product), body=plain(body_of(product)), occurred_at=_changed_at(product))


def body_of(product: Record) -> Record:
    """Return a product as the mapping sees it: what Tryton says, with the units brought to whole multiples."""
    base = product["default_uom."]
    units = _units(product, base)
    sold_in = (product.get("sale_uom.") or base)["symbol"]
    return {
        "id": product["id"],
        "version": _version(product),
        "code": product["code"],
        "name": product["name"],
        "type": product["type"],
        "active": bool(product["active"]),
        "salable": bool(product.get("salable")),
        "purchasable": bool(product.get("purchasable")),
        "unit": base["symbol"],
        "units": [{"symbol": symbol, "factor": factor} for symbol, factor in units.items()],
        "selling_unit": sold_in if sold_in in units else base["symbol"],
    }


def _units(product: Record, base: Record) -> dict[str, int]:
    """Return the units in which it is sold and bought, where they hold a whole number of the base unit."""
    found: dict[str, int] = {}
    for name in ("sale_uom.", "purchase_uom."):
        unit = product.get(name)
        if unit and unit["symbol"] != base["symbol"] and base["factor"]:
            factor = number(Decimal(unit["factor"]) / Decimal(base["factor"]))
            if isinstance(factor, int) and factor >= 1:
                found[unit["symbol"]] = factor
    return found


def _key(product: Record) -> str:
    return f"{product['id']}@{_version(product)}"


def _version(product: Record) -> str:
    return f"{_changed_at(product):%Y%m%dT%H%M%S.%f}"


def _changed_at(product: Record) -> Any:
    template = product["template."]
    times = (product["write_date"], product["create_date"], template["write_date"], template["create_date"])
    return max(at for at in times if at is not None)
