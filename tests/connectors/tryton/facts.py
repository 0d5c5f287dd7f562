"""What messages become: events by the connector's mapping, held against their contracts, and what they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import yaml

from onhand.app.inbox_bodies import decode
from onhand.contracts.registry import packaged
from onhand.domain.mapping import Context, Mapped, compile_mapping
from onhand.domain.stock_statement import STATED
from onhand.sdk import Message

_FOLDER = Path(__file__).parents[3] / "src" / "onhand" / "connectors" / "tryton"
SPECS: Mapping[str, Mapping[str, object]] = yaml.safe_load((_FOLDER / "mapping.yaml").read_text())["mappings"]
CONTRACTS = packaged()
CONTEXT = Context(system="erp", look_up=lambda _kind, _code: None, received_at=datetime(2026, 3, 1, tzinfo=UTC))


def mapped(name: str, body: bytes) -> list[Mapped]:
    """Return what a body becomes, and assert that each event keeps its contract."""
    found = compile_mapping(SPECS[name], name=name).apply(decode(body, "application/json"), CONTEXT)
    for each in found:
        if each.type != STATED and SPECS[name].get("direction") != "out":
            assert CONTRACTS.validate(each.type, 1, each.data) == [], each
    return found


def facts_of(name: str, messages: Iterable[Message], sku: str) -> list[Mapped]:
    """Return the events of one product."""
    found = [fact for message in messages for fact in mapped(name, message.body)]
    return [
        fact for fact in found if sku in (fact.data.get("sku"), *(line["sku"] for line in fact.data.get("lines", ())))
    ]


def standing(facts: Iterable[Mapped]) -> dict[tuple[str, str], int]:
    """Return what stands where after these events, by location and status: a second, simpler ledger."""
    stock: Counter[tuple[str, str]] = Counter()
    for fact in facts:
        data = fact.data
        quantity = sum(line["quantity"] for line in data["lines"])
        status = data.get("status", "available")
        if fact.type in ("receipt.posted", "return.received", "adjustment.posted"):
            stock[data["location"], status] += quantity
        elif fact.type == "shipment.confirmed":
            stock[data["location"], status] -= quantity
        elif fact.type == "transfer.shipped":
            stock[data["from_location"], status] -= quantity
        elif fact.type == "transfer.received":
            stock[data["to_location"], status] += quantity
        elif fact.type == "pick.confirmed":
            stock[data["location"], "available"] -= quantity
            stock[data["location"], "picked"] += quantity
        else:
            stock[data["location"], data["from_status"]] -= quantity
            stock[data["location"], data["to_status"]] += quantity
    return {place: quantity for place, quantity in stock.items() if quantity}
