"""The goods that the file does not show: opening stock, purchase orders and receipts, by the declared policy.

Decisions follow from the file, the policy and the hub's answers alone, so that a second replay decides the same. The
books kept here are a buyer's rough ones; the hub's are the ones that count.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import date, timedelta
from math import ceil

from onhand.sim.replay.policy import Replenishment
from onhand.sim.replay.survey import Item

Quantities = dict[str, int]


class Stockroom:
    """Knows what is free, what is on order, and how fast each item sells."""

    def __init__(self, rules: Replenishment, items: Mapping[str, Item]) -> None:
        self._rules = rules
        self._free: Quantities = defaultdict(int)
        self._on_order: Quantities = defaultdict(int)
        self._demand: dict[str, deque[tuple[date, int]]] = defaultdict(deque)
        self._since: dict[str, date] = {}
        self._touched: set[str] = set()
        self._launches: dict[date, Quantities] = defaultdict(dict)
        self._arrivals: dict[date, Quantities] = {}
        for sku, item in items.items():
            quantity = ceil(item.opening_demand * rules.opening_factor)
            if quantity:
                self._launches[item.first_day][sku] = quantity

    def asked(self, sku: str, quantity: int, day: date) -> None:
        """Note demand, whether it could be met or not."""
        self._since.setdefault(sku, day)
        seen = self._demand[sku]
        if seen and seen[-1][0] == day:
            seen[-1] = (day, seen[-1][1] + quantity)
        else:
            seen.append((day, quantity))
        self._touched.add(sku)

    def moved(self, sku: str, quantity: int) -> None:
        """Note what became free (positive) or was promised, lost or broken (negative)."""
        self._free[sku] += quantity
        self._touched.add(sku)

    def opening(self, day: date) -> Quantities:
        """What is first received by `day`, for items first seen until then."""
        found: Quantities = {}
        for due in sorted(launch for launch in self._launches if launch <= day):
            found.update(self._launches.pop(due))
        for sku, quantity in found.items():
            self._free[sku] += quantity
        return found

    def arrivals(self, day: date) -> list[tuple[date, Quantities]]:
        """Purchase orders that have arrived by `day`: the day of each and what it brought."""
        due = sorted(placed for placed in self._arrivals if placed + self._lead <= day)
        found = [(placed, self._arrivals.pop(placed)) for placed in due]
        for _, quantities in found:
            for sku, quantity in quantities.items():
                self._free[sku] += quantity
                self._on_order[sku] -= quantity
        return found

    def order(self, day: date) -> Quantities:
        """What the buyer orders at the end of `day`."""
        wanted: Quantities = {}
        rules = self._rules
        for sku in sorted(self._touched):
            daily = self._daily(sku, day)
            position = self._free[sku] + self._on_order[sku]
            if daily and position < daily * (rules.lead_time_days + rules.safety_days):
                quantity = max(1, ceil(daily * rules.cover_days) - min(position, 0))
                wanted[sku] = quantity
                self._on_order[sku] += quantity
        self._touched.clear()
        if wanted:
            self._arrivals[day] = wanted
        return wanted

    @property
    def _lead(self) -> timedelta:
        return timedelta(days=self._rules.lead_time_days)

    def _daily(self, sku: str, day: date) -> float:
        """The moving average; younger items are averaged over their life."""
        seen = self._demand.get(sku)
        if not seen:
            return 0.0
        start = day - timedelta(days=self._rules.window_days - 1)
        while seen and seen[0][0] < start:
            seen.popleft()
        lived = min(self._rules.window_days, (day - self._since[sku]).days + 1)
        return sum(quantity for _, quantity in seen) / max(lived, 1)
