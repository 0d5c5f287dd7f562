"""Hard holds and waiting promises: what an allocation does to a deadline, and who is served first when stock comes."""

from __future__ import annotations

from onhand.contracts.envelope import Envelope
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
