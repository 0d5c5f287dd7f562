"""Claiming commands for calls and settling what became of them: the policy of an endpoint carried out.

Both happen under the endpoint's lock, which is held for two or three short statements and never during a call. The
rules are in `onhand.domain`; here is only the order in which they are asked.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from onhand.app.flow_ports import (
    Call,
    FlowStore,
    Learnt,
    Opened,
    Report,
    Settlement,
    Situation,
    Wanted,
)
from onhand.domain import outbox, throttle
from onhand.domain.calling import Admitted, Load, admit
from onhand.domain.endpoint import Endpoint, Quota
from onhand.domain.lanes import share
from onhand.domain.network import Network
from onhand.domain.outbox import Partner, Sent
from onhand.domain.outcome import Delivered, Gone, Outcome, Rejected, Throttled, Unauthorised, Unknown
from onhand.domain.throttle import Told

Batches = Callable[[Endpoint], Mapping[str, int]]
"""Operation -> the most commands that one request carries, for an endpoint."""

LOST = Unknown(detail="the worker that had it did not come back")


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """Calls to be made now. Where there are none: `reason` and `back_at` say why, and when to ask again.

    No reason means that nothing is due; `back_at` None with a reason, that somebody has to act, or a call to end.
    """

    now: datetime
    calls: tuple[Call, ...] = ()
    reason: str = ""
    back_at: datetime | None = None


class Dispatch:
    """Decides for one worker what may be sent and what becomes of it; `draw` gives even random numbers from 0 to 1.

    `batches` tells the operations of an endpoint of which one request carries fewer commands than its batch: a call is
    what the limits count, so it must be one request.
    """

    def __init__(
        self, store: FlowStore, *, draw: Callable[[], float] = random.random, batches: Batches | None = None
    ) -> None:
        self.store = store
        self._draw = draw
        self._batches = batches or _no_batches

    async def claim(self, network: Network, endpoint: Endpoint, *, slots: int, now: datetime | None = None) -> Claimed:
        """Return up to so many calls that may be made to an endpoint at this instant."""
        quota = network.quota_of(endpoint)
        async with self.store.open(endpoint, quota, wanted=slots * endpoint.batch, now=now) as opened:
            await self._give_up_lost(endpoint, opened)
            situation = opened.situation
            waiting = {lane: -(-n // endpoint.batch) for lane, n in situation.waiting.items() if n}
            if not waiting:
                return Claimed(now=situation.now)
            admitted = _admit(endpoint, quota, situation, wanted=min(slots, sum(waiting.values())))
            lanes, tags = share(
                endpoint.all_lanes,
                situation.tags,
                waiting=waiting,
                in_flight=situation.in_flight,
                calls=admitted.calls,
            )
            if not lanes:
                return await _blocked(opened, admitted)
            wanted = Wanted(
                lanes=lanes,
                probe=admitted.probe,
                lease_until=situation.now + timedelta(seconds=endpoint.lease_s),
                batches=self._batches(endpoint),
            )
            calls = tuple(await opened.claim(wanted))
            commands = sum(len(call.commands) for call in calls)
            load = _taken(endpoint, quota, situation, calls=len(calls), commands=commands)
            await opened.save(Learnt(load=load, tags=tags, blocked=""))
            return Claimed(now=situation.now, calls=calls)

    async def permit(self, network: Network, endpoint: Endpoint, *, now: datetime | None = None) -> Claimed:
        """Return one call without commands, for whoever asks a partner something: the same limits hold.

        Settle it like any other, with its one outcome.
        """
        quota = network.quota_of(endpoint)
        async with self.store.open(endpoint, quota, wanted=0, now=now) as opened:
            situation = opened.situation
            admitted = _admit(endpoint, quota, situation, wanted=1)
            if not admitted.calls:
                return Claimed(now=situation.now, reason=admitted.reason, back_at=admitted.back_at)
            lease_until = situation.now + timedelta(seconds=endpoint.lease_s)
            call = await opened.permit(Wanted(lanes={"": 1}, probe=admitted.probe, lease_until=lease_until))
            load = _taken(endpoint, quota, situation, calls=1, commands=0)
            await opened.save(Learnt(load=load, tags=situation.tags))
            return Claimed(now=situation.now, calls=(call,))

    async def settle(
        self, network: Network, endpoint: Endpoint, reports: Sequence[Report], *, now: datetime | None = None
    ) -> None:
        """Write down what became of calls, and what that says of the endpoint."""
        quota = network.quota_of(endpoint)
        async with self.store.open(endpoint, quota, wanted=0, now=now) as opened:
            situation = opened.situation
            load, partner = _learn(endpoint, quota, situation, reports)
            settlements = [
                self._settlement(endpoint, partner, report, number, situation.now)
                for report in reports
                for number in range(len(report.call.commands))
            ]
            await opened.settle(settlements, calls=[report.call.id for report in reports])
            await opened.save(Learnt(load=load, tags=situation.tags, pause=partner.pause))

    async def _give_up_lost(self, endpoint: Endpoint, opened: Opened) -> None:
        """Take back what workers left behind: it may have been sent, so it is said again under the same key."""
        situation = opened.situation
        if not situation.lost:
            return
        partner = Partner(circuit=situation.load.circuit)
        settlements = []
        for lost in situation.lost:
            sent = Sent(lost.id, lost.attempts, lost.deadline_at)
            following = outbox.decide(endpoint, partner, sent, LOST, now=situation.now, draw=self._draw())
            settlements.append(
                Settlement(next=following, call=lost.call, tries=lost.tries, outcome=LOST, at=situation.now)
            )
        await opened.settle(settlements, calls=sorted({lost.call for lost in situation.lost}))

    def _settlement(
        self, endpoint: Endpoint, partner: Partner, report: Report, number: int, now: datetime
    ) -> Settlement:
        command = report.call.commands[number]
        outcome = report.outcomes[number if len(report.outcomes) > 1 else 0]
        sent = Sent(command.id, command.attempts, command.deadline_at)
        return Settlement(
            next=outbox.decide(endpoint, partner, sent, outcome, now=now, draw=self._draw()),
            call=report.call.id,
            tries=command.tries,
            outcome=outcome,
            answer=outcome.answer if isinstance(outcome, Delivered) else "",
            at=report.started_at,
            took_ms=report.took_ms,
        )


def _no_batches(_endpoint: Endpoint) -> Mapping[str, int]:
    return {}


def whole(outcomes: Sequence[Outcome]) -> Outcome:
    """Return what a call says of the partner: one refusal of all, else any sign of life, else its failure."""
    for kinds in ((Unauthorised, Throttled), (Delivered, Rejected, Gone)):
        for outcome in outcomes:
            if isinstance(outcome, kinds):
                return outcome
    return outcomes[0]


def _admit(endpoint: Endpoint, quota: Quota | None, situation: Situation, *, wanted: int) -> Admitted:
    return admit(endpoint, quota, situation.load, now=situation.now, wanted=wanted)


async def _blocked(opened: Opened, admitted: Admitted) -> Claimed:
    situation = opened.situation
    reason = admitted.reason or "every lane that has something due is at its cap"
    await opened.save(Learnt(load=situation.load, tags=situation.tags, blocked=reason, blocked_till=admitted.back_at))
    return Claimed(now=situation.now, reason=reason, back_at=admitted.back_at)


def _taken(endpoint: Endpoint, quota: Quota | None, situation: Situation, *, calls: int, commands: int) -> Load:
    load, now = situation.load, situation.now
    used = throttle.take(endpoint.limits, load.used, now=now, calls=calls, commands=commands)
    quota_used = load.quota_used
    if quota is not None:
        quota_used = throttle.take(quota.limits, quota_used, now=now, calls=calls, commands=commands)
    return msgspec.structs.replace(load, used=used, quota_used=quota_used)


def _told_of(outcomes: Sequence[Outcome]) -> Told | None:
    """Return what a call was told of points; a connector may have made several calls of it, each with its own word.

    What one answer says stands perhaps with each of its outcomes; it counts once.
    """
    found = list({id(each.told): each.told for each in outcomes if each.told is not None}.values())
    if len(found) < 2:
        return found[0] if found else None
    costs = [told.actual for told in found if told.actual is not None]
    return msgspec.structs.replace(found[-1], actual=sum(costs) if costs else None)


def _learn(
    endpoint: Endpoint, quota: Quota | None, situation: Situation, reports: Sequence[Report]
) -> tuple[Load, Partner]:
    """Return what is known after those calls."""
    now, load = situation.now, situation.load
    partner = Partner(load.circuit, load.used)
    quota_used = load.quota_used
    for report in reports:
        outcome, probe = whole(report.outcomes), report.call.probe
        partner = outbox.learn(endpoint, partner, outcome, now=now, probe=probe)
        if (told := _told_of(report.outcomes)) is not None:
            commands = len(report.call.commands)
            mine = throttle.expected_cost(endpoint.limits, commands=commands)
            used = throttle.learn(
                endpoint.limits, partner.used, told, now=now, expected=mine,
                in_flight=max(0, situation.points_in_flight - mine),
            )  # fmt: skip
            partner = msgspec.structs.replace(partner, used=used)
            if quota is not None:
                shared = throttle.expected_cost(quota.limits, commands=commands)
                quota_used = throttle.learn(
                    quota.limits, quota_used, told, now=now, expected=shared,
                    in_flight=max(0, situation.quota_points_in_flight - shared),
                )  # fmt: skip
    return msgspec.structs.replace(load, circuit=partner.circuit, used=partner.used, quota_used=quota_used), partner
