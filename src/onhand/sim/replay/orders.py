"""Invoices as orders: promised concurrently, kept open until they ship, cancelled while they are open.

Answers are worked through in the order of the file, however they came in, so that everything that follows from them
(shipments, purchases) is the same in every replay of the same answers.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import msgspec

from onhand.domain.reservation import LINES_MAX
from onhand.sim import witness
from onhand.sim.api import Api, Reply
from onhand.sim.history import INSUFFICIENT, Recorder
from onhand.sim.replay.accounts import Accounts, Outcome
from onhand.sim.replay.buckets import Document
from onhand.sim.replay.judging import Line
from onhand.sim.replay.outbox import Outbox, fact
from onhand.sim.replay.policy import Policy
from onhand.sim.replay.stockroom import Stockroom


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast: calls at a time, times faster than the file itself (None: as fast as it goes); and the seed."""

    concurrency: int = 16
    speed: float | None = None
    seed: int = 0


class Open(msgspec.Struct):
    """An order that was promised and has not left yet. `left` is what will be shipped: (SKU, location) -> quantity."""

    name: str
    customer: str
    reservation: str
    due: datetime
    left: dict[tuple[str, str], int]
    reduced: bool = False

    def has(self, wanted: Mapping[str, int]) -> bool:
        """Whether all of it is still to be shipped."""
        return all(self.of(sku) >= quantity for sku, quantity in wanted.items())

    def of(self, sku: str) -> int:
        """Units of a SKU that are still to be shipped."""
        return sum(quantity for (own, _), quantity in self.left.items() if own == sku)

    def reduce(self, wanted: Mapping[str, int]) -> None:
        """Take quantities out of what will be shipped."""
        for sku, whole in wanted.items():
            open_ = whole
            for place in [place for place in self.left if place[0] == sku]:
                taken = min(open_, self.left[place])
                self.left[place] -= taken
                open_ -= taken
        self.left = {place: quantity for place, quantity in self.left.items() if quantity}
        self.reduced = True


class Orders:
    """Sends orders and keeps the open ones. Memory: the orders of the last `ship_after_h` hours."""

    def __init__(
        self, api: Api, policy: Policy, *, recorder: Recorder, accounts: Accounts, outbox: Outbox,
        stockroom: Stockroom, pace: Pace,
    ) -> None:  # fmt: skip
        self.requests: Counter[str] = Counter()
        self.granted_units = 0
        self.asked_units = 0
        self.by_channel: dict[str, Counter[str]] = defaultdict(Counter)
        self._api = api
        self._policy = policy
        self._recorder = recorder
        self._accounts = accounts
        self._outbox = outbox
        self._stockroom = stockroom
        self._shuffle = Random(pace.seed)  # noqa: S311  (it orders concurrent calls, it guards nothing)
        self._slots = asyncio.Semaphore(pace.concurrency)
        self._due: list[tuple[datetime, int, Open]] = []
        self._by_customer: dict[str, list[Open]] = defaultdict(list)
        self._count = 0
        self._to_release: list[Open] = []

    async def promise(self, documents: Sequence[Document]) -> None:
        """Ask for all orders of a bucket at once, then work through the answers in order."""
        asked = [(document, name, lines) for document in documents for name, lines in _requests(document)]
        requests = [self._request(document, name, lines) for document, name, lines in asked]
        # Sent in an order of its own: that of the file would be an order which no two callers ever keep.
        turns = self._shuffle.sample(range(len(requests)), len(requests))
        answered = await asyncio.gather(*(self._ask(requests[turn]) for turn in turns))
        replies = [reply for _, reply in sorted(zip(turns, answered, strict=True))]
        for (document, name, lines), request, reply in zip(asked, requests, replies, strict=True):
            self._recorder.write(witness.reserve_entry(request, reply, keep=0, places=(self._policy.location,)))
            self._work_through(document, name, lines, reply)

    async def cancel(self, document: Document) -> bool:
        """Cancel the open order that a cancellation speaks of; False when there is none and the goods come back."""
        wanted: dict[str, int] = {}
        for line in document.cancels:
            wanted[line.sku] = wanted.get(line.sku, 0) - line.quantity
        found = next((one for one in reversed(self._by_customer.get(document.customer, [])) if one.has(wanted)), None)
        if found is None or not document.customer:
            return False
        found.reduce(wanted)
        for sku, quantity in wanted.items():
            self._stockroom.moved(sku, quantity)
        if found.left:
            self._accounts.settle_all(document.cancels, "released", "open_order_reduced")
        else:
            self._accounts.settle_all(document.cancels, "released", "open_order_cancelled")
            await self._release(found)
        return True

    def ship_until(self, moment: datetime | None) -> None:
        """Ship what is due by `moment`; all that is open when it is None."""
        while self._due and (moment is None or self._due[0][0] <= moment):
            _, _, order = heapq.heappop(self._due)
            self._by_customer[order.customer].remove(order)
            if not self._by_customer[order.customer]:
                del self._by_customer[order.customer]
            self._ship(order)

    async def release_rest(self) -> None:
        """Give back what was cancelled of orders that have shipped the rest. Call after their shipments were sent."""
        ready, self._to_release = self._to_release, []
        for order in ready:
            await self._release(order)

    def _request(self, document: Document, name: str, lines: Sequence[Line]) -> dict[str, Any]:
        return {
            "request_id": f"order/{name}",
            "channel": document.channel,
            "mode": self._policy.mode,
            "commitment": "order",
            "expires_in_s": self._policy.hold_days * 86_400,
            "lines": [
                {"line_id": str(number), "sku": line.sku, "quantity": line.quantity}
                for number, line in enumerate(lines, 1)
            ],
        }

    async def _ask(self, request: Mapping[str, Any]) -> Reply:
        async with self._slots:
            return await self._api.reserve(request)

    def _work_through(self, document: Document, name: str, lines: Sequence[Line], reply: Reply) -> None:
        day = document.at.date()
        for line in lines:
            self._stockroom.asked(line.sku, line.quantity, day)
            self.asked_units += line.quantity
        channel = self.by_channel[document.channel]
        channel["orders"] += 1
        if reply.status >= 300:
            self._refused(lines, reply, channel)
            return
        body = reply.body
        self.requests["repeated" if body["replayed"] else "new"] += 1
        channel[body["state"]] += 1
        left: dict[tuple[str, str], int] = {}
        for line, answer in zip(lines, body["lines"], strict=True):
            self._settle(line, answer)
            channel["units"] += answer["granted"]
            for source in answer.get("sources", ()):
                place = (source.get("sku") or line.sku, source["location"])
                left[place] = left.get(place, 0) + source["quantity"]
        for (sku, _), quantity in left.items():
            self._stockroom.moved(sku, -quantity)
        if left:
            due = document.at + timedelta(hours=self._policy.ship_after_h)
            self._keep(Open(name, document.customer, body["reservation_id"], due, left))

    def _refused(self, lines: Sequence[Line], reply: Reply, channel: Counter[str]) -> None:
        replayed = isinstance(reply.body, Mapping) and reply.body.get("replayed")
        self.requests["repeated" if replayed else "new"] += 1
        if reply.code != INSUFFICIENT:
            channel["failed"] += 1
            self._accounts.settle_all(lines, "failed", reply.code or f"http_{reply.status}")
            return
        channel["refused"] += 1
        short = {one["line_id"] for one in reply.body.get("lines", ()) if one.get("short")}
        for number, line in enumerate(lines, 1):
            alone = str(number) in short or not short
            self._accounts.settle(line, "refused", INSUFFICIENT if alone else "order_refused_whole")

    def _settle(self, line: Line, answer: Mapping[str, Any]) -> None:
        granted = answer["granted"]
        self.granted_units += granted
        outcome: Outcome
        if granted == line.quantity:
            outcome, reason = "promised", "granted"
        elif answer.get("backordered"):
            outcome, reason = "backordered", INSUFFICIENT
        elif granted:
            outcome, reason = "partly_promised", INSUFFICIENT
        else:
            outcome, reason = "refused", INSUFFICIENT
        self._accounts.settle(line, outcome, reason)

    def _keep(self, order: Open) -> None:
        self._count += 1
        heapq.heappush(self._due, (order.due, self._count, order))
        self._by_customer[order.customer].append(order)

    def _ship(self, order: Open) -> None:
        by_location: dict[str, dict[str, int]] = defaultdict(dict)
        for (sku, location), quantity in order.left.items():
            by_location[location][sku] = quantity
        for location, quantities in by_location.items():
            data = {
                "location": location,
                "reservation_id": order.reservation,
                "order": order.name,
                "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()],
            }
            self._outbox.add(
                fact("shipment.confirmed", f"shipment/{order.name}/{location}", order.due, data),
                stock=[(sku, location, -quantity) for sku, quantity in quantities.items()],
                reservation=order.reservation,
            )
        if order.reduced and order.left:
            self._to_release.append(order)

    async def _release(self, order: Open) -> None:
        key = f"release/{order.name}"
        reply = await self._api.release(order.reservation, key=key)
        self._recorder.write(witness.release_entry(key, order.reservation, reply))
        self.requests["released" if reply.status < 300 else f"release_{reply.code}"] += 1


def _requests(document: Document) -> list[tuple[str, list[Line]]]:
    """An invoice's orders, each of as many lines as one promise takes."""
    lines = document.orders
    if len(lines) <= LINES_MAX:
        return [(document.name, lines)] if lines else []
    return [
        (f"{document.name}/{number}", lines[start : start + LINES_MAX])
        for number, start in enumerate(range(0, len(lines), LINES_MAX), 1)
    ]
