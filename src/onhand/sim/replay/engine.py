"""The replay itself: bucket after bucket of the file's time, facts and orders in the order in which they happened."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from onhand.sim.api import Api
from onhand.sim.history import Level, Recorder, now_ns
from onhand.sim.replay.accounts import Accounts
from onhand.sim.replay.buckets import Bucket, Buckets, bucket_of
from onhand.sim.replay.goods import SELLABLE, Goods
from onhand.sim.replay.judging import Judge, Line
from onhand.sim.replay.leaps import in_step
from onhand.sim.replay.orders import Orders, Pace
from onhand.sim.replay.outbox import BATCH_MAX, Outbox, UnexpectedAnswer
from onhand.sim.replay.policy import Policy
from onhand.sim.replay.source import records
from onhand.sim.replay.stockroom import Stockroom
from onhand.sim.replay.survey import Survey

PAGE = 1_000


class Step(msgspec.Struct, frozen=True):
    """How far a replay is: lines read, the file's time, orders and units so far."""

    lines: int
    at: datetime | None
    orders: int
    asked_units: int
    granted_units: int


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay did, before it is judged."""

    lines_read: int
    accounts: Accounts
    notes: Counter[str]
    requests: Counter[str]
    events: Counter[str]
    event_calls: int
    asked_units: int
    granted_units: int
    by_channel: dict[str, Counter[str]]
    took_s: float


class Replay:
    """One run over one file."""

    def __init__(
        self, api: Api, *, policy: Policy, survey: Survey, recorder: Recorder, accounts: Accounts, pace: Pace,
        progress: Callable[[Step], None],
    ) -> None:  # fmt: skip
        self._api = api
        self._survey = survey
        self._policy = policy
        self._accounts = accounts
        self._recorder = recorder
        self._speed = pace.speed
        self._progress = progress
        self._judge = Judge(
            policy, order=survey.date_order, spellings=survey.spellings if policy.sku_case == "fold" else None
        )
        self._outbox = Outbox(api, recorder, accounts)
        stockroom = Stockroom(policy.stock, survey.items)
        origin = (survey.first or datetime.now().astimezone()).date()
        self._goods = Goods(policy, self._outbox, stockroom, origin=origin)
        self._orders = Orders(
            api, policy, recorder=recorder, accounts=accounts, outbox=self._outbox, stockroom=stockroom, pace=pace
        )
        self._aside: list[Line] = []
        self._read = 0
        self._limit: int | None = None

    async def run(self, path: Path, *, limit: int | None = None) -> Played:
        """Replay a file. Raises UnreadableFile, UnexpectedAnswer, Unavailable.

        With a `limit` it stops at the end of the bucket that the limit falls into, and leaves open orders open, so that
        another replay goes on from there.
        """
        begun = time.perf_counter()
        self._limit = limit
        notes = self._judge.notes
        self._goods.introduce(self._survey.items)
        await self._outbox.flush()
        start = asyncio.get_running_loop().time()
        for bucket in Buckets(self._policy, aside=self._aside, notes=notes).of(self._lines(path)):
            await self._wait_for(bucket.start, start)
            await self._play(bucket)
            self._settle_aside()
            self._tell(bucket.start)
        self._settle_aside()
        if limit is None:
            self._orders.ship_until(None)
        await self._flush()
        await self._look_at_the_shelf()
        self._tell(self._survey.last)
        return Played(
            lines_read=self._read, accounts=self._accounts, notes=notes, requests=self._orders.requests,
            events=self._outbox.outcomes, event_calls=self._outbox.calls, asked_units=self._orders.asked_units,
            granted_units=self._orders.granted_units, by_channel=dict(self._orders.by_channel),
            took_s=time.perf_counter() - begun,
        )  # fmt: skip

    async def _play(self, bucket: Bucket) -> None:
        self._goods.until(bucket.start.date())
        self._orders.ship_until(bucket.start)
        if self._outbox.urgent or len(self._outbox) >= BATCH_MAX:
            await self._flush()
        await self._orders.promise(bucket.documents)
        for document in bucket.documents:
            if document.cancels and not await self._orders.cancel(document):
                self._goods.take_back(document)
            if document.adjusts:
                self._goods.correct(document)

    async def _flush(self) -> None:
        await self._outbox.flush()
        await self._orders.release_rest()

    async def _wait_for(self, moment: datetime, start: float) -> None:
        """Keep to the speed: the file's time since its first line, divided by the factor."""
        if self._speed is None or self._survey.first is None:
            return
        due = start + (moment - self._survey.first).total_seconds() / self._speed
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))

    def _lines(self, path: Path) -> Iterator[Line]:
        newest: int | None = None
        for line in in_step(self._judge.judge(raw) for raw in records(path, self._survey.dialect)):
            if line.at is not None:
                bucket = bucket_of(line.at, self._policy)
                if self._limit is not None and self._read >= self._limit and newest is not None and bucket > newest:
                    return
                newest = bucket if newest is None else max(newest, bucket)
            self._read += 1
            yield line

    def _settle_aside(self) -> None:
        for line in self._aside:
            self._accounts.settle(line, "set_aside", line.reason)
        self._aside.clear()

    def _tell(self, at: datetime | None) -> None:
        orders = self._orders
        self._progress(
            Step(self._read, at, sum(c["orders"] for c in orders.by_channel.values()), orders.asked_units,
                 orders.granted_units)
        )  # fmt: skip

    async def _look_at_the_shelf(self) -> None:
        """Read all balances back, for the checker to compare with what the facts add up to."""
        after: str | None = None
        stock: dict[str, int] = {}
        sent = now_ns()
        location = self._policy.location
        while True:
            query = {"location": location, "status": SELLABLE, "limit": str(PAGE)} | ({"after": after} if after else {})
            reply = await self._api.get("/v1/balances", query)
            if reply.status != 200:
                raise UnexpectedAnswer(f"The balances were answered with {reply.status}: {str(reply.body)[:500]}")
            for row in reply.body["rows"]:
                stock[row["sku"]] = stock.get(row["sku"], 0) + row["quantity"]
            after = reply.body.get("next")
            if not after:
                break
        level = tuple((sku, location, quantity) for sku, quantity in stock.items())
        self._recorder.write(Level(id="balances at the end", sent_ns=sent, answered_ns=now_ns(), stock=level))
