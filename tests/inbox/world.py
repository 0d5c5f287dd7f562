"""A small world for tests of the inbox: a partner that is a folder, a clock moved by hand, a mapping in ten lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from onhand.app.apply_network import apply_network, plan_network
from onhand.app.dispatch import Dispatch
from onhand.app.feeds import Feeds
from onhand.app.inbox import Filter, Inbox
from onhand.app.inbox_map import MapMessages
from onhand.app.inbox_poll import PollFeeds
from onhand.app.inbox_ports import Arrived, Choice, Held, Made, Mapped
from onhand.app.inbox_receive import ReceiveWebhook
from onhand.app.record_events import RecordEvents
from onhand.contracts import registry
from onhand.domain.endpoint import Endpoint
from onhand.domain.errors import InvalidInput, OnhandError
from onhand.domain.feed import Feed
from onhand.domain.inbox import Trouble
from onhand.domain.network import Network
from onhand.flow.connected import Connected
from onhand.flow.mapping_worker import Mapper
from onhand.flow.polling import Poller
from onhand.flow.transport import Transport
from onhand.sdk.connector import Connector
from onhand.sdk.registry import installed
from onhand.store.directory import Directory
from onhand.store.flow import PostgresFlow
from onhand.store.inbox import PostgresInbox, PostgresMapping
from onhand.store.inbox_reading import PostgresFeeds, PostgresInboxReads
from onhand.store.intake import PostgresFacts
from onhand.store.network import PostgresNetworkStore
from onhand.store.postgres.driver import Database
from tests.flow.world import Clock

SITE = Path(__file__).parent / "site"

NETWORK = """\
systems:
  erp: {{kind: erp}}
  wms: {{kind: wms, owner: ada}}
locations:
  EAST: {{kind: warehouse}}
  WEST: {{kind: warehouse}}
channels:
  web: {{kind: storefront, sells_from: [EAST, WEST]}}
endpoints:
  shelf: {{system: wms, sender: shelf, secret: env:SHELF_SECRET, settings: {{folder: {folder}}}{policy}}}
feeds:
  moves: {{endpoint: shelf, stream: moves, every_s: 60, page: 10, expect_within_s: 300}}
{more}
"""


class Fails(InvalidInput):
    """A document that the test's mapping does not understand."""

    code = "mapping_failed"


class Event:
    """One thing that the test's mapping gives."""

    def __init__(self, **fields: Any) -> None:
        self.type: str = fields["type"]
        self.id: str | None = fields.get("id")
        self.time: datetime | None = fields.get("time")
        self.subject: str | None = None
        self.data: Any = fields["data"]


class TestMapping:
    """Reads `{"events": [...]}` and `{"rows": [...]}`. `mended` says that what was not understood is understood now."""

    __test__ = False

    def __init__(self, *, mended: bool = False) -> None:
        self.mended = mended
        self.fingerprint = "v2" if mended else "v1"
        self.broken: OnhandError | None = None
        self.seen: list[str] = []

    async def __call__(self, network: Network, feed: Feed) -> Choice:
        if self.broken is not None:
            raise self.broken
        return self

    def apply(self, document: Any, message: Held) -> Made:
        self.seen.append(message.key)
        if "bug" in document and not self.mended:
            raise ZeroDivisionError
        if "odd" in document and not self.mended:
            raise Fails("It is odd.", pointer="/odd")
        rows = [Event(type="stock.stated", data=row) for row in document.get("rows", ())]
        found: list[Mapped] = [*(Event(**each) for each in document.get("events", ()) if "odd" not in each), *rows]
        odd = [n for n, each in enumerate(document.get("events", ())) if "odd" in each]
        return Made(found, [Trouble(code="mapping_failed", detail="It is odd.", place=f"/events/{n}") for n in odd])


class Shelf:
    """The partner: what it has written to its folder, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._n = 0
        for stream in ("moves", "stock"):
            (folder / f"{stream}.jsonl").write_text("")

    def says(self, document: Any, *, key: str | None = None, stream: str = "moves", n: int = 0, **more: Any) -> str:
        """Write one line to the log; its key."""
        self._n += 1
        number = n or self._n
        key = key or f"k{number}"
        body = document if isinstance(document, str) else json.dumps(document)
        with (self.folder / f"{stream}.jsonl").open("a") as log:
            log.write(json.dumps({"n": number, "key": key, "body": body, **more}) + "\n")
        return key

    def sicken(self, *how: str) -> None:
        """Let the next reads end like this."""
        (self.folder / "sick.json").write_text(json.dumps(how))

    @property
    def calls(self) -> list[list[str]]:
        """Every read: process, stream, cursor."""
        path = self.folder / "calls.log"
        return [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def stored(self) -> list[str]:
        """The keys of what the connector heard to be durable."""
        path = self.folder / "stored.log"
        return [line.split(" ")[1] for line in path.read_text().splitlines()] if path.exists() else []


def receipt(sku: str, quantity: int, *, id_: str, location: str = "EAST") -> dict[str, Any]:
    """One event of the test's mapping: goods came."""
    data = {"location": location, "lines": [{"sku": sku, "quantity": quantity}]}
    return {"type": "receipt.posted", "id": id_, "data": data}


def item(sku: str, **data: Any) -> dict[str, Any]:
    """One event of the test's mapping: an item exists."""
    return {"type": "item.upserted", "id": f"item/{sku}", "data": {"sku": sku, **data}}


class Node:
    """One node's part of the inbox. Several may stand on one database."""

    def __init__(self, database: Database, clock: Clock, mapping: TestMapping, *, name: str = "a") -> None:
        directory = Directory(database)
        facts = PostgresFacts(database, directory)
        self.connected = Connected(installed(), Transport(), clock=clock)
        self.store = PostgresInbox(database, directory, holder=name, now=clock)
        self.mapping_store = PostgresMapping(database, directory, facts, holder=name, now=clock)
        self.record = RecordEvents(facts, registry.packaged())
        dispatch = Dispatch(PostgresFlow(database, directory, worker=name), draw=lambda: 1.0)
        self.poll = PollFeeds(self.store, dispatch, self.connector, draw=lambda: 1.0, clock=clock)
        self.poller = Poller(self.poll)
        self.map = MapMessages(self.mapping_store, self.record, mapping, draw=lambda: 1.0, clock=clock)
        self.mapper = Mapper(self.map)
        self.receive = ReceiveWebhook(self.store, self.connector, clock=clock)

    def connector(self, endpoint: Endpoint) -> Connector:
        return self.connected.of(endpoint)

    async def work(self) -> None:
        """Read what is due and map what is there."""
        await self.poller.round()
        await self.mapper.round()


class World:
    """One database with a network in force, a partner, and a node."""

    def __init__(self, database: Database, clock: Clock, folder: Path) -> None:
        self.database = database
        self.clock = clock
        self.shelf = Shelf(folder)
        self.mapping = TestMapping()
        self.node = Node(database, clock, self.mapping)
        self.inbox = Inbox(PostgresInboxReads(database, Directory(database), now=clock))
        self.feeds = Feeds(PostgresFeeds(database, Directory(database), now=clock))

    async def apply(self, more: str = "", *, policy: str = "") -> None:
        """Put the network in force, with more feeds."""
        policy = f", {policy}" if policy else ""
        text = NETWORK.format(folder=self.shelf.folder, policy=policy, more=more)
        store = PostgresNetworkStore(self.database)
        await apply_network(store, await plan_network(store, {"n.yaml": text}), who="test")

    def another(self, name: str) -> Node:
        return Node(self.database, self.clock, self.mapping, name=name)

    async def network(self) -> Network:
        return await self.node.store.network()

    async def put(self, document: Any, *, key: str = "k", feed: str = "moves", **fields: Any) -> int:
        """Store a message as a webhook would; its number."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        message = Arrived(**{"key": key, "body": body, "content_type": "application/json", **fields})
        mode = (await self.network()).feeds[feed].mode
        return (await self.node.store.put(feed, mode, [message]))[0].id

    async def items(self, *skus: str, **data: Any) -> None:
        """Declare items by events of their own."""
        number = await self.put({"events": [item(sku, **data) for sku in skus]}, key=f"items {skus[0]}")
        await self.node.mapper.round()
        assert (await self.states())[f"items {skus[0]}"] == "mapped", await self.inbox.show(number)

    async def states(self) -> dict[str, str]:
        """The state of each message by its key."""
        return {line.key: line.state for line in await self.inbox.find(Filter(), n=1000)}

    async def stock(self, *, status: str = "available") -> dict[tuple[str, str], int]:
        """What stands where."""
        rows = await self.database.sql(
            "select i.sku, l.code, sum(b.quantity)::bigint as n from balance b join item i on i.id = b.item_id"
            " join location l on l.id = b.location_id join status s on s.id = b.status_id"
            " where l.code in ('EAST', 'WEST') and s.code = $1 group by 1, 2 having sum(b.quantity) <> 0",
            status,
        )
        return {(row["sku"], row["code"]): row["n"] for row in rows}

    async def facts(self, type_: str) -> int:
        """How many events of a type are recorded."""
        rows = await self.database.sql("select count(*) as n from event where type = $1", type_)
        return int(rows[0]["n"])


def exact(value: Any) -> Any:
    return Decimal(value)


def headers(more: Mapping[str, str] = {}) -> dict[str, str]:
    return {"content-type": "application/json", **more}


NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
