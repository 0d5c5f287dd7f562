"""The outbox: written with its cause, sent once in effect, in order by key, and never for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from onhand.app.flow_ports import BufferFull, Call, Command, UnknownEndpoint
from onhand.domain.outcome import Delivered, Gone, Outcome, Rejected, Throttled, Transient, Unauthorised, Unknown
from tests.flow.world import Partner, World, endpoints


async def test_a_command_is_sent_with_its_key_and_done(world: World, partner: Partner) -> None:
    await world.apply(endpoints())
    (written,) = await world.put("a", idempotency_key="order-1", cause="erp 17")
    assert written.outcome == "written"
    await world.worker(fake=partner).round()
    assert partner.effects == {"order-1": 1}
    row = await world.row("a")
    assert (row["state"], row["attempts"], row["tries"], row["call_id"]) == ("done", 1, 1, None)
    assert await world.unfinished() == 0
    (attempt,) = await world.database.sql("select * from outbox_attempt")
    assert (attempt["kind"], attempt["number"], attempt["counted"]) == ("delivered", 1, True)


async def test_a_command_exists_only_if_the_transaction_of_its_cause_commits(world: World) -> None:
    await world.apply(endpoints())
    await world.directory.situation()
    with pytest.raises(ZeroDivisionError):
        async with world.database.transaction() as session:
            await world.outbox.put(session, [Command(endpoint="hook", operation="tell", body="a")])
            raise ZeroDivisionError
    assert await world.rows() == []


async def test_the_same_key_twice_is_one_command(world: World, partner: Partner) -> None:
    await world.apply(endpoints())
    (first,) = await world.put("a", idempotency_key="k")
    again = await world.put("other words", "b", idempotency_key="k")
    assert [each.outcome for each in again] == ["known", "known"]
    assert {each.id for each in again} == {first.id}
    await world.worker(fake=partner).round()
    assert partner.order == ["a"]
    assert await world.unfinished() == 0


async def test_keys_that_the_hub_makes_differ_and_carry_its_own_mark(world: World) -> None:
    await world.apply(endpoints())
    await world.put("a", "b")
    hub = (await world.database.sql("select key from hub_identity"))[0]["key"]
    keys = {row["idempotency_key"] for row in await world.rows()}
    assert len(keys) == 2
    assert all(key.startswith(f"oh_{hub}_") for key in keys)


async def test_what_nobody_declared_cannot_be_told_anything(world: World) -> None:
    await world.apply(endpoints())
    with pytest.raises(UnknownEndpoint, match="'hok'"):
        await world.put("a", endpoint="hok")
    with pytest.raises(UnknownEndpoint, match="lane 'fast'"):
        await world.put("a", lane="fast")


async def test_a_command_waits_for_its_time(world: World, partner: Partner) -> None:
    await world.apply(endpoints())
    await world.put("a", not_before=world.clock() + timedelta(seconds=10))
    worker = world.worker(fake=partner)
    assert await worker.round() == {}
    world.clock.forward(10)
    await worker.round()
    assert partner.order == ["a"]


@pytest.mark.parametrize(
    ("outcome", "state", "attempts"),
    [
        (Transient(), "ready", 1),
        (Unknown(), "ready", 1),
        (Throttled(retry_after_s=30), "ready", 0),
        (Unauthorised(), "ready", 0),
        (Rejected(reason="no such size", field="size"), "dead", 1),
        (Gone(), "dead", 1),
        (Gone(endpoint=True), "ready", 0),
    ],
    ids=lambda value: value.kind if isinstance(value, Outcome) else str(value),
)
async def test_each_kind_of_error_costs_what_it_should(
    world: World, partner: Partner, outcome: Outcome, state: str, attempts: int
) -> None:
    await world.apply(endpoints())
    await world.put("a")
    partner.behave = lambda _: outcome
    await world.worker(fake=partner).round()
    row = await world.row("a")
    assert (row["state"], row["attempts"], row["verify"]) == (state, attempts, outcome.kind == "unknown")
    assert len(partner.calls) == 1


async def test_a_refusal_keeps_its_reason_its_field_and_its_owner(world: World, partner: Partner) -> None:
    await world.apply(endpoints())
    await world.put("a")
    partner.behave = lambda _: Rejected(reason="no such size", field="/size", status=422)
    await world.worker(fake=partner).round()
    row = await world.row("a")
    assert (row["reason"], row["owner"], row["kind"]) == ("rejected: /size: no such size", "ada", "rejected")


async def test_the_end_of_the_attempts_is_a_dead_letter(world: World, partner: Partner) -> None:
    await world.apply(endpoints("retry: {attempts_max: 3, first_s: 10}, breaker: {calls_min: 100}"))
    await world.put("a")
    partner.behave = lambda _: Transient(detail="shelf is full")
    worker = world.worker(fake=partner)
    for wait_s in (10, 20, 40):
        await worker.round()
        world.clock.forward(wait_s)
    await worker.round()
    row = await world.row("a")
    assert (row["state"], row["attempts"]) == ("dead", 3)
    assert row["reason"] == "no success in 3 attempts; the last: shelf is full"
    assert len(partner.calls) == 3
    assert await world.unfinished() == 0


async def test_what_the_partner_asks_for_is_waited_out(world: World, partner: Partner) -> None:
    await world.apply(endpoints("retry: {first_s: 2}"))
    await world.put("a")
    partner.behave = lambda _: Transient(retry_after_s=100)
    worker = world.worker(fake=partner)
    await worker.round()
    partner.behave = lambda _: Delivered()
    world.clock.forward(101.9)
    await worker.round()
    assert len(partner.calls) == 1
    world.clock.forward(0.1)
    await worker.round()
    assert partner.order == ["a"]


async def test_a_throttled_endpoint_is_left_alone_as_long_as_the_partner_says(world: World, partner: Partner) -> None:
    await world.apply(endpoints("retry: {first_s: 1}"))
    await world.put("a", "b")
    partner.behave = lambda _: Throttled(retry_after_s=60)
    worker = world.worker(fake=partner)
    await worker.round()
    seen = len(partner.calls)
    partner.behave = lambda _: Delivered()
    world.clock.forward(59)
    end = (await worker.round())["hook"]
    assert (end.reason, len(partner.calls)) == ("limit: held", seen)
    world.clock.to(end.back_at)
    await worker.round()
    assert sorted(partner.order) == ["a", "b"]


async def test_what_only_ever_waited_ends_at_its_deadline_and_says_what_it_waited_for(
    world: World, partner: Partner
) -> None:
    await world.apply(endpoints("deadline_s: 100, limits: {rates: [{calls_per_s: 0.001}]}"))
    await world.put("a")
    worker = world.worker(fake=partner)
    await worker.round()
    await world.put("b")
    await worker.round()
    world.clock.forward(101)
    assert await world.flow.expire(now=world.clock()) == 1
    row = await world.row("b")
    assert (row["state"], row["attempts"]) == ("dead", 0)
    assert row["reason"] == "deadline passed while blocked by limit: 0.001 calls/s, burst 1"
    assert await world.unfinished() == 0


async def test_poison_goes_aside_while_the_rest_flows(world: World, partner: Partner) -> None:
    await world.apply(endpoints())
    await world.put(*range(50))
    partner.behave = lambda call: Rejected(reason="poison") if int(call.commands[0].body) % 10 == 3 else Delivered()
    await world.worker(fake=partner).round()
    assert len(partner.order) == 45
    states = await world.states()
    assert sorted(int(body) for body, state in states.items() if state == "dead") == [3, 13, 23, 33, 43]


async def test_a_message_that_breaks_the_partner_each_time_dies_alone(world: World, partner: Partner) -> None:
    """A partner that answers 500 to one message is not down: the others keep the breaker closed."""
    await world.apply(endpoints("retry: {attempts_max: 3, first_s: 1}"))
    partner.behave = lambda call: Unknown(detail="500") if call.commands[0].body == "poison" else Delivered()
    worker = world.worker(fake=partner)
    await world.put("poison", *range(10))
    for number in range(4):
        await worker.round()
        world.clock.forward(5)
        await world.put(f"x{number}")
    states = await world.states()
    assert states.pop("poison") == "dead"
    assert set(list(states.values())[:-1]) == {"done"}


class TestOrder:
    async def test_commands_of_a_key_go_one_after_the_other_and_keys_side_by_side(
        self, world: World, partner: Partner
    ) -> None:
        await world.apply(endpoints("bulkhead: 100"))
        for n in range(5):
            await world.put(*(f"{key}{n}" for key in "abc"), ordering_key=None)
        await world.database.sql("update outbox set ordering_key = left(body, 1), state = 'new'")
        seen: list[set[str]] = []

        def behave(call: Call) -> Outcome:
            seen.append({call.commands[0].body})
            return Delivered()

        partner.behave = behave
        await world.worker(fake=partner).round()
        for key in "abc":
            assert [body for body in partner.order if body[0] == key] == [f"{key}{n}" for n in range(5)]

    async def test_a_stuck_head_blocks_only_its_key(self, world: World, partner: Partner) -> None:
        await world.apply(endpoints("retry: {first_s: 60}, breaker: {calls_min: 100}"))
        await world.put("a0", "a1", ordering_key="a")
        await world.put("b0", "b1", ordering_key="b")
        partner.behave = lambda call: Transient() if call.commands[0].body == "a0" else Delivered()
        worker = world.worker(fake=partner)
        await worker.round()
        assert partner.order == ["b0", "b1"]
        assert await world.states() == {"a0": "ready", "a1": "waiting", "b0": "done", "b1": "done"}
        partner.behave = lambda _: Delivered()
        world.clock.forward(60)
        await worker.round()
        assert partner.order == ["b0", "b1", "a0", "a1"]

    async def test_what_is_written_while_its_key_is_on_the_way_waits(self, world: World, partner: Partner) -> None:
        await world.apply(endpoints())
        await world.put("a0", ordering_key="a")
        dispatch = world.dispatch()
        await world.directory.situation()
        hook = world.directory.network.endpoints["hook"]
        (call,) = (await dispatch.claim(world.directory.network, hook, slots=5, now=world.clock())).calls
        await world.put("a1", "a2", ordering_key="a")
        claimed = await dispatch.claim(world.directory.network, hook, slots=5, now=world.clock())
        assert [command.body for command in call.commands] == ["a0"]
        assert claimed.calls == ()
        assert (await world.states()) == {"a0": "sending", "a1": "waiting", "a2": "waiting"}

    @pytest.mark.parametrize(("after", "next_state"), [("go_on", "done"), ("block", "waiting")])
    async def test_after_a_dead_letter_its_key_goes_on_or_waits_for_a_person(
        self, world: World, partner: Partner, after: str, next_state: str
    ) -> None:
        await world.apply(endpoints(f"after_dead: {after}"))
        await world.put("a0", "a1", ordering_key="a")
        partner.behave = lambda call: Rejected(reason="no") if call.commands[0].body == "a0" else Delivered()
        await world.worker(fake=partner).round()
        assert await world.states() == {"a0": "dead", "a1": next_state}
        await world.put("a2", ordering_key="a")
        await world.worker(fake=partner).round()
        assert (await world.states())["a2"] == next_state


class TestBuffer:
    async def test_refuse_tells_the_cause_and_writes_nothing(self, world: World) -> None:
        await world.apply(endpoints("buffer: {limit: 3, at_limit: refuse}"))
        await world.put(1, 2)
        with pytest.raises(BufferFull, match=r"hook \(at most 3\)"):
            await world.put(3, 4)
        assert set(await world.states()) == {"1", "2"}
        await world.put(3)

    async def test_what_is_known_already_needs_no_room(self, world: World) -> None:
        await world.apply(endpoints("buffer: {limit: 1, at_limit: refuse}"))
        await world.put(1, idempotency_key="k")
        assert [each.outcome for each in await world.put(1, idempotency_key="k")] == ["known"]

    async def test_drop_oldest_lets_the_newest_count(self, world: World, partner: Partner) -> None:
        await world.apply(endpoints("buffer: {limit: 3, at_limit: drop_oldest}"))
        await world.put(1, 2, 3)
        await world.put(4, 5)
        states = await world.states()
        assert [body for body, state in states.items() if state == "discarded"] == ["1", "2"]
        assert await world.unfinished() == 3
        await world.worker(fake=partner).round()
        assert partner.order == ["3", "4", "5"]

    async def test_case_keeps_the_new_ones_for_their_owner(self, world: World, partner: Partner) -> None:
        await world.apply(endpoints("buffer: {limit: 2, at_limit: case}"))
        await world.put(1, 2)
        assert [each.outcome for each in await world.put(3)] == ["dead"]
        row = await world.row(3)
        assert (row["state"], row["owner"], row["reason"].split(":")[0]) == ("dead", "ada", "buffer_full")
        assert await world.unfinished() == 2

    async def test_room_comes_back_with_what_is_sent(self, world: World, partner: Partner) -> None:
        await world.apply(endpoints("buffer: {limit: 2, at_limit: refuse}"))
        await world.put(1, 2)
        await world.worker(fake=partner).round()
        await world.put(3, 4)
        assert await world.unfinished() == 2
