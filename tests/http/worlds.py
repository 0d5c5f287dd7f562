"""A small business on a real database: the hub, a network of one warehouse and one store, items with stock, a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from onhand.bootstrap import Hub, open_hub
from onhand.contracts.envelope import event
from onhand.ops.settings import Settings

NETWORK = {
    "network.yaml": """
systems:
  wms: {kind: wms}
locations:
  DC: {kind: warehouse}
  STORE: {kind: store}
channels:
  web: {kind: storefront, sells_from: [DC, STORE]}
  shop: {kind: desk, sells_from: [STORE]}
"""
}


@dataclass
class World:
    """The hub and a key of everything."""

    hub: Hub
    key: str


@asynccontextmanager
async def world(dsn: str, stock: dict[str, int]) -> AsyncIterator[World]:
    """A hub over a fresh database, with a network in force and `stock` (SKU to units) in the warehouse."""
    async with open_hub(Settings(dsn=dsn), migrate=False) as hub:
        await hub.networks.apply(await hub.networks.plan(NETWORK), who="tests")
        facts = [
            event(id=f"item-{number}", source="wms", type="item.upserted", data={"sku": sku})
            for number, sku in enumerate(stock)
        ]
        facts += [
            event(id=f"receipt-{number}", source="wms", type="receipt.posted",
                  data={"location": "DC", "lines": [{"sku": sku, "quantity": quantity}]})
            for number, (sku, quantity) in enumerate(stock.items())
        ]  # fmt: skip
        outcomes = await hub.record(facts)
        assert {each.outcome for each in outcomes} <= {"applied"}, outcomes
        _, key = await hub.keys.create(client="tests", scopes=["admin"])
        yield World(hub, key)
