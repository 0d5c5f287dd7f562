"""What goes wrong with partners in that week: one is down, one is slow, one repeats itself, one has its window.

Each trouble is real: connections are refused, answers are lost after the work, webhooks come in another order and more
than once, and the partner itself keeps count of whoever calls it in its window.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from onhand.domain.errors import Unavailable
from onhand.sdk.fake import Fault
from onhand.sim.demo.carts import Cart
from onhand.sim.demo.catalogue import COUNTED_SKU
from onhand.sim.demo.desk import Desk
from onhand.sim.demo.orders import Trade
from onhand.sim.demo.partners import Partners
from onhand.sim.demo.waiting import until
from onhand.sim.demo.watch import LOOK_S, WAIT_S, Watch

Happening = Callable[[datetime], Awaitable[None]]

LOST: Final = 2
"""Answers about numbers, and about orders, that the marketplace loses after it did the work."""

COPIES: Final = (2, 3, 2, 1)
"""How often the warehouse sends its webhooks on Thursday, in turn."""

EDITED: Final = 777
"""What somebody types into the shop."""

HEARD_S: Final = 2.5
"""How long a partner must be left alone before it counts as left alone: every node hears of a change within two."""


class Troubles(msgspec.Struct, kw_only=True):
    """What came of them, for the report."""

    away_changes: int = 0
    away_told: int = 0
    lost_answers: int = 0
    slow_calls: int = 0
    repeated: int = 0
    window_waited: int = 0
    window_calls: int = 0
    edited: int = 0


class Trouble:
    """The happenings, by (day, hour), beside those of the week."""

    def __init__(self, desk: Desk, trade: Trade, partners: Partners, watch: Watch, hub: Any, *, slow_s: float) -> None:
        self.found = Troubles()
        self._desk = desk
        self._trade = trade
        self._partners = partners
        self._watch = watch
        self._hub = hub
        self._slow_s = slow_s
        self._calls = 0
        self._changes = 0
        self._told = 0
        self._stored = 0
        self._mended = False
        self.happenings: Mapping[tuple[int, int], Happening] = {
            (1, 12): self._shop_goes_down, (1, 17): self._shop_is_back,
            (2, 9): self._market_is_slow, (2, 18): self._market_is_well,
            (3, 8): self._warehouse_stutters, (3, 18): self._warehouse_is_well,
            (4, 11): self._window_begins, (4, 17): self._window_ends,
            (5, 12): self._somebody_edits, (6, 12): self.look_at_edit,
        }  # fmt: skip

    async def _shop_goes_down(self, _now: datetime) -> None:
        await self._partners.processes["shop"].go_down()
        self._partners.states["shop"] = "down"
        self._told, self._changes = await self._told_so_far("shop"), self._desk.tally.changes["web"]
        self._desk.tally.tell("the web shop is down and refuses connections")

    async def _shop_is_back(self, _now: datetime) -> None:
        await self._watch.until("shop", lambda line: line.opened > 0, what="The breaker of the web shop")
        away = self._desk.tally.changes["web"] - self._changes
        await self._partners.processes["shop"].come_back()
        self._partners.states["shop"] = "well"
        await self._watch.until("shop", _in_step, what="The web shop's step")
        self.found.away_changes = away
        self.found.away_told = told = await self._told_so_far("shop") - self._told
        self._desk.tally.tell(f"the web shop is back: {away:,} changes are {told:,} numbers, the newest")

    async def _market_is_slow(self, _now: datetime) -> None:
        market = self._partners.processes["market"]
        for path in ("/v1/feeds", "/v1/orders/"):
            await market.sicken(Fault(kind="lose_answer", times=LOST, only=path, delay_s=self._slow_s))
        await market.sicken(Fault(kind="slow", times=None, delay_s=self._slow_s))
        self._calls = await market.do("calls")
        for _ in range(LOST):  # at least so many orders that it can lose answers about
            await self._trade.buy(
                Cart("market", ({"line_id": "1", "sku": "MUG-WHITE", "quantity": 1},), "order", "market")
            )
        self._partners.states["market"] = "slow"
        self._desk.tally.tell("the marketplace is slow, and loses answers after it did the work")

    async def _market_is_well(self, _now: datetime) -> None:
        market = self._partners.processes["market"]
        with suppress(Unavailable):
            await until(
                self._faults, lambda seen: not seen, within_s=WAIT_S, every_s=LOOK_S, what="The last lost answer"
            )
        left = await self._faults()
        await market.heal()
        self._partners.states["market"] = "well"
        self.found.slow_calls = await market.do("calls") - self._calls
        self.found.lost_answers = 2 * LOST - left
        twice = len((await market.do("simulate"))["twice"]) or "nothing"
        self._desk.tally.tell(
            f"the marketplace is well; {self.found.lost_answers} answers were lost, {twice} done twice"
        )

    async def _faults(self) -> int:
        """Return how many answers the marketplace has still to lose."""
        left: int = await self._partners.processes["market"].do("faults", kind="lose_answer")
        return left

    async def _warehouse_stutters(self, _now: datetime) -> None:
        self._partners.states["warehouse"] = "repeats"
        self._stored = self._partners.webhooks.stored
        self._desk.warehouse.copies = COPIES
        self._desk.tally.tell("the warehouse sends webhooks two and three times, in any order")

    async def _warehouse_is_well(self, _now: datetime) -> None:
        self._desk.warehouse.copies = (1,)
        self._partners.states["warehouse"] = "well"
        count = self._partners.webhooks
        self.found.repeated = count.repeated
        facts = count.stored - self._stored
        self._desk.tally.tell(f"{count.repeated:,} webhooks came again; {facts:,} facts count once each")

    async def _window_begins(self, _now: datetime) -> None:
        """Announce the window as anybody would, in the network, and close the door once nobody is inside."""
        await self._apply(window_from=datetime.now(UTC), message="The ERP has its maintenance window")
        erp = self._partners.processes["erp"]
        await self._watch.until("erp", lambda line: not line.in_flight, what="The ERP's last call")
        before, self._calls = -1, await erp.do("calls")
        while before != self._calls:
            await asyncio.sleep(HEARD_S)
            before, self._calls = self._calls, await erp.do("calls")
        await erp.maintenance(True)
        self._partners.states["erp"] = "window"
        self._desk.tally.tell("the ERP's maintenance window begins; its commands wait")

    async def _window_ends(self, _now: datetime) -> None:
        erp = self._partners.processes["erp"]
        self.found.window_waited = (await self._watch.line("erp")).waiting
        self.found.window_calls = await erp.do("calls") - self._calls
        await erp.maintenance(False)
        self._partners.states["erp"] = "well"
        await self._apply(window_from=None, message="The ERP's maintenance window is over")
        calls = f"{self.found.window_calls:,} calls" if self.found.window_calls else "not one call"
        self._desk.tally.tell(f"the window is over, {calls} came; {self.found.window_waited:,} sales orders waited")

    async def _somebody_edits(self, _now: datetime) -> None:
        shop = self._partners.processes["shop"]
        shows = await shop.shown(COUNTED_SKU)
        await shop.do("drift", listing=COUNTED_SKU, location=None, quantity=EDITED)
        self.found.edited += 1
        self._desk.tally.tell(f"somebody types {EDITED} spoons into the web shop, which has {shows}")

    async def look_at_edit(self, _now: datetime | None = None) -> None:
        """Tell, once, that the shop shows what it should again."""
        shows = await self._partners.processes["shop"].shown(COUNTED_SKU)
        if self.found.edited and not self._mended and shows != EDITED:
            self._mended = True
            (row,) = (await self._hub.publications.page(channel="web", sku=COUNTED_SKU)).rows
            how = "read-back found what was typed" if row.drifts else "told again by hand"
            self._desk.tally.tell(f"{how}: the web shop has {shows} spoons again")

    async def _apply(self, *, window_from: datetime | None, message: str) -> None:
        plan = await self._hub.networks.plan(self._partners.network(window_from=window_from))
        await self._hub.networks.apply(plan, who="demo", message=message)

    async def _told_so_far(self, partner: str) -> int:
        told: int = (await self._partners.processes[partner].do("simulate"))["told"]
        return told


def _in_step(line: Any) -> bool:
    return bool(line.breaker == "closed" and line.in_step == line.listed)
