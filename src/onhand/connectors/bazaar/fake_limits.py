"""How often the marketplace may be called: by all sellers of an application together, and for orders by each alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class CallLimits:
    """Counts calls. `broken` names what our own calls alone exceeded; being late behind others breaks nothing.

    `calls` are a number and the seconds in which all sellers together may make so many; `orders_rate` is a bucket for
    polling: calls a second, and burst.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        broken: list[str],
        *,
        calls: tuple[int, float] | None,
        orders_rate: tuple[float, int] | None,
    ) -> None:
        self.calls = calls
        self.orders_rate = orders_rate
        self.broken = broken
        self._clock = clock
        self._mine: deque[float] = deque()
        self._others: deque[float] = deque()
        self._polls_left = float(orders_rate[1]) if orders_rate else 0.0
        self._polled_at = clock()

    def others_call(self, times: int) -> None:
        """Let other sellers of the same application make calls."""
        self._others += [self._clock()] * times

    def left(self) -> str:
        """Return what an answer tells of the shared calls; nothing where they are not counted."""
        if self.calls is None:
            return ""
        return f"left={max(0, self.calls[0] - len(self._mine) - len(self._others))}, limit={self.calls[0]}"

    def wait_s(self, *, polls: bool) -> float:
        """Return how long a caller has to wait, 0 when it may call now; that counts as a call then."""
        now = self._clock()
        return self._for_shared(now) or (self._for_polling(now) if polls else 0.0)

    def _for_shared(self, now: float) -> float:
        if self.calls is None:
            return 0.0
        most, seconds = self.calls
        for each in (self._mine, self._others):
            while each and each[0] <= now - seconds:
                each.popleft()
        if len(self._mine) >= most:
            self.broken.append(f"{len(self._mine) + 1} calls of our own in {seconds:g} s, at most {most} are allowed")
        if len(self._mine) + len(self._others) >= most:
            return min([*self._mine, *self._others]) + seconds - now
        self._mine.append(now)
        return 0.0

    def _for_polling(self, now: float) -> float:
        if self.orders_rate is None:
            return 0.0
        per_s, burst = self.orders_rate
        self._polls_left = min(float(burst), self._polls_left + (now - self._polled_at) * per_s)
        self._polled_at = now
        if self._polls_left < 1:
            self.broken.append("orders were polled more often than is allowed")
            return (1 - self._polls_left) / per_s
        self._polls_left -= 1
        return 0.0
