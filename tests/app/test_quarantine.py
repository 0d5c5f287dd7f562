"""Quarantine: nothing that keeps its contract is lost, and what is mended is applied once, whoever releases it."""

from __future__ import annotations

import asyncio

import pytest

from onhand.app.answers import EventOutcome
from onhand.app.quarantine import QuarantineClosed, QuarantineNotFound
from onhand.contracts.cloudevents import decode_structured
from onhand.contracts.envelope import Envelope, event
from onhand.domain.errors import InvalidInput
from onhand.store.postgres.driver import Database
from tests.app.world import World, hours, network


def receipt(world: World, sku: str, quantity: int, *, id_: str | None = None, source: str = "wms") -> Envelope:
    lines = [{"sku": sku, "quantity": quantity}]
    return world.fact("receipt.posted", location="A", lines=lines, id_=id_, source=source)


async def set_aside(world: World, *envelopes: Envelope) -> list[int]:
    outcomes = await world.send(*envelopes)
    assert {outcome.outcome for outcome in outcomes} == {"quarantined"}
    return [outcome.quarantine_id or 0 for outcome in outcomes]


def results(outcomes: list[EventOutcome]) -> list[str]:
    return [outcome.outcome for outcome in outcomes]


async def on_hand(world: World, sku: str) -> int:
    page = await world.hub.ledger.balances(sku=sku, location="A")
    return sum(row.quantity for row in page.rows)


async def test_a_fact_set_aside_is_listed_with_its_reason_and_as_it_came(database: Database) -> None:
    world = await World.made(database)
    fact = receipt(world, "X", 5)
    (number,) = await set_aside(world, fact)
    row = await world.hub.quarantine.get(number)
    assert (row.source, row.event_id, row.type, row.reason, row.state) == (
        "wms", fact.id, "receipt.posted", "unknown_item", "open",
    )  # fmt: skip
    assert row.facts == {"sku": "X"}
    assert decode_structured(bytes(row.event)) == fact


async def test_facts_are_listed_oldest_first_by_state_reason_source_and_type(database: Database) -> None:
    world = await World.made(database)
    lost = receipt(world, "X", 1)
    strange = receipt(world, "X", 1, source="erp")
    nowhere = world.fact("count.posted", location="Z", lines=[{"sku": "X", "quantity": 1}])
    numbers = await set_aside(world, lost, strange, nowhere)
    page = world.hub.quarantine.page
    assert [row.id for row in (await page()).rows] == sorted(numbers)
    assert [row.source for row in (await page(source="erp")).rows] == ["erp"]
    assert [row.type for row in (await page(type="count.posted", state="open")).rows] == ["count.posted"]
    assert len((await page(reason="unknown_item", state="open")).rows) == 2
    assert (await page(state="released")).rows == []
    first = await page(limit=2)
    second = await page(limit=2, after=first.next_cursor)
    assert [row.id for row in [*first.rows, *second.rows]] == sorted(numbers)
    assert second.next_cursor is None


async def test_after_the_mend_a_release_applies_it_once_and_says_who(database: Database) -> None:
    world = await World.made(database)
    (number,) = await set_aside(world, receipt(world, "X", 5))
    await world.item("X")
    assert results(await world.hub.quarantine.release([number], who="ann")) == ["applied"]
    row = await world.hub.quarantine.get(number)
    assert (row.state, row.resolved_by) == ("released", "ann")
    assert row.resolved_at is not None
    assert await on_hand(world, "X") == 5
    assert results(await world.hub.quarantine.release([number], who="bob")) == ["duplicate"]
    assert await on_hand(world, "X") == 5
    assert (await world.hub.quarantine.get(number)).resolved_by == "ann"


async def test_what_still_breaks_a_rule_stays_with_todays_reason(database: Database) -> None:
    world = await World.made(database)
    lines = [{"sku": "X", "quantity": 1, "uom": "carton"}]
    (number,) = await set_aside(world, world.fact("receipt.posted", location="A", lines=lines))
    await world.item("X")
    (outcome,) = await world.hub.quarantine.release([number], who="ann")
    assert (outcome.outcome, outcome.reason, outcome.quarantine_id) == ("quarantined", "unknown_unit", number)
    row = await world.hub.quarantine.get(number)
    assert (row.state, row.reason, row.resolved_by) == ("open", "unknown_unit", None)
    assert row.times == 1  # a try is no second coming


async def test_a_filter_releases_all_that_match_and_leaves_the_rest(database: Database) -> None:
    world = await World.made(database)
    await set_aside(world, *(receipt(world, f"S{n}", 1) for n in range(6)))
    (other,) = await set_aside(world, world.fact("count.posted", location="Z", lines=[{"sku": "S1", "quantity": 1}]))
    await world.item("S0", "S1", "S2")
    outcomes = await world.hub.quarantine.release(who="ann", reason="unknown_item", type="receipt.posted")
    assert sorted(results(outcomes)) == ["applied"] * 3 + ["quarantined"] * 3
    assert (await world.hub.quarantine.get(other)).state == "open"
    assert results(await world.hub.quarantine.release(who="ann", limit=2)) == ["quarantined"] * 2


async def test_two_people_who_release_at_once_apply_it_once(database: Database) -> None:
    world, other = await World.made(database), World(database)
    numbers = await set_aside(world, *(receipt(world, "X", 1) for _ in range(40)))
    await world.item("X")
    both = await asyncio.gather(
        world.hub.quarantine.release(numbers, who="ann"),
        other.hub.quarantine.release(list(reversed(numbers)), who="bob"),
    )
    assert await on_hand(world, "X") == 40
    assert {outcome.outcome for outcomes in both for outcome in outcomes} <= {"applied", "duplicate"}
    assert sum(outcome.outcome == "applied" for outcomes in both for outcome in outcomes) == 40
    assert (await world.hub.quarantine.page(state="open")).rows == []


async def test_a_fact_that_is_sent_again_after_the_mend_leaves_quarantine(database: Database) -> None:
    world = await World.made(database)
    fact = receipt(world, "X", 5)
    (number,) = await set_aside(world, fact)
    assert await set_aside(world, fact) == [number]
    await world.item("X")
    assert results(await world.send(fact)) == ["applied"]
    row = await world.hub.quarantine.get(number)
    assert (row.state, row.resolved_by, row.times) == ("released", "sent again", 2)
    assert results(await world.hub.quarantine.release([number], who="ann")) == ["duplicate"]
    assert await on_hand(world, "X") == 5


async def test_a_row_left_open_by_a_crash_after_recording_mends_itself(database: Database) -> None:
    world = await World.made(database)
    fact = receipt(world, "X", 5)
    (number,) = await set_aside(world, fact)
    await world.item("X")
    await world.say(fact)
    await database.sql("update quarantine set state = 'open', resolved_by = null, resolved_at = null")
    assert results(await world.hub.quarantine.release([number], who="ann")) == ["duplicate"]
    assert (await world.hub.quarantine.get(number)).state == "released"
    assert await on_hand(world, "X") == 5


async def test_an_event_without_a_time_keeps_the_moment_at_which_it_came_first(database: Database) -> None:
    world = await World.made(database)
    lines = [{"sku": "X", "quantity": 1}]
    fact = event(id="untimed", source="wms", type="receipt.posted", data={"location": "A", "lines": lines})
    (number,) = await set_aside(world, fact)
    await database.sql("update quarantine set received_at = $1", hours(-30))
    await world.item("X")
    assert results(await world.hub.quarantine.release([number], who="ann")) == ["applied"]
    assert (await world.hub.ledger.event("wms", "untimed")).occurred_at == hours(-30)
    assert results(await world.send(fact)) == ["duplicate"]


async def test_the_same_id_with_another_body_is_kept_beside_and_never_applied(database: Database) -> None:
    world = await World.made(database)
    await world.item("X")
    await world.say(receipt(world, "X", 5, id_="twice"))
    (number,) = await set_aside(world, receipt(world, "X", 6, id_="twice"))
    (outcome,) = await world.hub.quarantine.release([number], who="ann")
    assert (outcome.outcome, outcome.reason) == ("quarantined", "body_changed")
    assert await on_hand(world, "X") == 5


async def test_two_bodies_of_one_id_are_judged_one_after_the_other(database: Database) -> None:
    world = await World.made(database)
    one, two = receipt(world, "X", 5, id_="twice"), receipt(world, "X", 6, id_="twice")
    numbers = [*await set_aside(world, one), *await set_aside(world, two)]
    await world.item("X")
    outcomes = await world.hub.quarantine.release(numbers, who="ann")
    assert [(o.outcome, o.reason) for o in outcomes] == [("applied", None), ("quarantined", "body_changed")]
    assert await on_hand(world, "X") == 5


async def test_a_discarded_fact_is_kept_and_never_applied_even_when_it_comes_again(database: Database) -> None:
    world = await World.made(database)
    fact, other = receipt(world, "X", 5), receipt(world, "X", 7)
    (number,) = await set_aside(world, fact)
    (row,) = await world.hub.quarantine.discard([number], who="ann", note="typed twice")
    assert (row.state, row.resolved_by, row.note) == ("discarded", "ann", "typed twice")
    await world.item("X")
    again, fresh = await world.send(fact, other)
    assert (again.outcome, again.quarantine_id, fresh.outcome) == ("discarded", number, "applied")
    assert results(await world.hub.quarantine.release([number], who="ann")) == ["discarded"]
    assert await on_hand(world, "X") == 7
    assert (await world.hub.quarantine.discard([number], who="bob", note="again"))[0].resolved_by == "ann"


async def test_discarding_is_all_or_nothing(database: Database) -> None:
    world = await World.made(database)
    released, open_ = await set_aside(world, receipt(world, "X", 1), receipt(world, "Y", 1))
    await world.item("X")
    await world.hub.quarantine.release([released], who="ann")
    with pytest.raises(QuarantineClosed):
        await world.hub.quarantine.discard([open_, released], who="ann", note="both")
    assert (await world.hub.quarantine.get(open_)).state == "open"


@pytest.mark.parametrize("note", ["", "  ", "x" * 2_001])
async def test_discarding_needs_a_reason(database: Database, note: str) -> None:
    world = await World.made(database)
    (number,) = await set_aside(world, receipt(world, "X", 1))
    with pytest.raises(InvalidInput):
        await world.hub.quarantine.discard([number], who="ann", note=note)


@pytest.mark.parametrize("number", [0, -1, 10**30, 4711])
async def test_a_number_that_is_not_there_is_said_so_before_anything_is_done(database: Database, number: int) -> None:
    world = await World.made(database)
    (known,) = await set_aside(world, receipt(world, "X", 1))
    await world.item("X")
    with pytest.raises(QuarantineNotFound):
        await world.hub.quarantine.get(number)
    for attempt in (
        world.hub.quarantine.release([known, number], who="ann"),
        world.hub.quarantine.discard([known, number], who="ann", note="no"),
    ):
        with pytest.raises(QuarantineNotFound):
            await attempt
    assert (await world.hub.quarantine.get(known)).state == "open"


async def test_authority_that_is_granted_later_lets_the_fact_in(database: Database) -> None:
    world = await World.made(database, network(authority={"receipt.posted": ("erp",)}))
    await world.item("X")
    (number,) = await set_aside(world, receipt(world, "X", 2))
    assert (await world.hub.quarantine.get(number)).reason == "unauthorised_source"
    await world.apply(network(authority={"receipt.posted": ("erp", "wms")}))
    assert results(await world.hub.quarantine.release([number], who="ann")) == ["applied"]


async def test_a_body_that_this_release_cannot_read_stays_and_holds_up_nobody(database: Database) -> None:
    world = await World.made(database)
    old, good = await set_aside(world, receipt(world, "X", 1), receipt(world, "X", 2))
    await database.sql('update quarantine set body = \'{"specversion": "0.1"}\' where id = $1', old)
    await world.item("X")
    assert results(await world.hub.quarantine.release([old, good], who="ann")) == ["rejected", "applied"]
    assert (await world.hub.quarantine.get(old)).state == "open"


async def test_without_anything_set_aside_recording_asks_for_nothing_more(database: Database) -> None:
    world = await World.made(database)
    assert not (await world.hub._directory.situation()).set_aside
    (number,) = await set_aside(world, receipt(world, "X", 1))
    assert (await world.hub._directory.situation()).set_aside
    await world.hub.quarantine.discard([number], who="ann", note="no")
    assert (await world.hub._directory.situation()).set_aside
    await database.sql("update quarantine set state = 'released'")
    assert not (await world.hub._directory.situation()).set_aside
