"""What only the stand-in can play: faults, races at the very moment, and the language in which it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from onhand.connectors.vendure import documents, fake_graphql
from onhand.connectors.vendure.connector import Vendure
from onhand.connectors.vendure.fake import Fake
from onhand.flow.transport import Transport
from onhand.sdk import (
    AnswerLost,
    Delivered,
    Gone,
    Outcome,
    ReadFailed,
    StockUpdate,
    Throttled,
    Transient,
    Unauthorised,
    Unknown,
)
from onhand.sdk.fake import Fault
from tests.connectors.vendure.conftest import Hub, outgoing

DOCUMENTS = {name: text for name, text in vars(documents).items() if name.isupper() and not name.startswith("_")}


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[Fake]:
    async with Fake(seed=7) as made:
        yield made


@pytest_asyncio.fixture
async def vendure(fake: Fake, tmp_path: Path) -> AsyncIterator[Vendure]:
    async with Transport() as transport:
        made = Hub(fake, tmp_path / "secret", transport).connector()
        assert isinstance(made, Vendure)
        yield made


async def outcome_of_reading(vendure: Vendure) -> Outcome:
    with pytest.raises(ReadFailed) as failed:
        await vendure.read("orders", None, limit=10)
    return failed.value.outcome


async def publish(vendure: Vendure, sku: str, quantity: int) -> Outcome:
    (outcome,) = await vendure.publish([StockUpdate(listing=sku, sku=sku, quantity=quantity)], key="k")
    return outcome


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(kind="status", status=503, headers={"retry-after": "7"}), Transient),
        (Fault(kind="status", status=429, headers={"retry-after": "7"}), Throttled),
        (Fault(kind="garbage"), Transient),
    ],
)
async def test_a_sick_answer_to_a_question_is_no_verdict(
    fake: Fake, vendure: Vendure, fault: Fault, kind: type[Outcome]
) -> None:
    await vendure.read("orders", None, limit=1)
    fake.sicken(fault)
    assert isinstance(await outcome_of_reading(vendure), kind)
    await vendure.read("orders", None, limit=1)


async def test_a_sick_answer_to_a_change_leaves_open_whether_it_happened(fake: Fake, vendure: Vendure) -> None:
    sku = fake.add_goods(on_hand=0)
    await vendure.read_back([(sku, None)])
    fake.sicken(Fault(kind="slow"))  # the question passes, the change behind it does not
    fake.sicken(Fault(kind="garbage"))
    assert isinstance(await publish(vendure, sku, 5), Unknown)
    assert fake.saleable(sku) == 5
    assert isinstance(await publish(vendure, sku, 5), Delivered)


@pytest.mark.parametrize("operation", ["order.fulfil", "order.cancel"])
async def test_an_answer_that_was_lost_is_found_done_at_the_next_try(
    fake: Fake, vendure: Vendure, operation: str
) -> None:
    body = fake.command(operation, 1)
    await vendure.read("orders", None, limit=1)
    fake.sicken(Fault(kind="slow"))
    fake.sicken(Fault(kind="lose_answer"))
    with pytest.raises(AnswerLost):
        await vendure.send(operation, [outgoing(operation, body)])
    (outcome,) = await vendure.send(operation, [outgoing(operation, body, verify=True)])
    assert isinstance(outcome, Delivered)
    assert await fake.happened(operation, body, "key-1") == 1


async def test_a_sale_between_reading_and_setting_is_made_up_for(
    fake: Fake, vendure: Vendure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's fulfilment took the same units off both counts: the number would be one too high."""
    sku = fake.add_goods(on_hand=10)
    code = fake.sell({sku: 1})
    plain, left = fake.api.answer, [True]

    def with_a_sale(body: bytes, *, headers: dict[str, str]) -> object:
        if b"SetStock" in body and left.pop() if left else False:
            line = fake.shop.sales[code].lines[0].id
            given = {"lines": [{"orderLineId": line, "quantity": 1}], "handler": {"arguments": []}}
            fake.shop.fulfil(given)
        return plain(body, headers=headers)

    monkeypatch.setattr(fake.api, "answer", with_a_sale)
    assert isinstance(await publish(vendure, sku, 4), Delivered)
    assert fake.saleable(sku) == 4


async def test_a_number_that_somebody_else_keeps_changing_is_tried_again_later(
    fake: Fake, vendure: Vendure, monkeypatch: pytest.MonkeyPatch
) -> None:
    sku = fake.add_goods(on_hand=10)
    plain = fake.api.answer

    def with_somebody_else(body: bytes, *, headers: dict[str, str]) -> object:
        if b"SetStock" in body:
            fake.sell({sku: 1})
        return plain(body, headers=headers)

    monkeypatch.setattr(fake.api, "answer", with_somebody_else)
    assert isinstance(await publish(vendure, sku, 4), Transient)


async def test_vendure_loses_count_of_sales_at_one_time_and_the_stand_in_does_too(fake: Fake) -> None:
    sku = fake.add_goods(on_hand=20)
    await fake.rush(sku, 20)
    assert (len(fake.shop.sales), fake.allocated(sku)) == (20, 1)
    assert fake.saleable(sku) == 19


async def test_a_variant_that_is_deleted_meanwhile_does_not_spoil_its_batch(
    fake: Fake, vendure: Vendure, monkeypatch: pytest.MonkeyPatch
) -> None:
    skus = [fake.add_goods(on_hand=0) for _ in range(3)]
    plain = fake.api.answer

    def with_a_deletion(body: bytes, *, headers: dict[str, str]) -> object:
        if b"SetStock" in body and skus[1] in fake.shop.by_sku and fake.shop.by_sku[skus[1]]:
            fake.delete(skus[1])
        return plain(body, headers=headers)

    monkeypatch.setattr(fake.api, "answer", with_a_deletion)
    outcomes = await vendure.publish([StockUpdate(listing=sku, sku=sku, quantity=5) for sku in skus], key="k")
    assert [type(outcome) for outcome in outcomes] == [Delivered, Gone, Delivered]
    assert [fake.saleable(sku) for sku in (skus[0], skus[2])] == [5, 5]


async def test_many_calls_at_one_time_log_in_once(fake: Fake, vendure: Vendure) -> None:
    """A login costs Vendure a slow hash each time."""
    await asyncio.gather(*(vendure.read("orders", None, limit=1) for _ in range(8)))
    await fake.end_sessions()
    await asyncio.gather(*(vendure.read("orders", None, limit=1) for _ in range(8)))
    assert sum(b"mutation Login" in heard.body for heard in fake.heard) == 2


async def test_a_large_shop_is_told_whole(fake: Fake, vendure: Vendure) -> None:
    """More variants than Vendure gives in one list."""
    await fake.populate("stock", 2_300)
    read: list[str] = []
    cursor: str | None = None
    more = True
    while more:
        page = await vendure.read("stock", cursor, limit=10_000)
        read += [message.key for message in page.messages]
        cursor, more = page.cursor, page.more
    assert sorted(read) == sorted(await fake.keys("stock"))
    assert sum(found.kind == "item" for found in await vendure.discover()) == 2_300


async def test_a_stock_location_that_is_not_there_is_a_matter_of_configuration(fake: Fake, tmp_path: Path) -> None:
    sku = fake.add_goods(on_hand=0)
    async with Transport() as transport:
        made = Hub(fake, tmp_path / "secret", transport).connector(stock_location="Atlantis")
        (outcome,) = await made.publish([StockUpdate(listing=sku, sku=sku, quantity=1)], key="k")
    assert isinstance(outcome, Unauthorised)
    assert "Atlantis" in outcome.detail


async def test_the_same_seed_gives_the_same_orders() -> None:
    def codes(seed: int) -> list[str]:
        fake = Fake(seed=seed)
        sku = fake.add_goods(on_hand=9)
        return [fake.sell({sku: 1}) for _ in range(3)]

    assert codes(1) == codes(1) != codes(2)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_of_the_connector_can_be_read(name: str) -> None:
    operation = fake_graphql.parse(DOCUMENTS[name])
    assert operation.kind == DOCUMENTS[name].split()[0]
    assert all(field.inner for field in operation.fields)


@pytest.mark.parametrize("document", ["", "{", "{ a ", "{ a(b: }", "query($x: Int { a }", "{ a { b }"])
def test_half_a_document_is_refused(document: str) -> None:
    with pytest.raises((fake_graphql.NotUnderstood, IndexError)):
        fake_graphql.parse(document)


def test_an_answer_holds_exactly_what_was_asked_for() -> None:
    (field,) = fake_graphql.parse(
        """query Q($n: Int) { shop: shops(first: $n, open: true, in: ["a", 2], by: { name: ASC }) {
             id ... on Big { size } ... on ErrorResult { errorCode } } }"""
    ).fields
    assert (field.name, field.alias) == ("shops", "shop")
    assert field.given({"n": 3}) == {"first": 3, "open": True, "in": ["a", 2], "by": {"name": "ASC"}}
    big = {"__typename": "Big", "id": 1, "size": 9, "secret": 0}
    assert fake_graphql.project([big], field.inner, {}) == [{"id": 1, "size": 9}]
    with pytest.raises(fake_graphql.NotUnderstood, match="id"):
        fake_graphql.project({"__typename": "Big", "size": 9}, field.inner, {})
