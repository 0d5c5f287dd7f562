"""A small world for tests of the flow: a clock moved by hand, networks of endpoints, partners that keep count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from onhand.app.apply_network import apply_network, plan_network
from onhand.app.dispatch import Dispatch
from onhand.app.flow_ports import Call, Command, Sender, Written
from onhand.domain.outcome import Delivered, Outcome
from onhand.flow.worker import Worker
from onhand.store.directory import Directory
from onhand.store.flow import PostgresFlow
from onhand.store.network import PostgresNetworkStore
from onhand.store.outbox import PostgresOutbox
from onhand.store.postgres.driver import Database, Row

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def to(self, at: datetime | None) -> None:
        assert at is not None
        assert at >= self.now
        self.now = at


Behaviour = Callable[[Call], Sequence[Outcome] | Outcome]


class Partner:
    """An in-process partner: counts its calls by the shared clock, and each effect by its key."""

    def __init__(self, clock: Callable[[], datetime], behave: Behaviour | None = None) -> None:
        self.clock = clock
        self.behave: Behaviour = behave or (lambda _call: Delivered())
        self.calls: list[tuple[datetime, Call]] = []
        self.effects: dict[str, int] = {}
        self.order: list[str] = []

    async def send(self, call: Call) -> Sequence[Outcome]:
        self.calls.append((self.clock(), call))
        found = self.behave(call)
        outcomes = [found] * len(call.commands) if isinstance(found, Outcome) else list(found)
        for command, outcome in zip(call.commands, outcomes, strict=True):
            if isinstance(outcome, Delivered):
                self.take(command.idempotency_key, command.body)
        return outcomes

    def take(self, key: str, body: str) -> None:
        if key not in self.effects:
            self.order.append(body)
        self.effects[key] = self.effects.get(key, 0) + 1

    def busiest(self, seconds: float) -> int:
        """The most calls in any stretch of that length, by brute force."""
        times = [at for at, _ in self.calls]
        stretch = timedelta(seconds=seconds)
        return max((sum(1 for other in times if at <= other < at + stretch) for at in times), default=0)


class World:
    """One database with a network in force, and workers on it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.directory = Directory(database)
        self.outbox = PostgresOutbox(database, self.directory)
        self.flow = PostgresFlow(database, self.directory, worker="test")

    async def apply(self, endpoints: str) -> None:
        """Put a network with these sections in force, over a system called `shop`."""
        store = PostgresNetworkStore(self.database)
        files = {"n.yaml": "systems:\n  shop: {kind: storefront, owner: ada}\n" + endpoints}
        assert await apply_network(store, await plan_network(store, files), who="test") is not None

    def worker(
        self, *, name: str = "test", draw: float = 1.0, batches: dict[str, int] | None = None, **senders: Sender
    ) -> Worker:
        """A worker of a node of its own."""
        return Worker(self.dispatch(name=name, draw=draw, batches=batches), senders, clock=self.clock)

    def dispatch(self, *, name: str = "test", draw: float = 1.0, batches: dict[str, int] | None = None) -> Dispatch:
        flow = PostgresFlow(self.database, Directory(self.database), worker=name)
        return Dispatch(flow, draw=lambda: draw, batches=lambda _: batches or {})

    async def put(self, *bodies: object, endpoint: str = "hook", **fields: Any) -> list[Written]:
        commands = [
            Command(**{"endpoint": endpoint, "operation": "tell", "body": str(body), **fields}) for body in bodies
        ]
        return await self.outbox.write(commands, now=self.clock())

    async def states(self) -> dict[str, str]:
        """The state of each command by its body."""
        return {row["body"]: row["state"] for row in await self.rows()}

    async def rows(self) -> list[Row]:
        return await self.database.sql(
            "select o.*, s.code as endpoint from outbox o join flow_scope s on s.id = o.endpoint_id order by o.id"
        )

    async def row(self, body: object) -> Row:
        (found,) = [row for row in await self.rows() if row["body"] == str(body)]
        return found

    async def unfinished(self, endpoint: str = "hook") -> int:
        (row,) = await self.database.sql(
            "select s.unfinished + coalesce((select sum(commands) from outbox_arrival a where a.endpoint_id = s.id), 0)"
            " as n from flow_scope s where s.kind = 'endpoint' and s.code = $1",
            endpoint,
        )
        return int(row["n"])


def endpoints(policy: str = "", *, code: str = "hook", more: str = "") -> str:
    """The section of one endpoint `hook` with sender `fake`, and what else a test needs."""
    fields = f", {policy}" if policy else ""
    return f"endpoints:\n  {code}: {{system: shop, sender: fake{fields}}}\n{more}"


def json(value: object) -> str:
    return msgspec.json.encode(value).decode()
