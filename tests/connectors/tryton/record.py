"""Records samples from a real Tryton: `python -m tests.connectors.tryton.record` writes those of the connector."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

import msgspec

from onhand.flow.transport import Transport
from tests.connectors.tryton.conftest import FOLDER, Hub
from tests.connectors.tryton.real import running
from tests.connectors.tryton.trade import RealTrade

SAMPLES = FOLDER / "samples"
SKU = "TEA-001"


async def record(trade: RealTrade, hub: Hub) -> None:
    """Let a product live, and keep what is told of it."""
    await trade.item(SKU, "Assam loose leaf 250 g")
    await trade.item("CUP-003", "Cup", sale_unit="Dozen")
    await keep(hub, "items", {SKU: "tea", "CUP-003": "sold-by-the-dozen"}, by="code")
    await trade.receive(SKU, 40)
    await trade.transfer(SKU, 8, origin="WH", target="WEST")
    await hub.tell("order.create", "k1", order="SO-1001", customer="C-1", lines=[{"sku": SKU, "quantity": 3}])
    await trade.deliver("SO-1001")
    await hub.tell("return.create", "k2", reference="R-17", order="SO-1001", lines=[{"sku": SKU, "quantity": 1}])
    await trade.take_back("R-17")
    await trade.count(SKU, 28)
    await asyncio.to_thread(trade.rezone, SKU, 2)
    await keep(hub, "moves", {}, by="means")
    await trade.undo_count(SKU)
    await keep(hub, "moves", {"gain": "loss-cancelled"}, by="means")
    await keep(hub, "stock", {}, by="location")


async def keep(hub: Hub, stream: str, names: dict[str, str], *, by: str) -> None:
    """Write the last message of each kind that a stream tells, under the name of the kind."""
    for message in await hub.news(stream):
        kind = str(json.loads(message.body)[by])
        path = SAMPLES / stream / f"{names.get(kind, kind.lower().replace('_', '-'))}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(message.body, indent=2) + b"\n")


async def main() -> None:
    """Start a Tryton, record, and stop it."""
    with running() as server, tempfile.TemporaryDirectory() as folder:
        async with Transport() as transport:
            trade = RealTrade(server.url)
            await record(trade, Hub(trade, Path(folder) / "secret", transport))


if __name__ == "__main__":
    asyncio.run(main())
