"""The publisher towards a marketplace with every habit at once: a cap a listing, feeds that answer half an hour later.

Its read-backs are a minute old, it cuts numbers in silence, and its midnight is that of Los Angeles.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from onhand.connectors.bazaar.fake import Fake
from onhand.domain.endpoint import Daily, Limits
from onhand.sdk.registry import installed
from onhand.store.postgres.driver import Database
from tests.publication.world import Clock, policy, publishing

CAP = 12
SKUS = [f"S{n:02}" for n in range(30)]


@pytest.mark.slow
async def test_a_day_at_the_marketplace_ends_with_every_number_right_and_no_cap_exceeded(
    database: Database, tmp_path: Path
) -> None:
    clock = Clock()
    fake = Fake(seed=3, secret="s", wall=clock, clock=lambda: clock().timestamp(), cap=CAP)  # noqa: S106
    for sku in SKUS:
        fake.market.list_item(sku, sku)
    fake.market.list_item("CUT", "CUT", maximum=40)
    secret = tmp_path / "secret"
    secret.write_text(fake.credentials())
    reached = {
        "settings": fake.settings(),
        "secret": f"file:{secret}",
        "batch": 50,
        "limits": Limits(daily=Daily(calls=CAP, per_key=True, timezone="America/Los_Angeles")),
    }
    asked = policy(min_change=5, interval_s=1_800, read_back_percent=300.0, visible_after_s=120)
    async with publishing(database, fake, clock=clock, publish=asked, reached=reached) as world:
        node = world.node(connector=installed().get("bazaar").connector)
        await world.at.item(*SKUS, "CUT", "GONE")
        stock = {sku: 100 + 10 * number for number, sku in enumerate(SKUS)}
        for sku, quantity in (*stock.items(), ("CUT", 90), ("GONE", 5)):
            await world.at.receive(sku, quantity)
        for step in range(36):
            for sku in (SKUS[step % 30], SKUS[0]):
                if stock[sku] > 3:
                    await world.at.ship(sku, 3)
                    stock[sku] -= 3
            await node.settle()
            clock.forward(1_200)
        await world.at.ship(SKUS[1], stock[SKUS[1]] - 2)
        stock[SKUS[1]] = 2
        for _ in range(80):
            await node.settle()
            clock.forward(1_200)
        shown = {sku: fake.market.listings[sku].quantity for sku in SKUS}
        assert shown[SKUS[1]] == 2
        assert all(abs(shown[sku] - stock[sku]) < 5 for sku in SKUS), "only what is too small a change differs"
        assert fake.market.over_cap == []
        assert fake.broken == []
        rows = {row["sku"]: row for row in await world.rows()}
        assert rows["GONE"]["state"] == "unlisted"
        assert (rows["CUT"]["state"], rows["CUT"]["shown"]) == ("stuck", 40)
        owners = {row["owner"] for row in await world.commands() if row["state"] == "dead"}
        assert owners == {"ada"}
