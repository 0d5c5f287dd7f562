"""What the week has come to so far: the one thing that the live view reads and everybody else writes."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from typing import Final

import msgspec

from onhand.sim.demo.catalogue import LISTED

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
CHANNELS: Final = ("web", "market", "grocer", "desk")
RATES_MAX: Final = 400


class PartnerLine(msgspec.Struct, frozen=True, kw_only=True):
    """A partner as it stands: its own state, the hub's breaker and how often that opened, what waits, and numbers."""

    name: str
    state: str
    breaker: str
    waiting: int
    in_flight: int
    opened: int = 0
    channel: str = ""
    listed: int = 0
    in_step: int = 0

    @property
    def settled(self) -> bool:
        """Whether nothing is left to tell it."""
        return not self.waiting and self.in_step == self.listed


class Flash:
    """The flash sale as it goes."""

    def __init__(self) -> None:
        self.stock = 0
        self.buyers = 0
        self.asked = 0
        self.sold = 0
        self.refused = 0
        self.retried = 0
        self.killed_after: int | None = None
        self.took_s = 0.0
        self.slowest_ms = 0.0
        self.running = False


class Tally:
    """Counters and the story."""

    def __init__(self) -> None:
        self.day = 0
        self.hour = 0
        self.events: Counter[str] = Counter()
        self.types: Counter[str] = Counter()
        self.channels: dict[str, Counter[str]] = defaultdict(Counter)
        self.story: list[tuple[str, str]] = []
        self.rates: deque[int] = deque(maxlen=RATES_MAX)
        self.flash = Flash()
        self.nodes: list[tuple[str, bool]] = []
        self.partners: list[PartnerLine] = []
        self.changes: Counter[str] = Counter()
        self.started = time.monotonic()
        self.promises = 0

    @property
    def when(self) -> str:
        """The time in the simulated week."""
        return f"{DAYS[min(self.day, 6)]} {self.hour:02d}:00"

    def tell(self, text: str) -> None:
        """Add a line to the story."""
        self.story.append((self.when, text))

    def promised(self, channel: str, outcome: str, units: int) -> None:
        """Count an answer to a request."""
        self.promises += 1
        counts = self.channels[channel]
        counts["requests"] += 1
        counts[outcome] += 1
        counts["units"] += units

    def changed(self, skus: Iterable[str]) -> None:
        """Count changes of what is free to sell, for the channels that are told numbers of it."""
        for sku in skus:
            self.changes["web"] += 1
            self.changes["market"] += sku in LISTED

    def told(self, type_: str, outcome: str) -> None:
        """Count a fact's outcome."""
        self.events[outcome] += 1
        self.types[type_] += 1
