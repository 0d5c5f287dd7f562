"""The week, day by day: what happens at Almond & Reed beside the everyday trade."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from onhand.sim.api import Reply
from onhand.sim.demo import catalogue
from onhand.sim.demo.catalogue import AWAITED_SKU, CARTON, COUNTED_SKU, FLASH_SKU, KIT, KIT_SKU, KITS_BUILT, LATE_SKU
from onhand.sim.demo.desk import Desk
from onhand.sim.demo.orders import Trade
from onhand.sim.demo.partners import Partners
from onhand.sim.demo.waiting import until
from onhand.sim.history import now_ns

Sale = Callable[[], Awaitable[None]]
Happening = Callable[[datetime], Awaitable[None]]

HEARD_WAIT_S: Final = 30.0
"""How long it may take that a partner is asked, and what it says is mapped: a second or two."""

HEARD_LOOK_S: Final = 0.1

LOT_OLD: Final = "L-0426"
LOT_NEW: Final = "L-0926"


class Week:
    """The happenings, by (day, hour)."""

    def __init__(self, desk: Desk, trade: Trade, partners: Partners, *, flash_stock: int, sale: Sale) -> None:
        self._desk = desk
        self._partners = partners
        self._trade = trade
        self._flash_stock = flash_stock
        self._sale = sale
        self.happenings: Mapping[tuple[int, int], Happening] = {
            (0, 8): self._items, (0, 9): self._opening, (0, 15): self._store_opens,
            (1, 9): self._purchase, (1, 11): self._kits, (1, 14): self._unknown_item,
            (2, 10): self._count, (2, 15): self._late_facts, (2, 17): self._quality,
            (3, 9): self._mugs_arrive, (3, 12): self._flash,
            (4, 10): self._mend, (4, 14): self._no_authority,
            (5, 10): self._returns, (5, 13): self._grocer,
            (6, 10): self._kettles, (6, 17): self._late_day,
        }  # fmt: skip

    async def _items(self, now: datetime) -> None:
        names = {each["sku"]: each["name"] for each in catalogue.statements()}
        await self._partners.state_items(names, now=now)
        await self._until_known(names)
        self._tell(f"the ERP states {len(names)} items")

    async def _opening(self, now: datetime) -> None:
        facts = []
        for place, system in (("EAST", "wms-east"), ("WEST", "wms-west")):
            lines = [line for product in catalogue.PRODUCTS for line in _opening_lines(product, place, now.date())]
            facts.append(self._fact(system, "receipt.posted", now, {"location": place, "lines": lines}))
        await self._desk.state(*facts)
        await self._desk.warehouse.settle()
        self._tell("both warehouses receive their stock, teas in lots and cartons")

    async def _store_opens(self, now: datetime) -> None:
        lines = [{"sku": COUNTED_SKU, "quantity": 12}, {"sku": "MUG-GREEN", "quantity": 24}]
        route = {"transfer": "T-1", "from_location": "EAST", "to_location": "STORE-1"}
        await self._desk.state(
            self._fact("wms-east", "transfer.shipped", now - timedelta(hours=2), {**route, "lines": lines}),
            self._fact("till", "transfer.received", now, {**route, "lines": lines}),
        )
        self._tell("a transfer reaches the store: 12 spoons of olive wood")

    async def _purchase(self, now: datetime) -> None:
        due = (now.date() + timedelta(days=5)).isoformat()
        order = {"purchase_order": "PO-1", "supplier": "Copperworks", "location": "EAST"}
        lines = [{"line_id": "1", "sku": AWAITED_SKU, "quantity": 40, "due_date": due}]
        asn = {"asn": "ASN-1", "purchase_order": "PO-1", "location": "EAST", "due_date": due}
        await self._desk.state(
            self._fact("erp", "purchase_order.placed", now, {**order, "lines": lines}),
            self._fact("edi-gateway", "asn.received", now, {**asn, "lines": [{"sku": AWAITED_SKU, "quantity": 40}]}),
        )
        reply = await self._desk.reserve(
            "desk", [{"line_id": "1", "sku": AWAITED_SKU, "quantity": 10}], judged=False, mode="backorder",
            expires_in_s=3_600,
        )  # fmt: skip
        state = reply.body.get("state", "refused").replace("_", " ")
        self._tell(f"40 kettles are due; a customer wants 10, has 4: {state}")
        if reply.status < 300:
            self._trade.keep(reply.body)

    async def _kits(self, now: datetime) -> None:
        parts = [
            {"sku": sku, "quantity": quantity, **({"lot": LOT_OLD} if sku.startswith("TEA-") else {})}
            for sku, quantity in KIT
        ]
        data = {"location": "EAST", "sku": KIT_SKU, "quantity": KITS_BUILT, "components": parts}
        await self._desk.state(self._fact("wms-east", "kit.assembled", now, data))
        self._trade.carts.kits = KITS_BUILT
        self._tell(f"{KITS_BUILT} gift sets are packed from teas and mugs")

    async def _unknown_item(self, now: datetime) -> None:
        lines = [{"sku": LATE_SKU, "quantity": 5 * CARTON, "lot": LOT_NEW, "expiry": _expiry(now.date(), 500)}]
        results = await self._desk.state(
            self._fact("wms-west", "receipt.posted", now, {"location": "WEST", "lines": lines}),
        )
        self._tell(f"a receipt of {LATE_SKU}, unknown so far: {results[0]['outcome']}")

    async def _count(self, now: datetime) -> None:
        count = {"location": "STORE-1", "lines": [{"sku": COUNTED_SKU, "quantity": 10}]}
        sale = {"location": "STORE-1", "lines": [{"sku": COUNTED_SKU, "quantity": 1}]}
        # 12 on the books, 10 on the shelf: the count takes 2 away, whatever the hub makes of it.
        await self._desk.state(self._fact("till", "count.posted", now, count), stock=[(COUNTED_SKU, "STORE-1", -2)])
        await self._desk.state(self._fact("till", "shipment.confirmed", now + timedelta(minutes=30), sale))
        self._tell("the store counts its spoons: 10, not 12; then sells one: 9")

    async def _late_facts(self, now: datetime) -> None:
        sale = {"location": "STORE-1", "lines": [{"sku": COUNTED_SKU, "quantity": 2}]}
        before = now - timedelta(hours=6)
        # Sold before the count, known after it: the count has seen it already, so nothing changes.
        await self._desk.state(self._fact("till", "shipment.confirmed", before, sale), stock=[])
        left = await self._on_shelf(COUNTED_SKU, "STORE-1")
        self._tell(f"a sale of 2 before the count arrives late: there are still {left}")

    async def _quality(self, now: datetime) -> None:
        line = [{"sku": "TEAPOT-WHITE", "quantity": 6}]
        move = {"location": "EAST", "from_status": "available", "to_status": "quality_check", "lines": line}
        back = {"location": "EAST", "from_status": "quality_check", "to_status": "available"}
        await self._desk.state(
            self._fact("wms-east", "status.changed", now, {**move, "reason": "hairline cracks"}),
            self._fact("wms-east", "status.changed", now + timedelta(minutes=40),
                       {**back, "lines": [{"sku": "TEAPOT-WHITE", "quantity": 4}]}),
        )  # fmt: skip
        self._tell("6 teapots go to quality check, 4 come back")

    async def _mugs_arrive(self, now: datetime) -> None:
        """The ERP states the receipt; it counts once the hub has asked for it."""
        data = {"location": "EAST", "lines": [{"sku": FLASH_SKU, "quantity": self._flash_stock}]}
        sent = now_ns()
        await self._partners.receive(FLASH_SKU, self._flash_stock, now=now)
        await self._until(lambda: self._on_shelf(FLASH_SKU, "EAST"), self._flash_stock)
        self._desk.note(self._fact("erp", "receipt.posted", now, data), "applied", Reply(200, None, sent, now_ns()))
        self._desk.tally.flash.stock = self._flash_stock
        self._tell(f"{self._flash_stock} anniversary mugs arrive; the sale begins at noon")

    async def _flash(self, _now: datetime) -> None:
        await self._desk.warehouse.settle()
        self._tell("flash sale: everybody at once, on both nodes")
        await self._sale()
        flash = self._desk.tally.flash
        self._tell(f"sold {flash.sold:,} of {flash.stock:,} to {flash.buyers:,} buyers in {flash.took_s:.1f} s")

    async def _mend(self, now: datetime) -> None:
        await self._partners.state_items({LATE_SKU: "Jasmine, 100 g"}, now=now)
        await self._until_known([LATE_SKU])
        released = await self._release_quarantined(LATE_SKU)
        self._tell(f"the ERP states {LATE_SKU}; its kept receipt is released: {released}")

    async def _no_authority(self, now: datetime) -> None:
        data = {"location": "EAST", "reason": "found", "lines": [{"sku": "MUG-WHITE", "quantity": 500}]}
        results = await self._desk.state(self._fact("webshop", "adjustment.posted", now, data))
        self._tell(f"the webshop says it found 500 mugs, which is not its say: {results[0]['outcome']}")

    async def _returns(self, now: datetime) -> None:
        came = {"location": "WEST", "lines": [{"sku": "MUG-WHITE", "quantity": 3}], "reason": "colour"}
        good = {"location": "WEST", "from_status": "returned", "to_status": "available"}
        lost = {"location": "EAST", "reason": "damaged", "lines": [{"sku": "TEAPOT-BLUE", "quantity": -3}]}
        await self._desk.state(
            self._fact("wms-west", "return.received", now, came),
            self._fact("wms-west", "status.changed", now + timedelta(minutes=30),
                       {**good, "lines": [{"sku": "MUG-WHITE", "quantity": 2}]}),
            self._fact("wms-east", "adjustment.posted", now, lost),
        )  # fmt: skip
        self._tell("3 mugs come back, 2 as good as new; 3 teapots break")

    async def _grocer(self, _now: datetime) -> None:
        reply = await self._desk.reserve(
            "grocer", [{"line_id": "1", "sku": catalogue.FENCED_SKU, "quantity": 20, "uom": "carton"}], judged=False,
            commitment="order", expires_in_s=86_400,
        )  # fmt: skip
        got = sum(line["granted"] for line in reply.body["lines"]) if reply.status < 300 else 0
        if got:
            self._trade.keep(reply.body)
        self._tell(f"the grocer's 20 cartons: {got} units, set aside since Monday")

    async def _kettles(self, now: datetime) -> None:
        lines = [{"sku": AWAITED_SKU, "quantity": 40}]
        data = {"location": "EAST", "purchase_order": "PO-1", "asn": "ASN-1", "lines": lines}
        await self._desk.state(self._fact("wms-east", "receipt.posted", now, data))
        await self._desk.warehouse.settle()
        self._tell("the kettles arrive; what waited for them is served first")

    async def _late_day(self, now: datetime) -> None:
        await self._trade.move(now)
        await self._trade.move(now + timedelta(hours=1))
        self._tell("everything that was picked has left")

    async def _on_shelf(self, sku: str, place: str) -> int:
        reply = await self._desk.api.get("/v1/balances", {"sku": sku, "location": place, "status": "available"})
        return sum(row["quantity"] for row in reply.body["rows"])

    async def _until_known(self, skus: Iterable[str]) -> None:
        """Wait until the hub has heard of items. Raises Unavailable."""
        wanted = set(skus)

        async def missing() -> int:
            page = await self._desk.api.get("/v1/items", {"limit": "1000"})
            return len(wanted - {row["sku"] for row in page.body["rows"]})

        await self._until(missing, 0)
        for _ in wanted:
            self._desk.tally.told("item.upserted", "applied")

    async def _until(self, look: Callable[[], Awaitable[int]], wanted: int) -> None:
        await until(
            look, lambda seen: seen == wanted, within_s=HEARD_WAIT_S, every_s=HEARD_LOOK_S, what="What the ERP stated"
        )

    async def _release_quarantined(self, sku: str) -> str:
        """Release what was kept because of an item, and write down that it counts from now on."""
        page = await self._desk.api.get("/v1/quarantine", {"state": "open", "reason": "unknown_item"})
        outcome = "nothing was kept"
        for row in page.body["rows"]:
            if any(line["sku"] == sku for line in row["event"]["data"]["lines"]):
                reply = await self._desk.api.post(f"/v1/quarantine/{row['id']}/release", {})
                outcome = reply.body["results"][0]["outcome"]
                self._desk.note(row["event"], outcome, reply)
        return outcome

    def _fact(self, source: str, type_: str, at: datetime, data: Mapping[str, Any]) -> dict[str, Any]:
        return self._desk.fact(source, type_, at, data)

    def _tell(self, text: str) -> None:
        self._desk.tally.tell(text)


def _opening_lines(product: catalogue.Product, place: str, today: date) -> list[dict[str, Any]]:
    quantity = product.east if place == "EAST" else product.west
    if not quantity:
        return []
    if not product.lots:
        return [{"sku": product.sku, "quantity": quantity}]
    old, cartons = quantity // 4 // CARTON, quantity // CARTON
    return [
        {"sku": product.sku, "quantity": old, "uom": "carton", "lot": LOT_OLD, "expiry": _expiry(today, 90)},
        {"sku": product.sku, "quantity": cartons - old, "uom": "carton", "lot": LOT_NEW, "expiry": _expiry(today, 500)},
    ]


def _expiry(today: date, days: int) -> str:
    return (today + timedelta(days=days)).isoformat()
