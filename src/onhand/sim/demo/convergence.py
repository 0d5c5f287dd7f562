"""The end of the week: partners are well again, what waited is told, and each is asked what its buyers see.

The hub's own word that it is in step counts for nothing here: what a channel shows is read from the partner's process,
and compared with what the hub says that it should show.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from onhand.sim.demo.catalogue import COUNTED_SKU
from onhand.sim.demo.network import FEEDS
from onhand.sim.demo.partners import Partners
from onhand.sim.demo.sales import Sales
from onhand.sim.demo.tally import PartnerLine, Tally
from onhand.sim.demo.troubles import EDITED, Troubles
from onhand.sim.demo.watch import CHANNELS, TITLES, Watch

CONVERGE_S: Final = 120.0
"""How long it may take until everything is told; on a quiet machine it takes seconds."""

BY_HAND_S: Final = 40.0
"""How long read-back has to find what somebody typed into the shop, before it is told again by hand."""

WORD_S: Final = 10.0
"""How often it is told what is waited for."""

LOOK_S: Final = 0.25
PAGE: Final = 500


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A listing whose buyers see another number than they should."""

    listing: str
    desired: int | None
    shown: int | None


class ChannelOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """A channel at the end: `changes` of what is free became `told` numbers; `drifts` were found and repaired."""

    channel: str
    partner: str
    listings: int
    in_step: int
    changes: int
    told: int
    drifts: int
    differences: tuple[Difference, ...]


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """What partners say at the end. `ok`: every channel converged, no promise was broken, nothing was done twice.

    `orders` are those that partners took by themselves, `orders_heard` how many of them the hub knows; `to_erp` and
    `in_erp` likewise the other way. `dead` are messages and commands that were given up.
    """

    ok: bool = False
    took_s: float
    channels: tuple[ChannelOutcome, ...]
    breakers_opened: dict[str, int]
    troubles: Troubles
    webhooks: dict[str, int]
    orders: int
    orders_heard: int
    to_erp: int
    in_erp: int
    dead: int
    twice: tuple[str, ...]
    broken: tuple[str, ...]


def judged(found: Connected) -> Connected:
    """Return what partners say, with the verdict on it."""
    in_step = all(each.listings and not each.differences for each in found.channels)
    whole = found.orders_heard == found.orders and found.in_erp == found.to_erp
    hooked = found.webhooks["stored"] == found.webhooks["facts"]
    wrong = found.broken or found.twice or found.dead or found.troubles.window_calls
    return msgspec.structs.replace(found, ok=in_step and whole and hooked and not wrong)


class Convergence:
    """Heals everything and waits; then asks."""

    def __init__(self, hub: Any, partners: Partners, sales: Sales, watch: Watch, tally: Tally) -> None:
        self._hub = hub
        self._partners = partners
        self._sales = sales
        self._watch = watch
        self._tally = tally

    async def reach(self) -> float:
        """Heal partners and wait until nothing is left to tell or to hear; return how long it took, at most a limit."""
        await self._partners.heal()
        await self._sales.write()
        begun = time.monotonic()
        self._tally.tell("everybody is well; what waited is told")
        by_hand, next_word_s = False, WORD_S
        while (took_s := time.monotonic() - begun) < CONVERGE_S and not await self._reached():
            if not by_hand and took_s > BY_HAND_S:
                by_hand = True
                await self._hub.publications.tell_now("web", [COUNTED_SKU], who="demo")
            if took_s > next_word_s:
                next_word_s += WORD_S
                self._tally.tell(_waited_for(self._tally.partners))
            await asyncio.sleep(LOOK_S)
        return took_s

    async def outcome(self, troubles: Troubles, took_s: float) -> Connected:
        """Ask every partner what it shows, did and suffered."""
        said = {name: await each.do("simulate") for name, each in self._partners.processes.items() if name in _DOES}
        broken = [
            f"{TITLES[name]}: {promise}"
            for name, process in self._partners.processes.items()
            for promise in await process.broken()
        ]
        channels = tuple([await self._channel(name, said[name]["told"]) for name in CHANNELS])
        twice = tuple(f"{TITLES[name]}: {each}" for name, each_said in said.items() for each in each_said["twice"])
        dead = self._watch.dead + sum([(await self._hub.feeds.feed(code)).dead for code in FEEDS])
        orders = sum(len(taken) for taken in self._partners.sold.values())
        heard, in_erp = await self._heard(), said["erp"]["orders"]
        webhooks = msgspec.to_builtins(self._partners.webhooks)
        return judged(
            Connected(
                took_s=round(took_s, 1), channels=channels, breakers_opened=dict(self._watch.opened),
                troubles=troubles, webhooks=webhooks, orders=orders, orders_heard=heard, to_erp=self._sales.to_erp,
                in_erp=in_erp, dead=dead, twice=twice, broken=tuple(broken),
            )
        )  # fmt: skip

    async def _reached(self) -> bool:
        """Tell whether nothing is left to tell or to hear, and what was typed into the shop is gone."""
        if not all(line.settled for line in await self._watch.look()):
            return False
        if any([(await self._hub.feeds.feed(code)).waiting for code in FEEDS]):
            return False
        if await self._heard() < sum(len(taken) for taken in self._partners.sold.values()):
            return False
        if await self._partners.processes["shop"].shown(COUNTED_SKU) == EDITED:
            return False
        return not any([await self._differences(name) for name in CHANNELS])

    async def _channel(self, partner: str, told: int) -> ChannelOutcome:
        channel = CHANNELS[partner]
        drifts = sum(row.drifts for row in await self._rows(channel))
        listings, differences = len(self._partners.listings[partner]), await self._differences(partner)
        return ChannelOutcome(
            channel=channel, partner=TITLES[partner], listings=listings, in_step=listings - len(differences),
            changes=self._tally.changes[channel], told=told, drifts=drifts, differences=differences,
        )  # fmt: skip

    async def _differences(self, partner: str) -> tuple[Difference, ...]:
        """Return the listings whose buyers see another number than they should, those that nobody publishes too."""
        desired = {row.listing: row.desired for row in await self._rows(CHANNELS[partner])}
        shelves = await self._partners.processes[partner].shelves(self._partners.listings[partner])
        return tuple(
            Difference(listing=listing, desired=desired.get(listing), shown=shown)
            for listing, shown in shelves.items()
            if shown is None or shown != desired.get(listing)
        )

    async def _rows(self, channel: str) -> list[Any]:
        page = await self._hub.publications.page(channel=channel, limit=PAGE)
        return [row for row in page.rows if row.state != "off"]

    async def _heard(self) -> int:
        """Return how many orders that partners took by themselves the hub has recorded."""
        heard, after = 0, None
        while rows := (page := await self._hub.ledger.events(type="order.accepted", after=after, limit=PAGE)).rows:
            heard, after = heard + len(rows), page.next_cursor
        return heard


def _waited_for(lines: Sequence[PartnerLine]) -> str:
    waiting, behind = sum(line.waiting for line in lines), sum(line.listed - line.in_step for line in lines)
    return f"still waiting: {waiting:,} commands, {behind:,} numbers, and what partners have not yet told"


_DOES: Final = ("shop", "market", "erp")
"""Partners that keep count of what they were told."""
