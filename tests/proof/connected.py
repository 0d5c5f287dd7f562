"""A whole hub at work round by round: real wiring, stand-ins on sockets, a database whose clock is moved by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from onhand.bootstrap import Hub
from onhand.flow.mapping_worker import Mapper
from onhand.flow.polling import Poller
from onhand.flow.worker import Worker
from onhand.store.postgres.driver import Database, Row
from tests.proof.ground import applied, apply, clocked, fact, hub_on, receipt, wait
from tests.proof.matrix_partners import Connected, connected, network

SKUS = ["X1", "X2"]

Edit = Callable[[dict[str, Any]], None]


class Node:
    """What one node does, each thing once a round."""

    def __init__(self, hub: Hub, worker: Worker, poller: Poller, mapper: Mapper) -> None:
        self.hub = hub
        self.publisher = hub.publisher()
        self.worker = worker
        self.poller = poller
        self.mapper = mapper

    async def send(self) -> None:
        """Decide what is told, and tell it."""
        await self.publisher.round()
        await self.worker.round()

    async def round(self) -> None:
        """Do everything once."""
        await asyncio.gather(self.send(), self.poller.round())
        await self.mapper.round()


class Place:
    """A database, the partners around it, and the first node on it."""

    def __init__(self, database: Database, node: Node, around: Mapping[str, Connected], stack: AsyncExitStack) -> None:
        self.database = database
        self.node = node
        self.hub = node.hub
        self.around = around
        self.ahead_s = 0.0
        self._stack = stack

    async def another(self) -> Node:
        """Start one more node."""
        return await _node(self.database, self._stack)

    async def apply(self, edit: Edit = lambda _: None) -> None:
        """Put the network of these partners in force, edited."""
        content = network(list(self.around.values()), SKUS)
        edit(content)
        await apply(self.hub, json.dumps(content))

    async def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead_s += seconds
        await wait(self.database, seconds)

    async def settle(self, *nodes: Node, rounds: int = 5, step_s: float = 61) -> None:
        """Work some minutes on."""
        for _ in range(rounds):
            for node in nodes or (self.node,):
                await node.round()
            await self.forward(step_s)

    async def stocked(self, quantity: int, *more: str) -> None:
        """Declare items, and receive so many of those that are listed."""
        await applied(self.hub, [fact("item.upserted", {"sku": s}, id_=f"item/{s}") for s in (*SKUS, *more)])
        await applied(self.hub, [receipt(sku, quantity, id_=f"r/{sku}", location="MAIN") for sku in SKUS])

    async def shipped(self, sku: str, quantity: int, *, id_: str) -> None:
        """Ship from the main warehouse."""
        data = {"location": "MAIN", "lines": [{"sku": sku, "quantity": quantity}]}
        await applied(self.hub, [fact("shipment.confirmed", data, id_=id_)])

    async def commands(self) -> list[Row]:
        """Return every command that is no publication."""
        return await self.database.sql("select * from outbox where operation not like 'stock.%' order by id")

    async def states(self) -> Mapping[str, int]:
        """Return how many of them there are in each state."""
        states = [row["state"] for row in await self.commands()]
        return {state: states.count(state) for state in set(states)}


@asynccontextmanager
async def place(
    dsn: str, folder: Path, partners: Mapping[str, str], *, besides: type | None = None
) -> AsyncIterator[Place]:
    """A place with these partners (name: connector), and no network yet."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(clocked(dsn))
        around = {n: connected(n, c, folder, seed=7 + i, besides=besides) for i, (n, c) in enumerate(partners.items())}
        for each in around.values():
            await stack.enter_async_context(each.partner)
            await each.prepare()
        yield Place(database, await _node(database, stack), around, stack)


async def _node(database: Database, stack: AsyncExitStack) -> Node:
    hub = await stack.enter_async_context(hub_on(database, network=None))
    await hub.ready()
    worker = await stack.enter_async_context(hub.sending())
    return Node(hub, worker, *await stack.enter_async_context(hub.reading()))
