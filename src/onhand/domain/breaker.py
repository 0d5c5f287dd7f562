"""When a partner counts as down: a circuit breaker over the share of failed calls, with probes that double their pause.

"The target is down" and "the message is bad" are different things. Only calls that say nothing about the message (no
connection, a server's own error, no answer) count as failures here; a refusal is a sign of life.

States: closed (calls flow) → open (nothing is sent) → probing (as many calls as the policy says) → closed or open.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from onhand.domain.endpoint import Breaker

SLICES = 10
"""The window is forgotten in tenths."""


class Tally(msgspec.Struct, frozen=True):
    """Calls of one slice of the window."""

    number: int
    good: int = 0
    bad: int = 0


class Circuit(msgspec.Struct, frozen=True):
    """The state of a breaker. `until` is set while it is open: the first probe may go then."""

    tallies: tuple[Tally, ...] = ()
    opened_at: datetime | None = None
    until: datetime | None = None
    open_s: float = 0
    probes_good: int = 0
    reason: str = ""

    @property
    def closed(self) -> bool:
        """Whether calls flow."""
        return self.until is None

    def status(self, now: datetime) -> Literal["closed", "open", "probing"]:
        """Return the state in a word."""
        if self.until is None:
            return "closed"
        return "open" if now < self.until else "probing"


CLOSED = Circuit()


class Passing(msgspec.Struct, frozen=True):
    """How many calls may pass (None: as many as there are), whether they are probes, when to ask again if none."""

    calls: int | None
    probe: bool = False
    back_at: datetime | None = None


def passing(policy: Breaker, circuit: Circuit, *, now: datetime, probes_in_flight: int) -> Passing:
    """Return what the breaker lets pass at this instant."""
    if circuit.until is None:
        return Passing(None)
    if now < circuit.until:
        return Passing(0, back_at=circuit.until)
    return Passing(max(0, policy.probes - circuit.probes_good - probes_in_flight), probe=True)


def learn(
    policy: Breaker,
    circuit: Circuit,
    *,
    now: datetime,
    good: int = 0,
    bad: int = 0,
    probe: bool = False,
    reason: str = "",
) -> Circuit:
    """Return the state after so many calls went well and so many failed.

    Answers to calls that were made before it opened change nothing while it is open: only probes tell.
    """
    if circuit.until is not None:
        return _probed(policy, circuit, now=now, good=good, bad=bad, reason=reason) if probe else circuit
    tallies = _counted(policy, circuit.tallies, now=now, good=good, bad=bad)
    failed = sum(one.bad for one in tallies)
    calls = failed + sum(one.good for one in tallies)
    if bad and calls >= policy.calls_min and failed * 100 >= calls * policy.failures_percent:
        return opened(policy, now=now, reason=reason)
    return Circuit(tallies=tallies)


def opened(policy: Breaker, *, now: datetime, reason: str) -> Circuit:
    """Return a breaker that opens at this instant, whatever it counted."""
    return Circuit(opened_at=now, until=now + timedelta(seconds=policy.open_s), open_s=policy.open_s, reason=reason)


def _probed(policy: Breaker, circuit: Circuit, *, now: datetime, good: int, bad: int, reason: str) -> Circuit:
    if bad:
        open_s = min(float(policy.open_max_s), max(circuit.open_s, float(policy.open_s)) * 2)
        return msgspec.structs.replace(
            circuit,
            until=now + timedelta(seconds=open_s),
            open_s=open_s,
            probes_good=0,
            reason=reason or circuit.reason,
        )
    probes_good = circuit.probes_good + good
    return CLOSED if probes_good >= policy.probes else msgspec.structs.replace(circuit, probes_good=probes_good)


def _counted(policy: Breaker, tallies: tuple[Tally, ...], *, now: datetime, good: int, bad: int) -> tuple[Tally, ...]:
    number = int(now.timestamp() * SLICES // policy.window_s)
    living = [one for one in tallies if one.number > number - SLICES]
    if living and living[-1].number >= number:
        last = living.pop()
        return (*living, Tally(last.number, last.good + good, last.bad + bad))
    return (*living, Tally(number, good, bad))
