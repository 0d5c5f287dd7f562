"""What a channel is told while a source of its numbers is stale, and how that ends by itself.

A number is as good as what it rests on. When a feed is silent for longer than it promised, the channel's contract says
what to show instead; when it is heard again, the stage is `fresh` and the number is the hub's own again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from onhand.domain.publishing import Fallback

TICK_S = 60
"""With `last_known_minus_velocity` numbers go on falling; they are worked out anew once in so many seconds."""


class Freshness(Protocol):
    """When a feed was last heard, and since when it counts as stale (None: it does not)."""

    @property
    def last_heard_at(self) -> datetime | None:
        """When it was last heard or found empty."""

    @property
    def stale_since(self) -> datetime | None:
        """Since when it is stale."""


class Stage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a channel has fallen back. `age_s` is how long nothing was heard, in whole ticks."""

    kind: Literal["fresh", "shrink", "velocity", "zero"] = "fresh"
    source: str = ""
    since: datetime | None = None
    percent: int = 100
    age_s: int = 0

    @property
    def fresh(self) -> bool:
        """Whether numbers are the hub's own."""
        return self.kind == "fresh"


FRESH = Stage()


def stage(policy: Fallback | None, heard: Mapping[str, Freshness], *, now: datetime) -> Stage:
    """Return how far a channel has to fall back; a feed that nobody knows of is taken to be fresh."""
    if policy is None:
        return FRESH
    stale = [(f.stale_since, code, f) for code in policy.sources if (f := heard.get(code)) and f.stale_since]
    if not stale:
        return FRESH
    since, code, found = min(stale, key=lambda each: (each[0], each[1]))
    assert since is not None
    stale_s = (now - since).total_seconds()
    if policy.zero_after_s is not None and stale_s >= policy.zero_after_s:
        return Stage(kind="zero", source=code, since=since)
    if stale_s < policy.shrink_after_s or policy.mode == "zero":
        return FRESH
    if policy.mode == "shrink":
        return Stage(kind="shrink", source=code, since=since, percent=policy.factor_percent)
    silent_s = (now - (found.last_heard_at or since)).total_seconds()
    return Stage(kind="velocity", source=code, since=since, age_s=math.ceil(silent_s / TICK_S) * TICK_S)


def lessened(number: int, at: Stage, *, per_h: float) -> int:
    """Return what is shown instead of a number."""
    if at.kind == "zero":
        return 0
    if at.kind == "shrink":
        return number * at.percent // 100
    if at.kind == "velocity":
        return max(0, number - math.ceil(per_h * at.age_s / 3_600))
    return number
