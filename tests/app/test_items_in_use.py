"""What an item's numbers mean does not change under its stock: another base unit would make 10 cartons of 10 pieces."""

from __future__ import annotations

from typing import Any

import pytest

from onhand.app.answers import EventOutcome
from onhand.store.postgres.driver import Database
from tests.app.world import World, hours

CARTON: dict[str, Any] = {"base_uom": "carton"}
BY_LOT: dict[str, Any] = {"lot_tracked": True}
SERVICE: dict[str, Any] = {"kind": "service"}


async def restate(world: World, sku: str = "X", *, at: float = -2, **fields: Any) -> EventOutcome:
    (outcome,) = await world.send(world.fact("item.upserted", at=hours(at), sku=sku, **fields))
    return outcome


async def row(world: World, sku: str = "X") -> tuple[Any, ...]:
    (found,) = await world.database.sql("select base_uom, lot_tracked, kind, name from item where sku = $1", sku)
    return tuple(found)


@pytest.mark.parametrize("fields", [CARTON, BY_LOT, SERVICE], ids=["unit", "lots", "service"])
async def test_it_waits_in_quarantine_until_there_is_nothing_of_the_item(
    database: Database, fields: dict[str, Any]
) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 10)
    outcome = await restate(world, **fields)
    assert (outcome.outcome, outcome.reason) == ("quarantined", "item_in_use")
    assert outcome.quarantine_id is not None
    assert await row(world) == ("each", False, "stock", "")
    assert await world.ats("X") == 10
    await world.ship("X", 10)
    await world.hub.quarantine.release([outcome.quarantine_id], who="ada")
    assert await row(world) != ("each", False, "stock", "")


async def test_a_promise_alone_keeps_it_as_it_is(database: Database) -> None:
    world = await World.made(database)
    await world.item("X", "Y")
    await world.receive("X", 10)
    hold = await world.reserve("X", 10)
    await world.ship("X", 10)
    await world.reserve("Y", 1, mode="backorder")
    for sku in ("X", "Y"):
        assert (await restate(world, sku, **BY_LOT)).reason == "item_in_use"
    await world.hub.amend.release(world.client, hold.reservation_id)
    assert (await restate(world, "X", **BY_LOT)).outcome == "applied"


async def test_what_is_on_its_way_counts_too(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 10)
    line = [{"sku": "X", "quantity": 10}]
    await world.tell("transfer.shipped", transfer="t", from_location="A", to_location="B", lines=line)
    assert (await restate(world, **CARTON)).reason == "item_in_use"


async def test_lots_stay_lots_and_what_holds_them_can_be_fulfilled(database: Database) -> None:
    world = await World.made(database)
    await world.item("X", lot_tracked=True)
    await world.receive("X", 5, lot="L1")
    hold = await world.reserve("X", 5)
    assert (await restate(world, lot_tracked=False)).reason == "item_in_use"
    done = await world.hub.amend.fulfil(world.client, hold.reservation_id)
    assert done.state == "fulfilled"
    assert not await world.database.sql("select from lot_stock where on_hand <> 0 or held <> 0")
    assert (await world.hub.verify()).ok


async def test_everything_else_may_change_at_any_time(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 10)
    more: dict[str, Any] = {
        "name": "Tea",
        "uoms": [{"code": "box", "factor": 6}],
        "selling_uom": "box",
        "category": "food",
    }
    assert (await restate(world, **more)).outcome == "applied"
    assert (await row(world))[3] == "Tea"
    assert (await restate(world, at=-1, name="Tea again")).outcome == "applied"


async def test_an_older_statement_changes_nothing_and_is_no_case(database: Database) -> None:
    world = await World.made(database)
    await world.item("X", lot_tracked=True)
    await world.receive("X", 5, lot="L1")
    assert (await restate(world, at=-200, **CARTON)).outcome == "applied"
    assert await row(world) == ("each", True, "stock", "")


async def test_the_rest_of_a_batch_is_recorded(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 10)
    outcomes = await world.send(
        world.fact("item.upserted", at=hours(-2), sku="X", **CARTON),
        world.fact("item.upserted", at=hours(-3), sku="X", **BY_LOT),
        world.fact("item.upserted", at=hours(-4), sku="X", name="Tea"),
        world.fact("item.upserted", at=hours(-2), sku="NEW", **CARTON),
        world.fact("receipt.posted", location="A", lines=[{"sku": "NEW", "quantity": 1}]),
    )
    told = [(one.outcome, one.reason) for one in outcomes]
    assert told == [("quarantined", "item_in_use")] * 2 + [("applied", None)] * 3
    assert await row(world) == ("each", False, "stock", "Tea")
    again = await world.send(world.fact("item.upserted", at=hours(-2), sku="X", name="Cup"))
    assert again[0].outcome == "applied"
