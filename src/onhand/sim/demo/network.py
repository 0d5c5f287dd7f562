"""The network of the demo: the example's own files, with the addresses of this run's partners laid over them.

What the example says of locations, channels, authority and safety stock holds as it stands. Laid over it are endpoints,
feeds, the mappings of Almond & Reed, and what the web shop and the marketplace are told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from onhand.app.example import example_network_files
from onhand.sim.demo import catalogue
from onhand.sim.partners import PartnerProcess

SHOP: Final = "shop"
MARKET: Final = "bazaar-listings"
MARKET_ORDERS: Final = "bazaar-orders"
ERP: Final = "erp-orders"
WAREHOUSE: Final = "east-hooks"

MOVES: Final = "east-moves"
"""The feed by which the warehouse tells what it does."""

FEEDS: Final = ("erp-items", "erp-goods", "shop-orders", "market-orders", MOVES)
ANSWERS_WITHIN_S: Final = 60
_ZONE: Final = "UTC"


def listing_of(sku: str) -> str:
    """Return the marketplace's name of an item."""
    return f"BZ-{sku}"


def network_files(
    partners: Mapping[str, PartnerProcess], secrets: Mapping[str, Path], *, window_from: datetime | None = None
) -> dict[str, str]:
    """Return the files of the network. `window_from`: the ERP's maintenance begins then, and lasts an hour."""
    files = example_network_files()
    channels = yaml.safe_load(files["channels.yaml"])
    channels["channels"]["web"]["publish"] = _web()
    channels["channels"]["market"]["publish"] |= _market()
    endpoints = yaml.safe_load(files["endpoints.yaml"])
    endpoints["quotas"]["bazaar-account"] = {"limits": {"rates": [{"calls_per_s": 20, "burst": 20}], "concurrency": 4}}
    endpoints["endpoints"] = _endpoints(partners, secrets, window_from)
    laid_over = {
        "channels.yaml": channels,
        "endpoints.yaml": endpoints,
        "feeds.yaml": {"feeds": _feeds(), "mappings": _mappings()},
    }
    # JSON is YAML, and says what it means without the guesses of a YAML writer.
    return {**files, **{name: json.dumps(content, indent=2) for name, content in laid_over.items()}}


def _web() -> dict[str, Any]:
    """The shop counts its own sales down, and their orders are here within seconds."""
    return {"endpoint": SHOP, "read_back_percent": 10_000, "order_lag_s": 3, "scarce_below": 10}


def _market() -> dict[str, Any]:
    """A week in a minute: an interval of minutes would leave a listing no second number."""
    return {
        "endpoint": MARKET, "items": "listed", "listings": {sku: listing_of(sku) for sku in catalogue.LISTED},
        "min_change": 1, "interval_s": 0, "read_back_percent": 0, "order_lag_s": 0,
        "answers_within_s": ANSWERS_WITHIN_S,
    }  # fmt: skip


def _endpoints(
    partners: Mapping[str, PartnerProcess], secrets: Mapping[str, Path], window_from: datetime | None
) -> dict[str, Any]:
    def at(partner: str, system: str, **more: Any) -> dict[str, Any]:
        process = partners[partner]
        return {
            "system": system, "sender": process.name, "base_url": process.url, "settings": process.settings,
            "secret": f"file:{secrets[partner]}", "allow_private_addresses": True, "timeout_s": 5,
            "retry": {"attempts_max": 20, "first_s": 0.2, "longest_s": 1},
            "breaker": {"calls_min": 2, "window_s": 10, "open_s": 1, "open_max_s": 2}, **more,
        }  # fmt: skip

    daily = {"calls": 250, "per_key": True, "timezone": "America/Los_Angeles"}
    erp = at("erp", "erp", limits={"concurrency": 4})
    erp["settings"] = {**erp["settings"], "warehouse": "EAST"}
    if window_from is not None:
        erp["windows"] = [_window(window_from)]
    hooks = at("warehouse", "wms-east")
    hooks["settings"] = {
        "streams": {
            "shipments": {
                "key": ["number", "at"], "occurred_at": "at", "webhook": {"scheme": "standard"},
            }
        }
    }  # fmt: skip
    return {
        SHOP: at("shop", "webshop", batch=50, limits={"concurrency": 2}),
        MARKET: at("market", "bazaar", quota="bazaar-account", batch=1_000, limits={"daily": daily}),
        MARKET_ORDERS: at("market", "bazaar", quota="bazaar-account"),
        ERP: erp,
        WAREHOUSE: hooks,
    }


def _window(begin: datetime) -> dict[str, Any]:
    """Return a window of one date: from this minute on, for an hour."""
    end = begin + timedelta(hours=1)
    return {"dates": [f"{begin:%Y-%m-%d}"], "start": f"{begin:%H:%M}", "end": f"{end:%H:%M}", "timezone": _ZONE}


def _feeds() -> dict[str, Any]:
    return {
        "erp-items": {"endpoint": ERP, "stream": "items", "mapping": "almond-items", "every_s": 1},
        "erp-goods": {"endpoint": ERP, "stream": "moves", "mapping": "almond-goods", "every_s": 1},
        "shop-orders": {"endpoint": SHOP, "stream": "orders", "mapping": "almond-shop-orders", "every_s": 1},
        "market-orders": {
            "endpoint": MARKET_ORDERS, "stream": "orders", "mapping": "almond-market-orders", "every_s": 1
        },
        MOVES: {"endpoint": WAREHOUSE, "stream": "shipments", "mode": "webhook", "mapping": "almond-moves"},
    }  # fmt: skip


def _mappings() -> dict[str, Any]:
    return {
        "almond-items": _items(),
        "almond-goods": {
            "note": "What the ERP receives is for sale at once; Almond & Reed put nothing away.",
            "when": {"path": "means", "is": "receipt"}, "type": "receipt.posted", "id": "move-{key}",
            "data": {
                "location": "to.warehouse",
                "lines": {"list": [{"fields": {"sku": "sku", "quantity": "quantity"}}]},
            },
        },
        "almond-shop-orders": {
            "note": "As it was placed, whatever became of it since: so it is one fact, however late it is read.",
            "type": "order.accepted", "id": "{code}", "time": "orderPlacedAt",
            "data": {
                "order": "code", "channel": {"value": "web"},
                "lines": _lines("lines", "id", "productVariant.sku", "orderPlacedQuantity"),
            },
        },
        "almond-market-orders": {
            "type": "order.accepted", "id": "{id}", "time": "placed.at",
            "data": {
                "order": "id", "channel": {"value": "market"},
                "lines": _lines("placed.lines", "line", "sku", "quantity"),
            },
        },
        "almond-moves": {"events": [_move("PICK"), _move("SHIP"), _move("RECEIPT")]},
    }  # fmt: skip


def _items() -> dict[str, Any]:
    """Return what makes items of products: the ERP knows their names, we know their kinds."""
    stated = {each["sku"]: each for each in catalogue.statements()}
    kinds = {
        "lots": [sku for sku, each in stated.items() if "lot_tracked" in each] + [catalogue.LATE_SKU],
        "kits": [sku for sku, each in stated.items() if "components" in each],
    }
    categories = {sku: each["category"] for sku, each in stated.items()} | {catalogue.LATE_SKU: "tea"}
    common = {"sku": "code", "name": "name?", "category": {"path": "code", "table": {"codes": categories}}}

    def event(when: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"when": when, "type": "item.upserted", "id": "{code}-{version}", "data": {**common, **more}}

    lots = stated[catalogue.FENCED_SKU]
    kit = stated[catalogue.KIT_SKU]
    return {
        "events": [
            event({"path": "code", "is": kinds["lots"]}, lot_tracked={"value": True},
                  shelf_life_days={"value": lots["shelf_life_days"]}, uoms=_constants(lots["uoms"])),
            event({"path": "code", "is": kinds["kits"]}, kind={"value": "kit"},
                  components=_constants(kit["components"])),
            event({"path": "code", "is_not": kinds["lots"] + kinds["kits"]}),
        ]
    }  # fmt: skip


def _constants(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"list": [{"fields": {name: {"value": value} for name, value in row.items()}} for row in rows]}


def _lines(path: str, line: str, sku: str, quantity: str) -> dict[str, Any]:
    return {"each": path, "fields": {"line_id": line, "sku": sku, "quantity": quantity}}


def _move(kind: str) -> dict[str, Any]:
    """Return the rule for one kind of what the warehouse does."""
    fields = {"sku": "article", "quantity": "pieces", "lot": "batch?"}
    data: dict[str, Any] = {"location": "site"}
    match kind:
        case "PICK":
            type_ = "pick.confirmed"
            data["reservation_id"] = "promise?"
        case "SHIP":
            type_ = "shipment.confirmed"
            data |= {"status": {"value": "picked"}, "order": "order?"}
        case _:
            type_ = "receipt.posted"
            fields |= {"uom": "unit?", "expiry": "best_before?"}
            data |= {"purchase_order": "purchase?", "asn": "notice?"}
    data["lines"] = {"each": "rows", "fields": fields}
    return {
        "when": {"path": "kind", "is": kind}, "type": type_, "id": "{number}", "time": {"path": "at", "date": "iso"},
        "data": data,
    }  # fmt: skip
