"""Orders as vendors document them, mapped with the rules alone, and taken by the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onhand.contracts import strict_json
from onhand.contracts.registry import packaged
from onhand.domain.mapping import Context, Mapped, compile_mapping
from tests.mapping.mapped import RECEIVED

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures"
WOO = FIXTURES / "woocommerce" / "woocommerce+woocommerce-rest-api-docs"
SHOPIFY = FIXTURES / "shopify" / "Shopify+shopify_python_api" / "fixtures"

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="the fixtures of vendors are not here")

WOO_ORDERS: dict[str, Any] = {
    "for_each": ".",
    "when": {"path": "status", "is": ["processing", "completed", "on-hold", "pending"]},
    "type": "order.accepted",
    "id": "{number}@{date_modified_gmt}",
    "time": {"path": "date_modified_gmt", "date": {"zone": "UTC"}},
    "subject": "{number}",
    "data": {
        "order": "number",
        "channel": {"value": "woo"},
        "currency": "currency",
        "customer": {
            "path": "customer_id",
            "when": {"path": "customer_id", "above": 0},
            "lookup": {"kind": "customer", "unknown": "keep"},
        },
        "lines": {
            "each": "line_items",
            "fields": {
                "line_id": {"text": "{id}"},
                # A product without a SKU of its own is known by its ids.
                "sku": {"first_of": ["sku", {"text": "{product_id}/{variation_id}"}]},
                "quantity": {"path": "quantity", "whole": True},
                "unit_price": {"quotient": ["subtotal", "quantity"], "places": 6, "how": "half_even", "amount": True},
            },
        },
        "ship_to": {
            "fields": {
                "name": {"text": "{shipping.first_name?} {shipping.last_name?}", "trim": True, "optional": True},
                "company": "shipping.company?",
                "street": {"list": ["shipping.address_1?", "shipping.address_2?"]},
                "city": "shipping.city?",
                "country": "shipping.country?",
            }
        },
    },
}  # fmt: skip
SHOPIFY_ORDERS: dict[str, Any] = {
    "for_each": "order",
    "type": "order.accepted",
    "id": "{name}@{updated_at}",
    "time": "updated_at",
    "subject": "{name}",
    "data": {
        "order": {"path": "name", "capture": "#?(.+)"},
        "channel": {"value": "shopify"},
        "currency": "currency",
        "lines": {
            "each": "line_items",
            "fields": {
                "line_id": {"text": "{id}"},
                "sku": {"first_of": ["sku", {"text": "variant {variant_id}"}]},
                "quantity": "quantity",
                "unit_price": {"path": "price", "amount": 2},
            },
        },
    },
}


def mapped(specification: dict[str, Any], file: Path) -> list[Mapped]:
    document = strict_json.loads(file.read_bytes())
    context = Context(system="shop", look_up=lambda _kind, _code: None, received_at=RECEIVED, trace=True)
    found = compile_mapping(specification, name="orders").apply(document, context)
    for event in found:
        assert packaged().validate(event.type, 1, event.data) == []
        assert event.time is not None
        assert event.origins
    return found


@pytest.mark.parametrize(
    "name",
    ["02_create-an-order", "03_retrieve-an-order", "04_list-all-orders", "06_update-an-order", "07_delete-an-order"],
)
def test_orders_of_woocommerce_become_events(name: str) -> None:
    found = mapped(WOO_ORDERS, WOO / f"orders__{name}__response.json")
    assert found


def test_an_order_of_woocommerce_is_read_as_it_is_meant() -> None:
    (event,) = mapped(WOO_ORDERS, WOO / "orders__03_retrieve-an-order__response.json")
    assert event.id == "727@2017-03-22T19:28:08"
    assert event.data["lines"] == [
        {"line_id": "315", "sku": "93/0", "quantity": 2, "unit_price": "3"},
        {"line_id": "316", "sku": "Bar3", "quantity": 1, "unit_price": "12"},
    ]
    assert event.data["ship_to"] == {
        "name": "John Doe", "street": ["969 Market"], "city": "San Francisco", "country": "US",
    }  # fmt: skip
    assert "customer" not in event.data


def test_orders_of_shopify_become_events() -> None:
    (event,) = mapped(SHOPIFY_ORDERS, SHOPIFY / "order.json")
    assert event.data["order"] == "1001"
    assert event.id == "#1001@2008-01-10T11:00:00-05:00"
    assert {line["unit_price"] for line in event.data["lines"]} == {"199.00"}
