"""The partners of the resiliency matrix: how the stand-in of each connector is put into a network, and made sick."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from onhand.sdk.fake import FakePartner, Fault
from onhand.sdk.partner import Listing, Partner

TIMEOUT_S = 1.5
NEVER_S = 600.0
RETRY_AFTER_S = 7

FAULTS: dict[str, dict[str, Any]] = {
    "silent": {"kind": "slow", "delay_s": NEVER_S},
    "losing_answers": {"kind": "lose_answer"},
    "failing": {"kind": "status", "status": 500},
    "throttling": {"kind": "status", "status": 429, "headers": {"retry-after": str(RETRY_AFTER_S)}},
    "unauthorised": {"kind": "status", "status": 401},
    "garbage": {"kind": "garbage"},
}
"""How a stand-in plays each sickness but `down`."""

STREAMS = {"bazaar": "orders", "files": "rows", "rest": "items", "tryton": "items", "vendure": "orders"}
"""What the test reads of each."""

COMMANDS = {
    "bazaar": "order.ship", "files": "file.write", "rest": "order.create", "tryton": "order.create",
    "vendure": "order.fulfil",
}  # fmt: skip
"""What the test tells each, beside numbers."""


class Connected:
    """A stand-in, under the name by which the network knows it: system, endpoint and channel are called so."""

    def __init__(self, name: str, connector: str, partner: Partner, folder: Path) -> None:
        self.name = name
        self.connector = connector
        self.partner = partner
        self.listings: list[Listing] = []
        self._secret = folder / f"{name}.secret"

    async def prepare(self) -> None:
        """Lay out its secret, its listings, and a market that answers at once."""
        self._secret.write_text(self.partner.credentials())
        if self.publishes:
            self.listings = list(await self.partner.listings(2))
        if self.connector == "bazaar":
            await self.partner.simulate(feed_takes_s=0, lag_s=0)  # type: ignore[attr-defined]

    @property
    def publishes(self) -> bool:
        """Whether it is told numbers."""
        return self.connector != "tryton"

    @property
    def calls(self) -> int:
        """How often it was called; a folder keeps no count."""
        return self.partner.calls if isinstance(self.partner, FakePartner) else 0

    def endpoint(self) -> dict[str, Any]:
        """Return its address and policy, as the network's files have it."""
        found: dict[str, Any] = {
            "system": self.name, "sender": self.connector, "base_url": self.partner.url, "owner": "ada",
            "settings": self.partner.settings(), "allow_private_addresses": True, "timeout_s": TIMEOUT_S, "batch": 10,
            "retry": {"attempts_max": 6, "first_s": 1, "longest_s": 60},
            "breaker": {"calls_min": 2, "open_s": 20, "open_max_s": 60},
        }  # fmt: skip
        if self.partner.credentials():
            found["secret"] = f"file:{self._secret}"
        return found

    def feed(self) -> dict[str, Any]:
        """Return what is read of it."""
        found: dict[str, Any] = {"endpoint": self.name, "stream": STREAMS[self.connector], "every_s": 30}
        if self.connector == "files":
            found |= {"mode": "file", "statement": {"means": "absolute"}}
        return found

    def channel(self, skus: list[str]) -> dict[str, Any]:
        """Return how it sells, and what it is told."""
        found: dict[str, Any] = {"kind": "marketplace", "sells_from": ["MAIN"]}
        if self.listings:
            names = dict(zip(skus, (each.listing for each in self.listings), strict=True))
            found["publish"] = {"endpoint": self.name, "items": "listed", "listings": names, "read_back_percent": 0}
        return found

    def skus(self) -> list[str]:
        """Return the items that its news speak of, so that they can be declared."""
        return {
            "bazaar": [f"TEA-{n:03}" for n in range(1, 41)], "vendure": ["PLENTY"], "files": ["A-1", "A-2", "A-3"],
        }.get(self.connector, [])  # fmt: skip

    async def news(self, count: int) -> None:
        """Let things happen that its feed tells."""
        await self.partner.populate(STREAMS[self.connector], count)

    async def told(self) -> set[str]:
        """Return the keys of all that its feed tells."""
        return set(await self.partner.keys(STREAMS[self.connector]))

    def command(self, number: int) -> tuple[str, str]:
        """Return an operation and the body of a command."""
        operation = COMMANDS[self.connector]
        return operation, self.partner.command(operation, number)

    async def happened(self, body: str, key: str) -> int:
        """Return how often a command took effect."""
        return await self.partner.happened(COMMANDS[self.connector], body, key)

    async def shows(self) -> list[int | None]:
        """Return what its buyers see."""
        return [await self.partner.shown(each) for each in self.listings]

    async def sicken(self, how: str) -> None:
        """Make it sick."""
        if how == "down":
            await self.partner.stop()
        else:
            assert isinstance(self.partner, FakePartner)
            self.partner.sicken(Fault(times=None, body=self.partner.refusal(), **FAULTS[how]))

    async def heal(self, how: str) -> None:
        """Make it well."""
        if how == "down":
            await self.partner.start(port=urlsplit(self.partner.url).port or 0)
        else:
            assert isinstance(self.partner, FakePartner)
            self.partner.heal()


class Holding:
    """What a stand-in may be besides: one that does the work and then holds its answers, from the n-th request on."""

    left: int | None = None
    reached: asyncio.Event
    go: asyncio.Event

    def hold(self, *, nth: int) -> asyncio.Event:
        """Hold every answer from the n-th request from now on; return what is set when the first is held."""
        self.left, self.reached, self.go = nth, asyncio.Event(), asyncio.Event()
        return self.reached

    def let_go(self) -> None:
        """Answer everything, and hold nothing any more."""
        self.left = None
        self.go.set()

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Do the work, and answer when it is time."""
        done: web.StreamResponse = await super().answer(request, body)  # type: ignore[misc]
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                self.reached.set()
                await self.go.wait()
        return done


def connected(name: str, connector: str, folder: Path, *, seed: int, besides: type | None = None) -> Connected:
    """Return the stand-in of a connector, not there yet; `besides` is mixed in."""
    kind: type[Partner] = importlib.import_module(f"onhand.connectors.{connector}.fake").Fake
    if besides is not None:
        kind = type(besides.__name__, (besides, kind), {})
    fake = kind(seed=seed)  # type: ignore[call-arg]
    if isinstance(fake, FakePartner):
        fake.secret = "a secret of this test"  # noqa: S105 - it opens nothing
    return Connected(name, connector, fake, folder)


def network(around: list[Connected], skus: list[str], *, feeds: bool = True) -> dict[str, Any]:
    """Return a network in which all of them are connected, and a desk that sells and is told nothing."""
    long = 30 * 86_400
    desk = {"kind": "storefront", "sells_from": ["MAIN"], "reservation_default_s": long, "reservation_max_s": long}
    return {
        "systems": {"erp": {"kind": "erp"}, **{each.name: {"kind": "other", "owner": "ada"} for each in around}},
        "locations": {"MAIN": {"kind": "warehouse"}, "central": {"kind": "warehouse"}},
        "channels": {"desk": desk, **{each.name: each.channel(skus) for each in around}},
        "endpoints": {each.name: each.endpoint() for each in around},
        "feeds": {f"{each.name}-news": each.feed() for each in around} if feeds else {},
    }
