"""The auditor itself: it is silent on a sound database and speaks about each kind of damage."""

from __future__ import annotations

from onhand.store.postgres.driver import Database
from tests.proof.audit import CHECKS, contradictions, contradictions_within, oversold
from tests.proof.ground import NETWORK, applied, ask, at, client, fact, hub_on, item, lines, receipt

FENCED = NETWORK + "ring_fences:\n- {group: web, sku: A, location: EAST, quantity: 3}\n"

DAMAGE = {
    "P2: the movements": "update balance set quantity = quantity + 1 where ctid = (select min(ctid) from balance)",
    "P2: a balance": "update balance set quantity = quantity + 1 where ctid = (select min(ctid) from balance)",
    "the running balances": "update movement set to_balance = to_balance + 1",
    "P10": "update movement set event_id = event_id + 1000",
    "a pool row does": "update stock set on_hand = on_hand + 1",
    "a lot row does": "update lot_stock set on_hand = on_hand + 1",
    "a pool row's holds": "update stock set reserved = reserved + 1",
    "a lot row's holds": "update lot_stock set held = held + 1",
    "a pool row's fenced": "update stock set fenced = fenced + 1",
    "an ended reservation": "update reservation set open = false, state = 'released'",
    "a reservation's state": "update reservation set open = not open",
    "a claim or backorder": "update claim set reservation_id = reservation_id + 1000",
    "what left": "update fulfilment set event_id = event_id + 1000",
    "a count": "update count_point set quantity = quantity + 1",
}


async def build(database: Database) -> None:
    async with hub_on(database, network=FENCED) as hub:
        caller = await client(database)
        await applied(
            hub,
            [item("A"), item("L", lot_tracked=True), receipt("A", 10, id_="r1"), receipt("L", 5, id_="r2", lot="x")],
        )
        await applied(
            hub,
            [fact("count.posted", {"location": "EAST", "lines": lines(sku="A", quantity=9)}, id_="c1", time=at(5))],
        )
        await hub.reserve(caller, ask("one", ("A", 4), ("L", 2)))
        two = await hub.reserve(caller, ask("two", ("A", 2)))
        await hub.amend.fulfil(caller, two.reservation_id)


async def test_a_sound_database_has_no_contradictions(database: Database) -> None:
    await build(database)
    assert await contradictions(database) == []
    assert await oversold(database) == []


async def test_each_kind_of_damage_is_told(database: Database) -> None:
    await build(database)
    await database.sql("alter table movement disable trigger movement_is_append_only")
    async with database.acquire() as session:
        for kind, damage in DAMAGE.items():
            await session.script("begin")
            await session.sql(damage)
            told = await contradictions_within(session)
            await session.script("rollback")
            assert any(each.startswith(kind) for each in told), kind


async def test_an_oversold_row_is_told(database: Database) -> None:
    await build(database)
    await database.sql("update stock set reserved = on_hand + 1")
    assert any("oversold" in told for told in await oversold(database))


def test_every_check_has_a_damage_that_it_was_seen_to_tell() -> None:
    assert all(any(check.startswith(kind) for kind in DAMAGE) for check in CHECKS)
