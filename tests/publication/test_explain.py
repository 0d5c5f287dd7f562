"""P10: every published number leads back to event ids, promises, policy and calls; its terms add up, now and then."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from onhand.app.publish_status import NotPublished
from onhand.domain.network import RingFence
from onhand.domain.resolving import UnknownChannel
from onhand.store.postgres.driver import Database
from tests.publication.market import Market
from tests.publication.world import Clock, policy, publishing

FENCES = (RingFence(group="desk", sku="TEA", location="A", quantity=4),)


async def test_a_number_leads_to_events_promises_policy_and_calls(database: Database) -> None:
    from tests.app.world import channel  # noqa: PLC0415

    market = Market("TEA")
    terms = {"safety_stock": {"default": 5}, "max_listed": {"default": 60}}
    async with publishing(database, market, channel=terms, publish=policy(round_to=10)) as world:
        net = world.at.hub
        await world.at.item("TEA")
        receipt = await world.at.receive("TEA", 80, location="A")
        await world.at.receive("TEA", 7, location="B")
        held = await world.at.reserve("TEA", 12)
        node = world.node()
        await node.settle()
        found = await net.explain("web", "TEA")
        (line,) = found.lines
        assert line.number == market.numbers["TEA"] == 60
        assert sum(term.quantity for term in line.terms) == 60
        assert found.safety_stock == 5
        assert found.max_listed == 60
        assert receipt in {row.event_id for row in found.balances}
        assert receipt in {row.event_id for row in found.movements}
        assert {row.request_id for row in found.reservations} == {held.request_id}
        assert sum(row.quantity for row in found.reservations) == 12
        assert line.listing is not None
        assert (line.listing.sent, line.listing.acknowledged) == (60, 60)
        (step,) = [each for each in found.history if each.what == "acknowledged"]
        (attempt,) = [each for each in found.attempts if each.command == step.command]
        assert '"sku":"TEA"' in attempt.request
        assert attempt.kind == "delivered"
        assert line.age_s is not None
        assert channel("x").code == "x"


async def test_a_past_moment_is_told_as_it_was_recorded(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market, clock=Clock(ahead=timedelta())) as world:
        node = world.node()
        await world.at.item("TEA")
        await world.at.receive("TEA", 80)
        await node.settle()
        then = datetime.now(UTC)
        first = market.numbers["TEA"]
        await world.at.reserve("TEA", 30)
        late = await world.at.ship("TEA", 10)
        await node.settle()
        found = await world.at.hub.explain("web", "TEA", at=then)
        (line,) = found.lines
        assert (line.number, sum(term.quantity for term in line.terms)) == (first, first) == (80, 80)
        assert late not in {row.event_id for row in found.movements}
        assert [row.quantity for row in found.balances] == [80]
        assert all(step.at <= then for step in found.history)
        assert all(each.at <= then for each in found.attempts)
        now = await world.at.hub.explain("web", "TEA")
        assert now.lines[0].number == 40


async def test_every_number_that_was_ever_told_adds_up(database: Database) -> None:
    skus = ("TEA", "CUP", "SET")
    market = Market(*(f"{sku}@{place}" for sku in skus for place in ("north", "south")))
    asked = policy(locations={"A": "north", "B": "south"}, round_to=3)
    async with publishing(
        database, market, publish=asked, channel={"safety_stock": {"default": 1}, "max_listed": {"default": 50}}
    ) as world:
        node = world.node()
        await world.at.item("TEA", "CUP")
        parts = [{"sku": "TEA", "quantity": 2}, {"sku": "CUP", "quantity": 1}]
        await world.at.item("SET", kind="kit", components=parts)
        for number in range(1, 8):
            await world.at.receive("TEA", 3 * number, location="AB"[number % 2])
            await world.at.receive("CUP", 2 * number, location="AB"[number % 2])
            if number > 2:
                await world.at.reserve("SET", 1)
            await node.settle()
        rows = await world.database.sql("select quantity, terms from publication_log where terms is not null")
        assert len(rows) > 20
        for row in rows:
            import msgspec  # noqa: PLC0415

            terms = msgspec.json.decode(row["terms"])
            assert sum(term["quantity"] for term in terms) == row["quantity"], terms
        for sku in skus:
            for line in (await world.at.hub.explain("web", sku)).lines:
                assert sum(term.quantity for term in line.terms) == line.number


async def test_explaining_takes_less_than_fifty_milliseconds(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        node = world.node()
        await world.at.item("TEA")
        for number in range(5):
            facts = [
                world.at.fact("receipt.posted", location="A", lines=[{"sku": "TEA", "quantity": 1}]) for _ in range(200)
            ]
            await world.at.send(*facts)
            await world.at.reserve("TEA", number + 1)
            await node.settle()
        took = []
        for _ in range(9):
            start = time.perf_counter()
            await world.at.hub.explain("web", "TEA")
            took.append((time.perf_counter() - start) * 1_000)
        assert min(took) <= 50, took


async def test_what_is_not_published_is_said_to_be_so(database: Database) -> None:
    market = Market("TEA")
    async with publishing(database, market) as world:
        with pytest.raises(UnknownChannel):
            await world.at.hub.explain("nowhere", "TEA")
        with pytest.raises(NotPublished) as refused:
            await world.at.hub.explain("web", "NOTHING")
        assert refused.value.advice.startswith("Check the SKU"), "the channel has its 'publish' already"
        with pytest.raises(UnknownChannel):
            await world.at.hub.publications.status("nowhere")
