"""The rules of the flow, as state machines over any history: never above a limit, never shut for ever, never lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from onhand.domain import breaker as breakers
from onhand.domain import outbox, retry, throttle
from onhand.domain.breaker import CLOSED
from onhand.domain.calling import Load, admit
from onhand.domain.endpoint import (
    DAYS,
    DEFAULT_LANES,
    Breaker,
    Cost,
    Daily,
    Endpoint,
    Lane,
    Limits,
    Quota,
    Rate,
    Retry,
    Sliding,
    Window,
)
from onhand.domain.lanes import share
from onhand.domain.outbox import Partner, Sent
from onhand.domain.outcome import Delivered, Gone, Outcome, Rejected, Throttled, Transient, Unauthorised, Unknown
from onhand.domain.throttle import Throttle, Told, room, take
from onhand.domain.windows import closed_until, day_after, next_start

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
STEPS = st.lists(st.tuples(st.floats(0, 400), st.integers(1, 30)), min_size=1, max_size=40)
RATES = st.builds(Rate, calls_per_s=st.sampled_from([0.0056, 0.0083, 0.1, 1.0, 7.3]), burst=st.integers(1, 20))
SLIDING = st.builds(Sliding, calls=st.integers(1, 20), in_s=st.sampled_from([1, 7, 60, 300]))
LIMITS = st.builds(
    Limits, rates=st.lists(RATES, max_size=2).map(tuple), sliding=st.lists(SLIDING, max_size=2).map(tuple)
)


def history(limits: Limits, steps: list[tuple[float, int]]) -> tuple[list[tuple[datetime, int]], Throttle, datetime]:
    """What is called when somebody always takes as much as there is."""
    now, used, calls = START, Throttle(), []
    for wait_s, wanted in steps:
        now += timedelta(seconds=wait_s)
        granted = room(limits, used, now=now, wanted=wanted).calls
        assert 0 <= granted <= wanted
        if granted:
            used = take(limits, used, now=now, calls=granted, commands=granted)
            calls.append((now, granted))
    return calls, used, now


class TestThrottle:
    @given(LIMITS, STEPS)
    def test_no_history_exceeds_any_limit(self, limits: Limits, steps: list[tuple[float, int]]) -> None:
        calls, _, _ = history(limits, steps)
        for first, (since, _) in enumerate(calls):
            made = 0
            for at, n in calls[first:]:
                made += n
                for rate in limits.rates:
                    assert made <= rate.burst + (at - since).total_seconds() * rate.calls_per_s + 1e-6
                for each in limits.sliding:
                    assert made <= each.calls or (at - since).total_seconds() >= each.in_s

    @given(LIMITS, STEPS)
    def test_whoever_comes_back_when_told_is_let_in(self, limits: Limits, steps: list[tuple[float, int]]) -> None:
        _, used, now = history(limits, steps)
        for _ in range(3):
            found = room(limits, used, now=now, wanted=1)
            if found.calls:
                return
            assert found.back_at is not None
            assert found.back_at > now
            now = found.back_at
        raise AssertionError("told three times to come back later")

    @given(st.builds(Rate, calls_per_s=st.sampled_from([0.0056, 3.0]), burst=st.integers(1, 20)), STEPS)
    def test_a_bucket_is_not_stricter_than_it_says(self, rate: Rate, steps: list[tuple[float, int]]) -> None:
        limits = Limits(rates=(rate,))
        _, used, now = history(limits, steps)
        later = now + timedelta(seconds=rate.burst / rate.calls_per_s + 1)
        assert room(limits, used, now=later, wanted=100).calls == rate.burst

    @given(LIMITS, STEPS, st.integers(1, 600))
    def test_a_clock_that_goes_back_gives_nothing_away(
        self, limits: Limits, steps: list[tuple[float, int]], back_s: int
    ) -> None:
        _, used, now = history(limits, steps)
        before = room(limits, used, now=now, wanted=50).calls
        assert room(limits, used, now=now - timedelta(seconds=back_s), wanted=50).calls <= before

    @given(STEPS)
    def test_a_policy_that_becomes_stricter_counts_what_was_used(self, steps: list[tuple[float, int]]) -> None:
        loose, strict = (Limits(rates=(Rate(calls_per_s=rate, burst=10),)) for rate in (5.0, 0.01))
        _, used, now = history(loose, steps)
        assert room(strict, used, now=now, wanted=50).calls <= room(loose, used, now=now, wanted=50).calls

    def test_state_survives_its_way_through_the_store(self) -> None:
        limits = Limits(
            rates=(Rate(calls_per_s=0.0056, burst=3),), sliding=(Sliding(calls=5, in_s=60),), daily=Daily(calls=9)
        )
        used = throttle.hold(take(limits, Throttle(), now=START, calls=2, commands=2), until=START)
        assert msgspec.json.decode(msgspec.json.encode(used), type=Throttle) == used

    def test_a_day_ends_at_midnight_where_the_partner_is(self) -> None:
        limits = Limits(daily=Daily(calls=2, timezone="Asia/Kolkata"))
        used = take(limits, Throttle(), now=START, calls=2, commands=2)
        found = room(limits, used, now=START, wanted=1)
        assert (found.calls, found.back_at) == (0, datetime(2026, 11, 23, 18, 30, tzinfo=UTC))
        assert room(limits, used, now=found.back_at or START, wanted=5).calls == 2

    @given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 50))
    def test_what_the_partner_says_is_left_is_never_exceeded(self, available: int, actual: int, in_flight: int) -> None:
        limits = Limits(cost=Cost(capacity=100, restore_per_s=1, per_call=10))
        used = take(limits, Throttle(), now=START, calls=1, commands=1)
        used = throttle.learn(
            limits, used, Told(actual=actual, available=available), now=START, expected=10, in_flight=in_flight
        )
        assert room(limits, used, now=START, wanted=50).calls <= max(0, available - in_flight) // 10


CALLS = st.lists(st.tuples(st.floats(0, 90), st.booleans()), max_size=60)


class TestBreaker:
    @given(st.builds(Breaker, calls_min=st.integers(1, 6), failures_percent=st.integers(1, 100)), CALLS)
    def test_it_opens_only_for_failures_and_always_lets_a_probe_through_in_time(
        self, policy: Breaker, calls: list[tuple[float, bool]]
    ) -> None:
        now, circuit = START, CLOSED
        for wait_s, good in calls:
            now += timedelta(seconds=wait_s)
            passing = breakers.passing(policy, circuit, now=now, probes_in_flight=0)
            if passing.calls == 0:
                assert passing.back_at is not None
                assert timedelta() < passing.back_at - now <= timedelta(seconds=policy.open_max_s)
                now = passing.back_at
                passing = breakers.passing(policy, circuit, now=now, probes_in_flight=0)
            assert passing.calls is None or passing.calls >= 1
            was_closed = circuit.closed
            circuit = breakers.learn(policy, circuit, now=now, good=good, bad=not good, probe=passing.probe)
            assert not (was_closed and good and not circuit.closed)
            assert was_closed or circuit.closed == good or policy.probes > 1

    @given(st.integers(1, 10), st.integers(1, 100))
    def test_it_judges_no_fewer_calls_than_it_should(self, calls_min: int, percent: int) -> None:
        policy, circuit = Breaker(calls_min=calls_min, failures_percent=percent), CLOSED
        for number in range(1, calls_min + 1):
            circuit = breakers.learn(policy, circuit, now=START, bad=1)
            assert circuit.closed == (number < calls_min)

    def test_old_failures_are_forgotten(self) -> None:
        policy, circuit = Breaker(calls_min=4, window_s=60), CLOSED
        for minutes in range(20):
            circuit = breakers.learn(policy, circuit, now=START + timedelta(minutes=minutes), bad=1)
        assert circuit.closed

    def test_answers_to_calls_from_before_do_not_close_it(self) -> None:
        policy = Breaker(calls_min=1)
        circuit = breakers.learn(policy, CLOSED, now=START, bad=1, reason="down")
        assert breakers.learn(policy, circuit, now=START, good=5) == circuit

    def test_as_many_probes_as_the_policy_says_must_succeed(self) -> None:
        policy = Breaker(calls_min=1, probes=2)
        circuit = breakers.learn(policy, CLOSED, now=START, bad=1)
        now = START + timedelta(seconds=15)
        assert breakers.passing(policy, circuit, now=now, probes_in_flight=0).calls == 2
        assert breakers.passing(policy, circuit, now=now, probes_in_flight=1).calls == 1
        circuit = breakers.learn(policy, circuit, now=now, good=1, probe=True)
        assert circuit.status(now) == "probing"
        assert breakers.learn(policy, circuit, now=now, good=1, probe=True) == CLOSED


ZONES = st.sampled_from(
    ["UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo"]
)
TIMES = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
WINDOWS = st.builds(
    Window,
    days=st.lists(st.sampled_from(DAYS), max_size=3, unique=True).map(tuple),
    start=TIMES,
    end=TIMES,
    timezone=ZONES,
)
# Around the changes of clocks, where everything goes wrong, and on any day.
INSTANTS = st.one_of(
    st.integers(0, 365 * 24 * 60).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
    st.builds(
        lambda day, minutes: datetime.fromisoformat(f"{day}T00:00+00:00") + timedelta(minutes=minutes),
        st.sampled_from(["2026-03-28", "2026-10-24", "2026-03-08", "2026-11-01", "2026-10-03", "2026-04-04"]),
        st.integers(0, 60 * 48),
    ),
)


def on_the_wall(window: Window, now: datetime) -> bool:
    """Whether the clock on the wall shows a time inside the window: the meaning, without any arithmetic of instants."""
    wall = now.astimezone(ZoneInfo(window.timezone))
    shown = f"{wall.hour:02}:{wall.minute:02}"
    today, yesterday = (DAYS[(wall.weekday() - back) % 7] for back in (0, 1))
    begins = window.days or DAYS
    if window.start < window.end:
        return today in begins and window.start <= shown < window.end
    return (today in begins and shown >= window.start) or (yesterday in begins and shown < window.end)


class TestWindows:
    @given(WINDOWS, INSTANTS)
    def test_whenever_the_wall_shows_a_time_in_the_window_it_is_closed(self, window: Window, now: datetime) -> None:
        if on_the_wall(window, now):
            assert closed_until([window], now=now) is not None

    @given(WINDOWS, INSTANTS)
    def test_it_is_closed_no_longer_than_the_change_of_a_clock_explains(self, window: Window, now: datetime) -> None:
        until = closed_until([window], now=now)
        if until is None:
            return
        assert until > now
        if not on_the_wall(window, now):
            around = [on_the_wall(window, now + timedelta(minutes=m)) for m in range(-180, 181, 5)]
            offsets = {(now + timedelta(hours=h)).astimezone(ZoneInfo(window.timezone)).utcoffset() for h in (-4, 0, 4)}
            assert any(around)
            assert len(offsets) > 1

    @given(st.lists(WINDOWS, min_size=1, max_size=3), INSTANTS)
    def test_when_it_opens_it_is_open(self, windows: list[Window], now: datetime) -> None:
        until = closed_until(windows, now=now)
        always = until is not None and until - now > timedelta(days=300)
        assume(not always)
        if until is not None:
            assert closed_until(windows, now=until) is None

    @given(WINDOWS, INSTANTS, st.floats(0, 600))
    def test_a_call_is_not_begun_when_it_could_run_into_a_window(
        self, window: Window, now: datetime, lead_s: float
    ) -> None:
        if closed_until([window], now=now + timedelta(seconds=lead_s)) is not None:
            assert closed_until([window], now=now, lead_s=lead_s + 0.001) is not None

    @pytest.mark.parametrize(
        ("zone", "start", "end", "day", "hours"),
        [
            ("Europe/Vienna", "01:00", "04:00", "2026-03-29", 2),
            ("Europe/Vienna", "01:00", "04:00", "2026-10-25", 4),
            ("Europe/Vienna", "02:30", "04:00", "2026-03-29", 1),
            ("Europe/Vienna", "02:30", "02:45", "2026-10-25", 1.25),
            ("Europe/Vienna", "23:00", "05:00", "2026-10-24", 7),
            ("Australia/Lord_Howe", "01:00", "03:00", "2026-10-04", 1.5),
            ("UTC", "00:00", "00:00", "2026-10-25", 24),
        ],
    )
    def test_lengths_on_the_days_when_clocks_change(
        self, zone: str, start: str, end: str, day: str, hours: float
    ) -> None:
        window = Window(dates=(datetime.fromisoformat(day).date(),), start=start, end=end, timezone=zone)
        begins = next_start([window], now=datetime.fromisoformat(f"{day}T00:00+00:00") - timedelta(days=2))
        assert begins is not None
        assert closed_until([window], now=begins) == begins + timedelta(hours=hours)

    @given(ZONES, INSTANTS)
    def test_the_next_day_is_another_day_and_its_first_moment(self, zone: str, now: datetime) -> None:
        after = day_after(now, timezone=zone)
        local = ZoneInfo(zone)
        assert after > now
        assert after.astimezone(local).date() > now.astimezone(local).date()
        assert (after - timedelta(seconds=1)).astimezone(local).date() == now.astimezone(local).date()


OUTCOMES = st.sampled_from(
    [
        Delivered(), Transient(), Transient(retry_after_s=30), Throttled(), Throttled(retry_after_s=10**9),
        Unauthorised(), Rejected(reason="no"), Gone(), Gone(endpoint=True), Unknown(),
    ]
)  # fmt: skip
HOOK = Endpoint(code="hook", system="shop", retry=Retry(attempts_max=4), breaker=Breaker(calls_min=3))


class TestOutbox:
    @given(st.lists(st.tuples(OUTCOMES, st.floats(0, 1), st.floats(0, 5000)), min_size=1, max_size=60))
    def test_a_command_ends_and_its_attempts_stay_within_the_policy(
        self, steps: list[tuple[Outcome, float, float]]
    ) -> None:
        sent = Sent(1, 0, START + timedelta(days=3))
        now, partner = START, Partner()
        for outcome, draw, late_s in steps:
            probe = not partner.circuit.closed
            partner = outbox.learn(HOOK, partner, outcome, now=now, probe=probe)
            following = outbox.decide(HOOK, partner, sent, outcome, now=now, draw=draw)
            assert following.attempts == sent.attempts + following.counted <= 4
            assert following.counted <= (outcome.kind not in ("throttled", "unauthorised"))
            if following.state != "ready":
                assert (following.state == "done") == isinstance(outcome, Delivered)
                assert bool(following.reason) == (following.state == "dead")
                return
            assert following.due_at is not None
            assert now <= following.due_at <= sent.deadline_at
            assert following.verify == isinstance(outcome, Unknown)
            sent = Sent(1, following.attempts, sent.deadline_at)
            now = following.due_at + timedelta(seconds=late_s)

    @given(OUTCOMES, st.floats(0, 1))
    def test_nothing_is_tried_again_after_its_deadline(self, outcome: Outcome, draw: float) -> None:
        sent = Sent(1, 0, START)
        partner = outbox.learn(HOOK, Partner(), outcome, now=START)
        assert outbox.decide(HOOK, partner, sent, outcome, now=START, draw=draw).state in ("done", "dead")

    @given(st.integers(1, 200), st.floats(0, 1), st.none() | st.floats(0, 1e9))
    def test_waits_are_within_their_bounds(self, attempts: int, draw: float, asked_s: float | None) -> None:
        policy = Retry(first_s=2, longest_s=60, retry_after_max_s=600)
        wait_s = retry.wait_s(policy, attempts=attempts, draw=draw, retry_after_s=asked_s)
        least = 0 if asked_s is None else min(asked_s, 600)
        assert least <= wait_s <= least + min(60, 2 * 2.0 ** (attempts - 1)) + 1e-9

    def test_a_partner_that_is_down_costs_no_attempts(self) -> None:
        partner = Partner()
        for _ in range(3):
            partner = outbox.learn(HOOK, partner, Transient(), now=START)
        following = outbox.decide(HOOK, partner, Sent(1, 0, START + timedelta(days=1)), Transient(), now=START, draw=1)
        assert (following.attempts, following.counted, following.state) == (0, False, "ready")


class TestLanes:
    @given(
        st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.integers(1, 10), min_size=1),
        st.integers(1, 40),
        st.integers(1, 7),
    )
    def test_shares_follow_weights_however_few_calls_come_at_a_time(
        self, weights: dict[str, int], rounds: int, calls: int
    ) -> None:
        lanes = {name: Lane(weight=weight) for name, weight in weights.items()}
        tags: dict[str, int] = {}
        given_all = dict.fromkeys(weights, 0)
        for _ in range(rounds):
            given_now, tags = share(lanes, tags, waiting=dict.fromkeys(weights, 100), in_flight={}, calls=calls)
            assert sum(given_now.values()) == calls
            for name, n in given_now.items():
                given_all[name] += n
        whole = sum(weights.values())
        for name, weight in weights.items():
            assert abs(given_all[name] - rounds * calls * weight / whole) <= len(weights) + 1

    def test_a_lane_that_was_idle_saves_nothing_up(self) -> None:
        tags: dict[str, int] = {}
        for _ in range(1000):
            _, tags = share(DEFAULT_LANES, tags, waiting={"bulk": 10}, in_flight={}, calls=10)
        given_now, _ = share(DEFAULT_LANES, tags, waiting={"bulk": 100, "normal": 100}, in_flight={}, calls=50)
        assert given_now["normal"] == 40

    @given(st.integers(0, 20), st.integers(0, 20))
    def test_a_cap_counts_what_is_in_flight(self, cap: int, in_flight: int) -> None:
        lanes = {"a": Lane(weight=1, calls_max=max(1, cap))}
        given_now, _ = share(lanes, {}, waiting={"a": 50}, in_flight={"a": in_flight}, calls=50)
        assert given_now.get("a", 0) == max(0, max(1, cap) - in_flight)


class TestAdmission:
    @pytest.mark.parametrize(
        ("load", "reason"),
        [
            (Load(paused="stocktaking"), "paused: stocktaking"),
            (Load(circuit=breakers.opened(Breaker(), now=START, reason="down")), "breaker: down"),
            (Load(used=throttle.hold(Throttle(), until=START + timedelta(seconds=5))), "limit: held"),
            (Load(in_flight=3), "3 calls in flight"),
            (Load(quota_in_flight=9), "9 calls in flight"),
        ],
    )
    def test_the_first_that_says_no_is_the_reason(self, load: Load, reason: str) -> None:
        hook = msgspec.structs.replace(HOOK, limits=Limits(concurrency=3))
        quota = Quota(code="q", limits=Limits(concurrency=9))
        assert admit(hook, quota, load, now=START, wanted=5).reason == reason
        assert admit(hook, quota, Load(), now=START, wanted=5).calls == 3

    def test_what_is_retired_is_not_called(self) -> None:
        assert admit(msgspec.structs.replace(HOOK, retired=True), None, Load(), now=START, wanted=5).reason == "retired"
