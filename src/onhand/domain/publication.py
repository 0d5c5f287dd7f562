"""When a channel is told a number: now, later, or not at all; what is told of each location; and how much at a time.

A publication is a state, not a message: what a listing should show (desired), what it is taken to show (shown), and
nothing in between. So there is no number that can grow old in a queue, and a thousand changes are one call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from onhand.domain.availability import attribute_safety
from onhand.domain.channel_stock import Figure
from onhand.domain.endpoint import Limits
from onhand.domain.publishing import Publishing
from onhand.domain.quantity import floor_to

State = Literal["listed", "unlisted", "refused", "stuck", "off"]
"""listed: kept right · unlisted: the channel says that it knows no such listing · refused: it does not accept our
number · stuck: it shows another number whatever it is told · off: we publish it no more. Only the first is told
anything; the next three wait for a person or for a change."""

Cause = Literal["change", "refresh", "repair", "now", "retry"]
"""Why a listing is looked at: its number changed · it is told again after a while · it shows what it should not · a
person said so · the last try failed."""

FORCED: frozenset[Cause] = frozenset({"repair", "now", "retry"})
"""Causes that no damping holds back."""

REFUSALS_MAX = 3
"""Refusals of a listing one after the other, before only a person or a change of its name has it tried again."""

STUBBORN_MAX = 3
"""Times that a channel is told a number and shows another, before telling it again is given up."""

AWAITING_LOOK_S = 300
"""How much later a listing is looked at that the channel has not answered for: what it shows now says nothing."""

RETRY_FIRST_S = 60
RETRY_LONGEST_S = 21_600


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision needs to know of a listing. `awaits`: the channel has not yet answered the last call."""

    desired: int
    shown: int | None
    state: State = "listed"
    cause: Cause = "change"
    sent_at: datetime | None = None
    awaits: bool = False


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What a day's cap leaves a listing: so many of `cap` are used, and this part of the day is still to come."""

    cap: int
    used: int
    day_left: float
    next_day: datetime


class Verdict(msgspec.Struct, frozen=True):
    """What to do with a listing: `send` in a lane, `wait` until an instant, or `nothing` until something changes."""

    act: Literal["send", "wait", "nothing"]
    lane: str = ""
    until: datetime | None = None


NOTHING = Verdict("nothing")


def decide(standing: Standing, policy: Publishing, *, now: datetime, allowance: Allowance | None = None) -> Verdict:
    """Return what to do with a listing now."""
    if standing.state != "listed" or standing.awaits:
        return NOTHING
    scarce = is_scarce(standing, policy)
    lane = _lane(standing, scarce=scarce)
    held = None if lane is None or scarce or standing.cause in FORCED else _damped(standing, policy, now=now)
    if lane is None or held is not None:
        return held or NOTHING
    return _allowed(standing, policy, scarce=scarce, lane=lane, now=now, day=allowance)


def _lane(standing: Standing, *, scarce: bool) -> str | None:
    """Return how urgent telling a listing is, None where there is nothing to tell."""
    if standing.shown is None or standing.cause in FORCED:
        return "urgent" if scarce else "normal"
    if standing.shown == standing.desired:
        return "bulk" if standing.cause == "refresh" else None
    return "urgent" if scarce and standing.shown > standing.desired else "normal"


def _damped(standing: Standing, policy: Publishing, *, now: datetime) -> Verdict | None:
    """Return what holds back a number that is not scarce; None where nothing does."""
    if standing.shown is None or standing.cause == "refresh":
        return None
    if abs(standing.shown - standing.desired) < policy.min_change:
        return NOTHING
    again = None if standing.sent_at is None else standing.sent_at + timedelta(seconds=policy.interval_s)
    return Verdict("wait", until=again) if again is not None and again > now else None


def is_scarce(standing: Standing, policy: Publishing) -> bool:
    """Tell whether a listing is scarce: it should show few, or shows few; nought is scarce under any policy."""
    shown = standing.desired if standing.shown is None else standing.shown
    least = min(standing.desired, shown)
    return least < policy.scarce_below or (least == 0 and shown != standing.desired)


def _allowed(
    standing: Standing, policy: Publishing, *, scarce: bool, lane: str, now: datetime, day: Allowance | None
) -> Verdict:
    """Send, unless the day's cap of the listing says that what is left of it will be needed more."""
    if day is None:
        return Verdict("send", lane)
    left = day.cap - day.used
    if left <= 0:
        return Verdict("wait", until=day.next_day)
    if scarce:
        # The last one is for going to nought: an oversell then could not be undone before tomorrow.
        if left > 1 or day.cap == 1 or standing.desired == 0 or day.day_left < 1 / (2 * day.cap):
            return Verdict("send", lane)
        return Verdict("wait", until=_when(day, now, 1 / (2 * day.cap)))
    kept = day.cap * policy.reserve_percent / 100
    if left > math.ceil(kept * day.day_left):
        return Verdict("send", lane)
    return Verdict("wait", until=_when(day, now, left / kept - 1 / kept if kept else 0.0))


def _when(day: Allowance, now: datetime, day_left: float) -> datetime:
    """Return the instant at which so much of the day is left, a second late; never later than the next day."""
    seconds_left = (day.next_day - now).total_seconds()
    whole = seconds_left / day.day_left if day.day_left > 0 else 86_400.0
    at = day.next_day - timedelta(seconds=max(0.0, whole * min(day_left, day.day_left)))
    return max(now + timedelta(seconds=1), min(day.next_day, at + timedelta(seconds=1)))


def sellable_of(total: int, *, safety: int, max_listed: int | None, selling_unit: int) -> int:
    """Return a channel's number from what may be taken at its locations together, as `availability.ats` does."""
    listed = total - min(max(safety, 0), total)
    if max_listed is not None:
        listed = min(listed, max(max_listed, 0))
    return floor_to(listed, selling_unit)


def split(figure: Figure, sites: Sequence[int], *, unit: int = 1) -> dict[int, int]:
    """Return what a channel may be told of each location; together never more than its figure.

    What the channel as a whole is denied (safety stock, listing limit, broken selling units) is kept back at the
    locations where orders go last. `sites` are the channel's locations in standing order of preference.
    """
    reach = dict.fromkeys(sites, 0)
    for one in figure.summands:
        if one.location_id in reach:
            reach[one.location_id] += one.quantity
    reaches = [max(0, reach[site]) for site in sites]
    if sites and not any(reaches) and figure.quantity:
        reaches[0] = figure.quantity  # nothing of it stands anywhere: a service
    keeps = attribute_safety(reaches, sum(reaches) - figure.quantity)
    return {site: floor_to(has - kept, unit) for site, has, kept in zip(sites, reaches, keeps, strict=True)}


def horizon(limits: Limits, quota: Limits | None, *, batch: int, share: int, seconds: float, most: int) -> int:
    """Return how many commands an endpoint can be expected to send in so many seconds, at least one call's.

    Only so many are written ahead, so that which comes next is decided late. `share` endpoints use the quota.
    """
    calls = min(_flow(limits, seconds), _flow(quota, seconds) / max(1, share))
    if calls * batch >= most:
        return most
    return max(batch, math.ceil(calls * batch))


def _flow(limits: Limits | None, seconds: float) -> float:
    if limits is None:
        return math.inf
    flows = [each.calls_per_s * seconds for each in limits.rates]
    flows += [each.calls * seconds / each.in_s for each in limits.sliding]
    if limits.daily is not None and not limits.daily.per_key:
        flows.append(float(limits.daily.calls))
    if limits.cost is not None and limits.cost.per_call:
        flows.append(limits.cost.restore_per_s * seconds / limits.cost.per_call)
    return min(flows, default=math.inf)


def retry_s(failures: int) -> int:
    """Return how long a listing rests after so many tries that came to nothing, one after the other."""
    wait_s: int = RETRY_FIRST_S << min(20, max(0, failures - 1))
    return min(RETRY_LONGEST_S, wait_s)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel was found to show, beside what it was told and should show.

    `why` it was looked at: a `doubt` after a call whose outcome was never known, a `conflict` of a compare-and-set, a
    number that had `sold` lower before; or as a sample.
    """

    shown: int | None
    told: int | None
    desired: int
    why: str | None = None
    stubborn: int = 0


class Finding(msgspec.Struct, frozen=True):
    """What a look at a channel means.

    `in_step` · `sold`: it shows less, and its orders may be on their way · `drift`: it is told again · `stuck`: telling
    it again is given up · `unlisted`.
    """

    what: Literal["in_step", "sold", "drift", "stuck", "unlisted"]


def judge(look: Look, policy: Publishing) -> Finding:
    """Return what a look at a channel means."""
    if look.shown is None:
        return Finding("unlisted")
    if look.told is None or look.shown in (look.told, look.desired):
        return Finding("in_step")
    if policy.order_lag_s and look.shown < look.told and look.why != "sold":
        # It sold; what it should show is not known before its orders are here. Lowering is right at any time.
        return Finding("sold" if look.shown < look.desired else "in_step")
    if look.why == "conflict":
        return Finding("in_step")
    return Finding("stuck" if look.stubborn + 1 >= STUBBORN_MAX else "drift")


def visible_at(policy: Publishing, *, acknowledged_at: datetime | None, awaits: bool, now: datetime) -> datetime | None:
    """Return when it makes sense to look at a listing, None where that is now."""
    if awaits:
        return now + timedelta(seconds=AWAITING_LOOK_S)
    if acknowledged_at is None:
        return None
    seen_at = acknowledged_at + timedelta(seconds=policy.visible_after_s)
    return seen_at if seen_at > now else None


def keyed(listing: str, location: str | None) -> str:
    """Return what makes a listing's number one and the same towards a partner: its key for order and results."""
    return listing if location is None else f"{listing}@{location}"
