"""Who Almond & Reed are connected to: a web shop, a marketplace, an ERP and a warehouse, each a process of its own.

Their credentials lie in files that nobody else can read, as they would in production.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from onhand.sim.demo import catalogue
from onhand.sim.demo.catalogue import LISTED
from onhand.sim.demo.network import MOVES, listing_of, network_files
from onhand.sim.partners import PartnerProcess, partner

PARTNERS: Final = {"shop": "vendure", "market": "bazaar", "erp": "tryton", "warehouse": "rest"}
"""What each is played by: the stand-in of that connector."""

MARKET_TAKES_S: Final = 1
"""How long the marketplace works on a batch of numbers; a real one says half an hour."""

WAREHOUSE_SITE: Final = "EAST"


class Sent(msgspec.Struct):
    """Webhooks so far: facts behind them, times they were sent, and what the hub said of those."""

    facts: int = 0
    sent: int = 0
    stored: int = 0
    repeated: int = 0


class Partners:
    """The four processes, and what the week asks of them.

    `states`: well, down, slow, repeats or window, by partner; `listings`: what those that sell have on offer.
    """

    def __init__(self, processes: Mapping[str, PartnerProcess], folder: Path) -> None:
        self.processes = processes
        self.states: dict[str, str] = dict.fromkeys(processes, "well")
        self.listings = {
            "shop": tuple([each["sku"] for each in catalogue.statements()] + [catalogue.LATE_SKU]),
            "market": tuple(listing_of(sku) for sku in LISTED),
        }
        self.webhooks = Sent()
        self.sold: dict[str, list[str]] = {"shop": [], "market": []}
        self._secrets = {name: _kept(folder / name, process.credentials) for name, process in processes.items()}

    def network(self, *, window_from: datetime | None = None) -> dict[str, str]:
        """Return the files of the network, with the addresses of these processes."""
        return network_files(self.processes, self._secrets, window_from=window_from)

    async def open_shop(self) -> None:
        """Have the shop and the marketplace list what Almond & Reed sell, at nought."""
        await self.processes["shop"].do("simulate", offer=self.listings["shop"])
        offer = {listing_of(sku): sku for sku in LISTED}
        await self.processes["market"].do("simulate", offer=offer, feed_takes_s=MARKET_TAKES_S, lag_s=0)

    async def state_items(self, names: Mapping[str, str], *, now: datetime) -> None:
        """Have the ERP create products."""
        await self.processes["erp"].do("simulate", offer=names, at=WAREHOUSE_SITE, now=now.isoformat())

    async def receive(self, sku: str, quantity: int, *, now: datetime) -> None:
        """Have the ERP post a receipt at the eastern warehouse."""
        await self.processes["erp"].do("simulate", receive={sku: quantity}, at=WAREHOUSE_SITE, now=now.isoformat())

    async def buy(self, where: str, lines: Mapping[str, int]) -> str | None:
        """Let somebody buy in the shop or at the marketplace; return the order, None where it is not to be had."""
        if self.states[where] == "down":
            return None
        done = await self.processes[where].do("simulate", **{"sell" if where == "shop" else "buy": lines})
        order: str | None = done["order"]
        if order is not None:
            self.sold[where].append(order)
        return order

    async def deliver(
        self, urls: Sequence[str], facts: Sequence[Mapping[str, Any]], *, copies: Sequence[int] = (1,), seed: int = 0
    ) -> None:
        """Have the warehouse tell facts by webhooks, each until a node has taken it."""
        things = [_told(fact) for fact in facts]
        said = await self.processes["warehouse"].deliver(urls, MOVES, things, copies=copies, seed=seed)
        count = self.webhooks
        count.facts += len(things)
        count.sent += sum(copies[n % len(copies)] for n in range(len(things)))
        count.stored += said.get("stored", 0)
        count.repeated += said.get("repeated", 0)

    async def heal(self) -> None:
        """Make every one of them well."""
        for name, process in self.processes.items():
            if self.states[name] == "down":
                await process.come_back()
            if self.states[name] == "window":
                await process.maintenance(False)
            await process.heal()
            self.states[name] = "well"


@asynccontextmanager
async def partners(seed: int) -> AsyncIterator[Partners]:
    """Run all of them for as long as the block runs."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onhand-partners-")))
        processes = {
            name: await stack.enter_async_context(partner(connector, seed=seed)) for name, connector in PARTNERS.items()
        }
        found = Partners(processes, folder)
        await found.open_shop()
        yield found


def _kept(path: Path, credentials: str) -> Path:
    """Write credentials where only we can read them; return where."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(credentials)
    return path


def _told(fact: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fact in the words of the warehouse."""
    data = fact["data"]
    thing = {
        "number": fact["id"], "at": fact["time"], "kind": KINDS[fact["type"]], "site": data["location"],
        "promise": data.get("reservation_id"), "order": data.get("order"), "purchase": data.get("purchase_order"),
        "notice": data.get("asn"), "rows": [_row(line) for line in data["lines"]],
    }  # fmt: skip
    return {name: value for name, value in thing.items() if value is not None}


def _row(line: Mapping[str, Any]) -> dict[str, Any]:
    row = {
        "article": line["sku"], "pieces": line["quantity"], "batch": line.get("lot"), "unit": line.get("uom"),
        "best_before": line.get("expiry"),
    }  # fmt: skip
    return {name: value for name, value in row.items() if value is not None}


KINDS: Final = {"pick.confirmed": "PICK", "shipment.confirmed": "SHIP", "receipt.posted": "RECEIPT"}
"""What the warehouse tells by webhooks, in its own words."""
