"""What changes while something is under way: no number is lost, none overtakes, and nobody is held up by another."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
from aiohttp import web

from onhand.app.dispatch import Dispatch
from onhand.app.flow_ports import Command
from onhand.domain.endpoint import Buffer
from onhand.domain.errors import OnhandError
from onhand.domain.network import Channel
from onhand.domain.outcome import Throttled
from onhand.flow.worker import Worker
from onhand.sdk.connector import Ticket
from onhand.sdk.fake import Fault
from onhand.store.directory import Directory
from onhand.store.flow import PostgresFlow
from onhand.store.outbox import PostgresOutbox
from onhand.store.postgres.driver import Database
from tests.app import world as ground
from tests.proof.faults import FaultyDatabase, Held
from tests.publication.market import LaterConnector, Market
from tests.publication.world import endpoint, network, policy, publishing


async def test_a_number_that_falls_while_another_node_puts_its_listing_off_is_told(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market, publish=policy(min_change=10)) as world:
        await world.at.item("TEA")
        await world.at.receive("TEA", 50)
        quick = world.node("quick")
        await quick.settle()
        await world.at.reserve("TEA", 5)
        await quick.numbers()
        await quick.numbers()
        held = Held(database._queries.text("publication.put_off"))
        slow = world.node("slow", database=FaultyDatabase(database, held))
        still = asyncio.create_task(slow.publishing._telling())
        await asyncio.wait_for(held.waits.wait(), 60)
        await world.at.reserve("TEA", 45)  # all of it is sold
        await quick.numbers()
        await quick.numbers()
        assert (await world.row("TEA"))["desired"] == 0
        held.go.set()
        await still
        for _ in range(5):
            world.clock.forward(4_000)  # the sweep has looked at everything again, too
            await quick.settle()
        assert market.numbers == {"TEA": 0}


async def test_a_late_answer_under_way_says_nothing_of_the_listing_that_replaces_the_one_told(
    database: Database,
) -> None:
    class Slow(Market):
        hold_ticket: asyncio.Event | None = None

        async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
            if request.path == "/tickets" and self.hold_ticket is not None:
                self.reached.set()
                await self.hold_ticket.wait()
            return await super().answer(request, body)

    market = Slow("B0-1", "B0-2")
    market.later = True
    first = policy(items="listed", listings={"TEA": "B0-1"})
    async with publishing(database, market, publish=first) as world:
        one, two = world.node("one", connector=LaterConnector), world.node("two", connector=LaterConnector)
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await one.settle()
        market.finish("t1")
        market.reached.clear()
        market.hold_ticket = go = asyncio.Event()
        world.clock.forward(61)
        slow = asyncio.create_task(one.worker.round())
        await asyncio.wait_for(market.reached.wait(), 60)
        await world.at.apply(network(market, publish=policy(items="listed", listings={"TEA": "B0-2"})))
        for _ in range(4):
            await two.numbers()
        assert (await world.row("TEA"))["listing"] == "B0-2"
        market.hold_ticket = None
        go.set()
        await slow
        for _ in range(5):
            await two.settle()
            market.finish()
            world.clock.forward(61)
        assert market.numbers["B0-2"] == 30


async def test_a_channel_that_is_paused_while_a_call_is_under_way_that_fails_is_told_nothing(
    database: Database,
) -> None:
    class Failing(Market):
        async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
            if self.hold is not None:
                self.reached.set()
                await self.hold.wait()
                return web.Response(status=503)
            return await super().answer(request, body)

    market = Failing("TEA")
    async with publishing(database, market) as world:
        node, publications = world.node(), world.at.hub.publications
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        market.hold = hold = asyncio.Event()
        await node.publishing.round()
        slow = asyncio.create_task(node.worker.round())
        await asyncio.wait_for(market.reached.wait(), 60)
        assert await publications.pause("web", who="ada", reason="stocktaking")
        market.hold = None
        hold.set()
        await slow
        for _ in range(4):
            world.clock.forward(60)
            await node.settle()
        assert market.history == [], "paused, and told all the same"


async def test_a_worker_that_dies_between_record_and_settle_keeps_the_ticket(database: Database) -> None:
    market = Market("TEA")
    market.later = True
    async with publishing(database, market) as world:
        held = Held(database._queries.text("flow.settle"))
        doomed = world.node("doomed", connector=LaterConnector)
        # its worker is cut off before it settles
        faulty = FaultyDatabase(database, held)
        dispatch = Dispatch(PostgresFlow(faulty, Directory(faulty), worker="doomed"), draw=lambda: 1.0)
        worker = Worker(dispatch, {"market": doomed.sender}, clock=world.clock)
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await doomed.publishing.round()
        dying = asyncio.create_task(worker.round())
        await asyncio.wait_for(held.waits.wait(), 60)
        assert (await world.row("TEA"))["ticket"] == "t1"
        dying.cancel()
        with suppress(asyncio.CancelledError):
            await dying
        await world.at.reserve("TEA", 1)
        other = world.node("other", connector=LaterConnector)
        for _ in range(3):
            world.clock.forward(30)
            await other.settle()
        assert len(market.tickets) == 1, "no second number before the first is answered: it might overtake it"
        assert (await world.row("TEA"))["ticket"] == "t1"


async def test_a_number_that_changes_while_its_forerunner_is_refused_is_told(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        one, two = world.node("one"), world.node("two")
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await one.settle()
        market.refuses.add("TEA")
        await world.at.receive("TEA", 10_000)
        market.hold = hold = asyncio.Event()
        market.reached.clear()
        await one.publishing.round()
        slow = asyncio.create_task(one.worker.round())
        await asyncio.wait_for(market.reached.wait(), 60)
        await world.at.reserve("TEA", 10_030)  # all is gone
        for _ in range(4):
            await two.numbers()
        assert (await world.row("TEA"))["desired"] == 0
        market.hold = None
        hold.set()
        await slow
        market.refuses.clear()
        for _ in range(4):
            await two.settle()
            world.clock.forward(86_400)
        assert market.numbers == {"TEA": 0}


async def test_a_number_that_falls_while_its_listing_is_looked_at_is_told_at_once(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market, publish=policy(order_lag_s=86_400, read_back_percent=10_000.0)) as world:
        one, two = world.node("one"), world.node("two")
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await one.settle()
        market.numbers["TEA"] = 28  # sold there
        await world.database.sql("update publication set look_at = $1, look_why = 'sample'", world.clock())
        market.hold_looks = hold = asyncio.Event()
        market.reached.clear()
        await one.publishing.round()
        slow = asyncio.create_task(one.worker.round())
        await asyncio.wait_for(market.reached.wait(), 60)
        await world.at.reserve("TEA", 30)  # all is gone
        for _ in range(4):
            await two.numbers()
        assert (await world.row("TEA"))["desired"] == 0
        market.hold_looks = None
        hold.set()
        await slow
        for _ in range(4):
            await two.settle()
            world.clock.forward(60)
        assert market.numbers == {"TEA": 0}


def _two(market: Market, **reached: Any) -> Any:
    shops = [
        Channel(
            code=code,
            kind="marketplace",
            sells_from=("A", "B"),
            publish=policy(items="listed", listings={sku: f"{code}-{sku}" for sku in ("TEA",)}),
        )
        for code in ("web", "web2")
    ]
    return ground.network(*shops, endpoints={"market": endpoint(market, **reached)})


async def test_two_channels_under_one_ticket_both_get_their_answer(database: Database) -> None:
    market = Market("web-TEA", "web2-TEA")
    market.later = True
    async with publishing(database, market) as world:
        await world.at.apply(_two(market))
        node = world.node(connector=LaterConnector)
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await node.settle()
        for _ in range(6):
            market.finish()
            world.clock.forward(61)
            await node.settle()
        rows = await world.rows()
        assert [(row["ticket"], row["acknowledged"]) for row in rows] == [(None, 30), (None, 30)]


async def test_a_channel_with_more_to_tell_than_its_endpoint_may_hold_is_told_bit_by_bit(database: Database) -> None:
    skus = [f"S{n:02}" for n in range(30)]
    market = Market(*skus)
    async with publishing(database, market, reached={"buffer": Buffer(limit=20)}) as world:
        node = world.node()
        await world.at.item(*skus)
        for sku in skus:
            await world.at.receive(sku, 5)
        for _ in range(10):
            with suppress(OnhandError):
                await node.round()
            world.clock.forward(30)
        assert market.numbers == dict.fromkeys(skus, 5)


async def test_a_full_endpoint_hurts_no_other(database: Database) -> None:
    skus = [f"S{n:02}" for n in range(30)]
    market, other = Market(*skus), Market(*skus)
    async with publishing(database, market) as world, other:
        full = endpoint(market, buffer=Buffer(limit=20))
        well = msgspec.structs.replace(endpoint(other), code="other")
        shops = [
            Channel(code="web", kind="marketplace", sells_from=("A", "B"), publish=policy()),
            Channel(code="web2", kind="marketplace", sells_from=("A", "B"), publish=policy(endpoint="other")),
        ]
        await world.at.apply(ground.network(*shops, endpoints={"market": full, "other": well}))
        node = world.node()
        await world.at.item(*skus)
        for sku in skus:
            await world.at.receive(sku, 5)
        for _ in range(10):
            with suppress(OnhandError):
                await node.publishing.round()
            await node.worker.round()
            world.clock.forward(30)
        assert other.numbers == dict.fromkeys(skus, 5)


async def test_a_number_that_may_have_been_taken_is_told_again_though_a_later_try_surely_failed(
    database: Database,
) -> None:
    class Garbling(Market):
        garble = False

        async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
            found = await super().answer(request, body)
            if self.garble:
                return web.Response(text="<html>", status=200)
            return found

    market = Garbling("TEA")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 3)
        await node.settle()
        assert market.numbers == {"TEA": 3}
        await world.at.receive("TEA", 5)
        market.garble = True
        await node.round()
        assert market.numbers == {"TEA": 8}, "taken, and its answer cannot be read"
        market.garble = False
        market.sicken(Fault(kind="status", status=503, times=None))
        world.clock.forward(30)
        await node.worker.round()
        market.heal()
        await world.at.ship("TEA", 5)
        for _ in range(6):
            world.clock.forward(60)
            await node.settle()
        assert market.numbers == {"TEA": 3}


async def test_a_partner_that_wants_a_listing_left_alone_for_centuries_does_not_silence_it(database: Database) -> None:
    class Odd(LaterConnector):
        async def ticket(self, ticket: str) -> Ticket:
            if ticket == "t1":
                return Ticket(done=True, results={"TEA": Throttled(detail="daily_cap", retry_after_s=1e10)})
            return await super().ticket(ticket)

    market = Market("TEA")
    market.later = True
    async with publishing(database, market) as world:
        node = world.node(connector=Odd)
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await node.settle()
        world.clock.forward(61)
        await node.settle()
        await world.at.reserve("TEA", 30)  # all is gone
        for seconds in (86_400, 86_400, 61, 61, 61, 61):
            world.clock.forward(seconds)
            await node.settle()
            market.finish()
        assert (await world.row("TEA"))["acknowledged"] == 0, (await world.row("TEA"))["due_at"]


async def test_a_number_beyond_all_bounds_does_not_hide_the_drift_of_another_listing(database: Database) -> None:
    market = Market("TEA", "CUP")
    async with publishing(database, market, publish=policy(read_back_percent=10_000.0)) as world:
        node = world.node()
        await world.at.item("TEA", "CUP")
        await world.at.receive("TEA", 30)
        await world.at.receive("CUP", 30)
        await node.settle()
        market.numbers |= {"TEA": 10**19, "CUP": 31}
        await world.database.sql("update publication set look_at = $1, look_why = 'doubt'", world.clock())
        for _ in range(30):
            world.clock.forward(600)
            await node.settle()
        assert market.numbers["CUP"] == 30


async def test_a_worker_that_dies_in_a_call_and_a_partner_that_is_down_once_leave_no_wrong_number(
    database: Database,
) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        held = Held(database._queries.text("publication.record"))
        doomed, other = world.node("doomed", database=FaultyDatabase(database, held)), world.node("other")
        await world.at.item("TEA")
        await world.at.receive("TEA", 3)
        await other.settle()
        await world.at.receive("TEA", 5)
        await doomed.publishing.round()
        dying = asyncio.create_task(doomed.worker.round())
        await asyncio.wait_for(held.waits.wait(), 60)
        assert market.numbers == {"TEA": 8}
        dying.cancel()
        with suppress(asyncio.CancelledError):
            await dying
        await world.at.ship("TEA", 5)
        market.sicken(Fault(kind="status", status=503))  # once
        for _ in range(6):
            world.clock.forward(60)
            await other.settle()
        assert market.numbers == {"TEA": 3}


async def test_a_buffer_that_fills_up_while_a_call_is_under_way_costs_no_record(database: Database) -> None:
    market = Market("TEA")
    market.later = True
    async with publishing(database, market, reached={"buffer": Buffer(limit=20)}) as world:
        node = world.node(connector=LaterConnector)
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        market.hold = asyncio.Event()
        await node.publishing.round()
        slow = asyncio.create_task(node.worker.round())
        await asyncio.wait_for(market.reached.wait(), 60)
        later = world.clock() + timedelta(hours=1)
        await PostgresOutbox(database, Directory(database)).write(
            [Command(endpoint="market", operation="order", body="{}", not_before=later) for _ in range(19)]
        )
        market.hold.set()
        await slow
        for _ in range(10):
            world.clock.forward(30)
            with suppress(OnhandError):
                await node.settle()
        assert len(market.tickets) == 1
        assert (await world.row("TEA"))["ticket"] == "t1"
