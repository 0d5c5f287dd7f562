"""What channels were told, in PostgreSQL: the adapter behind `onhand.app.publish_telling` and the sender.

Whoever decides what is told next holds the rows of an endpoint's channels, and nobody waits for him. Commands are
written in the transaction that ties listings to them, and what follows from a call in the one that records it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec

from onhand.app.flow_ports import Command
from onhand.app.publish_numbers import explained
from onhand.app.publish_ports import Body, Key, Listing, Looked, Newest, Opened, Told
from onhand.domain.endpoint import Endpoint, Quota
from onhand.domain.fallback import FRESH, Stage
from onhand.domain.network import Channel, Network
from onhand.domain.publication import REFUSALS_MAX
from onhand.domain.windows import day_of
from onhand.store.directory import Directory
from onhand.store.outbox import PostgresOutbox
from onhand.store.postgres.driver import Database, Row, Session
from onhand.store.publication_numbers import STAGE, Found, Stocks


class PostgresTelling:
    """The TellingStore of `onhand.app.publish_ports`. `clock` None is the database's, which all nodes share."""

    def __init__(self, database: Database, directory: Directory, outbox: PostgresOutbox, *, clock: Any = None) -> None:
        self._database = database
        self._directory = directory
        self._outbox = outbox
        self._clock = clock
        self._stocks = Stocks(directory)

    async def network(self) -> Network:
        """Return the network in force."""
        return (await self._directory.situation()).network

    async def now(self) -> datetime:
        """Return the shared clock."""
        at: datetime = self._now() or await self._database.fetchval("flow.clock")
        return at

    async def with_due(self, channels: Sequence[str]) -> Sequence[str]:
        """Return those channels that have something due."""
        ids = {self._directory.channels[code]: code for code in channels}
        await self._database.execute("publication.ensure_channels", list(ids))
        rows = await self._database.fetch("publication.with_due", self._now(), list(ids))
        return [ids[row["channel_id"]] for row in rows]

    @asynccontextmanager
    async def open(self, channels: Sequence[Channel]) -> AsyncIterator[Opened | None]:
        """Take the channels of an endpoint; None when another node has some of them."""
        ids = [self._directory.channels[channel.code] for channel in channels]
        async with self._database.transaction() as session:
            rows = await session.fetch("publication.open", self._now(), ids)
            yield _Opened(session, rows, self._outbox) if len(rows) == len(ids) else None

    async def newest(self, bodies: Sequence[Body]) -> Sequence[Newest | None]:
        """Return listings with the numbers of this very moment."""
        rows = await self.rows(bodies)
        channels = sorted({row.channel for row in rows if row is not None})
        if not channels:
            return [None for _ in rows]
        found = await self._stocks.of(self._database, channels, sorted({row.sku for row in rows if row is not None}))
        stages = await self._stages()
        return [
            None if row is None or stages.get(row.channel_id, FRESH) is None
            else _newest(row, found, stages.get(row.channel_id) or FRESH)
            for row in rows
        ]  # fmt: skip

    async def rows(self, bodies: Sequence[Body]) -> Sequence[Listing | None]:
        """Return listings as their rows stand."""
        found = await self._database.fetch(
            "publication.some",
            [body.channel for body in bodies],
            [body.sku for body in bodies],
            [body.location or "" for body in bodies],
        )
        known = {(row["channel"], row["sku"], row["location"]): listing_of(row) for row in found}
        return [known.get((body.channel, body.sku, body.location)) for body in bodies]

    async def of_ticket(self, channel: str, ticket: str) -> Sequence[Listing]:
        """Return the listings that a ticket will answer for."""
        return [listing_of(row) for row in await self._database.fetch("publication.of_ticket", channel, ticket)]

    async def record(self, told: Sequence[Told], commands: Sequence[Command]) -> None:
        """Write down what came of a call and write what follows from it."""
        now = self._now()
        async with self._database.transaction() as session:
            at = now or await session.fetchval("flow.clock")
            if told:
                rows = [_told_row(each) for each in told]
                columns = list(map(list, zip(*rows, strict=True)))
                network = self._directory.version
                await session.fetchval(
                    "publication.record", at, *columns[:10], network, *columns[10:], REFUSALS_MAX
                )  # the network stands between what was available and the stage
            # A full buffer does not undo what came of a call: it would be made again.
            await self._outbox.put(session, commands, now=now, beyond=True)

    async def looked(self, looked: Sequence[Looked]) -> None:
        """Write down what was found."""
        rows = [(*each.key, each.what, each.shown, each.again, each.why, each.detail, each.listing) for each in looked]
        if rows:
            at = await self.now()
            await self._database.fetchval("publication.looked", at, *map(list, zip(*rows, strict=True)))

    async def look_later(self, at: Sequence[tuple[Key, datetime]]) -> None:
        """Look at these later: it is too soon to see what they were told."""
        if at:
            rows = sorted((*key, when) for key, when in at)
            await self._database.execute("publication.look_later", *map(list, zip(*rows, strict=True)))

    async def blind(self, keys: Sequence[Key]) -> None:
        """Give up looking at these: the channel cannot be read back."""
        await self._database.execute("publication.looked_in_vain", *map(list, zip(*keys, strict=True)))

    async def _stages(self) -> Mapping[int, Stage | None]:
        """Return the stage of fallback of each channel; None where it is paused."""
        rows = await self._database.fetch("publication.channels", list(self._directory.channels.values()))
        return {row["channel_id"]: None if row["paused_at"] else STAGE.decode(row["stage"]) for row in rows}

    def _now(self) -> datetime | None:
        return None if self._clock is None else self._clock()


class _Opened:
    """The Opened of `onhand.app.publish_ports`, bound to one transaction."""

    def __init__(self, session: Session, rows: Sequence[Row], outbox: PostgresOutbox) -> None:
        self._session = session
        self._outbox = outbox
        self._channels = [row["channel_id"] for row in rows if not row["paused"]]
        self.now: datetime = rows[0]["now"]
        self.queued = sum(row["queued"] for row in rows)
        self.looking = sum(row["looking"] for row in rows)

    async def candidates(self, n: int) -> Sequence[Listing]:
        """Return listings that are due, the dearest risk first."""
        return await self._listings("publication.candidates", n)

    async def to_look_at(self, n: int) -> Sequence[Listing]:
        """Return listings that are to be read back, doubts first."""
        return await self._listings("publication.to_look_at", n)

    async def used(self, endpoint: Endpoint, quota: Quota | None, listings: Sequence[str]) -> Mapping[str, int]:
        """Return what each listing has used of its day's cap."""
        daily, code, kind = endpoint.limits.daily, endpoint.code, "endpoint"
        if (daily is None or not daily.per_key) and quota is not None:
            daily, code, kind = quota.limits.daily, quota.code, "quota"
        assert daily is not None, "only asked for where there is such a cap"
        day = day_of(self.now, timezone=daily.timezone)
        rows = await self._session.fetch("publication.used", code, kind, day, list(listings))
        return {row["key"]: row["used"] for row in rows}

    async def put_off(self, until: Sequence[tuple[Listing, datetime | None]]) -> None:
        """Look at these again later, or when something changes."""
        if until:
            ordered = sorted(until, key=lambda each: each[0].key)
            rows = [(*row.key, at, row.desired, row.shown, row.cause) for row, at in ordered]
            await self._session.fetchval("publication.put_off", *map(list, zip(*rows, strict=True)))

    async def queue(self, commands: Sequence[tuple[Key, Command]], *, look: bool) -> None:
        """Write commands and tie their listings to them."""
        if commands:
            written = await self._outbox.put(self._session, [command for _, command in commands], now=self.now)
            rows = sorted((*key, each.id) for (key, _), each in zip(commands, written, strict=True))
            await self._session.fetchval("publication.tie", *map(list, zip(*rows, strict=True)), look)

    async def _listings(self, query: str, n: int) -> list[Listing]:
        return [listing_of(row) for row in await self._session.fetch(query, self.now, self._channels, n)]


def listing_of(row: Row) -> Listing:
    """Return a row as the use cases see it."""
    return Listing(**{name: row[name] for name in Listing.__struct_fields__})


def _newest(row: Listing, found: Found, stage: Stage) -> Newest | None:
    """Return a listing with its number, None where it is published no more."""
    channel, item, stock = found.network.channel(row.channel), found.items.get(row.sku), found.stocks.get(row.channel)
    publish = None if channel is None else channel.publish
    if publish is None or item is None or stock is None or publish.listing(row.sku) != row.listing:
        return None
    number = explained(stock, item, publish, stage, location_id=row.location_id, per_h=row.per_h)
    return Newest(
        row=row, quantity=number.quantity, available=number.available, stage=stage, network=found.version,
        terms=number.terms,
    )  # fmt: skip


def _told_row(each: Told) -> tuple[Any, ...]:
    return (
        *each.key, each.command, each.what, each.quantity, each.started, each.sent_key, each.ticket, each.available,
        None if each.stage is None else _json(each.stage), _json(each.terms) if each.terms else None, each.detail,
        each.look_at, each.listing,
    )  # fmt: skip


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
