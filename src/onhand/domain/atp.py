"""ATP: how much can be promised for a date, given what is on hand, what is coming and what is already promised.

    projected(t) = on hand + supply due by t - demand due by t
    ATP(d)       = min over t >= d of projected(t)          (cumulative ATP with look-ahead)

The look-ahead minimum is what keeps a promise for Tuesday from eating the units that an order of next week
already has. The increase of ATP(d) from one row to the next is the discrete ATP of the textbooks, with a later
shortage already taken back from earlier receipts. (Sources: APICS Dictionary, "cumulative available-to-promise
with look-ahead"; the same rule in Microsoft Dynamics, "About ATP calculations".)

Supply counts at its declared reliability, rounded down. Supply of today serves demand of today. Demand that is
past due is demand of today. Supply that is past due follows a policy, because it may be a late truck or a
forgotten order.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Literal

import msgspec

PastDuePolicy = Literal["ignore", "today", "delay"]


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """Base units that are to arrive on a day, and how far the statement can be relied on (0 to 100 percent)."""

    due: datetime.date
    quantity: int
    reliability_percent: int = 100


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """Base units that are promised for a day and have not left yet."""

    due: datetime.date
    quantity: int


class PastDue(msgspec.Struct, frozen=True, kw_only=True):
    """What to believe of supply that should have come before today.

    `ignore`: it does not come; `today`: it comes today; `delay`: it comes `delay_days` after today.
    """

    policy: PastDuePolicy = "ignore"
    delay_days: int = 0


class AtpRow(msgspec.Struct, frozen=True, kw_only=True):
    """One day on which something changes. `atp` holds from this day to the day before the next row.

    `atp` may be negative: that much is promised without cover. `discrete` is the increase over the row before.
    """

    day: datetime.date
    supply: int
    demand: int
    projected: int
    atp: int
    discrete: int


def atp_table(
    *,
    today: datetime.date,
    on_hand: int,
    inbound: Iterable[Inbound] = (),
    demand: Iterable[Demand] = (),
    past_due: PastDue | None = None,
) -> tuple[AtpRow, ...]:
    """Return the cumulative ATP table, one row for today and for each later day on which something is due.

    `on_hand` is what is free to serve dated demand (base units; deduct safety stock and undated holds first).
    """
    supply_by_day = _supply_by_day(today, inbound, past_due or PastDue())
    demand_by_day = _demand_by_day(today, demand)
    days = sorted({today, *supply_by_day, *demand_by_day})
    changes = [supply_by_day.get(day, 0) - demand_by_day.get(day, 0) for day in days]
    projected = list(accumulate(changes, initial=on_hand))[1:]
    promisable = list(accumulate(reversed(projected), min))[::-1]
    return tuple(
        AtpRow(
            day=day,
            supply=supply_by_day.get(day, 0),
            demand=demand_by_day.get(day, 0),
            projected=level,
            atp=atp,
            discrete=atp - before,
        )
        for day, level, atp, before in zip(days, projected, promisable, [0, *promisable], strict=False)
    )


def atp_on(table: Sequence[AtpRow], day: datetime.date) -> int:
    """Return what can be promised for `day`, never below zero; a day before the table's first counts as it."""
    rows = [row for row in table if row.day <= day] or table[:1]
    return max(0, rows[-1].atp)


def earliest(table: Sequence[AtpRow], quantity: int) -> datetime.date | None:
    """Return the first day for which `quantity` (>= 1 base units) can be promised, None when there is none."""
    return next((row.day for row in table if row.atp >= quantity), None)


def _supply_by_day(today: datetime.date, inbound: Iterable[Inbound], past_due: PastDue) -> dict[datetime.date, int]:
    late = today + datetime.timedelta(days=past_due.delay_days if past_due.policy == "delay" else 0)
    by_day: dict[datetime.date, int] = {}
    for arrival in inbound:
        if arrival.due < today and past_due.policy == "ignore":
            continue
        day = arrival.due if arrival.due >= today else late
        by_day[day] = by_day.get(day, 0) + arrival.quantity * arrival.reliability_percent // 100
    return by_day


def _demand_by_day(today: datetime.date, demand: Iterable[Demand]) -> dict[datetime.date, int]:
    by_day: dict[datetime.date, int] = {}
    for order in demand:
        day = max(order.due, today)
        by_day[day] = by_day.get(day, 0) + order.quantity
    return by_day
