"""From a change of stock to what a channel shows: coalesced, newest at send, never an older number over a newer one."""

from __future__ import annotations

import asyncio

import pytest

from onhand.sdk.connector import Connector
from onhand.sdk.fake import Fault
from onhand.store.postgres.driver import Database
from tests.publication.market import LaterConnector, Market, MarketConnector
from tests.publication.world import network, policy, publishing


async def test_a_receipt_a_reservation_and_a_policy_each_reach_the_channel(database: Database) -> None:
    market = Market("TEA", "CUP")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA", "CUP")
        await world.at.receive("TEA", 50)
        await world.at.receive("CUP", 7, location="B")
        await node.settle()
        assert market.numbers == {"TEA": 50, "CUP": 7}
        held = await world.at.reserve("TEA", 8)
        await node.settle()
        assert market.numbers["TEA"] == 42
        await world.at.hub.amend.release(world.at.client, held.reservation_id, key="k1")
        await world.at.ship("CUP", 3, location="B")
        await node.settle()
        assert market.numbers == {"TEA": 50, "CUP": 4}
        await world.at.count("TEA", 20)
        await node.settle()
        assert market.numbers["TEA"] == 20
        await world.at.apply(network(market, channel={"max_listed": {"default": 5}}))
        await node.settle()
        assert market.numbers == {"TEA": 5, "CUP": 4}
        assert market.broken == []


async def test_a_reservation_that_runs_out_gives_its_number_back(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 9)
        await world.at.reserve("TEA", 4, expires_in_s=1)
        await node.settle()
        await world.database.sql("update reservation set expires_at = now() - interval '1 second' where open")
        await world.at.hub.keep_house()
        await node.settle()
        assert market.numbers == {"TEA": 9}


async def test_a_kit_follows_its_parts(database: Database) -> None:
    market = Market("SET", "TEA", "CUP")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA", "CUP")
        parts = [{"sku": "TEA", "quantity": 1}, {"sku": "CUP", "quantity": 2}]
        await world.at.item("SET", kind="kit", components=parts)
        await world.at.receive("TEA", 10)
        await world.at.receive("CUP", 9)
        await node.settle()
        assert market.numbers["SET"] == 4
        await world.at.ship("CUP", 6)
        await node.settle()
        assert market.numbers["SET"] == 1


async def test_an_item_that_is_blocked_shows_nothing(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 9)
        await node.settle()
        await world.at.tell("item.status_changed", sku="TEA", status="blocked")
        await node.settle()
        assert market.numbers == {"TEA": 0}


async def test_a_thousand_changes_are_few_calls_and_the_last_one_is_right(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 5_000)
        await node.settle()
        for number in range(10):
            facts = [
                world.at.fact("shipment.confirmed", location="A", lines=[{"sku": "TEA", "quantity": 1}])
                for _ in range(100)
            ]
            assert {each.outcome for each in await world.at.send(*facts)} == {"applied"}
            if number % 5 == 0:
                await node.round()
        await node.settle()
        assert market.numbers == {"TEA": 4_000}
        assert len(market.history) <= 4
        assert await world.database.sql("select from dirty_item") == []


async def test_a_number_that_went_back_before_it_was_told_is_not_told(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await node.settle()
        told = len(market.history)
        held = await world.at.reserve("TEA", 5)
        await node.publishing.round()  # a command waits now
        await world.at.hub.amend.release(world.at.client, held.reservation_id, key="k")
        await node.settle()
        assert len(market.history) == told
        assert (await world.row("TEA"))["command_id"] is None


async def test_what_is_told_is_the_newest_number_and_not_that_of_the_command(database: Database) -> None:
    """openlinker#2617: an older quantity overwrites a newer one, because the job carried it."""
    market = Market("TEA")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await node.publishing.round()
        (command,) = await world.commands()
        assert "30" not in command["body"]
        await world.at.reserve("TEA", 29)
        await node.worker.round()
        assert market.history == [("TEA", 1)]
        await node.settle()
        assert market.history == [("TEA", 1)]


async def test_while_a_slow_call_is_on_its_way_nothing_overtakes_it_and_the_newest_follows(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market, reached={"bulkhead": 4, "batch": 1}) as world:
        one, two = world.node("one"), world.node("two")
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        market.hold = asyncio.Event()
        await one.publishing.round()
        slow = asyncio.create_task(one.worker.round())
        await market.reached.wait()
        for quantity in (5, 6, 7):
            await world.at.reserve("TEA", quantity)
            await two.round()
        assert market.calls == 1, "one call of a listing at a time, whoever makes it"
        market.hold.set()
        await slow
        await two.settle()
        assert market.history == [("TEA", 30), ("TEA", 12)]


async def test_an_answer_that_was_lost_is_said_again_and_then_read_back(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        market.sicken(Fault(kind="lose_answer"))
        await node.round()
        row = await world.row("TEA")
        assert (row["sent"], row["acknowledged"], row["shown"]) == (30, None, None)
        await world.at.reserve("TEA", 3)
        world.clock.forward(5)
        await node.settle()
        assert market.history == [("TEA", 30), ("TEA", 27)]
        keys = {heard.headers["idempotency-key"] for heard in market.heard}
        assert len(keys) == 2, "another number must never pass for the first"
        world.clock.forward(60)
        await node.settle()
        assert (await world.row("TEA"))["read_back"] == 27
        assert ("unknown", 30) in await world.log("TEA")


async def test_a_late_effect_after_a_lost_answer_is_found_and_repaired(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        market.sicken(Fault(kind="refuse"))  # it hangs up, and takes the number later all the same
        await node.round()
        await world.at.reserve("TEA", 3)
        world.clock.forward(5)
        await node.settle()
        assert market.numbers == {"TEA": 27}
        market.numbers["TEA"] = 30
        world.clock.forward(60)
        await node.settle()
        assert market.numbers == {"TEA": 27}
        row = await world.row("TEA")
        assert (row["shown"], row["drifts"]) == (27, 1)


async def test_a_compare_and_set_that_loses_reads_back_and_tells_again(database: Database) -> None:
    market = Market("TEA")
    market.compares = True
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await node.settle()
        market.numbers["TEA"] = 28  # sold there, not yet heard of here
        await world.at.reserve("TEA", 10)
        await node.settle()
        assert market.numbers == {"TEA": 20}
        assert [what for what, _ in await world.log("TEA")] == ["acknowledged", "stale", "read_back", "acknowledged"]
        assert {row["state"] for row in await world.commands()} == {"done"}


async def test_a_compare_and_set_that_loses_where_nothing_can_be_read_back_is_told_without_comparing(
    database: Database,
) -> None:
    class Blind(MarketConnector):
        read_back = Connector.read_back

    market = Market("TEA")
    market.compares = True
    async with publishing(database, market) as world:
        node = world.node(connector=Blind)
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await node.settle()
        market.numbers["TEA"] = 28
        await world.at.reserve("TEA", 10)
        assert await node.settle() < 12, "it comes to an end"
        assert market.numbers == {"TEA": 20}


async def test_a_listing_that_is_gone_is_a_case_for_its_owner_and_is_not_tried_for_ever(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA", "CUP")
        await world.at.receive("TEA", 30)
        await node.settle()
        for quantity in (1, 2, 3):
            await world.at.receive("CUP", quantity)
            await node.settle()
        (dead,) = [row for row in await world.commands() if row["state"] == "dead"]
        assert (dead["owner"], dead["kind"]) == ("ada", "gone")
        row = await world.row("CUP")
        assert (row["state"], row["due_at"], row["desired"]) == ("unlisted", None, 6)
        market.numbers["CUP"] = 0
        assert await world.at.hub.publications.tell_now("web", ["CUP"], who="ada") == 1
        await node.settle()
        assert market.numbers["CUP"] == 6


async def test_a_refused_number_is_tried_again_when_it_changes_and_not_before_nor_for_ever(database: Database) -> None:
    market = Market("TEA")
    market.refuses.add("TEA")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA")
        for quantity in range(1, 7):
            await world.at.receive("TEA", quantity)
            await node.settle()
            world.clock.forward(86_400)
            await node.settle()
        refused = [what for what, _ in await world.log("TEA") if what == "refused"]
        assert len(refused) == 3
        assert (await world.row("TEA"))["state"] == "refused"
        assert "quantity: not a number that we take" in (await world.row("TEA"))["error"]


async def test_an_outage_costs_no_number_anything(database: Database) -> None:
    """P7: the newest numbers are there within a bound after healing, in a few calls, without a person."""
    market = Market(*(f"S{n}" for n in range(50)))
    async with publishing(database, market, reached={"batch": 10}) as world:
        node = world.node()
        await world.at.item(*(f"S{n}" for n in range(50)))
        market.sicken(Fault(kind="status", status=503, times=None))
        for n in range(50):
            await world.at.receive(f"S{n}", 100 + n)
        for _ in range(20):
            await node.round()
            world.clock.forward(30)
        await world.at.reserve("S7", 7)
        market.heal()
        for _ in range(12):
            await node.round()
            world.clock.forward(60)
        assert market.numbers == {f"S{n}": 100 + n - 7 * (n == 7) for n in range(50)}
        assert len(market.history) == 50
        assert not [row for row in await world.commands() if row["state"] == "dead"]


async def test_a_channel_that_answers_later_is_asked_until_each_listing_has_its_answer(database: Database) -> None:
    market = Market("TEA", "CUP")
    market.later = True
    async with publishing(database, market) as world:
        node = world.node(connector=LaterConnector)
        await world.at.item("TEA", "CUP", "GONE")
        for sku, quantity in (("TEA", 30), ("CUP", 40), ("GONE", 50)):
            await world.at.receive(sku, quantity)
        await node.settle()
        assert {row["ticket"] for row in await world.rows()} == {"t1"}
        assert (await world.row("TEA"))["acknowledged"] is None
        await world.at.reserve("TEA", 3)
        for _ in range(3):
            world.clock.forward(61)
            await node.settle()
        assert len(market.tickets) == 1, "no second number before the first is answered: it might overtake it"
        market.finish()
        world.clock.forward(61)
        await node.settle()
        assert (await world.row("CUP"))["acknowledged"] == 40
        assert (await world.row("GONE"))["state"] == "unlisted"
        market.finish()
        world.clock.forward(61)
        await node.settle()
        assert market.numbers == {"TEA": 27, "CUP": 40}


async def test_a_late_answer_says_nothing_of_the_listing_that_replaced_the_one_told(database: Database) -> None:
    market = Market("B0-1", "B0-2")
    market.later = True
    first = policy(items="listed", listings={"TEA": "B0-1"})
    async with publishing(database, market, publish=first) as world:
        node = world.node(connector=LaterConnector)
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await node.settle()
        await world.at.apply(network(market, publish=policy(items="listed", listings={"TEA": "B0-2"})))
        await node.settle()
        assert (await world.row("TEA"))["ticket"] == "t2", "the other listing waits for nobody's answer"
        market.finish("t1")
        world.clock.forward(61)
        await node.settle()
        assert (await world.row("TEA"))["acknowledged"] is None
        market.finish("t2")
        world.clock.forward(61)
        await node.settle()
        assert (await world.row("TEA"))["acknowledged"] == 30
        assert market.numbers["B0-2"] == 30


@pytest.mark.parametrize("under_way", ["telling", "looking"])
async def test_a_call_that_is_under_way_says_nothing_of_the_listing_that_replaces_the_one_told(
    database: Database, under_way: str
) -> None:
    """Booked on the new name it would pass for told, and its buyers see whatever it showed before."""
    market = Market("B0-1", "B0-2")
    first = policy(items="listed", listings={"TEA": "B0-1"})
    async with publishing(database, market, publish=first) as world:
        one, two = world.node("one"), world.node("two")
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        let_go = asyncio.Event()
        if under_way == "telling":
            market.hold = let_go
        else:
            market.sicken(Fault(kind="lose_answer"))
            await one.round()
            world.clock.forward(5)
            await one.settle()
            world.clock.forward(60)
            market.hold_looks = let_go
        await one.publishing.round()
        slow = asyncio.create_task(one.worker.round())
        await asyncio.wait_for(market.reached.wait(), 30)
        await world.at.apply(network(market, publish=policy(items="listed", listings={"TEA": "B0-2"})))
        await two.publishing.round()
        assert (await world.row("TEA"))["listing"] == "B0-2"
        market.hold = market.hold_looks = None
        let_go.set()
        await slow
        world.clock.forward(60)
        await two.settle()
        assert market.numbers == {"B0-1": 30, "B0-2": 30}
        assert (await world.row("TEA"))["acknowledged"] == 30


async def test_what_is_published_no_more_is_counted_no_more_even_where_an_answer_is_awaited(database: Database) -> None:
    market = Market("TEA", "CUP")
    market.later = True
    both = {"TEA": "TEA", "CUP": "CUP"}
    async with publishing(database, market, publish=policy(items="listed", listings=both)) as world:
        node = world.node(connector=LaterConnector)
        await world.at.item("TEA", "CUP")
        await world.at.receive("TEA", 30)
        await world.at.receive("CUP", 40)
        await node.settle()
        await world.at.apply(network(market, publish=policy(items="listed", listings={"TEA": "TEA"})))
        await node.settle()
        (status,) = await world.at.hub.publications.status("web")
        assert (status.listed, status.behind, status.awaiting) == (1, 1, 1)


async def test_a_ticket_that_is_lost_has_its_numbers_told_again(database: Database) -> None:
    market = Market("TEA", "CUP")
    market.later = True
    async with publishing(database, market, publish=policy(answers_within_s=3_600)) as world:
        node = world.node(connector=LaterConnector)
        await world.at.item("TEA", "CUP")
        await world.at.receive("TEA", 30)
        await node.settle()
        first = (await world.row("TEA"))["ticket"]
        market.lost_tickets.add(first)
        world.clock.forward(61)
        await node.settle()
        assert (await world.row("TEA"))["ticket"] not in (None, first)
        world.clock.forward(3_700)  # and one that is never answered
        await node.settle()
        world.clock.forward(3_700)
        await node.settle()
        market.finish()
        world.clock.forward(61)
        await node.settle()
        assert (await world.row("TEA"))["acknowledged"] == 30
        assert ("lost", 30) in await world.log("TEA")
