"""P9: upgrades are boring. Old code runs on the next schema, new code takes what was sent under old contracts."""

from __future__ import annotations

import asyncio

import msgspec

from onhand.app.fulfilment import FulfilLine
from onhand.contracts.envelope import Envelope, event
from onhand.domain.reservation import Line
from onhand.store.postgres import migrations
from onhand.store.postgres.driver import Database
from tests.proof.audit import contradictions
from tests.proof.ground import applied, ask, at, client, fact, hub_on, item, lines, receipt

NEXT_RELEASE = """
set search_path = onhand;
alter table event add column trace text;
alter table movement add column cost numeric;
alter table balance add column seen_at timestamptz;
alter table stock add column velocity bigint not null default 0;
alter table lot_stock add column grade text;
alter table reservation add column priority integer not null default 0;
alter table claim add column wave text;
alter table backorder add column promised_for date;
alter table ring_fence add column note text;
alter table item add column weight_g bigint;
alter table quarantine add column owner text;
alter table supply add column confirmed boolean;
alter table in_force add column policies bigint not null default 0;
alter table channel add column region text;
create table forecast (item_id bigint, channel_id integer, expected bigint, primary key (item_id, channel_id));
create index reservation_by_channel on reservation (channel_id);
create index event_by_type on event (type);
insert into owner (code) values ('consigned');
"""
"""What an additive migration of a later release may do: columns with defaults, tables, indexes, rows of reference."""


async def test_this_release_works_on_the_schema_of_the_next(database: Database) -> None:
    async with hub_on(database) as hub:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 20, id_="before")])
        early = await hub.reserve(caller, ask("early", ("A", 2)))
        async with database.acquire() as session:
            await session.script(NEXT_RELEASE)
        # The running node first, whose statements were prepared on the old tables; then a node that starts afterwards.
        async with await Database.connect(database.dsn) as later, hub_on(later, network=None) as other:
            for n, node in enumerate((hub, other)):
                await applied(node, [item(f"L{n}", lot_tracked=True), receipt(f"L{n}", 5, id_=f"l{n}", lot="x")])
                counted = {"location": "EAST", "lines": lines(sku="A", quantity=18)}
                await applied(node, [fact("count.posted", counted, id_=f"c{n}", time=at(n + 1))])
                made = await node.reserve(caller, ask(f"q{n}", ("A", 3), (f"L{n}", 1)))
                await node.amend.extend(caller, made.reservation_id, expires_in_s=1000)
                await node.amend.change(caller, made.reservation_id, [Line(line_id="1", sku="A", quantity=4)])
                part = [FulfilLine(line_id="1", quantity=1)]
                await node.amend.fulfil(caller, made.reservation_id, lines=part)
                await node.amend.transfer(caller, made.reservation_id, channel="bazaar")
                await node.amend.release(caller, made.reservation_id)
                waits = await node.reserve(caller, ask(f"w{n}", (f"L{n}", 9), mode="backorder"))
                await applied(node, [receipt(f"L{n}", 9, id_=f"more{n}", lot="y")])
                await node.keep_house()
                assert (await node.reservations.get(waits.reservation_id)).state == "granted"
                (aside,) = await node.record([receipt("?", 1, id_=f"unknown{n}")])
                assert aside.outcome == "quarantined"
                assert (await node.ready())["database"] == "ok"
            assert (await other.reserve(caller, ask("early", ("A", 2)))).reservation_id == early.reservation_id
            assert (await other.verify()).ok
    assert await contradictions(database) == []


async def test_migrating_again_changes_nothing(database: Database) -> None:
    before = await database.sql("select * from onhand.schema_migration order by 1")
    schema = "select table_name, column_name, data_type from information_schema.columns where table_schema = 'onhand'"
    columns = await database.sql(f"{schema} order by 1, 2")
    await migrations.migrate(database)
    assert await database.sql("select * from onhand.schema_migration order by 1") == before
    assert await database.sql(f"{schema} order by 1, 2") == columns


async def test_nodes_that_start_together_on_an_empty_database_take_turns(empty_dsn: str) -> None:
    async def start() -> None:
        async with await Database.connect(empty_dsn, pool_max=2) as database:
            await migrations.migrate(database)
            async with hub_on(database, network=None) as hub:
                assert (await hub.ready())["database"] == "ok"

    await asyncio.gather(*(start() for _ in range(4)))


def telling(schema: str | None, **more: object) -> Envelope:
    data = {"location": "EAST", "lines": [{"sku": "A", "quantity": 3, "shelf": "7b", "weight": 1.5}], "dock": 4, **more}
    made = event(id="x", source="erp", type="receipt.posted", time=at(0), data=data)
    return msgspec.structs.replace(made, dataschema=schema)


async def test_the_first_version_of_a_contract_is_taken_whoever_names_it_and_whatever_is_added(
    database: Database,
) -> None:
    """Fields that this release does not know are kept with the event, so that a later one may use them."""
    async with hub_on(database) as hub:
        await applied(hub, [item("A")])
        schemas = [
            None,
            "urn:onhand:event/receipt.posted/1",
            "https://example.org/contracts/receipt.posted/1",
        ]
        for n, schema in enumerate(schemas):
            sent = msgspec.structs.replace(telling(schema, crew={"size": n}), id=f"e{n}")
            await applied(hub, [sent])
        rows = await database.sql("select body from event where type = 'receipt.posted' order by id")
        assert all('"shelf":"7b"' in row["body"].replace(" ", "") for row in rows)
        assert [row["on_hand"] for row in await database.sql("select on_hand from stock")] == [9]
        (unknown,) = await hub.record([msgspec.structs.replace(telling("urn:x/receipt.posted/9"), id="v9")])
        assert unknown.outcome in ("rejected", "quarantined")
