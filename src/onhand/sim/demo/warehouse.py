"""The eastern warehouse: tells picks, shipments and receipts by signed webhooks, and writes down when they counted.

A webhook is acknowledged when it is stored; it counts a moment later. So a fact is written down as having counted at
some time between its sending and the moment at which nothing of the warehouse waited any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from onhand.domain.errors import OnhandError
from onhand.sim.api import Reply
from onhand.sim.demo.network import MOVES
from onhand.sim.demo.partners import KINDS, Partners
from onhand.sim.demo.waiting import until
from onhand.sim.history import now_ns

SYSTEM: Final = "wms-east"
COUNT_WAIT_S: Final = 120.0
"""How long it may take: what a killed node was mapping is another's after a minute."""
LOOK_S: Final = 0.1
CONFIRM_S: Final = 0.5

Note = Callable[[Mapping[str, Any], str, Reply], None]
"""Writes down what became of a fact."""


class Warehouse:
    """What lies between the week and the warehouse's process. `copies`: how often it sends each webhook, in turn."""

    def __init__(self, partners: Partners, hub: Any, urls: Callable[[], Sequence[str]], *, seed: int) -> None:
        self.copies: Sequence[int] = (1,)
        self.note: Note | None = None
        self._partners = partners
        self._hub = hub
        self._urls = urls
        self._seed = seed
        self._turn = asyncio.Lock()
        self._open: list[tuple[Mapping[str, Any], int]] = []

    def tells(self, fact: Mapping[str, Any]) -> bool:
        """Tell whether a fact is one that the warehouse sends by itself."""
        return fact["source"] == SYSTEM and fact["type"] in KINDS

    async def tell(self, facts: Sequence[Mapping[str, Any]]) -> None:
        """Have facts sent. They are stored when this returns, and count soon."""
        sent = now_ns()
        self._seed += 1
        await self._partners.deliver(self._urls(), facts, copies=self.copies, seed=self._seed)
        self._open += [(fact, sent) for fact in facts]

    async def confirm(self) -> bool:
        """Write down what has counted by now; True when that is everything."""
        async with self._turn:
            stored, asked = list(self._open), await self._hub.feeds.feed(MOVES)
            if asked.waiting:
                return False
            del self._open[: len(stored)]
        outcome = "quarantined" if asked.quarantined or asked.dead else "applied"
        for fact, sent in stored:
            if self.note is not None:
                self.note(fact, outcome, Reply(200, None, sent, now_ns()))
        return not self._open

    async def settle(self) -> None:
        """Wait until all that was told counts. Raises Unavailable."""
        await until(self.confirm, bool, within_s=COUNT_WAIT_S, every_s=LOOK_S, what=f"The count of what {SYSTEM} told")

    async def confirm_for_ever(self) -> None:
        """Write down now and then what has counted, until cancelled."""
        while True:
            await asyncio.sleep(CONFIRM_S)
            with suppress(OnhandError):
                await self.confirm()
