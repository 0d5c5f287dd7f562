"""The marketplace's stand-in keeps its limits and tells nobody too much; the connector lives with that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
import pytest_asyncio

from onhand.app.mapping_files import read_mapping
from onhand.connectors.bazaar import webhooks
from onhand.connectors.bazaar.connector import BazaarConnector
from onhand.connectors.bazaar.documents import told_of
from onhand.connectors.bazaar.fake import Fake
from onhand.domain.endpoint import Endpoint
from onhand.domain.mapping import Context
from onhand.domain.outcome import Delivered, Gone, Rejected, Throttled, Unknown
from onhand.flow.link import EndpointLink
from onhand.flow.transport import Transport
from onhand.sdk import Answer, Arrival, Outgoing, ReadFailed, StockUpdate, Told, WebhookRefused
from onhand.sdk.fake import Fault
from onhand.sdk.registry import installed

NOON = datetime(2026, 3, 1, 20, tzinfo=UTC)
"""Noon in Los Angeles."""


class Clock:
    """One clock for the marketplace and the hub; it stands until it is told to go on."""

    def __init__(self) -> None:
        self.now = NOON

    def wall(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return (self.now - NOON).total_seconds()

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Stage:
    """The stand-in, the connector that faces it, and their clock."""

    def __init__(self, folder: Path, clock: Clock, **limits: Any) -> None:
        self.clock = clock
        self.fake = Fake(seed=7, secret="s3cret", clock=clock.seconds, wall=clock.wall, **limits)  # noqa: S106
        self.secret = folder / "secret"
        self.transport = Transport()

    async def __aenter__(self) -> Self:
        await self.fake.start()
        self.secret.write_text(self.fake.credentials())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.transport.close()
        await self.fake.stop()

    def connector(self, **settings: Any) -> BazaarConnector:
        whole = {**self.fake.settings(), **settings}
        endpoint = Endpoint(
            code="bazaar", system="bazaar", base_url=self.fake.url, sender="bazaar", settings=whole,
            secret=f"file:{self.secret}", allow_private_addresses=True, timeout_s=5,
        )  # fmt: skip
        made = installed().get("bazaar").make(whole, EndpointLink(endpoint, self.transport, clock=self.clock.wall))
        assert isinstance(made, BazaarConnector)
        return made


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Stage(tmp_path, Clock()) as made:
        yield made


def update(listing: str, quantity: int) -> StockUpdate:
    return StockUpdate(listing=listing, quantity=quantity, sku=listing)


def outgoing(operation: str, key: str = "k-1", **body: Any) -> Outgoing:
    return Outgoing(
        id=1, lane="normal", operation=operation, ordering_key=None, idempotency_key=key, limit_key=None,
        body=msgspec.json.encode(body).decode(), cause="test", created_at=NOON, deadline_at=NOON, tries=0, attempts=0,
        verify=False,
    )  # fmt: skip


async def published(connector: BazaarConnector, *updates: StockUpdate, key: str = "k-1") -> str:
    """Publish and return the ticket."""
    outcomes = await connector.publish(updates, key=key)
    assert all(isinstance(each, Delivered) for each in outcomes), outcomes
    assert len(outcomes) == len(updates)
    assert isinstance(outcomes[0], Delivered)
    return outcomes[0].answer


# --------------------------------------------------------------------------------------------------------------- feeds


async def test_a_feed_is_accepted_at_once_and_looked_at_half_an_hour_later(stage: Stage) -> None:
    market, connector = stage.fake.market, stage.connector()
    market.list_item("L-1", "A")
    ticket = await published(connector, update("L-1", 5))
    assert market.listings["L-1"].quantity == 0

    early = await connector.ticket(ticket)
    stage.clock.forward(1_799)
    last = await connector.ticket(ticket)
    stage.clock.forward(1)
    late = await connector.ticket(ticket)

    assert (early.done, early.retry_after_s, last.done, last.retry_after_s) == (False, 1_800, False, 1)
    assert late.done
    assert isinstance(late.results["L-1"], Delivered)
    assert market.listings["L-1"].quantity == 5


async def test_each_listing_of_a_feed_has_a_verdict_of_its_own(tmp_path: Path) -> None:
    async with Stage(tmp_path, Clock(), cap=2) as stage:
        market, connector = stage.fake.market, stage.connector()
        for name in ("L-1", "L-2", "L-3"):
            market.list_item(name, name)
        market.listings["L-2"].on_hold = True
        for number in range(2):
            await published(connector, update("L-3", number), key=f"spent-{number}")
        ticket = await published(connector, update("L-1", 1), update("L-2", 1), update("L-3", 9), update("L-4", 1))
        stage.clock.forward(1_800)

        results = (await connector.ticket(ticket)).results

        assert isinstance(results["L-1"], Delivered)
        assert results["L-2"] == Rejected(reason="price_hold", detail="price_hold")
        assert isinstance(results["L-4"], Gone)
        capped = results["L-3"]
        assert isinstance(capped, Throttled)
        assert capped.retry_after_s == 12 * 3_600 - 1_800, "until midnight in Los Angeles"
        assert stage.fake.broken == ["L-3 was edited more than 2 times on 2026-03-01"]


async def test_the_cap_ends_at_the_marketplaces_own_midnight(tmp_path: Path) -> None:
    async with Stage(tmp_path, Clock(), cap=1) as stage:
        stage.fake.market.list_item("L-1", "A")
        connector = stage.connector()
        await published(connector, update("L-1", 1), key="a")
        stage.clock.forward(12 * 3_600 - 1)
        late = await published(connector, update("L-1", 2), key="b")
        stage.clock.forward(1)
        next_day = await published(connector, update("L-1", 3), key="c")
        stage.clock.forward(1_800)
        assert isinstance((await connector.ticket(late)).results["L-1"], Throttled)
        assert isinstance((await connector.ticket(next_day)).results["L-1"], Delivered)


async def test_the_same_numbers_under_the_same_key_are_one_feed_and_cost_one_edit(stage: Stage) -> None:
    market, connector = stage.fake.market, stage.connector()
    listing = market.list_item("L-1", "A")
    tickets = {await published(connector, update("L-1", 5)) for _ in range(3)}
    assert (len(tickets), listing.edits[market.today()]) == (1, 1)
    assert await published(connector, update("L-1", 4)) not in tickets, "a newer number under the old key is said"
    market.work(everything=True)
    assert listing.quantity == 4


async def test_a_feed_whose_answer_was_lost_is_not_taken_twice(stage: Stage) -> None:
    market, connector = stage.fake.market, stage.connector()
    market.list_item("L-1", "A")
    stage.fake.sicken(Fault(kind="garbage"))
    assert isinstance((await connector.publish([update("L-1", 5)], key="k"))[0], Unknown)
    await published(connector, update("L-1", 5), key="k")
    assert len(market.feeds) == 1


async def test_a_number_above_the_maximum_is_cut_in_silence_and_only_reading_back_tells(stage: Stage) -> None:
    market, connector = stage.fake.market, stage.connector()
    market.list_item("L-1", "A", maximum=50)
    ticket = await published(connector, update("L-1", 120))
    stage.clock.forward(1_800)
    assert isinstance((await connector.ticket(ticket)).results["L-1"], Delivered), "it says that it was applied"
    stage.clock.forward(60)
    (shown,) = await connector.read_back([("L-1", None)])
    assert shown.quantity == 50


async def test_a_read_back_soon_after_shows_the_old_number_for_a_while(stage: Stage) -> None:
    market, connector = stage.fake.market, stage.connector()
    market.list_item("L-1", "A")
    for number in (5, 6):
        await published(connector, update("L-1", number))
        stage.clock.forward(1_800)
    assert [each.quantity for each in await connector.read_back([("L-1", None)])] == [5]
    stage.clock.forward(59)
    assert [each.quantity for each in await connector.read_back([("L-1", None)])] == [5]
    stage.clock.forward(1)
    assert [each.quantity for each in await connector.read_back([("L-1", None)])] == [6]


async def test_listings_are_read_back_fifty_at_a_time_and_strange_names_survive(stage: Stage) -> None:
    names = [f"L-{n}" for n in range(118)] + ["a,b&c=d/e ü%2C", "none"]
    for name in names[:-1]:
        stage.fake.market.list_item(name, "A")
    before = stage.fake.calls
    shown = await stage.connector().read_back([(name, None) for name in names])
    assert [each.listing for each in shown] == names
    assert [each.quantity for each in shown] == [0] * 119 + [None]
    assert stage.fake.calls - before == 3
    assert stage.fake.broken == []
    assert len(await stage.connector().discover()) == 119


async def test_long_names_are_read_back_in_addresses_that_a_server_takes(stage: Stage) -> None:
    names = [f"L-{n}-" + "ü" * 150 for n in range(50)]
    for name in names:
        stage.fake.market.list_item(name, "A")
    shown = await stage.connector().read_back([(name, None) for name in names])
    assert [each.quantity for each in shown] == [0] * 50


async def test_a_listing_that_is_named_twice_in_a_call_is_told_its_last_number(stage: Stage) -> None:
    market, connector = stage.fake.market, stage.connector()
    listing = market.list_item("L-1", "A")
    market.list_item("L-2", "B")
    await published(connector, update("L-1", 5), update("L-2", 6), update("L-1", 7))
    market.work(everything=True)
    assert (listing.quantity, listing.edits[market.today()]) == (7, 1)


# -------------------------------------------------------------------------------------------------------------- calls


async def test_calls_of_other_sellers_use_up_what_we_share_with_them(tmp_path: Path) -> None:
    async with Stage(tmp_path, Clock(), calls=(10, 60.0)) as stage:
        connector = stage.connector()
        await connector.read("orders", None, limit=1)
        stage.clock.forward(20)
        stage.fake.others_call(9)
        with pytest.raises(ReadFailed) as caught:
            await connector.read("orders", None, limit=1)
        outcome = caught.value.outcome
        assert isinstance(outcome, Throttled)
        assert outcome.retry_after_s == 41, "the first of our calls has to be forgotten"
        assert stage.fake.broken == [], "it was not we who exceeded it"
        stage.clock.forward(41)
        await connector.read("orders", None, limit=1)


async def test_answers_tell_what_is_left_of_the_shared_calls(tmp_path: Path) -> None:
    async with Stage(tmp_path, Clock(), calls=(10, 60.0)) as stage:
        stage.fake.market.list_item("L-1", "A")
        stage.fake.others_call(4)
        (outcome,) = await stage.connector().publish([update("L-1", 1)], key="k")
        assert outcome.told == Told(available=5, capacity=10)


@pytest.mark.parametrize("header", [None, "", "left=x", "left", "left=9999999999", "\x00", "limit=-1, left=+1"])
def test_a_header_that_tells_nothing_of_calls_is_no_accident(header: str | None) -> None:
    headers = {} if header is None else {"x-bazaar-calls": header}
    assert told_of(Answer(status=200, headers=headers, body=b"{}")) is None


async def test_polling_faster_than_once_in_three_minutes_is_noticed_after_the_burst(tmp_path: Path) -> None:
    async with Stage(tmp_path, Clock(), orders_rate=(1 / 180, 3)) as stage:
        connector = stage.connector()
        for _ in range(3):
            await connector.read("orders", None, limit=1)
        with pytest.raises(ReadFailed) as caught:
            await connector.read("orders", None, limit=1)
        assert isinstance(caught.value.outcome, Throttled)
        assert caught.value.outcome.retry_after_s == pytest.approx(180, abs=1)
        assert stage.fake.broken == ["orders were polled more often than is allowed"]
        stage.clock.forward(181)
        await connector.read("orders", None, limit=1)


# ------------------------------------------------------------------------------------------------------------- orders


async def test_an_order_is_kept_as_it_was_sent_and_each_change_is_a_message(stage: Stage) -> None:
    order = stage.fake.market.order(lines=[("TEA-001", 2)])
    connector = stage.connector()
    page = await connector.read("orders", None, limit=10)
    (message,) = page.messages
    assert message.key == "B-100001/1"
    assert msgspec.json.decode(message.body) == order
    assert message.occurred_at is not None
    assert message.occurred_at.utcoffset() is not None
    stage.clock.forward(1)
    stage.fake.market.change(order)
    assert [m.key for m in (await connector.read("orders", page.cursor, limit=10)).messages] == ["B-100001/2"]


async def test_a_round_begins_before_the_newest_change_so_that_what_is_committed_late_is_seen(stage: Stage) -> None:
    market, connector = stage.fake.market, stage.connector(overlap_s=600)
    for _ in range(5):
        market.order()
        stage.clock.forward(300)
    cursor, seen = None, []
    while True:
        page = await connector.read("orders", cursor, limit=2)
        seen += [message.key for message in page.messages]
        cursor = page.cursor
        if not page.more:
            break
    assert seen == [f"B-10000{n}/1" for n in range(1, 6)]
    late = market.order(updated_at=stage.clock.now - timedelta(seconds=800))
    found = [m.key for m in (await connector.read("orders", cursor, limit=10)).messages]
    assert f"{late['id']}/1" in found
    assert "B-100001/1" not in found, "only the overlap is read again"


async def test_orders_from_before_a_day_may_be_left_out(stage: Stage) -> None:
    stage.fake.market.order(updated_at=NOON - timedelta(days=9))
    stage.fake.market.order()
    page = await stage.connector(orders_since="2026-02-28T00:00:00Z").read("orders", None, limit=10)
    assert [message.key for message in page.messages] == ["B-100002/1"]


@pytest.mark.parametrize("cursor", ["nonsense", "[]", '{"since": 5}'])
async def test_a_cursor_of_another_kind_begins_anew(stage: Stage, cursor: str) -> None:
    stage.fake.market.order()
    assert len((await stage.connector().read("orders", cursor, limit=10)).messages) == 1


async def test_the_same_change_has_the_same_key_polled_or_heard(stage: Stage) -> None:
    connector = stage.connector()
    arrival = stage.fake.webhook("orders", "good", now=stage.clock.now)
    (heard,) = connector.arrived("orders", arrival)
    (polled,) = (await connector.read("orders", None, limit=10)).messages
    assert heard.key == polled.key
    assert msgspec.json.decode(heard.body) == msgspec.json.decode(polled.body)


def signed(key: str, body: bytes, at: datetime) -> Arrival:
    timestamp = str(int(at.timestamp()))
    headers = {webhooks.TIME: timestamp, webhooks.SIGNATURE: webhooks.sign(key.encode(), timestamp, body)}
    return Arrival(path="/v1/inbox/orders", headers=headers, body=body, received_at=NOON)


async def test_a_webhook_is_taken_while_the_key_changes_and_refused_when_its_time_was_changed(stage: Stage) -> None:
    connector = stage.connector(webhook_tolerance_s=60)
    key = msgspec.json.decode(stage.fake.credentials())["signing_key"]
    body = msgspec.json.encode({"event": "order.updated", "order": stage.fake.market.order()})
    good = signed(key, body, NOON)
    both = {**good.headers, webhooks.SIGNATURE: f"v2=00, v1=zz, v1={'00' * 32}, {good.headers[webhooks.SIGNATURE]}"}
    assert connector.arrived("orders", msgspec.structs.replace(good, headers=both))
    moved = {**good.headers, webhooks.TIME: str(int(NOON.timestamp()) + 1)}
    for arrival, reason in (
        (msgspec.structs.replace(good, headers=moved), "bad_signature"),
        (msgspec.structs.replace(good, body=body + b" "), "bad_signature"),
        (signed("other", body, NOON), "bad_signature"),
        (signed(key, body, NOON - timedelta(seconds=61)), "stale"),
        (signed(key, body, NOON + timedelta(seconds=61)), "stale"),
        (signed(key, b"[" * 100_000, NOON), "malformed"),
        (signed(key, b'{"event": "order.updated", "order": {"id": "x"}}', NOON), "malformed"),
        (signed(key, b'{"event": "listing.sold", "order": {}}', NOON), "malformed"),
    ):
        with pytest.raises(WebhookRefused) as caught:
            connector.arrived("orders", arrival)
        assert caught.value.reason == reason


async def test_what_is_told_about_an_order_happens_once_and_a_state_that_forbids_it_is_no_matter_of_waiting(
    stage: Stage,
) -> None:
    market, connector = stage.fake.market, stage.connector()
    first, second = market.order(lines=[("A", 2), ("B", 1)])["id"], market.order()["id"]
    for _ in range(2):
        (outcome,) = await connector.send("order.acknowledge", [outgoing("order.acknowledge", order=first)])
        assert isinstance(outcome, Delivered)
    line = {"line": "2", "quantity": 1}
    part = outgoing("order.cancel", "k-2", order=first, reason="broken", lines=[line])
    ship = outgoing(
        "order.ship", "k-3", order=first, carrier="post", tracking="T1", lines=[{"line": "1", "quantity": 2}]
    )
    for command in (part, part, ship, ship):
        (outcome,) = await connector.send(command.operation, [command])
        assert isinstance(outcome, Delivered)
    assert dict(market.effects) == {("acknowledged", first): 1, ("cancelled", first): 1, ("shipped", first): 1}

    (forbidden,) = await connector.send("order.cancel", [outgoing("order.cancel", "k-4", order=first)])
    (reused,) = await connector.send("order.cancel", [outgoing("order.cancel", "k-3", order=second)])
    (unknown,) = await connector.send("order.ship", [outgoing("order.ship", "k-5", order="B/../x")])
    (nameless,) = await connector.send("order.ship", [outgoing("order.ship", "k-6", lines=[])])
    assert isinstance(forbidden, Rejected)
    assert "shipped" in forbidden.reason
    assert isinstance(reused, Rejected)
    assert "key was used for something else" in reused.reason
    assert isinstance(unknown, Gone)
    assert nameless == Rejected(reason="the body names no order", field="order")


# ------------------------------------------------------------------------------------------------------------- mapping


def events_of(body: bytes) -> list[Any]:
    mapping = read_mapping(installed().get("bazaar").text("mapping.yaml"), file="mapping.yaml")["orders"]
    context = Context(system="bazaar", look_up=lambda _kind, _code: None, received_at=NOON)
    return mapping.apply(msgspec.json.decode(body), context)


def test_an_order_is_accepted_once_whatever_becomes_of_it_and_each_cancellation_is_a_fact() -> None:
    samples = installed().get("bazaar").folder / "samples" / "orders"
    new = events_of((samples / "new.json").read_bytes())
    later = events_of((samples / "cancelled-in-part.json").read_bytes())
    assert [event.type for event in new] == ["order.accepted"]
    assert [event.type for event in later] == ["order.accepted", "order.changed", "order.cancelled"]
    assert later[0] == new[0], "the same fact, also when the order has changed since"
    assert new[0].id == "order/B-100017/accepted"
    assert new[0].data["lines"][0] == {"line_id": "1", "sku": "TEA-001", "quantity": 2, "unit_price": "7.95"}
    assert later[1].data["lines"][0]["quantity"] == 3
    assert later[2].data == {
        "order": "B-100017", "channel": "bazaar", "reason": "no stock",
        "lines": [{"line_id": "2", "sku": "CUP-07", "quantity": 1}],
    }  # fmt: skip


async def test_an_order_that_was_cancelled_before_it_was_read_is_accepted_and_cancelled(stage: Stage) -> None:
    order = stage.fake.market.order()
    stage.fake.market.cancel(order, {})
    (message,) = (await stage.connector().read("orders", None, limit=10)).messages
    assert [event.type for event in events_of(message.body)] == ["order.accepted", "order.cancelled"]


async def test_the_stand_in_tells_the_same_story_for_the_same_seed(tmp_path: Path) -> None:
    stories = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        async with Stage(tmp_path / str(number), Clock()) as stage:
            await stage.fake.populate("orders", 5)
            page = await stage.connector().read("orders", None, limit=10)
            stories.append([message.body for message in page.messages])
    assert stories[0] == stories[1]
