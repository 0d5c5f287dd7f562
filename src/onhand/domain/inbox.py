"""What becomes of a message: how a try to map it ends, when it is tried again, when it needs a person.

A message that is bad is a dead letter at once, for trying again changes nothing. What our side fails on is tried again,
a limited number of times. What only waits, for a database that is down say, counts as nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from onhand.domain import retry
from onhand.domain.endpoint import Retry

State = Literal["new", "mapped", "quarantined", "dead", "discarded"]
STATES: tuple[State, ...] = ("new", "mapped", "quarantined", "dead", "discarded")
NEED_A_PERSON: tuple[State, ...] = ("quarantined", "dead")

AGAIN = Retry(first_s=1.0, longest_s=300.0)
"""How patiently our own faults are tried again: five tries take about half a minute, twenty about an hour."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a message, or with one record of it: a stable word, words for a person, where in the body."""

    code: str
    detail: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a try ended, as it is written down. `due_at` is set for what is tried again."""

    state: State
    attempts: int
    outcome: Literal["mapped", "quarantined", "dead", "again"]
    counted: bool = False
    due_at: datetime | None = None
    reason: str = ""
    place: str = ""


def mapped(troubles: Sequence[Trouble], *, quarantined: int, attempts: int, notes: Sequence[str] = ()) -> End:
    """Return the end of a try that went through: what is bad in it makes it a dead letter, all the rest is applied."""
    if troubles:
        first = troubles[0]
        more = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
        return End(state="dead", attempts=attempts, outcome="dead", reason=f"{first}{more}", place=first.place)
    reason = "; ".join(notes)
    if quarantined:
        held = f"{quarantined} of its events {'lies' if quarantined == 1 else 'lie'} in quarantine"
        return End(
            state="quarantined",
            attempts=attempts,
            outcome="quarantined",
            reason="; ".join(filter(None, (held, reason))),
        )
    return End(state="mapped", attempts=attempts, outcome="mapped", reason=reason)


def failed(reason: str, *, attempts: int, attempts_max: int, now: datetime, draw: float) -> End:
    """Return the end of a try that our side failed; `attempts` counts those before it."""
    attempts += 1
    if attempts >= attempts_max:
        return End(state="dead", attempts=attempts, outcome="dead", counted=True, reason=reason)
    due_at = now + timedelta(seconds=retry.wait_s(AGAIN, attempts=attempts, draw=draw))
    return End(state="new", attempts=attempts, outcome="again", counted=True, due_at=due_at, reason=reason)


def waits(reason: str, *, attempts: int, now: datetime, seconds: float) -> End:
    """Return the end of a try that something stood before which has nothing to do with the message."""
    return End(state="new", attempts=attempts, outcome="again", due_at=now + timedelta(seconds=seconds), reason=reason)


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """How fresh a feed is. `stale_since` None: it is as fresh as it promised, or promised nothing."""

    last_heard_at: datetime | None
    stale_since: datetime | None = None


def freshness(
    *, now: datetime, known_since: datetime, last_heard_at: datetime | None, expect_within_s: int | None
) -> Freshness:
    """Return how fresh a feed is: heard means a message, or the partner's word that there is none."""
    if expect_within_s is None:
        return Freshness(last_heard_at=last_heard_at)
    promised = (last_heard_at or known_since) + timedelta(seconds=expect_within_s)
    return Freshness(last_heard_at=last_heard_at, stale_since=promised if promised < now else None)
