"""The hub's way out to a channel, for the checks that need it: stock on the ledger, numbers worked out, told, settled.

Nothing of it is played: facts are recorded, the publication controller works out what the listing should show, the
outbox sends, the connector tells. Only the clock is moved by hand, forward from now.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from onhand.app.apply_network import apply_network, plan_network
from onhand.app.dispatch import Dispatch
from onhand.app.publish_chores import PublishChores
from onhand.app.publish_numbers import WorkOutNumbers
from onhand.app.publish_telling import TellChannels
from onhand.app.record_events import RecordEvents
from onhand.contracts import registry as contracts
from onhand.contracts.envelope import event
from onhand.domain.endpoint import Endpoint
from onhand.domain.inbox import Freshness
from onhand.flow.link import EndpointLink
from onhand.flow.publishing import PublishingSender
from onhand.flow.publishing_loop import Publishing
from onhand.flow.worker import Worker
from onhand.sdk.connector import Connector
from onhand.sdk.partner import Listing
from onhand.store.directory import Directory
from onhand.store.flow import PostgresFlow
from onhand.store.intake import PostgresFacts
from onhand.store.network import PostgresNetworkStore
from onhand.store.outbox import PostgresOutbox
from onhand.store.postgres.driver import Database
from onhand.store.publication import PostgresTelling
from onhand.store.publication_chores import PostgresChores
from onhand.store.publication_numbers import PostgresNumbers
from onhand.testkit.check import Broken
from onhand.testkit.stage import Scene, Stage

ROUNDS_MAX = 30
STEP_S = 1_900
"""Longer than half an hour, so that partners which answer later have answered."""


class KitOutlet:
    """One listing of the partner, published by a hub."""

    def __init__(self, database: Database, scene: Scene, listing: Listing) -> None:
        self.scene = scene
        self.listing = listing
        self._ahead = timedelta()
        self._recorded = 0
        directory = Directory(database)
        self._networks = PostgresNetworkStore(database)
        self._record = RecordEvents(PostgresFacts(database, directory), contracts.packaged())
        telling = PostgresTelling(database, directory, PostgresOutbox(database, directory), clock=self.now)
        chores = PublishChores(PostgresChores(database, directory, clock=self.now), telling, freshness=_no_feeds)
        numbers = WorkOutNumbers(PostgresNumbers(database, directory))
        self._controller = Publishing(numbers, TellChannels(telling), chores)
        dispatch = Dispatch(PostgresFlow(database, Directory(database), worker="kit"), draw=lambda: 1.0)
        sender = PublishingSender(telling, self._connector)
        self._worker = Worker(dispatch, {scene.package.name: sender}, clock=self.now)
        self._made: Connector | None = None

    def now(self) -> datetime:
        """The time, moved forward."""
        return datetime.now(UTC) + self._ahead

    async def apply(self) -> None:
        """Put a network in force whose one channel is told through this connector."""
        endpoint = self.scene.endpoint(timeout_s=2.0)
        publish: dict[str, Any] = {
            "endpoint": endpoint.code, "items": "listed", "listings": {self.listing.sku: self.listing.listing},
            "read_back_percent": 0.0,
        }  # fmt: skip
        if self.listing.location is not None:
            publish["locations"] = {"KIT": self.listing.location}
        document = {
            "systems": {endpoint.system: {"kind": "other", "owner": "kit"}},
            "locations": {"KIT": {"kind": "warehouse"}},
            "endpoints": {endpoint.code: {"system": endpoint.system, "base_url": "https://partner.example"}},
            "channels": {"kit": {"kind": "marketplace", "sells_from": ["KIT"], "publish": publish}},
        }
        plan = await plan_network(self._networks, {"kit.yaml": msgspec.yaml.encode(document).decode()})
        network = msgspec.structs.replace(plan.network, endpoints={endpoint.code: endpoint})
        if await apply_network(self._networks, msgspec.structs.replace(plan, network=network), who="kit") is None:
            raise Broken("the kit's own network is refused")
        await self._fact("item.upserted", {"sku": self.listing.sku})

    async def receive(self, quantity: int) -> None:
        """Goods come in."""
        lines = [{"sku": self.listing.sku, "quantity": quantity}]
        await self._fact("receipt.posted", {"location": "KIT", "lines": lines})

    async def ship(self, quantity: int) -> None:
        """Goods leave."""
        lines = [{"sku": self.listing.sku, "quantity": quantity}]
        await self._fact("shipment.confirmed", {"location": "KIT", "lines": lines})

    async def work(self, *, rounds: int = 4) -> None:
        """Work out, decide and tell a few times, without letting time pass."""
        for _ in range(rounds):
            await self._controller.round()
            await self._worker.round()

    async def until_shown(self, quantity: int) -> int | None:
        """Work and let time pass until the listing shows a number; return what it shows in the end."""
        shown: int | None = None
        for _ in range(ROUNDS_MAX):
            await self.work(rounds=2)
            await self.scene.partner.settle()
            shown = await self.scene.partner.shown(self.listing)
            if shown == quantity:
                return shown
            self._ahead += timedelta(seconds=STEP_S)
        return shown

    async def later(self) -> int | None:
        """Let a day pass, working on; return what the listing shows then."""
        for _ in range(3):
            self._ahead += timedelta(hours=8)
            await self.work(rounds=2)
            await self.scene.partner.settle()
        return await self.scene.partner.shown(self.listing)

    def _connector(self, endpoint: Endpoint) -> Connector:
        if self._made is None:
            link = EndpointLink(endpoint, self.scene.transport, clock=self.now)
            self._made = self.scene.package.make(endpoint.settings, link)
        return self._made

    async def _fact(self, kind: str, data: Mapping[str, Any]) -> None:
        self._recorded += 1
        await self._record([event(id=f"kit-{self._recorded}", source="somewhere", type=kind, data=data)])


async def _no_feeds() -> Mapping[str, Freshness]:
    return {}


@asynccontextmanager
async def kit_outlet(stage: Stage, scene: Scene, listing: Listing) -> AsyncIterator[KitOutlet]:
    """A hub with one channel, on a database of its own, for as long as the block runs."""
    async with stage.ground.database() as dsn, await Database.connect(dsn) as database:
        yield KitOutlet(database, scene, listing)
