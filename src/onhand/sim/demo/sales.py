"""What partners are told of orders: the ERP of every one, the shop and the marketplace of those that are theirs.

Commands carry the order's own number as their key, so that an order that is told twice is one order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from onhand.app.flow_ports import Command
from onhand.sim.demo.network import ERP, MARKET_ORDERS, SHOP

SOLD_AT: Final = {"web": "shop", "market": "market"}
"""Which partner a channel's orders come from."""


class Sales:
    """Commands about orders, written some at a time. `to_erp` are those that the ERP must have in the end."""

    def __init__(self, hub: Any) -> None:
        self.to_erp = 0
        self._hub = hub
        self._waiting: list[Command] = []
        self._of_partner: dict[str, str] = {}

    def promised(self, answer: Mapping[str, Any], *, partner: str | None = None) -> None:
        """Tell the ERP of an order that is promised; with `partner`, whose order it is, tell that too."""
        order = answer["request_id"]
        lines = [{"sku": line["sku"], "quantity": line["granted"]} for line in answer["lines"] if line["granted"]]
        self._say(ERP, "order.create", order, {"order": order, "lines": lines})
        self.to_erp += 1
        if partner is not None:
            self._of_partner[order] = partner
        if partner == "market":
            self._say(MARKET_ORDERS, "order.acknowledge", order, {"order": order})

    def refused(self, order: str, partner: str) -> None:
        """Tell a partner that there is nothing left for its order."""
        self._say(_endpoint(partner), "order.cancel", order, {"order": order, "reason": "no stock"})

    def shipped(self, answer: Mapping[str, Any]) -> None:
        """Tell a partner that its order has left, if it is a partner's."""
        order = answer["request_id"]
        match self._of_partner.pop(order, None):
            case "shop":
                lines = [{"sku": line["sku"], "quantity": line["granted"]} for line in answer["lines"]]
                self._say(SHOP, "order.fulfil", order, {"order": order, "tracking": f"T-{order}", "lines": lines})
            case "market":
                body = {"order": order, "carrier": "parcels", "tracking": f"T-{order}"}
                self._say(MARKET_ORDERS, "order.ship", order, body)

    async def write(self) -> None:
        """Write the commands that were said since."""
        commands, self._waiting = self._waiting, []
        if commands:
            await self._hub.outbox.write(commands)

    def _say(self, endpoint: str, operation: str, order: str, body: Mapping[str, Any]) -> None:
        self._waiting.append(
            Command(
                endpoint=endpoint, operation=operation, body=json.dumps(body), ordering_key=f"order {order}",
                idempotency_key=f"{operation} {order}", cause=f"order {order}",
            )
        )  # fmt: skip


def _endpoint(partner: str) -> str:
    return SHOP if partner == "shop" else MARKET_ORDERS


def lines_of(lines: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return what somebody buys, by SKU."""
    found: dict[str, int] = {}
    for line in lines:
        found[line["sku"]] = found.get(line["sku"], 0) + line["quantity"]
    return found
