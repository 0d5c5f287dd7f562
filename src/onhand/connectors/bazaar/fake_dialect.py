"""What the marketplace answers to a request, without the connection: its rules, its limits, its memory of keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from onhand.connectors.bazaar.fake_limits import CallLimits
from onhand.connectors.bazaar.fake_market import Market

SELLER: Final = "almond-reed"
SCOPES: Final = ("orders.read", "orders.write", "listings.read", "listings.write")
_UPDATES_MAX: Final = 5_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came in; `parts` are the pieces of its path behind the version."""

    method: str
    path: str
    parts: list[str]
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(slots=True)
class Reply:
    """What goes back."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Dialect:
    """One seller's view of the marketplace's API."""

    def __init__(self, market: Market, limits: CallLimits) -> None:
        self.market = market
        self.limits = limits
        self.token = ""
        self.scopes = list(SCOPES)
        self._remembered: dict[str, tuple[str, bytes, int, bytes]] = {}

    def answer(self, request: Request, body: bytes) -> Reply:
        """Do what the marketplace does with a request."""
        refused = self._refused(request)
        if refused is not None:
            return refused
        self.market.work()
        before = len(self.market.over_cap)
        answer = self._reading(request) if request.method == "GET" else self._telling(request, body)
        self.limits.broken += self.market.over_cap[before:]
        left = self.limits.left()
        if left:
            answer.headers["x-bazaar-calls"] = left
        return answer

    def _refused(self, request: Request) -> Reply | None:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _says(401, "the token is not known")
        if request.headers.get("x-bazaar-seller") != SELLER:
            return _says(403, "the token is not this seller's")
        polls = request.method == "GET" and request.path == "/v1/orders"
        wait_s = self.limits.wait_s(polls=polls)
        if wait_s > 0:
            answer = _says(429, "too many calls")
            answer.headers["retry-after"] = str(int(wait_s) + 1)
            return answer
        area = "orders" if "/orders" in request.path else "listings"
        scope = f"{area}.{'read' if request.method == 'GET' else 'write'}"
        if scope not in self.scopes and not request.path.endswith("/me"):
            return _says(403, f"the token lacks {scope}")
        return None

    def _reading(self, request: Request) -> Reply:
        query = request.query
        match request.parts:
            case ["me"]:
                return _json({"seller": SELLER, "scopes": self.scopes, "product": "Bazaar 2026-11"})
            case ["orders"]:
                since = datetime.fromisoformat(query["since"]) if "since" in query else None
                orders, more = self.market.page(since, query.get("after", ""), min(int(query.get("limit", "50")), 50))
                return _json({"orders": orders, "more": more})
            case ["feeds", feed]:
                return self._feed(feed)
            case ["listings"] if "ids" in query:
                return self._read_back([unquote(each) for each in query["ids"].split(",")])
            case ["listings"]:
                ids = sorted(each for each in self.market.listings if each > query.get("after", ""))
                limit = min(int(query.get("limit", "50")), 50)
                page = [self._listing(each) for each in ids[:limit]]
                return _json({"listings": page, "next": ids[limit - 1] if len(ids) > limit else None})
        return _says(404, "there is nothing here")

    def _feed(self, feed: str) -> Reply:
        found = self.market.feeds.get(feed)
        if found is None:
            return _says(404, "there is no such feed")
        if found.done:
            return _json({"feed": found.id, "status": "done", "results": found.verdicts})
        left_s = (found.ready_at - self.market.wall()).total_seconds()
        return _json({"feed": found.id, "status": "processing", "ready_in_s": max(1.0, left_s)})

    def _read_back(self, ids: list[str]) -> Reply:
        if len(ids) > 50:
            self.limits.broken.append(f"a read-back of {len(ids)} listings, at most 50 are allowed")
            return _says(400, "at most 50 listings")
        return _json({"listings": [self._listing(each) for each in ids if each in self.market.listings]})

    def _listing(self, listing: str) -> dict[str, Any]:
        found = self.market.listings[listing]
        return {"id": found.id, "sku": found.sku, "title": found.title, "quantity": self.market.seen(found)}

    def _telling(self, request: Request, body: bytes) -> Reply:
        key = request.headers.get("idempotency-key", "")
        if not key:
            return _says(400, "every change needs an Idempotency-Key")
        known = self._remembered.get(key)
        if known is not None:
            same = known[:2] == (request.path, body)
            return Reply(known[2], known[3]) if same else _says(422, "the key was used for something else")
        try:
            document = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            return _says(400, "the body is no document")
        match request.parts:
            case ["feeds"]:
                answer = self._take_feed(document)
            case ["orders", order, ("acknowledgement" | "shipments" | "cancellations") as action]:
                answer = self._act(order, action, document)
            case _:
                answer = _says(404, "there is nothing here")
        if answer.status < 300:
            self._remembered[key] = (request.path, body, answer.status, answer.body)
        return answer

    def _take_feed(self, document: Mapping[str, Any]) -> Reply:
        try:
            rows = msgspec.convert(document.get("updates"), list[_Update])
        except msgspec.ValidationError as error:
            return _says(422, str(error), field="updates")
        if not 1 <= len(rows) <= _UPDATES_MAX or len({row.listing for row in rows}) != len(rows):
            return _says(422, f"1 to {_UPDATES_MAX} updates, each listing once", field="updates")
        feed = self.market.accept([(row.listing, row.quantity) for row in rows])
        return _json({"feed": feed.id}, status=202)

    def _act(self, order: str, action: str, document: Mapping[str, Any]) -> Reply:
        found = self.market.orders.get(order)
        if found is None:
            return _says(404, "there is no such order")
        lines = document.get("lines") or []
        if not isinstance(lines, list) or any(not _is_line(line) for line in lines):
            return _says(422, "a line needs its number and a quantity of at least one", field="lines")
        do = {"acknowledgement": self.market.acknowledge, "shipments": self.market.ship}.get(action, self.market.cancel)
        why_not = do(found, document)
        return _says(409, why_not) if why_not else _json({"order": order, "version": found["version"]}, status=201)


class _Update(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    listing: str
    quantity: int


def _is_line(line: object) -> bool:
    if not isinstance(line, dict) or not isinstance(line.get("line"), str):
        return False
    quantity = line.get("quantity")
    return isinstance(quantity, int) and not isinstance(quantity, bool) and quantity >= 1


def _json(document: object, *, status: int = 200) -> Reply:
    return Reply(status, msgspec.json.encode(document))


def _says(status: int, message: str, *, field: str = "") -> Reply:
    return _json({"error": message} | ({"field": field} if field else {}), status=status)
