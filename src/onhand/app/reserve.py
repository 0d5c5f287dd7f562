"""Making promises: a batch of requests is planned on one snapshot and claimed in one call.

Planning says what could be; only the claim makes it true. A claim that lost a race is planned again on fresh numbers,
the last times with the rows locked, so that every request gets its decision. Decisions, refusals included, are kept
for ever under (client, request id): the same request again gets the first answer again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from onhand.app.answers import LineAnswer, LineShortfall, ReservationAnswer, Source
from onhand.app.identity import Client
from onhand.app.ports import StockMoved
from onhand.app.promise_errors import DeadlineRefused, InsufficientStock, RequestReused
from onhand.app.promise_ports import Decision, PromiseStore, Reading, RequestKey, Stored
from onhand.domain.errors import OnhandError, Unavailable
from onhand.domain.network import Channel, Network
from onhand.domain.planning import Plan, Shortfall, ShortLine, plan_batch
from onhand.domain.reservation import Request, fingerprint, outcome
from onhand.domain.resolving import UnknownChannel

ATTEMPTS_MAX: Final = 12
"""Rounds of planning and claiming. Races are lost to somebody who won, so that the shop as a whole goes forward."""

LOCK_AFTER: Final = 3
"""From this round on the claim locks its rows before it reads them: slower, and hard to lose."""

Result = ReservationAnswer | OnhandError


class Asked(msgspec.Struct, frozen=True):
    """One request on its way."""

    client: Client
    request: Request
    fingerprint: bytes

    @property
    def key(self) -> RequestKey:
        """What makes it one and the same."""
        return (self.client.id, self.request.request_id)


def asked(client: Client, request: Request) -> Asked:
    """Return a request with its fingerprint."""
    return Asked(client, request, fingerprint(request))


class Reserve:
    """The use case: call it with a batch, get one answer or error for each, in order."""

    def __init__(self, store: PromiseStore) -> None:
        self._store = store

    async def __call__(self, batch: Sequence[Asked]) -> list[Result]:
        """Decide a batch. Raises Unavailable when the store is; repeating the same requests is safe then."""
        results: dict[int, Result] = {}
        open_: dict[RequestKey, list[int]] = {}
        for number, one in enumerate(batch):
            open_.setdefault(one.key, []).append(number)
        for attempt in range(ATTEMPTS_MAX):
            first = {key: batch[numbers[0]] for key, numbers in open_.items()}
            if not first:
                break
            settled = await self._round(list(first.values()), lock=attempt >= LOCK_AFTER)
            for key, (answer, print_) in settled.items():
                for place, number in enumerate(open_.pop(key)):
                    results[number] = _share(batch[number], answer, print_, first=place == 0)
        for numbers in open_.values():
            for number in numbers:
                results[number] = Unavailable("The stock asked for moved faster than this request could be decided.")
        return [results[number] for number in range(len(batch))]

    async def _round(self, batch: Sequence[Asked], *, lock: bool) -> dict[RequestKey, tuple[Result, bytes]]:
        reading = await self._store.read([one.request for one in batch])
        failed: dict[RequestKey, tuple[Result, bytes]] = {}
        timely: list[tuple[Asked, datetime]] = []
        for one in batch:
            # Judged before planning: what cannot be had must not take, even on paper, what others ask for.
            try:
                timely.append((one, deadline(one.request, reading.network, reading.now)))
            except OnhandError as error:
                failed[one.key] = (error, one.fingerprint)
        planned = plan_batch(reading.snapshot, [one.request for one, _ in timely])
        decisions: list[Decision] = []
        for (one, expires_at), plan in zip(timely, planned, strict=True):
            if isinstance(plan, OnhandError):
                failed[one.key] = (plan, one.fingerprint)
            else:
                decisions.append(_decision(one, plan, expires_at))
        settled = await self._claim(decisions, reading, lock=lock)
        if failed:
            # A request that makes no sense today may have been decided when it did.
            settled |= failed | await self._first_answers([one for one in batch if one.key in failed])
        return settled

    async def _claim(
        self, decisions: Sequence[Decision], reading: Reading, *, lock: bool
    ) -> dict[RequestKey, tuple[Result, bytes]]:
        if not decisions:
            return {}
        try:
            verdicts = await self._store.claim(decisions, reading, lock=lock)
        except StockMoved:
            return {}
        settled: dict[RequestKey, tuple[Result, bytes]] = {}
        before: list[Decision] = []
        for decision, verdict in zip(decisions, verdicts, strict=True):
            if verdict.before:
                before.append(decision)
            elif verdict.number is not None:
                settled[decision.key] = (_answer(decision, verdict.number, reading.now), decision.fingerprint)
        return settled | await self._first_answers(before)

    async def _first_answers(
        self, repeated: Sequence[Asked] | Sequence[Decision]
    ) -> dict[RequestKey, tuple[Result, bytes]]:
        if not repeated:
            return {}
        stored = await self._store.decided([one.key for one in repeated])
        return {
            one.key: (_repeat(one.request, one.fingerprint, stored[one.key]), stored[one.key].fingerprint)
            for one in repeated
            if one.key in stored
        }


def deadline(request: Request, network: Network, now: datetime) -> datetime:
    """Return when the reservation ends, by the request or else by its channel.

    Raises DeadlineRefused, and UnknownChannel where there is none to ask.
    """
    channel = network.channel(request.channel)
    if channel is None:
        raise UnknownChannel(f"There is no channel {request.channel!r} that sells.", channel=request.channel)
    default_s = channel.reservation_default_s if request.expires_at is None else None
    seconds = request.expires_in_s if request.expires_in_s is not None else default_s
    return bounded_deadline(channel, now, expires_at=request.expires_at, expires_in_s=seconds)


def bounded_deadline(
    channel: Channel, now: datetime, *, expires_at: datetime | None, expires_in_s: int | None
) -> datetime:
    """Return the deadline asked for, as an instant or in seconds from now.

    Raises DeadlineRefused for one that has passed or that the channel does not allow.
    """
    longest_s = channel.reservation_max_s
    until = expires_at or now + timedelta(seconds=min(expires_in_s or 0, longest_s + 1))
    if until <= now:
        raise DeadlineRefused(f"{until.isoformat()} has passed.", remedy="Ask for a deadline in the future.")
    if until > now + timedelta(seconds=longest_s):
        raise DeadlineRefused(
            f"Channel {channel.code!r} lets a reservation hold for {longest_s} s at most.",
            remedy="Ask for an earlier deadline and extend it while it is needed.",
            longest_s=longest_s,
        )
    return until


def external_id(number: int) -> str:
    """Return a reservation's id as callers know it."""
    return f"res_{number}"


def lines_of(plan: Plan) -> tuple[LineAnswer, ...]:
    """Return a plan's lines as they are answered and kept."""
    return tuple(
        LineAnswer(
            line_id=line.line_id,
            sku=line.sku,
            requested=line.requested,
            granted=line.granted,
            backordered=line.backordered,
            sources=tuple(Source(location=s.location, quantity=s.quantity, lot=s.lot, sku=s.sku) for s in line.sources),
            why=line.why,
        )
        for line in plan.lines
    )


def shortfall_of(short: Sequence[ShortLine]) -> tuple[LineShortfall, ...]:
    """Return a shortfall's lines as they are answered and kept."""
    return tuple(
        LineShortfall(
            line_id=line.line_id, sku=line.sku, requested=line.requested, available=line.available, short=line.short
        )
        for line in short
    )


def _decision(one: Asked, planned: Plan | Shortfall, expires_at: datetime) -> Decision:
    plan, lines, short = (
        (planned, lines_of(planned), ()) if isinstance(planned, Plan) else (None, (), shortfall_of(planned.lines))
    )
    return Decision(
        key=one.key,
        fingerprint=one.fingerprint,
        request=one.request,
        expires_at=expires_at,
        plan=plan,
        lines=lines,
        short=short,
    )


def _answer(decision: Decision, number: int, now: datetime) -> Result:
    if decision.plan is None:
        return InsufficientStock(decision.short, reservation_id=external_id(number))
    return ReservationAnswer(
        reservation_id=external_id(number),
        request_id=decision.request.request_id,
        channel=decision.request.channel,
        state=decision.plan.state,
        lines=decision.lines,
        created_at=now,
        expires_at=decision.expires_at,
    )


def _repeat(request: Request, print_: bytes, stored: Stored) -> Result:
    if stored.fingerprint != print_:
        return _reused(request)
    if stored.refused:
        lines = msgspec.json.decode(stored.lines, type=tuple[LineShortfall, ...])
        return InsufficientStock(lines, reservation_id=external_id(stored.number), replayed=True)
    return first_answer(request, stored)


def first_answer(request: Request, stored: Stored) -> ReservationAnswer:
    """Return what a granted request was answered when it was first made."""
    lines = msgspec.json.decode(stored.lines, type=tuple[LineAnswer, ...])
    return ReservationAnswer(
        reservation_id=external_id(stored.number),
        request_id=request.request_id,
        channel=request.channel,  # it may have been transferred since
        state=outcome(
            requested=sum(line.requested for line in lines),
            granted=sum(line.granted for line in lines),
            backordered=sum(line.backordered for line in lines),
        ),
        lines=lines,
        created_at=stored.created_at,
        expires_at=stored.expires_at,
        replayed=True,
    )


def _share(one: Asked, answer: Result, print_: bytes, *, first: bool) -> Result:
    """Give a repetition inside the batch the same answer, marked as repeated."""
    if one.fingerprint != print_:
        return _reused(one.request)
    if first or not isinstance(answer, ReservationAnswer | InsufficientStock):
        return answer
    if isinstance(answer, InsufficientStock):
        return InsufficientStock(answer.lines, reservation_id=answer.facts["reservation_id"], replayed=True)
    return msgspec.structs.replace(answer, replayed=True)


def _reused(request: Request) -> RequestReused:
    return RequestReused(
        f"The request id {request.request_id!r} was used before for another request.", request_id=request.request_id
    )
