"""Facts that wait for each other's rows are recorded all the same: the loser of a deadlock is us, not the sender."""

from __future__ import annotations

import asyncio

import pytest

from onhand.app.record_events import RecordEvents
from onhand.bootstrap import Hub
from onhand.contracts import registry
from onhand.contracts.envelope import Envelope
from onhand.store.directory import Directory
from onhand.store.intake import PostgresFacts
from onhand.store.postgres.driver import Database
from tests.proof.audit import contradictions
from tests.proof.ground import NETWORK, applied, ask, at, client, fact, hub_on, item, lines, receipt


def node(database: Database) -> RecordEvents:
    return RecordEvents(PostgresFacts(database, Directory(database)), registry.packaged())


def counted(sku: str, quantity: int, *, id_: str, minute: int) -> Envelope:
    return fact(
        "count.posted", {"location": "EAST", "lines": lines(sku=sku, quantity=quantity)}, id_=id_, time=at(minute)
    )


async def cross(database: Database, *, rounds: int, late: bool) -> None:
    """Record counts of one item with receipts of the other, from six nodes of which half do it the other way round."""
    async with hub_on(database) as hub:
        await applied(hub, [item("A"), item("B"), receipt("A", 5, id_="ra"), receipt("B", 5, id_="rb")])

    async def deliver(record: RecordEvents, name: str, first: str, second: str) -> None:
        for n in range(rounds):
            came = receipt(second, 1, id_=f"{name}/r{n}", time=at(n if late else 1000 + n))
            outcomes = await record([counted(first, 3, id_=f"{name}/c{n}", minute=n), came])
            assert [o.outcome for o in outcomes] == ["applied", "applied"]

    await asyncio.gather(
        *(deliver(node(database), f"ab{n}", "A", "B") for n in range(3)),
        *(deliver(node(database), f"ba{n}", "B", "A") for n in range(3)),
    )
    assert await contradictions(database) == []


async def test_counts_that_cross_with_receipts_do_not_wait_for_each_other(database: Database) -> None:
    """A count took its rows after those of the batch's movements: each deadlock cost a second, or the batch."""
    await cross(database, rounds=30, late=False)
    (row,) = await database.sql("select deadlocks from pg_stat_database where datname = current_database()")
    assert row["deadlocks"] == 0


@pytest.mark.slow
async def test_the_loser_of_a_deadlock_is_recorded_all_the_same(database: Database) -> None:
    """Which late fact meets which count is known only in the transaction, so that these can still cross."""
    await cross(database, rounds=3, late=True)


async def test_an_item_restated_while_its_ring_fence_is_used_up_leaves_the_pool_true(database: Database) -> None:
    """The fence's sum was read before the row was locked: a claim in between was counted as still set aside."""
    fenced = NETWORK + "ring_fences:\n- {group: web, sku: A, location: EAST, quantity: 500}\n"
    async with hub_on(database, network=fenced) as hub:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 1000, id_="r")])
        record, stop = node(database), asyncio.Event()

        async def restate() -> None:
            n = 0
            while not stop.is_set():
                n += 1
                (outcome,) = await record([item("A", id_=f"i{n}", time=at(n))])
                assert outcome.outcome == "applied"

        async def buy(hub: Hub, name: str) -> None:
            for n in range(60):
                made = await hub.reserve(caller, ask(f"{name}/{n}", ("A", 1)))
                if n % 3 == 0:
                    await hub.amend.release(caller, made.reservation_id)

        async with hub_on(database, network=None) as other:
            task = asyncio.create_task(restate())
            await asyncio.gather(*(buy(h, f"{k}{n}") for k, h in enumerate((hub, other)) for n in range(3)))
            stop.set()
            await task
    assert await contradictions(database) == []


async def test_a_network_applied_while_its_ring_fences_are_used_leaves_the_pools_true(database: Database) -> None:
    def fenced(quantity: int) -> str:
        fences = "".join(
            f"- {{group: web, sku: {sku}, location: EAST, quantity: {quantity}}}\n" for sku in ("A", "B", "C")
        )
        return NETWORK + "ring_fences:\n" + fences

    async with hub_on(database, network=fenced(500)) as hub:
        caller = await client(database)
        await applied(hub, [item(sku) for sku in "ABC"])
        await applied(hub, [receipt(sku, 1000, id_=sku) for sku in "ABC"])
        stop = asyncio.Event()

        async def reapply() -> int:
            versions = 0
            while not stop.is_set():
                versions += 1
                plan = await hub.networks.plan({"network.yaml": fenced(500 + versions % 2)})
                await hub.networks.apply(plan, who="proof")
            return versions

        async def buy(name: str) -> None:
            for n in range(40):
                made = await hub.reserve(caller, ask(f"{name}/{n}", *((sku, 1) for sku in "CAB")))
                if n % 2:
                    await hub.amend.release(caller, made.reservation_id)

        task = asyncio.create_task(reapply())
        await asyncio.gather(*(buy(f"b{n}") for n in range(6)))
        stop.set()
        assert await task > 3
    assert await contradictions(database) == []
