"""The only wiring: settings in, a hub with every use case out.

Nothing else in Onhand knows which adapter stands behind which port. `open_hub` is the one way to have a hub, for the
server, the command line, the tests and the simulator alike.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import Any

from onhand.app.amend import Amend
from onhand.app.answers import EventOutcome, ReservationAnswer
from onhand.app.backlogs import Backlogs
from onhand.app.catalogue import Catalogue
from onhand.app.dispatch import Dispatch
from onhand.app.explain import Explain
from onhand.app.feeds import Feeds
from onhand.app.fill_backorders import FillBackorders
from onhand.app.flow_ports import Sender
from onhand.app.identity import Client
from onhand.app.inbox import Inbox
from onhand.app.inbox_map import MapMessages
from onhand.app.inbox_mapping import ChooseMapping
from onhand.app.inbox_poll import PollFeeds
from onhand.app.inbox_receive import ReceiveWebhook
from onhand.app.keys import Keys
from onhand.app.mapping_book import MappingBook
from onhand.app.networks import Networks
from onhand.app.operate_flow import OperateFlow
from onhand.app.outbound import Outbound
from onhand.app.publish_chores import PublishChores
from onhand.app.publish_numbers import WorkOutNumbers
from onhand.app.publish_ports import OPERATIONS
from onhand.app.publish_status import Publications
from onhand.app.publish_telling import TellChannels
from onhand.app.quarantine import Quarantine
from onhand.app.read_availability import ReadAvailability
from onhand.app.read_ledger import ReadLedger
from onhand.app.read_reservations import ReadReservations
from onhand.app.record_events import Incoming, RecordEvents
from onhand.app.reserve import Asked, Reserve, asked
from onhand.app.verify import Rebuild, Verify
from onhand.contracts import registry
from onhand.domain.endpoint import Endpoint
from onhand.domain.network import Network
from onhand.domain.reservation import Request
from onhand.flow.connected import Connected, ConnectorSender
from onhand.flow.maintenance import Maintenance
from onhand.flow.mapping_worker import Mapper
from onhand.flow.merging import Merged
from onhand.flow.polling import Poller
from onhand.flow.publishing import PublishingSender
from onhand.flow.publishing_loop import Publishing
from onhand.flow.transport import Transport
from onhand.flow.webhook import WebhookSender
from onhand.flow.worker import Worker
from onhand.ops import limits
from onhand.ops.settings import Settings
from onhand.sdk.registry import Registry, installed
from onhand.store.amend import PostgresAmend
from onhand.store.availability import PostgresAvailability
from onhand.store.catalogue import PostgresCatalogue
from onhand.store.cross_references import PostgresCrossReferences
from onhand.store.directory import Directory
from onhand.store.flow import PostgresFlow
from onhand.store.flow_reading import PostgresFlowReads
from onhand.store.inbox import PostgresInbox, PostgresMapping
from onhand.store.inbox_reading import PostgresFeeds, PostgresInboxReads
from onhand.store.intake import PostgresFacts
from onhand.store.keys import PostgresKeys
from onhand.store.ledger_reads import PostgresLedger
from onhand.store.network import PostgresNetworkStore
from onhand.store.outbox import PostgresOutbox
from onhand.store.postgres import migrations
from onhand.store.postgres.driver import Database
from onhand.store.postgres.opening import opened
from onhand.store.promises import PostgresPromises
from onhand.store.publication import PostgresTelling
from onhand.store.publication_chores import PostgresChores
from onhand.store.publication_numbers import PostgresNumbers
from onhand.store.publication_reads import PostgresPublicationReads
from onhand.store.quarantine import PostgresQuarantine
from onhand.store.reservations import PostgresReservations
from onhand.store.verify import PostgresVerify


class Hub:
    """Every use case, wired to one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._directory = Directory(database)
        facts = PostgresFacts(database, self._directory)
        promises = PostgresPromises(database, self._directory)
        amend = PostgresAmend(database, self._directory, facts, promises)
        reservations = PostgresReservations(database, self._directory)
        self.record_events = RecordEvents(facts, registry.packaged())
        self.amend = Amend(amend)
        self.reservations = ReadReservations(reservations)
        self.outbox = PostgresOutbox(database, self._directory)
        self.flow = OperateFlow(PostgresFlowReads(database, self._directory))
        me = f"{socket.gethostname()}:{os.getpid()}"
        self._flow_store = PostgresFlow(database, Directory(database), worker=me)
        self._inbox_store = PostgresInbox(database, self._directory, holder=me)
        self._mapping_store = PostgresMapping(database, self._directory, facts, holder=me)
        self._inbox_reads = PostgresInboxReads(database, self._directory)
        self.inbox = Inbox(self._inbox_reads)
        self.feeds = Feeds(PostgresFeeds(database, self._directory))
        self._backlogs = Backlogs(self.flow, self.feeds)
        self._told = PostgresTelling(database, self._directory, self.outbox)
        published = PostgresPublicationReads(database, self._directory)
        self.publications = Publications(published, self.flow)
        self.networks = Networks(PostgresNetworkStore(database))
        self.availability = ReadAvailability(PostgresAvailability(database, self._directory))
        self.catalogue = Catalogue(PostgresCatalogue(database, self._directory))
        self.cross_references = PostgresCrossReferences(database, self._directory)
        self._mappings = MappingBook()
        self.keys = Keys(PostgresKeys(database))
        self.verify = Verify(PostgresVerify(database))
        self.rebuild = Rebuild(PostgresVerify(database))
        self.quarantine = Quarantine(PostgresQuarantine(database), self.record_events)
        self._ledger = PostgresLedger(database)
        self.ledger = ReadLedger(self._ledger)
        self.explain = Explain(published, self._ledger)
        self._reserving: Merged[Asked, ReservationAnswer] = Merged(
            Reserve(promises), workers=limits.MERGE_WORKERS, batch_max=limits.MERGED_REQUESTS_MAX
        )
        self._recording: Merged[Sequence[Incoming], list[EventOutcome]] = Merged(
            self._record_merged, workers=limits.MERGE_WORKERS, batch_max=limits.MERGED_FEEDS_MAX
        )
        self._fill = FillBackorders(reservations, amend)
        self._promises = promises

    @cached_property
    def connectors(self) -> Registry:
        """The connectors that are installed, looked for once."""
        return installed()

    @property
    def network(self) -> Network:
        """The network in force, as this node last saw it."""
        return self._directory.network

    def reserve(self, client: Client, request: Request) -> Awaitable[ReservationAnswer]:
        """Make a promise, merged with what else is asked at this moment.

        Raises InsufficientStock, RequestReused, DeadlineRefused, what planning raises, and Unavailable.
        """
        return self._reserving.submit(asked(client, request))

    async def record(self, events: Sequence[Incoming]) -> list[EventOutcome]:
        """Record events; one outcome for each, in order. Raises Unavailable; sending all of it again is safe then."""
        if len(events) <= limits.MERGED_FEED_EVENTS_MAX:
            return await self._recording.submit(events)
        outcomes: list[EventOutcome] = []
        for start in range(0, len(events), limits.EVENTS_IN_TRANSACTION_MAX):
            outcomes += await self.record_events(events[start : start + limits.EVENTS_IN_TRANSACTION_MAX])
        return outcomes

    async def keep_house(self) -> Mapping[str, int]:
        """One round of house-keeping: sweep, fill, give up what waited too long. Safe on any number of nodes."""
        done = {"expired": await self._promises.expire_due(), "filled": await self._fill()}
        if self.network.endpoints:
            done["given_up"] = await self._flow_store.expire()
            done["forgotten"] = await self._flow_store.forget()
            await self._backlogs()
        if self.network.feeds:
            done["messages_forgotten"] = await self._inbox_reads.forget()
        return done

    def publisher(self) -> Publishing:
        """The controller that keeps the numbers of channels right, for whoever wants to run it round by round."""
        chores = PublishChores(
            PostgresChores(self._database, self._directory),
            self._told,
            freshness=self.feeds.freshness,
            reads_back=_reads_back(self.connectors),
        )
        numbers = WorkOutNumbers(PostgresNumbers(self._database, self._directory))
        return Publishing(numbers, TellChannels(self._told), chores)

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[None]:
        """Keep the numbers of channels right while the block runs."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.publisher().run(stop))
        try:
            yield
        finally:
            stop.set()
            await task

    @asynccontextmanager
    async def sending(self, senders: Mapping[str, Sender] | None = None) -> AsyncIterator[Worker]:
        """A worker with the webhook sender and those of connectors, for as long as the block runs."""
        async with Transport() as transport:
            connected = Connected(self.connectors, transport)
            known: dict[str, Sender] = {"webhook": WebhookSender(transport), **self._senders(connected)}
            dispatch = Dispatch(self._flow_store, batches=connected.batches)
            yield Worker(dispatch, {**known, **(senders or {})})

    def _senders(self, connected: Connected) -> dict[str, Sender]:
        """Return the sender for each connector: one, which finds the right connector for every endpoint."""
        bodies = Outbound(self._mappings, connected.registry, self.cross_references, self._network_in_force)
        special = dict.fromkeys(OPERATIONS, PublishingSender(self._told, connected.of))
        sender = ConnectorSender(connected, bodies, special=special)
        return {package.name: sender for package in connected.registry}

    async def _network_in_force(self) -> Network:
        return (await self._directory.situation()).network

    @asynccontextmanager
    async def working(self, senders: Mapping[str, Sender] | None = None) -> AsyncIterator[None]:
        """Send commands while the block runs; then wait for calls in flight, a limited time."""
        stop = asyncio.Event()
        async with self.sending(senders) as worker:
            task = asyncio.create_task(worker.run(stop))
            try:
                yield
            finally:
                stop.set()
                await task

    @cached_property
    def receive_webhook(self) -> ReceiveWebhook:
        """Take what a partner sends by itself. Its connector checks it and calls nobody."""
        return ReceiveWebhook(self._inbox_store, Connected(self.connectors, Transport()).of)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[tuple[Poller, Mapper]]:
        """What asks feeds and what maps what they bring, for as long as the block runs."""
        async with Transport() as transport:
            connected = Connected(self.connectors, transport)
            poll = PollFeeds(self._inbox_store, Dispatch(self._flow_store), connected.of)
            choose = ChooseMapping(self._mappings, connected.registry, self.cross_references)
            mapping = MapMessages(self._mapping_store, self.record_events, choose, connectors=connected.of)
            yield Poller(poll), Mapper(mapping)

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[None]:
        """Ask feeds and map messages while the block runs; then wait for what is under way, a limited time."""
        stop = asyncio.Event()
        async with self.reading() as (poller, mapper):
            tasks = [asyncio.create_task(poller.run(stop)), asyncio.create_task(mapper.run(stop))]
            try:
                yield
            finally:
                stop.set()
                await asyncio.gather(*tasks)

    async def ready(self) -> dict[str, Any]:
        """Return what a load balancer wants to know. Raises Unavailable, or SchemaBehind."""
        await migrations.require_current(self._database)
        situation = await self._directory.situation()
        return {"database": "ok", "network_version": situation.version, "waiting": self._reserving.depth}

    async def continue_feed(self) -> bool:
        """Let the feed of events go on where the data was restored into another server; True when that was needed."""
        return await self._ledger.continue_feed()

    async def close(self) -> None:
        """Wait until everything that was handed in has its answer."""
        await self._reserving.close()
        await self._recording.close()
        await self.keys.close()

    async def _record_merged(self, feeds: Sequence[Sequence[Incoming]]) -> list[list[EventOutcome]]:
        outcomes = iter(await self.record_events([event for feed in feeds for event in feed]))
        return [[next(outcomes) for _ in feed] for feed in feeds]


def _reads_back(registry: Registry) -> Callable[[Endpoint], bool]:
    """Return what tells which endpoints can be read back at all: those whose connector claims it."""
    able = {package.name for package in registry if package.manifest.read_back}
    return lambda endpoint: endpoint.sender in able


@asynccontextmanager
async def open_hub(
    settings: Settings,
    *,
    migrate: bool = True,
    maintain: bool = False,
    work: bool = False,
    application: str = "onhand",
) -> AsyncIterator[Hub]:
    """A hub for as long as the block runs; with `maintain` it also keeps house, with `work` sends and receives.

    Starts or joins the embedded server where no DSN is set. Raises the errors of `onhand.store.postgres.errors`.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(opened(settings, migrate=migrate, application=application))
        hub = Hub(database)
        stack.push_async_callback(hub.close)
        if maintain:
            await stack.enter_async_context(Maintenance(hub.keep_house).running())
        await hub.ready()
        if work:
            await stack.enter_async_context(hub.working())
            await stack.enter_async_context(hub.publishing())
            await stack.enter_async_context(hub.receiving())
        await hub.continue_feed()
        yield hub
