"""A stand-in for Vendure: its Admin API on loopback, for tests, the simulator and the demo.

It speaks GraphQL, answers 200 to nearly everything, and says FORBIDDEN both to a session that has ended and to an
account that may not. `sell`, `rush`, `add_goods` and the like are what staff and buyers do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Self

import msgspec
from aiohttp import web

from onhand.connectors.vendure import documents
from onhand.connectors.vendure import fake_graphql as graphql
from onhand.connectors.vendure.fake_answers import order_of, variant_of
from onhand.connectors.vendure.fake_api import ACCOUNT, RIGHTS, TOKEN, Api
from onhand.connectors.vendure.fake_shop import Goods, Sale, Shop, earlier
from onhand.connectors.vendure.snapshot import row_key
from onhand.connectors.vendure.stock import Variant
from onhand.connectors.vendure.sweep import key_of
from onhand.sdk.fake import FakePartner
from onhand.sdk.partner import Listing, Part

PLENTY = "PLENTY"


class Fake(FakePartner):
    """One channel of a Vendure, with one stock location, an account and no goods."""

    without: ClassVar[Mapping[Part, str]] = {"webhook": "Vendure sends no webhooks by itself"}

    def __init__(
        self, *, seed: int = 0, secret: str = "its own",  # noqa: S107 - of a stand-in
        rate: tuple[int, float] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(seed=seed, secret=secret, rate=rate, **({} if clock is None else {"clock": clock}))
        self.shop = Shop(seed)
        self.api = Api(self.shop, password=lambda: self.secret)

    async def start(self, *, port: int = 0) -> Self:
        """Listen; `url` is the address of the Admin API then."""
        await super().start(port=port)
        self.url += "/admin-api"
        return self

    def settings(self) -> dict[str, Any]:
        """Return the channel's token."""
        return {"channel_token": TOKEN}

    def credentials(self) -> str:
        """Return the account's name and password."""
        return json.dumps({"username": ACCOUNT, "password": self.secret})

    async def rotate_secret(self) -> None:
        """Give the account another password, and end its sessions."""
        self.secret += "-again"
        self.api.sessions.clear()

    async def end_sessions(self) -> None:
        """Forget who is logged in, as after a restart or a year."""
        self.api.sessions.clear()

    async def under_privilege(self, on: bool = True) -> None:
        """Take away the right to change orders and goods."""
        self.api.rights = tuple(right for right in RIGHTS if not (on and right.startswith("Update")))

    # -------------------------------------------------------------------------------------------------- what it tells

    async def populate(self, stream: str, count: int) -> Sequence[str]:
        """Sell three units so many times, or put so many goods on the shelf."""
        if stream == "orders":
            sku = self._plenty()
            return [self._order_key(self.sell({sku: 3})) for _ in range(count)]
        made = {self._by_sku(self.add_goods(on_hand=7)).id for _ in range(count)}
        return [key for variant, key in self._stock_keys() if variant in made]

    async def change(self, stream: str) -> str:
        """Cancel one unit of the order told last, or count a shelf anew."""
        if stream == "orders":
            sale = list(self.shop.sales.values())[-1]
            self.cancel_unit(sale.code)
            return self._order_key(sale.code)
        goods = list(self.shop.goods.values())[-1]
        self.set_on_hand(goods.sku, self.on_hand(goods.sku) + 1)
        return self._stock_keys()[-1][1]

    async def late(self, stream: str) -> str:
        """Sell something, or count a shelf, and let its time be a few seconds before the newest there is."""
        if stream == "stock":
            levels = [goods.levels[self.location] for goods in self.shop.goods.values()]
            levels[0].updated_at = newest = max(level.updated_at for level in levels)
            levels[-1].on_hand, levels[-1].updated_at = levels[-1].on_hand + 1, earlier(newest, seconds=5)
            return self._stock_keys()[-1][1]
        newest = max(sale.updated_at for sale in self.shop.sales.values())
        code = self.sell({self._plenty(): 1})
        self.shop.sales[code].updated_at = earlier(newest, seconds=5)
        return self._order_key(code)

    async def keys(self, stream: str) -> Sequence[str]:
        """Return the keys of all orders, or of all levels."""
        if stream == "orders":
            placed = [sale.code for sale in self.shop.sales.values() if sale.placed_at is not None]
            return [self._order_key(code) for code in placed]
        return [key for _, key in self._stock_keys()]

    # ------------------------------------------------------------------------------------------------- what it is told

    def command(self, operation: str, number: int) -> str:
        """Sell something and return a command about it."""
        code = self.sell({self._plenty(): 3})
        body: dict[str, Any] = {
            "order": code, "lines": [{"line_id": self.shop.sales[code].lines[0].id, "quantity": 3}]
        }  # fmt: skip
        if operation == "order.fulfil":
            return json.dumps({**body, "carrier": "dhl", "tracking": f"T-{number}"})
        return json.dumps({**body, "reason": "Changed my mind"})

    def poison(self, operation: str) -> str:  # noqa: ARG002 - the same for both
        """Return a command about a line that the order does not have."""
        code = self.sell({self._plenty(): 1})
        return json.dumps({"order": code, "lines": [{"line_id": "999999", "quantity": 1}]})

    async def happened(self, operation: str, body: str, key: str) -> int:  # noqa: ARG002 - told by the order
        """Return how many fulfilments, or cancellations, the order has."""
        sale = self.shop.sales[json.loads(body)["order"]]
        return len(sale.parcels if operation == "order.fulfil" else sale.cancellations)

    async def listings(self, count: int) -> Sequence[Listing]:
        """Return variants by their SKUs."""
        skus = [goods.sku for goods in self.shop.goods.values() if goods.sku != PLENTY]
        skus += [self.add_goods(on_hand=0) for _ in range(count - len(skus))]
        return [Listing(listing=sku, sku=sku) for sku in skus[:count]]

    def unknown_listing(self) -> Listing:
        """Return a SKU that nobody has."""
        return Listing(listing="NOBODY-HAS-THIS", sku="NOBODY-HAS-THIS")

    async def shown(self, listing: Listing) -> int | None:
        """Return what buyers see."""
        return self.saleable(listing.listing) if listing.listing in self.shop.by_sku else None

    async def drift(self, listing: Listing, quantity: int) -> None:
        """Count the shelf so that it shows another number."""
        self.set_on_hand(listing.listing, self.on_hand(listing.listing) + quantity - self.saleable(listing.listing))

    # ----------------------------------------------------------------------------------- what staff and buyers do there

    def add_goods(self, *, on_hand: int, sku: str | None = None) -> str:
        """Put a new item on the shelf; return its SKU."""
        return self.shop.add_goods(sku or f"SKU-{len(self.shop.goods) + 1}", on_hand).sku

    def add_location(self, name: str) -> str:
        """Give the channel another stock location; return its id."""
        return self.shop.add_location(name)

    @property
    def location(self) -> str:
        """The id of the first stock location."""
        return next(iter(self.shop.locations))

    def set_on_hand(self, sku: str, quantity: int, *, location: str | None = None) -> None:
        """Count a shelf."""
        level = self._by_sku(sku).levels[location or self.location]
        level.change(on_hand=quantity - level.on_hand)

    def set_threshold(self, sku: str, threshold: int) -> None:
        """Hold back so many units of an item."""
        goods = self._by_sku(sku)
        goods.threshold, goods.own_threshold = threshold, True

    def untrack(self, sku: str) -> None:
        """Sell an item without counting it."""
        self._by_sku(sku).tracked = "FALSE"

    def delete(self, sku: str) -> None:
        """Sell an item no longer."""
        self.shop.remove(self._by_sku(sku))

    def on_hand(self, sku: str, *, location: str | None = None) -> int:
        """Return what is counted on hand at a location."""
        return self._by_sku(sku).levels[location or self.location].on_hand

    def allocated(self, sku: str) -> int:
        """Return what is counted as allocated."""
        return sum(level.allocated for level in self._by_sku(sku).levels.values())

    def saleable(self, sku: str) -> int:
        """Return what buyers see."""
        return self.shop.saleable(self._by_sku(sku))

    def sell(self, lines: Mapping[str, int], *, name: str = "A. Example") -> str:
        """Buy in the shop; return the order's code."""
        sale = self.fill_cart(lines, name=name)
        self.shop.check_out(sale)
        return sale.code

    def fill_cart(self, lines: Mapping[str, int], *, name: str = "A. Example") -> Sale:
        """Put something into a cart."""
        return self.shop.fill_cart({self._by_sku(sku).id: quantity for sku, quantity in lines.items()}, name=name)

    async def rush(self, sku: str, buyers: int) -> list[str]:
        """Let so many buyers take one unit each at one time: Vendure loses count of most of them."""

        async def buy() -> str:
            sale = self.fill_cart({sku: 1})
            read = {line.id: line.goods.levels[line.location].allocated for line in sale.lines}
            await asyncio.sleep(0)
            self.shop.check_out(sale, read=read)
            return sale.code

        return await asyncio.gather(*(buy() for _ in range(buyers)))

    def lose_count(self, sku: str, units: int) -> None:
        """Forget that units were sold, as sales at one time do."""
        self._by_sku(sku).levels[self.location].change(allocated=-units)

    def cancel_unit(self, code: str) -> None:
        """Cancel one unit of an order's first line."""
        sale = self.shop.sales[code]
        self.shop.cancel({"orderId": sale.id, "lines": [{"orderLineId": sale.lines[0].id, "quantity": 1}]})

    def order(self, code: str) -> dict[str, Any]:
        """Return an order with its fulfilments and cancellations, as the Admin API has it."""
        found = order_of(self.shop.sales[code])
        return {**found, "history": found["history"]()}

    async def simulate(self, *, offer: Sequence[str] = (), sell: Mapping[str, int] | None = None) -> dict[str, Any]:
        """Let the simulation offer goods and sell some; return the order, if there was enough, and what was done.

        `told` are numbers that were set, `orders` those placed, `twice` orders that were sent more than once.
        """
        for sku in offer:
            self.add_goods(on_hand=0, sku=sku)
        order = None
        if sell and all(sku in self.shop.by_sku and self.saleable(sku) >= n for sku, n in sell.items()):
            order = self.sell(sell)
        asked = [json.loads(each.body) for each in self.heard if b"updateProductVariants" in each.body]
        return {
            "order": order,
            "told": sum(len(each["variables"]["input"]) for each in asked),
            "orders": len(self.shop.sales),
            "twice": [sale.code for sale in self.shop.sales.values() if len(sale.parcels) > 1],
        }

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Answer a GraphQL document."""
        if request.path != "/admin-api" or request.method != "POST":
            return web.json_response({"statusCode": 404, "message": "Not Found"}, status=404)
        said = self.api.answer(body, headers={name.lower(): value for name, value in request.headers.items()})
        headers = {"vendure-auth-token": said.token} if said.token else None
        return web.json_response(said.body, status=said.status, headers=headers)

    # ------------------------------------------------------------------------------------------------------------ parts

    def _plenty(self) -> str:
        """Return an item of which there is enough for any test."""
        return PLENTY if PLENTY in self.shop.by_sku else self.add_goods(sku=PLENTY, on_hand=10_000_000)

    def _by_sku(self, sku: str) -> Goods:
        return self.shop.by_sku[sku][0]

    def _stock_keys(self) -> list[tuple[str, str]]:
        """Return the id of the variant and the key of every row of a snapshot."""
        variants = [msgspec.convert(variant_of(goods), Variant) for goods in self.shop.goods.values()]
        levels = [(variant, level) for variant in variants for level in variant.stock_levels]
        as_of = max(datetime.fromisoformat(level.updated_at) for _, level in levels)
        return [(variant.id, row_key(variant, level, as_of=as_of)) for variant, level in levels]

    def _order_key(self, code: str) -> str:
        return key_of(graphql.project(order_of(self.shop.sales[code]), _ORDER, {}))


_ORDER = graphql.parse(documents.ORDERS).fields[0].inner[0].inner
