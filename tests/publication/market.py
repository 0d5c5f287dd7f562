"""A small marketplace for tests of publishing, and the connector that speaks its dialect.

It keeps a number a listing (and location), asserts its daily cap, can compare and set, can answer later, and has the
habits that real channels are feared for: it clamps, it loses updates and says 200, it answers out of order.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from onhand.domain.outcome import Delivered, Gone, Outcome, Rejected
from onhand.sdk.connector import Connector, ReadFailed, Shown, StockUpdate, Ticket
from onhand.sdk.fake import FakePartner
from onhand.sdk.manifest import Manifest

MANIFEST: dict[str, Any] = {
    "code": "market", "title": "Market", "kind": "marketplace", "owner": "tests", "version": "1",
    "summary": "For tests", "auth": {"kind": "none"}, "read_back": 100,
    "operations": {"stock.publish": {"idempotency": "state", "batch": 100}},
}  # fmt: skip


class Market(FakePartner):
    """The partner. `numbers` is what its buyers see: listing (with @location) to number."""

    def __init__(self, *listings: str, cap: int | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.numbers: dict[str, int] = dict.fromkeys(listings, 0)
        self.cap = cap
        self.edits: Counter[str] = Counter()
        self.history: list[tuple[str, int]] = []
        self.clamp: int | None = None
        self.deaf: set[str] = set()
        self.refuses: set[str] = set()
        self.compares = False
        self.later = False
        self.tickets: dict[str, list[dict[str, Any]]] = {}
        self.done_tickets: set[str] = set()
        self.lost_tickets: set[str] = set()
        self.hold: asyncio.Event | None = None
        self.hold_looks: asyncio.Event | None = None
        self.reached = asyncio.Event()

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        asked = msgspec.json.decode(body)
        if request.path == "/numbers":
            if self.hold is not None:
                self.reached.set()
                await self.hold.wait()
            if self.later:
                ticket = f"t{len(self.tickets) + 1}"
                self.tickets[ticket] = asked
                return web.json_response({"ticket": ticket})
            return web.json_response([self.take(one) for one in asked])
        if request.path == "/looks":
            if self.hold_looks is not None:
                self.reached.set()
                await self.hold_looks.wait()
            return web.json_response([[key, self.numbers.get(key)] for key in asked])
        return self._ticket(asked)

    def take(self, one: dict[str, Any]) -> str:
        """Change a listing, or say why not."""
        key = one["key"]
        if key not in self.numbers:
            return "gone"
        if key in self.refuses:
            return "refused"
        if self.compares and one["last"] is not None and one["last"] != self.numbers[key]:
            return "stale"
        self.edits[key] += 1
        if self.cap is not None and self.edits[key] > self.cap:
            self.broken.append(f"{key} was changed {self.edits[key]} times, at most {self.cap} are allowed")
        self.history.append((key, one["quantity"]))
        if key not in self.deaf:
            number = one["quantity"]
            self.numbers[key] = number if self.clamp is None else min(number, self.clamp)
        return "done"

    def finish(self, *tickets: str) -> None:
        """Do what was taken on."""
        for ticket in tickets or tuple(self.tickets):
            self.done_tickets.add(ticket)

    def _ticket(self, ticket: str) -> web.StreamResponse:
        if ticket in self.lost_tickets:
            return web.Response(status=404)
        if ticket not in self.done_tickets:
            return web.json_response(None)
        work = self.tickets[ticket]
        return web.json_response({one["key"]: self.take(one) for one in work})


class MarketConnector(Connector):
    """The connector. It is as short as a connector should be."""

    manifest = msgspec.convert(MANIFEST, Manifest)

    async def publish(self, updates: Sequence[StockUpdate], *, key: str) -> Sequence[Outcome]:
        wanted = [{"key": _key(u.listing, u.location), "quantity": u.quantity, "last": u.last_shown} for u in updates]
        answer = await self.link.call("POST", "/numbers", json=wanted, headers={"idempotency-key": key})
        if answer.status != 200:
            return [self.outcome(answer)]
        said = msgspec.json.decode(answer.body)
        if isinstance(said, dict):
            return [Delivered(answer=said["ticket"])]
        return [_outcome(word) for word in said]

    async def ticket(self, ticket: str) -> Ticket:
        answer = await self.link.call("POST", "/tickets", json=ticket)
        if answer.status != 200:
            raise ReadFailed(self.outcome(answer))
        said = msgspec.json.decode(answer.body)
        if said is None:
            return Ticket(done=False, retry_after_s=60)
        return Ticket(done=True, results={key: _outcome(word) for key, word in said.items()})

    async def read_back(self, listings: Sequence[tuple[str, str | None]]) -> Sequence[Shown]:
        answer = await self.link.call("POST", "/looks", json=[_key(*each) for each in listings])
        if answer.status != 200:
            raise ReadFailed(self.outcome(answer))
        numbers = dict(msgspec.json.decode(answer.body))
        return [Shown(listing=name, location=at, quantity=numbers[_key(name, at)]) for name, at in listings]


class LaterConnector(MarketConnector):
    """The same for a market that answers later."""

    manifest = msgspec.convert(
        {**MANIFEST, "operations": {"stock.publish": {"idempotency": "state", "batch": 100, "answers_later": True}}},
        Manifest,
    )


def _key(listing: str, location: str | None) -> str:
    return listing if location is None else f"{listing}@{location}"


def _outcome(word: str) -> Outcome:
    if word == "gone":
        return Gone(detail="no such listing")
    if word == "stale":
        return Rejected(reason="another number is shown", field="stale")
    if word == "refused":
        return Rejected(reason="not a number that we take", field="quantity")
    return Delivered(detail=word)
