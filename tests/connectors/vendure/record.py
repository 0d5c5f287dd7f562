"""Records samples from a real Vendure: `python -m tests.connectors.vendure.record` writes those of the connector."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

import msgspec

from onhand.flow.transport import Transport
from tests.connectors.vendure.conftest import FOLDER, Hub, outgoing
from tests.connectors.vendure.real import Country, RealVendure
from tests.connectors.vendure.server import Server

SAMPLES = FOLDER / "samples"


async def record(shop: RealVendure, hub: Hub) -> None:
    """Let something happen, and keep what is told of it."""
    tea, cup = shop.add_goods(on_hand=40, sku="TEA-001"), shop.add_goods(on_hand=12, sku="CUP-003")
    vendure = hub.connector()

    async def keep(stream: str, name: str, code: str) -> None:
        page = await vendure.read(stream, None, limit=200)
        body = next(message.body for message in page.messages if code.encode() in message.body)
        path = SAMPLES / stream / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(body, indent=2) + b"\n")

    code = shop.sell({tea: 3, cup: 1})
    await keep("orders", "placed", code)
    shop.cancel_unit(code)
    await keep("orders", "partly-cancelled", code)
    body = json.dumps({"order": code, "lines": [{"sku": tea, "quantity": 2}], "carrier": "dhl", "tracking": "00340434"})
    await vendure.send("order.fulfil", [outgoing("order.fulfil", body)])
    await keep("orders", "partly-shipped", code)
    await vendure.send("order.cancel", [outgoing("order.cancel", json.dumps({"order": code}))])
    await keep("orders", "cancelled", code)
    await keep("stock", "counted", tea)
    shop.untrack(cup)
    await keep("stock", "not-tracked", cup)


async def main(country: Country, folder: Path) -> None:
    """Record in a channel of its own."""
    async with RealVendure(country) as shop, Transport() as transport:
        await record(shop, Hub(shop, folder / "secret", transport))


if __name__ == "__main__":
    server = Server.start()
    try:
        with tempfile.TemporaryDirectory() as made:
            asyncio.run(main(Country(server), Path(made)))
    finally:
        server.stop()
