"""Queues and limits of endpoints in PostgreSQL: the adapter behind `onhand.app.dispatch`.

One row an endpoint (`flow_scope`) is the lock and holds what its rules remember, as JSON of their own types.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final

import msgspec

from onhand.app.flow_ports import (
    Call,
    Learnt,
    Lost,
    Opened,
    Outgoing,
    Settlement,
    Situation,
    Wanted,
)
from onhand.domain.breaker import Circuit
from onhand.domain.calling import Load
from onhand.domain.endpoint import Daily, Endpoint, Quota
from onhand.domain.network import Network
from onhand.domain.throttle import Throttle
from onhand.domain.windows import day_after, day_of
from onhand.ops import limits
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database, Row, Session


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of an endpoint; of a quota only `used`."""

    circuit: Circuit = Circuit()
    used: Throttle = Throttle()
    tags: dict[str, int] = {}


_LOST: Final = msgspec.json.Decoder(tuple[Lost, ...])
_LANES: Final = msgspec.json.Decoder(dict[str, tuple[int, int]])
_KEPT: Final = msgspec.json.Decoder(Kept)


def kept(state: str) -> Kept:
    """Return what a scope's row remembers."""
    return _KEPT.decode(state)


class PostgresFlow:
    """The FlowStore of `onhand.app.flow_ports`, for one worker."""

    def __init__(self, database: Database, directory: Directory, *, worker: str = "onhand") -> None:
        self._database = database
        self._directory = directory
        self._worker = worker
        self._forget_again = 0.0

    async def network(self) -> Network:
        """Return the network in force."""
        return (await self._directory.situation()).network

    @asynccontextmanager
    async def open(
        self, endpoint: Endpoint, quota: Quota | None, *, wanted: int, now: datetime | None
    ) -> AsyncIterator[Opened]:
        """Lock an endpoint's queue and its quota."""
        async with self._database.transaction() as session:
            shared = None if quota is None else quota.code
            row = await session.fetchrow("flow.open", now, endpoint.code, shared, wanted, limits.OUTBOX_ADMITTED_MAX)
            assert row is not None, "flow_open makes the row that it opens"
            yield _Opened(session, row, endpoint, quota, worker=self._worker)

    async def with_work(self, endpoints: Sequence[str], *, now: datetime | None) -> Sequence[str]:
        """Return those endpoints that have something due."""
        return [row["code"] for row in await self._database.fetch("flow.with_work", now, list(endpoints))]

    async def expire(self, *, now: datetime | None = None) -> int:
        """Make dead letters of what waited beyond its deadline."""
        return int(await self._database.fetchval("flow.expire", now, limits.OUTBOX_SWEEP_MAX))

    async def forget(self, *, now: datetime | None = None) -> int:
        """Delete what was done long ago, and leases that nothing hangs on; a look at it once in a while is enough."""
        if now is None and time.monotonic() < self._forget_again:
            return 0
        self._forget_again = time.monotonic() + limits.OUTBOX_FORGET_EVERY_S
        now = now or await self._database.fetchval("flow.clock")
        await self._database.execute("flow.forget_calls", now - timedelta(hours=1))
        await self._database.execute("flow.forget_days", (now - timedelta(days=7)).date())
        before = now - timedelta(days=limits.OUTBOX_KEPT_DAYS)
        return await self._database.execute("flow.forget", before, limits.OUTBOX_SWEEP_MAX)


class _Opened:
    """The Opened of `onhand.app.flow_ports`, bound to one transaction."""

    def __init__(self, session: Session, row: Row, endpoint: Endpoint, quota: Quota | None, *, worker: str) -> None:
        self._session = session
        self._endpoint = endpoint
        self._quota = quota
        self._worker = worker
        self._ids: tuple[int, int | None] = (row["endpoint_id"], row["quota_id"])
        self._states: tuple[str, str | None] = (row["state"], row["quota_state"])
        self._row = row
        self.situation = _situation(row)

    async def claim(self, wanted: Wanted) -> Sequence[Call]:
        """Hand due commands to calls."""
        rows = await self._session.fetch(
            "flow.claim", self.situation.now, *self._ids, self._worker, wanted.lease_until, wanted.probe,
            list(wanted.lanes), list(wanted.lanes.values()), self._endpoint.batch, *self._points(), *self._day(),
            list(wanted.batches), list(wanted.batches.values()),
        )  # fmt: skip
        rows.sort(key=lambda row: (row["call_id"], row["id"]))
        return [
            Call(id=call, endpoint=self._endpoint, probe=wanted.probe, commands=tuple(map(_outgoing, of_call)))
            for call, of_call in groupby(rows, key=lambda row: row["call_id"])
        ]

    async def permit(self, wanted: Wanted) -> Call:
        """Make a call without commands."""
        now, points = self.situation.now, self._points()[0]
        call = await self._session.fetchval(
            "flow.permit", now, *self._ids, self._worker, wanted.lease_until, wanted.probe, points
        )
        return Call(id=call, endpoint=self._endpoint, probe=wanted.probe)

    async def settle(self, settlements: Sequence[Settlement], *, calls: Sequence[int]) -> None:
        """Write down what became of commands, and end those calls."""
        ordered = sorted(settlements, key=lambda each: each.next.id)
        rows = [self._settled(each) for each in ordered]
        columns = map(list, zip(*rows, strict=True)) if rows else ([] for _ in range(17))
        await self._session.fetchval(
            "flow.settle", self.situation.now, self._ids[0], self._worker, list(calls), *columns
        )

    async def save(self, learnt: Learnt) -> None:
        """Remember what was learnt and used up."""
        load = learnt.load
        mine = _json(Kept(load.circuit, load.used, dict(learnt.tags)))
        shared = None if self._ids[1] is None else _json(Kept(used=load.quota_used))
        await self._session.execute(
            "flow.save", self._ids[0], mine, self._ids[1], shared, learnt.blocked, learnt.blocked_till, learnt.pause
        )

    def _points(self) -> tuple[int, int]:
        costs = [each.limits.cost for each in (self._endpoint, self._quota) if each is not None]
        cost = next((each for each in costs if each is not None), None)
        return (0, 0) if cost is None else (cost.per_call, cost.per_command)

    def _day(self) -> tuple[int | None, date | None, int | None, datetime | None]:
        """Return the scope, day, cap and next day of a daily cap by key, where there is one."""
        for scope, limited in zip(self._ids, (self._endpoint, self._quota), strict=True):
            daily: Daily | None = None if limited is None else limited.limits.daily
            if daily is not None and daily.per_key:
                now = self.situation.now
                zone = daily.timezone
                return scope, day_of(now, timezone=zone), daily.calls, day_after(now, timezone=zone)
        return None, None, None, None

    def _settled(self, each: Settlement) -> tuple[Any, ...]:
        following, outcome = each.next, each.outcome
        holds = following.state == "dead" and self._endpoint.after_dead == "block"
        return (
            following.id, each.call, each.tries, following.state, following.kind, following.counted,
            following.attempts, following.due_at, following.verify, holds, following.reason or None, None,
            each.answer[: limits.OUTBOX_ANSWER_CHARACTERS_MAX] or None,
            outcome.detail[: limits.OUTBOX_DETAIL_CHARACTERS_MAX], outcome.status, each.at, each.took_ms,
        )  # fmt: skip


def _situation(row: Row) -> Situation:
    mine = kept(row["state"])
    shared = Kept() if row["quota_state"] is None else kept(row["quota_state"])
    lanes = _LANES.decode(row["lanes"])
    return Situation(
        now=row["now"],
        load=Load(
            paused=row["paused"],
            circuit=mine.circuit,
            used=mine.used,
            in_flight=row["in_flight"],
            probes_in_flight=row["probes_in_flight"],
            quota_used=shared.used,
            quota_in_flight=row["quota_in_flight"],
        ),
        tags=mine.tags,
        waiting={lane: waiting for lane, (waiting, _) in lanes.items()},
        in_flight={lane: calls for lane, (_, calls) in lanes.items()},
        lost=_LOST.decode(row["lost"]),
        unfinished=row["unfinished"],
        points_in_flight=row["points_in_flight"],
        quota_points_in_flight=row["quota_points_in_flight"],
    )


def _outgoing(row: Row) -> Outgoing:
    return Outgoing(**{name: row[name] for name in Outgoing.__struct_fields__})


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
