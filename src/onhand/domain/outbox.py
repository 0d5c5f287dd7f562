"""What becomes of a command after an attempt: done, tried again, or a dead letter; and what that says of its endpoint.

Two rules matter most. What is about the partner costs the message nothing: a wait for a limit, a refused credential, a
partner that is down (its breaker is open, or opens with this very failure) are no attempts. And nothing goes on for
ever: attempts end in a dead letter with an owner, and so does a deadline, which also ends what only ever waited.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from onhand.domain import breaker as breakers
from onhand.domain import retry
from onhand.domain import throttle as throttles
from onhand.domain.breaker import Circuit
from onhand.domain.endpoint import Endpoint
from onhand.domain.outcome import Gone, Kind, Outcome, Rejected, Throttled, Transient, Unauthorised, Unknown
from onhand.domain.throttle import Throttle

State = Literal["new", "ready", "waiting", "sending", "done", "dead", "discarded"]
"""new: written, not yet looked at · ready: will be sent when it is due · waiting: behind another of its ordering key ·
sending: a worker has it · done · dead: a dead letter · discarded: somebody said that it need not be sent."""

UNFINISHED: tuple[State, ...] = ("new", "ready", "waiting", "sending")

GONE_PAUSE = "the partner says that this address is gone"


class Sent(msgspec.Struct, frozen=True):
    """A command that was sent: its attempts so far without this one, and when it gives up."""

    id: int
    attempts: int
    deadline_at: datetime


class Next(msgspec.Struct, frozen=True):
    """What becomes of a command. `counted` tells whether the attempt was one; `verify`, that it may have been done."""

    id: int
    state: Literal["done", "ready", "dead"]
    kind: Kind
    attempts: int
    counted: bool
    due_at: datetime | None = None
    verify: bool = False
    reason: str = ""


class Partner(msgspec.Struct, frozen=True):
    """What is known of an endpoint: its breaker, what is used up, and why it is paused, if it has to be."""

    circuit: Circuit = breakers.CLOSED
    used: Throttle = Throttle()
    pause: str | None = None


def learn(policy: Endpoint, partner: Partner, outcome: Outcome, *, now: datetime, probe: bool = False) -> Partner:
    """Return what one call says of its endpoint."""
    circuit, used, pause = partner.circuit, partner.used, partner.pause
    reason = outcome.detail or outcome.kind
    if isinstance(outcome, Transient | Unknown):
        circuit = breakers.learn(policy.breaker, circuit, now=now, bad=1, probe=probe, reason=reason)
    elif isinstance(outcome, Unauthorised):
        # No message would get through, so there is nothing to count: it opens, and probes tell when it is mended.
        if circuit.closed:
            circuit = breakers.opened(policy.breaker, now=now, reason=reason)
        else:
            circuit = breakers.learn(policy.breaker, circuit, now=now, bad=1, probe=probe, reason=reason)
    elif isinstance(outcome, Throttled):
        wait_s = min(outcome.retry_after_s or policy.retry.first_s, float(policy.retry.retry_after_max_s))
        used = throttles.hold(used, until=now + timedelta(seconds=wait_s))
    else:
        circuit = breakers.learn(policy.breaker, circuit, now=now, good=1, probe=probe)
    if isinstance(outcome, Gone) and outcome.endpoint:
        pause = GONE_PAUSE
    return Partner(circuit, used, pause)


def decide(policy: Endpoint, partner: Partner, sent: Sent, outcome: Outcome, *, now: datetime, draw: float) -> Next:
    """Return what becomes of a command; `partner` is what is known of the endpoint after this outcome.

    `draw` is an even random number from 0 to 1.
    """
    if isinstance(outcome, Rejected):
        about = f"{outcome.field}: {outcome.reason}" if outcome.field else outcome.reason
        return _dead(sent, outcome, f"rejected: {about}", counted=True)
    if isinstance(outcome, Gone) and not outcome.endpoint:
        return _dead(sent, outcome, f"gone: {outcome.detail}".rstrip(": "), counted=True)
    if not isinstance(outcome, Transient | Throttled | Unauthorised | Gone | Unknown):
        return Next(sent.id, "done", outcome.kind, sent.attempts + 1, counted=True)
    return _again(policy, partner, sent, outcome, now=now, draw=draw)


def _again(policy: Endpoint, partner: Partner, sent: Sent, outcome: Outcome, *, now: datetime, draw: float) -> Next:
    """Return the next try, or the dead letter where attempts or time have run out."""
    counted = isinstance(outcome, Transient | Unknown) and partner.circuit.closed
    attempts = sent.attempts + counted
    if counted and retry.exhausted(policy.retry, attempts=attempts):
        words = f"no success in {attempts} attempts; the last: {outcome.detail or outcome.kind}"
        return _dead(sent, outcome, words, counted=True)
    asked_s = outcome.retry_after_s if isinstance(outcome, Transient) and counted else None
    # A probe that failed lets another message be the next probe: it may be the message after all.
    wait_s = retry.wait_s(policy.retry, attempts=max(1, attempts), draw=draw, retry_after_s=asked_s)
    due_at = now + timedelta(seconds=wait_s)
    if now >= sent.deadline_at:
        return _dead(sent, outcome, f"deadline passed; the last: {outcome.detail or outcome.kind}", counted=counted)
    due_at = min(due_at, max(sent.deadline_at, now))
    return Next(sent.id, "ready", outcome.kind, attempts, counted, due_at, verify=isinstance(outcome, Unknown))


def _dead(sent: Sent, outcome: Outcome, reason: str, *, counted: bool) -> Next:
    verify = isinstance(outcome, Unknown)
    return Next(sent.id, "dead", outcome.kind, sent.attempts + counted, counted, verify=verify, reason=reason)
