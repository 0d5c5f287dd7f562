"""The first, second, ... n-th call to the database fails, for every use case, in every way, until none is left to fail.

After each: what happened is told as "unavailable" and as nothing else, nothing is half written, and the same call again
leads to the one right state, which is the one that a healthy twin of the story ended in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count, product
from typing import Any

import msgspec
import pytest

from onhand.app.fulfilment import FulfilLine
from onhand.app.identity import Client
from onhand.bootstrap import Hub
from onhand.domain.errors import Unavailable
from onhand.domain.reservation import Line
from onhand.ops import limits
from onhand.store.postgres.driver import Database
from tests.proof.audit import contradictions
from tests.proof.faults import FaultyDatabase, Kind, Strike
from tests.proof.ground import NETWORK, applied, apply, ask, at, client, fact, hub_on, item, lines, receipt

CALLS_MAX = 60
NUMBERS = count(1)


class Scene(msgspec.Struct):
    """One run of one use case, on items of its own."""

    caller: Client
    database: Database
    sku: str = ""
    reservation: str = ""

    def __post_init__(self) -> None:
        self.sku = f"F{next(NUMBERS):05}"


Step = Callable[[Hub, Scene], Awaitable[Any]]


class Case(msgspec.Struct):
    """`prepare` on a healthy hub, then `act`, which may fail and is repeated. `whole`: one transaction does it all."""

    name: str
    prepare: Step
    act: Step
    whole: bool = True


async def stocked(hub: Hub, scene: Scene) -> None:
    await applied(
        hub, [item(scene.sku, id_=f"{scene.sku}/i"), item(f"{scene.sku}L", id_=f"{scene.sku}/l", lot_tracked=True)]
    )
    await applied(
        hub,
        [
            receipt(scene.sku, 10, id_=f"{scene.sku}/r1"),
            receipt(scene.sku, 10, id_=f"{scene.sku}/r2", location="WEST"),
            receipt(f"{scene.sku}L", 10, id_=f"{scene.sku}/r3", lot="x"),
        ],
    )


async def reserved(hub: Hub, scene: Scene) -> None:
    await stocked(hub, scene)
    made = await hub.reserve(scene.caller, ask(f"{scene.sku}/q", (scene.sku, 6), (f"{scene.sku}L", 4)))
    scene.reservation = made.reservation_id


async def nothing(_hub: Hub, _scene: Scene) -> None:
    return None


async def record(hub: Hub, scene: Scene) -> None:
    """Facts of every sort in one delivery: an item, movements, a count, a promise kept, one that must be set aside."""
    sku = scene.sku
    await hub.record(
        [
            item(f"{sku}N", id_=f"{sku}/new"),
            receipt(f"{sku}N", 5, id_=f"{sku}/new/r"),
            fact("count.posted", {"location": "EAST", "lines": lines(sku=sku, quantity=9)}, id_=f"{sku}/c", time=at(9)),
            fact(
                "shipment.confirmed",
                {"location": "EAST", "reservation_id": scene.reservation, "lines": lines(sku=sku, quantity=2)},
                id_=f"{sku}/s",
            ),
            receipt(f"{sku}?", 1, id_=f"{sku}/unknown"),
        ]
    )


async def move_only(hub: Hub, scene: Scene) -> None:
    await hub.record([receipt(scene.sku, 5, id_=f"{scene.sku}/more")])


async def reserve(hub: Hub, scene: Scene) -> None:
    made = await hub.reserve(scene.caller, ask(f"{scene.sku}/q", (scene.sku, 12), (f"{scene.sku}L", 3)))
    assert [line.granted for line in made.lines] == [12, 3]


async def extend(hub: Hub, scene: Scene) -> None:
    await hub.amend.extend(scene.caller, scene.reservation, expires_in_s=20_000, key=f"{scene.sku}/k")


async def change(hub: Hub, scene: Scene) -> None:
    wanted = [Line(line_id="1", sku=scene.sku, quantity=9)]
    await hub.amend.change(scene.caller, scene.reservation, wanted, key=f"{scene.sku}/k")


async def transfer(hub: Hub, scene: Scene) -> None:
    await hub.amend.transfer(scene.caller, scene.reservation, channel="bazaar", key=f"{scene.sku}/k")


async def release(hub: Hub, scene: Scene) -> None:
    await hub.amend.release(scene.caller, scene.reservation)


async def fulfil(hub: Hub, scene: Scene) -> None:
    await hub.amend.fulfil(scene.caller, scene.reservation)


async def fulfil_a_part(hub: Hub, scene: Scene) -> None:
    part = [FulfilLine(line_id="1", quantity=2)]
    await hub.amend.fulfil(scene.caller, scene.reservation, lines=part, key=f"{scene.sku}/k")


async def overdue(hub: Hub, scene: Scene) -> None:
    await reserved(hub, scene)
    await scene.database.sql(
        "update reservation set expires_at = created_at where id = $1", int(scene.reservation.removeprefix("res_"))
    )


async def waiting(hub: Hub, scene: Scene) -> None:
    await applied(hub, [item(scene.sku, id_=f"{scene.sku}/i")])
    made = await hub.reserve(scene.caller, ask(f"{scene.sku}/q", (scene.sku, 6), mode="backorder"))
    assert made.state == "backordered"
    await applied(hub, [receipt(scene.sku, 4, id_=f"{scene.sku}/r")])


async def keep_house(hub: Hub, _scene: Scene) -> None:
    await hub.keep_house()


async def set_aside(hub: Hub, scene: Scene) -> None:
    (outcome,) = await hub.record([receipt(scene.sku, 5, id_=f"{scene.sku}/r")])
    assert outcome.outcome == "quarantined"
    await applied(hub, [item(scene.sku, id_=f"{scene.sku}/i")])


async def release_from_quarantine(hub: Hub, scene: Scene) -> None:
    rows = await scene.database.sql("select id from quarantine where event_id = $1", f"{scene.sku}/r")
    await hub.quarantine.release([row["id"] for row in rows], who="ada")


async def apply_network(hub: Hub, scene: Scene) -> None:
    fences = f"ring_fences:\n- {{group: web, sku: {scene.sku}, location: EAST, quantity: 3}}\n"
    await apply(hub, NETWORK + fences)


CASES = [
    Case("record_facts_of_every_sort", reserved, record, whole=False),
    Case("record_movements", stocked, move_only),
    Case("reserve", stocked, reserve),
    Case("extend", reserved, extend),
    Case("change", reserved, change),
    Case("transfer", reserved, transfer),
    Case("release", reserved, release),
    Case("fulfil", reserved, fulfil),
    Case("fulfil_a_part", reserved, fulfil_a_part),
    Case("expire", overdue, keep_house),
    Case("fill_backorders", waiting, keep_house),
    Case("release_from_quarantine", set_aside, release_from_quarantine, whole=False),
    Case("apply_network", stocked, apply_network),
]

WAYS: list[tuple[Kind, bool]] = [
    ("lost_before", False),
    ("lost_after", False),
    ("deadlock", False),
    ("full", False),
    ("lost_before", True),
    ("full", True),
]

OBSERVED = """
    select (select json_agg(json_build_array(substr(i.sku, 7), l.code, s.on_hand, s.reserved, s.allocated, s.fenced)
                            order by i.sku, l.code)
              from stock s join item i on i.id = s.item_id join location l on l.id = s.location_id
             where i.sku like $1 || '%') as pools,
           (select json_agg(json_build_array(substr(i.sku, 7), l.code, s.code, b.quantity)
                            order by i.sku, l.code, s.code, b.quantity)
              from balance b join item i on i.id = b.item_id join location l on l.id = b.location_id
              join status s on s.id = b.status_id where i.sku like $1 || '%' and b.quantity <> 0) as balances,
           (select json_agg(json_build_array(r.state, r.open, c.code, r.expires_at > r.created_at + interval '1 hour'))
              from reservation r join channel c on c.id = r.channel_id where r.request_id like $1 || '%') as promises,
           (select json_agg(json_build_array(b.line, b.quantity)) from backorder b join item i on i.id = b.item_id
             where i.sku like $1 || '%') as waits,
           (select count(*) from event e where e.event_id like $1 || '%') as events,
           (select count(*) from answered_request a where a.key like $1 || '%') as keys,
           (select json_agg(json_build_array(q.state, q.reason)) from quarantine q
             where q.event_id like $1 || '%') as aside,
           (select json_agg(p.verb order by p.seq) from promise_log p join reservation r on r.id = p.reservation_id
             where r.request_id like $1 || '%') as log,
           (select sum(f.quantity) from fulfilment f join item i on i.id = f.item_id where i.sku like $1 || '%') as left
"""


async def observe(database: Database, scene: Scene) -> dict[str, Any]:
    return dict((await database.sql(OBSERVED, scene.sku))[0])


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries need not wait here."""
    monkeypatch.setattr(limits, "DATABASE_RETRY_WAIT_S", 0.0001)
    monkeypatch.setattr(limits, "DATABASE_RETRY_WAIT_MAX_S", 0.0001)


async def strike(case: Case, scene: Scene, blow: Strike) -> bool:
    """Act with one fault; tell whether it went well all the same."""
    async with hub_on(FaultyDatabase(scene.database, blow), network=None) as hub:
        try:
            await case.act(hub, scene)
        except Unavailable:
            return False
        return True


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_whichever_call_fails_the_same_call_again_ends_in_the_one_right_state(
    database: Database, case: Case
) -> None:
    async with hub_on(database) as healthy:
        caller = await client(database)
        twin = Scene(caller, database)
        await case.prepare(healthy, twin)
        before = await observe(database, twin)
        await case.act(healthy, twin)
        after = await observe(database, twin)
        assert before != after, "the use case does something"
        struck = 0
        for kind, for_good in WAYS:
            for nth in range(1, CALLS_MAX):
                where = f"{case.name}: call {nth} {kind}{' for good' if for_good else ''}"
                scene = Scene(caller, database)
                await case.prepare(healthy, scene)
                blow = Strike(nth=nth, kind=kind, for_good=for_good)
                went_well = await strike(case, scene, blow)
                seen = await observe(database, scene)
                assert await contradictions(database) == [], where
                if went_well and case.act is not keep_house:
                    assert seen == after, where
                elif case.whole:
                    assert seen in (before, after), where
                await case.act(healthy, scene)
                assert await observe(database, scene) == after, where
                if not blow.struck:
                    break
                struck += 1
            else:
                pytest.fail(f"{case.name} never came to an end")
        assert struck >= 2 * len(WAYS)


@pytest.mark.slow
async def test_a_promise_whose_answer_was_lost_on_the_way_is_answered_as_it_was_made(database: Database) -> None:
    async with hub_on(database) as healthy:
        caller = await client(database)
        for nth, kind in product(range(1, 8), ("lost_after", "lost_before")):
            scene = Scene(caller, database)
            await stocked(healthy, scene)
            blow = Strike(nth=nth, kind=kind, for_good=True)  # type: ignore[arg-type]
            await strike(Case("reserve", stocked, reserve), scene, blow)
            begun = datetime.now(UTC)
            made = await healthy.reserve(caller, ask(f"{scene.sku}/q", (scene.sku, 12), (f"{scene.sku}L", 3)))
            again = await healthy.reserve(caller, ask(f"{scene.sku}/q", (scene.sku, 12), (f"{scene.sku}L", 3)))
            assert msgspec.structs.replace(made, replayed=True) == again
            assert made.replayed == (made.created_at < begun)
