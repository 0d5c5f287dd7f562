"""Stock out: after a publication a buyer sees the number that was wanted, whatever Vendure had counted."""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec
import pytest

from onhand.connectors.vendure.connector import Vendure
from onhand.sdk import Delivered, Gone, Rejected, StockUpdate
from tests.connectors.vendure.conftest import Hub, Shop


def update(sku: str, quantity: int, location: str | None = None) -> StockUpdate:
    return StockUpdate(listing=sku, sku=sku, quantity=quantity, location=location)


async def test_a_buyer_sees_the_number_that_was_published(shop: Shop, vendure: Vendure) -> None:
    sku = shop.add_goods(on_hand=2)
    (outcome,) = await vendure.publish([update(sku, 25)], key="k")
    assert isinstance(outcome, Delivered)
    assert shop.saleable(sku) == 25
    (shown,) = await vendure.read_back([(sku, None)])
    assert shown.quantity == 25


async def test_units_sold_and_not_sent_are_not_offered_again(shop: Shop, vendure: Vendure) -> None:
    sku = shop.add_goods(on_hand=10)
    shop.sell({sku: 4})
    await vendure.publish([update(sku, 6)], key="k")
    assert (shop.saleable(sku), shop.on_hand(sku), shop.allocated(sku)) == (6, 10, 4)
    await vendure.publish([update(sku, 0)], key="k")
    assert (shop.saleable(sku), shop.on_hand(sku)) == (0, 4)


async def test_what_the_shop_holds_back_is_added(shop: Shop, vendure: Vendure) -> None:
    """An outOfStockThreshold would otherwise be taken off a number that is saleable already."""
    sku = shop.add_goods(on_hand=0)
    for threshold in (3, -5):
        shop.set_threshold(sku, threshold)
        await vendure.publish([update(sku, 8)], key="k")
        assert shop.saleable(sku) == 8
        assert [shown.quantity for shown in await vendure.read_back([(sku, None)])] == [8]


async def test_other_locations_count_towards_the_number_of_the_channel(shop: Shop, hub: Hub) -> None:
    north = shop.add_location("North")
    sku = shop.add_goods(on_hand=0)
    shop.set_on_hand(sku, 30, location=north)
    vendure = hub.connector()
    await vendure.publish([update(sku, 12)], key="k")
    assert (shop.saleable(sku), shop.on_hand(sku, location=north)) == (12, 30)


async def test_numbers_per_location_add_up_to_what_a_buyer_sees(shop: Shop, hub: Hub) -> None:
    north = shop.add_location("North")
    sku = shop.add_goods(on_hand=0)
    shop.set_threshold(sku, 2)
    vendure = hub.connector()
    outcomes = await vendure.publish([update(sku, 5, shop.location), update(sku, 7, "North")], key="k")
    assert [type(outcome) for outcome in outcomes] == [Delivered, Delivered]
    assert shop.saleable(sku) == 12
    shown = await vendure.read_back([(sku, shop.location), (sku, north), (sku, "North"), (sku, "nowhere")])
    assert [one.quantity for one in shown] == [5, 7, 7, None]


async def test_the_location_that_is_named_takes_up_the_number(shop: Shop, hub: Hub) -> None:
    north = shop.add_location("North")
    sku = shop.add_goods(on_hand=1)
    await hub.connector(stock_location="North").publish([update(sku, 4)], key="k")
    assert (shop.saleable(sku), shop.on_hand(sku), shop.on_hand(sku, location=north)) == (4, 1, 3)


async def test_a_batch_is_told_apart_line_by_line(shop: Shop, vendure: Vendure) -> None:
    good, endless = shop.add_goods(on_hand=0), shop.add_goods(on_hand=0)
    shop.untrack(endless)
    outcomes = await vendure.publish(
        [update("NOBODY-HAS-THIS", 1), update(good, 3), update(endless, 3), update(good, 3, "nowhere")], key="k"
    )
    assert [type(outcome) for outcome in outcomes] == [Gone, Delivered, Rejected, Rejected]
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, Rejected)] == [
        "not_tracked",
        "unknown_location",
    ]
    assert shop.saleable(good) == 3
    shown = await vendure.read_back([("NOBODY-HAS-THIS", None), (endless, None)])
    assert [one.quantity for one in shown] == [None, 2**53 - 1]


async def test_a_sku_that_occurs_twice_is_published_by_its_id_only(shop: Shop, hub: Hub, vendure: Vendure) -> None:
    sku = shop.add_goods(on_hand=0)
    shop.add_goods(on_hand=0, sku=sku)
    (outcome,) = await vendure.publish([update(sku, 3)], key="k")
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "ambiguous"
    ids = [found.facts["id"] for found in await vendure.discover() if found.kind == "item" and found.code == sku]
    by_id = hub.connector(listing_by="id")
    outcomes = await by_id.publish([update(ids[0], 3), update("999999", 1)], key="k")
    assert [type(outcome) for outcome in outcomes] == [Delivered, Gone]
    assert [one.quantity for one in await by_id.read_back([(id_, None) for id_ in ids])] == [3, 0]


async def test_the_same_number_again_changes_nothing(shop: Shop, vendure: Vendure) -> None:
    sku = shop.add_goods(on_hand=0)
    await vendure.publish([update(sku, 9)], key="k")
    before = await vendure.read("stock", None, limit=100)
    (outcome,) = await vendure.publish([update(sku, 9)], key="k")
    assert isinstance(outcome, Delivered)
    after = await vendure.read("stock", None, limit=100)
    assert [message.key for message in after.messages] == [message.key for message in before.messages]


async def test_of_two_numbers_for_one_listing_the_last_counts(shop: Shop, vendure: Vendure) -> None:
    sku = shop.add_goods(on_hand=0)
    outcomes = await vendure.publish([update(sku, 9), update(sku, 4)], key="k")
    assert [type(outcome) for outcome in outcomes] == [Delivered, Delivered]
    assert shop.saleable(sku) == 4


async def test_the_number_is_right_after_vendure_has_lost_count(shop: Shop, vendure: Vendure) -> None:
    """Sales at one time lose each other's allocations: what is read is what counts, not what should be."""
    sku = shop.add_goods(on_hand=20)
    shop.sell({sku: 6})
    for lost in (4, 5):  # in the end it has counted three units less than none
        shop.lose_count(sku, lost)
        for wanted in (10, 0):
            await vendure.publish([update(sku, wanted)], key="k")
            assert shop.saleable(sku) == wanted
    assert shop.allocated(sku) == -3


async def test_the_number_is_right_after_many_bought_while_it_was_set(shop: Shop, vendure: Vendure) -> None:
    sku = shop.add_goods(on_hand=100)
    await asyncio.gather(shop.rush(sku, 5), *(vendure.publish([update(sku, 90 + n)], key="k") for n in range(5)))
    await vendure.publish([update(sku, 11)], key="k")
    assert shop.saleable(sku) == 11


async def test_a_number_that_vendure_cannot_hold_does_not_spoil_its_batch(shop: Shop, vendure: Vendure) -> None:
    one, other = shop.add_goods(on_hand=0), shop.add_goods(on_hand=0)
    outcomes = await vendure.publish([update(one, 3_000_000_000), update(other, 5)], key="k")
    assert [type(outcome) for outcome in outcomes] == [Rejected, Delivered]
    assert shop.saleable(other) == 5


async def snapshot(vendure: Vendure, *, limit: int) -> tuple[list[str], set[datetime | None]]:
    """Read a snapshot to its end; return its keys and its cut-offs."""
    read: list[str] = []
    as_of: set[datetime | None] = set()
    cursor: str | None = None
    for _ in range(50):
        page = await vendure.read("stock", cursor, limit=limit)
        read += [message.key for message in page.messages]
        as_of.add(page.snapshot_as_of)
        cursor = page.cursor
        if not page.more:
            assert cursor is None
            return read, as_of
    pytest.fail("the snapshot comes to no end")


async def test_a_snapshot_tells_every_level_page_by_page(shop: Shop, vendure: Vendure) -> None:
    await shop.populate("stock", 5)
    for limit in (1, 2, 5, 100):
        read, as_of = await snapshot(vendure, limit=limit)
        assert sorted(read) == sorted(await shop.keys("stock"))
        assert len(as_of) == 1


async def test_a_snapshot_of_the_same_stock_says_nothing_new_and_one_of_other_stock_does(
    shop: Shop, vendure: Vendure
) -> None:
    await shop.populate("stock", 3)
    first = await snapshot(vendure, limit=2)
    assert await snapshot(vendure, limit=2) == first
    changed = await shop.change("stock")
    read, _ = await snapshot(vendure, limit=2)
    assert changed in read
    assert changed not in first[0]


async def test_a_snapshot_begins_anew_when_a_variant_before_it_is_deleted(shop: Shop, vendure: Vendure) -> None:
    """Those behind it move up, and one of them would be left out."""
    skus = [shop.add_goods(on_hand=1) for _ in range(4)]
    page = await vendure.read("stock", None, limit=2)
    shop.delete(skus[0])
    rest = await vendure.read("stock", page.cursor, limit=10)
    assert [msgspec.json.decode(message.body)["sku"] for message in rest.messages] == skus[1:]


async def test_a_change_that_is_committed_late_is_in_the_snapshot(shop: Shop, vendure: Vendure) -> None:
    await shop.populate("stock", 3)
    late = await shop.late("stock")
    assert late in (await snapshot(vendure, limit=2))[0]
