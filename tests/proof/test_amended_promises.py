"""A promise that was changed half-way keeps its sums: nothing that it held is forgotten, nothing is held for ever."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from onhand.app.fulfilment import FulfilLine
from onhand.app.promise_errors import ReservationExpired
from onhand.bootstrap import Hub
from onhand.domain.errors import InvalidInput
from onhand.domain.reservation import Line
from onhand.store.postgres.driver import Database
from tests.proof.audit import contradictions, oversold
from tests.proof.ground import NETWORK, applied, ask, at, client, clocked, hub_on, item, receipt, wait


async def stocked(hub: Hub, **quantities: int) -> None:
    await applied(hub, [item(sku) for sku in quantities])
    await applied(hub, [receipt(sku, quantity, id_=f"r/{sku}") for sku, quantity in quantities.items()])
    await applied(hub, [receipt(sku, 20, id_=f"w/{sku}", location="WEST") for sku in quantities])


async def test_what_left_before_a_transfer_is_not_taken_off_again_by_the_next_one(database: Database) -> None:
    async with hub_on(database) as hub:
        caller = await client(database)
        await stocked(hub, A=5)
        made = await hub.reserve(caller, ask("q", ("A", 5)))
        await hub.amend.fulfil(caller, made.reservation_id, lines=[FulfilLine(line_id="1", quantity=2)])
        once = await hub.amend.transfer(caller, made.reservation_id, location="WEST")
        twice = await hub.amend.transfer(caller, made.reservation_id, location="EAST")
        assert [answer.lines[0].held for answer in (once, twice)] == [3, 3]
        assert await contradictions(database) == []


async def test_a_line_that_has_left_whole_does_not_close_its_neighbour_at_the_second_transfer(
    database: Database,
) -> None:
    async with hub_on(database) as hub:
        caller = await client(database)
        await stocked(hub, A=5, B=5)
        made = await hub.reserve(caller, ask("q", ("A", 5), ("B", 5)))
        await hub.amend.fulfil(caller, made.reservation_id, lines=[FulfilLine(line_id="1", quantity=5)])
        for place in ("WEST", "EAST"):
            moved = await hub.amend.transfer(caller, made.reservation_id, location=place)
            assert [(line.sku, line.held) for line in moved.lines] == [("B", 5)]
            assert [source.location for source in moved.lines[0].sources] == [place]


async def test_a_promise_that_comes_to_its_deadline_while_it_is_changed_holds_nothing_for_ever(dsn: str) -> None:
    """Its own change swept it, took the stock again, and left it closed: no verb could ever free that stock."""
    async with clocked(dsn) as database, hub_on(database) as hub:
        caller = await client(database)
        await stocked(hub, A=5)
        made = await hub.reserve(caller, ask("q", ("A", 5), expires_in_s=60))
        await database.sql(
            # The deadline comes after the row was locked and judged, before the planner reads.
            "create function onhand.dawdle() returns trigger language plpgsql as"
            " $$ begin update onhand.test_clock set ahead = '1 hour'; return null; end $$"
        )
        await database.sql("create trigger dawdle after delete on claim for each statement execute function dawdle()")
        with suppress(ReservationExpired):
            await hub.amend.change(caller, made.reservation_id, [Line(line_id="1", sku="A", quantity=4)])
        await wait(database, 7200)
        await hub.keep_house()
        assert await contradictions(database) == []
        assert await database.sql("select from claim") == []


async def test_a_deadline_counts_to_the_instant_swept_or_not(dsn: str) -> None:
    async with clocked(dsn) as database, hub_on(database) as hub:
        caller = await client(database)
        await stocked(hub, A=5)
        made = await hub.reserve(caller, ask("q", ("A", 25), expires_in_s=60))
        await wait(database, 61)
        assert (await hub.reservations.get(made.reservation_id)).state == "expired"
        with pytest.raises(ReservationExpired):
            await hub.amend.extend(caller, made.reservation_id, expires_in_s=60)
        again = await hub.reserve(caller, ask("other", ("A", 25)))
        assert again.state == "granted"
        assert await contradictions(database) == []
        assert await oversold(database) == []


@pytest.mark.parametrize("year", [1, 1999, 2999, 9999])
async def test_goods_do_not_leave_at_a_time_that_cannot_be(database: Database, year: int) -> None:
    """Facts of partners were held to the earliest and the latest date; those that the hub makes by itself were not."""
    async with hub_on(database) as hub:
        caller = await client(database)
        await stocked(hub, A=5)
        made = await hub.reserve(caller, ask("q", ("A", 5)))
        when = datetime(year, 6, 1, tzinfo=UTC)
        with pytest.raises(InvalidInput) as refused:
            await hub.amend.fulfil(caller, made.reservation_id, occurred_at=when)
        assert (refused.value.facts["reason"], refused.value.facts["pointer"]) == ("impossible_date", "/occurred_at")
        assert (await hub.reservations.get(made.reservation_id)).state == "granted"


GATE = """
create function onhand.gate() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock(42); return new; end $$;
create trigger gate before update on ring_fence for each row execute function gate();
"""


async def blocked(database: Database, *kinds: str) -> None:
    """Return when a session of this database waits for a lock of such a kind."""
    while not await database.sql("select from pg_locks where not granted and locktype = any ($1)", kinds):
        await asyncio.sleep(0)


async def test_a_fence_restated_with_its_item_waits_for_the_claim_that_is_using_it_up(database: Database) -> None:
    """Its sum was taken while a claim was half-way: what was used up counted as still set aside, for ever."""
    fenced = NETWORK + "ring_fences:\n- {group: web, sku: A, location: EAST, quantity: 5}\n"
    async with hub_on(database, network=fenced) as hub, hub_on(database, network=None) as other:
        caller = await client(database)
        await stocked(hub, A=5)
        async with database.acquire() as gate:
            await gate.script(GATE)
            await gate.sql("select pg_advisory_lock(42)")
            # The claim has taken the pool row and stands before the fence; the item is stated anew meanwhile.
            claiming = asyncio.ensure_future(hub.reserve(caller, ask("q", ("A", 3))))
            await blocked(database, "advisory")
            restating = asyncio.create_task(other.record([item("A", id_="again", time=at(1))]))
            await blocked(database, "transactionid", "tuple")
            await gate.sql("select pg_advisory_unlock(42)")
        await asyncio.gather(claiming, restating)
    (row,) = await database.sql("select fenced from stock where fenced > 0")
    assert row["fenced"] == 2
    assert await contradictions(database) == []
