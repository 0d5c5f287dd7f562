"""A hub of one's own for the length of a run: a database, a network in force, a key, and real nodes in front of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from onhand.app.answers import Verification
from onhand.bootstrap import open_hub
from onhand.domain.network import Network
from onhand.ops.settings import Settings
from onhand.sim import nodes as processes
from onhand.sim.nodes import Node

SCOPES = (
    "events:write", "events:read", "stock:read", "promises:write", "promises:read", "quarantine:read",
    "quarantine:write",
)  # fmt: skip


class House:
    """What a run works with: nodes to call, the key to call them with, and the hub itself for what has no API."""

    def __init__(self, hub: Any, settings: Settings, nodes: list[Node], key: str) -> None:
        self.hub = hub
        self.settings = settings
        self.nodes = nodes
        self.key = key

    @property
    def urls(self) -> list[str]:
        """Where the nodes answer."""
        return [node.url for node in self.nodes]

    def adopt(self, place: int, node: Node) -> None:
        """Put a new node in the place of one that has ended; it is stopped with the others."""
        self.nodes[place] = node

    async def verify(self) -> Verification:
        """Everything recomputed from the ledger."""
        return cast("Verification", await self.hub.verify())


@asynccontextmanager
async def house(
    settings: Settings, files: Mapping[str, str], *, client: str, nodes: int = 1, ports: tuple[int, ...] = ()
) -> AsyncIterator[House]:
    """Open a hub, put a network in force where there is none yet, and start nodes.

    A network that is in force already stays: a second run continues the first. Raises the errors of the store.
    """
    async with open_hub(settings, application="onhand simulation") as hub:
        await _have_network(hub, files, who=client)
        _, key = await cast("Any", hub).keys.create(client=client, scopes=SCOPES, expires_at=None)
        async with processes.running(settings, count=nodes, ports=ports) as started:
            yield House(hub, settings, started, key)


@contextmanager
def data_folder(settings: Settings, *, chosen: bool) -> Iterator[Settings]:
    """The settings, with a data directory of the run's own unless somebody chose one; gone afterwards."""
    if chosen:
        yield settings
        return
    folder = Path(tempfile.mkdtemp(prefix="onhand-"))
    try:
        yield replace(settings, dsn=None, data_dir=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _have_network(hub: Any, files: Mapping[str, str], *, who: str) -> Network:
    current = await hub.networks.current()
    if current is not None:
        return cast("Network", current.network)
    plan = await hub.networks.plan(files)
    await hub.networks.apply(plan, who=who, message="The network of a simulation")
    return cast("Network", plan.network)
