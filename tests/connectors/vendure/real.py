"""The real Vendure as a partner: each test gets a channel of its own in one server that all share.

Between it and the connector stands a plain relay, so that the partner can be gone without ending the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

import msgspec

from onhand.connectors.vendure import documents
from onhand.connectors.vendure.snapshot import row_key
from onhand.connectors.vendure.stock import Variant
from onhand.connectors.vendure.sweep import Cursor, key_of
from onhand.sdk.partner import Listing, Part, Partner
from tests.connectors.vendure.api import Buyer, Staff
from tests.connectors.vendure.server import PASSWORD, Server

_NUMBERS = itertools.count(1)
_COUNTRY = """mutation { createCountry(input: {
  code: "DE", enabled: true, translations: [{ languageCode: en, name: "Germany" }] }) { id } }"""
_TAX_RATE = """mutation($category: ID!, $zone: ID!) { createTaxRate(input: {
  name: "VAT", enabled: true, value: 19, categoryId: $category, zoneId: $zone }) { id } }"""
_SHIPPING = """mutation { createShippingMethod(input: {
  code: "post", fulfillmentHandler: "manual-fulfillment",
  checker: { code: "default-shipping-eligibility-checker", arguments: [{ name: "orderMinimum", value: "0" }] },
  calculator: { code: "default-shipping-calculator", arguments: [
    { name: "rate", value: "490" }, { name: "includesTax", value: "auto" }, { name: "taxRate", value: "19" }] },
  translations: [{ languageCode: en, name: "Post", description: "" }] }) { id } }"""
_PAYMENT = """mutation { createPaymentMethod(input: {
  code: "dummy", enabled: true,
  handler: { code: "dummy-payment-handler", arguments: [{ name: "automaticSettle", value: "true" }] },
  translations: [{ languageCode: en, name: "Dummy", description: "" }] }) { id } }"""
_CHANNEL = """mutation($token: String!, $zone: ID!) { createChannel(input: {
  code: $token, token: $token, defaultLanguageCode: en, pricesIncludeTax: false, defaultCurrencyCode: EUR,
  availableCurrencyCodes: [EUR], defaultTaxZoneId: $zone, defaultShippingZoneId: $zone
}) { __typename ... on Channel { id } ... on ErrorResult { errorCode message } } }"""
_VARIANT = """id sku name trackInventory outOfStockThreshold useGlobalOutOfStockThreshold
  stockLevels { id updatedAt stockLocationId stockOnHand stockAllocated }"""
RIGHTS = ["ReadOrder", "UpdateOrder", "ReadCatalog", "UpdateCatalog"]


class Country:
    """What all channels of a server share: made once."""

    def __init__(self, server: Server) -> None:
        staff = self.staff = Staff(server.port, password=PASSWORD)
        self.server = server
        member = staff.ask(_COUNTRY)["id"]
        zone = 'mutation($m: [ID!]) { createZone(input: { name: "Europe", memberIds: $m }) { id } }'
        self.zone = staff.ask(zone, m=[member])["id"]
        category = 'mutation { createTaxCategory(input: { name: "Standard", isDefault: true }) { id } }'
        self.tax = staff.ask(category)["id"]
        staff.ask(_TAX_RATE, category=self.tax, zone=self.zone)
        staff.ask(
            """mutation($zone: ID!) { updateChannel(input: {
                 id: 1, defaultTaxZoneId: $zone, defaultShippingZoneId: $zone, defaultCurrencyCode: EUR,
                 availableCurrencyCodes: [EUR] }) { __typename ... on ErrorResult { errorCode message } } }""",
            zone=self.zone,
        )
        self.shipping = staff.ask(_SHIPPING)["id"]
        self.payment = staff.ask(_PAYMENT)["id"]


class RealVendure(Partner):
    """A channel of a real Vendure, with one stock location, an account and no goods."""

    without: ClassVar[Mapping[Part, str]] = {
        "webhook": "Vendure sends no webhooks by itself",
        "faults": "a real server cannot be told to be sick",
        "toxics": "a real server cannot be told to be sick",
    }

    def __init__(self, country: Country) -> None:
        self.broken = []
        self._country = country
        self._number = next(_NUMBERS)
        self.token = f"channel-{self._number}"
        self._root = country.staff
        self._goods: dict[str, dict[str, str]] = {}
        self._relay: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._password = "kept from everybody"  # noqa: S105
        self._made = False

    async def start(self, *, port: int = 0) -> Self:
        """Make the channel at the first time, then listen."""
        if not self._made:
            self._make()
            self._made = True
        self._relay = await asyncio.start_server(self._talk, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._relay.sockets[0].getsockname()[1]}/admin-api"
        return self

    async def stop(self) -> None:
        """Listen no longer."""
        if self._relay is not None:
            self._relay.close()
            for end in self._ends:
                end.transport.abort()
            while self._talks:
                await asyncio.wait(self._talks)
            self._relay = None

    def settings(self) -> dict[str, Any]:
        """Return the channel's token."""
        return {"channel_token": self.token}

    def credentials(self) -> str:
        """Return the account's name and password."""
        return json.dumps({"username": f"{self.token}@example.com", "password": self._password})

    async def rotate_secret(self) -> None:
        """Give the account another password."""
        self._password += "-again"
        self._root.ask(
            """mutation($id: ID!, $password: String!) {
                 updateAdministrator(input: { id: $id, password: $password }) { id } }""",
            id=self._account, password=self._password,
        )  # fmt: skip

    async def end_sessions(self) -> None:
        """Forget who is logged in: Vendure ends a user's sessions with a change of the password."""
        self._country.server.tell("forget", user=f"{self.token}@example.com")

    async def under_privilege(self, on: bool = True) -> None:
        """Take away the right to change orders and goods."""
        self._root.ask(
            """mutation($id: ID!, $rights: [Permission!]!) {
                 updateRole(input: { id: $id, permissions: $rights }) { id } }""",
            id=self._role, rights=RIGHTS[::2] if on else RIGHTS,
        )  # fmt: skip

    # -------------------------------------------------------------------------------------------------- what it tells

    async def populate(self, stream: str, count: int) -> Sequence[str]:
        """Sell three units so many times, or put so many goods on the shelf."""
        if stream == "orders":
            sku = self._plenty()
            return [self._order_key(self.sell({sku: 3})) for _ in range(count)]
        made = {self._goods[self.add_goods(on_hand=7)]["variant"] for _ in range(count)}
        return [key for variant, key in self._stock_keys() if variant in made]

    async def change(self, stream: str) -> str:
        """Cancel one unit of the order told last, or count a shelf anew."""
        if stream == "orders":
            order = self._orders()[-1]
            self.cancel_unit(order["code"])
            return self._order_key(order["code"])
        sku = next(reversed(self._goods))
        self.set_on_hand(sku, self.on_hand(sku) + 1)
        return self._stock_keys()[-1][1]

    async def late(self, stream: str) -> str:
        """Sell something, or count a shelf, and let its time be a few seconds before the newest there is."""
        if stream == "stock":
            levels = [self._variant(sku).level(self.location) for sku in self._goods]
            newest = max(level.updated_at for level in levels)
            self._age("stock_level", levels[0].id, newest, seconds=0)
            self.set_on_hand(next(reversed(self._goods)), levels[-1].stock_on_hand + 1)
            self._age("stock_level", levels[-1].id, newest, seconds=5)
            return self._stock_keys()[-1][1]
        newest = self._orders()[-1]["updatedAt"]
        code = self.sell({self._plenty(): 1})
        self._age("order", self.order(code)["id"], newest, seconds=5)
        return self._order_key(code)

    async def keys(self, stream: str) -> Sequence[str]:
        """Return the keys of all orders, or of all levels."""
        if stream == "orders":
            return [key_of(order) for order in self._orders()]
        return [key for _, key in self._stock_keys()]

    # ------------------------------------------------------------------------------------------------- what it is told

    def command(self, operation: str, number: int) -> str:
        """Sell something and return a command about it."""
        code = self.sell({self._plenty(): 3})
        line = self.order(code)["lines"][0]["id"]
        body: dict[str, Any] = {"order": code, "lines": [{"line_id": line, "quantity": 3}]}
        if operation == "order.fulfil":
            return json.dumps({**body, "carrier": "dhl", "tracking": f"T-{number}"})
        return json.dumps({**body, "reason": "Changed my mind"})

    def poison(self, operation: str) -> str:
        """Return a command about a line that the order does not have."""
        code = self.sell({self._plenty(): 1})
        return json.dumps({"order": code, "lines": [{"line_id": "999999", "quantity": 1}]})

    async def happened(self, operation: str, body: str, key: str) -> int:
        """Return how many fulfilments, or cancellations, the order has."""
        order = self.order(json.loads(body)["order"])
        done = order["fulfillments"] if operation == "order.fulfil" else order["history"]["items"]
        return len(done)

    async def listings(self, count: int) -> Sequence[Listing]:
        """Return variants by their SKUs."""
        skus = [sku for sku in self._goods if not sku.startswith("PLENTY")]
        skus += [self.add_goods(on_hand=0) for _ in range(count - len(skus))]
        return [Listing(listing=sku, sku=sku) for sku in skus[:count]]

    def unknown_listing(self) -> Listing:
        """Return a SKU that nobody has."""
        return Listing(listing="NOBODY-HAS-THIS", sku="NOBODY-HAS-THIS")

    async def shown(self, listing: Listing) -> int | None:
        """Return what the shop's own API shows."""
        return None if listing.listing not in self._goods else self.saleable(listing.listing)

    async def drift(self, listing: Listing, quantity: int) -> None:
        """Count the shelf so that it shows another number."""
        self.set_on_hand(listing.listing, self.on_hand(listing.listing) + quantity - self.saleable(listing.listing))

    # ------------------------------------------------------------------------------------------- what tests do besides

    def add_goods(self, *, on_hand: int, sku: str | None = None, **extra: Any) -> str:
        """Put a new item on the shelf; return its SKU."""
        sku = sku or f"SKU-{self._number}-{len(self._goods) + 1}"
        product = self._staff.ask(
            """mutation($slug: String!) { createProduct(input: { enabled: true, translations: [
                 { languageCode: en, name: "Green tea", slug: $slug, description: "" }] }) { id } }""",
            slug=f"{sku}-{next(_NUMBERS)}",
        )["id"]
        given = {
            "productId": product, "sku": sku, "price": 795, "taxCategoryId": self._country.tax,
            "stockLevels": [{"stockLocationId": self.location, "stockOnHand": on_hand}],
            "translations": [{"languageCode": "en", "name": "Green tea 100 g"}], **extra,
        }  # fmt: skip
        made = self._staff.ask(
            "mutation($input: [CreateProductVariantInput!]!) { createProductVariants(input: $input) { id } }",
            input=[given],
        )
        self._goods[sku] = {"product": product, "variant": made[0]["id"]}
        return sku

    def add_location(self, name: str) -> str:
        """Give the channel another stock location; return its id."""
        location: str = self._root.ask(
            'mutation($name: String!) { createStockLocation(input: { name: $name, description: "" }) { id } }',
            name=name,
        )["id"]
        self._root.ask(
            """mutation($channel: ID!, $id: [ID!]!) { assignStockLocationsToChannel(
                 input: { channelId: $channel, stockLocationIds: $id }) { id } }""",
            channel=self._channel, id=[location],
        )  # fmt: skip
        return location

    def set_on_hand(self, sku: str, quantity: int, *, location: str | None = None) -> None:
        """Count a shelf."""
        levels = [{"stockLocationId": location or self.location, "stockOnHand": quantity}]
        self._update(sku, stockLevels=levels)

    def set_threshold(self, sku: str, threshold: int) -> None:
        """Hold back so many units of an item."""
        self._update(sku, outOfStockThreshold=threshold, useGlobalOutOfStockThreshold=False)

    def untrack(self, sku: str) -> None:
        """Sell an item without counting it."""
        self._update(sku, trackInventory="FALSE")

    def delete(self, sku: str) -> None:
        """Sell an item no longer."""
        self._staff.ask(
            "mutation($id: ID!) { deleteProductVariant(id: $id) { result } }", id=self._goods.pop(sku)["variant"]
        )

    def on_hand(self, sku: str, *, location: str | None = None) -> int:
        """Return what Vendure holds on hand at a location."""
        return self._variant(sku).level(location or self.location).stock_on_hand

    def allocated(self, sku: str) -> int:
        """Return what Vendure holds allocated."""
        return sum(level.stock_allocated for level in self._variant(sku).stock_levels)

    def sell(self, lines: Mapping[str, int], *, name: str = "A. Example") -> str:
        """Buy in the shop; return the order's code."""
        buyer = Buyer(self._country.server.port, channel=self.token)
        buyer.fill_cart({self._goods[sku]["variant"]: quantity for sku, quantity in lines.items()})
        return buyer.check_out(name=name)

    def fill_cart(self, lines: Mapping[str, int]) -> None:
        """Put something into a cart and leave."""
        buyer = Buyer(self._country.server.port, channel=self.token)
        buyer.fill_cart({self._goods[sku]["variant"]: quantity for sku, quantity in lines.items()})

    async def rush(self, sku: str, buyers: int) -> list[str]:
        """Let so many buyers take one unit each at one time."""
        return await asyncio.gather(*(asyncio.to_thread(self.sell, {sku: 1}) for _ in range(buyers)))

    def lose_count(self, sku: str, units: int) -> None:
        """Forget that units were sold, as sales at one time do; not on a database with one connection, so by hand."""
        self._country.server.tell("lose", id=self._variant(sku).level(self.location).id, units=units)

    def saleable(self, sku: str) -> int:
        """Return what the shop shows."""
        return Buyer(self._country.server.port, channel=self.token).saleable(self._goods[sku]["product"])

    def order(self, code: str) -> dict[str, Any]:
        """Return an order with its fulfilments and cancellations."""
        options = {"filter": {"code": {"eq": code}}}
        found: dict[str, Any] = self._staff.ask(documents.ORDER, options=options)["items"][0]
        return found

    def cancel_unit(self, code: str) -> None:
        """Cancel one unit of an order's first line."""
        order = self.order(code)
        given = {"orderId": order["id"], "lines": [{"orderLineId": order["lines"][0]["id"], "quantity": 1}]}
        self._staff.ask(documents.CANCEL, input=given)

    # ----------------------------------------------------------------------------------------------------------- parts

    def _make(self) -> None:
        root, country = self._root, self._country
        self._channel = root.ask(_CHANNEL, token=self.token, zone=country.zone)["id"]
        self.location = self.add_location(f"Main {self._number}")
        for kind, method in (("Shipping", country.shipping), ("Payment", country.payment)):
            root.ask(
                f"""mutation($channel: ID!, $id: [ID!]!) {{ assign{kind}MethodsToChannel(
                      input: {{ channelId: $channel, {kind.lower()}MethodIds: $id }}) {{ id }} }}""",
                channel=self._channel, id=[method],
            )  # fmt: skip
        self._role = root.ask(
            """mutation($code: String!, $rights: [Permission!]!, $channel: [ID!]) { createRole(input: {
                 code: $code, description: "Onhand", permissions: $rights, channelIds: $channel }) { id } }""",
            code=self.token, rights=RIGHTS, channel=[self._channel],
        )["id"]  # fmt: skip
        self._account = root.ask(
            """mutation($mail: String!, $password: String!, $role: [ID!]!) { createAdministrator(input: {
                 firstName: "Onhand", lastName: "Hub", emailAddress: $mail, password: $password, roleIds: $role
               }) { id } }""",
            mail=f"{self.token}@example.com", password=self._password, role=[self._role],
        )["id"]  # fmt: skip
        self._staff = Staff(country.server.port, password=PASSWORD, channel=self.token)

    def _plenty(self) -> str:
        """Return an item of which there is enough for any test."""
        sku = f"PLENTY-{self._number}"
        return sku if sku in self._goods else self.add_goods(sku=sku, on_hand=10_000_000)

    def _update(self, sku: str, **changes: Any) -> None:
        self._staff.ask(documents.SET_STOCK, input=[{"id": self._goods[sku]["variant"], **changes}])

    def _variant(self, sku: str) -> Variant:
        found = self._staff.ask(
            f"query($id: ID!) {{ productVariant(id: $id) {{ {_VARIANT} }} }}",
            id=self._goods[sku]["variant"],
        )
        return msgspec.convert(found, Variant)

    def _stock_keys(self) -> list[tuple[str, str]]:
        """Return the id of the variant and the key of every row of a snapshot."""
        options = {"sort": {"id": "ASC"}, "take": 1_000}
        items = self._staff.ask(
            f"""query($options: ProductVariantListOptions!) {{
                  productVariants(options: $options) {{ items {{ {_VARIANT} }} }} }}""",
            options=options,
        )["items"]
        variants = [msgspec.convert(item, Variant) for item in items]
        levels = [(variant, level) for variant in variants for level in variant.stock_levels]
        as_of = max(datetime.fromisoformat(level.updated_at) for _, level in levels)
        return [(variant.id, row_key(variant, level, as_of=as_of)) for variant, level in levels]

    def _age(self, table: str, number: str, newest: str, *, seconds: int) -> None:
        """Let a row have changed some seconds before a time: only the database can be told another."""
        at = datetime.fromisoformat(newest) - timedelta(seconds=seconds)
        self._country.server.tell("age", table=table, id=number, at=at.strftime("%Y-%m-%d %H:%M:%S"))

    def _orders(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._staff.ask(documents.ORDERS, options=Cursor().options(1_000))["items"]
        return found

    def _order_key(self, code: str) -> str:
        return next(key_of(order) for order in self._orders() if order["code"] == code)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection, both ways, until either side hangs up."""
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._country.server.port)
        ends = {writer, inner_writer}
        self._ends |= ends
        try:
            await asyncio.gather(_pour(reader, inner_writer), _pour(inner_reader, writer))
        finally:
            self._talks.discard(task)
            self._ends -= ends
            for end in ends:
                end.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
        writer.close()
