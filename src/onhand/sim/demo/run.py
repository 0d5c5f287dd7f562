"""The demo from an empty directory to the verdict: two nodes, four partners, one database, a week, the proof.

Nodes and partners are processes of their own; this one plays the buyers, and looks at the hub as its operator.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec

from onhand.app.answers import Verification
from onhand.domain.errors import Conflict
from onhand.ops.settings import Settings
from onhand.sim import checker, nodes
from onhand.sim.api import Api
from onhand.sim.demo.convergence import Connected, Convergence
from onhand.sim.demo.desk import AVAILABLE, Desk
from onhand.sim.demo.flash import flash_sale
from onhand.sim.demo.orders import Trade
from onhand.sim.demo.partners import Partners, partners
from onhand.sim.demo.sales import Sales
from onhand.sim.demo.tally import Tally
from onhand.sim.demo.troubles import Trouble
from onhand.sim.demo.warehouse import Warehouse
from onhand.sim.demo.watch import Watch
from onhand.sim.demo.week import Week
from onhand.sim.history import Level, Recorder, now_ns
from onhand.sim.house import House, house

SKEW_NS = 50_000_000
"""The hub's clock is this machine's own; a deadline may still be read a moment before it is stamped."""

CLIENT = "demo"
HOURS = range(8, 19)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to run: `fast` is for tests, small and without waiting."""

    seed: int = 7
    fast: bool = False
    history: Path | None = None
    ports: tuple[int, ...] = ()

    @property
    def hour_s(self) -> float:
        """Seconds that an hour of the week takes at least."""
        return 0.0 if self.fast else 0.5

    @property
    def slow_s(self) -> float:
        """How long each call takes at a marketplace that is slow."""
        return 0.3 if self.fast else 0.8

    @property
    def carts_an_hour(self) -> int:
        """Carts filled in a usual hour."""
        return 4 if self.fast else 14

    @property
    def buyers(self) -> int:
        """Buyers in the flash sale."""
        return 600 if self.fast else 5_000

    @property
    def flash_stock(self) -> int:
        """Units in the flash sale."""
        return 60 if self.fast else 500


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the week came to.

    `ok`: both judges find nothing sold twice, the flash sale sold exactly its stock, and every channel converged with
    no promise broken towards a partner and nothing done twice.
    """

    ok: bool
    seed: int
    took_s: float
    requests: int
    promised_units: int
    refused: int
    oversold: int
    channels: dict[str, dict[str, int]]
    facts: dict[str, int]
    quarantine: list[dict[str, str]]
    flash: dict[str, float]
    shipped: int
    expired_or_forgotten: int
    history: checker.Report
    verification: Verification
    connected: Connected
    urls: tuple[str, ...]


Shown = Callable[[Tally], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def demo(settings: Settings, options: Options, *, shown: Shown) -> AsyncIterator[tuple[Outcome, House]]:
    """Live through the week; yields the outcome while the nodes are still running."""
    async with AsyncExitStack() as stack:
        around = await stack.enter_async_context(partners(options.seed))
        files = around.network()
        home = await stack.enter_async_context(house(settings, files, client=CLIENT, nodes=2, ports=options.ports))
        await _alone(home)
        yield await _lived(home, around, options, shown), home


class NotAlone(Conflict):
    """The database holds something already, and a second week on top of it would prove nothing."""

    code = "demo_not_alone"
    title = "The demo wants a database of its own"
    done = "Nothing was changed."
    remedy = "Leave out --dsn and --data-dir, or name a directory that is empty."


async def _alone(home: House) -> None:
    """Raise NotAlone where somebody else's network is in force, or facts are recorded."""
    if (await home.hub.ledger.events(limit=1)).rows:
        raise NotAlone("Facts are recorded already.")
    current = await home.hub.networks.current()
    if current is None or current.version > 1 or current.applied_by != CLIENT:
        raise NotAlone("A network is in force already that is not the demo's.")


async def _lived(home: House, around: Partners, options: Options, shown: Shown) -> Outcome:
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        history = options.history or Path(folder) / "history.jsonl"
        with Recorder(history) as recorder:
            async with Api(home.urls, home.key, connections=64) as api:
                warehouse = Warehouse(around, home.hub, lambda: home.urls, seed=options.seed)
                desk = Desk(api, recorder, tally, warehouse, run=f"demo{options.seed}")
                week = _Life(home, desk, around, options)
                async with shown(tally), week.watched():
                    await week.live()
                    connected = await week.converge()
                await week.look()
                quarantine = await week.quarantine()
        verification = await home.verify()
        verdict = checker.check_files(history, skew_ns=SKEW_NS)
    return _outcome(options, tally, week, verdict, verification, quarantine, connected, home)


class _Life:
    def __init__(self, home: House, desk: Desk, around: Partners, options: Options) -> None:
        self._home = home
        self._desk = desk
        self._options = options
        sales = Sales(home.hub)
        self.trade = Trade(desk, sales, around, Random(options.seed))  # noqa: S311  (it makes up carts, it guards nothing)
        week = Week(desk, self.trade, around, flash_stock=options.flash_stock, sale=self._sale)
        self._watch = Watch(home.hub, around, desk.tally)
        self._trouble = Trouble(desk, self.trade, around, self._watch, home.hub, slow_s=options.slow_s)
        self._convergence = Convergence(home.hub, around, sales, self._watch, desk.tally)
        self._happenings = (week.happenings, self._trouble.happenings)
        self._show_nodes()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch partners, and write down what their facts came to, while the block runs."""
        tasks = [asyncio.create_task(each) for each in (
            self._watch.watch_for_ever(), self._desk.warehouse.confirm_for_ever(),
        )]  # fmt: skip
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def converge(self) -> Connected:
        """Heal everything, wait until all is told, and ask the partners."""
        await self._desk.warehouse.settle()
        took_s = await self._convergence.reach()
        await self._trouble.look_at_edit()
        connected = await self._convergence.outcome(self._trouble.found, took_s)
        apart = sum(len(each.differences) for each in connected.channels)
        self._desk.tally.tell(f"{apart} listings are not in step" if apart else "every channel is in step")
        return connected

    async def live(self) -> None:
        """Hour by hour."""
        tally = self._desk.tally
        monday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=8)
        for tally.day in range(7):
            for tally.hour in HOURS:
                begun = asyncio.get_running_loop().time()
                now = monday + timedelta(days=tally.day, hours=tally.hour)
                for happenings in self._happenings:
                    happening = happenings.get((tally.day, tally.hour))
                    if happening is not None:
                        await happening(now)
                if (tally.day, tally.hour) >= (0, 10):
                    await self.trade.hour(now, self._options.carts_an_hour)
                spent = asyncio.get_running_loop().time() - begun
                await asyncio.sleep(max(0.0, self._options.hour_s - spent))

    async def look(self) -> None:
        """Read every shelf, for the checker to compare with what the facts add up to."""
        sent = now_ns()
        stock: dict[tuple[str, str], int] = {}
        after: str | None = None
        while True:
            query = {"status": AVAILABLE, "limit": "1000"} | ({"after": after} if after else {})
            reply = await self._desk.api.get("/v1/balances", query)
            for row in reply.body["rows"]:
                if row["location"] in ("EAST", "WEST", "STORE-1"):
                    place = row["sku"], row["location"]
                    stock[place] = stock.get(place, 0) + row["quantity"]
            after = reply.body.get("next")
            if not after:
                break
        level = tuple((sku, place, quantity) for (sku, place), quantity in stock.items())
        self._desk.recorder.write(Level(id="the shelves on Sunday", sent_ns=sent, answered_ns=now_ns(), stock=level))

    async def quarantine(self) -> list[dict[str, str]]:
        """What still waits for a person."""
        reply = await self._desk.api.get("/v1/quarantine", {"state": "open"})
        return [{name: row[name] for name in ("reason", "type", "source", "detail")} for row in reply.body["rows"]]

    async def _sale(self) -> None:
        options = self._options
        await flash_sale(self._desk, buyers=options.buyers, connections=64, kill=self._kill)

    async def _kill(self) -> None:
        """End one node the hard way, then start another in its place."""
        victim = self._home.nodes[1]
        port = int(victim.url.rpartition(":")[2])
        await victim.kill()
        self._show_nodes()
        self._desk.tally.tell("node 2 is killed with -9; its buyers ask node 1 again")
        fresh = await nodes.start(self._home.settings, port=port)
        self._home.adopt(1, fresh)
        self._show_nodes()
        self._desk.tally.tell("another node takes its place")

    def _show_nodes(self) -> None:
        self._desk.tally.nodes = [(f"node {n}", node.is_running()) for n, node in enumerate(self._home.nodes, 1)]


def _outcome(
    options: Options, tally: Tally, week: _Life, verdict: checker.Report, verification: Verification,
    quarantine: list[dict[str, str]], connected: Connected, home: House,
) -> Outcome:  # fmt: skip
    flash = tally.flash
    exact = flash.sold == min(flash.stock, flash.buyers) and flash.asked == flash.buyers
    channels = {code: dict(counts) for code, counts in tally.channels.items()}
    return Outcome(
        ok=verdict.ok and verification.ok and exact and connected.ok,
        seed=options.seed,
        took_s=round(time.monotonic() - tally.started, 1),
        requests=sum(counts["requests"] for counts in tally.channels.values()),
        promised_units=sum(counts["units"] for counts in tally.channels.values()),
        refused=sum(counts["refused"] for counts in tally.channels.values()),
        oversold=verdict.oversold,
        channels=channels,
        facts=dict(tally.events),
        quarantine=quarantine,
        flash={
            "stock": flash.stock, "buyers": flash.buyers, "sold": flash.sold, "refused": flash.refused,
            "asked_again": flash.retried, "killed_after": flash.killed_after or 0, "took_s": round(flash.took_s, 2),
            "decisions_per_s": round(flash.asked / max(flash.took_s, 0.001)), "slowest_ms": round(flash.slowest_ms, 1),
        },
        shipped=week.trade.shipped,
        expired_or_forgotten=week.trade.forgotten,
        history=verdict,
        verification=verification,
        connected=connected,
        urls=tuple(home.urls),
    )  # fmt: skip
