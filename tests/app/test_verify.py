"""Verify finds each kind of corruption and names its place; rebuild mends what can be worked out, beside writers."""

# ruff: noqa: S608, ISC004 - these statements are corruptions written by hand, in a table

from __future__ import annotations

import asyncio

import pytest

from onhand.app import verify as use
from onhand.app.answers import Verification
from onhand.app.promise_errors import InsufficientStock
from onhand.domain.network import RingFence
from onhand.store.postgres import queries
from onhand.store.postgres.driver import Database
from tests.app.world import World, channel, days, hours, network

FENCE = RingFence(group="desk", sku="X", location="A", quantity=7)


async def busy(database: Database) -> World:
    """A world in which every table has something: lots, kits, counts, fences, holds, hard and soft, some fulfilled."""
    world = await World.made(database, network(channel("web", "A", "B"), channel("desk", "A", "B"), fences=[FENCE]))
    await world.item("X", "P")
    await world.item("L", lot_tracked=True)
    await world.item("S", kind="service")
    await world.item("K", kind="kit", components=[{"sku": "P", "quantity": 2}, {"sku": "L", "quantity": 1}])
    await world.receive("X", 40, at=hours(-20))
    await world.receive("X", 9, at=hours(-19), location="B", status="quality_check")
    await world.receive("P", 30, at=hours(-18))
    await world.receive("L", 12, at=hours(-17), lot="L1", expiry=days(50))
    await world.ship("X", 3, at=hours(-10))
    await world.count("X", 36, at=hours(-8))
    await world.ship("X", 2, at=hours(-9))  # late for the count
    first = await world.reserve("X", 5)
    hard = await world.reserve("X", 4)
    await world.tell(
        "allocation.created", reservation_id=hard.reservation_id, location="A", lines=[{"sku": "X", "quantity": 3}]
    )
    await world.tell("allocation.created", order="O1", location="A", lines=[{"sku": "L", "quantity": 1, "lot": "L1"}])
    await world.reserve("K", 2)
    await world.reserve("X", 3, shop="desk")
    await world.reserve("S", 1)
    await world.reserve("P", 100, mode="backorder")
    await world.hub.amend.fulfil(world.client, first.reservation_id)
    await world.hub.amend.release(world.client, (await world.reserve("X", 1)).reservation_id)
    return world


def named(found: Verification) -> list[tuple[str, str | None, str]]:
    return [(one.check, one.sku, one.where) for one in found.differences]


async def corrupt(database: Database, *statements: str) -> None:
    """Write by hand past the guards, as somebody with psql would."""
    async with database.transaction() as session:
        for table in ("movement", "event", "promise_log"):
            await session.script(f"alter table {table} disable trigger user")
        for statement in statements:
            await session.script(statement)
        for table in ("movement", "event", "promise_log"):
            await session.script(f"alter table {table} enable trigger user")


def of(sku: str, table: str, *, at: str = "A", also: str = "true") -> str:
    """A condition for the rows of an item at a location."""
    return (
        f"{table}.item_id = (select id from item where sku = '{sku}')"
        f" and {table}.location_id = (select id from location where code = '{at}') and {also}"
    )


async def test_a_sound_database_verifies_and_says_how_much_was_checked(database: Database) -> None:
    world = await busy(database)
    found = await world.hub.verify()
    assert found.differences == ()
    assert found.ok
    assert found.checked["movements"] == (await database.sql("select count(*) from movement"))[0][0] > 5
    assert all(
        found.checked[name] > 0 for name in ("events", "balances", "pools", "lot_pools", "claims", "count_points")
    )
    assert found.took_s > 0


async def test_an_empty_database_verifies(database: Database) -> None:
    assert (await World(database).hub.verify()).ok


ITEM_X = "item_id = (select id from item where sku = 'X')"
BALANCE_OF_X = of("X", "balance", also="status_id = (select id from status where code = 'available')")

CORRUPTIONS: dict[str, tuple[str, list[tuple[str, str | None, str]]]] = {
    "a balance": (
        f"update balance set quantity = quantity + 1 where {BALANCE_OF_X}",
        [("balance", "X", "A available"), ("conservation", "X", "all places"), ("pools", "X", "A")],
    ),
    "a balance that is gone": (
        f"delete from balance where {BALANCE_OF_X}",
        [("balance", "X", "A available"), ("conservation", "X", "all places"), ("pools", "X", "A")],
    ),
    "on hand": (f"update stock set on_hand = on_hand - 1 where {of('P', 'stock')}", [("pools", "P", "A")]),
    "a pool row that nothing stands behind": (
        "insert into stock (item_id, location_id, on_hand) select item.id, location.id, 5 from item, location"
        " where sku = 'S' and code = 'B'",
        [("pools", "S", "B")],
    ),
    "on hand of a lot": ("update lot_stock set on_hand = on_hand + 2", [("lot_pools", "L", "A lot L1")]),
    "reserved": (f"update stock set reserved = reserved + 1 where {of('X', 'stock')}", [("reserved", "X", "A")]),
    "allocated": (f"update stock set allocated = allocated - 1 where {of('L', 'stock')}", [("allocated", "L", "A")]),
    "held of a lot": ("update lot_stock set held = held + 1", [("lots_held", "L", "A lot L1")]),
    "fenced": (f"update stock set fenced = fenced + 1 where {of('X', 'stock')}", [("fenced", "X", "A")]),
    "what a ring-fence used up": ("update ring_fence set consumed = consumed + 1", [("fenced", "X", "A")]),
    "the moment of the newest fact": (
        f"update balance set moved_at = moved_at - interval '99 hours' where {BALANCE_OF_X}",
        [("bookkeeping", "X", "A available moved_at")],
    ),
    "the moment of the newest count": (
        f"update balance set counted_at = null where {BALANCE_OF_X}",
        [("bookkeeping", "X", "A available counted_at")],
    ),
}
"""What is corrupted -> the statement, and what verify must name: all of these rebuild can mend."""


@pytest.mark.parametrize("what", CORRUPTIONS)
async def test_each_corruption_of_what_is_worked_out_is_named_and_mended(database: Database, what: str) -> None:
    world = await busy(database)
    statement, expected = CORRUPTIONS[what]
    await corrupt(database, statement)
    found = await world.hub.verify()
    assert not found.ok
    assert named(found) == expected
    rebuilt = await world.hub.rebuild()
    assert sum(rebuilt.mended.values()) >= 1
    assert rebuilt.verification.ok, rebuilt.verification.differences


async def test_a_figure_is_named_with_what_it_is_and_what_it_should_be(database: Database) -> None:
    world = await busy(database)
    kept, reserved = (await database.sql(f"select on_hand, reserved from stock where {of('P', 'stock')}"))[0]
    await corrupt(database, f"update stock set on_hand = 7, reserved = 1 where {of('P', 'stock')}")
    by_check = {one.check: one for one in (await world.hub.verify()).differences}
    assert (by_check["pools"].kept, by_check["pools"].recomputed) == (7, kept)
    assert (by_check["reserved"].kept, by_check["reserved"].recomputed) == (1, reserved)
    assert by_check["pools"].explanation == use.CHECKS["pools"]


async def test_a_movement_that_was_changed_is_found_at_its_own_number(database: Database) -> None:
    world = await busy(database)
    seq = (await database.sql(f"select seq from movement where {ITEM_X} order by seq offset 2 limit 1"))[0][0]
    await corrupt(database, f"update movement set quantity = quantity + 1 where seq = {seq}")
    found = await world.hub.verify()
    assert {one.check for one in found.differences} >= {"balance", "chain"}
    assert {one.first_at_seq for one in found.differences if one.check in ("balance", "chain")} == {seq}


async def test_a_movement_that_is_gone_is_found_at_the_one_after_it(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    for _ in range(4):
        await world.receive("X", 2)
    numbers = [row[0] for row in await database.sql("select seq from movement order by seq")]
    await corrupt(database, f"delete from movement where seq = {numbers[1]}")
    found = await world.hub.verify()
    assert {one.first_at_seq for one in found.differences if one.check == "chain"} == {numbers[2]}
    stamped = next(one for one in found.differences if one.check == "chain" and one.where == "A available")
    assert (stamped.kept, stamped.recomputed) == (6, 4)


async def test_a_wrong_stamp_is_found_and_mended_and_the_ledger_stays_append_only(database: Database) -> None:
    world = await busy(database)
    before = await database.sql("select item_id, seq, quantity, from_balance, to_balance from movement order by seq")
    seq = before[3]["seq"]
    await corrupt(database, f"update movement set to_balance = to_balance + 9 where seq = {seq}")
    found = await world.hub.verify()
    assert {(one.check, one.first_at_seq) for one in found.differences} == {("chain", seq)}
    rebuilt = await world.hub.rebuild()
    assert rebuilt.mended["stamps"] == 1
    assert rebuilt.verification.ok
    after = await database.sql("select item_id, seq, quantity, from_balance, to_balance from movement order by seq")
    assert after == before
    with pytest.raises(Exception, match="append-only"):
        await database.sql("update movement set quantity = 1")


UNMENDABLE: dict[str, tuple[str, set[str]]] = {
    "an open reservation without its claims": (
        "delete from claim where reservation_id = (select max(reservation_id) from claim c join reservation r"
        " on r.id = c.reservation_id and r.channel_id = (select id from channel where code = 'desk'))",
        {"empty_handed", "reserved", "kept_promises"},
    ),
    "a closed reservation with claims": (
        "update reservation set open = false, state = 'released' where id = (select max(reservation_id) from claim)",
        {"left_behind"},
    ),
    "a claim of no reservation": ("update claim set reservation_id = 999999 where quantity = 4", {
        "left_behind", "empty_handed", "kept_promises",
    }),
    "a claim that shrank": (
        "update claim set quantity = 3 where quantity = 4", {"reserved", "kept_promises"},
    ),
    "a backorder of a closed reservation": (
        "update reservation set open = false, state = 'expired' where id = (select reservation_id from backorder)",
        {"left_behind"},
    ),
    "a movement without its event": (
        "delete from event where id = (select max(event_id) from movement)", {"orphans"},
    ),
    "a fulfilment beyond what was granted": (
        "update fulfilment set quantity = quantity + 1", {"kept_promises"},
    ),
}  # fmt: skip
"""What is corrupted -> the statement, and which checks must speak."""


@pytest.mark.parametrize("what", UNMENDABLE)
async def test_each_corruption_of_promises_and_references_is_found(database: Database, what: str) -> None:
    world = await busy(database)
    statement, checks = UNMENDABLE[what]
    await corrupt(database, statement)
    found = await world.hub.verify()
    assert not found.ok
    assert {one.check for one in found.differences} == checks


async def test_a_reservation_of_services_alone_holds_nothing_and_is_sound(database: Database) -> None:
    world = await World.made(database)
    await world.item("S", kind="service")
    await world.reserve("S", 2)
    assert (await world.hub.verify()).ok


async def test_stock_that_left_after_it_was_promised_is_a_note_and_no_difference(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 5)
    await world.reserve("X", 5)
    await world.ship("X", 2)
    found = await world.hub.verify()
    assert found.ok
    (note,) = found.notes
    assert (note.check, note.sku, note.where, note.kept, note.recomputed) == ("promised_beyond", "X", "A", 3, 5)


async def test_the_lists_are_bounded_and_say_how_many_there_are(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use, "DIFFERENCES_MAX", 3)
    world = await World.made(database)
    skus = [f"S{n}" for n in range(9)]
    await world.item(*skus)
    for sku in skus:
        await world.receive(sku, 1)
    await corrupt(database, "update stock set on_hand = 2")
    found = await world.hub.verify()
    assert len(found.differences) == 3
    assert found.found == {"pools": 9}


async def test_progress_is_told_check_by_check(database: Database) -> None:
    told: list[str] = []
    await (await busy(database)).hub.verify(told.append)
    assert told == ["counting", "ledger", *use.CHECKS]


async def test_verify_sees_one_instant_while_others_write(database: Database) -> None:
    world, node = await busy(database), World(database)
    await node.available("X")

    async def write() -> None:
        for number in range(60):
            await node.receive("X", 1)
            if number % 3 == 0:
                await node.count("X", 30 + number, at=hours(-1 + number / 1000))
            hold = await node.reserve("X", 1)
            if number % 2:
                await node.hub.amend.release(node.client, hold.reservation_id)

    writing = asyncio.create_task(write())
    rounds = 0
    while not writing.done():
        found = await world.hub.verify()
        assert found.differences == ()
        rounds += 1
    await writing
    assert rounds > 1


async def test_rebuild_beside_busy_writers_loses_nothing(database: Database) -> None:
    """The writers wait a moment, none fails, and what they wrote meanwhile is in the sums."""
    world, nodes = await busy(database), [World(database) for _ in range(3)]
    await corrupt(database, f"update balance set quantity = quantity + 50 where {BALANCE_OF_X}")
    before = (await database.sql("select sum(quantity) from movement where true"))[0][0]
    sent: list[str] = []

    async def write(node: World) -> None:
        for number in range(25):
            sent.append(await node.receive("P", 1))
            try:
                hold = await node.reserve("P", 1)
            except InsufficientStock:
                continue
            if number % 2:
                await node.hub.amend.release(node.client, hold.reservation_id)

    writing = asyncio.gather(*(write(node) for node in nodes))
    rebuilds = 0
    while not writing.done():
        await world.hub.rebuild()
        rebuilds += 1
    await writing
    assert rebuilds > 1
    assert len(sent) == 75
    after = (await database.sql("select sum(quantity) from movement"))[0][0]
    assert after - before == 75
    found = await world.hub.verify()
    assert found.differences == ()


async def test_a_rebuild_of_what_is_sound_changes_nothing(database: Database) -> None:
    world = await busy(database)

    async def everything() -> list[str]:
        tables = ("balance", "stock", "lot_stock", "movement")
        return [str(await database.sql(f"select * from {table} order by 1, 2, 3")) for table in tables]

    before = await everything()
    rebuilt = await world.hub.rebuild()
    assert rebuilt.mended == {"stamps": 0, "balances": 0, "pools": 0, "lot_pools": 0}
    assert await everything() == before


def test_every_check_has_its_meaning_and_its_query() -> None:
    names = {query.name for query in queries.shipped()}
    assert {f"verify.{check}" for check in use.CHECKS} <= names
    assert all(meaning.endswith(".") for meaning in use.CHECKS.values())
