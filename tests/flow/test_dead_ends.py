"""Commands that nobody loses, doubles or holds up: odd answers, nodes that do not come back, policies that change."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import msgspec

from onhand.app.flow_ports import Call
from onhand.connectors.bazaar.documents import Feed, outcome_of_row
from onhand.domain.errors import OnhandError
from onhand.domain.outcome import Delivered, Outcome, Rejected, Transient, Unknown
from onhand.domain.throttle import Told
from onhand.sdk.answers import outcome_of_answer
from onhand.sdk.http import Answer
from onhand.store.postgres.errors import DatabaseUnavailable
from tests.flow.world import START, Clock, Partner, World, endpoints


class LooksFirst:
    """A partner without idempotency keys, and a sender that looks first where a command says `verify`."""

    def __init__(self) -> None:
        self.orders: Counter[str] = Counter()
        self.lost, self.down = 1, 0

    async def send(self, call: Call) -> list[Outcome]:
        (command,) = call.commands
        if self.down:
            self.down -= 1
            return [Transient(detail="503")]
        if command.verify and self.orders[command.body]:
            return [Delivered(detail="it was done already")]
        self.orders[command.body] += 1
        if self.lost:
            self.lost -= 1
            self.down = 1
            return [Unknown(detail="the answer was lost")]
        return [Delivered()]


async def test_what_may_have_been_done_is_looked_up_also_after_a_try_that_surely_failed(world: World) -> None:
    await world.apply(endpoints())
    await world.put("an order")
    partner = LooksFirst()
    worker = world.worker(fake=partner)
    for _ in range(6):
        await worker.round()
        world.clock.forward(30)
    assert (await world.row("an order"))["state"] == "done"
    assert partner.orders == {"an order": 1}


async def test_a_replayed_dead_letter_that_may_have_been_done_is_looked_up_first(world: World) -> None:
    await world.apply(endpoints("retry: {attempts_max: 2}, breaker: {calls_min: 100}"))
    (written,) = await world.put("an order")
    partner = LooksFirst()
    partner.lost = 1
    worker = world.worker(fake=partner)
    await worker.round()
    partner.down = 0

    class Lost:
        async def send(self, call: Call) -> list[Outcome]:
            return [Unknown(detail="the answer was lost")]

    world.clock.forward(30)
    await world.worker(fake=Lost()).round()
    assert (await world.row("an order"))["state"] == "dead"
    await world.database.sql(
        "select outbox_replay($1, array[$2::bigint], array[86400], 'ada', '')", world.clock(), written.id
    )
    await worker.round()
    assert (await world.row("an order"))["state"] == "done"
    assert partner.orders == {"an order": 1}


async def test_an_answer_with_a_nul_character_is_an_answer(world: World, partner: Partner) -> None:
    answer = outcome_of_answer(Answer(status=200, headers={}, body=b"ok\0"), now=START)
    partner.behave = lambda _: answer
    await world.apply(endpoints())
    await world.put("a", "b")
    worker = world.worker(fake=partner)
    for _ in range(12):
        with suppress(OnhandError):
            await worker.round()
        world.clock.forward(120)
    assert await world.states() == {"a": "done", "b": "done"}
    assert set(partner.effects.values()) == {1}


async def test_a_refusal_with_a_nul_character_is_a_refusal(world: World, partner: Partner) -> None:
    answer = outcome_of_answer(Answer(status=422, headers={}, body=b'{"detail": "no such size \\u0000"}'), now=START)
    assert isinstance(answer, Rejected)
    partner.behave = lambda _: answer
    await world.apply(endpoints())
    await world.put("a")
    worker = world.worker(fake=partner)
    for _ in range(3):
        with suppress(OnhandError):
            await worker.round()
        world.clock.forward(120)
    assert len(partner.calls) == 1
    assert (await world.row("a"))["kind"] == "rejected"


async def test_what_a_call_cost_is_learnt_once_though_each_outcome_tells_of_it(world: World, clock: Clock) -> None:
    await world.apply(
        endpoints("batch: 10, bulkhead: 1, limits: {cost: {capacity: 100, restore_per_s: 1, per_call: 40}}")
    )
    # The call cost 30 instead of 40 points, says each of its outcomes: two fit into 100, then 3, never 10.
    partner = Partner(clock, lambda call: [Delivered(told=Told(actual=30))] * len(call.commands))
    await world.put(*range(100))
    await world.worker(fake=partner).round()
    assert len(partner.calls) <= 3


async def test_a_call_that_never_came_back_among_many_permits_that_did_not_is_found(world: World) -> None:
    await world.apply(endpoints("bulkhead: 1, timeout_s: 1"))
    dispatch = world.dispatch()
    network = await dispatch.store.network()
    endpoint = network.endpoints["hook"]
    for _ in range(3):
        await dispatch.permit(network, endpoint, now=world.clock())
    await world.put("a")
    claimed = await dispatch.claim(network, endpoint, slots=1, now=world.clock())
    assert claimed.calls
    world.clock.forward(30)
    partner = Partner(world.clock)
    worker = world.worker(fake=partner)
    for _ in range(5):
        await worker.round()
        world.clock.forward(5)
    assert (await world.states()) == {"a": "done"}


async def test_a_claim_that_fails_leaves_the_calls_alone_that_are_under_way(world: World) -> None:
    await world.apply(endpoints("bulkhead: 2, retry: {first_s: 0.01}"))
    await world.put("slow", "quick")
    go = asyncio.Event()
    done: Counter[str] = Counter()

    class Slow:
        async def send(self, call: Call) -> list[Outcome]:
            (command,) = call.commands
            done[command.body] += 1  # the partner has it, and takes its time to say so
            if command.body == "slow":
                await go.wait()
            return [Delivered()]

    worker = world.worker(fake=Slow())
    claim = worker._dispatch.claim
    claims = 0

    async def failing(*args: object, **more: object) -> object:
        nonlocal claims
        claims += 1
        if claims == 2:
            raise DatabaseUnavailable("struck")
        return await claim(*args, **more)  # type: ignore[arg-type]

    worker._dispatch.claim = failing  # type: ignore[method-assign,assignment]
    first = asyncio.create_task(worker.round())
    async with asyncio.timeout(30):
        while claims < 2:
            await asyncio.sleep(0)
    go.set()
    with suppress(OnhandError):
        await first
    for _ in range(4):
        world.clock.forward(120)
        await worker.round()
    assert await world.states() == {"slow": "done", "quick": "done"}
    assert done == {"slow": 1, "quick": 1}


def test_a_time_without_a_zone_in_a_bazaars_verdict_is_an_outcome() -> None:
    feed = msgspec.json.decode(
        b'{"status": "done", "results": [{"listing": "TEA", "status": "rejected", "reason": "daily_cap",'
        b' "retry_at": "2026-11-24T00:00:00"}]}',
        type=Feed,
    )
    assert outcome_of_row(feed.results[0], START).kind == "throttled"


async def test_a_policy_that_is_applied_holds_for_a_backlog_that_is_being_worked_off(world: World) -> None:
    await world.apply(endpoints("bulkhead: 2"))
    await world.put(*range(60))
    calls = 0

    class Applies:
        async def send(self, call: Call) -> list[Outcome]:
            nonlocal calls
            calls += 1
            if calls == 5:
                await world.apply(endpoints("bulkhead: 2, retired: true"))
            await world.database.sql("select pg_sleep(0.1)")
            return [Delivered()]

    stop = asyncio.Event()
    working = asyncio.create_task(world.worker(fake=Applies()).run(stop))
    await world.database.sql("select pg_sleep(3)")
    stop.set()
    await working
    assert 5 <= calls < 30, "it is retired, and called on and on"


async def test_several_words_on_what_a_call_cost_add_up(world: World, clock: Clock) -> None:
    """A connector may make several calls of one: what each of them cost counts."""
    await world.apply(
        endpoints("batch: 10, bulkhead: 1, limits: {cost: {capacity: 100, restore_per_s: 1, per_call: 40}}")
    )
    partner = Partner(clock, lambda call: [Delivered(told=Told(actual=9)) for _ in call.commands])
    await world.put(*range(100))
    await world.worker(fake=partner).round()
    assert len(partner.calls) == 1, "10 times 9 points are gone"
