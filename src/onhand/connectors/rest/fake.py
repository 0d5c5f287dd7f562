"""A partner that speaks REST in four dialects of paging, keeps what it is told, and signs its webhooks.

Orders come in pages sorted by their time of change; items by tokens; receipts by offsets; shipments by links; stock as
a snapshot in one answer. It knows idempotency keys, takes stock in batches, and shows what it was told.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web

from onhand.sdk.connector import Arrival
from onhand.sdk.fake import FakePartner
from onhand.sdk.partner import ArrivalKind, Listing
from onhand.sdk.signing import PREFIX, sign

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
OVERLAP_S = 600
TIMED = ("items", "orders", "receipts", "shipments")
PAGE = 10


class Fake(FakePartner):
    """The partner. All of its state is in plain dictionaries."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self._turn = 0
        self.allowed = True
        self.told: dict[str, dict[str, dict[str, Any]]] = {stream: {} for stream in TIMED}
        self.stock: dict[str, int] = {}
        self.done: dict[str, dict[str, Any]] = {}
        self.effects: dict[str, int] = {}
        self._clock_s = 0
        self._sent = 0
        self._last: Arrival | None = None

    # ------------------------------------------------------------------------------------------------- how to reach it

    def settings(self) -> dict[str, Any]:
        """Every stream, operation and number, each in another dialect."""
        return {
            "auth": {"kind": "bearer"},
            "check": {"path": "/about", "product": "product"},
            "streams": _streams(),
            "operations": {
                name: {
                    "request": {
                        "method": "POST",
                        "path": f"/{name}/{{number}}",
                        "headers": {"Idempotency-Key": "{key}"},
                    },
                    "grammar": {"reason": "detail"},
                }
                for name in ("order.create", "order.cancel", "shipment.notify")
            },
            "publish": {
                "request": {"method": "PUT", "path": "/listings", "body": {"lines": "{lines}"}},
                "line": {"listing": "{listing}", "quantity": "{quantity}"},
                "results": "results",
            },
            "read_back": {"request": {"path": "/listings", "query": {"names": "{listings}"}}, "items": "listings"},
        }

    def credentials(self) -> str:
        """A token, and the key of its webhooks."""
        return msgspec.json.encode({"token": self._token(), "webhook_secret": PREFIX + self._key_text()}).decode()

    async def rotate_secret(self) -> None:
        """Accept only the next token."""
        self._turn += 1

    async def under_privilege(self, on: bool = True) -> None:
        """Let receipts be read, or not."""
        self.allowed = not on

    def _token(self) -> str:
        return f"{self.secret or 'token-of-a-stand-in'}-{self._turn}"

    def _key_text(self) -> str:
        return base64.b64encode(
            f"{self.secret or 'webhook-of-a-stand-in'}-{self._turn}".encode().ljust(32)[:48]
        ).decode()

    # -------------------------------------------------------------------------------------------------- what it tells

    async def populate(self, stream: str, count: int) -> Sequence[str]:
        """Let things happen, a second apart."""
        if stream == "stock":
            names = [f"SKU-{len(self.stock) + n:05d}" for n in range(count)]
            self.stock.update({name: 5 + n for n, name in enumerate(names)})
            return [self._stock_key(name) for name in names]
        return [
            self._tell(stream, f"{stream[0].upper()}{len(self.told[stream]) + 1:05d}", self._later())
            for _ in range(count)
        ]

    async def change(self, stream: str) -> str:
        """Change the first thing."""
        name = next(iter(self.stock if stream == "stock" else self.told[stream]))
        if stream == "stock":
            self.stock[name] += 1
            return self._stock_key(name)
        return self._tell(stream, name, self._later())

    async def late(self, stream: str) -> str:
        """Commit something under a time of five minutes before the newest."""
        if stream == "stock":
            return (await self.populate(stream, 1))[0]
        newest = START + timedelta(seconds=self._clock_s)
        return self._tell(stream, f"LATE{len(self.told[stream])}", newest - timedelta(seconds=300))

    async def keys(self, stream: str) -> Sequence[str]:
        """The keys of everything there is."""
        if stream == "stock":
            return [self._stock_key(name) for name in self.stock]
        return [_key(each) for each in self.told[stream].values()]

    def webhook(self, stream: str, kind: ArrivalKind, *, now: datetime) -> Arrival:
        """A webhook by the Standard Webhooks specification."""
        if kind == "replayed" and self._last is not None:
            return self._last
        self._sent += 1
        body = b"[1]" if kind == "malformed" else _json(_thing(stream, f"W{self._sent:05d}", now))
        at = now - timedelta(hours=2) if kind == "stale" else now
        key = base64.b64decode(self._key_text())
        head = {"webhook-id": f"msg_{self._sent}", "webhook-timestamp": str(int(at.timestamp()))}
        if kind != "unsigned":
            signed = body + b" " if kind == "bad" else body
            head["webhook-signature"] = sign(
                key, message_id=head["webhook-id"], timestamp=head["webhook-timestamp"], body=signed
            )
        arrival = Arrival(path=f"/v1/inbox/{stream}", headers=head, body=body, received_at=now)
        if kind == "good":
            self._last = arrival
        return arrival

    def signed(self, body: bytes, *, message_id: str, now: datetime) -> dict[str, str]:
        """Return the headers of a webhook that it sends, by the Standard Webhooks specification."""
        stamp = str(int(now.timestamp()))
        signature = sign(base64.b64decode(self._key_text()), message_id=message_id, timestamp=stamp, body=body)
        return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": signature}

    def _tell(self, stream: str, name: str, at: datetime) -> str:
        self.told[stream][name] = thing = _thing(stream, name, at)
        return _key(thing)

    def _later(self) -> datetime:
        self._clock_s += 1
        return START + timedelta(seconds=self._clock_s)

    def _stock_key(self, name: str) -> str:
        return f"{name}:{self.stock[name]}"

    # ------------------------------------------------------------------------------------------------- what it is told

    def command(self, operation: str, number: int) -> str:
        """A command with a number of its own."""
        return _json(
            {"number": f"{operation[:1].upper()}-{number}", "lines": [{"sku": "SKU-00001", "quantity": 2}]}
        ).decode()

    def poison(self, operation: str) -> str:
        """A command without lines."""
        return _json({"number": f"{operation}-poison", "lines": []}).decode()

    async def happened(self, operation: str, body: str, key: str) -> int:
        """How often it was done, by its number."""
        del key
        return self.effects.get(f"{operation}/{msgspec.json.decode(body)['number']}", 0)

    async def listings(self, count: int) -> Sequence[Listing]:
        """Listings are named after their SKUs."""
        for n in range(count):
            self.stock.setdefault(f"SKU-{n:05d}", 0)
        return [Listing(listing=f"SKU-{n:05d}", sku=f"SKU-{n:05d}") for n in range(count)]

    def unknown_listing(self) -> Listing:
        """One that was never listed."""
        return Listing(listing="NO-SUCH", sku="NO-SUCH")

    async def shown(self, listing: Listing) -> int | None:
        """What buyers see."""
        return self.stock.get(listing.listing)

    async def drift(self, listing: Listing, quantity: int) -> None:
        """As if somebody edited it there."""
        self.stock[listing.listing] = quantity

    # ------------------------------------------------------------------------------------------------------ its dialect

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Answer as the partner does."""
        if request.headers.get("authorization") != f"Bearer {self._token()}":
            return _answer({"detail": "who are you?"}, status=401)
        first = request.path.strip("/").split("/")[0]
        if first == "about":
            return _answer({"product": "Stand-in 1.0"})
        if first in TIMED:
            return self._page(first, request)
        if first == "stock":
            rows = [{"sku": name, "quantity": quantity} for name, quantity in self.stock.items()]
            return _answer({"as_of": (START + timedelta(seconds=self._clock_s)).isoformat(), "rows": rows})
        if first == "listings":
            return self._listings(request, body)
        return self._do(first, request, body)

    def _page(self, stream: str, request: web.Request) -> web.Response:
        if stream == "receipts" and not self.allowed:
            return _answer({"detail": "no right to read receipts"}, status=403)
        query = request.query
        since = datetime.fromisoformat(query["since"]) if query.get("since") else START
        rows = [each for each in self.told[stream].values() if datetime.fromisoformat(each["changed_at"]) >= since]
        rows.sort(key=lambda each: each["changed_at"])
        limit = int(query.get("limit") or PAGE)
        begin = int(query.get("page") or 1) * limit - limit if stream == "orders" else int(query.get("at") or 0)
        page, more = rows[begin : begin + limit], begin + limit < len(rows)
        if stream == "orders":
            return _answer({"data": {"orders": page}})
        if stream == "shipments":
            root = f"http://{request.host}"
            there = f"{root}/shipments?{_query(query, at=str(begin + limit))}"
            return _answer(
                page, headers={"link": f'<{root}/shipments>; rel="first", <{there}>; rel="next"'} if more else {}
            )
        return _answer({"rows": page, "next": str(begin + limit) if more else None})

    def _listings(self, request: web.Request, body: bytes) -> web.Response:
        if request.method == "GET":
            names = [name for name in request.query.get("names", "").split(",") if name in self.stock]
            return _answer({"listings": [{"listing": name, "quantity": self.stock[name]} for name in names]})
        results: list[dict[str, Any]] = []
        for line in msgspec.json.decode(body)["lines"]:
            known = line["listing"] in self.stock
            if known:
                self.stock[line["listing"]] = line["quantity"]
            results.append({"listing": line["listing"], **({} if known else {"error": "no such listing"})})
        return _answer({"results": results})

    def _do(self, operation: str, request: web.Request, body: bytes) -> web.Response:
        key = f"{operation}/{request.headers.get('idempotency-key', '')}"
        if key in self.done:
            return _answer(self.done[key])
        command = msgspec.json.decode(body)
        if not command.get("lines"):
            return _answer({"detail": "there must be lines", "field": "lines"}, status=422)
        name = f"{operation}/{command['number']}"
        self.effects[name] = self.effects.get(name, 0) + 1
        self.done[key] = {"number": command["number"], "state": "done"}
        return _answer(self.done[key], status=201)


def _streams() -> dict[str, Any]:
    """The four dialects of paging, and a snapshot."""
    common = {
        "key": ["number", "changed_at"],
        "occurred_at": "changed_at",
        "cursor": {"field": "changed_at", "overlap": OVERLAP_S},
        "webhook": {"scheme": "standard"},
    }
    query = {"since": "{cursor}", "limit": "{limit}"}
    return {
        "orders": {
            **common,
            "request": {"path": "/orders", "query": {**query, "page": "{page}"}},
            "items": "data.orders",
            "paging": {"style": "page", "sorted": True},
        },
        "items": {
            **common,
            "request": {"path": "/items", "query": {**query, "at": "{token}"}},
            "items": "rows",
            "paging": {"style": "token", "token": "next"},
        },
        "receipts": {
            **common,
            "request": {"path": "/receipts", "query": {**query, "at": "{offset}"}},
            "items": "rows",
            "paging": {"style": "offset"},
        },
        "shipments": {
            **common,
            "request": {"path": "/shipments", "query": query},
            "paging": {"style": "link"},
        },
        "stock": {
            "request": {"path": "/stock"},
            "items": "rows",
            "key": ["sku", "quantity"],
            "as_of": "as_of",
        },
    }


def _thing(stream: str, name: str, at: datetime) -> dict[str, Any]:
    thing: dict[str, Any] = {"number": name, "changed_at": at.isoformat().replace("+00:00", "Z")}
    if stream == "items":
        return {**thing, "name": f"Thing {name}", "unit": "EA"}
    lines = [{"line": 1, "sku": "SKU-00001", "quantity": 2}, {"line": 2, "sku": "SKU-00002", "quantity": 1}]
    if stream == "orders":
        priced = [{**line, "price": Price(f"19.9{n}0")} for n, line in enumerate(lines)]
        return {**thing, "channel": "web", "currency": "EUR", "lines": priced}
    return {**thing, "warehouse": "MAIN", "order": f"O-{name}", "lines": lines}


class Price(str):
    """A number that is written with all of its places."""

    __slots__ = ()


def _key(thing: Mapping[str, Any]) -> str:
    return ":".join(str(thing[name]).replace(":", "\\:") for name in ("number", "changed_at"))


def _json(value: Any) -> bytes:
    return msgspec.json.encode(_raw(value))


def _raw(value: Any) -> Any:
    if isinstance(value, Price):
        return msgspec.Raw(value.encode())
    if isinstance(value, dict):
        return {name: _raw(each) for name, each in value.items()}
    return [_raw(each) for each in value] if isinstance(value, list) else value


def _query(query: Mapping[str, str], **changed: str) -> str:
    return "&".join(f"{name}={value}" for name, value in {**query, **changed}.items())


def _answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=_json(value), status=status, content_type="application/json", headers=dict(headers or {}))
