"""A hub for the checks that need one: a database, a network with one endpoint, a clock moved by hand, workers.

What is told goes the hub's whole way: written to the outbox, claimed under the endpoint's policy, sent through the
connector to the partner, settled. Only the clock is ours, so that a window of hours passes in no time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from onhand.app.apply_network import apply_network, plan_network
from onhand.app.dispatch import Claimed, Dispatch
from onhand.app.flow_ports import Command
from onhand.app.operate_flow import EndpointView, Filter, OperateFlow
from onhand.flow.worker import Worker
from onhand.store.directory import Directory
from onhand.store.flow import PostgresFlow
from onhand.store.flow_reading import PostgresFlowReads
from onhand.store.network import PostgresNetworkStore
from onhand.store.outbox import PostgresOutbox
from onhand.store.postgres.driver import Database, Row
from onhand.testkit.check import Broken
from onhand.testkit.stage import CODE, Scene, Stage
from onhand.testkit.telling import DirectSender, Telling, Thing

ROUNDS_MAX = 400


class HandClock:
    """A clock that starts now and moves only when it is told to; `seconds` is the same clock for stand-ins."""

    def __init__(self) -> None:
        self.now = self._start = datetime.now(UTC)

    def __call__(self) -> datetime:
        """Return its time."""
        return self.now

    def seconds(self) -> float:
        """Seconds since it was made."""
        return (self.now - self._start).total_seconds()

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


class KitHub:
    """One operation of a connector, told through a hub."""

    def __init__(self, database: Database, scene: Scene, telling: Telling, clock: HandClock) -> None:
        self.database = database
        self.scene = scene
        self.telling = telling
        self.clock = clock
        self.things: dict[str, Thing] = {}
        self._directory = Directory(database)
        self._outbox = PostgresOutbox(database, self._directory)
        self.connector = scene.connector()
        self.flow = OperateFlow(PostgresFlowReads(database, self._directory))

    async def apply(self, **policy: Any) -> None:
        """Put a network in force whose one endpoint reaches the partner with this policy."""
        fields = {"batch": self.telling.claim.batch, "settings": {}, **policy}
        endpoint = self.scene.endpoint(**fields)
        document = {
            "systems": {endpoint.system: {"kind": "other", "owner": "kit"}},
            "endpoints": {endpoint.code: {"system": endpoint.system, "base_url": "https://partner.example"}},
        }
        store = PostgresNetworkStore(self.database)
        plan = await plan_network(store, {"kit.yaml": msgspec.yaml.encode(document).decode()})
        # The files would refuse a connector that is not installed yet, so the endpoint itself is put in afterwards.
        network = msgspec.structs.replace(plan.network, endpoints={endpoint.code: endpoint})
        if await apply_network(store, msgspec.structs.replace(plan, network=network), who="kit") is None:
            raise Broken(f"the kit's own network is refused: {plan}")

    async def write(self, things: Sequence[Thing], **fields: Any) -> None:
        """Write commands to the outbox."""
        for thing in things:
            self.things[_name(thing)] = thing
        commands = [
            Command(
                **{"endpoint": CODE, "operation": self.telling.name, "body": _name(each), "idempotency_key": each.key}
                | fields
            )
            for each in things
        ]
        await self._outbox.write(commands, now=self.clock())

    def worker(self, *, name: str = "kit") -> Worker:
        """A worker of a node of its own, with this connector as the one sender."""
        flow = PostgresFlow(self.database, Directory(self.database), worker=name)
        sender = DirectSender(self.telling, self.connector, self.things)
        return Worker(Dispatch(flow, draw=lambda: 1.0), {self.scene.package.name: sender}, clock=self.clock)

    async def drain(self, *, step_s: float = 1.0, worker: Worker | None = None) -> Claimed | None:
        """Work, letting time pass, until nothing waits any more."""
        worker = worker or self.worker()
        claimed: Claimed | None = None
        for _ in range(ROUNDS_MAX):
            claimed = (await worker.round()).get(CODE, claimed)
            if not await self.waiting():
                return claimed
            self.clock.forward(step_s)
        raise Broken(
            f"after {ROUNDS_MAX} rounds {await self.waiting()} commands still wait: {claimed and claimed.reason}"
        )

    async def waiting(self) -> int:
        """Return how many commands are neither done nor dead."""
        return sum(1 for row in await self.rows() if row["state"] in ("new", "ready", "waiting", "sending"))

    async def rows(self) -> list[Row]:
        """Return every command as it is stored."""
        return await self.database.sql("select * from outbox order by id")

    async def states(self) -> Mapping[str, str]:
        """Return the state of each command by its idempotency key."""
        return {row["idempotency_key"]: row["state"] for row in await self.rows()}

    async def view(self) -> EndpointView:
        """Return the endpoint as people see it."""
        return await self.flow.endpoint(CODE)

    async def replay(self, key: str) -> list[int]:
        """Replay what became a dead letter under a key; return which were."""
        ids = tuple(row["id"] for row in await self.rows() if row["idempotency_key"] == key)
        return await self.flow.replay(Filter(ids=ids), who="kit", reason="mended")

    async def everything(self) -> str:
        """Return all that the database holds, as text: what is not in here was not written down."""
        tables = await self.database.sql("select tablename from pg_tables where schemaname = 'public'")
        parts = []
        for table in tables:
            rows = await self.database.sql(f'select t::text as row from "{table["tablename"]}" t')  # noqa: S608 - catalogue
            parts += [row["row"] for row in rows]
        return "\n".join(parts)


@asynccontextmanager
async def kit_hub(stage: Stage, scene: Scene, telling: Telling, clock: HandClock) -> AsyncIterator[KitHub]:
    """A hub on a database of its own, for as long as the block runs."""
    async with stage.ground.database() as dsn, await Database.connect(dsn) as database:
        yield KitHub(database, scene, telling, clock)


def _name(thing: Thing) -> str:
    return msgspec.json.encode({"thing": thing.key}).decode()
