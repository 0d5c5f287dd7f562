"""Several nodes, killed anywhere: no number is lost, none is told twice at once, and in the end each is right."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest

from onhand.domain.errors import OnhandError
from onhand.sdk.fake import Fault
from onhand.store.postgres.driver import Database
from tests.proof.faults import FaultyDatabase, Held, Kind, Strike
from tests.publication.market import Market
from tests.publication.world import Node, World, policy, publishing

CALLS_MAX = 300


async def healed(world: World, node: Node, *, rounds: int = 12) -> None:
    """Let time pass until leases and rests are over."""
    for _ in range(rounds):
        await node.settle()
        world.clock.forward(30)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "kind"), [(1, "lost_before"), (2, "lost_after"), (3, "deadlock")])
async def test_the_nth_call_to_the_database_fails_and_the_number_is_right_in_the_end(
    database: Database, first: int, kind: Kind
) -> None:
    """Each call of a round fails in one of three ways: the first in the first way, the second in the second, ..."""
    market = Market("TEA")
    async with publishing(database, market) as world:
        healthy = world.node("healthy")
        await world.at.item("TEA")
        await world.at.receive("TEA", 10_000)
        await healthy.settle()
        shown = 10_000
        for nth in range(first, CALLS_MAX, 3):
            strike = Strike(nth=nth, kind=kind)
            struck = world.node("struck", database=FaultyDatabase(database, strike))
            world.clock.forward(6)  # time for chores, which are struck like everything else
            await world.at.ship("TEA", 20)
            shown -= 20
            with suppress(OnhandError):
                await struck.round()
            for _ in range(8):
                if market.numbers == {"TEA": shown}:
                    break
                await healthy.settle()
                world.clock.forward(30)
            assert market.numbers == {"TEA": shown}, f"after the {nth}th call"
            if not strike.struck:
                break
        assert not strike.struck, "the sweep came to the last call"
        assert nth > 30
        assert not [row for row in await world.commands() if row["state"] == "dead"]


async def test_two_nodes_share_the_work_and_never_tell_a_listing_twice_at_once(database: Database) -> None:
    skus = [f"S{n:02}" for n in range(40)]
    market = Market(*skus)
    draw = random.Random(7)
    async with publishing(database, market, reached={"batch": 5, "bulkhead": 4}) as world:
        nodes = [world.node("one"), world.node("two")]
        await world.at.item(*skus)
        for sku in skus:
            await world.at.receive(sku, 1_000)
        stock = dict.fromkeys(skus, 1_000)
        for _ in range(12):
            for sku in draw.sample(skus, 10):
                await world.at.ship(sku, quantity := draw.randint(1, 9))
                stock[sku] -= quantity
            await asyncio.gather(*(node.round() for node in nodes))
        await asyncio.gather(*(node.settle() for node in nodes))
        assert market.numbers == stock
        for sku in skus:
            numbers = [number for key, number in market.history if key == sku]
            assert numbers == sorted(numbers, reverse=True), "an older number after a newer one"
            assert len(numbers) == len(set(numbers)), "told twice"


async def test_a_number_that_was_read_earlier_never_overwrites_one_that_was_read_later(database: Database) -> None:
    """One controller has read stock and stands still before it writes; the other must not pass it by."""
    market = Market("TEA")
    async with publishing(database, market) as world:
        await world.at.item("TEA")
        await world.at.receive("TEA", 100)
        held = Held(_write(database))
        slow = world.node("slow", database=FaultyDatabase(database, held))
        quick = world.node("quick")
        still = asyncio.create_task(slow.publishing.round())
        await held.waits.wait()
        await world.at.ship("TEA", 60)
        for _ in range(4):
            await quick.publishing.round()
        assert await world.rows() == [], "its share is held by the other"
        held.go.set()
        await still
        for _ in range(2):
            await quick.publishing.round()
        assert (await world.row("TEA"))["desired"] == 40


async def test_a_worker_that_dies_before_it_records_has_it_said_again(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        held = Held(_record(database))
        doomed, other = world.node("doomed", database=FaultyDatabase(database, held)), world.node("other")
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await doomed.publishing.round()
        dying = asyncio.create_task(doomed.worker.round())
        await held.waits.wait()
        assert market.numbers == {"TEA": 30}
        dying.cancel()
        with suppress(asyncio.CancelledError):
            await dying
        await world.at.reserve("TEA", 1)
        await healed(world, other, rounds=3)
        assert market.history == [("TEA", 30), ("TEA", 29)]
        assert (await world.row("TEA"))["acknowledged"] == 29


async def test_a_worker_that_records_late_does_not_undo_what_came_after_it(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        held = Held(_record(database))
        late, other = world.node("late", database=FaultyDatabase(database, held)), world.node("other")
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await late.publishing.round()
        recording = asyncio.create_task(late.worker.round())
        await held.waits.wait()
        world.clock.forward(60)  # its lease is over; another node tells the newest number
        await world.at.reserve("TEA", 1)
        await healed(world, other, rounds=2)
        assert (await world.row("TEA"))["acknowledged"] == 29
        held.go.set()
        await recording
        row = await world.row("TEA")
        assert (row["acknowledged"], row["shown"], row["look_why"]) == (29, 29, "doubt")
        assert ("late", 30) in await world.log("TEA")


async def test_a_command_that_ended_as_a_dead_letter_does_not_silence_its_listing(database: Database) -> None:
    market = Market("TEA", "CUP")
    async with publishing(database, market, reached={"batch": 1}) as world:
        node = world.node()
        await world.at.item("TEA", "CUP")
        await world.at.receive("CUP", 5)
        await node.settle()
        market.sicken(Fault(kind="status", status=503, times=None, only="/numbers"))
        await world.at.receive("TEA", 30)
        await node.publishing.round()
        await world.database.sql("update outbox set state = 'dead', reason = 'no success' where state <> 'done'")
        market.heal()
        await healed(world, node, rounds=6)
        assert market.numbers == {"TEA": 30, "CUP": 5}
        assert (await world.row("TEA"))["failures"] == 0


async def test_a_paused_channel_is_told_nothing_and_then_the_newest(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        node, publications = world.node(), world.at.hub.publications
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await node.publishing.round()
        assert await publications.pause("web", who="ada", reason="stocktaking")
        assert not await publications.pause("web", who="eve")
        await world.at.ship("TEA", 3)
        await node.settle()
        assert market.calls == 0
        (status,) = await publications.status("web")
        assert (status.paused_by, status.pause_reason, status.behind) == ("ada", "stocktaking", 1)
        assert await publications.resume("web", who="ada")
        await node.settle()
        assert market.history == [("TEA", 27)]
        assert [(e.who, e.what) for e in (await publications.status("web"))[0].events] == [
            ("ada", "resume"), ("ada", "pause"),
        ]  # fmt: skip


async def test_nothing_is_noted_where_nothing_is_published(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        from tests.app.world import network  # noqa: PLC0415 - the network without a word of publishing

        await world.at.apply(network())
        await world.at.item("TEA")
        await world.at.receive("TEA", 30)
        await world.at.reserve("TEA", 3)
        assert await world.database.sql("select from dirty_item") == []
        await world.node().settle()
        assert market.calls == 0


async def test_chores_are_done_by_one_node_at_a_time(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market, publish=policy(full_refresh_s=60)) as world:
        await world.at.item("TEA")
        nodes = [world.node(str(n)) for n in range(4)]
        await asyncio.gather(*(node.publishing.round() for node in nodes))
        (row,) = await world.database.sql("select swept_item from publication_clock")
        assert row["swept_item"] == 100, "one step of the sweep, not four"


def _write(database: Database) -> str:
    return database._queries.text("publication.write")


def _record(database: Database) -> str:
    return database._queries.text("publication.record")
