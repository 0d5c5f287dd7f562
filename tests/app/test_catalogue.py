"""Items, locations and channels as they are read."""

from __future__ import annotations

import pytest

from onhand.app.paging import InvalidCursor
from onhand.domain.kit import UnknownItem
from onhand.store.postgres.driver import Database
from tests.app.world import World, channel, network, place


async def skus(world: World, *, limit: int = 2, query: str | None = None) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = await world.hub.catalogue.items(after=after, limit=limit, query=query)
        found += [row.sku for row in page.rows]
        after = page.next_cursor
        if after is None:
            return found


async def test_items_are_listed_by_sku_page_by_page(database: Database) -> None:
    world = await World.made(database)
    await world.item("b", "B", "a", "ä", "😀", "a b")
    assert await skus(world) == ["B", "a", "a b", "b", "ä", "😀"]


async def test_a_part_of_sku_or_name_is_found_in_any_case_and_never_as_a_pattern(database: Database) -> None:
    world = await World.made(database)
    await world.item("TEA-1", name="Green tea 100 g")
    await world.item("CUP", name="Cup for TEA")
    await world.item("X%")
    assert await skus(world, query="tea") == ["CUP", "TEA-1"]
    assert await skus(world, query="%") == ["X%"]
    assert await skus(world, query="_") == []
    assert await skus(world, query="") == ["CUP", "TEA-1", "X%"]


async def test_an_item_is_shown_as_last_stated(database: Database) -> None:
    world = await World.made(database)
    await world.item(
        "K", name="Kit", kind="kit", category="sets", selling_uom="box", uoms=[{"code": "box", "factor": 6}],
        components=[{"sku": "P", "quantity": 2}], attributes={"colour": "red"}, status="discontinued",
    )  # fmt: skip
    row = await world.hub.catalogue.item("K")
    assert (row.name, row.kind, row.status, row.category) == ("Kit", "kit", "discontinued", "sets")
    assert (row.base_uom, row.selling_uom, row.units) == ("each", "box", {"each": 1, "box": 6})
    assert row.components == ({"sku": "P", "quantity": 2},)
    assert row.attributes == {"colour": "red"}


async def test_an_unknown_item_and_a_foreign_cursor_are_refused(database: Database) -> None:
    world = await World.made(database)
    with pytest.raises(UnknownItem):
        await world.hub.catalogue.item("nope")
    with pytest.raises(InvalidCursor):
        await world.hub.catalogue.items(after="nope")


async def test_locations_and_channels_are_those_in_force(database: Database) -> None:
    world = await World.made(database, network(channel("web", "B"), channel("desk", "B"), places=[place("B")]))
    codes = [location.code for location in await world.hub.catalogue.locations()]
    assert codes == ["B", "adjustment", "customer", "supplier", "transit"]
    assert [shop.code for shop in await world.hub.catalogue.channels()] == ["desk", "web"]
    await world.apply(network(channel("app")))
    assert [shop.code for shop in await World(database).hub.catalogue.channels()] == ["app"]
