"""`kill -9` of a node and of PostgreSQL in mid-load: nothing acknowledged is lost, nothing is done twice, all goes on.

Afterwards every request is sent again under its id. What had been acknowledged before the kill is answered as it was;
of the rest each took effect once or not at all: min == max == stored, and what was granted is what there was.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from onhand.store.postgres import migrations
from onhand.store.postgres.driver import Database
from onhand.store.postgres.supervisor import Cluster
from tests.conftest import PROVIDER
from tests.proof.audit import contradictions, oversold
from tests.proof.ground import applied, hub_on, item, receipt
from tests.proof.nodes import Node, nodes, together

SUPPLY = 250
ASKED = [{"id": f"q{n}", "lines": [["HOT", 1]]} for n in range(400)]
FACTS = [
    [{"id": f"e{n}", "type": "receipt.posted", "data": {"location": "WEST", "lines": [{"sku": "COLD", "quantity": 1}]}}]
    for n in range(200)
]

Answer = dict[str, Any]


SLOW = """
create function onhand.slow() returns trigger language plpgsql as
    $$ begin perform pg_sleep(0.003); return new; end $$;
create trigger slow before insert on reservation for each row execute function slow();
create trigger slow before insert on event for each row execute function slow();
"""
"""So that the node is killed in the middle of its work on any machine, however late this process has its turn."""


async def stocked(database: Database) -> None:
    async with hub_on(database) as hub:
        await applied(hub, [item("HOT"), item("COLD"), receipt("HOT", SUPPLY, id_="r")])


async def answers_until(node: Node, *, at_least: int) -> list[Answer]:
    """Read answers while the node works, until there are some."""
    found: list[Answer] = []
    async for answer in node:
        found.append(answer)
        if len(found) >= at_least:
            break
    return found


def acknowledged(answers: Iterable[Answer]) -> dict[str, Any]:
    """Return what was told for good: a promise's number and grants, or that a fact is recorded."""
    told: dict[str, Any] = {}
    for answer in answers:
        if "reservation" in answer:
            told[answer["id"]] = (answer["reservation"], answer["granted"])
        elif answer.get("outcome") in ("applied", "duplicate"):
            told[answer["id"]] = "recorded"
    return told


async def check(database: Database, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert before, "something was acknowledged before the kill, or this proves nothing"
    assert len(after) == len(ASKED) + len(FACTS)
    assert {name: after[name] for name in before} == before
    stored = await database.sql("select request_id, 'res_' || id as number, state from reservation")
    assert {row["request_id"]: row["number"] for row in stored} == {n: a[0] for n, a in after.items() if n[0] == "q"}
    granted = sum(q for name, told in after.items() if name[0] == "q" for _, q in told[1])
    (claimed,) = await database.sql("select sum(quantity)::bigint as q, count(distinct reservation_id) as n from claim")
    assert (granted, claimed["q"], claimed["n"]) == (SUPPLY, SUPPLY, SUPPLY)
    (cold,) = await database.sql("select s.on_hand from stock s join item i on i.id = s.item_id where i.sku = 'COLD'")
    assert cold["on_hand"] == len(FACTS)
    assert await contradictions(database) == []
    assert await oversold(database) == []


@pytest.mark.slow
async def test_a_node_killed_in_mid_load_loses_nothing_that_it_acknowledged(database: Database, dsn: str) -> None:
    await stocked(database)
    async with database.acquire() as session:
        await session.script(SLOW)
    async with nodes(dsn, number=3) as (doomed, other, third):
        half = len(ASKED) // 2
        await doomed.begin(reserve=ASKED[:half], record=FACTS)
        await other.begin(reserve=ASKED[half:])
        heard = await answers_until(doomed, at_least=40)
        doomed.process.kill()
        heard += [answer async for answer in doomed if "done" not in answer]
        assert len(heard) < half + len(FACTS), "it was killed before it had done everything"
        heard += await other.answers()
        assert await doomed.process.wait() == -signal.SIGKILL
        again = await together([other, third], [{"reserve": ASKED[:half], "record": FACTS}, {"reserve": ASKED}])
    before = acknowledged(heard)
    after = acknowledged(a for each in again for a in each)
    await check(database, before, after)


@asynccontextmanager
async def durable_database(cluster: Cluster) -> AsyncIterator[str]:
    """A database on a server of this test's own, which forgets nothing that it has acknowledged."""
    async with await Database.connect(cluster.dsn("postgres"), pool_max=1) as server:
        await server.sql("create database proof")
    async with await Database.connect(cluster.dsn("proof")) as fresh:
        await migrations.migrate(fresh)
    yield cluster.dsn("proof")


@pytest.mark.slow
async def test_postgresql_killed_in_mid_load_loses_nothing_and_the_nodes_go_on_by_themselves(data_root: Path) -> None:
    with Cluster.open(data_root / "data", choice=PROVIDER) as cluster:
        async with durable_database(cluster) as dsn:
            async with await Database.connect(dsn) as database:
                (durable,) = await database.sql(
                    "select current_setting('fsync') || current_setting('synchronous_commit')"
                )
                assert durable[0] == "onon"
                await stocked(database)
            async with nodes(dsn, number=2) as running:
                one, other = running
                await one.begin(reserve=ASKED[::2], record=FACTS)
                await other.begin(reserve=ASKED[1::2])
                heard = await answers_until(one, at_least=40)
                pid = cluster.pid()
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                # The next process that needs it has it running again; the nodes are told nothing.
                back = await asyncio.to_thread(Cluster.open, data_root / "data", choice=PROVIDER)
                try:
                    for each in await asyncio.gather(one.answers(), other.answers()):
                        heard += each
                    again: list[Answer] = []
                    for _ in range(5):
                        told = await together(running, [{"reserve": ASKED, "record": FACTS}, {"reserve": ASKED}])
                        again = [a for each in told for a in each]
                        if not any("error" in a for a in again):
                            break
                    assert [a for a in again if "error" in a] == []
                    async with await Database.connect(dsn) as database:
                        await check(database, acknowledged(heard), acknowledged(again))
                finally:
                    back.close()
