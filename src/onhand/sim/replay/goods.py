"""Facts about goods that are no orders: items, opening stock, purchase orders, receipts, returns and corrections."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from onhand.sim.replay.buckets import Document
from onhand.sim.replay.judging import Line
from onhand.sim.replay.outbox import Outbox, fact
from onhand.sim.replay.policy import Policy
from onhand.sim.replay.stockroom import Stockroom
from onhand.sim.replay.survey import Item

LINES_MAX = 500
"""Lines of one receipt or purchase order; more are split, as people would split them."""

SELLABLE = "available"


class Goods:
    """Turns the stockroom's decisions and the file's returns and corrections into facts."""

    def __init__(self, policy: Policy, outbox: Outbox, stockroom: Stockroom, *, origin: date) -> None:
        self._policy = policy
        self._outbox = outbox
        self._stockroom = stockroom
        self._origin = origin
        self._today: date | None = None

    def introduce(self, items: Mapping[str, Item]) -> None:
        """State every item of the file before anything is said about it."""
        at = _morning(self._origin)
        for sku, item in items.items():
            self._outbox.add(fact("item.upserted", f"item/{self._origin}/{sku}", at, {"sku": sku, "name": item.name}))

    def until(self, day: date) -> None:
        """Let the days pass: each evening the buyer orders, each morning what is due arrives."""
        if self._today is None:
            self._today = day
            self._morning_of(day)
        while self._today < day:
            self._evening_of(self._today)
            self._today += timedelta(days=1)
            self._morning_of(self._today)

    def take_back(self, document: Document) -> None:
        """Goods come back from a customer."""
        policy = self._policy
        lines = document.cancels
        summed = _summed(lines, sign=-1)
        sellable = policy.returns_status == SELLABLE
        data = {
            "location": policy.location,
            "status": policy.returns_status,
            "reason": "cancellation",
            "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in summed.items()],
        }
        stock = [(sku, policy.location, quantity) for sku, quantity in summed.items()] if sellable else []
        if sellable:
            for sku, quantity in summed.items():
                self._stockroom.moved(sku, quantity)
        self._outbox.add(
            fact("return.received", f"return/{document.name}", document.at, data),
            stock=stock, lines=lines, outcome="returned", reason="cancellation", urgent=sellable,
        )  # fmt: skip

    def correct(self, document: Document) -> None:
        """Stock corrections, one fact for each reason."""
        by_reason: dict[str, list[Line]] = {}
        for line in document.adjusts:
            by_reason.setdefault(line.reason, []).append(line)
        for reason, lines in by_reason.items():
            data = {
                "location": self._policy.location,
                "reason": reason,
                "lines": [{"sku": line.sku, "quantity": line.quantity} for line in lines],
            }
            for line in lines:
                self._stockroom.moved(line.sku, line.quantity)
            self._outbox.add(
                fact("adjustment.posted", f"adjustment/{document.name}/{reason}", document.at, data),
                stock=[(line.sku, self._policy.location, line.quantity) for line in lines],
                lines=lines, outcome="adjusted", reason=reason, urgent=True,
            )  # fmt: skip

    def _morning_of(self, day: date) -> None:
        at = _morning(day)
        for number, part in enumerate(_parts(self._stockroom.opening(day)), 1):
            self._receive(f"opening/{self._origin}/{day}/{number}", at, part, order=None)
        for placed, quantities in self._stockroom.arrivals(day):
            for number, part in enumerate(_parts(quantities), 1):
                order = f"{self._origin}/{placed}/{number}"
                self._receive(f"receipt/{order}", at, part, order=order)

    def _evening_of(self, day: date) -> None:
        due = (day + timedelta(days=self._policy.stock.lead_time_days)).isoformat()
        for number, part in enumerate(_parts(self._stockroom.order(day)), 1):
            order = f"{self._origin}/{day}/{number}"
            lines = [
                {"line_id": str(n), "sku": sku, "quantity": quantity, "due_date": due}
                for n, (sku, quantity) in enumerate(part.items(), 1)
            ]
            data = {"purchase_order": order, "location": self._policy.location, "due_date": due, "lines": lines}
            self._outbox.add(fact("purchase_order.placed", f"purchase_order/{order}", _evening(day), data))

    def _receive(self, name: str, at: datetime, quantities: Mapping[str, int], *, order: str | None) -> None:
        location = self._policy.location
        data: dict[str, object] = {
            "location": location,
            "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()],
        }
        if order is not None:
            data["purchase_order"] = order
        stock = [(sku, location, quantity) for sku, quantity in quantities.items()]
        self._outbox.add(fact("receipt.posted", name, at, data), stock=stock, urgent=True)


def _parts(quantities: Mapping[str, int]) -> list[dict[str, int]]:
    rows = list(quantities.items())
    return [dict(rows[start : start + LINES_MAX]) for start in range(0, len(rows), LINES_MAX)]


def _summed(lines: list[Line], *, sign: int) -> dict[str, int]:
    summed: dict[str, int] = {}
    for line in lines:
        summed[line.sku] = summed.get(line.sku, 0) + sign * line.quantity
    return summed


def _morning(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _evening(day: date) -> datetime:
    return datetime.combine(day, time(23, 59), tzinfo=UTC)
