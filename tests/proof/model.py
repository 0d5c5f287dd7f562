"""The reference model of the hub: what a person would keep on paper. It knows no SQL, no batches and no caches.

It does not decide where an order is sourced from: it takes the hub's word for that and checks that the word was
honest (the stock was there, other groups' fences were left alone, safety stock was kept, a refusal was needed).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

Pool = tuple[str, str]
"""(sku, location)"""


@dataclass
class Hold:
    """What one reservation holds: units by pool, and what still waits."""

    channel: str
    until: float
    held: dict[Pool, int] = field(default_factory=lambda: defaultdict(int))
    waits: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    state: str = "live"


@dataclass
class Paper:
    """On hand by (sku, location, status), promises by id, the hour, and the policies in force."""

    there: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    holds: dict[str, Hold] = field(default_factory=dict)
    now: float = 0
    sellable: set[str] = field(default_factory=lambda: {"available"})
    fences: dict[Pool, int] = field(default_factory=dict)
    """What is set aside for channel `web`, as far as its reservations have not used it up."""
    safety: int = 0
    taken_away: set[Pool] = field(default_factory=set)
    """Pools from which a fact has removed what was promised: there, and only there, may promises exceed stock."""

    def move(self, sku: str, place: str, status: str, change: int) -> None:
        """Let a fact change what stands somewhere."""
        self.there[sku, place, status] += change

    def on_hand(self, pool: Pool) -> int:
        """Return what is sellable at a pool."""
        return sum(self.there.get((*pool, status), 0) for status in self.sellable)

    def live(self) -> dict[str, Hold]:
        """Return the promises that hold at this moment: a deadline counts to the instant."""
        return {name: hold for name, hold in self.holds.items() if hold.state == "live" and hold.until > self.now}

    def held(self, pool: Pool) -> int:
        """Return what is promised at a pool."""
        return sum(hold.held.get(pool, 0) for hold in self.live().values())

    def free(self, pool: Pool) -> int:
        """Return what nobody was promised."""
        return self.on_hand(pool) - self.held(pool)
