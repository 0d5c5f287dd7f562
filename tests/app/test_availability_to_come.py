"""ATP through the front door: supply from orders, notices, statements and receipts, less what is owed and waits."""

from __future__ import annotations

import asyncio
from typing import Any

from onhand.domain.network import QuantityRules
from onhand.store.postgres.driver import Database
from tests.app.world import World, channel, days, hours, network


async def promised(world: World, sku: str, *when: int, shop: str = "web") -> list[int]:
    figure = await world.available(sku, shop, dates=[days(n) for n in when])
    assert figure.promise is not None
    return [row.quantity for row in figure.promise]


def line(sku: str, quantity: int, due: int | None = None, **more: Any) -> dict[str, Any]:
    dated = {} if due is None else {"due_date": days(due).isoformat()}
    return {"sku": sku, "quantity": quantity, **dated, **more}


async def test_an_order_its_notice_and_its_receipt_speak_of_the_same_goods(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 5)
    order: dict[str, Any] = {"purchase_order": "PO", "location": "A"}
    await world.tell("purchase_order.placed", **order, lines=[line("X", 100, 7, line_id="1")])
    assert await promised(world, "X", 0, 6, 7, 30) == [5, 5, 105, 105]
    due = days(3).isoformat()
    await world.tell("asn.received", **order, asn="N", due_date=due, lines=[line("X", 40)])
    assert await promised(world, "X", 0, 2, 3, 7) == [5, 5, 45, 105]
    await world.receive("X", 40, purchase_order="PO", asn="N")
    assert await promised(world, "X", 0, 3, 7) == [45, 45, 105]
    await world.receive("X", 60, purchase_order="PO")
    assert await promised(world, "X", 0, 30) == [105, 105]


async def test_a_receipt_that_is_known_before_its_order_still_takes_it_off(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 30, purchase_order="PO", asn="N")
    order: dict[str, Any] = {"purchase_order": "PO", "location": "A"}
    await world.tell("asn.received", **order, asn="N", due_date=days(3).isoformat(), lines=[line("X", 40)])
    await world.tell("purchase_order.placed", **order, lines=[line("X", 100, 7, line_id="1")])
    assert await promised(world, "X", 0, 3, 7) == [30, 40, 100]


async def test_the_newest_statement_stands_and_counts_at_its_reliability(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    said: dict[str, Any] = {"reference": "S", "location": "A"}
    await world.tell("supply.changed", at=hours(-2), **said, lines=[line("X", 99, 2)])
    await world.tell("supply.changed", at=hours(-1), **said, lines=[line("X", 11, 2, reliability_percent=50)])
    await world.tell("supply.changed", at=hours(-3), **said, lines=[line("X", 77, 2)])
    assert await promised(world, "X", 1, 2) == [0, 5]


async def test_what_should_have_come_before_today_is_not_counted_on(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.tell("supply.changed", reference="S", location="A", lines=[line("X", 9, -1)])
    assert await promised(world, "X", 0, 30) == [0, 0]


async def test_supply_fills_what_is_owed_and_the_safety_stock_first(database: Database) -> None:
    shop = channel("web", "A", "B", safety_stock=QuantityRules(default=3))
    world = await World.made(database, network(shop))
    await world.item("X")
    await world.ship("X", 4)
    await world.receive("X", 1, location="B")
    await world.tell("supply.changed", reference="S", location="A", lines=[line("X", 10, 2)])
    assert await promised(world, "X", 0, 2) == [0, 4]  # 10 - 4 owed at A, 1 at B, 3 withheld


async def test_who_waits_is_served_before_a_new_promise(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.tell("supply.changed", reference="S", location="A", lines=[line("X", 10, 2)])
    waits = await world.reserve("X", 6, mode="backorder")
    assert waits.state == "backordered"
    assert await promised(world, "X", 0, 2) == [0, 4]
    await world.overdue(waits)
    assert await promised(world, "X", 0, 2) == [0, 10]


async def test_only_supply_of_the_channels_locations_counts_and_only_in_whole_selling_units(database: Database) -> None:
    shop = channel("web", "A", floor_to_selling_unit=True, max_listed=QuantityRules(default=5))
    world = await World.made(database, network(shop))
    await world.item("X", uoms=[{"code": "pack", "factor": 4}], selling_uom="pack")
    await world.tell("supply.changed", reference="S", location="A", lines=[line("X", 10, 2)])
    await world.tell("supply.changed", reference="S", location="B", lines=[line("X", 50, 2)])
    assert await promised(world, "X", 2) == [8]  # the listing limit bounds what is shown, not what is promised


async def test_a_lot_that_will_be_too_old_on_the_day_does_not_count_then(database: Database) -> None:
    world = await World.made(database, network(channel("web", "A", min_remaining_life_days=10)))
    await world.item("L", lot_tracked=True)
    await world.receive("L", 5, lot="short", expiry=days(12))
    await world.receive("L", 7, lot="long", expiry=days(99))
    assert await promised(world, "L", 0, 2, 3) == [12, 12, 7]


async def test_a_kit_waits_for_its_last_part(database: Database) -> None:
    world = await World.made(database)
    await world.item("P", "Q")
    await world.item("K", kind="kit", components=[{"sku": "P", "quantity": 2}, {"sku": "Q", "quantity": 1}])
    await world.receive("P", 8)
    await world.tell("supply.changed", reference="S", location="A", lines=[line("Q", 3, 2), line("P", 4, 5)])
    await world.tell("supply.changed", reference="T", location="B", lines=[line("Q", 9, 2)])
    assert await promised(world, "K", 1, 2, 5) == [0, 3, 3]


async def test_services_blocked_items_and_unknown_ones_have_their_plain_answers(database: Database) -> None:
    world = await World.made(database)
    await world.item("S", kind="service")
    await world.item("B", status="blocked")
    await world.receive("B", 4)
    assert await promised(world, "S", 0) == [10**12]
    assert await world.ats("S") == 10**12
    assert await promised(world, "B", 0) == [0]
    assert (await world.available("nope", dates=[days(1)])).promise is None


async def test_now_and_then_are_read_from_one_snapshot(database: Database) -> None:
    """A receipt that falls between two reads would count both as there and as still to come."""
    world = await World.made(database)
    await world.item("X")
    await world.tell("purchase_order.placed", purchase_order="PO", location="A", lines=[line("X", 50, 3, line_id="1")])

    async def receive() -> None:
        for _ in range(50):
            await world.receive("X", 1, purchase_order="PO")

    receiving = asyncio.create_task(receive())
    while not receiving.done():
        assert await promised(world, "X", 3) == [50]
    await receiving
