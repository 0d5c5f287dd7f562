"""What it may cost to leave a wrong number on a channel for a while longer: the order in which a quota is spent.

Demand until the next slot is taken as Poisson with mean mu = velocity * wait. While a channel shows more than there is,
something is sold that is not there as soon as demand exceeds what there is:

    P(oversell) = P(D >= desired + 1)        while shown > desired, or nobody knows what it shows
    P(missed)   = P(D >= shown + 1)          while shown < desired: only a sale is missed, so it weighs less

    cost = (P(oversell) or MISSED_WEIGHT * P(missed)) * margin

This is the stock-out probability of an (s, Q) system under Poisson demand (Hadley and Whitin, Analysis of Inventory
Systems, 1963, chapter 4). Everything is a logarithm, because what a plentiful item risks in a minute is far below the
smallest number that there is, and its order still matters when ten thousand wait:

    ln P(D >= k) = -mu + k ln(mu) - ln(k!) + ln(1 + mu/(k+1) + mu^2/((k+1)(k+2)) + ...)     for k > mu

Where k <= mu it is more likely than not, and taken as certain. Velocity is what a number has lately lost, in units an
hour, with a half-life of a day: a statistic, so the only floating-point quantity of the area. An item without a history
gets PRIOR_PER_H, so that few units come before many.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

import msgspec

PRIOR_PER_H: Final = 1 / 24
"""What an item without history is taken to sell: one unit a day."""

HALF_LIFE_S: Final = 86_400.0
MISSED_WEIGHT: Final = 0.2
"""A missed sale costs a margin; an oversell costs it too, and a cancellation, and the channel's good will."""

TERMS_MAX: Final = 200
"""Terms of the series; what is left out of it is bounded by the geometric series that it falls below."""

RANK_STEPS: Final = 4
"""Steps of a rank for each doubling of the cost: coarse, so that ranks seldom change and rows are cheap to keep."""

NO_RISK: Final = -1e6
RANK_MIN: Final = -2_000_000_000
REFRESH_RANK: Final = RANK_MIN - 1
"""Below every risk: what is told again without being wrong."""


class Velocity(msgspec.Struct, frozen=True):
    """Units that lately went in an hour, as of an instant."""

    per_h: float = 0.0
    at: datetime | None = None


def learn(known: Velocity, *, before: int, after: int, now: datetime) -> Velocity:
    """Return the velocity after a number went from one value to another; what rises is no demand."""
    fresh = max(0, before - after) * math.log(2) / HALF_LIFE_S * 3_600
    if known.at is None:
        return Velocity(fresh, now)
    seconds = max(0.0, (now - known.at).total_seconds())
    return Velocity(known.per_h * 0.5 ** (seconds / HALF_LIFE_S) + fresh, now)


def cost(*, desired: int, shown: int | None, per_h: float, wait_s: float, margin: int) -> float:
    """Return the logarithm (base 2) of what leaving a number for so long may cost; NO_RISK where it is right.

    `shown` None: nobody knows what it shows.
    """
    if shown == desired:
        return NO_RISK
    mean = max(per_h, PRIOR_PER_H) * max(wait_s, 1.0) / 3_600
    over = shown is None or shown > desired
    least = desired if shown is None or shown > desired else shown
    value = max(margin, 1) * (1.0 if over else MISSED_WEIGHT)
    return max(NO_RISK + 1, (ln_tail(least + 1, mean) + math.log(value)) / _LN_2)


def rank(log_cost: float) -> int:
    """Return a cost as a whole number that keeps its order, in steps of a fifth."""
    return max(RANK_MIN, math.floor(log_cost * RANK_STEPS))


def ln_tail(k: int, mean: float) -> float:
    """Return ln P(D >= k) for Poisson demand D."""
    if k <= mean:
        return 0.0
    term, series = 1.0, 1.0
    for number in range(k + 1, k + 1 + TERMS_MAX):
        term *= mean / number
        series += term
        if term < series * 1e-12:
            break
    else:
        series += term * mean / (number + 1 - mean)
    return min(0.0, k * math.log(mean) - mean - math.lgamma(k + 1) + math.log(series))


_LN_2 = math.log(2)
