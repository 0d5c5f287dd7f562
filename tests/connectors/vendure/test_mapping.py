"""What recorded messages of a real Vendure become, and what the hub's words become for Vendure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import yaml

from onhand.app.inbox_bodies import decode
from onhand.connectors.vendure.commands import Cancel, Fulfil
from onhand.contracts.registry import packaged
from onhand.domain.mapping import Context, Mapped, compile_mapping
from tests.connectors.vendure.conftest import FOLDER

SPECS = yaml.safe_load((FOLDER / "mapping.yaml").read_text())["mappings"]


def mapped(name: str, body: bytes, *, key: str | None = None) -> list[Mapped]:
    context = Context(
        system="webshop",
        look_up=lambda _kind, _code: None,
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
        facts={} if key is None else {"name": key},
    )
    return compile_mapping(SPECS[name], name=name).apply(decode(body, "application/json"), context)


def sample(name: str) -> bytes:
    return (FOLDER / "samples" / f"{name}.json").read_bytes()


def order(name: str, **changes: Any) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(sample(f"orders/{name}")), **changes})


CONTRACTS = packaged()


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("placed", "order.accepted"),
        ("partly-cancelled", "order.changed"),
        ("partly-shipped", "order.changed"),
        ("cancelled", "order.cancelled"),
    ],
)
def test_each_version_of_an_order_is_one_event_that_keeps_its_contract(name: str, type_: str) -> None:
    (event,) = mapped("orders", sample(f"orders/{name}"), key="KEY~1")
    assert (event.type, event.id) == (type_, "KEY~1")
    assert event.time is not None
    assert CONTRACTS.validate(event.type, 1, event.data) == []


def test_an_order_is_stated_whole_with_exact_prices() -> None:
    (event,) = mapped("orders", sample("orders/placed"))
    assert event.data["channel"] == "webshop"
    assert event.data["currency"] == "EUR"
    assert event.data["lines"] == [
        {"line_id": "1", "sku": "TEA-001", "quantity": 3, "unit_price": "7.95"},
        {"line_id": "2", "sku": "CUP-003", "quantity": 1, "unit_price": "7.95"},
    ]
    assert event.data["ship_to"] == {
        "name": "A. Example",
        "street": ["High Street 1"],
        "postal_code": "12345",
        "city": "Exampleton",
        "country": "DE",
        "email": "a@example.com",
    }


def test_a_cancelled_order_names_what_was_placed_since_its_quantities_are_nought() -> None:
    (event,) = mapped("orders", sample("orders/cancelled"))
    assert [(line["sku"], line["quantity"]) for line in event.data["lines"]] == [("TEA-001", 3), ("CUP-003", 1)]


def test_a_line_that_is_cancelled_whole_is_left_out() -> None:
    stated = msgspec.json.decode(sample("orders/partly-cancelled"))
    stated["lines"][1]["quantity"] = 0
    (event,) = mapped("orders", msgspec.json.encode(stated))
    assert (event.type, [line["sku"] for line in event.data["lines"]]) == ("order.changed", ["TEA-001"])
    assert CONTRACTS.validate(event.type, 1, event.data) == []


@pytest.mark.parametrize("state", ["Modifying", "ArrangingAdditionalPayment"])
def test_an_order_that_is_being_edited_says_nothing_yet(state: str) -> None:
    assert mapped("orders", order("placed", state=state)) == []


def test_an_order_without_customer_and_address_keeps_its_contract() -> None:
    """A guest who buys at a desk: Vendure has an address without a single line then."""
    (event,) = mapped("orders", order("placed", customer=None, shippingAddress={"fullName": " ", "countryCode": None}))
    assert CONTRACTS.validate(event.type, 1, event.data) == []
    assert event.data.get("ship_to", {}) == {}


def test_a_level_is_a_row_of_stock_and_what_is_not_tracked_is_none() -> None:
    (row,) = mapped("stock", sample("stock/counted"))
    assert (row.type, row.data) == ("stock.stated", {"sku": "TEA-001", "location": "2", "quantity": 40})
    assert mapped("stock", sample("stock/not-tracked")) == []


def test_our_words_become_commands_that_the_connector_reads() -> None:
    lines = [{"line_id": "7", "sku": "TEA-001", "quantity": 2}]
    shipped = {"location": "vienna", "order": "SO-1", "carrier": "dhl", "tracking": "T", "lines": lines}
    (fulfil,) = mapped("order_fulfil", msgspec.json.encode(shipped))
    read = msgspec.convert(fulfil.data, Fulfil)
    assert (read.order, read.carrier, read.tracking, read.lines[0].line_id) == ("SO-1", "dhl", "T", "7")
    cancelled = {"order": "SO-1", "channel": "webshop", "lines": lines, "reason": "Fraud"}
    (cancel,) = mapped("order_cancel", msgspec.json.encode(cancelled))
    assert msgspec.convert(cancel.data, Cancel).reason == "Fraud"
