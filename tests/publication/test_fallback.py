"""A source goes silent: the channel's contract acts, is seen, and ends by itself when the source is heard again."""

from __future__ import annotations

from datetime import timedelta

from onhand.domain.feed import Feed
from onhand.domain.publishing import Fallback
from onhand.store.postgres.driver import Database
from tests.publication.heard import Heard
from tests.publication.market import Market
from tests.publication.world import World, policy, publishing

FEEDS = {"wms-stock": Feed(code="wms-stock", endpoint="market", stream="stock")}


def contract(**fields: object) -> Fallback:
    return Fallback(**{"sources": ("wms-stock",), "shrink_after_s": 600, **fields})  # type: ignore[arg-type]


def silent(world: World) -> None:
    now = world.clock()
    world.heard["wms-stock"] = Heard(now - timedelta(seconds=60), now)


async def test_there_and_back_again(database: Database) -> None:
    market = Market("TEA", "CUP")
    asked = policy(fallback=contract(factor_percent=50, zero_after_s=3_600))
    async with publishing(database, market, publish=asked, feeds=FEEDS) as world:
        node, publications = world.node(), world.at.hub.publications
        await world.at.item("TEA", "CUP")
        await world.at.receive("TEA", 31)
        await world.at.receive("CUP", 1)
        world.heard["wms-stock"] = Heard(world.clock())
        await node.settle()
        silent(world)
        world.clock.forward(500)
        await node.settle()
        assert market.numbers == {"TEA": 31, "CUP": 1}
        world.clock.forward(101)
        await node.settle()
        assert market.numbers == {"TEA": 15, "CUP": 0}
        (status,) = await publications.status()
        assert (status.fallback.kind, status.fallback.source) == ("shrink", "wms-stock")
        await world.at.ship("TEA", 5)
        await node.settle()
        assert market.numbers == {"TEA": 13, "CUP": 0}
        world.clock.forward(3_600)
        await node.settle()
        assert market.numbers == {"TEA": 0, "CUP": 0}
        world.heard["wms-stock"] = Heard(world.clock())
        world.clock.forward(6)
        await node.settle()
        assert market.numbers == {"TEA": 26, "CUP": 1}
        (status,) = await publications.status("web")
        assert status.fallback.fresh
        assert [event.what for event in status.events] == ["recovered", "fallback", "fallback"]


async def test_last_known_minus_velocity_goes_on_falling(database: Database) -> None:
    market = Market("TEA")
    asked = policy(fallback=contract(mode="last_known_minus_velocity"))
    async with publishing(database, market, publish=asked, feeds=FEEDS) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 1_000)
        await node.settle()
        await world.at.ship("TEA", 400)
        await node.settle()
        (row,) = await world.rows("TEA")
        assert 11 < row["per_h"] < 12, "400 in a day's half-life"
        silent(world)
        shown = []
        for _ in range(4):
            world.clock.forward(3_600)
            await node.settle()
            shown.append(market.numbers["TEA"])
        falls = [before - after for before, after in zip([600, *shown], shown, strict=False)]
        assert all(11 <= fall <= 13 for fall in falls), falls
        world.heard.clear()
        world.clock.forward(6)
        await node.settle()
        assert market.numbers == {"TEA": 600}
        (event, *_) = (await world.at.hub.publications.status("web"))[0].events
        assert event.what == "recovered"


async def test_what_is_told_while_a_source_is_stale_is_explained(database: Database) -> None:
    market = Market("TEA")
    asked = policy(fallback=contract(factor_percent=50))
    async with publishing(database, market, publish=asked, feeds=FEEDS) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 31)
        await node.settle()
        silent(world)
        world.clock.forward(700)
        await node.settle()
        found = await world.at.hub.explain("web", "TEA")
        (line,) = found.lines
        assert found.fallback.kind == "shrink"
        assert (line.number, line.terms[-1].term, line.terms[-1].quantity) == (15, "fallback", -16)
        assert sum(term.quantity for term in line.terms) == 15
