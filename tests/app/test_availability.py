"""Availability through the front door: every term, every kind of item, and deadlines to the instant."""

from __future__ import annotations

import pytest

from onhand.app import read_availability as use
from onhand.app.answers import Availability
from onhand.domain.errors import InvalidInput
from onhand.domain.network import QuantityRules, RingFence, Status
from onhand.domain.resolving import UnknownChannel
from onhand.store.postgres.driver import Database
from tests.app.world import World, channel, days, hours, network, place


def added_up(figure: Availability) -> int:
    return sum(term.quantity for term in figure.terms)


async def test_what_is_received_can_be_sold_and_the_terms_add_up(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 10)
    await world.receive("X", 5, location="B")
    await world.reserve("X", 3)
    figure = await world.available("X", explain=True)
    assert (figure.quantity, figure.withheld, figure.known) == (12, 0, True)
    assert [(t.term, t.quantity, t.location) for t in figure.terms] == [
        ("on_hand", 10, "A"), ("reserved", -3, "A"), ("on_hand", 5, "B"),
    ]  # fmt: skip


async def test_an_unknown_sku_is_said_to_be_unknown_and_keeps_its_place(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 1)
    rows = await world.hub.availability.read("web", ["nope", "X", "x", "nope"])
    assert [(row.sku, row.quantity, row.known) for row in rows] == [
        ("nope", 0, False), ("X", 1, True), ("x", 0, False), ("nope", 0, False),
    ]  # fmt: skip


async def test_a_known_item_without_stock_is_zero_and_known(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    assert await world.available("X", explain=True) == Availability(sku="X", channel="web", quantity=0)


async def test_an_unknown_or_retired_channel_is_refused(database: Database) -> None:
    world = await World.made(database, network(channel("web"), channel("old", retired=True)))
    for code in ("nope", "old"):
        with pytest.raises(UnknownChannel):
            await world.hub.availability.read(code, ["X"])


async def test_a_read_is_bounded(database: Database) -> None:
    world = await World.made(database)
    with pytest.raises(InvalidInput):
        await world.hub.availability.read("web", ["X"] * (use.SKUS_MAX + 1))
    with pytest.raises(InvalidInput):
        await world.hub.availability.read("web", ["X"], dates=[days(n) for n in range(use.DATES_MAX + 1)])
    assert await world.hub.availability.read("web", []) == []


async def test_only_sellable_stock_at_the_channels_locations_counts(database: Database) -> None:
    world = await World.made(database, network(channel("web", "A"), statuses=[Status(code="seconds", sellable=True)]))
    await world.item("X")
    await world.receive("X", 1)
    await world.receive("X", 2, status="quality_check")
    await world.receive("X", 4, status="seconds")
    await world.receive("X", 8, location="B")
    assert await world.ats("X") == 5


async def test_a_status_that_stops_being_sellable_leaves_the_figure_with_the_network(database: Database) -> None:
    world = await World.made(database, network(statuses=[Status(code="seconds", sellable=True)]))
    await world.item("X")
    await world.receive("X", 4, status="seconds")
    assert await world.ats("X") == 4
    await world.apply(network(statuses=[Status(code="seconds", sellable=False)]))
    assert await world.ats("X") == 0


async def test_safety_stock_is_withheld_after_demand(database: Database) -> None:
    """IBM Sterling's example: on hand 4, safety 2, demand 3 leave 0 available and 1 withheld."""
    world = await World.made(database, network(channel("web", safety_stock=QuantityRules(default=2)), channel("desk")))
    await world.item("X")
    await world.receive("X", 4)
    await world.reserve("X", 3, shop="desk")
    figure = await world.available("X", explain=True)
    assert (figure.quantity, figure.withheld) == (0, 1)
    assert added_up(figure) == 0


async def test_the_listing_limit_and_the_selling_unit_bound_what_is_shown(database: Database) -> None:
    shop = channel("web", "A", "B", max_listed=QuantityRules(default=30), floor_to_selling_unit=True)
    world = await World.made(database, network(shop, channel("desk", "A", "B", floor_to_selling_unit=True)))
    await world.item("X", uoms=[{"code": "carton", "factor": 12}], selling_uom="carton")
    await world.receive("X", 47)
    await world.receive("X", 2, location="B")
    figure = await world.available("X", explain=True)
    assert figure.quantity == 24
    assert [(t.term, t.quantity) for t in figure.terms[2:]] == [("max_listed", -19), ("selling_unit", -6)]
    assert await world.ats("X", "desk") == 48


async def test_a_ring_fence_is_kept_from_others_and_open_to_its_group(database: Database) -> None:
    fence = RingFence(group="desk", sku="X", location="A", quantity=7)
    world = await World.made(database, network(channel("web"), channel("desk"), fences=[fence]))
    await world.item("X")
    await world.receive("X", 10)
    assert (await world.ats("X"), await world.ats("X", "desk")) == (3, 10)
    await world.reserve("X", 5, shop="desk")
    assert (await world.ats("X"), await world.ats("X", "desk")) == (3, 5)
    figure = await world.available("X", explain=True)
    assert ("fenced_for_others", -2) in [(t.term, t.quantity) for t in figure.terms]
    assert added_up(figure) == 3


async def test_a_deadline_counts_to_the_instant_although_nobody_swept(database: Database) -> None:
    fence = RingFence(group="desk", sku="X", location="A", quantity=7)
    world = await World.made(database, network(channel("web"), channel("desk"), fences=[fence]))
    await world.item("X")
    await world.receive("X", 10)
    hold, fenced = await world.reserve("X", 2), await world.reserve("X", 6, shop="desk")
    assert (await world.ats("X"), await world.ats("X", "desk")) == (1, 2)
    await world.overdue(hold)
    assert (await world.ats("X"), await world.ats("X", "desk")) == (3, 4)
    await world.overdue(fenced)
    assert (await world.ats("X"), await world.ats("X", "desk")) == (3, 10)
    # The read wrote nothing ...
    assert (await database.sql("select count(*) from claim"))[0][0] == 2
    assert (await database.sql("select count(*) from reservation where open"))[0][0] == 2
    # ... and planning, which sweeps, grants exactly that.
    await world.reserve("X", 10, shop="desk")
    assert await world.ats("X") == 0


async def test_the_hard_part_of_an_overdue_claim_goes_back_with_the_rest(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.receive("X", 10)
    hold = await world.reserve("X", 6)
    await world.tell(
        "allocation.created", reservation_id=hold.reservation_id, location="A", lines=[{"sku": "X", "quantity": 2}]
    )
    await world.overdue(hold)
    figure = await world.available("X", explain=True)
    assert [(t.term, t.quantity) for t in figure.terms] == [("on_hand", 10)]
    await world.reserve("X", 10)


async def test_only_lots_that_live_long_enough_count(database: Database) -> None:
    shop = channel("web", "A", min_remaining_life_days=30)
    world = await World.made(database, network(shop, channel("desk", "A")))
    await world.item("L", lot_tracked=True)
    await world.receive("L", 5, lot="old", expiry=days(29))
    await world.receive("L", 7, lot="good", expiry=days(30))
    await world.receive("L", 9, lot="dead", expiry=days(-1))
    await world.receive("L", 1, lot="undated")
    figure = await world.available("L", explain=True)
    assert figure.quantity == 8
    assert ("unfit_lots", -14) in [(t.term, t.quantity) for t in figure.terms]
    assert await world.ats("L", "desk") == 13
    hold = await world.reserve("L", 8)
    assert await world.ats("L") == 0
    await world.overdue(hold)
    assert await world.ats("L") == 8


async def test_kits_are_gathered_at_one_location_and_pre_built_ones_added(database: Database) -> None:
    """IBM Sterling's oil change kit: 4 oil, 1 funnel, 1 pan; (4,1,1), (8,1,0), (8,2,2) make 1 + 0 + 2."""
    sites = [place(code) for code in ("A", "B", "C")]
    world = await World.made(database, network(places=sites))
    await world.item("OIL", "FUNNEL", "PAN")
    parts = [{"sku": "OIL", "quantity": 4}, {"sku": "FUNNEL", "quantity": 1}, {"sku": "PAN", "quantity": 1}]
    await world.item("KIT", kind="kit", components=parts)
    for site, oil, funnel, pan in (("A", 4, 1, 1), ("B", 8, 1, 0), ("C", 8, 2, 2)):
        for sku, quantity in (("OIL", oil), ("FUNNEL", funnel), ("PAN", pan)):
            if quantity:
                await world.receive(sku, quantity, location=site)
    assert await world.ats("KIT") == 3
    await world.receive("KIT", 2, location="B")
    figure = await world.available("KIT", explain=True)
    assert figure.quantity == added_up(figure) == 5
    assert {(t.term, t.location): t.quantity for t in figure.terms} == {
        ("kits_from_parts", "A"): 1, ("prebuilt_kits", "B"): 2, ("kits_from_parts", "C"): 2,
    }  # fmt: skip


async def test_safety_stock_of_a_part_binds_the_kit(database: Database) -> None:
    shop = channel("web", "A", safety_stock=QuantityRules(by_sku={"P": 3}))
    world = await World.made(database, network(shop))
    await world.item("P")
    await world.item("K", kind="kit", components=[{"sku": "P", "quantity": 2}])
    await world.receive("P", 8)
    figure = await world.available("K", explain=True)
    assert (figure.quantity, figure.withheld, added_up(figure)) == (2, 2, 2)


async def test_a_blocked_item_and_a_kit_with_a_blocked_part_cannot_be_sold(database: Database) -> None:
    world = await World.made(database)
    await world.item("P")
    await world.item("K", kind="kit", components=[{"sku": "P", "quantity": 1}])
    await world.receive("P", 8)
    assert await world.ats("K") == 8
    await world.tell("item.status_changed", sku="P", status="blocked")
    for sku in ("P", "K"):
        figure = await world.available(sku, explain=True)
        assert (figure.quantity, added_up(figure)) == (0, 0)
        assert ("item_blocked", -8) in [(t.term, t.quantity) for t in figure.terms]
    await world.tell("item.status_changed", sku="P", status="discontinued", at=hours(0))
    assert await world.ats("P") == 8


async def test_a_kit_whose_part_is_not_known_cannot_be_sold(database: Database) -> None:
    world = await World.made(database)
    await world.item("K", kind="kit", components=[{"sku": "ghost", "quantity": 1}])
    await world.receive("K", 8)
    figure = await world.available("K", explain=True)
    assert (figure.quantity, [t.term for t in figure.terms]) == (0, ["kit_incomplete"])


async def test_what_is_owed_at_one_location_takes_nothing_from_another(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.ship("X", 4)
    await world.receive("X", 6, location="B")
    figure = await world.available("X", explain=True)
    assert figure.quantity == added_up(figure) == 6
    assert ("owed", 4, "A") in [(t.term, t.quantity, t.location) for t in figure.terms]


async def test_another_node_sees_a_change_of_the_network_and_of_an_item_at_once(database: Database) -> None:
    world, node = await World.made(database), World(database)
    await world.item("X")
    await world.receive("X", 10)
    assert await node.ats("X") == 10
    await world.apply(network(channel("web", safety_stock=QuantityRules(default=4))))
    assert await node.ats("X") == 6
    await world.tell("item.status_changed", sku="X", status="blocked")
    assert await node.ats("X") == 0


async def test_a_thousand_skus_come_in_one_statement(database: Database) -> None:
    world = await World.made(database)
    skus = [f"S{n:04}" for n in range(1_000)]
    facts = [world.fact("item.upserted", sku=sku) for sku in skus]
    facts += [world.fact("receipt.posted", location="A", lines=[{"sku": sku, "quantity": 3}]) for sku in skus]
    await world.send(*facts)
    await world.ats("S0000")
    rows = await world.hub.availability.read("web", skus)
    assert [row.quantity for row in rows] == [3] * 1_000
