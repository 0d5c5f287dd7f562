"""How the stand-in tells of goods and orders: every field that the connector may ask for, and lists with filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from onhand.connectors.vendure.fake_shop import Goods, Parcel, Refused, Sale

LIST_MAX = 1_000
PRICE = 795
TAX_PERCENT = 19


def variant_of(goods: Goods) -> dict[str, Any]:
    """Return a product variant."""
    return {
        "__typename": "ProductVariant",
        "id": goods.id,
        "sku": goods.sku,
        "name": "Green tea 100 g",
        "trackInventory": goods.tracked,
        "outOfStockThreshold": goods.threshold,
        "useGlobalOutOfStockThreshold": not goods.own_threshold,
        "stockLevels": [
            {
                "id": level.id,
                "updatedAt": level.updated_at,
                "stockLocationId": location,
                "stockOnHand": level.on_hand,
                "stockAllocated": level.allocated,
            }
            for location, level in goods.levels.items()
        ],
    }


def order_of(sale: Sale) -> dict[str, Any]:
    """Return an order. Money is in hundredths, whatever the currency."""
    net = sum(PRICE * line.quantity for line in sale.lines)
    gross = sum(_gross(PRICE) * line.quantity for line in sale.lines)
    return {
        "__typename": "Order",
        "id": sale.id,
        "code": sale.code,
        "state": sale.state,
        "type": "Regular",
        "active": sale.placed_at is None,
        "createdAt": sale.created_at,
        "updatedAt": sale.updated_at,
        "orderPlacedAt": sale.placed_at,
        "currencyCode": "EUR",
        "subTotal": net,
        "subTotalWithTax": gross,
        "shipping": 490,
        "shippingWithTax": _gross(490),
        "total": net + 490,
        "totalWithTax": gross + _gross(490),
        "customer": {"id": "1", "firstName": "A", "lastName": "Example", "emailAddress": "a@example.com"},
        "shippingAddress": _address(sale.name),
        "lines": [
            {
                "id": line.id,
                "quantity": line.quantity,
                "orderPlacedQuantity": line.placed,
                "unitPrice": PRICE,
                "unitPriceWithTax": _gross(PRICE),
                "productVariant": {"id": line.goods.id, "sku": line.goods.sku},
            }
            for line in sale.lines
        ],
        "fulfillments": [_parcel_of(parcel) for parcel in sale.parcels],
        "modifications": [],
        "history": lambda **_: {"items": [{"type": "ORDER_CANCELLATION", "data": one} for one in sale.cancellations]},
    }


def listed(items: Sequence[dict[str, Any]], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the items that list options choose, in their order, from `skip` on, `take` at most. Raises Refused."""
    take, skip = options.get("take", LIST_MAX), options.get("skip", 0)
    if take > LIST_MAX:
        raise Refused("USER_INPUT_ERROR", f"Cannot take more than {LIST_MAX} results from a list query")
    chosen = [item for item in items if _chosen(item, options.get("filter") or {})]
    for name, direction in reversed((options.get("sort") or {}).items()):
        chosen.sort(key=lambda item: _in_order(item[name]), reverse=direction == "DESC")
    return {"items": chosen[skip : skip + take], "totalItems": len(chosen)}


def _chosen(item: Mapping[str, Any], filters: Mapping[str, Mapping[str, Any]]) -> bool:
    return all(_TESTS[test](item[name], given) for name, tests in filters.items() for test, given in tests.items())


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, given: bool(value == given),
    "notEq": lambda value, given: bool(value != given),
    "in": lambda value, given: value in given,
    "isNull": lambda value, given: (value is None) is given,
    "after": lambda value, given: datetime.fromisoformat(value) > datetime.fromisoformat(given),
}


def _in_order(value: str) -> tuple[int, str]:
    return (int(value), "") if value.isdecimal() else (0, value)


def _parcel_of(parcel: Parcel) -> dict[str, Any]:
    return {
        "id": parcel.id,
        "state": parcel.state,
        "method": parcel.method,
        "trackingCode": parcel.tracking,
        "lines": [{"orderLineId": line, "quantity": quantity} for line, quantity in parcel.lines.items()],
    }


def _address(name: str) -> dict[str, Any]:
    return {
        "fullName": name,
        "company": None,
        "streetLine1": "High Street 1",
        "streetLine2": None,
        "city": "Exampleton",
        "province": None,
        "postalCode": "12345",
        "countryCode": "DE",
        "phoneNumber": None,
    }


def _gross(net: int) -> int:
    return round(net * (100 + TAX_PERCENT) / 100)
