"""What partners send in odd forms, and what people change while a backlog is worked off."""

from __future__ import annotations

import asyncio
import random
import threading
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from onhand.app.inbox_bodies import BodyNotRead, decode
from onhand.flow.local_files import LocalFiles
from onhand.ops import limits
from onhand.sdk.link import RemoteFile
from tests.flow.world import Clock
from tests.inbox.test_statements import feed, row, stated
from tests.inbox.world import World, item


@pytest.mark.parametrize("encoding", ["Shift_JIS", "GBK", "x-nobody-knows"])
def test_xml_in_an_encoding_that_expat_has_not_is_not_read(encoding: str) -> None:
    with pytest.raises(BodyNotRead):
        decode(f'<?xml version="1.0" encoding="{encoding}"?><a>x</a>'.encode(), "application/xml")


async def test_such_xml_is_a_dead_letter_at_once_that_says_why(world: World) -> None:
    await world.apply()
    number = await world.put(b'<?xml version="1.0" encoding="Shift_JIS"?><a>x</a>', content_type="application/xml")
    await world.node.mapper.round()
    line = (await world.inbox.show(number)).message
    assert (line.state, (line.reason or "").partition(":")[0]) == ("dead", "body_not_read"), line


async def test_one_statement_of_a_time_to_come_does_not_silence_the_feed(world: World, clock: Clock) -> None:
    """A partner's clock was wrong for one message."""
    await world.apply(feed("absolute"))
    await world.items("A")
    await stated(world, "s1", row("A", 10))
    clock.forward(60)
    await stated(world, "s2", row("A", 9), occurred_at=clock.now + timedelta(days=3650))
    clock.forward(60)
    await stated(world, "s3", row("A", 3))
    assert await world.stock() == {("A", "EAST"): 3}


async def test_a_feed_that_is_paused_while_a_backlog_is_worked_off_is_mapped_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "INBOX_CLAIM_MAX", 1)
    await world.apply()
    for number in range(20):
        await world.put({"events": [item(f"A{number}")]}, key=f"k{number}")
    node = world.node
    task = asyncio.create_task(node.mapper.round())
    while not list((await world.states()).values()).count("mapped"):
        await asyncio.sleep(0)
    await world.feeds.pause("moves", who="ada", reason="the mapping is wrong")
    before = list((await world.states()).values()).count("mapped")
    await task
    after = list((await world.states()).values()).count("mapped")
    assert after <= before + 2, (before, after)


async def test_what_is_applied_while_a_backlog_is_worked_off_holds_for_the_rest_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`onhand apply` with the mended meaning of a feed: the rest of the backlog is still mapped by the old one."""
    monkeypatch.setattr(limits, "INBOX_CLAIM_MAX", 1)
    await world.apply(feed("absolute"))
    await world.items(*(f"A{n}" for n in range(20)))
    for number in range(20):
        await world.put({"rows": [row(f"A{number}", 5)]}, key=f"s{number}", feed="stock")
    task = asyncio.create_task(world.node.mapper.round())
    while not any(k.startswith("s") and v == "mapped" for k, v in (await world.states()).items()):
        await asyncio.sleep(0)
    await world.apply(feed("absolute", status="hold"))
    await task
    there = await world.stock()
    assert len(there) < 10, f"{len(there)} of 20 were counted as available although the network in force says hold"


async def test_a_disk_that_does_not_answer_hurts_only_its_own_feed(tmp_path: Path) -> None:
    gate = threading.Event()
    files = LocalFiles(tmp_path, timeout_s=0.05)

    def never(_folder: str) -> list[RemoteFile]:
        gate.wait()
        return []

    files._list = never  # type: ignore[method-assign,assignment]
    try:
        for _ in range(40):  # a poll a minute
            with pytest.raises(Exception, match="did not answer in time"):
                await files.list("")
        # the same threads resolve names (getaddrinfo) and map large messages of every other feed
        await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo("localhost", 80), 5)
    finally:
        gate.set()


async def test_one_row_whose_code_is_far_too_long_costs_no_other_row(world: World) -> None:
    long = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000))
    await world.apply(feed("absolute"))
    await world.items("A")
    await stated(world, "s1", row("A", 5), row(long, 1))
    assert await world.stock() == {("A", "EAST"): 5}
    assert (await world.states())["s1"] == "dead"


async def test_one_row_whose_code_is_far_too_long_costs_no_other_row_of_a_snapshot(world: World) -> None:
    long = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000))
    await world.apply(feed("full_with_zeroing"))
    await world.items("A")
    await stated(world, "s1", row("A", 5), row(long, 1))
    assert await world.stock() == {("A", "EAST"): 5}
    assert (await world.states())["s1"] == "dead"


async def test_codes_with_a_slash_are_two_places(world: World) -> None:
    await world.apply(feed("absolute"))
    await world.items("X", lot_tracked=True)
    await world.items("X/1", lot_tracked=True)
    await stated(world, "s1", row("X/1", 5, lot="2"), row("X", 7, lot="1/2"))
    assert await world.stock() == {("X/1", "EAST"): 5, ("X", "EAST"): 7}


async def test_a_connector_that_cannot_be_made_is_told_and_costs_no_message(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Tryton's with a time zone that is none: `KeyError` from its constructor."""
    await world.apply()
    number = await world.put({"events": [item("A")]}, key="k")

    def broken(_endpoint: object) -> object:
        return ZoneInfo("Europe/Vienn")

    for one in (world.node.poll, world.node.map):
        monkeypatch.setattr(one, "_connectors", broken)
    for _ in range(7):
        await world.node.poller.round()
        await world.node.mapper.round()
        clock.forward(61)
    view = await world.feeds.feed("moves")
    line = (await world.inbox.show(number)).message
    assert (view.status, (line.reason or "").partition(":")[0]) == ("failing", "defect")
