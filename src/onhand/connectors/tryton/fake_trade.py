"""A trading company as Tryton keeps it: products, places, moves, shipments, sales, and what people do with them.

The names, states and refusals are Tryton's. Time is the company's own: a second passes with everything that is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from onhand.connectors.tryton.fake_tables import Tables, Unknown
from onhand.connectors.tryton.wire import Record

MODELS: Final = (
    "product.product", "product.template", "product.uom", "stock.location", "stock.move", "stock.shipment.in",
    "stock.shipment.out", "stock.shipment.out.return", "stock.shipment.internal", "sale.sale", "sale.line",
    "party.party", "currency.currency",
)  # fmt: skip
BEGAN: Final = datetime(2026, 1, 5, 8, tzinfo=UTC)
COMPANY: Final = 1


class UserError(Exception):
    """Tryton's refusal, in its words."""


class FakeTrade:
    """The company. What a person would click is a method here; so is every button that the connector presses."""

    def __init__(self) -> None:
        # A company with a past: nothing that it says is taken for one of the recordings.
        self.tables = Tables(MODELS, before={"stock.move": 10_000, "product.product": 500})
        self.now = BEGAN
        self.processes_later = False
        """Whether sales that are confirmed wait for `process`."""
        self._number = 0
        self._last_edge = 0
        self._products: dict[str, Record] = {}
        self._lying: dict[int, dict[int, int]] = {}
        """What lies where, by product and location: the sum of the moves that are done."""
        self.unit = self._add("product.uom", name="Unit", symbol="u", rec_name="Unit", factor=1.0)
        self.dozen = self._add("product.uom", name="Dozen", symbol="dz", rec_name="Dozen", factor=12.0)
        self._add("currency.currency", code="EUR", name="Euro")
        self.supplier = self._place("Supplier", "SUP", "supplier")
        self.customer = self._place("Customer", "CUS", "customer")
        self.lost = self._place("Lost and Found", None, "lost_found")
        self.transit = self._place("Transit", None, "storage")
        for code in ("WH", "WEST"):
            self.warehouse(code)
        for code, name in (("C-1", "Kiosk"), ("S-1", "Tea importers")):
            self._add("party.party", code=code, name=name)

    # ------------------------------------------------------------------------------------------------ what people do

    def warehouse(self, code: str) -> Record:
        """Build a warehouse with its three zones."""
        edge = self._edges(8)
        house = self._add(
            "stock.location", name=f"Warehouse {code}", code=code, type="warehouse", parent=None, left=edge,
            right=edge + 7, active=True,
        )  # fmt: skip
        for place, (field, prefix) in enumerate((("input", "IN"), ("output", "OUT"), ("storage", "STO"))):
            zone = self._place(
                f"{prefix} {code}", f"{prefix}-{code}", "storage", parent=house["id"], left=edge + 1 + 2 * place
            )
            house[f"{field}_location"] = zone["id"]
        return house

    def item(self, sku: str, name: str, *, price: int = 10, sale_uom: Record | None = None) -> Record:
        """Create a product that can be bought and sold."""
        template = self._add("product.template", name=name)
        made = self._products[sku] = self._add(
            "product.product", template=template["id"], code=sku, type="goods", active=True, salable=True,
            purchasable=True, default_uom=self.unit["id"], sale_uom=(sale_uom or self.unit)["id"],
            purchase_uom=self.unit["id"], list_price=Decimal(price),
        )  # fmt: skip
        return made

    def rename(self, sku: str, name: str) -> Record:
        """Give a product's template another name; the product itself is not written."""
        product = self.product(sku)
        self._write("product.template", product["template"], name=name)
        return product

    def receive(self, sku: str, quantity: int, *, at: str = "WH", put_away: bool = True) -> list[Record]:
        """Receive goods from the supplier and put them away."""
        shipment = self._add("stock.shipment.in", number=self._next(), state="done")
        document = ("stock.shipment.in", shipment["id"])
        made = [self._move(sku, quantity, self.supplier, self.zone(at, "input"), document)]
        if put_away:
            made.append(self._move(sku, quantity, self.zone(at, "input"), self.zone(at, "storage"), document))
        return made

    def count(self, sku: str, quantity: int, *, at: str = "WH") -> Record | None:
        """Count a product in the storage zone; the difference goes to or comes from Lost and Found."""
        place = self.zone(at, "storage")
        more = quantity - self.stock_in(sku, [place["id"]])
        if not more:
            return None
        ends = (self.lost, place) if more > 0 else (place, self.lost)
        return self._move(sku, abs(more), *ends, None, origin="stock.inventory.line,1")

    def undo_count(self, sku: str) -> Record:
        """Cancel what the last count of a product moved."""
        product = self.product(sku)["id"]
        counted = [
            move for move in self.tables.rows("stock.move").values()
            if move["product"] == product and move["origin"] and move["state"] == "done"
        ]  # fmt: skip
        self._shift(counted[-1], back=True)
        return self._write("stock.move", counted[-1]["id"], state="cancelled")

    def transfer(self, sku: str, quantity: int, *, origin: str, target: str) -> list[Record]:
        """Move goods from one warehouse's storage to another's, by way of transit."""
        start, end = self.zone(origin, "storage"), self.zone(target, "storage")
        shipment = self._add(
            "stock.shipment.internal", number=self._next(), state="done", from_location=start["id"],
            to_location=end["id"],
        )  # fmt: skip
        document = ("stock.shipment.internal", shipment["id"])
        out = self._move(sku, quantity, start, self.transit, document)
        return [out, self._move(sku, quantity, self.transit, end, document)]

    def deliver(self, reference: str) -> None:
        """Pick, pack, ship and finish the deliveries of a sale."""
        for sale in self.sales(reference):
            for shipment in self._shipments(sale, "stock.shipment.out"):
                document = ("stock.shipment.out", shipment["id"])
                house = self.tables.rows("stock.location")[sale["warehouse"]]["code"]
                for sku, quantity in self._goods(sale):
                    self._move(sku, quantity, self.zone(house, "storage"), self.zone(house, "output"), document)
                    out = self._move(sku, quantity, self.zone(house, "output"), self.customer, document)
                    out["sale"] = sale["id"]
                self._write("stock.shipment.out", shipment["id"], state="done")
            self._write("sale.sale", sale["id"], shipment_state="sent")

    def take_back(self, reference: str) -> None:
        """Receive what a return brings, and put it away."""
        for sale in self.sales(reference):
            for shipment in self._shipments(sale, "stock.shipment.out.return"):
                document = ("stock.shipment.out.return", shipment["id"])
                house = self.tables.rows("stock.location")[sale["warehouse"]]["code"]
                for sku, quantity in self._goods(sale):
                    back = self._move(sku, -quantity, self.customer, self.zone(house, "input"), document)
                    back["sale"] = sale["id"]
                    self._move(sku, -quantity, self.zone(house, "input"), self.zone(house, "storage"), document)
                self._write("stock.shipment.out.return", shipment["id"], state="done")

    def pick(self, reference: str) -> None:
        """Pick the deliveries of a sale, and no more."""
        for sale in self.sales(reference):
            for shipment in self._shipments(sale, "stock.shipment.out"):
                self._write("stock.shipment.out", shipment["id"], state="picked")

    # ------------------------------------------------------------------------------------------------ what is there

    def product(self, sku: str) -> Record:
        """Return a product."""
        return self._products[sku]

    def sales(self, reference: str) -> list[Record]:
        """Return the sales with a reference."""
        return self.tables.having("sale.sale", "reference", reference)

    def zone(self, house: str, zone: str) -> Record:
        """Return a zone of a warehouse."""
        found = self.tables.one("stock.location", code=house, type="warehouse")
        return self.tables.rows("stock.location")[found[f"{zone}_location"]]

    def stock_in(self, sku: str, places: Sequence[int]) -> int:
        """Return what lies in these places and below them, by the moves that were done."""
        locations = self.tables.rows("stock.location")
        heads = [locations[each] for each in places if each in locations]
        lying = self._lying.get(self.product(sku)["id"], {})
        return sum(
            quantity
            for place, quantity in lying.items()
            if quantity and any(_below(locations[place], head) for head in heads)
        )

    def computed(self, record: Record, field: str, context: Mapping[str, Any]) -> Any:
        """Return the value of a field that Tryton computes. Raises Unknown for one that it does not have."""
        model = record["__name__"]
        if model == "product.product":
            if field == "name":
                return self.tables.rows("product.template")[record["template"]]["name"]
            if field == "quantity":
                return float(self.stock_in(record["code"], context.get("locations") or []))
        if field == "rec_name":
            return record.get("number") or record.get("name")
        if field in _EMPTY.get(model, ()):
            return None
        raise Unknown(field)

    # ------------------------------------------------------------------------------------------------ sales

    def fill(self, model: str, values: Record) -> Record:
        """Return what a form fills in once party or product is set."""
        if model == "sale.sale":
            return {"currency": 1, "invoice_address": values["party"], "shipment_address": values["party"],
                    "payment_term": None, "warehouse": None, "invoice_method": "order"}  # fmt: skip
        product = self.tables.rows("product.product")[values["product"]]
        return {"unit": values.get("unit") or product["sale_uom"], "unit_price": product["list_price"], "taxes": []}

    def create_sale(self, values: Record) -> Record:
        """Create a draft with its lines."""
        if values.get("party") is None or values.get("warehouse") is None:
            raise UserError('A value is required for field "Warehouse" in record "" of "Sale".')
        ((_, lines),) = values["lines"]
        sale = self._add(
            "sale.sale", number=None, state="draft", shipments=[], shipment_returns=[], shipment_state="none",
            **{"origin": None, "reference": None, "description": None, **values, "lines": []},
        )  # fmt: skip
        sale["lines"] = [self._add("sale.line", **{**line, "taxes": []})["id"] for line in lines]
        return sale

    def quote(self, sale: Record) -> None:
        """Turn a draft into a quotation."""
        self._transition(sale, ("draft",), "quote")
        self._write("sale.sale", sale["id"], state="quotation", number=sale["number"] or self._next())

    def confirm(self, sale: Record) -> None:
        """Confirm a quotation."""
        self._transition(sale, ("quotation",), "confirm")
        self._write("sale.sale", sale["id"], state="confirmed")
        if not self.processes_later:
            self.process(sale)

    def process(self, sale: Record) -> None:
        """Make what follows from a confirmed sale, as Tryton's worker does, at once or some time later."""
        if sale["state"] != "confirmed":
            return
        quantities = [quantity for _, quantity in self._goods(sale)]
        for model, field, wanted in (
            ("stock.shipment.out", "shipments", any(q > 0 for q in quantities)),
            ("stock.shipment.out.return", "shipment_returns", any(q < 0 for q in quantities)),
        ):
            if wanted:
                shipment = self._add(model, number=self._next(), state="waiting", sale=sale["id"])
                sale[field] = [shipment["id"]]
        self._write("sale.sale", sale["id"], state="processing", shipment_state="waiting")

    def reopen(self, sale: Record) -> None:
        """Make a draft again of what was not processed."""
        self._transition(sale, ("quotation", "confirmed", "cancelled"), "draft")
        self._write("sale.sale", sale["id"], state="draft")

    def cancel_sale(self, sale: Record) -> None:
        """Cancel a sale that is not confirmed."""
        self._transition(sale, ("draft", "quotation"), "cancel")
        self._write("sale.sale", sale["id"], state="cancelled")

    def cancel_shipment(self, shipment: Record) -> None:
        """Cancel a delivery; its sale has something to decide then."""
        if shipment["state"] not in ("draft", "waiting", "assigned", "picked"):
            raise UserError(f'You can not call "cancel" on "{shipment["number"]}" of "Customer Shipment".')
        self._write("stock.shipment.out", shipment["id"], state="cancelled")
        sale = self.tables.rows("sale.sale")[shipment["sale"]]
        place, customer = self.zone("WH", "storage"), self.customer
        for sku, quantity in self._goods(sale):
            move = self._move(sku, quantity, place, customer, ("stock.shipment.out", shipment["id"]))
            self._shift(move, back=True)
            move |= {"state": "cancelled", "effective_date": None, "sale": sale["id"]}
        self._write("sale.sale", sale["id"], shipment_state="exception")

    def ignore_cancelled(self, sale: Record) -> None:
        """Decide that what was cancelled is not delivered anew."""
        self._write("sale.sale", sale["id"], shipment_state="none")

    # ------------------------------------------------------------------------------------------------ beneath

    def _transition(self, sale: Record, states: Sequence[str], button: str) -> None:
        if sale["state"] not in states:
            raise UserError(f'You can not call "{button}" on "{sale["number"]} [{sale["reference"]}]" of "Sale".')

    def _goods(self, sale: Record) -> list[tuple[str, int]]:
        products, lines = self.tables.rows("product.product"), self.tables.rows("sale.line")
        return [(products[lines[each]["product"]]["code"], lines[each]["quantity"]) for each in sale["lines"]]

    def _shipments(self, sale: Record, model: str) -> list[Record]:
        return [
            each
            for each in self.tables.rows(model).values()
            if each["sale"] == sale["id"] and each["state"] != "cancelled"
        ]

    def move_late(self, sku: str, quantity: int, *, by_s: int) -> Record:
        """Let a count be seen only now that a long transaction wrote under an earlier time."""
        move = self._move(sku, quantity, self.lost, self.zone("WH", "storage"), None, origin="stock.inventory.line,1")
        move["write_date"] = move["create_date"] = self.now - timedelta(seconds=by_s)
        return move

    def _move(
        self, sku: str, quantity: int, origin_: Record, target: Record, document: tuple[str, int] | None,
        *, origin: str | None = None,
    ) -> Record:  # fmt: skip
        move = self._add(
            "stock.move", product=self.product(sku)["id"], state="done", internal_quantity=float(quantity),
            from_location=origin_["id"], to_location=target["id"], origin=origin, sale=None,
            shipment=f"{document[0]},{document[1]}" if document else None, effective_date=self._today(),
        )  # fmt: skip
        move["write_date"] = self.now
        self._shift(move)
        return move

    def _shift(self, move: Record, *, back: bool = False) -> None:
        """Let the goods of a move lie where they are now; `back` where they were."""
        lying = self._lying.setdefault(move["product"], {})
        quantity = int(move["internal_quantity"]) * (-1 if back else 1)
        for place, change in ((move["from_location"], -quantity), (move["to_location"], quantity)):
            lying[place] = lying.get(place, 0) + change

    def _add(self, model: str, **values: Any) -> Record:
        self._tick()
        return self.tables.add(model, **values, create_date=self.now, write_date=None)

    def _write(self, model: str, record_id: int, **values: Any) -> Record:
        self._tick()
        record = self.tables.rows(model)[record_id]
        record |= {**values, "write_date": self.now}
        return record

    def _place(
        self, name: str, code: str | None, kind: str, *, parent: int | None = None, left: int | None = None
    ) -> Record:
        edge = self._edges(2) if left is None else left
        return self._add(
            "stock.location", name=name, code=code, type=kind, parent=parent, left=edge, right=edge + 1, active=True,
            input_location=None, output_location=None, storage_location=None,
        )  # fmt: skip

    def _edges(self, count: int) -> int:
        """Return the first of so many numbers for the edges of new locations."""
        first = self._last_edge + 1
        self._last_edge += count
        return first

    def _tick(self) -> None:
        self.now += timedelta(seconds=1)

    def _today(self) -> date:
        return self.now.date()

    def _next(self) -> str:
        self._number += 1
        return str(self._number)


def _below(location: Record, head: Record) -> bool:
    return bool(head["left"] <= location["left"] and location["right"] <= head["right"])


_EMPTY: Final[Mapping[str, Sequence[str]]] = {"stock.move": ("unit_price",)}
"""Fields that are there and hold nothing in this company."""
