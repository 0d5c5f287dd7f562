"""P3, P4, P7 and P8 with real nodes in processes of their own: killed, their database killed, and partners that count.

Partners run in the process of the test, which nobody kills: they do the work and lose the answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from onhand.app.flow_ports import Command
from onhand.bootstrap import Hub
from onhand.ops.settings import Settings
from onhand.sim import nodes
from onhand.sim.api import Api
from onhand.store.postgres import migrations
from onhand.store.postgres.driver import Database
from onhand.store.postgres.supervisor import Cluster
from tests.conftest import PROVIDER
from tests.proof.ground import apply, fact, hub_on, receipt
from tests.proof.matrix_partners import Connected, Holding, connected, network

pytestmark = pytest.mark.slow

SKUS = ["X1", "X2"]
PATIENT = {"timeout_s": 20, "retry": {"first_s": 0.2, "longest_s": 1}, "breaker": {"calls_min": 1_000, "open_s": 1}}
KINDS = ("rest", "tryton", "vendure")
"""By their keys, by looking first, and by looking first in a session."""


class World:
    """Partners, what they were told, and the hub that tells them."""

    def __init__(self, database: Database, hub: Hub, around: Iterable[Connected]) -> None:
        self.database = database
        self.hub = hub
        self.around = {each.name: each for each in around}
        self.told: list[tuple[str, str, str]] = []
        self._held: list[asyncio.Event] = []

    async def begin(self, **policy: Any) -> None:
        """Put the network in force, with something in stock."""
        content = network(list(self.around.values()), SKUS, feeds=False)
        for each in content["endpoints"].values():
            each |= {**PATIENT, **policy}
        await apply(self.hub, json.dumps(content))
        facts = [fact("item.upserted", {"sku": sku}, id_=f"item/{sku}") for sku in SKUS]
        facts += [receipt(sku, 7, id_=f"r/{sku}", location="MAIN") for sku in SKUS]
        assert {each.outcome for each in await self.hub.record(facts)} == {"applied"}

    async def tell(self, count: int) -> None:
        """Write so many commands for each partner."""
        commands = []
        for each in self.around.values():
            for _ in range(count):
                number = len(self.told)
                operation, body = each.command(number)
                self.told.append((each.name, body, f"kill-{number}"))
                commands.append(
                    Command(endpoint=each.name, operation=operation, body=body, idempotency_key=f"kill-{number}")
                )
        await self.hub.outbox.write(commands)

    def hold(self, *, nth: int) -> None:
        """From the n-th request on, have every partner do the work and keep the answer."""
        self._held = [each.partner.hold(nth=nth) for each in self.around.values()]  # type: ignore[attr-defined]

    async def held(self) -> None:
        """Wait until every partner keeps an answer."""
        async with asyncio.timeout(90):
            await asyncio.gather(*(each.wait() for each in self._held))

    def let_go(self) -> None:
        """Have the partners answer, if anybody still listens."""
        for each in self.around.values():
            each.partner.let_go()  # type: ignore[attr-defined]

    async def until(self, query: str, *, seconds: float = 120) -> None:
        """Wait until the database says so, while leases of the dead run out."""
        async with asyncio.timeout(seconds):
            while not (await self.database.sql(f"select ({query}) as there"))[0]["there"]:
                await self.database.sql("select pg_sleep(0.1)")

    async def lapse(self) -> None:
        """Let time pass, without waiting for it: what a dead node held is anybody's."""
        await self.database.sql("update flow_call set lease_until = clock_timestamp() - interval '1 second'")

    async def effects(self) -> Mapping[str, int]:
        """Return how often each command took effect, by its partner and key."""
        return {
            f"{name} {key}": await self.around[name].happened(body, key) for name, body, key in self.told
        }  # fmt: skip

    async def states(self) -> Mapping[str, int]:
        """Return how many commands there are in each state."""
        rows = await self.database.sql(
            "select state, count(*)::int as n from outbox where operation not like 'stock.%' group by 1"
        )
        return {row["state"]: row["n"] for row in rows}


@asynccontextmanager
async def world(database: Database, folder: Path, *kinds: str) -> AsyncIterator[World]:
    """A hub whose partners hold their answers when they are told to."""
    async with AsyncExitStack() as stack:
        around = [connected(kind, kind, folder, seed=n, besides=Holding) for n, kind in enumerate(kinds)]
        for each in around:
            await stack.enter_async_context(each.partner)
            await each.prepare()
        hub = await stack.enter_async_context(hub_on(database, network=None))
        yield World(database, hub, around)


DONE = "select bool_and(state = 'done') from outbox where operation not like 'stock.%'"


async def test_a_node_killed_in_mid_send_again_and_again_leaves_no_second_effect(
    dsn: str, database: Database, tmp_path: Path
) -> None:
    """Each partner does the work of the n-th request; its answer is lost with the node that asked."""
    async with world(database, tmp_path, *KINDS) as at:
        await at.begin()
        for nth in (1, 2, 4):
            await at.tell(4)
            at.hold(nth=nth)
            node = await nodes.start(Settings(dsn=dsn))
            await at.held()
            sending = (await at.states()).get("sending", 0)
            await node.kill()
            at.let_go()
            assert sending > 0, f"killed in mid-send, or this proves nothing: {await at.states()}"
            await at.lapse()
        async with nodes.running(Settings(dsn=dsn), count=2):
            await at.until(DONE)
            await at.until("select bool_and(shown = 7) from publication")
        assert await at.effects() == dict.fromkeys(await at.effects(), 1)
        assert await at.states() == {"done": len(at.told)}
        for name in ("rest", "vendure"):
            assert await at.around[name].shows() == [7, 7]
        lost = await database.sql("select count(*)::int as n from outbox_attempt where kind = 'unknown'")
        assert lost[0]["n"] >= 3, "answers were lost"


@asynccontextmanager
async def _durable(cluster: Cluster) -> AsyncIterator[str]:
    async with await Database.connect(cluster.dsn("postgres"), pool_max=1) as server:
        await server.sql("create database proof")
    async with await Database.connect(cluster.dsn("proof")) as fresh:
        await migrations.migrate(fresh)
    yield cluster.dsn("proof")


async def test_postgresql_killed_in_mid_send_leaves_no_second_effect(data_root: Path, tmp_path: Path) -> None:
    """The answers come while there is nobody to write them down; the nodes go on by themselves."""
    with Cluster.open(data_root / "data", choice=PROVIDER) as cluster:
        async with _durable(cluster) as dsn:
            async with await Database.connect(dsn) as database, world(database, tmp_path, *KINDS) as at:
                await at.begin()
                await at.tell(5)
                at.hold(nth=3)
                async with nodes.running(Settings(dsn=dsn), count=2) as running:
                    await at.held()
                    assert (await at.states()).get("sending", 0) > 0
                    pid = cluster.pid()
                    assert pid is not None
                    os.kill(pid, signal.SIGKILL)
                    at.let_go()
                    back = await asyncio.to_thread(Cluster.open, data_root / "data", choice=PROVIDER)
                    try:
                        async with await Database.connect(dsn) as again:
                            at.database = again
                            await at.lapse()
                            await at.until(DONE)
                            assert await at.effects() == dict.fromkeys(await at.effects(), 1)
                            assert await at.states() == {"done": len(at.told)}
                            assert all(node.is_running() for node in running), "nobody had to start them again"
                    finally:
                        back.close()


WORKERS = "select count(distinct worker)::int as n from outbox_attempt"
CALLS, IN_S = 12, 3
COUNTED_IN_S = 2.0
"""The partner counts a shorter stretch than the hub: the network may bring two calls a second closer together."""


async def test_two_nodes_that_share_a_limit_over_two_endpoints_never_exceed_it_says_the_partner(
    dsn: str, database: Database, tmp_path: Path
) -> None:
    """Commands, numbers and polls of two endpoints at one address, from two nodes: what a partner counts by account."""
    async with world(database, tmp_path, "rest") as at:
        await at.begin()
        rest = at.around["rest"]
        content = network([rest], SKUS, feeds=False)
        shared = {**content["endpoints"]["rest"], **PATIENT, "batch": 1, "quota": "account"}
        content["endpoints"] = {"rest": shared, "rest-two": shared}
        content["quotas"] = {"account": {"limits": {"sliding": [{"calls": CALLS, "in_s": IN_S}]}}}
        content["feeds"] = {"news": {"endpoint": "rest-two", "stream": "items", "every_s": 1}}
        await apply(at.hub, json.dumps(content))
        rest.partner.rate = (CALLS, COUNTED_IN_S)  # type: ignore[attr-defined]
        async with nodes.running(Settings(dsn=dsn), count=2) as (one, other):
            await at.tell(20)
            for turn in range(6):  # a node that is slow to begin has its share in a later turn
                bodies = [rest.command(number) for number in range(100 + 20 * turn, 120 + 20 * turn)]
                await at.hub.outbox.write(
                    [Command(endpoint="rest-two", operation=operation, body=body) for operation, body in bodies]
                )
                await at.until(DONE)
                if (await database.sql(WORKERS))[0]["n"] == 2:
                    break
            assert one.is_running()
            assert other.is_running()
        assert rest.calls >= 42
        assert rest.partner.broken == []
        assert set((await at.effects()).values()) == {1}
        assert (await database.sql(WORKERS))[0]["n"] == 2, "both had a share, or this proves nothing"


MANY = 15_000
DEAR = 150
MIDDLE = 1_500


def _risk(number: int) -> tuple[str, int]:
    """Return the category of a listing and its stock: few have little, and a dear price."""
    if number % (MANY // DEAR) == 0:
        return "dear", 2
    return ("usual", 15) if number % (MANY // MIDDLE) == 1 else ("usual", 500)


async def _stocked(hub: Hub) -> None:
    for start in range(0, MANY, 1_000):
        some = [(f"SKU-{n:05d}", *_risk(n)) for n in range(start, start + 1_000)]
        facts = [fact("item.upserted", {"sku": s, "category": category}, id_=f"i/{s}") for s, category, _ in some]
        facts += [receipt(sku, quantity, id_=f"r/{sku}", location="MAIN") for sku, _, quantity in some]
        assert {each.outcome for each in await hub.record(facts)} == {"applied"}


async def _promise(api: Api, name: str, *, until: Callable[[int], bool]) -> list[float]:
    """Ask for promises, one after the other; return how long each took, in seconds."""
    took: list[float] = []
    while not until(len(took)):
        line = {"line_id": "1", "sku": f"SKU-{102 + 10 * (len(took) % 500):05d}", "quantity": 1}
        reply = await api.reserve({"request_id": f"{name}-{len(took)}", "channel": "desk", "lines": [line]})
        assert (reply.status, reply.tries) == (201, 1), reply
        took.append((reply.answered_ns - reply.sent_ns) / 1e9)
    return took


async def test_fifteen_thousand_listings_drain_the_dearest_risk_first_while_promises_keep_their_speed(
    dsn: str, database: Database, tmp_path: Path
) -> None:
    """openlinker#2609: 15,066 waited, first come, first served, and everything else waited with them."""
    async with world(database, tmp_path, "rest") as at:
        rest = at.around["rest"]
        await rest.partner.listings(MANY)
        content = network([rest], SKUS, feeds=False)
        content["endpoints"]["rest"] |= {**PATIENT, "batch": 100, "limits": {"rates": [{"calls_per_s": 10}]}}
        told = {"endpoint": "rest", "read_back_percent": 0, "margin": {"by_category": {"dear": 10_000}}}
        content["channels"]["rest"]["publish"] = told
        await apply(at.hub, json.dumps(content))
        await at.hub.publications.pause("rest", who="ada", reason="it was away for long")
        await _stocked(at.hub)
        publisher = at.hub.publisher()
        while (await publisher.work_out()).items or (await publisher.work_out()).items:
            pass
        (known,) = await at.hub.publications.status("rest")
        assert (known.listed, known.behind) == (MANY, MANY)

        _, key = await at.hub.keys.create(client="shop", scopes=("promises:write",), expires_at=None)
        async with nodes.running(Settings(dsn=dsn), count=1) as (node,), Api([node.url], key) as api:
            before = await _promise(api, "before", until=lambda asked: asked >= 200)
            rest.partner.heard.clear()  # type: ignore[attr-defined]
            await at.hub.publications.resume("rest", who="ada", reason="it is back")
            async with asyncio.timeout(150):
                meanwhile = await _promise(
                    api, "meanwhile",
                    until=lambda _: all(rest.partner.stock.get(f"SKU-{n:05d}") for n in range(MANY)),  # type: ignore[attr-defined]
                )  # fmt: skip
    assert len(meanwhile) > 50
    assert median(meanwhile) <= 5 * median(before), f"{median(before):.4f} s before, {median(meanwhile):.4f} s then"
    order = list(dict.fromkeys(
        line["listing"] for each in rest.partner.heard if each.path == "/listings"  # type: ignore[attr-defined]
        for line in json.loads(each.body)["lines"]
    ))  # fmt: skip
    place = {listing: number for number, listing in enumerate(order)}
    by_risk: dict[tuple[str, int], list[int]] = {}
    for number in range(MANY):
        by_risk.setdefault(_risk(number), []).append(place[f"SKU-{number:05d}"])
    dear, middle, rest_of_all = by_risk["dear", 2], by_risk["usual", 15], by_risk["usual", 500]
    assert max(dear) < 3 * DEAR, f"the last of the {DEAR} dearest was number {max(dear)}"
    assert max(middle) < min(4 * MIDDLE, median(rest_of_all)), f"the last of the {MIDDLE} next was {max(middle)}"
