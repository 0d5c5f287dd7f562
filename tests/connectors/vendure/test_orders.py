"""Orders in, fulfilments and cancellations back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from onhand.connectors.vendure.connector import Vendure
from onhand.sdk import Delivered, Gone, Message, ReadFailed, Rejected, StockUpdate
from tests.connectors.vendure.conftest import Hub, Shop, outgoing


async def sweep(vendure: Vendure, cursor: str | None = None, *, limit: int = 100) -> tuple[list[Message], str | None]:
    """Read until nothing more waits."""
    read: list[Message] = []
    for _ in range(50):
        page = await vendure.read("orders", cursor, limit=limit)
        read += page.messages
        cursor = page.cursor
        if not page.more:
            return read, cursor
    pytest.fail("reading comes to no end")


def body_of(message: Message) -> dict[str, Any]:
    return msgspec.json.decode(message.body, type=dict[str, Any])


async def test_an_order_is_told_once_it_is_placed_and_a_cart_is_not(shop: Shop, vendure: Vendure) -> None:
    sku = shop.add_goods(on_hand=50)
    shop.fill_cart({sku: 2})
    code = shop.sell({sku: 3})
    (message,), _ = await sweep(vendure)
    order = body_of(message)
    assert (order["code"], order["state"], order["currencyCode"]) == (code, "PaymentSettled", "EUR")
    assert [(line["quantity"], line["unitPrice"], line["productVariant"]["sku"]) for line in order["lines"]] == [
        (3, 795, sku)
    ]
    assert [message.key] == list(await shop.keys("orders"))


async def test_every_page_boundary_can_be_the_last(shop: Shop, vendure: Vendure) -> None:
    """Orders of one second share one time of change: only an offset leads through them."""
    keys = await shop.populate("orders", 7)
    for limit in (1, 2, 3, 7, 100):
        read, _ = await sweep(vendure, limit=limit)
        assert sorted(message.key for message in read) == sorted(keys), limit


async def test_an_idle_shop_tells_nothing_twice(shop: Shop, vendure: Vendure) -> None:
    await shop.populate("orders", 3)
    _, cursor = await sweep(vendure)
    read, again = await sweep(vendure, cursor)
    assert (read, again) == ([], cursor)


async def test_two_changes_within_one_second_are_two_messages(shop: Shop, vendure: Vendure) -> None:
    """Vendure's updatedAt has whole seconds on SQLite."""
    (first,) = await shop.populate("orders", 1)
    _, cursor = await sweep(vendure)
    second = await shop.change("orders")
    read, cursor = await sweep(vendure, cursor)
    assert [message.key for message in read] == [second]
    third = await shop.change("orders")
    read, _ = await sweep(vendure, cursor)
    assert [message.key for message in read] == [third]
    assert len({first, second, third}) == 3


async def test_what_is_committed_late_is_not_skipped(shop: Shop, vendure: Vendure) -> None:
    await shop.populate("orders", 2)
    _, cursor = await sweep(vendure)
    late = await shop.late("orders")
    read, _ = await sweep(vendure, cursor)
    assert [message.key for message in read] == [late]


async def test_a_fulfilment_comes_back_to_the_shop(shop: Shop, vendure: Vendure) -> None:
    body = shop.command("order.fulfil", 1)
    (outcome,) = await vendure.send("order.fulfil", [outgoing("order.fulfil", body)])
    assert isinstance(outcome, Delivered), outcome
    order = shop.order(json.loads(body)["order"])
    assert order["state"] == "Shipped"
    assert [(one["method"], one["trackingCode"], one["state"]) for one in order["fulfillments"]] == [
        ("dhl", "T-1", "Shipped")
    ]


@pytest.mark.parametrize("operation", ["order.fulfil", "order.cancel"])
async def test_a_command_that_was_done_and_is_sent_again_has_no_second_effect(
    shop: Shop, vendure: Vendure, operation: str
) -> None:
    body = shop.command(operation, 1)
    for verify in (False, True, True):
        (outcome,) = await vendure.send(operation, [outgoing(operation, body, verify=verify)])
        assert isinstance(outcome, Delivered), outcome
    assert await shop.happened(operation, body, "key-1") == 1


async def test_parts_without_a_tracking_code_are_told_apart_by_their_keys(shop: Shop, vendure: Vendure) -> None:
    sku = shop.add_goods(on_hand=10)
    code = shop.sell({sku: 3})
    body = json.dumps({"order": code, "lines": [{"sku": sku, "quantity": 1}], "carrier": "van"})
    for key in ("a", "b", "b", "a"):
        (outcome,) = await vendure.send("order.fulfil", [outgoing("order.fulfil", body, key=key, verify=True)])
        assert isinstance(outcome, Delivered), outcome
    order = shop.order(code)
    assert (order["state"], len(order["fulfillments"])) == ("PartiallyShipped", 2)
    for key in ("c", "d", "c"):
        body = json.dumps({"order": code, "lines": [{"sku": sku, "quantity": 1}]})
        (outcome,) = await vendure.send("order.cancel", [outgoing("order.cancel", body, key=key, verify=True)])
        assert isinstance(outcome, Delivered), outcome
    assert shop.order(code)["lines"][0]["quantity"] == 1


async def test_a_fulfilment_whose_answer_was_lost_half_way_is_brought_to_its_end(shop: Shop, hub: Hub) -> None:
    """It was made, and the power failed before it was marked as sent."""
    body = shop.command("order.fulfil", 1)
    await hub.connector(fulfilment_state="Pending").send("order.fulfil", [outgoing("order.fulfil", body)])
    code = json.loads(body)["order"]
    assert [one["state"] for one in shop.order(code)["fulfillments"]] == ["Pending"]
    (outcome,) = await hub.connector().send("order.fulfil", [outgoing("order.fulfil", body, verify=True)])
    assert isinstance(outcome, Delivered)
    assert [one["state"] for one in shop.order(code)["fulfillments"]] == ["Shipped"]


async def test_goods_that_vendure_believes_not_to_have_are_fulfilled_all_the_same(shop: Shop, vendure: Vendure) -> None:
    sku = shop.add_goods(on_hand=10)
    code = shop.sell({sku: 3})
    shop.set_on_hand(sku, 1)
    before = shop.saleable(sku)
    body = json.dumps({"order": code, "lines": [{"sku": sku, "quantity": 3}], "tracking": "T"})
    (outcome,) = await vendure.send("order.fulfil", [outgoing("order.fulfil", body)])
    assert isinstance(outcome, Delivered), outcome
    assert shop.order(code)["state"] == "Shipped"
    assert (shop.saleable(sku), shop.on_hand(sku), shop.allocated(sku)) == (before, -2, 0)


async def test_every_order_of_a_rush_can_be_fulfilled(shop: Shop, vendure: Vendure) -> None:
    """Vendure loses count of some, and the hub's number then leaves too little on hand to fulfil all."""
    sku = shop.add_goods(on_hand=5)
    codes = await shop.rush(sku, 5)
    shop.lose_count(sku, shop.allocated(sku) - 1)
    await vendure.publish([StockUpdate(listing=sku, sku=sku, quantity=0)], key="k")
    assert shop.on_hand(sku) == 1
    for number, code in enumerate(codes):
        body = json.dumps({"order": code, "lines": [{"sku": sku, "quantity": 1}], "tracking": f"T-{number}"})
        (outcome,) = await vendure.send("order.fulfil", [outgoing("order.fulfil", body, key=str(number))])
        assert isinstance(outcome, Delivered), outcome
        assert shop.saleable(sku) == 0
    assert {shop.order(code)["state"] for code in codes} == {"Shipped"}


async def test_a_whole_order_is_cancelled_and_told(shop: Shop, vendure: Vendure) -> None:
    code = shop.sell({shop.add_goods(on_hand=5): 2})
    body = json.dumps({"order": code, "reason": "Fraud"})
    (outcome,) = await vendure.send("order.cancel", [outgoing("order.cancel", body)])
    assert isinstance(outcome, Delivered), outcome
    (message,), _ = await sweep(vendure)
    order = body_of(message)
    assert order["state"] == "Cancelled"
    assert [(line["quantity"], line["orderPlacedQuantity"]) for line in order["lines"]] == [(0, 2)]


async def test_an_order_whose_lines_are_all_named_is_cancelled_whole(shop: Shop, vendure: Vendure) -> None:
    one, other = shop.add_goods(on_hand=5), shop.add_goods(on_hand=5)
    code = shop.sell({one: 2, other: 1})
    lines = [{"sku": one, "quantity": 2}, {"sku": other, "quantity": 1}]
    (outcome,) = await vendure.send(
        "order.cancel", [outgoing("order.cancel", json.dumps({"order": code, "lines": lines}))]
    )
    assert isinstance(outcome, Delivered), outcome
    assert shop.order(code)["state"] == "Cancelled"
    assert (shop.saleable(one), shop.allocated(one)) == (5, 0)


async def test_cancelling_open_units_of_a_partly_sent_order_returns_sent_ones_to_vendures_shelf(
    shop: Shop, vendure: Vendure
) -> None:
    """Vendure's own peculiarity, which the stand-in shares; the next publication sets the number right."""
    sku = shop.add_goods(on_hand=10)
    code = shop.sell({sku: 3})
    line = {"sku": sku, "quantity": 1}
    fulfil = outgoing("order.fulfil", json.dumps({"order": code, "lines": [line], "tracking": "T"}))
    cancel = outgoing("order.cancel", json.dumps({"order": code, "lines": [line]}))
    await vendure.send("order.fulfil", [fulfil])
    assert (shop.on_hand(sku), shop.allocated(sku)) == (9, 2)
    await vendure.send("order.cancel", [cancel])
    assert (shop.on_hand(sku), shop.allocated(sku)) == (10, 1)
    await vendure.publish([StockUpdate(listing=sku, sku=sku, quantity=7)], key="k")
    assert shop.saleable(sku) == 7


async def test_what_the_shop_refuses_is_rejected_with_its_reason(shop: Shop, vendure: Vendure) -> None:
    sku = shop.add_goods(on_hand=9)
    code = shop.sell({sku: 2})
    line = shop.order(code)["lines"][0]["id"]

    async def told(operation: str, body: object) -> object:
        (outcome,) = await vendure.send(operation, [outgoing(operation, json.dumps(body))])
        return outcome.reason if isinstance(outcome, Rejected) else type(outcome)

    assert await told("order.fulfil", {"order": "NONE", "lines": []}) is Gone
    assert await told("order.fulfil", {"order": code, "lines": []}) == "EMPTY_ORDER_LINE_SELECTION_ERROR"
    assert await told("order.fulfil", {"order": code, "lines": [{"sku": "X", "quantity": 1}]}) == "unknown_line"
    assert await told("order.fulfil", {"order": code, "lines": [{"sku": sku, "quantity": 3}]}) == "too_many"
    too_many = {"order": code, "lines": [{"line_id": line, "quantity": 3}]}
    assert await told("order.fulfil", too_many) == "ITEMS_ALREADY_FULFILLED_ERROR"
    assert await told("order.cancel", too_many) == "QUANTITY_TOO_GREAT_ERROR"
    assert await told("order.cancel", {"lines": 3}) == "malformed"
    assert await told("order.fulfil", {"order": code, "lines": [{"sku": sku, "quantity": 0}]}) == "malformed"


async def test_a_cursor_of_another_stream_is_refused_and_no_beginning(shop: Shop, vendure: Vendure) -> None:
    await shop.populate("orders", 1)
    await shop.populate("stock", 2)
    orders = await vendure.read("orders", None, limit=10)
    stock = await vendure.read("stock", None, limit=1)
    for stream, cursor in (("stock", orders.cursor), ("orders", stock.cursor), ("orders", "nonsense")):
        with pytest.raises(ReadFailed) as failed:
            await vendure.read(stream, cursor, limit=10)
        assert isinstance(failed.value.outcome, Rejected)
