"""Availability equals what planning grants: the figure is the largest quantity that a cart of the channel gets.

Random worlds (stock, late facts, holds, deadlines, ring-fences, safety stock, lots, kits, selling units), then for each
item: a cart of exactly the figure is granted, and a cart of one more step is refused.
"""

from __future__ import annotations

import itertools
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from onhand.app.promise_errors import InsufficientStock
from onhand.domain.network import QuantityRules, RingFence
from onhand.store.postgres.driver import Database
from tests.app.world import World, channel, days, network

SMALL = st.integers(0, 12)
SKUS = ("X", "P", "L", "K")
CODES = itertools.count(1)

WORLDS = st.fixed_dictionaries(
    {
        "receipts": st.lists(st.tuples(st.sampled_from(("X", "P", "K")), st.sampled_from("AB"), st.integers(1, 12))),
        "lots": st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 8), st.integers(0, 6))),
        "shipments": st.lists(
            st.tuples(st.sampled_from(("X", "P")), st.sampled_from("AB"), st.integers(1, 6)), max_size=2
        ),
        "fences": st.dictionaries(
            st.tuples(st.sampled_from(("web", "desk")), st.sampled_from(("X", "P")), st.sampled_from("AB")),
            st.integers(1, 9),
            max_size=4,
        ),
        "safety": st.dictionaries(st.sampled_from(SKUS), SMALL, max_size=3),
        "holds": st.lists(
            st.tuples(st.sampled_from(("web", "desk")), st.sampled_from(SKUS), st.integers(1, 6), st.booleans()),
            max_size=6,
        ),
        "step": st.sampled_from((1, 1, 3)),
        "life": st.integers(0, 5),
    }
)


async def made(database: Database, plan: dict[str, Any], mark: str) -> tuple[World, dict[str, str]]:
    """A world of its own inside the one database: new SKUs each time, the network applied anew."""
    sku = {name: f"{name}{mark}" for name in SKUS}
    shops = [
        channel(
            code, "A", "B",
            safety_stock=QuantityRules(by_sku={sku[name]: quantity for name, quantity in plan["safety"].items()}),
            floor_to_selling_unit=True, min_remaining_life_days=plan["life"],
        )
        for code in ("web", "desk")
    ]  # fmt: skip
    fences = [
        RingFence(group=group, sku=sku[name], location=location, quantity=quantity)
        for (group, name, location), quantity in plan["fences"].items()
    ]
    world = World(database)
    await world.begin(network(*shops, fences=fences))
    pack: dict[str, Any] = {"uoms": [{"code": "pack", "factor": plan["step"]}], "selling_uom": "pack"}
    await world.item(sku["X"], **pack)
    await world.item(sku["P"])
    await world.item(sku["L"], lot_tracked=True)
    parts = [{"sku": sku["P"], "quantity": 2}, {"sku": sku["L"], "quantity": 1}]
    await world.item(sku["K"], kind="kit", components=parts)
    for name, location, quantity in plan["receipts"]:
        await world.receive(sku[name], quantity, location=location)
    for location, quantity, life in plan["lots"]:
        await world.receive(sku["L"], quantity, location=location, lot=f"lot-{life}", expiry=days(life))
    for name, location, quantity in plan["shipments"]:
        await world.ship(sku[name], quantity, location=location)
    for shop, name, quantity, is_overdue in plan["holds"]:
        try:
            hold = await world.reserve(sku[name], quantity * (plan["step"] if name == "X" else 1), shop=shop)
        except InsufficientStock:
            continue
        if is_overdue:
            await world.overdue(hold)
    return world, sku


@pytest.mark.parametrize("shop", ["web", "desk"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(plan=WORLDS)
async def test_the_figure_is_the_largest_cart_that_is_granted(
    database: Database, shop: str, plan: dict[str, Any]
) -> None:
    world, sku = await made(database, plan, mark=str(next(CODES)))
    for name in SKUS:
        step = plan["step"] if name == "X" else 1
        # Read before anything else, so that unswept deadlines are still there for the first item.
        figure = await world.available(sku[name], shop, explain=True)
        assert sum(term.quantity for term in figure.terms) == figure.quantity
        assert figure.quantity == (await world.available(sku[name], shop)).quantity
        with pytest.raises(InsufficientStock):
            await world.reserve(sku[name], figure.quantity + step, shop=shop)
        if figure.quantity:
            granted = await world.reserve(sku[name], figure.quantity, shop=shop)
            assert granted.lines[0].granted == figure.quantity
        assert await world.ats(sku[name], shop) == 0
