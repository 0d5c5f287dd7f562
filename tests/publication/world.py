"""A hub that publishes to a small marketplace over a real socket, with a clock that is moved forward by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from onhand.app.dispatch import Dispatch
from onhand.app.publish_chores import PublishChores
from onhand.app.publish_numbers import WorkOutNumbers
from onhand.app.publish_telling import TellChannels
from onhand.domain.endpoint import Endpoint, Limits
from onhand.domain.network import Channel, Network
from onhand.domain.publishing import Publishing as Policy
from onhand.flow.link import EndpointLink
from onhand.flow.publishing import PublishingSender
from onhand.flow.publishing_loop import Publishing
from onhand.flow.transport import Transport
from onhand.flow.worker import Worker
from onhand.sdk.connector import Connector
from onhand.sdk.fake import FakePartner
from onhand.store.directory import Directory
from onhand.store.flow import PostgresFlow
from onhand.store.outbox import PostgresOutbox
from onhand.store.postgres.driver import Database, Row
from onhand.store.publication import PostgresTelling
from onhand.store.publication_chores import PostgresChores
from onhand.store.publication_numbers import PostgresNumbers
from tests.app import world as ground
from tests.publication.heard import Heard
from tests.publication.market import MarketConnector


class Clock:
    """The real clock, moved forward: first to the coming noon, so that the few hours of a test lie within one day."""

    def __init__(self, ahead: timedelta | None = None) -> None:
        self.ahead = _to_noon(datetime.now(UTC)) if ahead is None else ahead

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def forward(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


def _to_noon(now: datetime) -> timedelta:
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    return (noon if now < noon else noon + timedelta(days=1)) - now


def policy(**more: Any) -> Policy:
    """How the channel `web` is told."""
    return Policy(**{"endpoint": "market", "read_back_percent": 0.0, **more})


def endpoint(market: FakePartner, **more: Any) -> Endpoint:
    """The marketplace's address."""
    fields: dict[str, Any] = {"batch": 100, "limits": Limits(), "timeout_s": 5.0, **more}
    return Endpoint(
        code="market", system="erp", sender="market", base_url=market.url, allow_private_addresses=True, owner="ada",
        **fields,
    )  # fmt: skip


def network(
    market: FakePartner, *, publish: Policy | None = None, reached: Mapping[str, Any] | None = None,
    channel: Any = None, **more: Any,
) -> Network:  # fmt: skip
    """A network whose channel `web` sells from A and B and is told through `market`."""
    web = Channel(code="web", kind="marketplace", sells_from=("A", "B"), publish=publish or policy(), **(channel or {}))
    return ground.network(web, endpoints={"market": endpoint(market, **(reached or {}))}, **more)


class Node:
    """One node: a controller and a worker, with memories of their own."""

    def __init__(self, world: World, name: str, connector: type[Connector], database: Database) -> None:
        clock = world.clock
        directory = Directory(database)
        outbox = PostgresOutbox(database, directory)
        self.telling = PostgresTelling(database, directory, outbox, clock=clock)
        chores = PublishChores(
            PostgresChores(database, directory, clock=clock), self.telling, freshness=world.freshness
        )
        self.numbers = WorkOutNumbers(PostgresNumbers(database, directory))
        self.publishing = Publishing(self.numbers, TellChannels(self.telling), chores)

        def of(at: Endpoint) -> Connector:
            return connector(at.settings, EndpointLink(at, world.transport, clock=clock))

        self.sender = PublishingSender(self.telling, of)
        dispatch = Dispatch(PostgresFlow(database, Directory(database), worker=name), draw=lambda: 1.0)
        self.worker = Worker(dispatch, {"market": self.sender}, clock=clock)

    async def round(self) -> None:
        """Work out, decide, tell: once each."""
        await self.publishing.round()
        await self.worker.round()

    async def settle(self, rounds: int = 12) -> int:
        """Go on until there is nothing to do at this instant; the rounds that it took."""
        for number in range(rounds):
            if not await self.publishing.round() and number:
                return number
            await self.worker.round()
        return rounds


class World:
    """The ground of `tests.app.world` with a marketplace on it."""

    def __init__(self, at: ground.World, market: FakePartner, transport: Transport, clock: Clock | None) -> None:
        self.at = at
        self.market = market
        self.transport = transport
        self.clock = clock or Clock()
        self.database: Database = at.database
        self.heard: dict[str, Heard] = {}

    async def freshness(self) -> Mapping[str, Heard]:
        return self.heard

    def node(
        self, name: str = "one", connector: type[Connector] = MarketConnector, database: Database | None = None
    ) -> Node:
        return Node(self, name, connector, database or self.database)

    async def rows(self, sku: str | None = None) -> list[Row]:
        return await self.database.sql(
            "select p.*, i.sku from publication p join item i on i.id = p.item_id"
            " where $1::text is null or i.sku = $1 order by i.sku, p.location_id",
            sku,
        )

    async def row(self, sku: str) -> Row:
        (found,) = await self.rows(sku)
        return found

    async def log(self, sku: str) -> list[tuple[str, int | None]]:
        rows = await self.database.sql(
            "select g.what, g.quantity from publication_log g join item i on i.id = g.item_id where i.sku = $1"
            " order by g.seq",
            sku,
        )
        return [(row["what"], row["quantity"]) for row in rows]

    async def commands(self) -> list[Row]:
        return await self.database.sql("select * from outbox order by id")


@asynccontextmanager
async def publishing(
    database: Database, market: FakePartner, *, clock: Clock | None = None, **policies: Any
) -> AsyncIterator[World]:
    """A world in which `web` is told by these policies."""
    async with market, Transport() as transport:
        yield World(await ground.World.made(database, network(market, **policies)), market, transport, clock)
