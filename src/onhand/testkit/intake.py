"""The hub's way in, for the checks that need it: a feed of the connector, read, stored, mapped and recorded.

Nothing of it is played: these are the inbox, the mapper and the ledger of the hub, on a database of their own. Codes
that an operator would declare (items, locations, channels) are declared from what the partner says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from onhand.app.apply_network import apply_network, plan_network
from onhand.app.dispatch import Dispatch
from onhand.app.inbox import Filter, Inbox
from onhand.app.inbox_map import MapMessages
from onhand.app.inbox_mapping import ChooseMapping
from onhand.app.inbox_poll import PollFeeds
from onhand.app.inbox_receive import ReceiveWebhook
from onhand.app.mapping_book import MappingBook
from onhand.app.record_events import RecordEvents
from onhand.contracts import registry as contracts
from onhand.contracts.envelope import Envelope, event
from onhand.domain.errors import Unavailable
from onhand.domain.feed import Feed, Statement
from onhand.domain.network import Network
from onhand.flow.connected import Connected
from onhand.sdk.registry import Registry
from onhand.store.cross_references import PostgresCrossReferences
from onhand.store.directory import Directory
from onhand.store.flow import PostgresFlow
from onhand.store.inbox import PostgresInbox, PostgresMapping
from onhand.store.inbox_reading import PostgresInboxReads
from onhand.store.intake import PostgresFacts
from onhand.store.network import PostgresNetworkStore
from onhand.store.postgres.driver import Database
from onhand.testkit.check import Broken
from onhand.testkit.stage import Scene, Stage

FEED = "kit"
ROUNDS_MAX = 100
PLACES = ("location", "from", "to", "from_location", "to_location")
UNITS = ("uom", "base_uom")


class StoreLost(Unavailable):
    """The database is away for the one moment in which a page is stored."""

    code = "store_lost"
    title = "The database does not answer"


class KitInbox:
    """One stream of a connector as a feed of a hub."""

    def __init__(self, database: Database, scene: Scene, stream: str, mode: str) -> None:
        self.database = database
        self.scene = scene
        statement = Statement(means="absolute", location="KIT") if self._states(stream) else Statement()
        facts_of_it = {"code": FEED, "endpoint": scene.endpoint().code, "stream": stream, "mode": mode, "page": 10}
        self.feed = msgspec.convert({**facts_of_it, "every_s": 5, "statement": statement}, Feed)
        directory = Directory(database)
        facts = PostgresFacts(database, directory)
        connected = Connected(Registry({scene.package.name: scene.package}), scene.transport, clock=scene.clock)
        self._store = PostgresInbox(database, directory, holder="kit")
        dispatch = Dispatch(PostgresFlow(database, directory, worker="kit"))
        self._poll = PollFeeds(self._store, dispatch, connected.of)
        choose = ChooseMapping(MappingBook(), connected.registry, PostgresCrossReferences(database, directory))
        self._record = RecordEvents(facts, contracts.packaged())
        self._map = MapMessages(
            PostgresMapping(database, directory, facts, holder="kit"), self._record, choose, connectors=connected.of
        )
        self._receive = ReceiveWebhook(self._store, connected.of)
        self.inbox = Inbox(PostgresInboxReads(database, directory))

    def _states(self, stream: str) -> bool:
        declared = self.scene.manifest.streams[stream]
        return declared.snapshot or declared.events == ("count.posted",)

    async def apply(self, events: Iterable[Any] = ()) -> None:
        """Put a network in force with this feed, and with the codes that these events use."""
        endpoint = self.scene.endpoint()
        told = [each.data for each in events]
        locations, channels = {*_codes(told, PLACES), "KIT"}, {*_codes(told, ("channel",)), "kit"}
        document: dict[str, Any] = {
            "systems": {endpoint.system: {"kind": "other", "owner": "kit"}},
            "endpoints": {endpoint.code: {"system": endpoint.system, "base_url": "https://partner.example"}},
            "locations": {code: {"kind": "warehouse"} for code in sorted(locations)},
            "channels": {code: {"kind": "storefront", "sells_from": ["KIT"]} for code in sorted(channels)},
        }
        store = PostgresNetworkStore(self.database)
        plan = await plan_network(store, {"kit.yaml": msgspec.yaml.encode(document).decode()})
        network = msgspec.structs.replace(
            plan.network, endpoints={endpoint.code: endpoint}, feeds={self.feed.code: self.feed}
        )
        if await apply_network(store, msgspec.structs.replace(plan, network=network), who="kit") is None:
            raise Broken("the kit's own network is refused")

    async def network(self) -> Network:
        """Return the network in force."""
        return await self._store.network()

    async def read(self) -> None:
        """Read the feed to its end as the hub does: until a turn brings nothing that is new."""
        network, known = await self.network(), -1
        await self._poll.due(network)
        for _ in range(ROUNDS_MAX):
            if known == (known := await self.messages()):
                return
            await self.database.sql("update feed_state set due_at = null, lease_until = null, holder = null")
            await self._poll(network, self.feed)
        raise Broken(f"{self.feed.stream}: after {ROUNDS_MAX} turns there is still more to read")

    async def read_from_the_beginning(self) -> None:
        """Forget the cursor and read everything once more."""
        await self.database.sql("update feed_state set cursor = null")
        await self.read()

    async def read_while_the_store_is_lost(self) -> None:
        """Read while the database is away at the moment of storing."""
        whole = self._store.store
        self._store.store = _lost  # type: ignore[method-assign]
        network = await self.network()
        await self._poll.due(network)
        try:
            with suppress(Unavailable):
                await self._poll(network, self.feed)
        finally:
            self._store.store = whole  # type: ignore[method-assign]

    async def hear(self, arrival: Any) -> Sequence[Any]:
        """Take a webhook as the hub does."""
        return await self._receive(FEED, path=arrival.path, headers=arrival.headers, body=arrival.body)

    async def map(self) -> None:
        """Map everything that waits."""
        network = await self.network()
        for _ in range(ROUNDS_MAX):
            if not await self._map(network, self.feed):
                return
        raise Broken(f"{self.feed.stream}: after {ROUNDS_MAX} turns there are still messages to map")

    async def replay(self) -> None:
        """Map every message once more."""
        await self.inbox.replay(Filter(feed=FEED, states=("quarantined", "dead", "mapped")), who="kit", reason="again")
        await self.map()

    async def record(self, events: Sequence[Envelope]) -> None:
        """Record events as they stand."""
        await self._record(events)

    async def messages(self) -> int:
        """Return how many messages are stored."""
        return await self._number("select count(*) as n from inbox")

    async def facts(self) -> int:
        """Return how many facts are recorded or set aside for a person."""
        recorded = await self._number("select count(*) as n from event")
        return recorded + await self._number("select count(*) as n from quarantine")

    async def cursor(self) -> str | None:
        """Return the cursor that is stored."""
        rows = await self.database.sql("select cursor from feed_state")
        return rows[0]["cursor"] if rows else None

    async def dead(self) -> list[str]:
        """Return why messages are dead letters."""
        return [row["reason"] for row in await self.database.sql("select reason from inbox where state = 'dead'")]

    async def balances(self) -> set[tuple[str, str, str, int]]:
        """Return what stands where, in the end."""
        rows = await self.database.sql(
            "select i.sku, l.code as location, s.code as status, sum(b.quantity)::bigint as n from balance b"
            " join item i on i.id = b.item_id join location l on l.id = b.location_id"
            " join status s on s.id = b.status_id"
            " group by 1, 2, 3 having sum(b.quantity) <> 0"
        )
        return {(row["sku"], row["location"], row["status"], row["n"]) for row in rows}

    async def recorded(self) -> set[tuple[str, str, str]]:
        """Return every fact that holds: its id, its type, what it says."""
        rows = await self.database.sql("select event_id, type, encode(fingerprint, 'hex') as says from event")
        return {(row["event_id"], row["type"], row["says"]) for row in rows}

    async def _number(self, sql: str) -> int:
        (row,) = await self.database.sql(sql)
        return int(row["n"])


async def _lost(*_: object, **__: object) -> Any:
    raise StoreLost("The database is away.")


@asynccontextmanager
async def kit_inbox(stage: Stage, scene: Scene, stream: str, *, mode: str) -> AsyncIterator[KitInbox]:
    """A hub with one feed, on a database of its own, for as long as the block runs."""
    async with stage.ground.database() as dsn, await Database.connect(dsn) as database:
        yield KitInbox(database, scene, stream, mode)


def items_of(events: Iterable[Any]) -> list[Envelope]:
    """Return facts that declare every item and unit that events speak of."""
    told = [each.data for each in events]
    units = sorted(set(_codes(told, UNITS)) - {"EA"})
    return [
        event(
            id=f"kit-item-{sku}", source="somewhere", type="item.upserted",
            data={"sku": sku, "base_uom": "EA", "uoms": [{"code": unit, "factor": 1} for unit in units]},
        )
        for sku in sorted(set(_codes(told, ("sku",))))
    ]  # fmt: skip


def _codes(value: Any, keys: Sequence[str]) -> Iterator[str]:
    """Give the texts that stand under certain names, anywhere."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name in keys and isinstance(each, str):
                yield each
            else:
                yield from _codes(each, keys)
    elif isinstance(value, list):
        for each in value:
            yield from _codes(each, keys)
