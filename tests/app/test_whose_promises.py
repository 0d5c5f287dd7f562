"""A promise belongs to the client that asked for it: to all others it is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from onhand.app.identity import Client
from onhand.app.promise_errors import ReservationNotFound
from onhand.bootstrap import Hub
from onhand.store.postgres.driver import Database
from tests.proof.ground import applied, ask, client, hub_on, item, receipt

Touch = Callable[[Hub, Client, str], Awaitable[object]]


TOUCHES: dict[str, Touch] = {
    "get": lambda hub, who, number: hub.reservations.get(number, client=who),
    "log": lambda hub, who, number: hub.reservations.log(number, client=who),
    "release": lambda hub, who, number: hub.amend.release(who, number),
    "fulfil": lambda hub, who, number: hub.amend.fulfil(who, number),
    "extend": lambda hub, who, number: hub.amend.extend(who, number, expires_in_s=60),
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
async def test_another_client_does_not_even_learn_that_it_exists(database: Database, touch: Touch) -> None:
    async with hub_on(database) as hub:
        await applied(hub, [item("TEA"), receipt("TEA", 5, id_="r")])
        mine, other = await client(database, "shop"), await client(database, "rival")
        promise = await hub.reserve(mine, ask("order", ("TEA", 2)))
        with pytest.raises(ReservationNotFound):
            await touch(hub, other, promise.reservation_id)
        assert (await hub.reservations.get(promise.reservation_id, client=mine)).state == "granted"


async def test_two_clients_may_use_the_same_request_id(database: Database) -> None:
    async with hub_on(database) as hub:
        await applied(hub, [item("TEA"), receipt("TEA", 5, id_="r")])
        mine, other = await client(database, "shop"), await client(database, "rival")
        first = await hub.reserve(mine, ask("order-1", ("TEA", 2)))
        second = await hub.reserve(other, ask("order-1", ("TEA", 1)))
        assert first.reservation_id != second.reservation_id
        seen = await hub.reservations.page(channel=None, state=None, sku=None, client=other, after=None, limit=10)
        assert [row.reservation_id for row in seen.rows] == [second.reservation_id]
