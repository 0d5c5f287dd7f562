"""How often a partner may be called: token buckets, sliding windows, points that its answers tell, calls on a day.

Everything is counted in whole numbers (microseconds, millionths of a call), and every rounding is to the safe side:
what was used up never becomes less than it is. State holds debts, not credits, so that a changed policy takes effect
at once on what has been used. A refusal says when to come back; asking again earlier is harmless and useless.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

import msgspec

from onhand.domain.endpoint import Cost, Daily, Limits, Rate, Sliding
from onhand.domain.windows import day_after, day_of

_T = TypeVar("_T")

MICRO = 1_000_000
SLICES = 20
"""A sliding window is counted in slices, each forgotten only when all of it lies outside: at most 1/20 too strict."""


class Debt(msgspec.Struct, frozen=True):
    """What a bucket lacks, in millionths, at an instant in microseconds since 1970; it is paid back steadily."""

    micro: int = 0
    at_us: int = 0


class Points(msgspec.Struct, frozen=True):
    """A bucket of points, with what the partner last said of its size and its flow."""

    debt: Debt = Debt()
    capacity: int | None = None
    restore_per_s: float | None = None


class Slice(msgspec.Struct, frozen=True):
    """Calls that were made in one slice of a sliding window."""

    number: int
    calls: int


class Today(msgspec.Struct, frozen=True):
    """Calls that were made on a calendar day."""

    day: date | None = None
    calls: int = 0


class Throttle(msgspec.Struct, frozen=True):
    """What is used up of the limits of one endpoint or quota. A fresh one has used nothing."""

    rates: tuple[Debt, ...] = ()
    sliding: tuple[tuple[Slice, ...], ...] = ()
    cost: Points = Points()
    today: Today = Today()
    held_until_us: int = 0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer of the partner says about points: what it cost, what is left, what the bucket holds."""

    actual: int | None = None
    available: int | None = None
    capacity: int | None = None
    restore_per_s: float | None = None


class Room(msgspec.Struct, frozen=True):
    """How many calls may be made now; where that is none, when to come back and which limit says so."""

    calls: int
    back_at: datetime | None = None
    limit: str | None = None


def room(limits: Limits, used: Throttle, *, now: datetime, wanted: int, commands: int = 1) -> Room:
    """Return how many of the wanted calls, each of up to so many commands, may be made at this instant."""
    verdicts = list(_verdicts(limits, used, now, micros(now), commands))
    most = min((calls for calls, _, _ in verdicts), default=wanted)
    if most >= 1 or wanted < 1:
        return Room(min(wanted, most))
    back_us, limit = max((back_us, limit) for calls, back_us, limit in verdicts if calls < 1)
    return Room(0, instant(back_us), limit)


def take(limits: Limits, used: Throttle, *, now: datetime, calls: int, commands: int) -> Throttle:
    """Return what is used up after so many calls that carry so many commands together."""
    now_us = micros(now)
    rates = tuple(
        _add(_paid(debt, now_us, _flow(rate.calls_per_s)), calls * MICRO)
        for rate, debt in zip(limits.rates, _filled(used.rates, len(limits.rates), Debt()), strict=True)
    )
    sliding = tuple(
        _note(each, slices, now_us, calls)
        for each, slices in zip(limits.sliding, _filled(used.sliding, len(limits.sliding), ()), strict=True)
    )
    cost, today = used.cost, used.today
    if limits.cost is not None:
        price = calls * limits.cost.per_call + commands * limits.cost.per_command
        cost = msgspec.structs.replace(cost, debt=_add(_points_debt(limits.cost, cost, now_us), price * MICRO))
    if limits.daily is not None and not limits.daily.per_key:
        today = Today(_day(limits.daily, now), _made_today(limits.daily, today, now) + calls)
    return Throttle(rates, sliding, cost, today, used.held_until_us)


def hold(used: Throttle, *, until: datetime) -> Throttle:
    """Return the state after the partner said that it wants no call before an instant."""
    return msgspec.structs.replace(used, held_until_us=max(used.held_until_us, micros(until)))


def learn(limits: Limits, used: Throttle, told: Told, *, now: datetime, expected: int, in_flight: int = 0) -> Throttle:
    """Return the state after an answer told about points; `in_flight` are points of calls not yet answered.

    Our own count is corrected by what the call really cost; where the partner has less left than we thought, its word
    stands, because others may draw from the same bucket.
    """
    if limits.cost is None:
        return used
    told_all = msgspec.structs.replace(
        used.cost,
        capacity=told.capacity if told.capacity is not None else used.cost.capacity,
        restore_per_s=told.restore_per_s if told.restore_per_s is not None else used.cost.restore_per_s,
    )
    now_us = micros(now)
    debt = _points_debt(limits.cost, told_all, now_us)
    if told.actual is not None:
        debt = Debt(max(0, debt.micro + (told.actual - expected) * MICRO), now_us)
    if told.available is not None:
        lacking = _capacity(limits.cost, told_all) - told.available + in_flight
        debt = Debt(max(debt.micro, lacking * MICRO), now_us)
    return msgspec.structs.replace(used, cost=msgspec.structs.replace(told_all, debt=debt))


def expected_cost(limits: Limits, *, commands: int) -> int:
    """Return the points that one call of so many commands is expected to cost."""
    return 0 if limits.cost is None else limits.cost.per_call + commands * limits.cost.per_command


def micros(at: datetime) -> int:
    """Return an instant in microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def instant(us: int) -> datetime:
    """Return the instant of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _verdicts(
    limits: Limits, used: Throttle, now: datetime, now_us: int, commands: int
) -> Iterable[tuple[int, int, str]]:
    """Yield, for each limit, the calls that it allows, when to come back where that is none, and its name."""
    if used.held_until_us > now_us:
        yield 0, used.held_until_us, "held"
    for rate, debt in zip(limits.rates, _filled(used.rates, len(limits.rates), Debt()), strict=True):
        yield *_of_bucket(debt, now_us, flow=_flow(rate.calls_per_s), size=rate.burst, each=1), _rate_name(rate)
    for each, slices in zip(limits.sliding, _filled(used.sliding, len(limits.sliding), ()), strict=True):
        yield *_of_sliding(each, slices, now_us), f"{each.calls} calls in {each.in_s} s"
    if limits.cost is not None:
        flow, size = _points_flow(limits.cost, used.cost), _capacity(limits.cost, used.cost)
        each_call = min(size, limits.cost.per_call + commands * limits.cost.per_command)
        yield *_of_bucket(used.cost.debt, now_us, flow=flow, size=size, each=each_call), "cost"
    if limits.daily is not None and not limits.daily.per_key:
        left = limits.daily.calls - _made_today(limits.daily, used.today, now)
        yield left, micros(day_after(now, timezone=limits.daily.timezone)), f"{limits.daily.calls} calls a day"


def _rate_name(rate: Rate) -> str:
    return f"{rate.calls_per_s:g} calls/s, burst {rate.burst}"


def _flow(per_s: float) -> int:
    """Return a rate in millionths a second, rounded down."""
    return int(per_s * MICRO)


def _paid(debt: Debt, now_us: int, flow: int) -> Debt:
    """Return a debt after what has been paid back since. A clock that went back pays nothing back."""
    if now_us <= debt.at_us:
        return debt
    return Debt(max(0, debt.micro - (now_us - debt.at_us) * flow // MICRO), now_us)


def _add(debt: Debt, micro: int) -> Debt:
    return Debt(debt.micro + micro, debt.at_us)


def _of_bucket(debt: Debt, now_us: int, *, flow: int, size: int, each: int) -> tuple[int, int]:
    if each == 0:
        return _UNBOUNDED, now_us
    left = size * MICRO - _paid(debt, now_us, flow).micro
    if left >= each * MICRO:
        return left // (each * MICRO), now_us
    base_us = max(now_us, debt.at_us)
    return 0, base_us + -((left - each * MICRO) * MICRO // flow)


_UNBOUNDED = 1 << 40


def _of_sliding(each: Sliding, slices: tuple[Slice, ...], now_us: int) -> tuple[int, int]:
    living = _living(each, slices, now_us)
    left = each.calls - sum(one.calls for one in living)
    if left >= 1:
        return left, now_us
    freed, back_us = left, now_us
    for one in living:
        freed += one.calls
        back_us = _forgotten_us(each, one)
        if freed >= 1:
            break
    return 0, back_us


def _slice_us(each: Sliding) -> int:
    return max(1, each.in_s * MICRO // SLICES)


def _forgotten_us(each: Sliding, one: Slice) -> int:
    return (one.number + 1) * _slice_us(each) + each.in_s * MICRO


def _living(each: Sliding, slices: tuple[Slice, ...], now_us: int) -> tuple[Slice, ...]:
    return tuple(one for one in slices if _forgotten_us(each, one) > now_us)


def _note(each: Sliding, slices: tuple[Slice, ...], now_us: int, calls: int) -> tuple[Slice, ...]:
    living = _living(each, slices, now_us)
    number = now_us // _slice_us(each)
    if living and living[-1].number >= number:
        return (*living[:-1], Slice(living[-1].number, living[-1].calls + calls))
    return (*living, Slice(number, calls))


def _capacity(cost: Cost, points: Points) -> int:
    return cost.capacity if points.capacity is None else points.capacity


def _points_flow(cost: Cost, points: Points) -> int:
    return max(1, _flow(cost.restore_per_s if points.restore_per_s is None else points.restore_per_s))


def _points_debt(cost: Cost, points: Points, now_us: int) -> Debt:
    return _paid(points.debt, now_us, _points_flow(cost, points))


def _day(daily: Daily, now: datetime) -> date:
    return day_of(now, timezone=daily.timezone)


def _made_today(daily: Daily, today: Today, now: datetime) -> int:
    """Return the calls of this day. After a clock that went back, the later day's count stands."""
    if today.day is None or today.day < _day(daily, now):
        return 0
    return today.calls


def _filled(values: tuple[_T, ...], n: int, empty: _T) -> tuple[_T, ...]:
    """Return the first n values, made up with empty ones: a policy that grew a limit starts it fresh."""
    return (*values[:n], *(empty for _ in range(n - len(values))))
