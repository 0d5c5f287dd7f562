"""Cross-checks of endpoints and quotas: what they refer to, and limits that contradict each other."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from functools import cache

from onhand.app.network_files.checking import Checking
from onhand.app.network_files.mistakes import Mistake, quoted
from onhand.app.network_files.typed import Path
from onhand.domain.endpoint import DEFAULT_LANES, Endpoint, Limits

WEBHOOK = "webhook"


def check_endpoints(c: Checking) -> Iterator[Mistake]:
    """Yield what is wrong with endpoints and the quotas that they share."""
    for code, quota in c.network.quotas.items():
        yield from _limits(c, ("quotas", code, "limits"), quota.limits)
    for endpoint in c.network.endpoints.values():
        path = ("endpoints", endpoint.code)
        yield from _limits(c, (*path, "limits"), endpoint.limits)
        yield from _windows(c, path, endpoint)
        if not endpoint.retired:
            yield from c.system((*path, "system"), endpoint.system)
            yield from _quota(c, path, endpoint)
            yield from _webhook(c, path, endpoint)
        if endpoint.retry.first_s > endpoint.retry.longest_s:
            found, expected = f"{endpoint.retry.first_s:g}", f"at most longest_s, which is {endpoint.retry.longest_s:g}"
            yield c.mistake((*path, "retry", "first_s"), found=found, expected=expected)
        if endpoint.breaker.open_s > endpoint.breaker.open_max_s:
            expected = f"at most open_max_s, which is {endpoint.breaker.open_max_s}"
            yield c.mistake((*path, "breaker", "open_s"), found=str(endpoint.breaker.open_s), expected=expected)


def _quota(c: Checking, path: Path, endpoint: Endpoint) -> Iterator[Mistake]:
    if endpoint.quota is None:
        return
    if not c.exists("quotas", endpoint.quota):
        expected = "a quota that is declared"
        yield c.unknown((*path, "quota"), endpoint.quota, expected=expected, names=c.names("quotas"))
        return
    quota = c.network.quotas.get(endpoint.quota)
    if quota is None:
        return
    for name in ("cost", "daily"):
        if getattr(quota.limits, name) is not None and getattr(endpoint.limits, name) is not None:
            expected = f"it once; quota '{quota.code}' has one already"
            yield c.mistake((*path, "limits", name), found=f"{name} again", expected=expected)


def _webhook(c: Checking, path: Path, endpoint: Endpoint) -> Iterator[Mistake]:
    if endpoint.sender != WEBHOOK:
        return
    if endpoint.base_url is None and not c.reading.stated((*path, "base_url")):
        yield c.mistake(path, found="no 'base_url'", expected="one, since webhooks go to an address")
    if endpoint.batch != 1:
        expected = "1, since a webhook carries one message"
        yield c.mistake((*path, "batch"), found=str(endpoint.batch), expected=expected)


def _limits(c: Checking, path: Path, limits: Limits) -> Iterator[Mistake]:
    if limits.daily is not None:
        yield from _zone(c, (*path, "daily", "timezone"), limits.daily.timezone)
    if limits.cost is not None and limits.cost.per_call > limits.cost.capacity:
        expected = f"at most the capacity, which is {limits.cost.capacity}"
        yield c.mistake((*path, "cost", "per_call"), found=str(limits.cost.per_call), expected=expected)


def _windows(c: Checking, path: Path, endpoint: Endpoint) -> Iterator[Mistake]:
    for index, window in c.reading.numbered((*path, "windows"), endpoint.windows):
        at = (*path, "windows", index)
        yield from _zone(c, (*at, "timezone"), window.timezone)
        yield from c.repeated((*at, "days"), window.days)
    for name in endpoint.lanes.keys() - DEFAULT_LANES.keys():
        close = c.reading.suggestion(name, sorted(DEFAULT_LANES))
        if close is not None and close.casefold() == name.casefold():
            yield c.mistake((*path, "lanes", name), found=quoted(name), expected=f"'{close}' as it is spelled")


def _zone(c: Checking, path: Path, zone: str) -> Iterator[Mistake]:
    if zone not in _zones():
        yield c.unknown(path, zone, expected="an IANA time zone", names=_zones())


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
