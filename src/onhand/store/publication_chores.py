"""What is done for publications once in a while, in PostgreSQL: the adapter behind `onhand.app.publish_chores`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from onhand.app.publish_ports import Listing, publishing
from onhand.domain.fallback import FRESH, Stage
from onhand.domain.network import Network
from onhand.domain.risk import REFRESH_RANK
from onhand.ops import limits
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database
from onhand.store.publication import listing_of
from onhand.store.publication_numbers import STAGE


class PostgresChores:
    """The ChoresStore of `onhand.app.publish_ports`. `clock` None is the database's, which all nodes share."""

    def __init__(self, database: Database, directory: Directory, *, clock: Any = None) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._rounds = 0

    async def network(self) -> Network:
        """Return the network in force."""
        return (await self._directory.situation()).network

    async def begin(self, *, every_s: float) -> tuple[datetime, date | None, int, int] | None:
        """Return the clock, the day of the last chores, the item swept last and the last item; None: not our turn."""
        now = None if self._clock is None else self._clock()
        row = await self._database.fetchrow("publication.chores", now, every_s)
        if row is None:
            return None
        await self._database.execute("publication.ensure_channels", list(self._ids().values()))
        return row["now"], row["day"], row["swept_item"], row["last_item"]

    async def stages(self) -> Mapping[str, Stage]:
        """Return how far each channel has fallen back."""
        ids = self._ids()
        rows = await self._database.fetch("publication.channels", list(ids.values()))
        stages = {row["channel_id"]: STAGE.decode(row["stage"]) for row in rows}
        return {code: stages.get(number, FRESH) for code, number in ids.items()}

    async def restage(self, channel: str, stage: Stage, *, now: datetime, what: str, detail: str) -> None:
        """Set how far a channel has fallen back, and have its numbers worked out anew."""
        text = msgspec.json.encode(stage).decode()
        await self._database.execute("publication.restage", self._directory.channels[channel], now, text, what, detail)

    async def sweep(self, after: int, upto: int, *, day: date, lots: bool) -> None:
        """Have items looked at again, dirty or not."""
        await self._database.execute("publication.sweep", after, upto, day, lots)

    async def refresh(self, channel: str, *, now: datetime, before: datetime, n: int) -> int:
        """Make what was last told before an instant due again; how many."""
        number = self._directory.channels[channel]
        return await self._database.execute("publication.refresh", now, number, before, REFRESH_RANK, n)

    async def sampled(self, channel: str) -> tuple[int, datetime | None]:
        """Return the listings that could be sampled, and up to when their share has been."""
        row = await self._database.fetchrow("publication.sampled", self._directory.channels[channel])
        return (0, None) if row is None else (row["listings"], row["sampled_until"])

    async def sample(self, channel: str, *, now: datetime, n: int, since: datetime, each_s: float) -> None:
        """Have listings read back; each is the share of so many seconds since then."""
        await self._database.execute("publication.sample", now, self._directory.channels[channel], n, since, each_s)

    async def unanswered(self, before: Mapping[str, datetime], *, n: int) -> Sequence[Listing]:
        """Return listings whose tickets are older than their channel answers."""
        ids = [self._directory.channels[code] for code in before]
        rows = await self._database.fetch("publication.unanswered", list(before.values()), ids, n)
        return [listing_of(row) for row in rows]

    async def untie(self, *, n: int) -> int:
        """Free listings whose commands ended without a word; how many."""
        now = self._clock() if self._clock else await self._database.fetchval("flow.clock")
        return len(await self._database.fetch("publication.untie", now, list(self._ids().values()), n))

    async def clean(self) -> None:
        """Keep the tables small: dead changes are many, and old history goes in time."""
        self._rounds += 1
        waiting = await self._database.fetchval("publication.dead_changes")
        if waiting > limits.PUBLISH_VACUUM_ROWS:
            await self._database.execute("publication.vacuum")
        if self._rounds % limits.PUBLISH_FORGET_ROUNDS == 0:
            now = await self._database.fetchval("flow.clock")
            before = now - timedelta(days=limits.PUBLISH_LOG_KEPT_DAYS)
            await self._database.execute("publication.forget", before, limits.PUBLISH_CHORE_ROWS_MAX)

    async def pulse(self) -> Sequence[tuple[str, int, datetime | None]]:
        """Return, for each channel, how many listings are not in step, and since when the oldest is not."""
        codes = {number: code for code, number in self._ids().items()}
        rows = await self._database.fetch("publication.pulse", list(codes))
        return [(codes[row["channel_id"]], row["behind"], row["oldest_at"]) for row in rows]

    def _ids(self) -> dict[str, int]:
        return {code: self._directory.channels[code] for code in publishing(self._directory.network)}
