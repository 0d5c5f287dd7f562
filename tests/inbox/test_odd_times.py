"""Times at the edge of the calendar, and times without a zone."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec
import pytest

from onhand.app.inbox import Filter
from onhand.connectors.bazaar.documents import Order
from tests.flow.world import Clock
from tests.inbox.test_statements import feed, row, stated
from tests.inbox.world import World, item


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-05:00"])
async def test_a_time_for_never_does_not_stop_a_feed(world: World, clock: Clock, at: str) -> None:
    """.NET writes an unset time so: 0001-01-01T00:00:00+01:00."""
    await world.apply()
    world.shelf.says({"events": [item("A")]}, at=at)
    world.shelf.says({"events": [item("B")]})
    for _ in range(3):
        await world.node.work()
        clock.forward(400)
    view = await world.feeds.feed("moves")
    assert await world.states() == {"k1": "mapped", "k2": "mapped"}, view.why


async def test_a_row_with_such_a_cut_off_costs_no_other_row(world: World) -> None:
    await world.apply(feed("absolute"))
    await world.items("A", "B")
    await stated(world, "s1", row("A", 5), row("B", 1, as_of="0001-01-01T00:00:00+01:00"))
    assert await world.stock() == {("A", "EAST"): 5}


async def test_a_time_without_a_zone_is_not_taken_in_the_zone_of_this_machine(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        await world.apply()
        world.shelf.says({"events": [item("A")]}, at="2026-11-23T11:00:00")
        await world.node.poller.round()
        (line,) = await world.inbox.find(Filter(), n=9)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert line.occurred_at in (None, datetime(2026, 11, 23, 11, tzinfo=UTC)), line.occurred_at


def test_bazaar_takes_no_time_without_a_zone() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"id": "O", "version": 1, "updated_at": "2026-11-23T11:00:00"}', type=Order)
