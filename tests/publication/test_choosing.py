"""What is told next: the dearest risk first, scarce items at once, never above a cap, damping for the rest."""

from __future__ import annotations

import pytest

from onhand.domain.endpoint import Daily, Limits, Quota, Rate
from onhand.domain.publishing import Margins
from onhand.store.postgres.driver import Database
from tests.publication.market import Market
from tests.publication.world import World, network, policy, publishing

SLOW = {"batch": 1, "bulkhead": 1, "limits": Limits(rates=(Rate(calls_per_s=0.1, burst=1),))}


async def stocked(world: World, **quantities: int) -> None:
    await world.at.item(*quantities)
    for sku, quantity in quantities.items():
        if quantity:
            await world.at.receive(sku, quantity)


async def test_the_dearest_risk_is_told_first_and_only_a_small_horizon_waits(database: Database) -> None:
    margin = Margins(by_sku={"D": 100_000})
    market = Market("A", "B", "C", "D")
    async with publishing(database, market, publish=policy(margin=margin), reached=SLOW) as world:
        node = world.node()
        await stocked(world, A=500, B=3, C=20, D=3)
        await node.publishing.round()
        waiting = [row for row in await world.commands() if row["state"] in ("new", "ready")]
        assert len(waiting) <= 2, "one call in ten seconds: no more than that is written ahead"
        for _ in range(8):
            await node.worker.round()
            await node.publishing.round()
            world.clock.forward(10)
        assert [sku for sku, _ in market.history] == ["D", "B", "C", "A"]


async def test_a_scarce_item_overtakes_a_backlog(database: Database) -> None:
    skus = {f"S{n:03}": 1_000 for n in range(120)}
    market = Market(*skus, "LAST")
    async with publishing(database, market, reached=SLOW) as world:
        node = world.node()
        await stocked(world, **skus, LAST=40)
        for _ in range(3):
            await node.round()
            world.clock.forward(10)
        await world.at.reserve("LAST", 39)
        for _ in range(3):
            await node.round()
            world.clock.forward(10)
        assert ("LAST", 1) in market.history
        assert market.calls <= 7


@pytest.mark.slow
async def test_a_backlog_of_thousands_drains_by_risk(database: Database) -> None:
    """openlinker#2609: 15,066 waited, first come, first served. Here it is 1,500, and a small share of it goes."""
    many = {f"S{n:04}": 2 + n for n in range(1_500)}
    market = Market(*many)
    fast = {"batch": 50, "limits": Limits(rates=(Rate(calls_per_s=0.2, burst=1),))}
    async with publishing(database, market, reached=fast) as world:
        node = world.node()
        await world.at.item(*many)
        facts = [
            world.at.fact("receipt.posted", location="A", lines=[{"sku": sku, "quantity": n}])
            for sku, n in many.items()
        ]
        for start in range(0, len(facts), 500):
            await world.at.send(*facts[start : start + 500])
        for _ in range(6):
            await node.round()
            world.clock.forward(5)
        told = [number for _, number in market.history]
        assert 200 <= len(told) <= 400
        assert max(told) <= 2 + len(told) + 60, "the scarcest went first"


async def test_a_daily_cap_is_never_exceeded_and_the_last_edit_is_kept_for_nought(database: Database) -> None:
    market = Market("TEA", cap=5)
    capped = {"limits": Limits(daily=Daily(calls=5, per_key=True))}
    async with publishing(database, market, publish=policy(reserve_percent=40), reached=capped) as world:
        world.clock.forward(86_400 - world.clock().timestamp() % 86_400)  # a day begins
        node = world.node()
        await stocked(world, TEA=1_000)
        for _ in range(10):
            await world.at.ship("TEA", 50)
            await node.settle()
            world.clock.forward(60)
        assert market.edits["TEA"] == 3, "two of five are kept for when it is scarce"
        await world.at.ship("TEA", 495)
        await node.settle()
        assert market.numbers == {"TEA": 5}
        await world.at.ship("TEA", 2)
        await node.settle()
        assert market.numbers == {"TEA": 5}, "the last one of the day is not for a lower number"
        await world.at.ship("TEA", 3)
        await node.settle()
        assert market.numbers == {"TEA": 0}
        await world.at.receive("TEA", 3)
        await node.settle()
        assert market.edits["TEA"] == 5
        assert market.broken == []
        market.edits.clear()
        world.clock.forward(86_400)
        await node.settle()
        assert market.numbers == {"TEA": 3}


async def test_what_is_kept_shrinks_with_the_day(database: Database) -> None:
    market = Market("TEA", cap=10)
    capped = {"limits": Limits(daily=Daily(calls=10, per_key=True))}
    async with publishing(database, market, publish=policy(reserve_percent=50), reached=capped) as world:
        world.clock.forward(86_400 - world.clock().timestamp() % 86_400)
        node = world.node()
        await stocked(world, TEA=10_000)
        edits = []
        for _ in range(8):
            for _ in range(6):
                await world.at.ship("TEA", 1)
                await node.settle()
            edits.append(market.edits["TEA"])
            world.clock.forward(3 * 3_600 - 1)
        assert edits[0] == 5
        assert edits[-1] == 9
        assert market.broken == []


async def test_small_changes_and_quick_ones_are_damped_unless_scarce(database: Database) -> None:
    market = Market("TEA", "CUP")
    damped = policy(min_change=5, interval_s=600, scarce_below=10)
    async with publishing(database, market, publish=damped) as world:
        node = world.node()
        await stocked(world, TEA=100, CUP=12)
        await node.settle()
        await world.at.reserve("TEA", 4)
        await node.settle()
        assert market.numbers["TEA"] == 100
        await world.at.reserve("TEA", 1)
        await node.settle()
        assert market.numbers["TEA"] == 100, "enough of a change, but too soon"
        world.clock.forward(600)
        await node.settle()
        assert market.numbers["TEA"] == 95
        await world.at.reserve("CUP", 3)
        await node.settle()
        assert market.numbers["CUP"] == 9
        await world.at.reserve("CUP", 1)
        await node.settle()
        assert market.numbers["CUP"] == 8


async def test_numbers_are_told_in_whole_packs(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market, publish=policy(round_to=12)) as world:
        node = world.node()
        await stocked(world, TEA=30)
        await node.settle()
        assert market.numbers == {"TEA": 24}
        await world.at.reserve("TEA", 5)
        await node.settle()
        assert market.history == [("TEA", 24)]


async def test_listings_have_the_names_that_the_channel_gives_them(database: Database) -> None:
    market = Market("B0-1", "B0-2")
    async with publishing(database, market, publish=policy(items="listed", listings={"TEA": "B0-1"})) as world:
        node = world.node()
        await stocked(world, TEA=30, CUP=40)
        await node.settle()
        assert market.numbers == {"B0-1": 30, "B0-2": 0}
        await world.at.apply(network(market, publish=policy(items="listed", listings={"TEA": "B0-2"})))
        await node.settle()
        assert market.numbers == {"B0-1": 30, "B0-2": 30}
        await world.at.apply(network(market, publish=policy(items="listed", listings={"CUP": "B0-1"})))
        await world.at.ship("TEA", 5)
        await node.settle()
        assert market.numbers == {"B0-1": 40, "B0-2": 30}, "what is published no more is left alone"


async def test_a_listing_that_comes_back_is_told_even_if_its_number_is_the_old_one(database: Database) -> None:
    market = Market("TEA")
    listed = policy(items="listed", listings={"TEA": "TEA"})
    async with publishing(database, market, publish=listed) as world:
        node = world.node()
        await stocked(world, TEA=30)
        await node.settle()
        await world.at.apply(network(market, publish=policy(items="listed")))
        await node.settle()
        market.numbers["TEA"] = 99  # somebody else looks after it meanwhile
        await world.at.apply(network(market, publish=listed))
        await node.settle()
        assert market.numbers == {"TEA": 30}


@pytest.mark.parametrize("shared", [False, True])
async def test_what_waits_is_what_an_interval_can_send(database: Database, shared: bool) -> None:
    skus = {f"S{n:02}": 100 + n for n in range(60)}
    market = Market(*skus)
    limits = Limits(rates=(Rate(calls_per_s=2, burst=2),))
    reached = {"batch": 1, "limits": Limits() if shared else limits, "quota": "account" if shared else None}
    quotas = {"account": Quota(code="account", limits=limits)} if shared else {}
    async with publishing(database, market, reached=reached, quotas=quotas) as world:
        node = world.node()
        await stocked(world, **skus)
        await node.publishing.round()
        assert len(await world.commands()) == 20
