"""Statements of stock: what each kind of number means, as of its cut-off, and what a missing row means."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from onhand.app.inbox import Filter
from onhand.bootstrap import Hub
from tests.flow.world import Clock
from tests.inbox.world import World, receipt
from tests.proof.ground import ask, client


def feed(means: str, *, mode: str = "webhook", **statement: Any) -> str:
    """A feed `stock` whose numbers mean that."""
    fields = {"means": means, "location": "EAST", **statement}
    told = ", ".join(f"{key}: {value}" for key, value in fields.items())
    return f"  stock: {{endpoint: shelf, stream: stock, mode: {mode}, page: 2, statement: {{{told}}}}}"


async def stated(world: World, key: str, *rows: dict[str, Any], **fields: Any) -> int:
    """Have the feed state rows, mapped at once; the number of the message."""
    number = await world.put({"rows": rows}, key=key, feed="stock", **fields)
    await world.node.mapper.round()
    return number


def row(sku: str, quantity: Any, **more: Any) -> dict[str, Any]:
    return {"sku": sku, "quantity": quantity, **more}


async def test_absolute_numbers_are_counts_as_of_the_cut_off(world: World, clock: Clock) -> None:
    await world.apply(feed("absolute", lag_s=600))
    await world.items("A", "B")
    await stated(world, "s1", row("A", 10), row("B", 3))
    assert await world.stock() == {("A", "EAST"): 10, ("B", "EAST"): 3}
    rows = await world.database.sql("select distinct occurred_at from event where type = 'count.posted'")
    assert [each["occurred_at"] for each in rows] == [clock.now - timedelta(seconds=600)]


async def test_what_happened_here_since_the_cut_off_is_not_undone(world: World, clock: Clock) -> None:
    await world.apply(feed("absolute"))
    await world.items("A")
    cut_off = clock.now
    await stated(world, "s1", row("A", 10))
    clock.forward(60)
    await world.put({"events": [receipt("A", 5, id_="r")]}, key="r", occurred_at=clock.now)
    await world.node.mapper.round()
    clock.forward(60)
    await stated(world, "s2", row("A", 11, as_of=cut_off.isoformat()))
    assert await world.stock() == {("A", "EAST"): 16}


async def test_an_unchanged_number_makes_no_fact(world: World, clock: Clock) -> None:
    await world.apply(feed("absolute"))
    await world.items("A", "B")
    await stated(world, "s1", row("A", 10), row("B", 0))
    assert await world.facts("count.posted") == 1
    clock.forward(60)
    await stated(world, "s2", row("A", 10), row("B", 0))
    assert await world.facts("count.posted") == 1
    clock.forward(60)
    await stated(world, "s3", row("A", 9), row("B", 0))
    assert (await world.facts("count.posted"), await world.stock()) == (2, {("A", "EAST"): 9})


@pytest.mark.parametrize("newer_changes", [True, False])
async def test_an_older_cut_off_never_overwrites_a_newer_one(world: World, clock: Clock, newer_changes: bool) -> None:
    """Held down: a newer number that was unchanged made no fact, and a late older one then won."""
    await world.apply(feed("absolute"))
    await world.items("A")
    await stated(world, "s1", row("A", 10))
    early, clock.now = clock.now + timedelta(seconds=60), clock.now + timedelta(seconds=120)
    newest = 12 if newer_changes else 10
    await stated(world, "s3", row("A", newest))
    await stated(world, "s2", row("A", 4), occurred_at=early)
    assert await world.stock() == {("A", "EAST"): newest}


async def test_available_numbers_are_given_back_the_demand_that_the_source_took_off(world: World, clock: Clock) -> None:
    await world.apply(feed("available", subtracted="[reserved, allocated]"))
    await world.items("A")
    await stated(world, "s1", row("A", 10))
    hub = Hub(world.database)
    await hub.reserve(await client(world.database), ask("q1", ("A", 3)))
    clock.now = (await hub.record_events._store.situation()).now
    await stated(world, "s2", row("A", 7))
    assert await world.stock() == {("A", "EAST"): 10}
    assert await world.facts("count.posted") == 1
    clock.forward(1)
    await stated(world, "s3", row("A", 5))
    assert await world.stock() == {("A", "EAST"): 8}
    await hub.close()


async def test_demand_made_after_the_cut_off_was_not_taken_off(world: World, clock: Clock) -> None:
    await world.apply(feed("available", subtracted="[reserved]", lag_s=3600))
    await world.items("A")
    await stated(world, "s1", row("A", 10))
    hub = Hub(world.database)
    await hub.reserve(await client(world.database), ask("q1", ("A", 3)))
    clock.now = (await hub.record_events._store.situation()).now
    await stated(world, "s2", row("A", 9))
    assert await world.stock() == {("A", "EAST"): 9}
    await hub.close()


async def test_a_change_is_an_adjustment_and_a_replay_of_it_changes_nothing(world: World) -> None:
    await world.apply(feed("relative"))
    await world.items("A")
    number = await stated(world, "s1", row("A", 10), row("A", -3), row("A", 0))
    assert await world.stock() == {("A", "EAST"): 7}
    await world.inbox.replay(Filter(ids=(number,), states=("mapped",)), who="ada")
    await world.node.mapper.round()
    assert await world.stock() == {("A", "EAST"): 7}
    assert await world.facts("adjustment.posted") == 1


async def test_a_whole_file_says_that_what_it_does_not_name_is_zero(world: World, clock: Clock) -> None:
    await world.apply(feed("full_with_zeroing"))
    await world.items("A", "B", "C")
    await world.put({"events": [receipt("C", 5, id_="west", location="WEST")]}, key="west", occurred_at=clock.now)
    await stated(world, "s1", row("A", 10), row("B", 3), row("C", 2))
    clock.forward(60)
    number = await stated(world, "s2", row("A", 10))
    assert await world.stock() == {("A", "EAST"): 10, ("C", "WEST"): 5}
    counts = (await world.inbox.show(number)).counts
    assert counts == {"applied": 2}
    clock.forward(60)
    await stated(world, "s3", row("A", 10))
    assert await world.facts("count.posted") == 5


async def test_an_empty_file_zeroes_nothing_and_is_told(world: World, clock: Clock) -> None:
    await world.apply(feed("full_with_zeroing"))
    await world.items("A")
    await stated(world, "s1", row("A", 10))
    clock.forward(60)
    number = await stated(world, "s2")
    assert await world.stock() == {("A", "EAST"): 10}
    assert ((await world.inbox.show(number)).message.reason or "").startswith("snapshot_empty")


async def test_a_file_with_a_row_that_is_wrong_zeroes_nothing_until_it_is_mended(world: World, clock: Clock) -> None:
    await world.apply(feed("full_with_zeroing"))
    await world.items("A", "B", "C")
    await stated(world, "s1", row("A", 10), row("B", 3), row("C", 1))
    clock.forward(60)
    number = await stated(world, "s2", row("A", 9), row("B", "three"))
    line = (await world.inbox.show(number)).message
    assert (line.state, line.place) == ("dead", "row 1")
    assert await world.stock() == {("A", "EAST"): 9, ("B", "EAST"): 3, ("C", "EAST"): 1}


async def test_a_snapshot_in_pages_zeroes_only_when_its_last_page_is_here(world: World, clock: Clock) -> None:
    await world.apply(feed("full_with_zeroing", mode="poll"))
    await world.items("A", "B", "C", "D")

    def snapshot(at: str, *rows: dict[str, Any]) -> None:
        for each in rows:
            world.shelf.says({"rows": [each]}, key=each["sku"], stream="stock", as_of=at)

    first, second = clock.now.isoformat(), (clock.now + timedelta(seconds=60)).isoformat()
    snapshot(first, row("A", 1), row("B", 2), row("C", 3), row("D", 4))
    await world.node.work()
    assert await world.stock() == {("A", "EAST"): 1, ("B", "EAST"): 2, ("C", "EAST"): 3, ("D", "EAST"): 4}
    clock.forward(60)
    snapshot(second, row("A", 1), row("B", 2), row("C", 9))
    await world.feeds.pause("moves", who="ada")
    world.shelf.sicken("well", "down")
    await world.node.work()
    assert ("D", "EAST") in await world.stock(), "half of a snapshot is no statement of what is missing"
    clock.forward(30)
    await world.node.work()
    assert await world.stock() == {("A", "EAST"): 1, ("B", "EAST"): 2, ("C", "EAST"): 9}


async def test_a_snapshot_that_begins_in_the_middle_of_another_zeroes_nothing(world: World, clock: Clock) -> None:
    """A connector that takes a new cut-off half-way would otherwise have the first half counted as nought."""
    await world.apply(feed("full_with_zeroing", mode="poll"))
    await world.items("A", "B", "C", "D")
    first, second = clock.now.isoformat(), (clock.now + timedelta(seconds=1)).isoformat()
    for sku, at in (("A", first), ("B", first), ("C", second), ("D", second)):
        world.shelf.says({"rows": [row(sku, 5)]}, key=sku, stream="stock", as_of=at)
    await world.node.work()
    assert await world.stock() == {(sku, "EAST"): 5 for sku in "ABCD"}
    third = (clock.now + timedelta(seconds=2)).isoformat()
    world.shelf.says({"rows": [row("A", 5)]}, key="A", stream="stock", as_of=third)
    clock.forward(60)
    await world.node.work()
    assert await world.stock() == {("A", "EAST"): 5}


async def test_a_row_that_is_the_same_in_two_snapshots_is_named_by_both(world: World, clock: Clock) -> None:
    """Held down: the same key and body was a repetition, so the second snapshot did not name it and zeroed it."""
    await world.apply(feed("full_with_zeroing", mode="poll"))
    await world.items("A", "B")
    for minute in range(3):
        at = (clock.now + timedelta(seconds=minute)).isoformat()
        for sku in ("A", "B"):
            world.shelf.says({"rows": [row(sku, 5)]}, key=sku, stream="stock", as_of=at)
    for _ in range(4):
        await world.node.work()
        clock.forward(60)
    assert await world.stock() == {("A", "EAST"): 5, ("B", "EAST"): 5}


async def test_rows_say_where_what_and_when_and_the_feed_fills_in_the_rest(world: World, clock: Clock) -> None:
    await world.apply(feed("absolute", status="hold"))
    await world.items("A", lot_tracked=True)
    await world.items("B", uoms=[{"code": "box", "factor": 6}])
    rows = [
        row("A", 4, lot="L1"), row("A", 2, lot="L2", location="WEST", status="available"),
        row("B", 2, uom="box"), row("B", 1, uom="each"),
    ]  # fmt: skip
    number = await stated(world, "s1", *rows)
    assert (await world.inbox.show(number)).message.state == "mapped"
    assert await world.stock(status="hold") == {("A", "EAST"): 4, ("B", "EAST"): 13}
    assert await world.stock() == {("A", "WEST"): 2}


async def test_numbers_below_nought_are_nought_and_it_is_said(world: World, clock: Clock) -> None:
    await world.apply(feed("available"))
    await world.items("A")
    await stated(world, "s1", row("A", 4))
    clock.forward(1)
    number = await stated(world, "s2", row("A", -2))
    line = (await world.inbox.show(number)).message
    assert await world.stock() == {}
    assert line.reason == "1 numbers below nought were taken as nought"


async def test_an_item_that_nobody_knows_lies_in_quarantine_and_the_others_count(world: World) -> None:
    await world.apply(feed("absolute"))
    await world.items("A")
    number = await stated(world, "s1", row("A", 4), row("GHOST", 2))
    assert (await world.inbox.show(number)).counts == {"applied": 1, "quarantined": 1}
    assert await world.stock() == {("A", "EAST"): 4}


async def test_a_replay_after_demand_has_changed_states_nothing_twice(world: World, clock: Clock) -> None:
    """Held down: the same fact would read otherwise by then, and end in quarantine as a changed body."""
    await world.apply(feed("available", subtracted="[reserved]"))
    await world.items("A")
    number = await stated(world, "s1", row("A", 10))
    hub = Hub(world.database)
    await hub.reserve(await client(world.database), ask("q1", ("A", 3)))
    await world.database.sql("update reservation set created_at = '2026-01-01'")
    await world.inbox.replay(Filter(ids=(number,), states=("mapped",)), who="ada")
    await world.node.mapper.round()
    shown = await world.inbox.show(number)
    assert (shown.message.state, shown.counts) == ("mapped", {"applied": 1})
    assert await world.stock() == {("A", "EAST"): 10}
    await hub.close()


async def test_a_large_statement_is_worked_off_in_parts(world: World, clock: Clock) -> None:
    await world.apply(feed("full_with_zeroing"))
    skus = [f"S{n:04}" for n in range(1500)]
    await world.items(*skus)
    await stated(world, "s1", *(row(sku, 5) for sku in skus))
    assert len(await world.stock()) == 1500
    clock.forward(60)
    await stated(world, "s2", row("S0000", 5))
    assert await world.stock() == {("S0000", "EAST"): 5}
