"""A stand-in for a Tryton server: JSON-RPC over a company of its own, with sessions, rights and Tryton's way to refuse.

Its quirks are those that were seen at the real one: refusals are answered as 200 with an `error` member, a method that
may not be called as 403 in HTML, a database that is not there as 404, and a record that another transaction holds as
503. Tests hold the two side by side.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar, Final

from aiohttp import web

from onhand.connectors.tryton import items, moves, stock
from onhand.connectors.tryton.fake_tables import Unknown
from onhand.connectors.tryton.fake_trade import COMPANY, FakeTrade, UserError
from onhand.connectors.tryton.places import FIELDS, Places
from onhand.connectors.tryton.sales import MARK
from onhand.connectors.tryton.wire import NotJson, Record, decode, encode
from onhand.sdk.fake import FakePartner
from onhand.sdk.partner import Part

DATABASE: Final = "trade"
USER: Final = "onhand"
_HTML: Final = "<!doctype html>\n<html lang=en>\n<title>{0}</title>\n<h1>{0}</h1>\n"
_READABLE: Final = ("product.product", "stock.location", "party.party", "currency.currency")
"""What a user without groups may read."""


class Fake(FakePartner):
    """A Tryton on loopback. `trade` is the company; what happens there, its methods do."""

    without: ClassVar[Mapping[Part, str]] = {
        "webhook": "Tryton calls nobody",
        "partly": "each command is a call of its own",
        "drift": "it shows no listings",
    }

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.secret = self.secret or "fake-secret"
        self.trade = FakeTrade()
        self.contended = False
        """Whether two confirmations of one product at a time get in each other's way, as they do at the real one."""
        self.loaded = True
        """Whether the server has loaded its database: nobody can log in before, and gets an odd error."""
        self._tokens: set[str] = set()
        self._bare = False
        self._busy: set[int] = set()

    # ------------------------------------------------------------------------------------------------ how to reach it

    def settings(self) -> dict[str, Any]:
        """Return the settings that reach it."""
        return {"database": DATABASE, "warehouse": "WH", "customer": "C-1"}

    def credentials(self) -> str:
        """Return user and password."""
        return json.dumps({"user": USER, "password": self.secret})

    async def rotate_secret(self) -> None:
        """Take another password, and end every session."""
        self.secret = f"{self.secret[:24]}-rotated-{len(self.secret)}"
        self._tokens.clear()

    async def under_privilege(self, on: bool = True) -> None:
        """Take the user out of its groups."""
        self._bare = on

    # ------------------------------------------------------------------------------------------------ what it tells

    async def populate(self, stream: str, count: int) -> Sequence[str]:
        """Let things happen: new products, counts of a product, new warehouses with something in them."""
        made: list[str] = []
        for _ in range(count):
            number = self.trade.now.strftime("%d%H%M%S")
            if stream == "items":
                product = self.trade.item(f"NEW-{number}", f"New {number}")
                made.append(self._key_of_item(product["id"]))
            elif stream == "moves":
                self._sku()
                made.append(f"{self._count_one_more()['id']}:done")
            else:
                self._sku()
                self.trade.warehouse(f"W{number}")
                self.trade.receive("KIT", 1, at=f"W{number}")
        return made if stream != "stock" else (await self.keys(stream))[-count:]

    def _count_one_more(self) -> Record:
        """Count the suite's product, one more than there is."""
        lies_there = self.trade.stock_in("KIT", [self.trade.zone("WH", "storage")["id"]])
        move = self.trade.count("KIT", lies_there + 1)
        assert move is not None, "one more is a difference"
        return move

    def _key_of_item(self, product_id: int) -> str:
        (found,) = self._found("product.product", [["id", "=", product_id]], items.FIELDS)
        return items.message_of(found).key

    @staticmethod
    def _new_of(before: set[str], after: Sequence[str]) -> str:
        return next(key for key in after if key not in before)

    async def change(self, stream: str) -> str:
        """Rename the last product; cancel the last count; count the stock anew."""
        if stream == "items":
            product = list(self.trade.tables.rows("product.product").values())[-1]
            self.trade.rename(product["code"], f"Renamed {self.trade.now:%H%M%S}")
            return self._key_of_item(product["id"])
        if stream == "moves":
            return f"{self.trade.undo_count('KIT')['id']}:cancelled"
        before = set(await self.keys(stream))
        self._count_one_more()
        return self._new_of(before, await self.keys(stream))

    async def late(self, stream: str) -> str:
        """Commit something under a time half a minute ago."""
        self._sku()
        if stream == "items":
            product = self.trade.item(f"LATE-{self.trade.now:%H%M%S}", "Late")
            template = self.trade.tables.rows("product.template")[product["template"]]
            for record in (product, template):
                record["create_date"] = self.trade.now - timedelta(seconds=30)
            return self._key_of_item(product["id"])
        before = set(await self.keys(stream))
        self.trade.move_late("KIT", 1, by_s=30)
        return self._new_of(before, await self.keys(stream))

    async def keys(self, stream: str) -> Sequence[str]:
        """Return the keys of what a read from the beginning brings, by the connector's own scheme."""
        if stream == "items":
            return [items.message_of(each).key for each in self._found("product.product", [], items.FIELDS)]
        known = Places(self._found("stock.location", [], FIELDS))
        if stream == "moves":
            domain = [["state", "in", ["done", "cancelled"]], ["effective_date", "!=", None]]
            inside = {
                each["id"]: (each["from_location"], each["to_location"])
                for each in self.trade.tables.rows("stock.shipment.internal").values()
            }
            found = self._found("stock.move", domain, moves.FIELDS)
            return [each.key for move in found for each in moves.messages_of(move, known, inside, UTC)]
        return [each.key for each in self._snapshot(known)]

    def _snapshot(self, known: Places) -> list[Any]:
        written = [
            each["write_date"] for each in self.trade.tables.rows("stock.move").values() if each["effective_date"]
        ]
        at = stock.At(as_of=max(written, default=self.trade.now))
        return [
            message
            for head in known.heads()
            for message in stock.messages_of(
                self._found("product.product", [["quantity", "!=", 0]], stock.FIELDS, {"locations": [head.id]}),
                head,
                at,
            )
        ]

    # ------------------------------------------------------------------------------------------------ what it is told

    def command(self, operation: str, number: int) -> str:
        """Return a body that is accepted."""
        self._sku()
        lines = [{"sku": "KIT", "quantity": 1, "unit_price": "9.50"}]
        if operation == "order.create":
            return json.dumps({"order": f"ORDER-{number}", "customer": "C-1", "lines": lines})
        if operation == "return.create":
            return json.dumps({"reference": f"RETURN-{number}", "customer": "C-1", "lines": lines})
        reference = f"CANCEL-{number}"
        if not self.trade.sales(reference):
            self._sale(reference)
        return json.dumps({"order": reference})

    def poison(self, operation: str) -> str:
        """Return a body that is refused: no such product, no such sale."""
        lines = [{"sku": "NO-SUCH-PRODUCT", "quantity": 1}]
        return json.dumps({
            "order.create": {"order": "POISON", "customer": "C-1", "lines": lines},
            "return.create": {"reference": "POISON", "customer": "C-1", "lines": lines},
            "order.cancel": {"order": "NO-SUCH-SALE"},
        }[operation])  # fmt: skip

    async def happened(self, operation: str, body: str, key: str) -> int:
        """Return how many sales a key has made, or whether a sale is stopped."""
        if operation != "order.cancel":
            return len(self.trade.tables.having("sale.sale", "description", MARK + key))
        stopped = [
            sale for sale in self.trade.sales(json.loads(body)["order"])
            if sale["state"] == "cancelled" or (sale["state"] == "processing" and sale["shipment_state"] == "none")
        ]  # fmt: skip
        return len(stopped)

    def _sale(self, reference: str) -> None:
        line = {"type": "line", "product": self.trade.product("KIT")["id"], "quantity": 1, "unit": 1}
        warehouse = self.trade.tables.one("stock.location", code="WH")["id"]
        sale = self.trade.create_sale({
            "party": 1, "warehouse": warehouse, "reference": reference, "description": f"{MARK}earlier-{reference}",
            "lines": [["create", [line]]],
        })  # fmt: skip
        self.trade.quote(sale)
        self.trade.confirm(sale)

    def _sku(self) -> None:
        if not self.trade.tables.having("product.product", "code", "KIT"):
            self.trade.item("KIT", "Kit of the suite")

    async def simulate(
        self, *, offer: Mapping[str, str] | None = None, receive: Mapping[str, int] | None = None,
        at: str = "WH", now: str | None = None,
    ) -> Record:  # fmt: skip
        """Let the simulation create products (SKU: name) and receive goods; return the sales that were made.

        `orders` are those confirmed, `twice` keys of ours that made more than one. `now`: what the company's time is.
        """
        if now is not None:
            self.trade.now = max(self.trade.now, datetime.fromisoformat(now))
        for sku, name in (offer or {}).items():
            self.trade.item(sku, name)
        if all(each["code"] != at for each in self.trade.tables.rows("stock.location").values()):
            self.trade.warehouse(at)
        for sku, quantity in (receive or {}).items():
            self.trade.receive(sku, quantity, at=at)
        sales = Counter(each["description"] for each in self.trade.tables.rows("sale.sale").values())
        return {"orders": len(sales), "twice": [key for key, count in sales.items() if count > 1]}

    # ------------------------------------------------------------------------------------------------ the server

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Answer a call as Tryton does."""
        if request.path not in (f"/{DATABASE}/rpc/", "/rpc/"):
            return self._page(404, "404 Not Found")
        if request.method != "POST":
            return self._page(405, "405 Method Not Allowed")
        try:
            said = decode(body, UTC)
            method, params = said["method"], said["params"]
        except (NotJson, KeyError, TypeError):
            return self._page(400, "400 Bad Request")
        return await self._heard(request, said, method, params)

    async def _heard(
        self, request: web.Request, said: Record, method: str, params: Sequence[Any]
    ) -> web.StreamResponse:  # fmt: skip
        if request.path == "/rpc/":
            return self._said(said, {"result": "8.2"})
        if method == "common.db.login":
            return self._login(said, params)
        if self._token_of(request) not in self._tokens:
            return self._page(401, "401 Unauthorized", {"www-authenticate": 'Basic realm="Tryton"'})
        return await self._called(said, method, params)

    def end_sessions(self) -> None:
        """End every session, as a restart of the server does."""
        self._tokens.clear()

    def _login(self, said: Record, params: Sequence[Any]) -> web.Response:
        if not self.loaded:
            return self._said(said, {"error": ["'res.user'", ""]})
        user, secret = params[0], params[1].get("password")
        if user != USER or secret != self.secret:
            return self._page(401, "401 Unauthorized")
        token = f"token-{self.seed}-{self.calls}"
        self._tokens.add(token)
        return self._said(said, {"result": [2, token, None]})

    async def _called(self, said: Record, method: str, params: Sequence[Any]) -> web.Response:
        kind, _, rest = method.partition(".")
        name, _, verb = rest.rpartition(".")
        known = {**_METHODS, **({f"{name}.search_read": Fake._search_read} if kind == "model" else {})}.get(rest)
        if known is None:
            return self._page(403, "403 Forbidden")
        context = params[-1] if params and isinstance(params[-1], dict) else {}
        try:
            self._allow(name, verb)
            if verb == "confirm" and not await self._alone(params[0]):
                return self._page(503, "503 Service Unavailable")
            return self._said(said, {"result": known(self, name, params[:-1], context)})
        except UserError as error:
            return self._said(said, {"error": ["UserError", [str(error), "", None]]})
        except Unknown as error:
            return self._said(said, {"error": [str(error), ""]})

    async def _alone(self, ids: Sequence[int]) -> bool:
        """Give other calls a turn in mid-transaction; False when one of them holds the same product."""
        if not self.contended:
            return True
        lines = self.trade.tables.rows("sale.line")
        wanted = {lines[line]["product"] for each in ids for line in self.trade.tables.rows("sale.sale")[each]["lines"]}
        if wanted & self._busy:
            return False
        self._busy |= wanted
        await asyncio.sleep(0)
        self._busy -= wanted
        return True

    def _allow(self, model: str, verb: str) -> None:
        if self._bare and model in self.trade.tables.models and (verb != "search_read" or model not in _READABLE):
            raise UserError(f'You are not allowed to access "{model}".')

    def _search_read(self, model: str, params: Sequence[Any], context: Record) -> list[Record]:
        domain, offset, limit, order, fields = params
        found = self._found(model, domain, fields, context)
        for field, way in reversed(order or []):
            found.sort(key=lambda each: (each.get(field) is not None, each.get(field)), reverse=way.startswith("DESC"))
        return found[offset : None if limit is None else offset + limit]

    def _found(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], context: Mapping[str, Any] | None = None
    ) -> list[Record]:
        where = context if context is not None else {"active_test": False}

        def computed(record: Record, field: str) -> Any:
            return self.trade.computed(record, field, where)

        found = self.trade.tables.search(model, domain, computed=computed, active_only=where.get("active_test", True))
        return [self.trade.tables.read(model, each, fields, computed) for each in found]

    def _rights(self, _name: str, params: Sequence[Any], _context: Record) -> Record:
        return {
            model: {
                right: int(not self._bare or (right == "read" and model in _READABLE))
                for right in ("read", "write", "create", "delete")
            }
            for model in params[0]
        }

    def _fill(self, model: str, params: Sequence[Any], _context: Record) -> Record:
        return self.trade.fill(model, {name: value for name, value in params[0].items() if "." not in name})

    def _create(self, _model: str, params: Sequence[Any], _context: Record) -> list[int]:
        return [self.trade.create_sale(values)["id"] for values in params[0]]

    def _decide(self, _name: str, _params: Sequence[Any], context: Record) -> list[Any]:
        self.trade.ignore_cancelled(self._records("sale.sale", [context["active_id"]])[0])
        return []

    def _records(self, model: str, ids: Sequence[int]) -> list[Record]:
        rows = self.trade.tables.rows(model)
        missing = [each for each in ids if each not in rows]
        if missing:
            raise UserError(f'You are trying to read records "{missing[0]}" of "{model}" that don\'t exist.')
        return [rows[each] for each in ids]

    def _token_of(self, request: web.Request) -> str:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        return base64.b64decode(value).decode().rpartition(":")[2] if scheme == "Session" else ""

    def _said(self, said: Record, members: Record) -> web.Response:
        body = encode({"id": said.get("id", 0), **members}, UTC)
        return web.Response(body=body, content_type="application/json", headers={"date": self._date()})

    def _page(self, status: int, title: str, headers: Mapping[str, str] | None = None) -> web.Response:
        text = _HTML.format(title)
        return web.Response(
            status=status, text=text, content_type="text/html", headers={"date": self._date(), **(headers or {})}
        )

    def _date(self) -> str:
        return format_datetime(self.trade.now, usegmt=True)


def _button(model: str, press: Callable[[FakeTrade, Record], None]) -> Callable[..., None]:
    def pressed(fake: Fake, _name: str, params: Sequence[Any], _context: Record) -> None:
        for record in fake._records(model, params[0]):
            press(fake.trade, record)

    return pressed


_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    "res.user.get_preferences": lambda *_: {"company": COMPANY, "companies": [COMPANY], "language": "en", "groups": []},
    "ir.model.access.get_access": Fake._rights,
    "sale.sale.on_change": Fake._fill,
    "sale.line.on_change": Fake._fill,
    "sale.sale.create": Fake._create,
    "sale.sale.quote": _button("sale.sale", FakeTrade.quote),
    "sale.sale.confirm": _button("sale.sale", FakeTrade.confirm),
    "sale.sale.draft": _button("sale.sale", FakeTrade.reopen),
    "sale.sale.cancel": _button("sale.sale", FakeTrade.cancel_sale),
    "stock.shipment.out.cancel": _button("stock.shipment.out", FakeTrade.cancel_shipment),
    "sale.handle.shipment.exception.create": lambda *_: [1, "ask", "end"],
    "sale.handle.shipment.exception.execute": Fake._decide,
    "sale.handle.shipment.exception.delete": lambda *_: "end",
}
"""What may be called, by its name without `model.` or `wizard.`."""
