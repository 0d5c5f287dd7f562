"""Whether an endpoint may be called at this instant, and how often: pause, window, breaker, limits, in that order.

The order is from what costs nothing to ask to what uses something up, and the first that says no is the reason shown.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from onhand.domain import breaker as breakers
from onhand.domain import throttle as throttles
from onhand.domain import windows
from onhand.domain.breaker import Circuit
from onhand.domain.endpoint import Endpoint, Limits, Quota
from onhand.domain.throttle import Throttle


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an endpoint: who paused it until when, its breaker, what is used up and in flight."""

    paused: str | None = None
    circuit: Circuit = breakers.CLOSED
    used: Throttle = Throttle()
    in_flight: int = 0
    probes_in_flight: int = 0
    quota_used: Throttle = Throttle()
    quota_in_flight: int = 0


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls may be made; where that is none, why, and when to ask again (None: when somebody acts)."""

    calls: int
    probe: bool = False
    reason: str = ""
    back_at: datetime | None = None


def admit(policy: Endpoint, quota: Quota | None, load: Load, *, now: datetime, wanted: int) -> Admitted:
    """Return how many of the wanted calls may be made at this instant."""
    if policy.retired:
        return Admitted(calls=0, reason="retired")
    if load.paused is not None:
        return Admitted(calls=0, reason=f"paused: {load.paused}".rstrip(": "))
    closed = windows.closed_until(policy.windows, now=now, lead_s=policy.timeout_s)
    if closed is not None:
        return Admitted(calls=0, reason="window", back_at=closed)
    passing = breakers.passing(policy.breaker, load.circuit, now=now, probes_in_flight=load.probes_in_flight)
    if passing.calls == 0:
        return Admitted(calls=0, reason=f"breaker: {load.circuit.reason}".rstrip(": "), back_at=passing.back_at)
    most = wanted if passing.calls is None else min(wanted, passing.calls)
    room = _least(
        _room(policy.limits, load.used, load.in_flight, now=now, wanted=most, batch=policy.batch),
        Admitted(calls=most)
        if quota is None
        else _room(quota.limits, load.quota_used, load.quota_in_flight, now=now, wanted=most, batch=policy.batch),
    )
    return msgspec.structs.replace(room, probe=passing.probe)


def _room(limits: Limits, used: Throttle, in_flight: int, *, now: datetime, wanted: int, batch: int) -> Admitted:
    if limits.concurrency is not None:
        free = limits.concurrency - in_flight
        if free < 1:
            return Admitted(calls=0, reason=f"{limits.concurrency} calls in flight")
        wanted = min(wanted, free)
    room = throttles.room(limits, used, now=now, wanted=wanted, commands=batch)
    reason = "" if room.calls else f"limit: {room.limit}"
    return Admitted(calls=room.calls, reason=reason, back_at=room.back_at)


def _least(one: Admitted, other: Admitted) -> Admitted:
    if one.calls or other.calls:
        return min(one, other, key=lambda each: each.calls)
    later = [each.back_at for each in (one, other) if each.back_at is not None]
    return Admitted(calls=0, reason=one.reason, back_at=max(later, default=None))
