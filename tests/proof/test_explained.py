"""P10: every balance leads back to events that somebody sent, and their movements add up to it."""

from __future__ import annotations

from itertools import count

from hypothesis import HealthCheck, given, settings

from onhand.app.answers import MovementRow
from onhand.bootstrap import Hub
from onhand.store.postgres.driver import Database
from tests.proof.ground import applied, ask, at, client, hub_on, item, receipt
from tests.proof.test_arrival_order import Told, envelopes, stories

EXAMPLES = count(1)


async def all_movements(hub: Hub, sku: str) -> list[MovementRow]:
    found: list[MovementRow] = []
    after = None
    while True:
        page = await hub.ledger.movements(sku=sku, after=after, limit=7)
        found += page.rows
        after = page.next_cursor
        if after is None:
            return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=15)
@given(story=stories())
async def test_each_balance_is_the_sum_of_movements_that_name_events_that_were_sent(
    database: Database, story: tuple[list[Told], list[int], list[int]]
) -> None:
    told, order, cuts = story
    prefix = f"y{next(EXAMPLES):06}/"
    events = envelopes(told, prefix)
    async with hub_on(database) as hub:
        await applied(hub, [item(f"{prefix}A", time=at(-9)), item(f"{prefix}L", time=at(-9), lot_tracked=True)])
        arriving = [events[number] for number in order]
        for start, end in zip([0, *cuts], cuts, strict=False):
            await applied(hub, arriving[start:end])
        sent = {(e.source, e.id): e.type for e in events}
        for sku in (f"{prefix}A", f"{prefix}L"):
            sums: dict[tuple[object, ...], int] = {}
            for move in await all_movements(hub, sku):
                assert sent[move.source, move.event_id] == move.event_type
                rest = (move.lot, move.owner)
                for place, change in (
                    ((move.from_location, move.from_status, *rest), -move.quantity),
                    ((move.to_location, move.to_status, *rest), move.quantity),
                ):
                    sums[place] = sums.get(place, 0) + change
            shown = (await hub.ledger.balances(sku=sku, limit=500)).rows
            assert {(b.location, b.status, b.lot, b.owner): b.quantity for b in shown if b.quantity} == {
                place: quantity for place, quantity in sums.items() if quantity
            }


async def test_what_the_hub_shipped_by_itself_is_explained_by_an_event_of_its_own(database: Database) -> None:
    async with hub_on(database) as hub:
        caller = await client(database)
        await applied(hub, [item("A"), receipt("A", 5, id_="r")])
        made = await hub.reserve(caller, ask("q", ("A", 2)))
        await hub.amend.fulfil(caller, made.reservation_id)
        *_, shipped = await all_movements(hub, "A")
        assert (shipped.source, shipped.event_type, shipped.quantity) == ("onhand", "shipment.confirmed", 2)
        told = await hub.ledger.event(shipped.source, shipped.event_id)
        assert made.reservation_id.encode() in bytes(told.event)
        assert [move.quantity for move in told.movements or ()] == [2]
