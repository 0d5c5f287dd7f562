"""Promises and facts at the edges: nested and begun kits, fences, expired lots, busy rows, and what the books say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from onhand.app.promise_errors import InsufficientStock, ReservationExpired
from onhand.bootstrap import Hub
from onhand.domain.network import Network, RingFence
from onhand.domain.reservation import Line, Request
from onhand.store.postgres.driver import Database
from tests.app.world import World, channel, days, hours, network, place


async def blocked(database: Database) -> None:
    """Wait until somebody waits for somebody else's row."""
    async with asyncio.timeout(60):
        while not await database.sql("select from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0"):
            await asyncio.sleep(0)


async def test_nested_kit_is_reserved_by_a_node_that_has_just_started(database: Database) -> None:
    world = await World.made(database)
    await world.item("A")
    await world.item("INNER", kind="kit", components=[{"sku": "A", "quantity": 2}])
    await world.item("OUTER", kind="kit", components=[{"sku": "INNER", "quantity": 1}])
    await world.receive("A", 10)
    world.hub = Hub(database)  # another node, or this one after a restart
    assert await world.ats("OUTER") == 5
    world.hub = Hub(database)
    made = await world.reserve("OUTER", 1)
    assert made.state == "granted"


def fenced(*fences: RingFence) -> Network:
    return network(channel("web", "A"), channel("shop", "A"), places=(place("A"),), fences=fences)


async def test_a_backorder_gets_what_is_set_aside_for_its_own_group(database: Database) -> None:
    world = await World.made(database, fenced(RingFence(sku="X", location="A", group="web", quantity=10)))
    await world.item("X")
    made = await world.reserve("X", 5, mode="backorder")
    assert made.state == "backordered"
    await world.receive("X", 5)
    assert await world.ats("X") == 5
    await world.hub._fill()
    again = await world.hub.reservations.get(made.reservation_id)
    assert again.state == "granted"


async def test_a_fence_used_by_a_filled_backorder_stands_again_after_the_release(database: Database) -> None:
    world = await World.made(database, fenced())
    await world.item("X")
    await world.receive("X", 2)
    made = await world.reserve("X", 5, mode="backorder")
    await world.apply(fenced(RingFence(sku="X", location="A", group="web", quantity=3)))
    await world.receive("X", 4)
    await world.hub._fill()
    assert (await world.hub.reservations.get(made.reservation_id)).state == "granted"
    await world.hub.amend.release(world.client, made.reservation_id)
    assert await world.ats("X", "web") == 6
    assert await world.ats("X", "shop") == 3


async def test_a_kit_of_which_some_has_left_keeps_the_rest_when_it_is_transferred(database: Database) -> None:
    world = await World.made(database)
    await world.item("P", "Q")
    await world.item("KIT", kind="kit", components=[{"sku": "P", "quantity": 2}, {"sku": "Q", "quantity": 3}])
    for at in ("A", "B"):
        await world.receive("P", 20, location=at)
        await world.receive("Q", 30, location=at)
    made = await world.reserve("KIT", 10)
    await world.tell(
        "shipment.confirmed",
        location="A",
        reservation_id=made.reservation_id,
        lines=[{"sku": "P", "quantity": 2}, {"sku": "Q", "quantity": 3}],
    )
    await world.hub.amend.transfer(world.client, made.reservation_id, location="B")
    held = await database.sql("select sum(quantity)::bigint from claim")
    assert held[0][0] == 9 * 5


async def test_verify_finds_no_fault_with_a_partial_order_of_which_only_the_service_is_there(
    database: Database,
) -> None:
    world = await World.made(database)
    await world.item("SETUP", kind="service")
    await world.item("X")
    lines = (Line(line_id="1", sku="SETUP", quantity=1), Line(line_id="2", sku="X", quantity=1))
    made = await world.hub.reserve(world.client, Request(request_id="q", channel="web", lines=lines, mode="partial"))
    assert made.state == "partly_granted"
    assert (await world.hub.verify()).differences == ()


async def test_verify_finds_no_fault_with_a_kit_restated_as_stock(database: Database) -> None:
    world = await World.made(database)
    await world.item("P")
    await world.item("KIT", kind="kit", components=[{"sku": "P", "quantity": 2}])
    await world.receive("P", 10)
    await world.reserve("KIT", 1)
    await world.tell("item.upserted", at=hours(-2), sku="KIT")
    assert (await world.hub.verify()).differences == ()


async def test_a_kit_assembled_beyond_counting_is_set_aside(database: Database) -> None:
    world = await World.made(database)
    await world.item("P")
    await world.item("KIT", kind="kit", components=[{"sku": "P", "quantity": 2}])
    (outcome,) = await world.send(
        world.fact(
            "kit.assembled", location="A", sku="KIT", quantity=10**12, components=[{"sku": "P", "quantity": 10**12}]
        )
    )
    assert (outcome.outcome, outcome.reason) == ("quarantined", "quantity_out_of_range")


async def test_the_first_fact_of_all_is_kept_by_a_rebuild(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    # Rebuild, step by step: the first movement ever is committed between gathering and writing.
    async with database.acquire() as session:
        last = int(await session.fetchval("verify.hold_writers"))
        await session.fetchval("verify.let_writers_go")
        async with session.transaction():
            await session.fetchval("verify.gather", last)
            await world.receive("X", 5)
            await session.fetch("verify.rebuild", last)
    assert await world.ats("X") == 5


async def test_one_fact_beyond_counting_does_not_hold_up_the_others(database: Database) -> None:
    world = await World.made(database)
    await world.item("P")
    await world.item("KIT", kind="kit", components=[{"sku": "P", "quantity": 2}])
    good = world.fact("receipt.posted", location="A", lines=[{"sku": "P", "quantity": 1}])
    bad = world.fact(
        "kit.assembled", location="A", sku="KIT", quantity=10**12, components=[{"sku": "P", "quantity": 10**12}]
    )
    outcomes = await world.send(good, bad)
    assert [one.outcome for one in outcomes] == ["applied", "quarantined"]


async def test_what_is_discarded_while_it_is_released_is_not_told_as_never_applied(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await World.made(database)
    (outcome,) = await world.send(world.fact("receipt.posted", location="A", lines=[{"sku": "X", "quantity": 5}]))
    await world.item("X")
    number = outcome.quarantine_id or 0
    facts = world.hub.quarantine._record._store  # type: ignore[attr-defined]
    release = facts.release

    async def late(ids: Sequence[int], *, who: str) -> None:
        await world.hub.quarantine.discard([number], who="bob", note="nonsense")
        await release(ids, who=who)

    monkeypatch.setattr(facts, "release", late)
    await world.hub.quarantine.release([number], who="ann")
    assert await world.ats("X") == 5
    assert (await world.hub.quarantine.get(number)).state == "released"


async def test_goods_that_have_expired_are_not_promised_to_an_old_ship_date(database: Database) -> None:
    world = await World.made(database)
    await world.item("L", lot_tracked=True)
    await world.receive("L", 5, lot="OLD", expiry=days(-5))
    assert await world.ats("L") == 0
    with pytest.raises(InsufficientStock):
        await world.reserve("L", 5, ship_date=days(-30))


async def test_a_backorder_is_not_filled_with_goods_that_expired_meanwhile(database: Database) -> None:
    world = await World.made(database)
    await world.item("L", lot_tracked=True)
    made = await world.reserve("L", 5, mode="backorder", ship_date=days(0))
    # Twenty days go by: the same request, seen from then.
    await database.sql(
        "update reservation set request = jsonb_set(request::jsonb, '{ship_date}', to_jsonb($1::text))::text",
        days(-20).isoformat(),
    )
    await world.receive("L", 5, lot="OLD", expiry=days(-5))
    await world.hub._fill()
    assert (await world.hub.reservations.get(made.reservation_id)).state == "backordered"


async def test_a_deadline_that_comes_while_a_verb_waits_for_the_row_counts(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 5)
    made = await world.reserve("X", 5, expires_in_s=1)
    number = int(made.reservation_id.removeprefix("res_"))
    async with database.transaction() as session:
        await session.fetchrow("promises.lock_reservation", number)
        extending = asyncio.create_task(world.hub.amend.extend(world.client, made.reservation_id, expires_in_s=600))
        await blocked(database)
        await database.sql("select pg_sleep(1.2)")  # its deadline comes
    with pytest.raises(ReservationExpired):
        await extending


async def test_stock_of_an_expired_promise_that_somebody_looks_at_is_free(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 5)
    made = await world.reserve("X", 5)
    await world.overdue(made)
    number = int(made.reservation_id.removeprefix("res_"))
    async with database.transaction() as session:
        await session.fetchrow("promises.lock_reservation", number)  # as every verb does; this one will be refused
        assert await world.ats("X") == 5
        asking = asyncio.create_task(world.reserve("X", 5))
        await blocked(database)
    assert (await asking).state == "granted"


async def test_known_as_of_a_moment_is_something_that_was_known(database: Database) -> None:
    """A count waits for a busy row while a receipt goes through; it corrects the receipt, yet is dated before it."""
    world = await World.made(database)
    await world.item("BUSY", "X")
    await world.receive("BUSY", 1)
    other = Hub(database)
    async with database.transaction() as session:
        await session.fetch("intake.lock_reservations", [])
        await session.script(
            "select 1 from balance b join item i on i.id = b.item_id where i.sku = 'BUSY' for update of b"
        )
        counting = asyncio.create_task(
            world.send(
                world.fact(
                    "count.posted",
                    at=hours(-1),
                    location="A",
                    lines=[{"sku": "BUSY", "quantity": 1}, {"sku": "X", "quantity": 7}],
                )
            )
        )
        await blocked(database)
        between = (await database.sql("select clock_timestamp()"))[0][0]
        fact = world.fact("receipt.posted", at=hours(-2), location="A", lines=[{"sku": "X", "quantity": 5}])
        (got,) = await other.record([fact])
        assert got.outcome == "applied"
    await counting
    rows = (await world.hub.ledger.balances(sku="X", location="A", recorded_as_of=between)).rows
    assert [row.quantity for row in rows] in ([], [5], [7])


async def test_goods_that_left_before_their_receipt_was_known_are_not_promised_again(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 2)
    made = await world.reserve("X", 5, mode="backorder")
    await world.ship("X", 5, at=hours(-0.2), reservation_id=made.reservation_id)  # all five are at the customer's
    await world.receive("X", 20, at=hours(-0.5))  # the receipt before it comes late
    await world.hub._fill()
    again = await world.hub.reservations.get(made.reservation_id)
    assert (again.state, await world.ats("X")) == ("fulfilled", 17)


async def test_the_books_agree_after_goods_left_early(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 2)
    made = await world.reserve("X", 9, mode="backorder")
    await world.ship("X", 5, at=hours(-0.2), reservation_id=made.reservation_id)
    await world.receive("X", 20, at=hours(-0.5))
    assert (await world.hub.verify()).differences == ()
    await world.hub._fill()
    assert (await world.hub.verify()).differences == ()
    again = await world.hub.reservations.get(made.reservation_id)
    assert (again.lines[0].held, again.lines[0].fulfilled, again.lines[0].granted) == (4, 5, 9)
