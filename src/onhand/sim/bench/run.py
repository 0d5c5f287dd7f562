"""The whole bench: a durable hub of its own, row after row, repetitions interleaved with their floors."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec

from onhand.ops.settings import Settings
from onhand.sim import nodes
from onhand.sim.bench import floors, machine, mapped, measuring, publishing, rebuilding, sending, world
from onhand.sim.bench.floors import ClaimFloor
from onhand.sim.bench.load import Job
from onhand.sim.bench.measuring import Measured
from onhand.sim.bench.report import Report, Row, figure
from onhand.sim.house import House, house
from onhand.store.postgres.driver import Database
from onhand.store.postgres.opening import opened

Progress = Callable[[str], None]

MEMORY_MB_MAX = 250.0
P99_MS_MAX = 25.0
PUBLISHED_MAX = 5_000
"""Items that are published in the bench: with twenty channels 100,000 numbers."""

REBUILD_S_MAX = 120.0
"""A rebuild that takes longer is not repeated: it is slow enough to be sure of."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    skus: int
    seconds: float
    repetitions: int
    floor_orders: int
    connections: int
    balances: int
    movements: int
    commands: int
    messages: int


FULL = Size(
    skus=100_000, seconds=8.0, repetitions=3, floor_orders=20_000, connections=128, balances=1_000_000,
    movements=10_000_000, commands=40_000, messages=10_000,
)  # fmt: skip
QUICK = Size(
    skus=10_000,
    seconds=2.0,
    repetitions=1,
    floor_orders=4_000,
    connections=128,
    balances=20_000,
    movements=200_000,
    commands=4_000,
    messages=1_000,
)

LATER = {
    "reconcile 1,000,000 balances": "reconciliation is not built yet",
}


async def run(settings: Settings, *, quick: bool, unsafe: bool, command: str, progress: Progress) -> Report:
    """Measure everything. Raises NotDurable, and what opening the database raises."""
    size = QUICK if quick else FULL
    start = time.perf_counter()
    async with (
        house(
            settings,
            {"bench.yaml": world.NETWORK, "partner.yaml": sending.NETWORK, "feeds.yaml": mapped.NETWORK},
            client="bench",
        ) as home,
        opened(settings, migrate=False, application="onhand bench") as database,
    ):
        where = await machine.describe(database)
        machine.require_durable(where, unsafe=unsafe)
        bench = Bench(home, database, size, progress)
        await bench.prepare()
        rows: list[Row] = []
        for measure in (
            bench.promises,
            bench.intake,
            bench.mapped,
            bench.sending,
            bench.memory,
            bench.publishing,
            bench.rebuild,
        ):
            for row in await measure():
                progress(f"  {row.what}: {figure(row.value, row.unit)}")
                rows.append(row)
        return Report(
            machine=where, quick=quick, command=command, rows=tuple(rows), costs=bench.costs, left_out=bench.left_out,
            took_s=round(time.perf_counter() - start, 1),
        )  # fmt: skip


class Bench:
    """The measurements, one after the other."""

    def __init__(self, home: House, database: Database, size: Size, progress: Progress) -> None:
        self.costs: dict[str, float] = {}
        self.left_out = dict(LATER)
        self._home = home
        self._database = database
        self._size = size
        self._say = progress
        self._node = home.nodes[0]
        self._postmaster = _postmaster(home.settings)
        self._runs = 0
        self._memory = 0

    async def prepare(self) -> None:
        """Stock the world and warm the node up."""
        self._say(f"{self._size.skus:,} items and their stock")
        await world.stock(self._home.hub, self._size.skus)
        await world.settle(self._database)
        self._say("warming up")
        await self._load(seconds=min(2.0, self._size.seconds))

    async def promises(self) -> list[Row]:
        """Orders over HTTP: uniform, hot, of ten lines, and the latency at half load."""
        client = await self._home.hub.keys.authenticate(self._home.key)
        floor = ClaimFloor(self._database, client, skus=self._size.skus)
        bare: list[float] = []
        even: list[Measured] = []
        hot: list[Measured] = []
        ten: list[Measured] = []
        for number in range(1, self._size.repetitions + 1):
            self._say(f"promises, repetition {number} of {self._size.repetitions}")
            bare.append(await floor.per_s(self._size.floor_orders))
            even.append(await self._load())
            hot.append(await self._load(skus=1))
            ten.append(await self._load(order_lines=10))
        rate = median(one.result.per_s for one in even)
        self._say(f"latency at half load, {rate / 2:,.0f} orders/s")
        half = await self._load(rate_per_s=rate / 2)
        self.costs = {
            "node": median(one.node_us for one in even),
            "database": median(one.database_us for one in even),
            "load": median(one.load_us for one in even),
        }
        p99 = half.result.latency_ms["p99"]
        return [
            self._ratio("uniform", "reservations over HTTP, one line, uniform", _rates(even), "orders/s", bare,
                        floors.CLAIM, at_least=0.5),
            self._ratio("hot", "the same on one hot SKU", _rates(hot), "orders/s", _rates(even),
                        "the row above (uniform)", at_least=1.0),
            Row(key="p99", what="p99 at half that load", value=p99, unit="ms", samples=(p99,),
                target=f"≤ {P99_MS_MAX:.0f} ms", met=self._counts(p99 <= P99_MS_MAX),
                note=", ".join(f"{name} {value} ms" for name, value in half.result.latency_ms.items())),
            self._ratio("ten_lines", "ten-line orders", _rates(ten), "orders/s", _rates(even),
                        "one-line orders (uniform)", at_least=0.25),
        ]  # fmt: skip

    async def intake(self) -> list[Row]:
        """Facts: batches of a thousand over HTTP, against COPY."""
        bare: list[float] = []
        taken: list[float] = []
        for number in range(1, self._size.repetitions + 1):
            self._say(f"events, repetition {number} of {self._size.repetitions}")
            bare.append(await floors.copy_per_s(self._database, run=number, seconds=self._size.seconds / 2))
            taken.append(
                await measuring.intake_per_s(
                    self._node, self._home.key, run=number, seconds=self._size.seconds, skus=self._size.skus
                )
            )
        self._look()
        what = "event intake over HTTP, batches of 1,000"
        return [self._ratio("intake", what, taken, "events/s", bare, floors.COPY, at_least=0.35)]

    async def mapped(self) -> list[Row]:
        """Facts through the inbox: stored, mapped, recorded."""
        messages, skus = self._size.messages, self._size.skus
        bare: list[float] = []
        through: list[float] = []
        for number in range(1, self._size.repetitions + 1):
            self._say(f"messages through mapping, repetition {number} of {self._size.repetitions}")
            bare.append(await mapped.direct_per_s(self._home.hub, messages=messages, skus=skus, run=f"{number}"))
            through.append(
                await mapped.through_per_s(
                    self._home.hub, self._database, messages=messages, skus=skus, run=f"{number}"
                )
            )
        value, floor = median(through), median(bare)
        return [
            Row(key="mapped", what=f"messages of {mapped.LINES} lines through inbox and mapping", value=value,
                unit="messages/s", samples=tuple(through), floor=floor, floor_what=mapped.FLOOR, ratio=value / floor)
        ]  # fmt: skip

    async def sending(self) -> list[Row]:
        """Commands out: claimed, sent to a fake in this process, acknowledged."""
        commands = self._size.commands
        bare: list[float] = []
        sent: list[float] = []
        for number in range(1, self._size.repetitions + 1):
            self._say(f"commands out, repetition {number} of {self._size.repetitions}")
            for samples, measure in ((bare, sending.floor_per_s), (sent, sending.sent_per_s)):
                await sending.write(self._home.hub, commands=commands, run=10 * number + (samples is sent))
                samples.append(await measure(self._database, commands=commands))
        value = median(sent)
        return [
            Row(key="outbox", what="outbox: claim, send to a fake in the process, acknowledge", value=value,
                unit="commands/s", samples=tuple(sent), floor=median(bare), floor_what=sending.FLOOR,
                ratio=value / median(bare), target="≥ 5,000/s", met=self._counts(value >= 5_000))
        ]  # fmt: skip

    async def publishing(self) -> list[Row]:
        """Numbers out; after the node's memory was looked at: from here on it does more than the targets speak of."""
        items = min(self._size.skus, PUBLISHED_MAX)
        hub, database = self._home.hub, self._database
        self._say(f"numbers of {items:,} items on {publishing.CHANNELS} channels")
        await publishing.open_channels(hub, database, items=items)
        bare, took = [], []
        for number in range(1, self._size.repetitions + 1):
            self._say(f"change to number, repetition {number} of {self._size.repetitions}")
            bare.append(await publishing.floor_ms(database))
            took += await publishing.change_to_number_ms(
                hub, database, items=items, seconds=self._size.seconds, run=number
            )
        p99, floor = sorted(took)[min(len(took) - 1, len(took) * 99 // 100)], median(bare)
        explained, terms = await publishing.explain_ms(hub)
        what = f"change to desired number, {publishing.CHANNELS} channels, {publishing.CHANGES_PER_S:,} changes/s, p99"
        return [
            Row(key="publication", what=what, value=p99, unit="ms", samples=tuple(took), floor=floor,
                floor_what=publishing.FLOOR, ratio=p99 / floor, target="≤ 1,000 ms", met=self._counts(p99 <= 1_000),
                note=f"median {median(took):.0f} ms, of {len(took)} changes that were followed"),
            Row(key="explain", what="explain one number", value=median(explained), unit="ms", samples=tuple(explained),
                floor=median(terms), floor_what=publishing.EXPLAIN_FLOOR, ratio=median(explained) / median(terms),
                target="≤ 50 ms", met=self._counts(median(explained) <= 50)),
        ]  # fmt: skip

    async def memory(self) -> list[Row]:
        """The largest resident memory of the node that was seen after each measurement."""
        self._look()
        value = self._memory / 1_048_576
        return [
            Row(key="memory", what="memory of the node under that load", value=value, unit="MB", samples=(value,),
                target=f"≤ {MEMORY_MB_MAX:.0f} MB", met=self._counts(value <= MEMORY_MB_MAX))
        ]  # fmt: skip

    async def rebuild(self) -> list[Row]:
        """Balances made anew. Last, because it fills the ledger with what never happened."""
        size = self._size
        what = f"rebuild of {size.balances:,} balances from {size.movements:,} movements"
        if not hasattr(self._home.hub, "rebuild"):
            self.left_out[what] = "rebuild is not wired yet"
            return []
        self._say(f"{size.movements:,} movements")
        await rebuilding.fill(self._database, balances=size.balances, movements=size.movements)
        await self._database.sql("checkpoint")
        bare, own = [], []
        for number in range(1, size.repetitions + 1):
            self._say(f"rebuild, repetition {number} of {size.repetitions}")
            bare.append(await rebuilding.aggregate_s(self._database))
            own.append(await rebuilding.rebuild_s(self._home.hub, self._database))
            if sum(own) > REBUILD_S_MAX:
                break
        value, floor = median(own), median(bare)
        return [
            Row(key="rebuild", what=what, value=value, unit="s", samples=tuple(own), floor=floor,
                floor_what=rebuilding_floor(), ratio=value / floor, target="≤ 2.5 times",
                met=self._counts(value / floor <= 2.5))
        ]  # fmt: skip

    async def _load(
        self, *, seconds: float | None = None, skus: int | None = None, order_lines: int = 1,
        rate_per_s: float | None = None,
    ) -> Measured:  # fmt: skip
        self._runs += 1
        job = Job(
            host="", port=0, key=self._home.key, prefix=f"r{self._runs:04d}-", connections=self._size.connections,
            seconds=seconds or self._size.seconds, skus=skus or self._size.skus, order_lines=order_lines,
            rate_per_s=rate_per_s, seed=self._runs,
        )  # fmt: skip
        measured = await measuring.load(self._node, job, postmaster=self._postmaster)
        strange = {status: count for status, count in measured.result.statuses.items() if status != "201"}
        assert not strange, f"there is stock for every order of a bench, yet: {strange}"
        self._look()
        return measured

    def _look(self) -> None:
        self._memory = max(self._memory, nodes.memory_bytes(self._node.pid))

    def _ratio(
        self, key: str, what: str, samples: list[float], unit: str, floor: list[float], floor_what: str, *,
        at_least: float,
    ) -> Row:  # fmt: skip
        ratio = median(samples) / median(floor)
        return Row(
            key=key, what=what, value=median(samples), unit=unit, samples=tuple(samples), floor=median(floor),
            floor_what=floor_what, ratio=ratio, target=f"≥ {at_least:g} of the floor",
            met=self._counts(ratio >= at_least),
        )  # fmt: skip

    def _counts(self, met: bool) -> bool | None:
        """A quick run is a smoke test: it judges nothing."""
        return met if self._size.repetitions > 1 else None


def rebuilding_floor() -> str:
    """What the rebuild is held against."""
    return floors.AGGREGATE


def _rates(measured: list[Measured]) -> list[float]:
    return [one.result.per_s for one in measured]


def _postmaster(settings: Settings) -> int | None:
    if settings.dsn:
        return None
    try:
        return int(Path(settings.data_folder / "cluster" / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
