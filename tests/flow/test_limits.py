"""P8: never called in its window, never above its rate, by however many nodes; the partner itself keeps count."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from onhand.app.flow_ports import Call
from onhand.domain.outcome import Delivered, Outcome
from onhand.domain.throttle import Told
from tests.flow.world import Clock, Partner, World, endpoints


async def drain(world: World, *workers: object, until: int, partner: Partner, steps_max: int = 400) -> None:
    """Let all workers go round at once, and move the clock to whenever the first of them is to come back."""
    for _ in range(steps_max):
        ends = await asyncio.gather(*(worker.round() for worker in workers))  # type: ignore[attr-defined]
        if sum(partner.effects.values()) >= until:
            return
        backs = [end.back_at for each in ends for end in each.values() if end.back_at is not None]
        world.clock.to(max(world.clock(), min(backs)) if backs else world.clock() + timedelta(seconds=1))
    raise AssertionError(f"only {len(partner.effects)} of {until} after {steps_max} steps")


async def test_one_call_in_three_minutes_after_a_burst_of_twenty(world: World, partner: Partner) -> None:
    await world.apply(endpoints("limits: {rates: [{calls_per_s: 0.0056, burst: 20}]}, deadline_s: 8640000"))
    await world.put(*range(30))
    worker = world.worker(fake=partner)
    await worker.round()
    assert len(partner.calls) == 20
    await drain(world, worker, until=30, partner=partner)
    waits = [
        (later - earlier).total_seconds()
        for (earlier, _), (later, _) in zip(partner.calls[19:], partner.calls[20:], strict=False)
    ]
    assert all(178.5 <= wait <= 178.7 for wait in waits), waits
    assert all(row["attempts"] == 1 for row in await world.rows())


@pytest.mark.parametrize(
    ("limit", "seconds", "most"),
    [
        ("rates: [{calls_per_s: 2, burst: 3}]", 10, 23),
        ("sliding: [{calls: 7, in_s: 60}]", 60, 7),
        ("rates: [{calls_per_s: 5, burst: 9}], sliding: [{calls: 10, in_s: 10}]", 10, 10),
        ("cost: {capacity: 40, restore_per_s: 4, per_call: 10}", 10, 8),
    ],
)
async def test_three_nodes_that_share_a_limit_never_exceed_it(
    world: World, partner: Partner, limit: str, seconds: int, most: int
) -> None:
    await world.apply(endpoints(f"limits: {{{limit}}}"))
    await world.put(*range(60))
    nodes = [world.worker(name=name, fake=partner) for name in ("one", "two", "three")]
    await drain(world, *nodes, until=60, partner=partner)
    assert partner.busiest(seconds) <= most
    assert set(partner.effects.values()) == {1}


async def test_endpoints_that_share_a_quota_use_it_up_together(world: World) -> None:
    quota = "quotas:\n  app: {limits: {rates: [{calls_per_s: 1, burst: 10}]}}\n"
    both = "endpoints:\n" + "".join(f"  {c}: {{system: shop, sender: fake, quota: app}}\n" for c in ("stock", "orders"))
    await world.apply(both + quota)
    partner = Partner(world.clock)
    await world.put(*range(20), endpoint="stock")
    await world.put(*range(20), endpoint="orders")
    await drain(world, world.worker(fake=partner), world.worker(name="b", fake=partner), until=40, partner=partner)
    assert partner.busiest(10) <= 20
    assert {call.endpoint.code for _, call in partner.calls[:20]} == {"stock", "orders"}


async def test_calls_in_flight_of_all_nodes_stay_below_the_concurrency(world: World) -> None:
    await world.apply(endpoints("limits: {concurrency: 3}"))
    await world.put(*range(20))

    class Slow:
        now_in, most, done = 0, 0, 0

        async def send(self, call: Call) -> list[Outcome]:
            self.now_in += 1
            self.most = max(self.most, self.now_in)
            for _ in range(20):
                await asyncio.sleep(0)
            self.now_in -= 1
            self.done += 1
            return [Delivered()]

    slow = Slow()
    nodes = [world.worker(name=name, fake=slow) for name in ("one", "two")]
    while slow.done < 20:
        await asyncio.gather(*(node.round() for node in nodes))
    assert slow.most <= 3


async def test_a_cap_a_day_counts_each_listing_and_its_midnight_is_the_partners(world: World) -> None:
    await world.apply(
        endpoints("limits: {daily: {calls: 3, per_key: true, timezone: America/Los_Angeles}}, deadline_s: 864000")
    )
    partner = Partner(world.clock)
    await world.put(*(f"a{n}" for n in range(5)), limit_key="a")
    await world.put("b0", limit_key="b")
    await world.put("free")
    worker = world.worker(fake=partner)
    await worker.round()
    assert sorted(partner.order) == ["a0", "a1", "a2", "b0", "free"]
    world.clock.to(datetime(2026, 11, 24, 7, 59, 59, tzinfo=UTC))
    assert await worker.round() == {}
    world.clock.to(datetime(2026, 11, 24, 8, tzinfo=UTC))
    await worker.round()
    assert sorted(partner.order) == ["a0", "a1", "a2", "a3", "a4", "b0", "free"]
    assert (await world.row("a4"))["attempts"] == 1


async def test_the_partners_word_about_points_counts_more_than_ours(world: World, clock: Clock) -> None:
    """Somebody else draws from the same bucket: only the answers tell."""
    await world.apply(endpoints("limits: {cost: {capacity: 1000, restore_per_s: 50, per_call: 10}}, bulkhead: 1"))
    partner = Partner(clock, lambda _: Delivered(told=Told(actual=10, available=5)))
    await world.put(*range(2))
    end = (await world.worker(fake=partner).round())["hook"]
    assert (len(partner.calls), end.reason) == (1, "limit: cost")
    assert end.back_at == clock() + timedelta(seconds=0.1)


async def test_a_larger_bucket_that_the_partner_tells_of_is_used(world: World, clock: Clock) -> None:
    await world.apply(endpoints("limits: {cost: {capacity: 10, restore_per_s: 1, per_call: 10}}"))
    partner = Partner(clock, lambda _: Delivered(told=Told(actual=10, available=990, capacity=1000, restore_per_s=100)))
    await world.put(*range(50))
    worker = world.worker(fake=partner)
    await worker.round()
    assert len(partner.effects) == 50


class TestWindows:
    POLICY = 'timeout_s: 10, windows: [{start: "02:00", end: "04:00", timezone: Europe/Vienna}]'

    async def test_in_its_window_nothing_is_called_and_afterwards_all_of_it(
        self, world: World, partner: Partner
    ) -> None:
        await world.apply(endpoints(self.POLICY))
        await world.put(*range(5))
        worker = world.worker(fake=partner)
        world.clock.to(datetime(2026, 11, 24, 1, 30, tzinfo=UTC))
        end = (await worker.round())["hook"]
        assert (end.reason, end.back_at, partner.calls) == ("window", datetime(2026, 11, 24, 3, tzinfo=UTC), [])
        world.clock.to(end.back_at)
        await worker.round()
        assert len(partner.effects) == 5
        assert {row["attempts"] for row in await world.rows()} == {1}

    async def test_a_call_that_could_still_run_when_it_begins_is_not_begun(
        self, world: World, partner: Partner
    ) -> None:
        await world.apply(endpoints(self.POLICY))
        await world.put("late")
        worker = world.worker(fake=partner)
        world.clock.to(datetime(2026, 11, 24, 0, 59, 51, tzinfo=UTC))
        await worker.round()
        assert partner.calls == []

    @pytest.mark.parametrize(
        ("night", "last_hour"),
        [("2026-03-29", 2), ("2026-10-25", 3), ("2026-06-01", 2)],
        ids=["an hour is missing", "an hour comes twice", "any night"],
    )
    async def test_it_follows_the_clock_on_the_partners_wall(
        self, world: World, partner: Partner, clock: Clock, night: str, last_hour: int
    ) -> None:
        from zoneinfo import ZoneInfo  # noqa: PLC0415

        clock.now = datetime.fromisoformat(f"{night}T00:00+00:00") - timedelta(hours=4)
        await world.apply(endpoints(self.POLICY + ", deadline_s: 864000"))
        worker = world.worker(fake=partner)
        for n in range(60):
            await world.put(n)
            await worker.round()
            clock.forward(600)
        called = [at.astimezone(ZoneInfo("Europe/Vienna")) for at, _ in partner.calls]
        assert called
        assert [at for at in called if 2 <= at.hour < 4 and at.date().isoformat() == night] == []
        assert len(partner.effects) == 60


class TestLanes:
    async def test_the_calls_that_there_are_go_by_weight_and_no_lane_starves(
        self, world: World, partner: Partner
    ) -> None:
        await world.apply(endpoints("limits: {rates: [{calls_per_s: 1}]}, deadline_s: 864000"))
        for lane in ("bulk", "normal", "urgent"):
            await world.put(*(f"{lane} {n}" for n in range(40)), lane=lane)
        worker = world.worker(fake=partner)
        for _ in range(26):
            await worker.round()
            world.clock.forward(1)
        sent = [body.split()[0] for body in partner.order]
        assert {lane: sent.count(lane) for lane in set(sent)} == {"urgent": 16, "normal": 8, "bulk": 2}

    async def test_a_lane_at_its_cap_leaves_the_rest_to_others(self, world: World, partner: Partner) -> None:
        await world.apply(endpoints("lanes: {bulk: {weight: 1, calls_max: 2}}"))
        await world.put(*range(10), lane="bulk")
        await world.put("n", lane="normal")
        await world.directory.situation()
        network = world.directory.network
        claimed = await world.dispatch().claim(network, network.endpoints["hook"], slots=16, now=world.clock())
        assert sorted(call.commands[0].lane for call in claimed.calls) == ["bulk", "bulk", "normal"]


async def test_a_batch_is_one_call(world: World, partner: Partner) -> None:
    await world.apply(endpoints("batch: 25, limits: {rates: [{calls_per_s: 0.01, burst: 2}]}"))
    await world.put(*range(60))
    await world.worker(fake=partner).round()
    assert [len(call.commands) for _, call in partner.calls] == [25, 25]
    assert partner.order == [str(n) for n in range(50)]


async def test_a_call_is_one_request_so_it_carries_one_operation_and_no_more_than_that_takes(
    world: World, partner: Partner
) -> None:
    """Limits count calls: a call that became several requests went above the partner's rate without anybody knowing."""
    await world.apply(endpoints("batch: 10, limits: {rates: [{calls_per_s: 0.01, burst: 5}]}"))
    for n in range(8):
        await world.put(f"p{n}", operation="publish")
        await world.put(f"s{n}", operation="ship")
        world.clock.forward(1)
    await world.worker(fake=partner, batches={"ship": 3, "publish": 1_000}).round()
    carried = [(call.commands[0].operation, [each.body for each in call.commands]) for _, call in partner.calls]
    assert all(len({each.operation for each in call.commands}) == 1 for _, call in partner.calls)
    assert carried == [
        ("publish", [f"p{n}" for n in range(8)]),
        ("ship", ["s0", "s1", "s2"]),
        ("ship", ["s3", "s4", "s5"]),
        ("ship", ["s6", "s7"]),
    ]


async def test_whoever_only_asks_uses_up_the_same_limits(world: World, partner: Partner) -> None:
    await world.apply(endpoints("limits: {rates: [{calls_per_s: 0.1, burst: 2}], concurrency: 2}"))
    await world.directory.situation()
    network = world.directory.network
    dispatch, hook = world.dispatch(), network.endpoints["hook"]
    first = await dispatch.permit(network, hook, now=world.clock())
    second = await dispatch.permit(network, hook, now=world.clock())
    third = await dispatch.permit(network, hook, now=world.clock())
    assert (len(first.calls), len(second.calls), third.reason) == (1, 1, "2 calls in flight")
    from onhand.app.flow_ports import Report  # noqa: PLC0415

    report = Report(call=first.calls[0], outcomes=(Delivered(),), started_at=world.clock())
    await dispatch.settle(network, hook, [report], now=world.clock())
    fourth = await dispatch.permit(network, hook, now=world.clock())
    assert (fourth.calls, fourth.reason) == ((), "limit: 0.1 calls/s, burst 2")
    assert fourth.back_at == world.clock() + timedelta(seconds=10)
