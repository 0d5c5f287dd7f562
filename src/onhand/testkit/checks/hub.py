"""K30 to K38, but for those of the inbox: the connector inside a hub whose partner is sick, closed or slow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from prometheus_client import generate_latest
from structlog.testing import capture_logs

from onhand.ops import metrics
from onhand.sdk.fake import Fault
from onhand.testkit.check import NotApplicable, check, expect, tells
from onhand.testkit.hubs import HandClock, KitHub, kit_hub
from onhand.testkit.stage import CODE, Stage
from onhand.testkit.telling import Telling

SLIDING_S = 60
REQUESTS_MAX = 20
"""Requests that one command may take: a partner's operation that has so many steps is rather several operations."""


@asynccontextmanager
async def _hub(stage: Stage, clock: HandClock, *, harmless: bool = True, **named: Any) -> AsyncIterator[KitHub]:
    """A hub and its first operation; with `harmless`, the first that may be said twice."""
    async with stage.scene(**named) as scene:
        names = [name for name, each in stage.manifest.operations.items() if not harmless or each.idempotency != "none"]
        if not names:
            raise NotApplicable("its operations claim that a repetition may do harm (idempotency 'none')")
        async with kit_hub(stage, scene, Telling(scene, names[0]), clock) as hub:
            yield hub


def _all_done(states: Mapping[str, str], but: str) -> None:
    left = {key: state for key, state in states.items() if state != "done"}
    expect(not left, but=f"{but}: {dict(list(left.items())[:3])}")


async def _once(hub: KitHub) -> None:
    for thing in hub.things.values():
        happened = await hub.telling.happened(thing)
        expect(happened == 1, but=f"{hub.telling.name}: {thing.key} happened {happened} times")


@check(30, guards="A partner that is called to death while it tries to get up (P6, P7).", when=tells)
async def breaker_opens(stage: Stage) -> None:
    """While it is down its breaker opens, it is left alone, and afterwards all that waited is delivered."""
    clock = HandClock()
    async with _hub(stage, clock) as hub:
        fake = hub.scene.fake
        await hub.apply(batch=1, breaker={"calls_min": 3, "open_s": 60, "open_max_s": 60})
        await hub.write(await hub.telling.things(10))
        fake.sicken(Fault(kind="status", status=503, times=None))
        worker, before = hub.worker(), fake.calls
        for _ in range(25):
            await worker.round()
            clock.forward(1)
        called = fake.calls - before
        expect((await hub.view()).breaker != "closed", but="25 rounds of 503 leave the breaker closed")
        expect(called < 40, but=f"a partner that is down was called {called} times within 25 s")
        dead = [key for key, state in (await hub.states()).items() if state == "dead"]
        expect(not dead, but=f"{len(dead)} good messages are dead letters because the partner was down")
        fake.heal()
        await hub.drain(step_s=61)
        _all_done(await hub.states(), "after healing not everything is delivered")
        await _once(hub)


@check(31, guards="Calls in the window of a partner who asked for none (P8).", when=tells)
async def window_is_kept(stage: Stage) -> None:
    """In its maintenance window it is not called at all; then what waited drains."""
    clock = HandClock()
    async with _hub(stage, clock, harmless=False) as hub:
        fake = hub.scene.fake
        around = [(clock() + timedelta(hours=hours)).strftime("%H:%M") for hours in (-1, 1)]
        await hub.apply(windows=[{"start": around[0], "end": around[1]}])
        await hub.write(await hub.telling.things(5))
        fake.window_open, before = False, fake.calls
        worker = hub.worker()
        for _ in range(5):
            await worker.round()
            clock.forward(60)
        expect(fake.calls == before, but=f"it was called {fake.calls - before} times in its window")
        expect((await hub.view()).status == "window", but="the endpoint does not show its window")
        fake.window_open = True
        clock.forward(3_700)
        await hub.drain()
        _all_done(await hub.states(), "after the window not everything is delivered")
        expect(not fake.broken, but="; ".join(fake.broken[:3]))


@check(32, guards="A host that is blocked because a connector asked too often (pain 12, P8).", when=tells)
async def rate_is_kept(stage: Stage) -> None:
    """Its rate is never exceeded; the partner itself keeps count."""
    clock, calls = HandClock(), 6
    requests = await _requests_per_call(stage)
    async with _hub(stage, clock, harmless=False, rate=(calls * requests, SLIDING_S)) as hub:
        fake = hub.scene.fake
        fake._clock = clock.seconds
        fake.broken.clear()
        await hub.apply(batch=1, limits={"sliding": [{"calls": calls, "in_s": SLIDING_S}]})
        await hub.write(await hub.telling.things(calls * 4))
        clock.forward(SLIDING_S * 2)
        fake._recent.clear()
        await hub.drain(step_s=5)
        expect(not fake.broken, but=f"{len(fake.broken)} times: {fake.broken[:1]}")
        _all_done(await hub.states(), "within the rate not everything is delivered")


async def _requests_per_call(stage: Stage) -> int:
    """Return how many requests one call of the connector makes at the most, for a policy that counts calls."""
    async with stage.scene() as scene:
        telling = Telling(scene, next(iter(stage.manifest.operations)))
        things, connector = await telling.things(3), scene.connector()
        found = []
        for thing in things:
            before = scene.fake.calls
            await telling.tell(connector, [thing])
            found.append(scene.fake.calls - before)
    expect(max(found) <= REQUESTS_MAX, but=f"one command takes up to {max(found)} requests")
    return max(1, *found)


@check(33, guards="One message that blocks or floods everything (pain 13).", when=tells)
async def poison_beside_healthy(stage: Stage) -> None:
    """One bad message goes to the dead letters with its reason; the healthy ones pass it."""
    clock = HandClock()
    async with _hub(stage, clock, harmless=False) as hub:
        poison = hub.telling.poison()
        if hub.telling.claim.answers_later:
            raise NotApplicable("its partner answers later: the ticket tells which one is refused (K24)")
        await hub.apply()
        good = await hub.telling.things(10)
        await hub.write([*good[:5], poison, *good[5:]])
        await hub.drain(step_s=30)
        states = dict(await hub.states())
        expect(states.pop(poison.key) == "dead", but="what the partner refuses is no dead letter")
        _all_done(states, "healthy messages beside a bad one")
        (row,) = [row for row in await hub.rows() if row["idempotency_key"] == poison.key]
        expect(row["reason"], but="the dead letter has no reason")
        expect(row["tries"] == 1, but=f"what the partner refuses is said {row['tries']} times before it is given up")


@check(34, guards="A replay that ships twice (P4).", when=tells)
async def replayed_once(stage: Stage) -> None:
    """A dead letter that is replayed is delivered once, also when it is replayed twice."""
    clock = HandClock()
    async with _hub(stage, clock) as hub:
        fake = hub.scene.fake
        await hub.apply(retry={"attempts_max": 1})
        things = await hub.telling.things(1)
        await hub.write(things)
        fake.sicken(Fault(kind="status", status=422, times=None, body=fake.refusal()))
        await hub.drain(step_s=5)
        fake.heal()
        key = things[0].key
        expect((await hub.states())[key] == "dead", but="422 does not make a dead letter")
        await hub.replay(key)
        await hub.replay(key)
        await hub.drain(step_s=30)
        await hub.replay(key)
        await hub.drain(step_s=30)
        _all_done(await hub.states(), "the replayed message")
        await _once(hub)


@check(35, guards="Jobs that are stuck after a restart (pain 11, P3, P4).", when=tells)
async def stopped_in_mid_flight(stage: Stage) -> None:
    """A worker that is stopped in mid-flight loses nothing, and does nothing twice."""
    clock = HandClock()
    async with _hub(stage, clock, policy={"timeout_s": 5.0}) as hub:
        fake = hub.scene.fake
        await hub.apply(timeout_s=5.0)
        await hub.write(await hub.telling.things(3))
        before = fake.calls
        fake.sicken(Fault(kind="slow", times=None, delay_s=30.0))
        others = asyncio.all_tasks()
        task = asyncio.create_task(hub.worker(name="killed").round())
        await _heard(fake, before)
        mine = asyncio.all_tasks() - others
        task.cancel()
        _, late = await asyncio.wait(mine, timeout=3)
        late = {
            each for each in late if "_handle" not in repr(each.get_coro()) and "start" not in repr(each.get_coro())
        }
        expect(not late, but="a call that is cancelled goes on: something swallows the cancellation")
        fake.heal()
        clock.forward(60)
        await hub.drain(worker=hub.worker(name="next"), step_s=10)
        _all_done(await hub.states(), "after the restart not everything is delivered")
        await _once(hub)


async def _heard(fake: Any, before: int) -> None:
    """Wait until the partner has heard a request and works on it."""
    for _ in range(1_000):
        if fake.calls > before:
            return
        await asyncio.sleep(0.005)
    raise NotApplicable("its calls do not reach the stand-in")


@check(36, guards="A log that nobody reads any more; a partner of whom no figure tells.", when=tells)
async def counted_and_quiet(stage: Stage) -> None:
    """Its calls are counted, and while all is well it logs nothing that asks for attention."""
    clock, heard = HandClock(), _Heard()
    async with _hub(stage, clock, harmless=False) as hub:
        await hub.apply()
        await hub.write(await hub.telling.things(10))
        before = _delivered()
        with capture_logs() as logged, heard:
            await hub.drain()
        loud = [each["event"] for each in logged if each["log_level"] in ("warning", "error", "critical")] + heard.loud
        expect(not loud, but=f"while all was well it logged {loud[:3]}")
        chatty = len(logged) + len(heard.info)
        expect(chatty <= 10, but=f"ten deliveries wrote {chatty} lines at level info and above")
        expect(_delivered() - before >= 10 / hub.telling.claim.batch, but="its deliveries are not counted")


class _Heard(logging.Handler):
    """Hears what is logged by way of `logging`."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.loud: list[str] = []
        self.info: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        (self.loud if record.levelno >= logging.WARNING else self.info).append(record.getMessage())

    def __enter__(self) -> None:
        logging.getLogger().addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)


def _delivered() -> float:
    value = metrics.REGISTRY.get_sample_value("onhand_outbox_attempts_total", {"endpoint": CODE, "kind": "delivered"})
    return value or 0.0


@check(37, guards="A channel that stops and nobody is told (pain 8).", when=tells)
async def health_is_seen(stage: Stage) -> None:
    """Its health is to be seen: open, down, in its window, and again open."""
    clock = HandClock()
    async with _hub(stage, clock) as hub:
        fake = hub.scene.fake
        await hub.apply(batch=1, breaker={"calls_min": 50, "open_s": 60, "open_max_s": 60})
        await hub.write(await hub.telling.things(6))
        expect((await hub.view()).status == "open", but="before anything happened it is not open")
        fake.sicken(Fault(kind="status", status=401, times=None))
        await hub.worker().round()
        seen = await hub.view()
        expect(seen.breaker == "open", but="refused credentials do not open the breaker")
        expect(seen.unfinished == 6, but=f"of 6 that wait it shows {seen.unfinished}")
        fake.heal()
        clock.forward(120)
        await hub.drain(step_s=61)
        expect((await hub.view()).breaker == "closed", but="after healing the breaker is not closed")
        _all_done(await hub.states(), "after healing not everything is delivered")


@check(38, guards="A monitoring system that a SKU a label brings down.", when=tells)
async def labels_are_bounded(stage: Stage) -> None:
    """The labels of its metrics do not grow with what is told."""
    clock = HandClock()
    async with _hub(stage, clock, harmless=False) as hub:
        await hub.apply()
        await hub.write(await hub.telling.things(5))
        await hub.drain()
        before = _series()
        await hub.write(await hub.telling.things(60, first=100))
        await hub.drain()
        grown = _series() - before
        expect(not grown, but=f"60 more commands made {len(grown)} more series: {sorted(grown)[:2]}")


def _series() -> set[str]:
    text = generate_latest(metrics.REGISTRY).decode()
    return {line.rpartition(" ")[0] for line in text.splitlines() if line and not line.startswith("#")}
