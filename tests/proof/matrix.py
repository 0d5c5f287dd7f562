"""One partner goes through every sickness inside a hub that has other things to do; what was seen is kept by cell.

The hub is the real one, wired by `onhand.bootstrap`, and works round by round on a database whose clock is moved by
hand, so that breakers and retries of minutes pass in no time. Beside the sick partner stands a neighbour that is well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onhand.app.flow_ports import Command
from onhand.app.inbox import Filter
from onhand.cli.reference import resiliency
from onhand.sdk.registry import installed
from tests.proof.connected import SKUS, Place, place
from tests.proof.ground import ask, client, fact, granted, receipt
from tests.proof.matrix_partners import Connected

SICK_ROUNDS = 3
ROUNDS_MAX = 20
ROUND_S = 60
COMMANDS = 3
NEWS = 3

CALLS_MAX = 40
"""Calls of a partner that is sick for three minutes: first tries, then a probe now and then; logins count as well."""

MEANWHILE_S = 30.0
"""How long the neighbour may wait for its number at most: a busy machine is slow, a hub that waits stands still."""


@dataclass(slots=True)
class Seen:
    """What was seen of one capability, and what should be, by sickness."""

    wanted: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)

    def note(self, sickness: str, found: Any, *, wanted: Any) -> None:
        """Keep both."""
        self.wanted[sickness] = wanted
        self.found[sickness] = found


class Story:
    """The life of one partner, called `partner`, beside the `neighbour`."""

    def __init__(self, at: Place) -> None:
        self.at = at
        self.hub = at.hub
        self.node = at.node
        self.partner = at.around["partner"]
        self.neighbour = at.around["neighbour"]
        self.seen = {each.name: Seen() for each in resiliency.CAPABILITIES}
        self._stock = 0
        self._step = 0
        self._commands: dict[str, str] = {}

    async def begin(self) -> None:
        """Put the network in force, declare items, and be in step while all are well."""
        await self.at.apply()
        items = [*SKUS, "Y", *self.partner.skus()]
        told = await self.hub.record([fact("item.upserted", {"sku": sku}, id_=f"item/{sku}") for sku in items])
        assert {each.outcome for each in told} == {"applied"}, told
        await self._happen()
        assert await self._receive() == ["applied"] * 3
        await self._recover()
        assert await self._is_right(), (await self._shown(), await self._unread(), await self._unhappened())

    async def live(self, sickness: str) -> None:
        """Be sick, be looked at, be well again."""
        self._step += 1
        await self.at.forward(ROUND_S)
        await self._happen()
        await self.partner.sicken(sickness)
        calls = self.partner.calls
        self.seen["record"].note(sickness, await self._receive(), wanted=["applied"] * 3)
        await self._meanwhile(sickness)
        for _ in range(SICK_ROUNDS - 1):
            await self.at.forward(ROUND_S)
            await self.node.round()
        await self._look(sickness, self.partner.calls - calls)
        await self.partner.heal(sickness)
        await self._recover()
        self.seen["own_numbers"].note(sickness, await self._shown(), wanted=[self._stock] * len(self.partner.listings))
        self.seen["own_feed"].note(sickness, await self._unread(), wanted=[])
        self.seen["own_commands"].note(sickness, await self._unhappened(), wanted={})

    def overtook(self, sickness: str) -> bool:
        """Whether everything that went on beside the partner was done before its calls were over."""
        return all(self.seen[name].found[sickness][1] for name in ("reserve", "others_numbers", "others_feeds"))

    async def _happen(self) -> None:
        """Let partners have news, and write commands for the one that is going to be sick."""
        await self.partner.news(NEWS)
        await self.neighbour.news(NEWS)
        commands = []
        for number in range(COMMANDS):
            operation, body = self.partner.command(self._step * 100 + number)
            key = f"matrix-{self._step}-{number}"
            self._commands[key] = body
            commands.append(Command(endpoint="partner", operation=operation, body=body, idempotency_key=key))
        await self.hub.outbox.write(commands)

    async def _receive(self) -> list[str]:
        """Let goods come, so that both channels are to be told; return what became of the facts."""
        self._stock += 10
        got = [receipt(sku, 10, id_=f"{sku}/{self._step}", location="MAIN") for sku in (*SKUS, "Y")]
        return [each.outcome for each in await self.hub.record(got)]

    async def _meanwhile(self, sickness: str) -> None:
        """While calls to the partner are on their way: a promise, and what the neighbour is told and tells.

        The promise is of an item that no channel lists, so that numbers stand still while they are compared.
        A partner that never answers must be overtaken: its call is still on its way when all of this is done.
        """

        on_their_way = asyncio.gather(self.node.send(), self.node.poller.round())
        answer = await self.hub.reserve(await client(self.at.database), ask(f"q{self._step}", ("Y", 1), channel="desk"))
        overtaken = {"reserve": not on_their_way.done()}
        done = {"reserve": granted([answer]) == 1, "others_numbers": False, "others_feeds": False}
        looks = {"others_numbers": self._neighbour_shows, "others_feeds": self._neighbour_is_read}
        with suppress(TimeoutError):
            async with asyncio.timeout(MEANWHILE_S):
                while not all(done.values()):
                    for name, look in looks.items():
                        if not done[name] and await look():
                            done[name], overtaken[name] = True, not on_their_way.done()
                    await self.at.database.sql("select pg_sleep(0.01)")
        await on_their_way
        for name, each in done.items():
            in_time = sickness != "silent" or overtaken.get(name, False)
            self.seen[name].note(sickness, (each, in_time), wanted=(True, True))

    async def _neighbour_shows(self) -> bool:
        return await self.neighbour.shows() == [self._stock] * len(SKUS)

    async def _neighbour_is_read(self) -> bool:
        await self.node.mapper.round()
        return not await self._unread(self.neighbour)

    async def _look(self, sickness: str, calls: int) -> None:
        """See what people see of it, and how often it was called."""
        endpoint = await self.hub.flow.endpoint("partner")
        feed = await self.hub.feeds.feed("partner-news")
        told = {"endpoint": endpoint.status != "open" or endpoint.breaker != "closed", "feed": feed.status != "well"}
        found = {"told": any(told.values()), "why": bool(feed.why), "few": calls <= CALLS_MAX}
        found["kept"] = not self.partner.partner.broken
        self.seen["seen"].note(sickness, found, wanted=dict.fromkeys(found, True))

    async def _recover(self) -> None:
        """Go on until everything is in step, or has had its time."""
        for _ in range(ROUNDS_MAX):
            await self.node.round()
            if await self._is_right():
                return
            await self.at.forward(ROUND_S)

    async def _is_right(self) -> bool:
        right = await self._shown() == [self._stock] * len(self.partner.listings)
        return right and not await self._unread() and not await self._unhappened()

    async def _shown(self) -> list[int | None]:
        return await self.partner.shows()

    async def _unread(self, of: Connected | None = None) -> list[str]:
        """Return what a partner told and the hub does not have mapped, dead letters among it."""
        of = of or self.partner
        meant = Filter(feed=f"{of.name}-news", states=("mapped", "quarantined"))
        there = {line.key for line in await self.hub.inbox.find(meant, n=1_000)}
        return sorted(await of.told() - there)

    async def _unhappened(self) -> dict[str, Any]:
        """Return commands that did not take effect once, or are not done."""
        rows = await self.at.database.sql("select idempotency_key, state, reason from outbox")
        states = {row["idempotency_key"]: (row["state"], row["reason"]) for row in rows}
        found = {key: (await self.partner.happened(body, key), *states[key]) for key, body in self._commands.items()}
        return {key: each for key, each in found.items() if each[:2] != (1, "done")}


@asynccontextmanager
async def story(dsn: str, connector: str, folder: Path) -> AsyncIterator[Story]:
    """A connector's stand-in in a hub, everything in step."""
    async with place(dsn, folder, {"partner": connector, "neighbour": "rest"}) as at:
        told = Story(at)
        await told.begin()
        yield told


async def lived(dsn: str, connector: str, folder: Path) -> dict[str, Seen]:
    """Let a partner live through every sickness that it can have; return what was seen, by capability."""
    async with story(dsn, connector, folder) as told:
        for sickness in resiliency.sicknesses(installed().get(connector).manifest):
            await told.live(sickness.name)
            if not told.overtook(sickness.name):
                # A machine that stood still for a second proves nothing; a hub that waits does so every time.
                await told.live(sickness.name)
    return told.seen
