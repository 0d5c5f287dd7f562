"""Reading the ledger: balances in both time axes, movements, the events behind them, and a feed that skips nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
import pytest

from onhand.app.answers import BalanceRow
from onhand.app.paging import InvalidCursor, Page
from onhand.app.read_ledger import END, EventNotFound
from onhand.domain.errors import InvalidInput
from onhand.store.postgres.driver import Database
from tests.app.world import World, days, hours, network

Reader = Callable[..., Awaitable[Page[Any]]]


async def everything(read: Reader, *, limit: int = 3, **where: Any) -> list[Any]:
    """All rows, read page by page."""
    rows: list[Any] = []
    after: str | None = None
    while True:
        page = await read(after=after, limit=limit, **where)
        rows += page.rows
        after = page.next_cursor
        if after is None:
            return rows
        assert len(page.rows) == limit


def figures(rows: list[BalanceRow]) -> dict[tuple[str, ...], int]:
    return {(row.sku, row.location, row.status): row.quantity for row in rows}


async def small(database: Database) -> World:
    world = await World.made(database)
    await world.item("X", "Y")
    await world.receive("X", 12, at=hours(-10))
    await world.receive("X", 5, at=hours(-8), location="B", status="quality_check")
    await world.ship("X", 2, at=hours(-6))
    await world.receive("Y", 1, at=hours(-4))
    return world


async def test_balances_come_by_sku_and_place_with_the_virtual_side(database: Database) -> None:
    world = await small(database)
    rows = await everything(world.hub.ledger.balances)
    assert [(r.sku, r.location, r.status, r.quantity) for r in rows] == [
        ("X", "A", "available", 10),
        ("X", "B", "quality_check", 5),
        ("X", "customer", "available", 2),
        ("X", "supplier", "available", -17),
        ("Y", "A", "available", 1),
        ("Y", "supplier", "available", -1),
    ]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"sku": "X", "location": "A"}, [10]),
        ({"location": "B"}, [5]),
        ({"status": "quality_check"}, [5]),
        ({"sku": "nope"}, []),
        ({"sku": "x"}, []),
        ({"owner": "somebody"}, []),
        ({"lot": "L"}, []),
        ({"sku": "Y", "lot": ""}, [1, -1]),
    ],
)
async def test_balances_are_filtered(database: Database, where: dict[str, Any], found: list[int]) -> None:
    world = await small(database)
    assert [row.quantity for row in await everything(world.hub.ledger.balances, **where)] == found


async def test_lots_and_owners_are_places_of_their_own(database: Database) -> None:
    world = await World.made(database)
    await world.item("L", lot_tracked=True)
    await world.receive("L", 3, lot="L2", expiry=days(9))
    await world.receive("L", 4, lot="L1")
    await world.receive("L", 5, lot="L1", owner="maker")
    rows = await everything(world.hub.ledger.balances, location="A", limit=1)
    assert [(r.lot, r.owner, r.quantity, r.expiry) for r in rows] == [
        ("L1", "maker", 5, None), ("L1", "own", 4, None), ("L2", "own", 3, days(9)),
    ]  # fmt: skip
    assert [r.quantity for r in await everything(world.hub.ledger.balances, location="A", owner="own")] == [4, 3]


async def test_a_place_that_sums_to_zero_is_left_out_now_and_then(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 3, at=hours(-5))
    await world.ship("X", 3, at=hours(-3))
    assert figures(await everything(world.hub.ledger.balances, location="A")) == {}
    assert figures(await everything(world.hub.ledger.balances, location="A", occurred_as_of=hours(0))) == {}


async def test_what_was_true_in_the_world_by_a_moment(database: Database) -> None:
    world = await small(database)

    async def at(moment: datetime) -> int:
        rows = await everything(world.hub.ledger.balances, sku="X", location="A", occurred_as_of=moment)
        return sum(row.quantity for row in rows)

    assert [await at(hours(n)) for n in (-11, -10, -7, -6, 0)] == [0, 12, 12, 10, 10]


async def test_what_was_known_here_by_a_moment_is_another_question(database: Database) -> None:
    """A sale of this morning that was reported late: known now, not known then, true then."""
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 10, at=hours(-10))
    before: datetime = (await database.sql("select clock_timestamp()"))[0][0]
    await world.ship("X", 4, at=hours(-5))

    async def on_hand(**when: Any) -> int:
        rows = await everything(world.hub.ledger.balances, sku="X", location="A", **when)
        return sum(row.quantity for row in rows)

    assert await on_hand() == 6
    assert await on_hand(occurred_as_of=hours(-3)) == 6
    assert await on_hand(recorded_as_of=before) == 10
    assert await on_hand(occurred_as_of=hours(-3), recorded_as_of=before) == 10
    assert await on_hand(occurred_as_of=hours(-7)) == 10
    assert await on_hand(recorded_as_of=hours(-100)) == 0


async def test_a_count_holds_in_both_axes(database: Database) -> None:
    """12 on hand; counted 10; a sale of 2 from before the count arrives late: still 10, and 10 as of the count."""
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 12, at=hours(-10))
    await world.count("X", 10, at=hours(-5))
    before: datetime = (await database.sql("select clock_timestamp()"))[0][0]
    await world.ship("X", 2, at=hours(-6))

    async def on_hand(**when: Any) -> int:
        return sum(row.quantity for row in await everything(world.hub.ledger.balances, location="A", **when))

    assert await on_hand() == 10
    assert await on_hand(occurred_as_of=hours(-5)) == 10
    assert await on_hand(occurred_as_of=hours(-5.5)) == 10  # the sale explains it now
    assert await on_hand(occurred_as_of=hours(-5.5), recorded_as_of=before) == 12  # as was believed then


async def test_as_of_now_equals_the_balances_kept(database: Database) -> None:
    world = await small(database)
    now: datetime = (await database.sql("select clock_timestamp()"))[0][0]
    kept = await everything(world.hub.ledger.balances)
    assert await everything(world.hub.ledger.balances, recorded_as_of=now) == kept
    assert await everything(world.hub.ledger.balances, occurred_as_of=now) == kept


async def test_an_instant_without_a_zone_is_refused(database: Database) -> None:
    world = await World.made(database)
    with pytest.raises(InvalidInput) as refusal:
        await world.hub.ledger.balances(occurred_as_of=datetime(2026, 1, 1))  # noqa: DTZ001 - the fault under test
    assert refusal.value.facts["pointer"] == "/occurred_as_of"


async def test_a_balance_leads_to_the_event_that_moved_it_last_and_to_all_that_made_it(database: Database) -> None:
    world = await small(database)
    (row,) = await everything(world.hub.ledger.balances, sku="X", location="A")
    made = await everything(world.hub.ledger.explain_balance, sku="X", location="A", status="available", limit=1)
    assert [m.event_id for m in made][-1] == row.event_id
    signed = [m.quantity if m.to_location == "A" else -m.quantity for m in made]
    assert (signed, sum(signed)) == ([12, -2], row.quantity)
    assert [m.to_balance if m.to_location == "A" else m.from_balance for m in made] == [12, 10]
    for movement in made:
        event = await world.hub.ledger.event(movement.source, movement.event_id)
        assert event.movements is not None
        assert movement in event.movements


async def test_the_newest_event_of_a_balance_as_of_then_is_that_of_then(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    first = await world.receive("X", 10, at=hours(-10))
    second = await world.ship("X", 1, at=hours(-5))
    (now,) = await everything(world.hub.ledger.balances, location="A")
    (then,) = await everything(world.hub.ledger.balances, location="A", occurred_as_of=hours(-7))
    assert (then.event_id, now.event_id) == (first, second)


async def test_movements_are_found_by_item_by_location_and_by_time(database: Database) -> None:
    world = await small(database)

    async def moved(**where: Any) -> list[tuple[str, int]]:
        return [(m.sku, m.quantity) for m in await everything(world.hub.ledger.movements, limit=1, **where)]

    assert await moved() == [("X", 12), ("X", 5), ("X", 2), ("Y", 1)]
    assert await moved(sku="X") == [("X", 12), ("X", 5), ("X", 2)]
    assert await moved(location="B") == [("X", 5)]
    assert await moved(sku="X", location="customer") == [("X", 2)]
    assert await moved(sku="nope") == []
    assert await moved(occurred_from=hours(-8), occurred_before=hours(-4)) == [("X", 5), ("X", 2)]
    assert await moved(sku="X", occurred_from=hours(-8), occurred_before=hours(-6)) == [("X", 5)]


async def test_one_event_is_shown_as_it_came_with_its_movements(database: Database) -> None:
    world = await World.made(database)
    await world.item("X", uoms=[{"code": "carton", "factor": 12}])
    lines = [{"sku": "X", "quantity": 2, "uom": "carton"}, {"sku": "X", "quantity": 1}]
    fact = world.fact("receipt.posted", location="A", lines=lines, at=hours(-2))
    await world.say(fact)
    row = await world.hub.ledger.event("wms", fact.id)
    assert (row.type, row.occurred_at) == ("receipt.posted", hours(-2))
    assert msgspec.json.decode(row.event)["data"]["lines"] == lines
    assert row.movements is not None
    assert [(m.quantity, m.to_balance) for m in row.movements] == [(24, 24), (1, 25)]
    with pytest.raises(EventNotFound):
        await world.hub.ledger.event("erp", fact.id)


async def test_a_cursor_of_another_list_is_refused(database: Database) -> None:
    world = await small(database)
    cursor = (await world.hub.ledger.balances(limit=1)).next_cursor
    for read in (world.hub.ledger.movements, world.hub.ledger.events):
        with pytest.raises(InvalidCursor):
            await read(after=cursor)
    assert (await world.hub.ledger.balances(sku="Y", after=cursor)).rows == []


async def fed(world: World, after: str | None = None, **where: Any) -> tuple[list[str], str]:
    """The ids of the feed's next rows, and its cursor."""
    page = await world.hub.ledger.events(after=after, **where)
    assert page.next_cursor is not None
    return [row.id for row in page.rows], page.next_cursor


async def test_the_feed_goes_on_where_its_reader_stopped(database: Database) -> None:
    world = await World.made(database)
    nothing, start = await fed(world)
    assert nothing == []
    await world.item("X")
    sent = [await world.receive("X", 1) for _ in range(5)]
    first, cursor = await fed(world, after=start, limit=3, type="receipt.posted")
    rest, end = await fed(world, after=cursor, limit=3, type="receipt.posted")
    assert first + rest == sent
    assert await fed(world, after=end, type="receipt.posted") == ([], end)
    late = await world.receive("X", 1)
    assert (await fed(world, after=end))[0] == [late]
    assert (await fed(world, source="erp"))[0] == []


async def test_a_reader_may_begin_at_the_end_of_the_feed(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    async with database.acquire() as slow, slow.transaction():
        await insert_event(slow, "under way")
        nothing, cursor = await fed(world, after=END)
        assert nothing == []
    late = await world.receive("X", 1)
    assert (await fed(world, after=cursor))[0] == ["under way", late]


async def insert_event(session: Any, event_id: str, number: int | None = None) -> None:
    """An event row as `record_events` would write it, its number chosen by the test."""
    await session.sql(
        "insert into event (id, source_id, event_id, type, version, occurred_at, recorded_at, fingerprint, body)"
        " overriding system value values (coalesce($2, nextval('event_id_seq')), (select min(id) from source), $1,"
        " 'x', 1, now(), now(), '', '{}')",
        event_id, number,
    )  # fmt: skip


async def test_the_feed_waits_for_a_transaction_that_commits_late(database: Database) -> None:
    world = await World.made(database)
    _, cursor = await fed(world)
    async with database.acquire() as slow, database.acquire() as quick:
        async with slow.transaction():
            await insert_event(slow, "slow")
            await insert_event(quick, "quick")  # committed at once
            assert await fed(world, after=cursor) == ([], cursor)
        assert (await fed(world, after=cursor))[0] == ["slow", "quick"]


async def test_a_row_whose_number_is_lower_but_commits_later_is_not_skipped(database: Database) -> None:
    """An order by id would skip it: ids are taken long before transactions commit."""
    world = await World.made(database)
    async with database.acquire() as session:
        await insert_event(session, "first", 1_000)
        seen, cursor = await fed(world)
        await insert_event(session, "second", 999)
    assert seen == ["first"]
    assert (await fed(world, after=cursor))[0] == ["second"]


async def test_a_follower_of_busy_writers_sees_each_event_once(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    _, cursor = await fed(world)
    sent: list[str] = []

    async def write(node: World) -> None:
        for _ in range(30):
            sent.append(await node.receive("X", 1))  # noqa: PERF401 - the reader beside it looks at it

    nodes = [World(database) for _ in range(4)]
    writing = asyncio.gather(*(write(node) for node in nodes))
    seen: list[str] = []
    while not writing.done() or len(seen) < len(sent):
        rows, cursor = await fed(world, after=cursor, limit=7)
        seen += rows
    await writing
    assert sorted(seen) == sorted(sent)


async def test_the_feed_goes_on_after_a_restore_into_a_younger_server(database: Database) -> None:
    """There transaction numbers start low again: what is recorded then must not come before what was read already."""
    world = await World.made(database)
    await world.item("X")
    assert await world.hub.continue_feed() is False
    before = await world.receive("X", 1)
    await database.sql("alter table event disable trigger event_is_append_only")
    await database.sql("update event set tx = tx + 1000000000")  # as if they came from an old server
    assert (await fed(world))[0] == []
    assert await world.hub.continue_feed() is True
    rows, cursor = await fed(world, type="receipt.posted")
    assert rows == [before]
    after = await world.receive("X", 1)
    assert (await fed(world, after=cursor))[0] == [after]
    assert await world.hub.continue_feed() is False


async def test_odd_filters_are_plain_answers(database: Database) -> None:
    world = await World.made(database, network())
    for text in ("😀", "'; drop table event; --", "x" * 5_000, "\U0010ffff" * 300):
        assert (await world.hub.ledger.balances(sku=text, location=text)).rows == []
        assert (await world.hub.ledger.events(type=text)).rows == []
    with pytest.raises(InvalidInput):
        await world.hub.ledger.balances(sku="a\x00b")
