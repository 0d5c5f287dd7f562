"""The inbox in PostgreSQL: storing what came, handing it out to be mapped, writing down what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from onhand.app.inbox_ports import Arrived, Ended, Held, Lineage, Put, Read, Taken, Unnamed, Whole
from onhand.domain.item import Item
from onhand.domain.network import Network
from onhand.domain.stock_statement import Place, Standing, Standings
from onhand.ops import limits
from onhand.store.directory import Directory
from onhand.store.intake import PostgresFacts
from onhand.store.postgres.driver import Database, Session

_FACTS: Final = msgspec.json.Decoder(dict[str, str])


class PostgresInbox:
    """The InboxStore and PollStore of `onhand.app.inbox_ports`, for one node; `now` is the clock of tests."""

    def __init__(
        self, database: Database, directory: Directory, *, holder: str = "onhand", now: Any = lambda: None
    ) -> None:
        self._database = database
        self._directory = directory
        self._holder = holder
        self._now = now

    async def network(self) -> Network:
        """Return the network in force."""
        return (await self._directory.situation()).network

    async def put(self, feed: str, mode: str, messages: Sequence[Arrived]) -> Sequence[Put]:
        """Store messages in one transaction."""

        async def work(session: Session) -> Sequence[Put]:
            puts = await self._put(session, feed, mode, messages, snapshot=None)
            await session.execute("inbox.heard", self._now(), feed)
            return puts

        puts: Sequence[Put] = await self._database.transact(work)
        return puts

    async def due(self, feeds: Sequence[str]) -> Sequence[str]:
        """Return those that are due and that nobody reads."""
        await self._database.execute("inbox.ensure", list(feeds))
        return [row["code"] for row in await self._database.fetch("inbox.due", self._now(), list(feeds))]

    async def take(self, feed: str, *, lease_s: float) -> Taken | None:
        """Take a feed in order to read it."""
        row = await self._database.fetchrow("inbox.take", self._now(), feed, self._holder, timedelta(seconds=lease_s))
        if row is None:
            return None
        return Taken(feed=feed, turn=row["turn"], cursor=row["cursor"], failures=row["failures"], now=row["now"])

    async def store(self, taken: Taken, read: Read, *, lease_s: float, every_s: float) -> Sequence[Put] | None:
        """Store messages and cursor in one transaction, while the feed is still ours."""

        async def work(session: Session) -> Sequence[Put] | None:
            held = await session.fetchrow("inbox.hold", taken.feed, taken.turn)
            if held is None:
                return None
            key = None if read.snapshot_as_of is None else read.snapshot_as_of.isoformat()
            torn = held["reading"] is not None and held["reading"] != key
            snapshot = await self._snapshot(session, taken.feed, read, key=key, torn=torn)
            puts = await self._put(session, taken.feed, read.mode, read.messages, snapshot=snapshot)
            lease = timedelta(seconds=lease_s) if read.more else None
            # With more to come the feed is due, for whoever takes over from a node that does not come back.
            due = timedelta(seconds=0 if read.more else every_s)
            await session.execute(
                "inbox.moved",
                self._now(),
                taken.feed,
                read.cursor,
                not read.messages,
                lease,
                due,
                key if read.more else None,
            )
            return puts

        puts: Sequence[Put] | None = await self._database.transact(work)
        return puts

    async def give_up(
        self, taken: Taken, *, again_s: float, failure: str | None, blocked: str = "", till: datetime | None = None
    ) -> None:
        """Let a feed go that gave no page."""
        again = timedelta(seconds=again_s)
        words = (failure or "")[: limits.INBOX_REASON_CHARACTERS_MAX]
        await self._database.execute(
            "inbox.gave_up", self._now(), taken.feed, taken.turn, again, words, failure is not None, blocked, till
        )

    async def _put(
        self, session: Session, feed: str, mode: str, messages: Sequence[Arrived], *, snapshot: int | None
    ) -> Sequence[Put]:
        if not messages:
            return []
        rows = await session.fetch(
            "inbox.put", self._now(), feed, mode, snapshot, [m.key for m in messages],
            [hashlib.sha256(m.body).digest() for m in messages], [m.content_type for m in messages],
            [m.body for m in messages], [m.occurred_at for m in messages], [_json(m.facts) for m in messages],
        )  # fmt: skip
        return [Put(row["id"], row["outcome"]) for row in rows]

    async def _snapshot(self, session: Session, feed: str, read: Read, *, key: str | None, torn: bool) -> int | None:
        """Return the snapshot that a page belongs to, whole with the last page.

        One that begins while another has more pages is the end of something whose beginning nobody has seen.
        """
        if key is None:
            return None
        return int(await session.fetchval("inbox.snapshot", feed, key, read.snapshot_as_of, not read.more, torn))


class PostgresMapping:
    """The MapStore of `onhand.app.inbox_ports`, for one node."""

    def __init__(
        self, database: Database, directory: Directory, facts: PostgresFacts, *, holder: str = "onhand",
        now: Any = lambda: None,
    ) -> None:  # fmt: skip
        self._database = database
        self._directory = directory
        self._facts = facts
        self._holder = holder
        self._now = now

    async def network(self) -> Network:
        """Return the network in force."""
        return (await self._directory.situation()).network

    async def with_work(self, feeds: Sequence[str]) -> Sequence[str]:
        """Return those feeds that have something to be mapped, or a snapshot to be closed."""
        return [row["code"] for row in await self._database.fetch("inbox.with_work", self._now(), list(feeds))]

    async def claim(self, feed: str, *, n: int, bytes_max: int, lease_s: float, alone: bool) -> Sequence[Held]:
        """Take the oldest messages that are due."""
        lease = timedelta(seconds=lease_s)
        async with self._database.transaction() as session:
            if alone:
                await session.execute("inbox.lock_feed", feed)
                if await session.fetchval("inbox.in_hand", self._now(), feed):
                    return []
            rows = await session.fetch("inbox.claim", self._now(), feed, n, bytes_max, self._holder, lease)
        if not rows:
            return []
        claimed = {row["id"]: row for row in rows}
        bodies = await self._database.fetch("inbox.bodies", sorted(claimed))
        return [_held(row, claimed[row["id"]]) for row in bodies]

    async def renew(self, messages: Sequence[Held], *, lease_s: float) -> None:
        """Hold messages for longer."""
        ids = [message.id for message in messages]
        await self._database.execute("inbox.renew", self._now(), ids, self._holder, timedelta(seconds=lease_s))

    async def finish(self, ended: Sequence[Ended]) -> None:
        """Write down how tries ended."""
        rows = sorted((_ended(each) for each in ended), key=lambda row: row[0])
        columns = map(list, zip(*rows, strict=True))
        await self._database.fetchval("inbox.finish", self._now(), self._holder, *columns)

    async def lineage(self, rows: Sequence[Lineage]) -> None:
        """Write down what became of events; of one that came twice in a message, what needs a person most."""
        worst: dict[tuple[int, str, str], Lineage] = {}
        for row in rows:
            key = (row.message_id, row.source, row.event_id)
            if key not in worst or _RANK.get(row.outcome, 0) > _RANK.get(worst[key].outcome, 0):
                worst[key] = row
        kept = [row for row in worst.values() if row.event_id]
        if kept:
            await self._database.execute(
                "inbox.lineage", [r.message_id for r in kept], [r.source for r in kept], [r.event_id for r in kept],
                [r.outcome for r in kept], [r.quarantine_id for r in kept],
                [r.reason[: limits.INBOX_REASON_CHARACTERS_MAX] for r in kept],
            )  # fmt: skip

    async def items(self, skus: Sequence[str]) -> Mapping[str, Item]:
        """Return those items that exist."""
        await self._directory.situation()
        return await self._facts.items(skus)

    async def standings(self, feed: str, places: Sequence[tuple[Place, datetime]]) -> Standings:
        """Return what stood at each place at its cut-off, and as of when the feed has stated it."""
        rows = await self._database.fetch("inbox.standing", feed, *_columns(places))
        return {
            place: Standing(row["balance"], row["reserved"], row["allocated"], row["backordered"], row["stated_at"])
            for place, row in zip(places, rows, strict=True)
        }

    async def stated(self, feed: str, places: Sequence[tuple[Place, datetime]]) -> None:
        """Remember as of when a feed has stated places."""
        if places:
            await self._database.execute("inbox.stated", feed, *_columns(places))

    async def known(self, keys: Sequence[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        """Return those (source, id) that are recorded already."""
        return frozenset(await self._facts.fingerprints(list(keys)))

    async def snapshot_of(self, message: Held, feed: str, *, as_of: datetime) -> int:
        """Return the snapshot that a message belongs to, or that it is by itself."""
        if message.snapshot_id is not None:
            return message.snapshot_id
        snapshot = int(
            await self._database.fetchval("inbox.snapshot", feed, f"message {message.id}", as_of, True, False)
        )
        await self._database.execute("inbox.join_snapshot", message.id, snapshot)
        return snapshot

    async def name(self, snapshot: int, places: Sequence[Place]) -> None:
        """Remember what a snapshot names."""
        for start in range(0, len(places), limits.INBOX_NAMED_AT_ONCE_MAX):
            part = places[start : start + limits.INBOX_NAMED_AT_ONCE_MAX]
            skus, locations, statuses = ([place[n] for place in part] for n in range(3))
            await self._database.execute("inbox.named", snapshot, locations, statuses, skus)

    async def to_close(self, feed: str) -> Sequence[Whole]:
        """Return snapshots that are whole and mapped, the oldest first."""
        rows = await self._database.fetch("inbox.to_close", feed)
        return [Whole(id=row["id"], as_of=row["as_of"], message_id=row["message_id"]) for row in rows]

    async def unnamed(
        self, feed: str, snapshot: int, *, as_of: datetime, after: tuple[str, str, str] | None
    ) -> Sequence[Unnamed]:
        """Return the next places where something stood that a snapshot does not name."""
        n = limits.INBOX_ROWS_IN_PART_MAX
        for row in await self._database.fetch("inbox.named_places", snapshot):
            here = (row["location"], row["status"])
            if after is not None and here < after[:2]:
                continue
            since = after[2] if after is not None and here == after[:2] else ""
            rows = await self._database.fetch("inbox.unnamed", snapshot, *here, as_of, since, n)
            if rows:
                places: list[Place] = [(r["sku"], *here, r["lot"]) for r in rows]
                standings = await self.standings(feed, [(place, as_of) for place in places])
                return [Unnamed(place=place, standing=standings[place, as_of]) for place in places]
        return []

    async def close_snapshot(self, snapshot: int, *, zeroed: int) -> None:
        """Say no more of this snapshot, nor of older ones of its feed."""
        await self._database.execute("inbox.close_snapshot", self._now(), snapshot, zeroed)


_RANK: Final = {"discarded": 1, "duplicate": 2, "applied": 3, "quarantined": 4, "rejected": 5}


def _held(row: Any, claimed: Any) -> Held:
    return Held(
        id=row["id"],
        replays=row["replays"],
        tries=claimed["tries"],
        attempts=claimed["attempts"],
        lost=claimed["lost"],
        key=row["key"],
        mode=row["mode"],
        content_type=row["content_type"],
        body=row["body"],
        facts=_FACTS.decode(row["facts"]),
        occurred_at=row["occurred_at"],
        received_at=row["received_at"],
        snapshot_id=row["snapshot_id"],
        snapshot_as_of=row["snapshot_as_of"],
    )


def _ended(each: Ended) -> tuple[Any, ...]:
    message, end = each.message, each.end
    reason = _kept(end.reason)[: limits.INBOX_REASON_CHARACTERS_MAX]
    place = _kept(end.place)[: limits.INBOX_FACT_CHARACTERS_MAX]
    return (
        message.id, message.tries, end.state, end.attempts, end.due_at, end.outcome, end.counted, reason, place,
        each.fingerprint, each.took_ms,
    )  # fmt: skip


def _kept(text: str) -> str:
    """Return a text without what no text column keeps."""
    return text.replace("\0", "").encode(errors="replace").decode()


def _columns(places: Sequence[tuple[Place, datetime]]) -> tuple[list[Any], ...]:
    skus, locations, statuses, lots = ([place[n] for place, _ in places] for n in range(4))
    return skus, locations, statuses, lots, [at for _, at in places]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
