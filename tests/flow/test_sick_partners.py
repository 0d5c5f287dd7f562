"""P6 and P7: a sick partner hurts only itself, and what waited for it drains by itself once it is well."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from onhand.app.flow_ports import Call
from onhand.domain.outcome import Delivered, Outcome, Transient, Unauthorised, Unknown
from tests.flow.world import Clock, Partner, World, endpoints

BREAKER = "breaker: {calls_min: 4, open_s: 30, open_max_s: 120}"


async def test_an_outage_pauses_the_lane_and_makes_no_dead_letters(world: World, partner: Partner) -> None:
    """What has users of other systems lose good messages: an outage that pours them into the dead letters."""
    await world.apply(endpoints(f"{BREAKER}, retry: {{attempts_max: 3, first_s: 1}}, bulkhead: 4"))
    await world.put(*range(100))
    partner.behave = lambda _: Transient(detail="connection refused")
    worker = world.worker(fake=partner)
    for _ in range(200):
        await worker.round()
        world.clock.forward(60)
    rows = await world.rows()
    assert {row["state"] for row in rows} == {"ready"}
    assert max(row["attempts"] for row in rows) <= 1
    calls = len(partner.calls)
    assert calls <= 4 + 200 * 60 / 60
    partner.behave = lambda _: Delivered()
    world.clock.forward(120)
    await worker.round()
    world.clock.forward(10)
    await worker.round()
    assert {row["state"] for row in await world.rows()} == {"done"}
    assert set(partner.effects.values()) == {1}


async def test_while_it_is_open_nothing_is_called_and_then_one_probe(world: World, partner: Partner) -> None:
    await world.apply(endpoints(f"{BREAKER}, bulkhead: 4"))
    await world.put(*range(20))
    partner.behave = lambda _: Unknown(detail="500")
    worker = world.worker(fake=partner)
    end = (await worker.round())["hook"]
    assert (len(partner.calls), end.reason) == (4, "breaker: 500")
    assert end.back_at == world.clock() + timedelta(seconds=30)
    for wait_s, probes in ((29.9, 0), (0.1, 1), (59.9, 1), (0.1, 2), (119, 2), (1, 3), (120, 4)):
        world.clock.forward(wait_s)
        await worker.round()
        assert len(partner.calls) - 4 == probes, (wait_s, probes)


async def test_each_probe_is_another_message_so_that_one_bad_message_cannot_keep_it_shut(
    world: World, partner: Partner
) -> None:
    await world.apply(endpoints(f"{BREAKER}, bulkhead: 1, retry: {{first_s: 3600, longest_s: 3600}}"))
    await world.put("poison")
    await world.put(*range(5))
    partner.behave = lambda call: Unknown(detail="500") if call.commands[0].body == "poison" else Delivered()
    await world.database.sql("update flow_scope set state = state")  # the scope exists from the first put
    worker = world.worker(fake=partner, draw=0.5)
    await worker.round()
    for _ in range(6):
        world.clock.forward(400)
        await worker.round()
    assert sorted(partner.order) == ["0", "1", "2", "3", "4"]


async def test_a_refused_credential_stops_everything_at_once_and_costs_no_message_anything(
    world: World, partner: Partner
) -> None:
    await world.apply(endpoints(f"{BREAKER}, bulkhead: 2"))
    await world.put(*range(50))
    partner.behave = lambda _: Unauthorised(detail="401")
    worker = world.worker(fake=partner)
    await worker.round()
    assert len(partner.calls) <= 2
    assert {row["attempts"] for row in await world.rows()} == {0}
    partner.behave = lambda _: Delivered()
    world.clock.forward(30)
    await worker.round()
    world.clock.forward(2)
    await worker.round()
    assert len(partner.effects) == 50


async def test_a_slow_partner_does_not_hold_up_the_others(world: World, clock: Clock) -> None:
    await world.apply(
        "endpoints:\n  slow: {system: shop, sender: slow, bulkhead: 4}\n  fast: {system: shop, sender: fake}\n"
    )
    release = asyncio.Event()

    class Slow:
        waiting = 0

        async def send(self, call: Call) -> list[Outcome]:
            self.waiting += 1
            await release.wait()
            return [Delivered()]

    slow, fast = Slow(), Partner(clock)
    await world.put(*range(20), endpoint="slow")
    await world.put(*range(200), endpoint="fast")
    worker = world.worker(slow=slow, fake=fast)
    task = asyncio.create_task(worker.round())
    while len(fast.effects) < 200 or slow.waiting < 4:
        await asyncio.sleep(0)
    assert slow.waiting == 4
    assert not task.done()
    release.set()
    await task
    assert {row["state"] for row in await world.rows()} == {"done"}


async def test_a_sick_partner_hurts_only_itself(world: World, clock: Clock) -> None:
    await world.apply(
        "endpoints:\n"
        f"  sick: {{system: shop, sender: sick, {BREAKER}}}\n"
        "  raises: {system: shop, sender: raises}\n"
        "  well: {system: shop, sender: fake}\n"
    )

    class Raises:
        async def send(self, call: Call) -> list[Outcome]:
            raise KeyError("a bug in somebody's connector")

    sick, well = Partner(clock, lambda _: Transient()), Partner(clock)
    for code in ("sick", "raises", "well"):
        await world.put(*range(30), endpoint=code)
    await world.worker(sick=sick, raises=Raises(), fake=well).round()
    assert len(well.effects) == 30
    assert len(sick.calls) < 30
    by_endpoint = {(row["endpoint"], row["state"]) for row in await world.rows()}
    assert by_endpoint == {("sick", "ready"), ("raises", "ready"), ("well", "done")}


async def test_after_healing_the_backlog_drains_within_a_bound(world: World, partner: Partner) -> None:
    """500 wait; the rate is 10/s with a burst of 10. The bound: one probe pause, then 490 calls at 10/s."""
    await world.apply(endpoints(f"{BREAKER}, bulkhead: 4, limits: {{rates: [{{calls_per_s: 10, burst: 10}}]}}"))
    await world.put(*range(500))
    partner.behave = lambda _: Transient(detail="down")
    worker = world.worker(fake=partner)
    for _ in range(30):
        await worker.round()
        world.clock.forward(20)
    partner.behave = lambda _: Delivered()
    healed_at = world.clock()
    while len(partner.effects) < 500:
        await worker.round()
        world.clock.forward(1)
    assert (world.clock() - healed_at).total_seconds() <= 120 + 50 + 5
    assert set(partner.effects.values()) == {1}
