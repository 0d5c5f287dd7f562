"""Everyday trade: carts become orders, are given back or expire; what was ordered is picked and shipped."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from onhand.sim.demo.carts import Cart, Carts
from onhand.sim.demo.desk import Desk
from onhand.sim.demo.partners import Partners
from onhand.sim.demo.sales import Sales, lines_of

WMS: Final = {"EAST": "wms-east", "WEST": "wms-west", "STORE-1": "till"}
EXPIRY_S: Final = 3
"""How long a forgotten cart holds its stock here; a real shop says minutes."""


class Trade:
    """Makes carts hour by hour and follows those that become orders."""

    def __init__(self, desk: Desk, sales: Sales, partners: Partners, random: Random) -> None:
        self.forgotten = 0
        self.given_back = 0
        self.shipped = 0
        self._desk = desk
        self._sales = sales
        self._partners = partners
        self.carts = Carts(random)
        self._to_pick: list[Mapping[str, Any]] = []
        self._to_ship: list[Mapping[str, Any]] = []

    async def hour(self, now: datetime, carts: int) -> None:
        """One hour: what was picked leaves, what was ordered is picked, new carts are filled."""
        await self.move(now)
        wanted = [self.carts.fill() for _ in range(carts)]
        await asyncio.gather(*(self.buy(one) for one in wanted))
        await self._sales.write()

    async def move(self, now: datetime) -> None:
        """Ship what was picked, pick what was ordered."""
        ready, self._to_ship = self._to_ship, self._to_pick
        self._to_pick = []
        facts = [fact for answer in ready for fact in self._shipments(answer, now)]
        self.shipped += len(ready)
        for answer in ready:
            self._sales.shipped(answer)
        facts += [fact for answer in self._to_ship for fact in self._picks(answer, now - timedelta(minutes=20))]
        await self._desk.state(*facts)

    def keep(self, answer: Mapping[str, Any], *, partner: str | None = None) -> None:
        """Follow an order that was promised, a partner's own perhaps."""
        self._to_pick.append(answer)
        self._sales.promised(answer, partner=partner)

    async def buy(self, cart: Cart) -> None:
        """Ask for a promise, for an order that a partner has taken by itself under its number."""
        order = None if cart.partner is None else await self._partners.buy(cart.partner, lines_of(cart.lines))
        reply = await self._desk.reserve(
            cart.channel, cart.lines, judged=cart.simple, request_id=order,
            expires_in_s=EXPIRY_S if cart.fate == "forget" else 3_600,
        )  # fmt: skip
        if reply.status >= 300:
            if order is not None and cart.partner is not None:
                self._sales.refused(order, cart.partner)
        elif cart.fate == "order":
            self.keep(reply.body, partner=cart.partner if order is not None else None)
        elif cart.fate == "release":
            self.given_back += 1
            await self._desk.release(reply.body)
        else:
            self.forgotten += 1

    def _picks(self, answer: Mapping[str, Any], at: datetime) -> list[dict[str, Any]]:
        """Warehouses pick before they ship; the store hands over."""
        return [
            self._desk.fact(
                WMS[place], "pick.confirmed", at,
                {"location": place, "reservation_id": answer["reservation_id"], "lines": lines},
            )
            for place, lines in _by_place(answer).items()
            if place != "STORE-1"
        ]  # fmt: skip

    def _shipments(self, answer: Mapping[str, Any], at: datetime) -> list[dict[str, Any]]:
        facts = []
        for place, lines in _by_place(answer).items():
            data: dict[str, Any] = {"location": place, "lines": lines, "order": answer["request_id"]}
            if place == "STORE-1":
                data["reservation_id"] = answer["reservation_id"]
            else:
                data["status"] = "picked"
            facts.append(self._desk.fact(WMS[place], "shipment.confirmed", at, data))
        return facts


def _by_place(answer: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What leaves from where, by item and lot."""
    summed: dict[str, dict[tuple[str, str | None], int]] = defaultdict(lambda: defaultdict(int))
    for line in answer["lines"]:
        for source in line.get("sources", ()):
            summed[source["location"]][source.get("sku") or line["sku"], source.get("lot")] += source["quantity"]
    return {
        place: [{"sku": sku, "quantity": q, **({"lot": lot} if lot else {})} for (sku, lot), q in items.items()]
        for place, items in summed.items()
    }
