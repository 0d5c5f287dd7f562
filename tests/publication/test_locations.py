"""A channel with a number for each location: each is told, fails and is mended by itself."""

from __future__ import annotations

from onhand.store.postgres.driver import Database
from tests.publication.market import Market
from tests.publication.world import network, policy, publishing

BOTH = {"A": "north", "B": "south"}


async def test_each_location_has_its_number_and_together_they_never_exceed_the_channels(database: Database) -> None:
    market = Market("TEA@north", "TEA@south")
    terms = {"safety_stock": {"default": 3}}
    async with publishing(database, market, publish=policy(locations=BOTH), channel=terms) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 10, location="A")
        await world.at.receive("TEA", 5, location="B")
        await node.settle()
        assert market.numbers == {"TEA@north": 10, "TEA@south": 2}, "safety stock is kept where orders go last"
        await world.at.reserve("TEA", 4, location="A")
        await node.settle()
        assert market.numbers == {"TEA@north": 6, "TEA@south": 2}


async def test_a_location_that_fails_stays_stale_alone_and_is_seen(database: Database) -> None:
    """openlinker ADR-058: one sync timestamp for all warehouses of an item, so a failed location stays stale unseen."""
    market = Market("TEA@north", "TEA@south")
    async with publishing(database, market, publish=policy(locations=BOTH)) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 10, location="A")
        await world.at.receive("TEA", 20, location="B")
        market.refuses.add("TEA@south")
        await node.settle()
        assert market.numbers == {"TEA@north": 10, "TEA@south": 0}
        places = {row["place"]: row for row in await world.rows("TEA")}
        assert places["north"]["acknowledged"] == 10
        assert (places["south"]["acknowledged"], places["south"]["state"]) == (None, "refused")
        (row,) = await world.at.hub.publications.differences("web")
        assert (row.location, row.desired, row.shown) == ("B", 20, None)
        (status,) = await world.at.hub.publications.status("web")
        assert (status.listed, status.in_step, status.failed) == (2, 1, 1)
        market.refuses.clear()
        await world.at.ship("TEA", 1, location="B")
        await node.settle()
        assert market.numbers == {"TEA@north": 10, "TEA@south": 19}


async def test_a_location_that_the_channel_calls_otherwise_now_is_told_under_its_new_name(database: Database) -> None:
    market = Market("TEA@north", "TEA@north-2")
    async with publishing(database, market, publish=policy(locations={"A": "north"})) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 10, location="A")
        await node.settle()
        await world.at.apply(network(market, publish=policy(locations={"A": "north-2"})))
        await node.settle()
        assert market.numbers == {"TEA@north": 10, "TEA@north-2": 10}
        (status,) = await world.at.hub.publications.status("web")
        assert (status.listed, status.in_step, status.behind) == (1, 1, 0)


async def test_from_one_number_to_one_a_location(database: Database) -> None:
    market = Market("TEA", "TEA@north", "TEA@south")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 10, location="A")
        await node.settle()
        assert market.numbers["TEA"] == 10
        await world.at.apply(network(market, publish=policy(locations=BOTH)))
        await node.settle()
        assert market.numbers == {"TEA": 10, "TEA@north": 10, "TEA@south": 0}
        states = {row["place"]: row["state"] for row in await world.rows()}
        assert states == {None: "off", "north": "listed", "south": "listed"}
