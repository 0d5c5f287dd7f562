"""A 200 is no proof: what channels really show is sampled, and what differs is counted, recorded and repaired."""

from __future__ import annotations

from typing import Any

from onhand.sdk.connector import Connector
from onhand.store.postgres.driver import Database
from tests.publication.market import Market, MarketConnector
from tests.publication.world import World, policy, publishing


async def stocked(world: World, *skus: str, quantity: int = 30) -> None:
    await world.at.item(*skus)
    for sku in skus:
        await world.at.receive(sku, quantity)


async def test_a_channel_that_loses_updates_and_says_200_is_found_and_repaired(database: Database) -> None:
    market = Market("TEA", "CUP")
    market.deaf.add("TEA")
    async with publishing(database, market, publish=policy(read_back_percent=10_000.0)) as world:
        node = world.node()
        await stocked(world, "TEA", "CUP")
        await node.settle()
        assert market.numbers == {"TEA": 0, "CUP": 30}
        assert (await world.row("TEA"))["acknowledged"] == 30
        market.deaf.clear()
        world.clock.forward(60)
        await node.settle()
        assert market.numbers == {"TEA": 30, "CUP": 30}
        assert ("drift", 0) in await world.log("TEA")
        rows = {row["sku"]: row["drifts"] for row in await world.rows()}
        assert rows == {"TEA": 1, "CUP": 0}


async def test_somebody_who_changes_numbers_at_the_channel_is_found(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market, publish=policy(read_back_percent=10_000.0)) as world:
        node = world.node()
        await stocked(world, "TEA")
        await node.settle()
        market.numbers["TEA"] = 31
        world.clock.forward(3_600)
        await node.settle()
        assert market.numbers == {"TEA": 30}


async def test_a_channel_that_clamps_is_a_case_and_not_told_for_ever(database: Database) -> None:
    """InvenTree answers 200 and clamps: telling it again and again would never end."""
    market = Market("TEA")
    market.clamp = 20
    async with publishing(database, market, publish=policy(read_back_percent=100_000.0 / 10)) as world:
        node = world.node()
        await stocked(world, "TEA")
        for _ in range(12):
            await node.settle()
            world.clock.forward(3_600)
        assert market.edits["TEA"] == 3
        row = await world.row("TEA")
        assert (row["state"], row["shown"], row["error"]) == ("stuck", 20, "it was told 30 and shows 20")
        (dead,) = [row for row in await world.commands() if row["state"] == "dead"]
        assert dead["owner"] == "ada"
        assert "shows 20, however often it is told" in dead["reason"]
        await world.at.reserve("TEA", 12)
        await node.settle()
        assert market.numbers == {"TEA": 18}, "another number may be one that it takes"


async def test_a_channel_that_sold_is_not_raised_before_its_orders_are_here(database: Database) -> None:
    market = Market("TEA", "CUP")
    asked = policy(read_back_percent=10_000.0, order_lag_s=1_800)
    async with publishing(database, market, publish=asked) as world:
        node = world.node()
        await stocked(world, "TEA", "CUP")
        await node.settle()
        market.numbers["TEA"] = 28  # two were bought there; their order comes later
        market.numbers["CUP"] = 29  # lost by nobody's doing
        world.clock.forward(600)
        await node.settle()
        assert market.numbers == {"TEA": 28, "CUP": 29}
        await world.at.reserve("TEA", 2)
        await node.settle()
        world.clock.forward(2_000)
        await node.settle()
        assert market.numbers == {"TEA": 28, "CUP": 30}
        drifts = {row["sku"]: row["drifts"] for row in await world.rows()}
        assert drifts == {"TEA": 0, "CUP": 1}


async def test_the_sample_is_a_share_of_every_day_and_goes_round(database: Database) -> None:
    skus = [f"S{n:02}" for n in range(20)]
    market = Market(*skus)
    async with publishing(database, market, publish=policy(read_back_percent=50.0)) as world:
        node = world.node()
        await stocked(world, *skus)
        await node.settle()
        looked: list[set[str]] = []
        before: dict[str, Any] = dict.fromkeys(skus)
        for times, seconds in ((1, 60), (24, 3_600), (24, 3_600)):  # a channel begins with a day's share
            for _ in range(times):
                world.clock.forward(seconds)
                await node.settle()
            after = {row["sku"]: row["read_back_at"] for row in await world.rows()}
            looked.append({sku for sku in skus if before[sku] != after[sku]})
            before = after
        assert [len(each) for each in looked] == [10, 10, 10]
        assert not looked[0] & looked[1], "those that were not looked at for longest come first"
        assert looked[2] == looked[0]


async def test_a_day_in_which_nobody_looked_is_made_up_for_and_no_more(database: Database) -> None:
    skus = [f"S{n:02}" for n in range(20)]
    market = Market(*skus)
    async with publishing(database, market, publish=policy(read_back_percent=20.0)) as world:
        node = world.node()
        await stocked(world, *skus)
        await node.settle()
        world.clock.forward(60)
        await node.settle()
        seen = {row["sku"]: row["read_back_at"] for row in await world.rows()}
        assert sum(at is not None for at in seen.values()) == 4
        world.clock.forward(10 * 86_400)
        await node.settle()
        assert sum(row["read_back_at"] != seen[row["sku"]] for row in await world.rows()) == 4


async def test_the_first_minutes_of_a_day_are_as_good_as_any(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market, publish=policy(read_back_percent=10_000.0)) as world:
        world.clock.forward(86_400 / 2 - 600)  # from noon
        node = world.node()
        await stocked(world, "TEA")
        await node.settle()
        market.numbers["TEA"] = 31
        world.clock.forward(601)
        assert world.clock().hour == 0
        await node.settle()
        assert market.numbers == {"TEA": 30}


async def test_what_was_not_told_for_long_is_told_again_after_what_changed(database: Database) -> None:
    market = Market("TEA", "CUP")
    async with publishing(database, market, publish=policy(full_refresh_s=86_400)) as world:
        node = world.node()
        await stocked(world, "TEA", "CUP")
        await node.settle()
        told = len(market.history)
        world.clock.forward(80_000)
        await node.settle()
        assert len(market.history) == told
        world.clock.forward(10_000)
        await node.publishing.round()
        lanes = {row["lane"] for row in await world.commands() if row["state"] in ("new", "ready")}
        assert lanes == {"bulk"}
        await node.settle()
        assert market.history[told:] == [("TEA", 30), ("CUP", 30)]


async def test_a_channel_that_cannot_be_read_back_is_not_asked_for_ever(database: Database) -> None:
    class Blind(MarketConnector):
        read_back = Connector.read_back

    market = Market("TEA")
    async with publishing(database, market, publish=policy(read_back_percent=1_000.0)) as world:
        node = world.node(connector=Blind)
        await stocked(world, "TEA")
        await node.settle()
        world.clock.forward(80_000)
        await node.settle()
        assert (await world.row("TEA"))["look_at"] is None
        assert not [row for row in await world.commands() if row["state"] == "dead"]


async def test_a_listing_that_vanished_is_found_by_looking(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market, publish=policy(read_back_percent=10_000.0)) as world:
        node = world.node()
        await stocked(world, "TEA")
        await node.settle()
        del market.numbers["TEA"]
        world.clock.forward(3_600)
        await node.settle()
        assert (await world.row("TEA"))["state"] == "unlisted"


async def test_a_change_that_is_not_seen_there_yet_is_no_drift(database: Database) -> None:
    market = Market("TEA")
    market.deaf.add("TEA")
    asked = policy(read_back_percent=10_000.0, visible_after_s=900)
    async with publishing(database, market, publish=asked) as world:
        node = world.node()
        await stocked(world, "TEA")
        await node.settle()
        world.clock.forward(600)
        await node.settle()
        assert (await world.row("TEA"))["read_back"] is None
        market.numbers["TEA"] = 30  # now it is seen
        world.clock.forward(301)
        await node.settle()
        row = await world.row("TEA")
        assert (row["read_back"], row["drifts"], market.edits["TEA"]) == (30, 0, 1)
