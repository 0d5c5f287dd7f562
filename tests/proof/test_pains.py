"""What users of other systems suffer from, each by its own sentence: here it must be impossible.

The sentences and the reports behind them are those of the pains that were collected before the first line was written.
"""

from __future__ import annotations

import asyncio

import pytest

from onhand.app.answers import ReservationAnswer
from onhand.app.promise_errors import InsufficientStock
from onhand.bootstrap import Hub
from onhand.domain.reservation import Line, Request
from onhand.store.postgres.driver import Database
from tests.proof.audit import contradictions, oversold
from tests.proof.ground import applied, ask, at, client, fact, granted, hub_on, item, lines, receipt


async def outcome(hub: Hub, database: Database, request: Request) -> ReservationAnswer | InsufficientStock:
    try:
        return await hub.reserve(await client(database), request)
    except InsufficientStock as refused:
        return refused


async def test_two_buyers_one_unit(database: Database) -> None:
    """magento2#25653, vendure#3508, medusa#16569, odoo PR#272560, InvenTree PR#12478."""
    async with hub_on(database) as one, hub_on(database, network=None) as other:
        await applied(one, [item(f"S{n}") for n in range(10)])
        await applied(one, [receipt(f"S{n}", 1, id_=f"r{n}") for n in range(10)])
        for n in range(10):
            answers = await asyncio.gather(
                *(outcome(hub, database, ask(f"{n}/{k}", (f"S{n}", 1))) for k, hub in enumerate((one, other)))
            )
            assert granted(answers) == 1
            (refused,) = [a for a in answers if isinstance(a, InsufficientStock)]
            assert [(line.available, line.short) for line in refused.lines] == [(0, 1)]
    assert await contradictions(database) == []
    assert await oversold(database) == []


async def test_a_hundred_buyers_at_once_share_ten_units_exactly_and_the_counters_say_so(database: Database) -> None:
    """Seen: 100 accepted with a counter that says 2 (Medusa), 20 accepted with a counter of 2 (Vendure)."""
    async with hub_on(database) as hub:
        await applied(hub, [item("A"), receipt("A", 10, id_="r")])
        answers = await asyncio.gather(*(outcome(hub, database, ask(f"q{n}", ("A", 1))) for n in range(100)))
    assert granted(answers) == 10
    (row,) = await database.sql("select on_hand, reserved from stock")
    assert (row["on_hand"], row["reserved"]) == (10, 10)


async def test_the_same_item_twice_in_one_request_oversells(database: Database) -> None:
    """medusa#16502, vendure#2702, InvenTree#7285: 6 + 6 of 10 were 12 reserved."""
    async with hub_on(database) as hub:
        await applied(hub, [item("A"), receipt("A", 10, id_="r")])
        refused = await outcome(hub, database, ask("twice", ("A", 6), ("A", 6)))
        assert isinstance(refused, InsufficientStock)
        assert [(line.line_id, line.available, line.short) for line in refused.lines] == [("2", 4, 2)]
        part = await outcome(hub, database, ask("part", ("A", 6), ("A", 6), mode="partial"))
        assert isinstance(part, ReservationAnswer)
        assert [line.granted for line in part.lines] == [6, 4]
    assert await oversold(database) == []


async def test_a_kit_and_its_part_in_one_request_oversell(database: Database) -> None:
    """The same pain by the way of bundles: what the kit takes of a part is gone for the line beside it."""
    async with hub_on(database) as hub:
        await applied(
            hub,
            [item("A"), item("KIT", kind="kit", components=[{"sku": "A", "quantity": 2}]), receipt("A", 5, id_="r")],
        )
        refused = await outcome(hub, database, ask("q", ("KIT", 2), ("A", 2)))
        assert isinstance(refused, InsufficientStock)
        taken = await outcome(hub, database, ask("p", ("KIT", 2), ("A", 1)))
        assert isinstance(taken, ReservationAnswer)
    assert await oversold(database) == []


async def test_the_same_item_in_two_units_of_measure_in_one_request_oversells(database: Database) -> None:
    async with hub_on(database) as hub:
        await applied(hub, [item("A", uoms=[{"code": "carton", "factor": 6}]), receipt("A", 10, id_="r")])
        cartons = Line(line_id="c", sku="A", quantity=1, uom="carton")
        refused = await outcome(hub, database, ask("q", cartons, Line(line_id="e", sku="A", quantity=5)))
        assert isinstance(refused, InsufficientStock)
        assert granted([await outcome(hub, database, ask("p", cartons, Line(line_id="e", sku="A", quantity=4)))]) == 10


async def test_counters_drift_from_the_rows_and_cannot_be_repaired(database: Database) -> None:
    """medusa#12401, odoo#62139, Magento inventory#2046: here drift is found, shown where it begins, and mended."""
    async with hub_on(database) as hub:
        await applied(hub, [item("A"), receipt("A", 10, id_="r")])
        await hub.reserve(await client(database), ask("q", ("A", 3)))
        assert (await hub.verify()).ok
        await database.sql("update stock set on_hand = on_hand + 7, reserved = reserved - 1")
        await database.sql("update balance set quantity = quantity - 2 where quantity > 0")
        assert await contradictions(database) != []
        found = await hub.verify()
        assert not found.ok
        assert {difference.sku for difference in found.differences} == {"A"}
        await hub.rebuild()
        assert (await hub.verify()).ok
        assert await contradictions(database) == []


async def test_paid_then_out_of_stock(database: Database) -> None:
    """vendure#3065, solidus#3020: the check and the claim are one, and what is claimed stays until its deadline."""
    async with hub_on(database) as one, hub_on(database, network=None) as other:
        caller = await client(database)
        await applied(one, [item("A"), receipt("A", 1, id_="r")])
        basket = await one.reserve(caller, ask("basket", ("A", 1)))
        rivals = await asyncio.gather(*(outcome(other, database, ask(f"rival{n}", ("A", 1))) for n in range(10)))
        assert granted(rivals) == 0
        paid = await one.amend.fulfil(caller, basket.reservation_id)
        assert (paid.state, paid.lines[0].fulfilled) == ("fulfilled", 1)
        assert [row["on_hand"] for row in await database.sql("select on_hand from stock")] == [0]


async def test_an_order_is_granted_whole_or_not_at_all(database: Database) -> None:
    """Half an order that was paid whole is the same pain: no line stands when another does not."""
    async with hub_on(database) as hub:
        await applied(hub, [item("A"), item("B"), receipt("A", 5, id_="a"), receipt("B", 1, id_="b")])
        refused = await outcome(hub, database, ask("q", ("A", 5), ("B", 2)))
        assert isinstance(refused, InsufficientStock)
        assert await database.sql("select from claim") == []
        assert granted([await outcome(hub, database, ask("p", ("A", 5), ("B", 1)))]) == 6


async def test_every_short_line_is_told_and_not_only_the_last(database: Database) -> None:
    """Saleor: one order that empties three stocks tells only the last."""
    async with hub_on(database) as hub:
        await applied(hub, [item(sku) for sku in "ABC"])
        refused = await outcome(hub, database, ask("q", ("A", 1), ("B", 2), ("C", 3)))
        assert isinstance(refused, InsufficientStock)
        assert [(line.sku, line.short) for line in refused.lines] == [("A", 1), ("B", 2), ("C", 3)]


async def test_removing_more_than_there_is_is_not_clamped_in_silence(database: Database) -> None:
    """InvenTree: 468 of 530 removals were lost, and removing too much answered 200 with zero left."""
    async with hub_on(database) as hub:
        await applied(hub, [item("A"), receipt("A", 5, id_="r")])
        gone = [
            fact(
                "shipment.confirmed", {"location": "EAST", "lines": lines(sku="A", quantity=1)}, id_=f"s{n}", time=at(n)
            )
            for n in range(8)
        ]
        await asyncio.gather(*(applied(hub, [each]) for each in gone))
        assert [row["on_hand"] for row in await database.sql("select on_hand from stock")] == [-3]
        refused = await outcome(hub, database, ask("q", ("A", 1)))
        assert isinstance(refused, InsufficientStock)
        assert refused.lines[0].available == 0
    assert await contradictions(database) == []


@pytest.mark.parametrize("times", [2, 30])
async def test_duplicates_no_idempotency_keys(database: Database, times: int) -> None:
    """saleor/apps#339, ShopifySharp#919: a call sent again, at once or later, is the same call."""
    async with hub_on(database) as hub:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 9, id_="r")])
        answers = await asyncio.gather(*(hub.reserve(caller, ask("once", ("A", 2))) for _ in range(times)))
        assert len({answer.reservation_id for answer in answers}) == 1
        sold = fact("shipment.confirmed", {"location": "EAST", "lines": lines(sku="A", quantity=2)}, id_="s")
        told = [o.outcome for o in await hub.record([sold] * times)]
        assert told == ["applied"] + ["duplicate"] * (times - 1)
        (row,) = await database.sql("select on_hand, reserved from stock")
        assert (row["on_hand"], row["reserved"]) == (7, 2)
