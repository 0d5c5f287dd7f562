"""The hub's own loops, as `onhand serve` and `onhand work` run them: publishing, sending, and the connector between."""

from __future__ import annotations

import asyncio
from pathlib import Path

from onhand.app.apply_network import apply_network, plan_network
from onhand.bootstrap import open_hub
from onhand.connectors.bazaar.fake import Fake
from onhand.contracts.envelope import event
from onhand.ops.settings import Settings
from onhand.store.network import PostgresNetworkStore
from onhand.store.postgres.driver import Database

FILES = """\
systems:
  bazaar: {kind: marketplace}
locations:
  EAST: {kind: warehouse}
channels:
  market:
    kind: marketplace
    sells_from: [EAST]
    publish: {endpoint: listings, read_back_percent: 0}
endpoints:
  listings:
    system: bazaar
    sender: bazaar
    base_url: %s
    secret: file:%s
    settings: {seller: %s}
    allow_private_addresses: true
    batch: 50
"""


async def test_a_fact_reaches_the_marketplace_through_the_hubs_own_loops(
    dsn: str, database: Database, tmp_path: Path
) -> None:
    async with Fake(seed=1, secret="s") as fake:  # noqa: S106 - a stand-in's
        fake.market.list_item("TEA", "TEA")
        secret = tmp_path / "secret"
        secret.write_text(fake.credentials())
        text = FILES % (fake.url, secret, fake.settings()["seller"])
        store = PostgresNetworkStore(database)
        assert await apply_network(store, await plan_network(store, {"n.yaml": text}), who="test") is not None
        async with open_hub(Settings(dsn=dsn), work=True) as hub, asyncio.timeout(60):
            facts = [
                event(id="i", source="bazaar", type="item.upserted", data={"sku": "TEA"}),
                event(
                    id="r", source="bazaar", type="receipt.posted",
                    data={"location": "EAST", "lines": [{"sku": "TEA", "quantity": 30}]},
                ),
            ]  # fmt: skip
            assert {each.outcome for each in await hub.record(facts)} == {"applied"}
            await fake.until(lambda: any(("TEA", 30) in feed.updates for feed in fake.market.feeds.values()))
            while not (row := (await hub.publications.page(sku="TEA")).rows[0]).awaits_answer:
                await asyncio.sleep(0)
            assert (row.sent, row.acknowledged) == (30, None)
        assert fake.broken == []
