"""What changed and what channels should show, in PostgreSQL: the adapter behind `onhand.app.publish_numbers`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import msgspec

from onhand.app.publish_ports import Key, Known, Number, Reading, Turn, publishing
from onhand.domain.channel_stock import ChannelStock
from onhand.domain.deadlines import fences_by_item
from onhand.domain.fallback import Stage
from onhand.domain.item import Item
from onhand.domain.network import Network
from onhand.domain.risk import Velocity
from onhand.ops import limits
from onhand.store.availability import shelf_of, with_parts
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database, Session
from onhand.store.sellers import Sellers

STAGE: Final = msgspec.json.Decoder(Stage)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Stock as several channels see it, at one instant. `items` are those asked for, by SKU."""

    now: datetime
    version: int
    network: Network
    items: Mapping[str, Item]
    stocks: Mapping[str, ChannelStock]


class Stocks:
    """Reads what channels can sell, many channels at once: one statement, as for one."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._sellers = Sellers(directory)

    async def of(self, run: Session | Database, channels: Sequence[str], skus: Sequence[str]) -> Found:
        """Return the stock of these items for those of the channels that sell."""
        directory = self._directory
        while True:
            known = await directory.known_items(skus)
            asked = {sku: known[sku] for sku in skus if sku in known}
            items = await with_parts(directory, dict(asked))
            sellers = self._sellers.of(channels)
            network = directory.network
            places = sorted({site.id for seller in sellers.values() for site in seller.sites})
            rows = await run.fetch("availability.read", [item.id for item in items.values()], places)
            head = next(row for row in rows if row["kind"] == "now")
            stale = await directory.refresh(network=head["key"], catalogue=head["a"])
            if not stale and known is directory.items:
                break
        shelf = shelf_of(rows)
        fences = fences_by_item(shelf.fences)
        stocks = {
            code: ChannelStock(
                seller=seller, network=network, items=items, pools=shelf.pools, fences=fences, lots=shelf.lots,
                today=head["now"].date(),
            )
            for code, seller in sellers.items()
        }  # fmt: skip
        return Found(now=head["now"], version=head["key"], network=network, items=asked, stocks=stocks)


class PostgresNumbers:
    """The NumbersStore of `onhand.app.publish_ports`. `now` stands in for the database's clock in tests."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory
        self._stocks = Stocks(directory)

    async def network(self) -> Network:
        """Return the network in force."""
        return (await self._directory.situation()).network

    async def dirty(self) -> bool:
        """Tell whether anything changed that nobody has worked out yet."""
        return bool(await self._database.fetchval("publication.dirty"))

    @asynccontextmanager
    async def turn(self, first: int) -> AsyncIterator[Turn | None]:
        """Take a share of the items; None when others have it all."""
        async with self._database.transaction() as session:
            rows = await session.fetch("publication.shards", first, limits.PUBLISH_SHARDS_AT_ONCE)
            shards = [row["shard"] for row in rows]
            yield _Turn(session, shards, self._directory, self._stocks) if shards else None


class _Turn:
    """The Turn of `onhand.app.publish_ports`, bound to one transaction."""

    def __init__(self, session: Session, shards: Sequence[int], directory: Directory, stocks: Stocks) -> None:
        self._session = session
        self._shards = list(shards)
        self._directory = directory
        self._stocks = stocks

    async def take(self, n: int) -> Mapping[int, datetime]:
        """Return items whose numbers may have changed; kits that they are part of come in a turn of their own."""
        rows = await self._session.fetch("publication.take", self._shards, n)
        if rows:
            await self._session.fetchval("publication.mark_kits", [row["item_id"] for row in rows])
        return {row["item_id"]: row["at"] for row in rows}

    async def read(self, items: Sequence[int]) -> Reading:
        """Return what the numbers of these items are worked out from."""
        session, directory = self._session, self._directory
        wanted = list(items)
        skus = [row["sku"] for row in await session.fetch("publication.skus", wanted)]
        codes = list(publishing(directory.network))
        found = await self._stocks.of(session, codes, skus)
        ids = {code: directory.channels[code] for code in publishing(found.network)}
        rows = await session.fetch("publication.known", wanted, list(ids.values()))
        states = await session.fetch("publication.channels", list(ids.values()))
        stages = {row["channel_id"]: row["stage"] for row in states}
        return Reading(
            now=found.now,
            version=found.version,
            items=list(found.items.values()),
            channels=ids,
            network=found.network,
            stocks=found.stocks,
            stages={code: STAGE.decode(stages[n]) for code, n in ids.items() if stages.get(n, "{}") != "{}"},
            locations=directory.locations,
            known={
                Key(item, channel, location): Known(
                    listing, place, state, available, desired, shown, Velocity(per_h, at), rank
                )
                for item, channel, location, listing, place, state, available, desired, shown, per_h, at, rank in rows
            },
        )

    async def write(self, reading: Reading, numbers: Sequence[Number]) -> None:
        """Write rows that differ, in the order of their keys."""
        rows = [(*number.key, *number[1:]) for number in sorted(numbers)]
        await self._session.fetchval(
            "publication.write", reading.now, reading.version, *map(list, zip(*rows, strict=True))
        )
