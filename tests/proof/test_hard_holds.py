"""Hard holds and waiting promises: what an allocation does to a deadline, and who is served first when stock comes."""

from __future__ import annotations

import itertools

from onhand.app.fulfilment import FulfilLine
from onhand.contracts.envelope import Envelope
from onhand.domain.reservation import Line
from onhand.store.postgres.driver import Database
from tests.proof.audit import contradictions
from tests.proof.ground import applied, ask, at, client, clocked, fact, hub_on, item, lines, receipt, wait


def allocation(reservation_id: str, quantity: int, *, id_: str, created: bool = True) -> Envelope:
    data = {"location": "EAST", "reservation_id": reservation_id, "lines": lines(sku="X", quantity=quantity)}
    return fact("allocation.created" if created else "allocation.released", data, id_=id_, time=at(5))


async def test_what_is_allocated_whole_has_no_deadline_any_more(dsn: str) -> None:
    async with clocked(dsn) as database, hub_on(database) as hub:
        shop = await client(database)
        await applied(hub, [item("X"), receipt("X", 10, id_="r1")])
        promised = await hub.reserve(shop, ask("o1", ("X", 4), expires_in_s=60))
        await applied(hub, [allocation(promised.reservation_id, 4, id_="a1")])
        await wait(database, 3600)
        kept = await hub.reservations.get(promised.reservation_id)
        assert (kept.state, kept.expires_at, kept.lines[0].held) == ("granted", None, 4)
        rest = await hub.reserve(shop, ask("o2", ("X", 10), mode="partial"))
        assert rest.lines[0].granted == 6
        assert await contradictions(database) == []


async def test_an_allocation_of_a_part_leaves_the_deadline_standing(dsn: str) -> None:
    async with clocked(dsn) as database, hub_on(database) as hub:
        shop = await client(database)
        await applied(hub, [item("X"), receipt("X", 10, id_="r1")])
        promised = await hub.reserve(shop, ask("o1", ("X", 4), expires_in_s=60))
        await applied(hub, [allocation(promised.reservation_id, 3, id_="a1")])
        await wait(database, 61)
        assert (await hub.reservations.get(promised.reservation_id)).state == "expired"
        everything = await hub.reserve(shop, ask("o2", ("X", 10)))
        assert everything.state == "granted"
        assert await contradictions(database) == []


async def test_an_allocation_does_not_revive_what_has_expired(dsn: str) -> None:
    async with clocked(dsn) as database, hub_on(database) as hub:
        shop = await client(database)
        await applied(hub, [item("X"), receipt("X", 10, id_="r1")])
        promised = await hub.reserve(shop, ask("o1", ("X", 4), expires_in_s=60))
        await wait(database, 61)
        await applied(hub, [allocation(promised.reservation_id, 4, id_="a1")])
        assert (await hub.reservations.get(promised.reservation_id)).state == "expired"
        everything = await hub.reserve(shop, ask("o2", ("X", 10)))
        assert everything.state == "granted"
        assert await contradictions(database) == []


async def test_an_allocation_takes_no_deadline_from_what_still_waits_for_stock(database: Database) -> None:
    async with hub_on(database) as hub:
        shop = await client(database)
        await applied(hub, [item("X"), receipt("X", 1, id_="r1")])
        waiting = await hub.reserve(shop, ask("o1", ("X", 4), mode="backorder", expires_in_s=60))
        await applied(hub, [allocation(waiting.reservation_id, 4, id_="a1")])
        assert (await hub.reservations.get(waiting.reservation_id)).expires_at is not None
        assert await contradictions(database) == []


async def test_a_release_that_overtakes_its_allocation_takes_it_back_all_the_same(dsn: str) -> None:
    """Two queues, one late: whichever of them comes first, what was let go of is soft, and expires."""
    async with clocked(dsn) as database, hub_on(database) as hub:
        shop = await client(database)
        await applied(hub, [item("X"), receipt("X", 10, id_="r1")])
        promised = await hub.reserve(shop, ask("o1", ("X", 4), expires_in_s=60))
        await applied(hub, [allocation(promised.reservation_id, 4, id_="a2", created=False)])
        await applied(hub, [allocation(promised.reservation_id, 4, id_="a1")])
        assert (await hub.reservations.get(promised.reservation_id)).expires_at == promised.expires_at
        await wait(database, 61)
        assert (await hub.reserve(shop, ask("o2", ("X", 10)))).state == "granted"
        assert await contradictions(database) == []


async def test_any_order_of_allocations_and_releases_ends_the_same(dsn: str) -> None:
    steps = [(3, True), (2, False), (3, True), (1, False), (2, False)]
    async with clocked(dsn) as database, hub_on(database) as hub:
        shop = await client(database)
        await applied(hub, [item("X"), receipt("X", 10_000, id_="r1")])
        for turn, order in enumerate(itertools.permutations(steps)):
            promised = await hub.reserve(shop, ask(f"o{turn}", ("X", 4), expires_in_s=60))
            await applied(
                hub,
                [
                    allocation(promised.reservation_id, quantity, id_=f"a{turn}-{n}", created=created)
                    for n, (quantity, created) in enumerate(order)
                ],
            )
        (row,) = await database.sql("select min(allocated) as least, max(allocated) as most, count(*) as n from claim")
        assert (row["least"], row["most"], row["n"]) == (1, 1, 120)
        assert not await database.sql("select from reservation where expires_at is null")
        assert await contradictions(database) == []


async def test_what_an_order_let_go_of_gets_its_time_anew(dsn: str) -> None:
    async with clocked(dsn) as database, hub_on(database) as hub:
        shop = await client(database)
        await applied(hub, [item("X"), receipt("X", 10, id_="r1")])
        promised = await hub.reserve(shop, ask("o1", ("X", 4), expires_in_s=60))
        await applied(hub, [allocation(promised.reservation_id, 4, id_="a1")])
        await wait(database, 3600)
        await applied(hub, [allocation(promised.reservation_id, 1, id_="a2", created=False)])
        kept = await hub.reservations.get(promised.reservation_id)
        assert kept.state == "granted"
        assert kept.expires_at is not None, "one of them is soft again"
        await wait(database, 61)
        assert (await hub.reservations.get(promised.reservation_id)).state == "expired"
        assert (await hub.reserve(shop, ask("o2", ("X", 10)))).state == "granted"
        assert await contradictions(database) == []


async def test_what_is_hard_stays_hard_when_it_is_handed_over_or_changed(dsn: str) -> None:
    async with clocked(dsn) as database, hub_on(database) as hub:
        shop = await client(database)
        await applied(hub, [item("X"), receipt("X", 10, id_="r1"), receipt("X", 10, id_="r2", location="WEST")])
        promised = await hub.reserve(shop, ask("o1", ("X", 4), expires_in_s=60))
        await applied(hub, [allocation(promised.reservation_id, 4, id_="a1")])
        moved = await hub.amend.transfer(shop, promised.reservation_id, location="WEST")
        assert (moved.expires_at, moved.lines[0].sources[0].location) == (None, "WEST")
        (claim,) = await database.sql("select quantity, allocated from claim")
        assert tuple(claim) == (4, 4)
        more = await hub.amend.change(shop, promised.reservation_id, [Line(line_id="1", sku="X", quantity=6)])
        assert more.expires_at is not None, "two of the six are bound to nothing"
        (claim,) = await database.sql(
            "select sum(quantity)::bigint as quantity, sum(allocated)::bigint as hard from claim"
        )
        assert tuple(claim) == (6, 4)
        fewer = await hub.amend.change(shop, promised.reservation_id, [Line(line_id="1", sku="X", quantity=3)])
        assert fewer.expires_at is None
        assert await contradictions(database) == []


async def test_a_deadline_is_not_given_to_what_is_hard(dsn: str) -> None:
    async with clocked(dsn) as database, hub_on(database) as hub:
        shop = await client(database)
        await applied(hub, [item("X"), receipt("X", 10, id_="r1")])
        promised = await hub.reserve(shop, ask("o1", ("X", 4), expires_in_s=60))
        await applied(hub, [allocation(promised.reservation_id, 4, id_="a1")])
        extended = await hub.amend.extend(shop, promised.reservation_id, expires_in_s=90)
        assert extended.expires_at is None
        await applied(hub, [allocation(promised.reservation_id, 4, id_="a2", created=False)])
        await wait(database, 80)
        assert (await hub.reservations.get(promised.reservation_id)).state == "granted"
        await wait(database, 20)
        assert (await hub.reservations.get(promised.reservation_id)).state == "expired"


async def test_what_is_left_after_a_part_went_and_is_hard_has_no_deadline(dsn: str) -> None:
    async with clocked(dsn) as database, hub_on(database) as hub:
        shop = await client(database)
        await applied(hub, [item("X"), receipt("X", 10, id_="r1"), receipt("X", 10, id_="r2", location="WEST")])
        wanted = (
            Line(line_id="1", sku="X", quantity=4, location="EAST"),
            Line(line_id="2", sku="X", quantity=2, location="WEST"),
        )
        promised = await hub.reserve(shop, ask("o1", *wanted, expires_in_s=60))
        await applied(hub, [allocation(promised.reservation_id, 4, id_="a1")])
        await hub.amend.fulfil(shop, promised.reservation_id, lines=[FulfilLine(line_id="2", quantity=2)])
        await wait(database, 3600)
        kept = await hub.reservations.get(promised.reservation_id)
        assert (kept.state, kept.expires_at, kept.lines[0].held) == ("granted", None, 4)
        assert await contradictions(database) == []


async def test_who_waits_longest_is_served_first_even_after_a_part_was_served(database: Database) -> None:
    async with hub_on(database) as hub:
        shop = await client(database)
        await applied(hub, [item("X")])
        first = await hub.reserve(shop, ask("o1", ("X", 4), mode="backorder"))
        second = await hub.reserve(shop, ask("o2", ("X", 4), mode="backorder"))
        for number in (1, 2):
            await applied(hub, [receipt("X", 2, id_=f"r{number}")])
            await hub.keep_house()
        served = [(await hub.reservations.get(one.reservation_id)).lines[0] for one in (first, second)]
        assert [(line.held, line.backordered) for line in served] == [(4, 0), (0, 4)]
        assert await contradictions(database) == []
