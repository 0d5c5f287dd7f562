"""P4: however often, wherever and with whatever body a thing is sent, it takes effect once and its answer stands."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onhand.app.answers import ReservationAnswer
from onhand.app.fulfilment import FulfilLine
from onhand.app.promise_errors import IdempotencyKeyReused, InsufficientStock, RequestReused
from onhand.contracts.envelope import event
from onhand.domain.reservation import Line
from onhand.store.postgres.driver import Database
from tests.proof.audit import contradictions
from tests.proof.ground import applied, ask, at, client, clocked, hub_on, item, receipt, wait
from tests.proof.nodes import nodes, together

ROUNDS = count(1)


async def on_hand(database: Database, sku: str = "A") -> int:
    rows = await database.sql(
        "select coalesce(sum(s.on_hand), 0)::bigint as q from stock s join item i on i.id = s.item_id where i.sku = $1",
        sku,
    )
    return int(rows[0]["q"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    sent=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=12),
    cuts=st.lists(st.integers(0, 12), max_size=4),
)
async def test_of_each_id_the_first_body_takes_effect_once_and_every_other_body_is_kept(
    database: Database, sent: list[tuple[int, int]], cuts: list[int]
) -> None:
    """Duplicates within a batch, across batches, and the same id with other bodies, in any mixture."""
    round_ = next(ROUNDS)
    sku = f"s{round_}"
    async with hub_on(database) as hub:
        await applied(hub, [item(sku)])
        first: dict[int, int] = {}
        outcomes = []
        ends = sorted({*(cut for cut in cuts if cut < len(sent)), len(sent)})
        start = 0
        for end in ends:
            outcomes += await hub.record([receipt(sku, q, id_=f"{sku}/{n}") for n, q in sent[start:end]])
            start = end
        seen: Counter[tuple[int, int]] = Counter()
        for (number, quantity), told in zip(sent, outcomes, strict=True):
            expected = "applied" if number not in first else "duplicate" if first[number] == quantity else "quarantined"
            first.setdefault(number, quantity)
            seen[number, quantity] += 1
            assert (told.outcome, told.reason) == (expected, "body_changed" if expected == "quarantined" else None)
        assert await on_hand(database, sku) == sum(first.values())
        kept = await database.sql("select event_id, times from quarantine where event_id like $1", f"{sku}/%")
        others = Counter({key: n for key, n in seen.items() if first[key[0]] != key[1]})
        assert len(kept) == len(others)
        assert await contradictions(database) == []


async def test_an_id_that_comes_with_two_bodies_at_once_takes_effect_once_and_the_other_is_kept(
    database: Database,
) -> None:
    async with hub_on(database) as one, hub_on(database, network=None) as other:
        await applied(one, [item("A")])
        for n in range(20):
            told = await asyncio.gather(
                one.record([receipt("A", 1, id_=f"e{n}")]), other.record([receipt("A", 100, id_=f"e{n}")])
            )
            assert sorted(o.outcome for outcomes in told for o in outcomes) == ["applied", "quarantined"]
        rows = await database.sql("select reason, times, state from quarantine")
        assert [tuple(row) for row in rows] == [("body_changed", 1, "open")] * 20
        (bodies,) = await database.sql("select count(*) as n from event where type = 'receipt.posted'")
        assert bodies["n"] == 20
        assert await contradictions(database) == []


@pytest.mark.slow
async def test_facts_that_three_nodes_receive_at_once_take_effect_once(database: Database, dsn: str) -> None:
    async with hub_on(database) as hub:
        await applied(hub, [item("A")])
    facts = [
        {"id": f"e{n}", "type": "receipt.posted", "data": {"location": "EAST", "lines": [{"sku": "A", "quantity": 2}]}}
        for n in range(120)
    ]
    async with nodes(dsn, number=3) as running:
        deliveries = [facts[n : n + 8] for n in range(0, 120, 8)]
        told = await together(running, [{"record": deliveries}] * 3)
    outcomes = Counter((a["id"], a["outcome"]) for each in told for a in each)
    assert all(outcomes[f"e{n}", "applied"] == 1 and outcomes[f"e{n}", "duplicate"] == 2 for n in range(120))
    assert await on_hand(database) == 240
    assert await contradictions(database) == []


async def test_a_trace_that_changes_and_a_zone_written_otherwise_are_still_the_same_fact(database: Database) -> None:
    async with hub_on(database) as hub:
        await applied(hub, [item("A")])
        data = {"location": "EAST", "lines": [{"sku": "A", "quantity": 3}]}
        first = event(
            id="e", source="erp", type="receipt.posted", time=at(0), data=data, extensions={"traceparent": "1"}
        )
        again = msgspec.structs.replace(first, extensions={"traceparent": "2"})
        assert [o.outcome for o in await hub.record([first]) + await hub.record([again])] == ["applied", "duplicate"]
        assert await on_hand(database) == 3


@pytest.mark.parametrize(
    "fate", ["held", "extended", "changed", "transferred", "part left", "left", "released", "expired"]
)
async def test_the_first_answer_is_given_again_whatever_became_of_the_promise(dsn: str, fate: str) -> None:
    async with clocked(dsn) as database, hub_on(database) as hub:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 9, id_="r")])
        request = ask("q", ("A", 4), expires_in_s=600)
        first = await hub.reserve(caller, request)
        number = first.reservation_id
        match fate:
            case "extended":
                await hub.amend.extend(caller, number, expires_in_s=7000)
            case "changed":
                await hub.amend.change(caller, number, [Line(line_id="z", sku="A", quantity=9)])
            case "transferred":
                await hub.amend.transfer(caller, number, channel="bazaar")
            case "part left":
                await hub.amend.fulfil(caller, number, lines=[FulfilLine(line_id="1", quantity=1)])
            case "left":
                await hub.amend.fulfil(caller, number)
            case "released":
                await hub.amend.release(caller, number)
            case "expired":
                await wait(database, 9999)
                await hub.keep_house()
        for _ in range(2):
            assert await hub.reserve(caller, request) == msgspec.structs.replace(first, replayed=True)
        with pytest.raises(RequestReused):
            await hub.reserve(caller, ask("q", ("A", 5), expires_in_s=600))
        assert await contradictions(database) == []


async def test_a_refusal_is_given_again_even_when_stock_has_come_since(database: Database) -> None:
    """A retried call must not do later what its caller was told has not happened."""
    async with hub_on(database) as hub:
        caller = await client(database)
        await applied(hub, [item("A")])
        with pytest.raises(InsufficientStock) as first:
            await hub.reserve(caller, ask("q", ("A", 4)))
        await applied(hub, [receipt("A", 9, id_="r")])
        with pytest.raises(InsufficientStock) as again:
            await hub.reserve(caller, ask("q", ("A", 4)))
        assert (first.value.lines, first.value.replayed, again.value.replayed) == (again.value.lines, False, True)
        assert (await hub.reserve(caller, ask("new", ("A", 4)))).state == "granted"


async def test_one_request_many_times_in_one_moment_is_one_promise(database: Database) -> None:
    async with hub_on(database) as hub, hub_on(database, network=None) as other:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 9, id_="r")])
        answers = await asyncio.gather(*(h.reserve(caller, ask("q", ("A", 4))) for h in (hub, other) * 20))
        assert {a.reservation_id for a in answers} == {answers[0].reservation_id}
        assert [a.replayed for a in answers].count(False) == 1
        assert (await database.sql("select sum(quantity)::bigint as q from claim"))[0]["q"] == 4


async def test_the_same_request_id_of_two_callers_is_two_requests(database: Database) -> None:
    async with hub_on(database) as hub:
        await applied(hub, [item("A"), receipt("A", 9, id_="r")])
        answers = [await hub.reserve(await client(database, name), ask("q", ("A", 4))) for name in ("one", "two")]
        assert len({a.reservation_id for a in answers}) == 2
        assert not any(a.replayed for a in answers)


async def test_a_verb_under_one_key_takes_effect_once_also_when_it_is_sent_to_two_nodes_at_once(
    database: Database,
) -> None:
    async with hub_on(database) as hub, hub_on(database, network=None) as other:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 90, id_="r")])
        for n in range(10):
            made = await hub.reserve(caller, ask(f"q{n}", ("A", 5)))
            part = [FulfilLine(line_id="1", quantity=2)]
            answers: list[ReservationAnswer] = await asyncio.gather(
                *(h.amend.fulfil(caller, made.reservation_id, lines=part, key=f"k{n}") for h in (hub, other) * 2)
            )
            assert {a.lines[0].held for a in answers} == {3}
            assert sorted(a.replayed for a in answers) == [False, True, True, True]
        assert await on_hand(database) == 70
        with pytest.raises(IdempotencyKeyReused):
            await hub.amend.release(caller, made.reservation_id, key="k1")
        assert await contradictions(database) == []
