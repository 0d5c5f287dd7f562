"""A real Tryton as a partner of the shared suite: one server for all, and for each stage a database of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from onhand.connectors.tryton.sales import MARK
from onhand.sdk.partner import Part, Partner
from tests.connectors.tryton import real
from tests.connectors.tryton import seed as seed_
from tests.connectors.tryton.trade import RealTrade

SKU = "KIT"


class RealTryton(Partner):
    """A company that only one stage knows, inside the server that `server` names."""

    without: ClassVar[Mapping[Part, str]] = {
        "late": "its database lets one transaction write at a time, so that none commits behind another",
        "webhook": "Tryton calls nobody",
        "partly": "each command is a call of its own",
        "drift": "it shows no listings",
        "faults": "it is a real server",
        "toxics": "it is a real server",
    }
    server: ClassVar[real.Server]
    unused: ClassVar[Iterator[str]]
    """The server's databases that no stage has used yet."""

    def __init__(self, *, seed: int = 0) -> None:
        self.broken = []
        self.seed = seed
        self._database = next(self.unused)
        self._secret = seed_.HUB[1]
        self._trade: RealTrade | None = None

    async def start(self, *, port: int = 0) -> Self:
        """Found the company, or be there again."""
        del port
        self.url = self.server.url
        if self._trade is None:
            self._trade = await asyncio.to_thread(RealTrade, self.url, self._database)
            await self._trade.item(SKU, "Kit of the suite")
        return self

    async def stop(self) -> None:
        """Be gone: as far as this stage can see, for the server serves others."""
        self.url = "http://127.0.0.1:9"

    @property
    def trade(self) -> RealTrade:
        """The company, once it is there."""
        assert self._trade is not None, "not started"
        return self._trade

    def settings(self) -> dict[str, Any]:
        """Return the settings that reach it."""
        return {"database": self._database, "warehouse": "WH", "customer": "C-1"}

    def credentials(self) -> str:
        """Return user and password."""
        return json.dumps({"user": seed_.HUB[0], "password": self._secret})

    async def rotate_secret(self) -> None:
        """Give the user another password."""
        self._secret = f"{self._secret}-next"
        await self._write_user(password=self._secret)

    async def under_privilege(self, on: bool = True) -> None:
        """Take the user out of its groups, or back into them."""
        groups = [seed_.reference(self.trade.desk, name) for name in seed_.RIGHTS[seed_.HUB[0]]]
        await self._write_user(groups=[["remove" if on else "add", groups]])

    def command(self, operation: str, number: int) -> str:
        """Return a body that is accepted."""
        lines = [{"sku": SKU, "quantity": 1, "unit_price": "9.50"}]
        if operation == "order.create":
            return json.dumps({"order": f"ORDER-{number}", "customer": "C-1", "lines": lines})
        if operation == "return.create":
            return json.dumps({"reference": f"RETURN-{number}", "customer": "C-1", "lines": lines})
        self.trade.sell(SKU, f"CANCEL-{number}", mark=f"{MARK}earlier-{number}")
        return json.dumps({"order": f"CANCEL-{number}"})

    def poison(self, operation: str) -> str:
        """Return a body that is refused."""
        if operation == "order.cancel":
            return json.dumps({"order": "NO-SUCH-SALE"})
        name = "order" if operation == "order.create" else "reference"
        return json.dumps({name: "POISON", "customer": "C-1", "lines": [{"sku": "NO-SUCH-PRODUCT", "quantity": 1}]})

    async def happened(self, operation: str, body: str, key: str) -> int:
        """Return how many sales a key has made, or whether a sale is stopped."""
        if operation == "order.cancel":
            return sum(sale["deliveries"] == "none" for sale in await self.trade.sales(json.loads(body)["order"]))
        domain = [["description", "=", MARK + key], ["state", "not in", ["draft", "quotation", "cancelled"]]]
        return len(await asyncio.to_thread(self.trade.desk.find, "sale.sale", domain))

    async def _write_user(self, **values: Any) -> None:
        desk = self.trade.desk
        user = await asyncio.to_thread(desk.one, "res.user", [["login", "=", seed_.HUB[0]]])
        await asyncio.to_thread(lambda: desk.write("res.user", [user["id"]], **values))
