"""Feeds that are asked: page and cursor in one, limits kept, failures told, one node at a time, nothing skipped."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from onhand.app.apply_network import apply_network, plan_network
from onhand.app.inbox import Filter
from onhand.app.inbox_ports import Arrived, Read
from onhand.sdk.registry import installed
from onhand.store.network import PostgresNetworkStore
from tests.flow.world import Clock
from tests.inbox.world import World, item, receipt


async def test_what_a_partner_says_is_stored_mapped_and_in_the_ledger(world: World) -> None:
    await world.apply()
    world.shelf.says({"events": [item("A"), receipt("A", 5, id_="r1")]})
    world.shelf.says({"events": [receipt("A", 7, id_="r2")]})
    await world.node.work()
    assert await world.stock() == {("A", "EAST"): 12}
    assert await world.states() == {"k1": "mapped", "k2": "mapped"}
    assert world.shelf.stored == ["k1", "k2"]


async def test_a_feed_is_read_page_by_page_until_it_has_nothing_more(world: World) -> None:
    await world.apply()
    for number in range(25):
        world.shelf.says({"events": [item(f"A{number}")]})
    await world.node.poller.round()
    assert [cursor for _, _, cursor in world.shelf.calls] == ["None", "10", "20"]
    assert len(await world.states()) == 25


async def test_a_feed_is_asked_again_when_it_is_due_and_not_before(world: World, clock: Clock) -> None:
    await world.apply()
    await world.node.poller.round()
    clock.forward(59)
    await world.node.poller.round()
    assert len(world.shelf.calls) == 1
    clock.forward(1)
    await world.node.poller.round()
    assert len(world.shelf.calls) == 2


async def test_an_empty_answer_counts_as_heard(world: World, clock: Clock) -> None:
    await world.apply()
    await world.node.poller.round()
    view = await world.feeds.feed("moves")
    assert (view.status, view.last_empty_at, view.last_message_at) == ("well", clock.now, None)
    clock.forward(301)
    fresh = (await world.feeds.freshness())["moves"]
    assert fresh.stale_since == view.last_heard_at + timedelta(seconds=300)  # type: ignore[operator]
    assert (await world.feeds.feed("moves")).status == "stale"
    await world.node.poller.round()
    assert (await world.feeds.freshness())["moves"].stale_since is None


async def test_the_cursor_stands_where_it_stood_when_a_read_fails(world: World, clock: Clock) -> None:
    await world.apply()
    world.shelf.says({"events": [item("A")]})
    world.shelf.sicken("down")
    await world.node.poller.round()
    view = await world.feeds.feed("moves")
    assert (view.cursor, view.status, view.why) == (None, "failing", "transient: down")
    clock.forward(5)
    await world.node.work()
    view = await world.feeds.feed("moves")
    assert (view.cursor, view.status, view.failures) == ("1", "well", 0)


async def test_a_throttled_feed_waits_as_long_as_it_was_told(world: World, clock: Clock) -> None:
    await world.apply()
    world.shelf.sicken("throttled")
    await world.node.poller.round()
    clock.forward(29)
    await world.node.poller.round()
    assert len(world.shelf.calls) == 1
    clock.forward(5)
    await world.node.poller.round()
    assert len(world.shelf.calls) == 2


async def test_a_connector_with_a_bug_is_told_and_asked_again(world: World, clock: Clock) -> None:
    await world.apply()
    world.shelf.says({"events": [item("A")]})
    world.shelf.sicken("bug")
    await world.node.poller.round()
    assert (await world.feeds.feed("moves")).why.startswith(
        "unknown: the connector of moves broke (ZeroDivisionError, connector.py:"
    )
    clock.forward(5)
    await world.node.work()
    assert await world.states() == {"k1": "mapped"}


async def test_a_wait_for_the_limit_of_the_endpoint_costs_nothing_and_counts_nothing(
    world: World, clock: Clock
) -> None:
    await world.apply(policy="limits: {rates: [{calls_per_s: 0.01}]}")
    for number in range(15):
        world.shelf.says({"events": [item(f"A{number}")]})
    await world.node.poller.round()
    view = await world.feeds.feed("moves")
    assert (len(world.shelf.calls), view.cursor, view.failures, view.status) == (1, "10", 0, "blocked")
    for _ in range(60):
        clock.forward(2)
        await world.node.poller.round()
    assert len(world.shelf.calls) == 2
    assert len(await world.states()) == 15


async def test_a_feed_is_not_read_in_the_window_of_its_endpoint(world: World, clock: Clock) -> None:
    await world.apply(policy='windows: [{start: "11:00", end: "12:30"}]')
    await world.node.poller.round()
    assert (world.shelf.calls, (await world.feeds.feed("moves")).status) == ([], "blocked")
    clock.forward(1801)
    await world.node.poller.round()
    assert len(world.shelf.calls) == 1


async def test_a_partner_that_is_down_is_left_alone_by_the_breaker(world: World, clock: Clock) -> None:
    await world.apply(policy="breaker: {calls_min: 3, open_s: 600, open_max_s: 600}")
    world.shelf.sicken(*["down"] * 50)
    for _ in range(60):
        clock.forward(5)
        await world.node.poller.round()
    assert len(world.shelf.calls) <= 6
    assert (await world.feeds.feed("moves")).failures <= 6


async def test_two_nodes_never_read_one_feed_at_the_same_time(world: World) -> None:
    await world.apply()
    for number in range(95):
        world.shelf.says({"events": [item(f"A{number}")]})
    nodes = [world.another(name) for name in "bcd"]
    await asyncio.gather(*(node.poller.round() for node in nodes))
    cursors = [cursor for _, _, cursor in world.shelf.calls]
    assert cursors == ["None", *map(str, range(10, 100, 10))]
    assert len(await world.states()) == 95


async def test_a_node_that_comes_back_too_late_stores_nothing(world: World, clock: Clock) -> None:
    await world.apply()
    taken = await world.node.store.take("moves", lease_s=10)
    assert taken is None, "nobody has seen the feed yet"
    await world.node.store.due(["moves"])
    taken = await world.node.store.take("moves", lease_s=10)
    assert taken is not None
    assert await world.another("b").store.take("moves", lease_s=10) is None
    clock.forward(11)
    other = await world.another("b").store.take("moves", lease_s=10)
    assert other is not None
    late = Read(messages=[Arrived(key="x", body=b"{}", content_type="")], cursor="9", more=False, mode="poll")
    assert await world.node.store.store(taken, late, lease_s=10, every_s=60) is None
    assert await world.states() == {}
    assert (await world.feeds.feed("moves")).cursor is None


async def test_a_connector_whose_cursor_does_not_move_is_told_instead_of_read_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.apply()
    world.shelf.says({"events": []})
    shelf: Any = installed().get("shelf").connector
    read = shelf.read

    async def stuck(self: Any, stream: str, cursor: str | None, *, limit: int) -> object:
        page = await read(self, stream, None, limit=limit)
        return msgspec.structs.replace(page, more=True, cursor=cursor)

    monkeypatch.setattr(shelf, "read", stuck)
    async with asyncio.timeout(20):
        await world.node.poller.round()
    assert "does not move" in (await world.feeds.feed("moves")).why
    assert len(world.shelf.calls) == 2


async def test_a_repetition_changes_nothing_and_another_body_is_kept_beside(world: World, clock: Clock) -> None:
    await world.apply()
    world.shelf.says({"events": [item("A")]}, key="x")
    world.shelf.says({"events": [item("A")]}, key="x")
    world.shelf.says({"events": [item("B")]}, key="x")
    await world.node.work()
    lines = await world.inbox.find(Filter())
    assert [(line.key, line.changed, line.repeats, line.state) for line in lines] == [
        ("x", True, 0, "mapped"), ("x", False, 0, "mapped"),
    ]  # fmt: skip
    await world.feeds.poll_now("moves", who="ada")
    world.shelf.says({"events": [item("B")]}, key="x")
    await world.node.work()
    lines = await world.inbox.find(Filter())
    assert [line.repeats for line in lines] == [1, 0]


async def test_a_record_that_the_partner_commits_late_is_not_skipped_by_a_cursor_that_overlaps(
    world: World, clock: Clock
) -> None:
    """The connector's cursor decides what is read again; the inbox recognises what it has."""
    await world.apply()
    world.shelf.says({"events": [item("A")]}, n=1)
    world.shelf.says({"events": [item("C")]}, n=3)
    taken_before = len(world.shelf.calls)
    await world.node.work()
    # The cursor is set back as one that overlaps would be; number 2 was committed late.
    world.shelf.says({"events": [item("B")]}, n=2)
    await world.database.sql("update feed_state set cursor = '1', due_at = null")
    await world.node.work()
    assert len(world.shelf.calls) == taken_before + 2
    assert await world.states() == {"k1": "mapped", "k2": "mapped", "k3": "mapped"}
    assert await world.facts("item.upserted") == 3


async def test_a_paused_feed_is_neither_read_nor_mapped_until_it_is_resumed(world: World) -> None:
    await world.apply()
    assert await world.feeds.pause("moves", who="ada", reason="stocktaking")
    assert not await world.feeds.pause("moves", who="bob", reason="other")
    world.shelf.says({"events": [item("A")]})
    await world.put({"events": [item("B")]}, key="w")
    await world.node.work()
    assert await world.states() == {"w": "new"}
    assert world.shelf.calls == []
    view = await world.feeds.feed("moves")
    assert (view.status, view.why, view.waiting) == ("paused", "stocktaking", 1)
    assert await world.feeds.resume("moves", who="ada")
    await world.node.work()
    assert await world.states() == {"w": "mapped", "k1": "mapped"}


async def test_a_message_that_is_too_large_is_told_and_the_cursor_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.apply()
    monkeypatch.setattr("onhand.ops.limits.INBOX_BODY_BYTES_MAX", 10)
    world.shelf.says({"events": [item("A")]})
    await world.node.poller.round()
    view = await world.feeds.feed("moves")
    assert "message_too_large" in view.why
    assert view.cursor is None


@pytest.mark.parametrize("cursor", ["a\0b", "\ud800"])
async def test_a_cursor_that_cannot_be_kept_is_told_and_moves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, cursor: str
) -> None:
    await world.apply()
    world.shelf.says({"events": [item("A")]})
    shelf: Any = installed().get("shelf").connector
    read = shelf.read

    async def odd(self: Any, stream: str, _: str | None, *, limit: int) -> object:
        return msgspec.structs.replace(await read(self, stream, None, limit=limit), cursor=cursor)

    monkeypatch.setattr(shelf, "read", odd)
    await world.node.work()
    view = await world.feeds.feed("moves")
    assert (view.status, view.cursor, view.read_by) == ("failing", None, None)
    assert await world.states() == {}


async def test_a_feed_that_is_retired_is_left_alone_and_what_it_brought_stays(world: World) -> None:
    await world.apply()
    await world.put({"events": [item("A")]}, key="w")
    store = PostgresNetworkStore(world.database)
    plan = await plan_network(store, {"n.yaml": "systems:\n  wms: {kind: wms}\n"})
    await apply_network(store, plan, who="test")
    await world.node.work()
    assert world.shelf.calls == []
    assert await world.states() == {"w": "new"}
    assert (await world.feeds.feed("moves")).status == "retired"
    assert await world.feeds.freshness() == {}
