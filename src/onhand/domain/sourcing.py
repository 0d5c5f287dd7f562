"""Sourcing: in which order locations are tried, and which sets of them an order may be split over.

The rules of a channel, in its own order: `single_location` (one location that serves the whole order is
preferred), `nearest` (great circle to the destination), `priority`, `cost`. Ties fall back to the order of
declaration, so the answer is the same every time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from typing import Final

import msgspec

from onhand.domain.reservation import Destination

EARTH_RADIUS_M: Final = 6_371_000
"""The mean radius that the IUGG recommends for a sphere."""

TRIES_MAX: Final = 512
"""How many sets of locations times lines are tried for one order with a split limit: a few milliseconds of work.
The preferred sets come first."""

SETS_MIN: Final = 16
"""How many sets even the longest order may try."""

_LAST: Final = math.inf


class Site(msgspec.Struct, frozen=True):
    """A location as sourcing sees it; the lower priority and cost go first, no cost goes last."""

    id: int
    code: str
    priority: int = 100
    cost: int | None = None
    latitude: float | None = None
    longitude: float | None = None


def rank(sites: Sequence[Site], rules: Sequence[str], ship_to: Destination | None = None) -> tuple[Site, ...]:
    """Return the sites in order of preference under the rules; without a destination `nearest` says nothing."""

    def key(site: Site) -> tuple[float, ...]:
        return tuple(_measure(site, rule, ship_to) for rule in rules)

    return tuple(sorted(sites, key=key))


def splits(sites: Sequence[Site], max_splits: int | None, *, lines: int = 1) -> Iterator[tuple[Site, ...]]:
    """Yield the sets of locations over which an order of so many lines may be split, preferred sets first.

    Without a limit that is all of them at once. With one, smaller sets come before larger ones, at least
    `SETS_MIN` and at most `TRIES_MAX` / `lines` of them; each set keeps the order of preference.
    """
    if max_splits is None or max_splits >= len(sites):
        yield tuple(sites)
        return
    sets = (chosen for size in range(1, max_splits + 1) for chosen in combinations(sites, size))
    yield from islice(sets, max(SETS_MIN, TRIES_MAX // lines))


def distance_m(*, a: tuple[float, float], b: tuple[float, float]) -> int:
    """Return the great-circle distance in whole metres between two (latitude, longitude) pairs in degrees.

    Haversine formula (R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68, 1984).
    """
    lat_a, lon_a, lat_b, lon_b = (math.radians(degrees) for degrees in (*a, *b))
    half = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return round(2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, half))))


def _measure(site: Site, rule: str, ship_to: Destination | None) -> float:
    if rule == "priority":
        return site.priority
    if rule == "cost":
        return _LAST if site.cost is None else site.cost
    if rule == "nearest" and ship_to is not None:
        if site.latitude is None or site.longitude is None:
            return _LAST
        return distance_m(a=(site.latitude, site.longitude), b=(ship_to.latitude, ship_to.longitude))
    return 0
