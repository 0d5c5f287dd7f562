"""What Tryton tells: items, goods that moved, and what lies where. The same tests at the stand-in and the real one."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.connectors.tryton.conftest import Hub
from tests.connectors.tryton.facts import facts_of, standing


async def test_an_item_is_told_when_it_is_made_and_when_only_its_template_changes(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    (made,) = await hub.bodies("items", sku)
    assert (made["name"], made["unit"], made["active"], made["type"]) == ("Assam", "u", True, "goods")
    await hub.trade.rename(sku, "Assam, second flush")
    (renamed,) = await hub.bodies("items", sku)
    assert (renamed["name"], renamed["id"]) == ("Assam, second flush", made["id"])
    assert renamed["version"] > made["version"]
    assert await hub.bodies("items", sku) == []


async def test_goods_arrive_in_the_input_zone_and_are_put_away(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    await hub.trade.receive(sku, 20)
    arrived, put_away = await hub.bodies("moves", sku)
    assert _said(arrived) == ("receipt", 20, None, None, "WH", "input")
    assert _said(put_away) == ("putaway", 20, "WH", "input", "WH", "storage")
    assert arrived["document"] == put_away["document"]
    assert arrived["document"].startswith("in ")


async def test_goods_that_wait_in_the_input_zone_are_not_available(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    await hub.trade.receive(sku, 5, put_away=False)
    facts = facts_of("moves", await hub.news("moves"), sku)
    assert standing(facts) == {("WH", "quality_check"): 5}


async def test_a_delivery_is_a_pick_and_a_shipment_that_names_its_order(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    await hub.trade.receive(sku, 20)
    await hub.tell("order.create", f"k-{sku}", order=f"O-{sku}", customer="C-1", lines=[{"sku": sku, "quantity": 3}])
    await hub.news("moves")
    await hub.trade.deliver(f"O-{sku}")
    found = {body["means"]: body for body in await hub.bodies("moves", sku)}
    assert _said(found["pick"]) == ("pick", 3, "WH", "storage", "WH", "output")
    assert _said(found["shipment"]) == ("shipment", 3, "WH", "output", None, None)
    assert found["shipment"]["order"] == f"O-{sku}"


async def test_what_a_customer_sends_back_arrives_and_is_put_away(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    lines = [{"sku": sku, "quantity": 2}]
    await hub.tell("return.create", f"k-{sku}", reference=f"R-{sku}", customer="C-1", lines=lines)
    await hub.trade.take_back(f"R-{sku}")
    facts = facts_of("moves", await hub.news("moves"), sku)
    assert sorted(fact.type for fact in facts) == ["putaway.confirmed", "return.received"]
    assert standing(facts) == {("WH", "available"): 2}


async def test_a_count_gains_and_loses(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    await hub.trade.count(sku, 7)
    await hub.trade.count(sku, 4)
    facts = facts_of("moves", await hub.news("moves"), sku)
    assert [(fact.data["reason"], fact.data["lines"][0]["quantity"]) for fact in facts] == [
        ("Counted more", 7),
        ("Counted less or lost", -3),
    ]
    assert standing(facts) == {("WH", "available"): 4}


async def test_a_move_that_is_cancelled_afterwards_is_told_again_as_what_takes_it_back(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    await hub.trade.count(sku, 7)
    (done,) = await hub.news("moves")
    await hub.trade.undo_count(sku)
    again, taken_back = await hub.news("moves")
    assert (again.key, again.body) == (done.key, done.body)
    assert taken_back.key == done.key.replace("done", "cancelled")
    facts = facts_of("moves", [done, taken_back], sku)
    assert facts[1].data["reason"] == "Cancelled in Tryton"
    assert standing(facts) == {}
    assert await hub.news("moves") == []


async def test_whoever_reads_only_after_the_cancellation_ends_at_the_same(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    await hub.trade.count(sku, 7)
    await hub.trade.undo_count(sku)
    facts = facts_of("moves", await hub.news("moves"), sku)
    assert len(facts) == 2
    assert standing(facts) == {}


async def test_a_transfer_leaves_and_arrives_and_both_name_the_same_paper_and_way(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    await hub.trade.receive(sku, 9)
    await hub.news("moves")
    await hub.trade.transfer(sku, 4, origin="WH", target="WEST")
    facts = {fact.type: fact for fact in facts_of("moves", await hub.news("moves"), sku)}
    left, arrived = facts["transfer.shipped"].data, facts["transfer.received"].data
    assert left["transfer"] == arrived["transfer"]
    assert (left["from_location"], left["to_location"]) == ("WH", "WEST")
    assert (arrived["from_location"], arrived["to_location"]) == ("WH", "WEST")
    assert standing(facts.values()) == {("WH", "available"): -4, ("WEST", "available"): 4}


async def test_a_snapshot_says_what_the_moves_add_up_to_and_what_tryton_itself_says(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    await hub.trade.receive(sku, 30)
    await hub.trade.receive(sku, 5, at="WEST", put_away=False)
    await hub.trade.count(sku, 28)
    await hub.trade.transfer(sku, 6, origin="WH", target="WEST")
    moved = standing(facts_of("moves", await hub.news("moves"), sku))
    rows = facts_of("stock", await hub.news("stock"), sku)
    stated = {(row.data["location"], row.data["status"]): row.data["quantity"] for row in rows}
    assert stated == moved == {("WH", "available"): 22, ("WEST", "available"): 6, ("WEST", "quality_check"): 5}
    assert await hub.trade.stock(sku) == 22
    assert await hub.trade.stock(sku, at="WEST") == 11


async def test_an_unchanged_snapshot_has_the_same_cut_off_and_the_same_keys(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    await hub.trade.receive(sku, 3)
    connector = hub.connector()
    first, again = [await connector.read("stock", None, limit=1_000) for _ in range(2)]
    assert first.snapshot_as_of is not None
    assert (first.snapshot_as_of, first.messages) == (again.snapshot_as_of, again.messages)
    await hub.trade.receive(sku, 1)
    changed = await connector.read("stock", None, limit=1_000)
    assert changed.snapshot_as_of is not None
    assert changed.snapshot_as_of > first.snapshot_as_of


async def test_small_pages_tell_the_same_as_large_ones(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    for quantity in range(1, 8):
        await hub.trade.count(sku, quantity)
    connector = hub.connector()
    for stream in ("items", "moves", "stock"):
        pages = [await _all(connector, stream, limit) for limit in (2, 500)]
        assert pages[0] == pages[1]
        assert all(count == 1 for count in pages[0].values())


async def _all(connector: Any, stream: str, limit: int) -> Counter[tuple[str, bytes]]:
    """Return how often each message comes in one walk from the beginning."""
    found: Counter[tuple[str, bytes]] = Counter()
    cursor = None
    while True:
        page = await connector.read(stream, cursor, limit=limit)
        found.update((message.key, message.body) for message in page.messages)
        cursor = page.cursor
        if not page.more:
            return found


def _said(body: dict[str, Any]) -> tuple[Any, ...]:
    ends = [body[end].get(name) for end in ("from", "to") for name in ("warehouse", "zone")]
    return (body["means"], body["quantity"], *ends)
