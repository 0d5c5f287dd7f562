"""What people do at the ERP while the connector watches: receive, deliver, take back, count, move, cancel.

`Trade` is the language that the tests speak; the real one does it with the clicks of Tryton's own client, the fake one
by its own means. A test that is written in it runs against both.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, Protocol

from onhand.connectors.tryton.fake import USER, Fake
from tests.connectors.tryton import seed
from tests.connectors.tryton.real import DATABASE
from tests.connectors.tryton.rpc import Desk, Record


class Trade(Protocol):
    """The company, seen from inside."""

    url: str
    secret: tuple[str, str]

    async def item(self, sku: str, name: str, *, sale_unit: str = "Unit") -> None:
        """Create a product that can be bought and sold, with a price of 10; `sale_unit` may be a `Dozen`."""

    async def rename(self, sku: str, name: str) -> None:
        """Give a product another name, which lies with its template."""

    async def receive(self, sku: str, quantity: int, *, at: str = "WH", put_away: bool = True) -> None:
        """Receive goods from the supplier and put them away."""

    async def deliver(self, sale: str) -> None:
        """Pick, pack, ship and finish the deliveries of a sale, by its reference."""

    async def take_back(self, sale: str) -> None:
        """Receive what the return with this reference brings, and put it away."""

    async def count(self, sku: str, quantity: int, *, at: str = "WH") -> None:
        """Count a product in the storage zone."""

    async def undo_count(self, sku: str) -> None:
        """Cancel what the last count of a product moved."""

    async def transfer(self, sku: str, quantity: int, *, origin: str, target: str) -> None:
        """Move goods from one warehouse's storage to another's, by way of transit."""

    async def sales(self, reference: str) -> list[Record]:
        """Return the sales with a reference: state, that of their deliveries, lines as (sku, quantity, unit price)."""

    async def stock(self, sku: str, *, at: str = "WH") -> int:
        """Return what the ERP says lies in a warehouse, all zones together."""

    async def end_sessions(self) -> None:
        """End every session, as a restart of the server does."""


class FakeTrade:
    """The company inside the stand-in."""

    def __init__(self, fake: Fake) -> None:
        self.fake = fake
        self.url = fake.url
        self.secret = (USER, fake.secret)

    async def item(self, sku: str, name: str, *, sale_unit: str = "Unit") -> None:
        self.fake.trade.item(sku, name, sale_uom=self.fake.trade.dozen if sale_unit == "Dozen" else None)

    async def rename(self, sku: str, name: str) -> None:
        self.fake.trade.rename(sku, name)

    async def receive(self, sku: str, quantity: int, *, at: str = "WH", put_away: bool = True) -> None:
        self.fake.trade.receive(sku, quantity, at=at, put_away=put_away)

    async def deliver(self, sale: str) -> None:
        self.fake.trade.deliver(sale)

    async def take_back(self, sale: str) -> None:
        self.fake.trade.take_back(sale)

    async def count(self, sku: str, quantity: int, *, at: str = "WH") -> None:
        self.fake.trade.count(sku, quantity, at=at)

    async def undo_count(self, sku: str) -> None:
        self.fake.trade.undo_count(sku)

    async def transfer(self, sku: str, quantity: int, *, origin: str, target: str) -> None:
        self.fake.trade.transfer(sku, quantity, origin=origin, target=target)

    async def sales(self, reference: str) -> list[Record]:
        return [
            {
                "state": sale["state"],
                "deliveries": sale["shipment_state"],
                "lines": [self._line(line) for line in sale["lines"]],
            }
            for sale in self.fake.trade.sales(reference)
        ]

    async def stock(self, sku: str, *, at: str = "WH") -> int:
        house = self.fake.trade.tables.one("stock.location", code=at, type="warehouse")
        return self.fake.trade.stock_in(sku, [house["id"]])

    async def end_sessions(self) -> None:
        self.fake.end_sessions()

    def _line(self, line_id: int) -> tuple[str, int, Decimal]:
        line = self.fake.trade.tables.rows("sale.line")[line_id]
        product = self.fake.trade.tables.rows("product.product")[line["product"]]
        return product["code"], line["quantity"], Decimal(line["unit_price"])


class RealTrade:
    """The company inside a real Tryton."""

    def __init__(self, url: str, database: str = DATABASE) -> None:
        self.url = url
        self.secret = seed.HUB
        self.desk = Desk(url, database, *seed.ADMIN)

    async def item(self, sku: str, name: str, *, sale_unit: str = "Unit") -> None:
        await asyncio.to_thread(self._item, sku, name, sale_unit)

    async def rename(self, sku: str, name: str) -> None:
        await asyncio.to_thread(self._rename, sku, name)

    async def receive(self, sku: str, quantity: int, *, at: str = "WH", put_away: bool = True) -> None:
        await asyncio.to_thread(self._receive, sku, quantity, at, put_away)

    async def deliver(self, sale: str) -> None:
        await asyncio.to_thread(self._deliver, sale)

    async def take_back(self, sale: str) -> None:
        await asyncio.to_thread(self._take_back, sale)

    async def count(self, sku: str, quantity: int, *, at: str = "WH") -> None:
        await asyncio.to_thread(self._count, sku, quantity, at)

    async def transfer(self, sku: str, quantity: int, *, origin: str, target: str) -> None:
        await asyncio.to_thread(self._transfer, sku, quantity, origin, target)

    async def undo_count(self, sku: str) -> None:
        await asyncio.to_thread(self._undo_count, sku)

    async def sales(self, reference: str) -> list[Record]:
        return await asyncio.to_thread(self._sales, reference)

    async def stock(self, sku: str, *, at: str = "WH") -> int:
        return await asyncio.to_thread(self._stock, sku, at)

    async def end_sessions(self) -> None:
        await asyncio.to_thread(self._end_sessions)

    def _end_sessions(self) -> None:
        user = self.desk.one("res.user", [["login", "=", seed.HUB[0]]])["id"]
        self.desk.write("res.user", [user], password=seed.HUB[1])

    def _item(self, sku: str, name: str, sale_unit: str) -> None:
        category = self.desk.one("product.category", [["accounting", "=", True]])["id"]
        unit = self.desk.one("product.uom", [["name", "=", "Unit"]])["id"]
        sold_in = self.desk.one("product.uom", [["name", "=", sale_unit]])["id"]
        self.desk.make(
            "product.template", name=name, type="goods", default_uom=unit, salable=True, purchasable=True,
            sale_uom=sold_in, purchase_uom=unit, list_price=Decimal(10), account_category=category,
            products=[["create", [{"suffix_code": sku, "cost_price": Decimal(4)}]]],
        )  # fmt: skip

    def _rename(self, sku: str, name: str) -> None:
        template = self.desk.one("product.product", [["code", "=", sku]], "template")["template"]
        self.desk.write("product.template", [template], name=name)

    def _receive(self, sku: str, quantity: int, at: str, put_away: bool) -> None:
        house = self._house(at)
        move = self._move(sku, quantity, self._place("supplier"), house["input_location"], price=Decimal(4))
        shipment = self.desk.make(
            "stock.shipment.in", company=self.desk.context["company"], warehouse=house["id"],
            warehouse_input=house["input_location"], warehouse_storage=house["storage_location"],
            supplier=self._party("S-1"), incoming_moves=[["create", [move]]],
        )  # fmt: skip
        self.desk.press("stock.shipment.in", "receive", shipment)
        if put_away:
            self.desk.press("stock.shipment.in", "do", shipment)

    def _deliver(self, sale: str) -> None:
        for shipment in self._of_sale(sale, "shipments"):
            self.desk.press("stock.shipment.out", "assign_try", shipment)
            for step in ("pick", "pack", "ship", "do"):
                self.desk.press("stock.shipment.out", step, shipment)

    def sell(self, sku: str, reference: str, *, mark: str) -> None:
        """Make a sale by hand and confirm it."""
        party, house, product = self._party("C-1"), self._house("WH")["id"], self._product(sku)
        address = self.desk.one("party.address", [["party", "=", party]])["id"]
        line = {
            "type": "line", "product": product["id"], "unit": product["default_uom"], "quantity": 1,
            "unit_price": Decimal(10),
        }  # fmt: skip
        sale = self.desk.make(
            "sale.sale", company=self.desk.context["company"], currency=self.desk.one("currency.currency", [])["id"],
            party=party, invoice_address=address, shipment_address=address, warehouse=house, reference=reference,
            description=mark, lines=[["create", [line]]],
        )  # fmt: skip
        for step in ("quote", "confirm"):
            self.desk.press("sale.sale", step, sale)

    def _take_back(self, sale: str) -> None:
        for shipment in self._of_sale(sale, "shipment_returns"):
            for step in ("receive", "do"):
                self.desk.press("stock.shipment.out.return", step, shipment)

    def _count(self, sku: str, quantity: int, at: str) -> None:
        inventory = self.desk.make(
            "stock.inventory", company=self.desk.context["company"], location=self._house(at)["storage_location"],
            empty_quantity="keep", lines=[["create", [{"product": self._product(sku)["id"], "quantity": quantity}]]],
        )  # fmt: skip
        self.desk.press("stock.inventory", "confirm", inventory)

    def _transfer(self, sku: str, quantity: int, origin: str, target: str) -> None:
        start, end = self._house(origin)["storage_location"], self._house(target)["storage_location"]
        self.move_inside(sku, quantity, start, end, ("wait", "assign_try", "pack", "ship", "do"))

    def rezone(self, sku: str, quantity: int) -> None:
        """Carry goods to the output zone, and back."""
        house = self._house("WH")
        zones = house["storage_location"], house["output_location"]
        for start, end in (zones, zones[::-1]):
            self.move_inside(sku, quantity, start, end, ("wait", "assign_try", "do"))

    def move_inside(self, sku: str, quantity: int, start: int, end: int, steps: tuple[str, ...]) -> None:
        """Move goods between two locations of the company's own by an internal shipment."""
        shipment = self.desk.make(
            "stock.shipment.internal", company=self.desk.context["company"], from_location=start, to_location=end,
            moves=[["create", [self._move(sku, quantity, start, end)]]],
        )  # fmt: skip
        for step in steps:
            self.desk.press("stock.shipment.internal", step, shipment)

    def _undo_count(self, sku: str) -> None:
        counted = [["product.code", "=", sku], ["state", "=", "done"], ["origin", "like", "stock.inventory.line,%"]]
        moves = self.desk.find("stock.move", counted)
        self.desk.press("stock.move", "cancel", moves[-1]["id"])

    def _sales(self, reference: str) -> list[Record]:
        return [
            {
                "state": sale["state"],
                "deliveries": sale["shipment_state"],
                "lines": [self._line(line) for line in sale["lines"]],
            }
            for sale in self.desk.find("sale.sale", [["reference", "=", reference]], "state", "shipment_state", "lines")
        ]

    def _line(self, line: int) -> tuple[str, int, Decimal]:
        fields = ("product.code", "quantity", "unit_price")
        found = self.desk.one("sale.line", [["id", "=", line]], *fields)
        return found["product."]["code"], int(found["quantity"]), Decimal(found["unit_price"]["decimal"])

    def _stock(self, sku: str, at: str) -> int:
        (found,) = self.desk.find(
            "product.product", [["code", "=", sku]], "quantity", locations=[self._house(at)["id"]]
        )
        return int(found["quantity"])

    def _move(self, sku: str, quantity: int, origin: int, target: int, *, price: Decimal | None = None) -> Record:
        product = self._product(sku)
        values = {
            "product": product["id"], "unit": product["default_uom"], "quantity": quantity, "from_location": origin,
            "to_location": target, "company": self.desk.context["company"],
        }  # fmt: skip
        if price is not None:
            values |= {"unit_price": price, "currency": self.desk.one("currency.currency", [])["id"]}
        return values

    def _product(self, sku: str) -> Record:
        return self.desk.one("product.product", [["code", "=", sku]], "default_uom")

    def _house(self, code: str) -> Record:
        zones = ("input_location", "output_location", "storage_location")
        return self.desk.one("stock.location", [["type", "=", "warehouse"], ["code", "=", code]], *zones)

    def _place(self, kind: str) -> int:
        return int(self.desk.one("stock.location", [["type", "=", kind]])["id"])

    def _party(self, code: str) -> int:
        return int(self.desk.one("party.party", [["code", "=", code]])["id"])

    def _of_sale(self, reference: str, field: str) -> list[Any]:
        return [
            each for sale in self.desk.find("sale.sale", [["reference", "=", reference]], field) for each in sale[field]
        ]
