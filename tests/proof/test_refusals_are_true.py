"""A refusal is kept for ever, so it must be true: nobody is refused for the sake of what another never got."""

from __future__ import annotations

from datetime import timedelta

from onhand.app.answers import ReservationAnswer
from onhand.app.promise_errors import DeadlineRefused, InsufficientStock
from onhand.app.reserve import Reserve, asked
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database
from onhand.store.promises import PostgresPromises
from tests.proof.ground import START, applied, ask, client, hub_on, item, receipt


async def test_a_repetition_does_not_take_on_paper_what_the_request_behind_it_needs(database: Database) -> None:
    async with hub_on(database) as hub:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 10, id_="r")])
        first = await hub.reserve(caller, ask("first", ("A", 5)))
    reserve = Reserve(PostgresPromises(database, Directory(database)))
    repeated, fresh = await reserve([asked(caller, ask("first", ("A", 5))), asked(caller, ask("fresh", ("A", 5)))])
    assert isinstance(repeated, ReservationAnswer)
    assert repeated.replayed
    assert repeated.reservation_id == first.reservation_id
    assert isinstance(fresh, ReservationAnswer)
    assert fresh.state == "granted"


async def test_a_request_whose_deadline_is_refused_takes_nothing_from_the_one_behind_it(database: Database) -> None:
    async with hub_on(database) as hub:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 5, id_="r")])
    reserve = Reserve(PostgresPromises(database, Directory(database)))
    late = ask("late", ("A", 5), expires_at=START - timedelta(days=1))
    refused, fresh = await reserve([asked(caller, late), asked(caller, ask("fresh", ("A", 5)))])
    assert isinstance(refused, DeadlineRefused)
    assert isinstance(fresh, ReservationAnswer)
    assert fresh.state == "granted"


async def test_a_refusal_within_a_batch_counts_what_the_orders_before_it_took(database: Database) -> None:
    async with hub_on(database) as hub:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 5, id_="r")])
    reserve = Reserve(PostgresPromises(database, Directory(database)))
    batch = [asked(caller, ask(f"q{n}", ("A", 2))) for n in range(4)]
    answers = await reserve(batch)
    assert [isinstance(one, ReservationAnswer) for one in answers] == [True, True, False, False]
    refusal = answers[2]
    assert isinstance(refusal, InsufficientStock)
    assert refusal.lines[0].available == 1
