"""What a node remembers can be old at any moment; no decision may come out of an old memory."""

from __future__ import annotations

from onhand.app.answers import ReservationAnswer
from onhand.app.record_events import RecordEvents
from onhand.app.reserve import Reserve, asked
from onhand.contracts import registry
from onhand.domain.resolving import ItemBlocked
from onhand.store.directory import Directory
from onhand.store.intake import PostgresFacts
from onhand.store.postgres import queries
from onhand.store.postgres.driver import Database
from onhand.store.promises import PostgresPromises
from tests.proof.audit import contradictions
from tests.proof.faults import Aside, FaultyDatabase
from tests.proof.ground import NETWORK, applied, apply, ask, at, client, fact, hub_on, item, receipt


async def test_an_item_that_changes_while_it_is_read_is_read_again(database: Database) -> None:
    """Another task refreshed the memory in between: safety stock of a forgotten item was a crash."""
    async with hub_on(database) as hub:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 10, id_="r")])
        directory = Directory(database)

        async def meanwhile() -> None:
            blocked = fact("item.status_changed", {"sku": "A", "status": "blocked"}, id_="b", time=at(1))
            await applied(hub, [blocked])
            await directory.situation()

        aside = Aside(queries.shipped().text("promises.pools"), meanwhile)
        await directory.situation()
        reserve = Reserve(PostgresPromises(FaultyDatabase(database, aside), directory))
        (answer,) = await reserve([asked(caller, ask("q", ("A", 1), channel="careful"))])
        assert aside.done
        assert isinstance(answer, ItemBlocked)


async def test_safety_stock_is_known_even_when_the_node_forgets_its_items_while_it_plans(database: Database) -> None:
    async with hub_on(database) as hub:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 10, id_="r")])
        directory = Directory(database)
        promises = PostgresPromises(database, directory)
        reading = await promises.read([ask("q", ("A", 1), channel="careful")])
        directory.items, directory.items_by_id = {}, {}
        (item_id,) = reading.snapshot.sellers["careful"].safety
        assert reading.snapshot.sellers["careful"].safety[item_id] == 2
        (answer,) = await Reserve(promises)([asked(caller, ask("q", ("A", 9), channel="careful"))])
        assert not isinstance(answer, ReservationAnswer)


async def test_a_task_that_heard_of_an_earlier_network_late_does_not_turn_the_node_back(database: Database) -> None:
    """Facts decided on the network in force were counted by the statuses of the one before."""
    async with hub_on(database) as hub:
        await applied(hub, [item("A")])
        directory = Directory(database)
        before = await directory.situation()
        await apply(hub, NETWORK.replace("returned: {sellable: false}", "returned: {sellable: true}"))
        after = await directory.situation()
        await directory.refresh(network=before.version, catalogue=0)
        assert directory.version == after.version == before.version + 1


async def test_facts_are_counted_by_the_network_that_came_into_force_while_they_were_decided(
    database: Database,
) -> None:
    async with hub_on(database) as hub:
        await applied(hub, [item("A")])
        sellable = NETWORK.replace("returned: {sellable: false}", "returned: {sellable: true}")
        aside = Aside(queries.shipped().text("intake.record"), lambda: apply(hub, sellable))
        faulty = FaultyDatabase(database, aside)
        record = RecordEvents(PostgresFacts(faulty, Directory(faulty)), registry.packaged())
        back = fact("return.received", {"location": "EAST", "lines": [{"sku": "A", "quantity": 3}]}, id_="back")
        (outcome,) = await record([back])
        assert (outcome.outcome, aside.done) == ("applied", True)
        assert [row["on_hand"] for row in await database.sql("select on_hand from stock")] == [3]
        assert await contradictions(database) == []
