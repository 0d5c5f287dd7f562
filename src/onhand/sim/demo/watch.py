"""Watches partners and channels while the week goes on: what the hub makes of them, as an operator would see it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from onhand.domain.errors import OnhandError
from onhand.sim.demo.network import ERP, MARKET, MARKET_ORDERS, SHOP, WAREHOUSE
from onhand.sim.demo.partners import Partners
from onhand.sim.demo.tally import PartnerLine, Tally
from onhand.sim.demo.waiting import until

LOOK_S: Final = 0.25
"""How often it looks: a breaker of the demo stays open for a second at least."""

WAIT_S: Final = 30.0
"""How long something may take that takes a second or two."""

ENDPOINTS: Final = {"shop": (SHOP,), "market": (MARKET, MARKET_ORDERS), "erp": (ERP,), "warehouse": (WAREHOUSE,)}
CHANNELS: Final = {"shop": "web", "market": "market"}
"""Which channel each partner shows the numbers of."""

TITLES: Final = {"shop": "web shop", "market": "marketplace", "erp": "ERP", "warehouse": "warehouse"}


class Watch:
    """Looks at endpoints and channels. `opened` counts how often a breaker was seen to open, by partner."""

    def __init__(self, hub: Any, partners: Partners, tally: Tally) -> None:
        self.opened: Counter[str] = Counter()
        self.dead = 0
        self._hub = hub
        self._partners = partners
        self._tally = tally
        self._breakers: dict[str, str] = {}

    async def look(self) -> list[PartnerLine]:
        """Look once."""
        views = {view.code: view for view in await self._hub.flow.endpoints()}
        channels = {each.channel: each for each in await self._hub.publications.status()}
        self.dead = sum(view.dead for view in views.values())
        lines = []
        for name, endpoints in ENDPOINTS.items():
            at = [views[code] for code in endpoints if code in views]
            breaker = next((view.breaker for view in at if view.breaker != "closed"), "closed")
            if breaker == "open" and self._breakers.get(name, "closed") == "closed":
                self.opened[name] += 1
            self._breakers[name] = breaker
            channel = channels.get(CHANNELS.get(name, ""))
            lines.append(
                PartnerLine(
                    name=TITLES[name], state=self._partners.states[name], breaker=breaker,
                    waiting=sum(view.unfinished for view in at), in_flight=sum(view.in_flight for view in at),
                    opened=self.opened[name],
                    channel=CHANNELS.get(name, ""), listed=channel.listed if channel else 0,
                    in_step=channel.in_step if channel else 0,
                )
            )  # fmt: skip
        self._tally.partners = lines
        return lines

    async def line(self, partner: str) -> PartnerLine:
        """Look at one partner."""
        return next(line for line in await self.look() if line.name == TITLES[partner])

    async def until(self, partner: str, holds: Callable[[PartnerLine], bool], *, what: str) -> PartnerLine:
        """Wait until something holds of a partner. Raises Unavailable, which names what was waited for."""
        return await until(lambda: self.line(partner), holds, within_s=WAIT_S, every_s=LOOK_S, what=what)

    async def watch_for_ever(self) -> None:
        """Look over and over, until cancelled."""
        while True:
            with suppress(OnhandError):
                await self.look()
            await asyncio.sleep(LOOK_S)
