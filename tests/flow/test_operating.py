"""What people do: look, pause, resume, close a breaker, replay and discard; each safe to say twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from onhand.app.operate_flow import Filter, OperateFlow
from onhand.domain.errors import InvalidInput, NotFound
from onhand.domain.outcome import Delivered, Rejected, Transient
from onhand.store.flow_reading import PostgresFlowReads
from tests.flow.world import Partner, World, endpoints


def operating(world: World) -> OperateFlow:
    return OperateFlow(PostgresFlowReads(world.database, world.directory, now=world.clock()))


async def dead(world: World, partner: Partner, *bodies: object, **fields: Any) -> None:
    await world.put(*bodies, **fields)
    partner.behave = lambda _: Rejected(reason="no")
    await world.worker(fake=partner).round()
    partner.behave = lambda _: Delivered()


async def test_a_paused_endpoint_is_left_alone_until_it_is_resumed(world: World, partner: Partner) -> None:
    await world.apply(endpoints())
    await world.put("a")
    assert await operating(world).pause("hook", who="ada", reason="stocktaking")
    assert not await operating(world).pause("hook", who="bob", reason="me too")
    worker = world.worker(fake=partner)
    end = (await worker.round())["hook"]
    assert (end.reason, partner.calls) == ("paused: stocktaking", [])
    shown = await operating(world).endpoint("hook")
    assert (shown.status, shown.why, shown.paused_by, shown.unfinished) == ("paused", "stocktaking", "ada", 1)
    assert await operating(world).resume("hook", who="ada")
    assert not await operating(world).resume("hook", who="ada")
    await worker.round()
    assert partner.order == ["a"]
    assert [action.action for action in await operating(world).actions("hook")] == ["resume", "pause"]


async def test_a_breaker_that_is_closed_by_hand_lets_calls_through_at_once(world: World, partner: Partner) -> None:
    await world.apply(endpoints("breaker: {calls_min: 1, open_s: 300}, retry: {first_s: 1}"))
    await world.put("a")
    partner.behave = lambda _: Transient(detail="refused")
    worker = world.worker(fake=partner)
    await worker.round()
    world.clock.forward(2)
    shown = await operating(world).endpoint("hook")
    assert (shown.status, shown.breaker, shown.why) == ("breaker", "open", "refused")
    assert await operating(world).reset_breaker("hook", who="ada")
    assert not await operating(world).reset_breaker("hook", who="ada")
    partner.behave = lambda _: Delivered()
    await worker.round()
    assert partner.order == ["a"]


async def test_what_is_left_and_until_when_is_shown(world: World, partner: Partner) -> None:
    quota = "quotas:\n  app: {limits: {concurrency: 5}}\n"
    await world.apply(endpoints("quota: app, limits: {rates: [{calls_per_s: 0.01, burst: 2}]}", more=quota))
    await world.put("a", "b", "c")
    await world.worker(fake=partner).round()
    shown = await operating(world).endpoint("hook")
    assert (shown.status, shown.why, shown.until) == (
        "limited", "0.01 calls/s, burst 2", world.clock() + timedelta(seconds=100),
    )  # fmt: skip
    assert shown.quota_left is not None
    assert shown.quota_left.calls == 5
    with pytest.raises(NotFound):
        await operating(world).endpoint("hok")


class TestReplay:
    async def test_one_a_filter_or_a_time_range_and_never_twice(self, world: World, partner: Partner) -> None:
        await world.apply(endpoints())
        await dead(world, partner, "a", "b", operation="price")
        middle = world.clock.now + timedelta(seconds=1)
        world.clock.forward(2)
        await dead(world, partner, "c", "d")
        one = (await world.row("a"))["id"]
        flow = operating(world)
        assert await flow.replay(Filter(ids=(one,)), who="ada") == [one]
        assert await flow.replay(Filter(ids=(one,)), who="ada") == []
        assert len(await flow.replay(Filter(operation="price"), who="ada")) == 1
        assert len(await flow.replay(Filter(since=middle), who="ada")) == 2
        assert await flow.replay(Filter(endpoint="hook"), who="ada") == []
        await world.worker(fake=partner).round()
        assert sorted(partner.order) == ["a", "b", "c", "d"]
        assert set(partner.effects.values()) == {1}
        assert await world.unfinished() == 0

    async def test_the_key_and_the_attempts_that_were_stay(self, world: World, partner: Partner) -> None:
        await world.apply(endpoints())
        await dead(world, partner, "a", cause="erp 17")
        before = await world.row("a")
        await operating(world).replay(Filter(ids=(before["id"],)), who="ada", reason="mapping mended")
        await world.worker(fake=partner).round()
        found = await operating(world).show(before["id"])
        assert (found.command.idempotency_key, found.command.replays) == (before["idempotency_key"], 1)
        assert [(each.number, each.kind) for each in found.attempts] == [(1, "rejected"), (2, "delivered")]
        assert (found.command.cause, found.command.state, found.command.attempts) == ("erp 17", "done", 1)

    async def test_what_was_done_is_never_sent_again(self, world: World, partner: Partner) -> None:
        await world.apply(endpoints())
        await world.put("a")
        await world.worker(fake=partner).round()
        assert await operating(world).replay(Filter(endpoint="hook"), who="ada") == []

    async def test_everything_has_to_be_meant(self, world: World) -> None:
        with pytest.raises(InvalidInput):
            await operating(world).replay(Filter(), who="ada")

    @pytest.mark.parametrize("verb", ["replay", "discard"])
    async def test_a_key_that_a_dead_letter_holds_goes_on_once_it_is_decided(
        self, world: World, partner: Partner, verb: str
    ) -> None:
        await world.apply(endpoints("after_dead: block"))
        await dead(world, partner, "a0", ordering_key="a")
        await world.put("a1", ordering_key="a")
        worker = world.worker(fake=partner)
        await worker.round()
        assert (await world.states())["a1"] == "waiting"
        if verb == "replay":
            await operating(world).replay(Filter(endpoint="hook"), who="ada")
        else:
            await operating(world).discard(Filter(endpoint="hook"), who="ada", dead_only=True)
        await worker.round()
        assert partner.order == (["a0", "a1"] if verb == "replay" else ["a1"])


async def test_what_is_discarded_is_not_sent_and_says_who_said_so(world: World, partner: Partner) -> None:
    await world.apply(endpoints())
    await world.put("a", "b")
    ids = [(await world.row("a"))["id"]]
    assert await operating(world).discard(Filter(ids=tuple(ids)), who="ada", reason="sold out") == ids
    await world.worker(fake=partner).round()
    row = await world.row("a")
    assert (partner.order, row["state"], row["reason"]) == (["b"], "discarded", "discarded by ada: sold out")
    assert await world.unfinished() == 0


async def test_what_was_delivered_long_ago_is_forgotten_and_dead_letters_are_not(
    world: World, partner: Partner
) -> None:
    await world.apply(endpoints())
    await dead(world, partner, "bad")
    await world.put("good")
    await world.worker(fake=partner).round()
    assert await world.flow.forget(now=world.clock() + timedelta(days=29)) == 0
    assert await world.flow.forget(now=world.clock() + timedelta(days=31)) == 1
    assert set(await world.states()) == {"bad"}


@pytest.mark.parametrize("wanted", [Filter(ids=(7, 10**30)), Filter(endpoint="hok")])
async def test_what_nobody_knows_is_told_and_not_taken_for_nothing_to_do(
    world: World, partner: Partner, wanted: Filter
) -> None:
    await world.apply(endpoints())
    await dead(world, partner, "a")
    flow = operating(world)
    for does in (flow.find, partial(flow.replay, who="ada"), partial(flow.discard, who="ada")):
        with pytest.raises(NotFound, match=r"no command 7, 10+|no endpoint 'hok'"):
            await does(wanted)
    assert (await world.row("a"))["state"] == "dead"


def onhand(dsn: str, *arguments: str) -> Any:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "ONHAND_DSN": dsn}
    code = "from onhand.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout) if "--json" in arguments else run.stdout


async def test_the_verbs_as_they_are_typed(world: World, partner: Partner, dsn: str) -> None:
    await world.apply(endpoints())
    await dead(world, partner, "a", "b")
    number = str((await world.row("a"))["id"])
    assert [each["dead"] for each in onhand(dsn, "endpoints", "list", "--json")] == [2]
    assert "hook" in onhand(dsn, "endpoints", "list")
    assert "breaker" in onhand(dsn, "endpoints", "show", "hook")
    assert onhand(dsn, "endpoints", "pause", "hook", "--reason", "x", "--by", "ada", "--json") == {"changed": True}
    assert onhand(dsn, "endpoints", "resume", "hook") == "hook is in use again.\n"
    assert onhand(dsn, "endpoints", "reset-breaker", "hook", "--json") == {"changed": False}
    assert len(onhand(dsn, "dead-letters", "list", "--json")) == 2
    assert onhand(dsn, "outbox", "list", "--state", "done", "--json") == []
    assert "rejected" in onhand(dsn, "outbox", "show", number)
    assert onhand(dsn, "dead-letters", "replay", "--number", number, "--json") == {"replayed": [int(number)]}
    assert onhand(dsn, "dead-letters", "discard", "--endpoint", "hook") == "Discarded: 1.\n"
    assert onhand(dsn, "work", "--once", "--json") == {}
