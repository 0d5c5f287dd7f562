"""Keeps each client to its share of a node, by a token bucket in the process's memory.

The limit is per node: it protects the node from a client that runs wild, and is no quota. The headers follow
draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy` states quota and window, `RateLimit` what is left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from onhand.http.call import Headers
from onhand.http.errors import RateLimited
from onhand.http.limits import BUCKETS_MAX


class Buckets:
    """One token bucket for each key: `burst` tokens, refilled with `per_s` a second; at most BUCKETS_MAX of them."""

    def __init__(self, *, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._levels: dict[int | str, tuple[float, float]] = {}
        window_s = max(1, math.ceil(burst / per_s)) if per_s else 1
        self._policy = (b"ratelimit-policy", f'"client";q={burst};w={window_s}'.encode())

    def take(self, key: int | str) -> Headers:
        """Take one token and return the headers that say what is left. Raises RateLimited, with `retry_after_s`."""
        if not self._per_s:
            return []
        level = self._level(key)
        if level < 1.0:
            wait_s = max(1, math.ceil((1.0 - level) / self._per_s))
            raise RateLimited(
                f"More than {self._per_s:g} requests a second came from this client.", retry_after_s=wait_s
            )
        self._put(key, level - 1.0)
        left = int(level - 1.0)
        wait_s = math.ceil((self._burst - left) / self._per_s)
        return [self._policy, (b"ratelimit", b'"client";r=%d;t=%d' % (left, wait_s))]

    def check(self, key: int | str) -> None:
        """Raise RateLimited when the bucket is empty, and take nothing."""
        if self._per_s and self._level(key) < 1.0:
            raise RateLimited("Too many wrong keys came from this address.", retry_after_s=math.ceil(1 / self._per_s))

    def spend(self, key: int | str) -> None:
        """Take one token, if there is one."""
        self._put(key, max(0.0, self._level(key) - 1.0))

    def _level(self, key: int | str) -> float:
        now = self._clock()
        level, at = self._levels.get(key, (float(self._burst), now))
        return min(self._burst, level + (now - at) * self._per_s)

    def _put(self, key: int | str, level: float) -> None:
        if len(self._levels) >= BUCKETS_MAX and key not in self._levels:
            self._levels.clear()
        self._levels[key] = (level, self._clock())
