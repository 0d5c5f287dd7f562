"""Messages and feeds as people see and change them: the adapter behind `onhand.app.inbox` and `onhand.app.feeds`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from onhand.app.feeds import FeedState, Heard
from onhand.app.inbox import Attempt, Filter, MessageLine
from onhand.app.inbox_ports import Lineage
from onhand.domain.network import Network
from onhand.ops import limits
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database, Row

_S = TypeVar("_S", bound=msgspec.Struct)


class PostgresInboxReads:
    """The InboxReads of `onhand.app.inbox`, and the house-keeping of old messages."""

    def __init__(self, database: Database, directory: Directory, *, now: Any = lambda: None) -> None:
        self._database = database
        self._directory = directory
        self._now = now
        self._forget_again = 0.0

    async def network(self) -> Network:
        """Return the network in force."""
        return (await self._directory.situation()).network

    async def find(self, wanted: Filter, *, before: int | None, n: int) -> Sequence[MessageLine]:
        """Return messages, the newest first."""
        rows = await self._database.fetch(
            "inbox.find", None if wanted.ids is None else list(wanted.ids), wanted.feed, list(wanted.states),
            wanted.key, _as_it_stands(wanted.reason), wanted.since, wanted.until, before, n,
        )  # fmt: skip
        return [_of(MessageLine, row) for row in rows]

    async def content(self, number: int) -> tuple[bytes, dict[str, str]]:
        """Return body and facts of a message."""
        row = await self._database.fetchrow("inbox.content", number)
        return (b"", {}) if row is None else (row["body"], msgspec.json.decode(row["facts"], type=dict[str, str]))

    async def attempts(self, number: int) -> Sequence[Attempt]:
        """Return the attempts of a message."""
        return [_of(Attempt, row) for row in await self._database.fetch("inbox.attempts", number)]

    async def events(self, number: int, *, n: int) -> tuple[Sequence[Lineage], dict[str, int]]:
        """Return the first events that a message gave, and how many ended how."""
        rows = await self._database.fetch("inbox.events", number, n)
        counts = {row["outcome"]: row["n"] for row in await self._database.fetch("inbox.counts", number)}
        return [_of(Lineage, row) for row in rows], counts

    async def origin(self, source: str, event_id: str) -> Sequence[int]:
        """Return the messages that gave an event."""
        return [row["message_id"] for row in await self._database.fetch("inbox.origin", source, event_id)]

    async def replay(self, ids: Sequence[int], states: Sequence[str], *, who: str, reason: str) -> Sequence[int]:
        """Have messages of these states mapped again; return which."""
        rows = await self._database.fetch("inbox.replay", self._now(), list(ids), list(states), who, reason)
        return [row["id"] for row in rows]

    async def discard(self, ids: Sequence[int], *, who: str, reason: str) -> Sequence[int]:
        """Discard dead letters and what nobody works on yet; return which."""
        rows = await self._database.fetch("inbox.discard", self._now(), list(ids), who, reason)
        return [row["id"] for row in rows]

    async def forget(self, *, now: datetime | None = None) -> int:
        """Delete messages that were done with long ago; a look at it once in a while is enough."""
        if now is None and time.monotonic() < self._forget_again:
            return 0
        self._forget_again = time.monotonic() + limits.OUTBOX_FORGET_EVERY_S
        now = now or await self._database.fetchval("flow.clock")
        before = now - timedelta(days=limits.INBOX_KEPT_DAYS)
        return await self._database.execute("inbox.forget", before, limits.OUTBOX_SWEEP_MAX)


class PostgresFeeds:
    """The FeedReads of `onhand.app.feeds`. `now` stands in for the database's clock in tests."""

    def __init__(self, database: Database, directory: Directory, *, now: Any = lambda: None) -> None:
        self._database = database
        self._directory = directory
        self._now = now

    async def network(self) -> Network:
        """Return the network in force."""
        return (await self._directory.situation()).network

    async def states(self, feeds: Sequence[str]) -> Sequence[FeedState]:
        """Return what is stored of feeds."""
        await self._database.execute("inbox.ensure", list(feeds))
        return [_of(FeedState, row) for row in await self._database.fetch("inbox.feeds", self._now(), list(feeds))]

    async def heard(self, feeds: Sequence[str]) -> Sequence[Heard]:
        """Return when feeds were heard last."""
        await self._database.execute("inbox.ensure", list(feeds))
        return [_of(Heard, row) for row in await self._database.fetch("inbox.heard_of", self._now(), list(feeds))]

    async def pause(self, feed: str, *, who: str, reason: str) -> bool:
        """Pause; False when it was paused already."""
        await self._database.execute("inbox.ensure", [feed])
        return await self._database.fetchval("inbox.pause", feed, who, reason) is not None

    async def resume(self, feed: str, *, who: str) -> bool:
        """Resume; False when it was not paused."""
        return await self._database.fetchval("inbox.resume", feed, who) is not None

    async def poll_now(self, feed: str, *, who: str) -> None:
        """Make a feed due at once."""
        await self._database.execute("inbox.ensure", [feed])
        await self._database.fetchval("inbox.poll_now", feed, who)


def _of(kind: type[_S], row: Row) -> _S:
    return kind(**{name: row[name] for name in kind.__struct_fields__})


def _as_it_stands(text: str | None) -> str | None:
    """Return a text whose signs mean themselves in a search for a part."""
    return None if text is None else text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
