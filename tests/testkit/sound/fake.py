"""The partner of the sound connector: it keeps all it is told, knows keys, compares before it sets, signs webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web

from onhand.sdk import Arrival
from onhand.sdk.fake import FakePartner
from onhand.sdk.partner import ArrivalKind, Listing
from onhand.sdk.signing import sign

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


class Fake(FakePartner):
    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.orders: dict[str, datetime] = {}
        self.stock: dict[str, int] = {}
        self.answers: dict[str, Any] = {}
        self.effects: dict[str, int] = {}
        self.allowed, self.turn, self.sent = True, 0, 0
        self.last: Arrival | None = None

    def credentials(self) -> str:
        secret = {"token": f"{self.secret}-{self.turn}", "webhook_secret": f"hook-{self.secret}-{self.turn}"}
        return msgspec.json.encode(secret).decode()

    async def rotate_secret(self) -> None:
        self.turn += 1

    async def under_privilege(self, on: bool = True) -> None:
        self.allowed = not on

    async def populate(self, stream: str, count: int) -> Sequence[str]:
        if stream == "orders":
            return [self._place(f"O-{len(self.orders) + 1:05d}", timedelta(seconds=1)) for _ in range(count)]
        names = [f"SKU-{len(self.stock) + n:05d}" for n in range(count)]
        self.stock.update(dict.fromkeys(names, 3))
        return [f"{name}=3" for name in names]

    async def change(self, stream: str) -> str:
        if stream == "orders":
            return self._place(next(iter(self.orders)), timedelta(seconds=1))
        name = next(iter(self.stock))
        self.stock[name] += 1
        return f"{name}={self.stock[name]}"

    async def late(self, stream: str) -> str:
        if stream == "orders":
            return self._place(f"O-late-{len(self.orders)}", timedelta(seconds=-300))
        return (await self.populate(stream, 1))[0]

    async def keys(self, stream: str) -> Sequence[str]:
        if stream == "orders":
            return [_key(number, at) for number, at in self.orders.items()]
        return [f"{name}={quantity}" for name, quantity in self.stock.items()]

    def webhook(self, stream: str, kind: ArrivalKind, *, now: datetime) -> Arrival:
        if kind == "replayed" and self.last is not None:
            return self.last
        self.sent += 1
        body = b"[]" if kind == "malformed" else msgspec.json.encode(_order(f"W-{self.sent}", now))
        at = now - timedelta(hours=1) if kind == "stale" else now
        heads = {"webhook-id": f"m{self.sent}", "webhook-timestamp": str(int(at.timestamp()))}
        if kind != "unsigned":
            key = f"hook-{self.secret}-{self.turn}".encode()
            signed = body + b" " if kind == "bad" else body
            heads["webhook-signature"] = sign(
                key, message_id=heads["webhook-id"], timestamp=heads["webhook-timestamp"], body=signed
            )
        arrival = Arrival(path="/", headers=heads, body=body, received_at=now)
        self.last = arrival if kind == "good" else self.last
        return arrival

    def command(self, operation: str, number: int) -> str:
        return msgspec.json.encode({"number": f"N-{number}", "lines": [1]}).decode()

    def poison(self, operation: str) -> str:
        return '{"number": "N-poison", "lines": []}'

    async def happened(self, operation: str, body: str, key: str) -> int:
        return self.effects.get(msgspec.json.decode(body)["number"], 0)

    async def listings(self, count: int) -> Sequence[Listing]:
        names = [f"L-{n:05d}" for n in range(count)]
        for name in names:
            self.stock.setdefault(name, 0)
        return [Listing(listing=name, sku=name) for name in names]

    def unknown_listing(self) -> Listing:
        return Listing(listing="NO-SUCH", sku="NO-SUCH")

    async def shown(self, listing: Listing) -> int | None:
        return self.stock.get(listing.listing)

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        token = msgspec.json.decode(self.credentials())["token"]
        if request.headers.get("authorization") != f"Bearer {token}":
            return _answer({"detail": "unknown token"}, status=401)
        if not self.allowed:
            return _answer({"detail": "no right"}, status=403)
        if request.method == "GET":
            return self._orders(request) if request.path == "/orders" else self._stock(request)
        key = request.headers.get("idempotency-key")
        if key is not None and key in self.answers:
            return _answer(self.answers[key])
        done = self._create if request.path == "/orders" else self._publish
        return done(key, msgspec.json.decode(body))

    def _orders(self, request: web.Request) -> web.Response:
        since = datetime.fromisoformat(request.query.get("since") or START.isoformat())
        found = sorted((at, number) for number, at in self.orders.items() if at >= since)
        skip, limit = int(request.query.get("skip", 0)), int(request.query["limit"])
        return _answer([_order(number, at) for at, number in found[skip : skip + limit]])

    def _stock(self, request: web.Request) -> web.Response:
        skip, limit = int(request.query["skip"]), int(request.query["limit"])
        rows = [{"sku": name, "quantity": quantity} for name, quantity in self.stock.items()][skip : skip + limit]
        return _answer({"as_of": START.isoformat(), "rows": rows})

    def _create(self, key: str | None, order: dict[str, Any]) -> web.Response:
        if not order["lines"]:
            return _answer({"detail": "an order needs lines", "field": "lines"}, status=422)
        self.effects[order["number"]] = self.effects.get(order["number"], 0) + 1
        return self._done(key, {"number": order["number"]}, status=201)

    def _publish(self, key: str | None, lines: list[dict[str, Any]]) -> web.Response:
        results = []
        for line in lines:
            name, was = line["sku"], line.get("was")
            if name not in self.stock:
                results.append("no such listing")
            elif was is not None and was != self.stock[name]:
                results.append("it shows something else")
            else:
                self.stock[name] = line["quantity"]
                results.append("ok")
        return self._done(key, results)

    def _done(self, key: str | None, answer: Any, *, status: int = 200) -> web.Response:
        if key is not None:
            self.answers[key] = answer
        return _answer(answer, status=status)

    def _place(self, number: str, later: timedelta) -> str:
        newest = max(self.orders.values(), default=START)
        self.orders[number] = at = max(START, newest + later)
        return _key(number, at)


def _key(number: str, at: datetime) -> str:
    return f"{number}@{at.isoformat()}"


def _order(number: str, at: datetime) -> dict[str, Any]:
    line = {"line": "1", "sku": "A", "quantity": 2, "price": msgspec.Raw(b"19.90")}
    return {"number": number, "changed_at": at.isoformat(), "lines": [line]}


def _answer(value: Any, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
