"""What Tryton is told: sales, cancellations, returns, each with one effect whatever answer is lost on the way."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest

from onhand.sdk import AnswerLost, Delivered, Outcome, Rejected, Transient
from tests.connectors.tryton.conftest import Hub, outgoing
from tests.connectors.tryton.trade import FakeTrade

STEPS = (
    "model.sale.sale.create", "model.sale.sale.quote", "model.sale.sale.confirm", "model.sale.line.on_change",
)  # fmt: skip


async def test_an_order_becomes_a_confirmed_sale_at_its_own_prices_or_else_at_trytons(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    lines = [{"sku": sku, "quantity": 3, "unit_price": "9.50"}, {"sku": sku, "quantity": 1, "unit": "u"}]
    outcome = await hub.tell("order.create", "k1", order=f"O-{sku}", customer="C-1", currency="EUR", lines=lines)
    assert isinstance(outcome, Delivered)
    (sale,) = await hub.trade.sales(f"O-{sku}")
    assert sale["lines"] == [(sku, 3, Decimal("9.50")), (sku, 1, Decimal(10))]
    assert (sale["state"], sale["deliveries"]) == ("processing", "waiting")
    assert json.loads(outcome.answer)["number"]


async def test_the_same_order_said_again_is_the_same_sale(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    answers = set()
    for _ in range(3):
        outcome = await _order(hub, sku)
        assert isinstance(outcome, Delivered)
        answers.add(outcome.answer)
    assert len(answers) == 1
    assert len(await hub.trade.sales(f"O-{sku}")) == 1


@pytest.mark.parametrize("lost", STEPS)
async def test_an_answer_lost_after_any_step_leads_to_no_second_sale(hub: Hub, sku: str, lost: str) -> None:
    await hub.trade.item(sku, "Assam")
    command = outgoing("order.create", f"k-{sku}", _order_body(sku))
    with pytest.raises(AnswerLost):
        await hub.connector(lose=lost).send("order.create", [command])
    (outcome,) = await hub.connector().send("order.create", [command])
    assert isinstance(outcome, Delivered)
    (sale,) = await hub.trade.sales(f"O-{sku}")
    assert (sale["state"], sale["lines"]) == ("processing", [(sku, 3, Decimal(10))])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"customer": "NOBODY"}, "customer"),
        ({"customer": None}, "customer"),
        ({"warehouse": "NOWHERE"}, "warehouse"),
        ({"currency": "XXX"}, "currency"),
        ({"lines": [{"sku": "NO-SUCH-SKU", "quantity": 1}]}, "lines/0/sku"),
    ],
)
async def test_what_tryton_does_not_know_is_refused_by_its_field_and_leaves_nothing_behind(
    hub: Hub, sku: str, changes: dict[str, object], field: str
) -> None:
    await hub.trade.item(sku, "Assam")
    outcome = await hub.tell("order.create", f"k-{sku}", **{**_order_body(sku), **changes})
    assert isinstance(outcome, Rejected)
    assert outcome.field == field
    assert await hub.trade.sales(f"O-{sku}") == []


async def test_a_unit_or_a_price_that_is_none_is_refused(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    for number, line in enumerate(({"unit": "barrel"}, {"unit_price": "cheap"})):
        lines = [{"sku": sku, "quantity": 1}, {"sku": sku, "quantity": 1, **line}]
        outcome = await hub.tell("order.create", f"k-{number}-{sku}", order=f"O-{sku}", customer="C-1", lines=lines)
        assert isinstance(outcome, Rejected)
        assert outcome.field == f"lines/1/{next(iter(line))}"
    assert await hub.trade.sales(f"O-{sku}") == []


async def test_a_body_that_is_not_what_the_operation_takes_is_refused(hub: Hub) -> None:
    for operation in ("order.create", "order.cancel", "return.create"):
        assert isinstance(await hub.tell(operation, f"bad-{operation}", lines="three"), Rejected)


async def test_an_order_that_waits_is_cancelled_with_its_deliveries(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    await _order(hub, sku)
    for _ in range(2):
        assert isinstance(await hub.tell("order.cancel", f"c-{sku}", order=f"O-{sku}"), Delivered)
        (sale,) = await hub.trade.sales(f"O-{sku}")
        assert sale["deliveries"] == "none"


@pytest.mark.parametrize("trade", ["fake"], indirect=True)
async def test_an_order_that_is_confirmed_and_not_yet_processed_is_cancelled_before_it_gets_deliveries(
    hub: Hub, sku: str
) -> None:
    """Where Tryton's worker processes sales later, a cancelled one must not get its deliveries after all."""
    assert isinstance(hub.trade, FakeTrade)
    company = hub.trade.fake.trade
    company.processes_later = True
    await hub.trade.item(sku, "Assam")
    await _order(hub, sku)
    (sale,) = company.sales(f"O-{sku}")
    assert sale["state"] == "confirmed"
    assert isinstance(await hub.tell("order.cancel", f"c-{sku}", order=f"O-{sku}"), Delivered)
    company.process(sale)
    assert (sale["state"], sale["shipments"]) == ("cancelled", [])
    assert isinstance(await _order(hub, sku), Delivered)
    assert sale["state"] == "cancelled"


@pytest.mark.parametrize("trade", ["fake"], indirect=True)
async def test_a_sale_whose_processing_begins_while_it_is_cancelled_is_tried_again(hub: Hub, sku: str) -> None:
    assert isinstance(hub.trade, FakeTrade)
    company = hub.trade.fake.trade
    company.processes_later = True
    await hub.trade.item(sku, "Assam")
    await _order(hub, sku)
    (sale,) = company.sales(f"O-{sku}")
    cancelling = hub.connector(after={"model.sale.sale.search_read": lambda: company.process(sale)})
    command = outgoing("order.cancel", f"c-{sku}", {"order": f"O-{sku}"})
    (outcome,) = await cancelling.send("order.cancel", [command])
    assert isinstance(outcome, Transient)
    assert isinstance(await hub.tell("order.cancel", f"c-{sku}", order=f"O-{sku}"), Delivered)
    assert sale["shipment_state"] == "none"


@pytest.mark.parametrize("lost", ["model.stock.shipment.out.cancel", "wizard.sale.handle.shipment.exception.execute"])
async def test_a_cancellation_whose_answer_was_lost_is_finished_by_the_next_try(hub: Hub, sku: str, lost: str) -> None:
    await hub.trade.item(sku, "Assam")
    await _order(hub, sku)
    command = outgoing("order.cancel", f"c-{sku}", {"order": f"O-{sku}"})
    with pytest.raises(AnswerLost):
        await hub.connector(lose=lost).send("order.cancel", [command])
    (outcome,) = await hub.connector().send("order.cancel", [command])
    assert isinstance(outcome, Delivered)
    (sale,) = await hub.trade.sales(f"O-{sku}")
    assert sale["deliveries"] == "none"


async def test_an_order_that_has_left_is_not_cancelled(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    await hub.trade.receive(sku, 5)
    await _order(hub, sku)
    await hub.trade.deliver(f"O-{sku}")
    outcome = await hub.tell("order.cancel", f"c-{sku}", order=f"O-{sku}")
    assert isinstance(outcome, Rejected)
    assert outcome.reason.endswith("is done already.")
    assert isinstance(await hub.tell("order.cancel", f"d-{sku}", order=f"NO-{sku}"), Rejected)


async def test_a_return_is_a_sale_of_less_than_nothing_for_the_customer_of_its_order(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    await _order(hub, sku)
    body: dict[str, object] = {
        "reference": f"R-{sku}", "order": f"O-{sku}", "lines": [{"sku": sku, "quantity": 2}],
    }  # fmt: skip
    for _ in range(2):
        assert isinstance(await hub.tell("return.create", f"r-{sku}", **body), Delivered)
    (sale,) = await hub.trade.sales(f"R-{sku}")
    assert sale["lines"] == [(sku, -2, Decimal(10))]
    assert isinstance(await hub.tell("order.cancel", f"c-{sku}", order=f"R-{sku}"), Rejected)


async def test_orders_for_one_item_at_once_are_made_once_each_however_often_they_are_tried(hub: Hub, sku: str) -> None:
    """On one hot item Tryton answers 503: nothing was done, and the hub, which keeps order by item, says it again."""
    await hub.trade.item(sku, "Assam")
    if isinstance(hub.trade, FakeTrade):
        hub.trade.fake.contended = True
    connector = hub.connector()
    await connector.check()

    async def until_done(number: int) -> int:
        body = {**_order_body(sku), "order": f"O-{sku}-{number}"}
        for tries in range(1, 40):
            (outcome,) = await connector.send("order.create", [outgoing("order.create", f"k-{sku}-{number}", body)])
            if isinstance(outcome, Delivered):
                return tries
            assert isinstance(outcome, Transient), outcome
        raise AssertionError("never done")

    tries = await asyncio.gather(*map(until_done, range(8)))
    if isinstance(hub.trade, FakeTrade):
        assert max(tries) > 1, "nobody got in anybody's way"
    for number in range(8):
        (sale,) = await hub.trade.sales(f"O-{sku}-{number}")
        assert sale["state"] == "processing"


@pytest.mark.parametrize("trade", ["fake"], indirect=True)
async def test_an_error_of_the_login_is_never_the_fault_of_a_message(hub: Hub, sku: str) -> None:
    """A real Tryton whose server has started without loading the database answers 200 and an error of its own."""
    assert isinstance(hub.trade, FakeTrade)
    await hub.trade.item(sku, "Assam")
    hub.trade.fake.loaded = False
    assert isinstance(await _order(hub, sku), Transient)
    hub.trade.fake.loaded = True
    assert isinstance(await _order(hub, sku), Delivered)


def _order_body(sku: str) -> dict[str, object]:
    return {"order": f"O-{sku}", "customer": "C-1", "lines": [{"sku": sku, "quantity": 3}]}


async def _order(hub: Hub, sku: str) -> Outcome:
    return await hub.tell("order.create", f"k-{sku}", **_order_body(sku))
