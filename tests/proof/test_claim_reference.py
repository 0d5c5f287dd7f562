"""The claim in SQL and the ten-line rule in `onhand.domain.claiming` decide the same, whatever the batch.

Each example lives in a transaction that is rolled back. The rule says which orders stand; the function's outcomes and
every row that it leaves behind must agree with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onhand.app.ports import StockMoved
from onhand.domain.claiming import Claim, decide_claims
from onhand.domain.planning import Plan
from onhand.store.claims import ClaimArrays
from onhand.store.postgres.driver import Database, Session
from onhand.store.postgres.errors import ConstraintBroken

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DECIDED, KNOWN, AGAIN = 1, 2, 3
ROWS = [(item, place) for item in (1, 2) for place in (1, 2)]
LOTS = (51, 52)
GROUPS = (7, 8)

Key = Any
"""(item, location), with a lot behind or a group before it."""


class World(msgspec.Struct):
    """Pool rows (on hand, reserved, allocated), lots (on hand, held) and fences (quantity, consumed) before a batch."""

    stock: dict[Key, tuple[int, int, int]]
    lots: dict[Key, tuple[int, int]]
    fences: dict[Key, tuple[int, int]]

    def free(self) -> dict[Any, int]:
        return {key: a - b - c - self.fenced(key) for key, (a, b, c) in self.stock.items()}

    def fenced(self, key: Key) -> int:
        return sum(max(0, q - used) for (_, *row), (q, used) in self.fences.items() if tuple(row) == key)

    def unconsumed(self) -> dict[Any, int]:
        return {key: q - used for key, (q, used) in self.fences.items()}

    def lot_free(self) -> dict[Any, int]:
        return {key: there - held for key, (there, held) in self.lots.items()}


class Asked(msgspec.Struct, frozen=True):
    """One planned order of a batch: known before or not, its state as planned, and its claims."""

    known: bool
    state: str
    claims: tuple[Claim, ...]


small = st.integers(0, 6)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    keys = draw(st.lists(st.sampled_from(ROWS), unique=True, max_size=4))
    stock = {key: (draw(st.integers(-2, 20)), draw(small), draw(st.integers(0, 2))) for key in keys}
    lots = {(*key, lot): (draw(st.integers(-1, 12)), draw(st.integers(0, 3))) for key in keys for lot in LOTS}
    fences = {
        (group, *key): (draw(small), draw(small)) for key in keys for group in GROUPS if draw(st.booleans())
    }  # set_fences sees to it that a fence has its pool row
    return World(stock, lots, fences)


@st.composite
def one_claim(draw: st.DrawFn) -> Claim:
    item, place = draw(st.sampled_from(ROWS))
    quantity = draw(st.integers(1, 7))
    # A fence gives more than the quantity only where fences exceed the stock; see Claim.
    from_fence = draw(st.one_of(st.just(0), st.integers(0, quantity + 2)))
    return Claim(
        item,
        place,
        draw(st.sampled_from((0, *LOTS))),
        quantity,
        draw(st.sampled_from(GROUPS)) if from_fence else 0,
        from_fence,
        draw(st.integers(0, 3)),
    )


@st.composite
def batches(draw: st.DrawFn) -> list[Asked]:
    asked = []
    for _ in range(draw(st.integers(1, 7))):
        claims = draw(st.lists(one_claim(), max_size=4))
        numbered = tuple(msgspec.structs.replace(c, line=n) for n, c in enumerate(claims))
        state = draw(st.sampled_from(("granted", "partly_granted"))) if claims else "refused"
        asked.append(Asked(draw(st.integers(0, 4)) == 0, state, numbered))
    return asked


def reference(world: World, batch: Sequence[Asked]) -> tuple[list[int], dict[Any, int], dict[Any, int], dict[Any, int]]:
    """Decide by the rule; a plan that fell short after an order that did not stand was planned on wrong numbers."""
    free, fences, lots = world.free(), world.unconsumed(), world.lot_free()
    outcomes, upset = [], False
    for order in batch:
        if order.known:
            outcomes.append(KNOWN)
        elif upset and order.state != "granted":
            outcomes.append(AGAIN)
        else:
            outcomes.append(DECIDED if decide_claims(free, fences, [order.claims], lots)[0] else AGAIN)
        upset = upset or (outcomes[-1] != DECIDED and bool(order.claims))
    return outcomes, free, fences, lots


async def write(session: Session, world: World, batch: Sequence[Asked]) -> None:
    await session.script("""
        insert into item (id, sku, kind, base_uom, stated_at, stated_by, status_at, status_by) overriding system value
        select n, 'I' || n, 'stock', 'each', now(), '', now(), '' from generate_series(1, 2) n;
        insert into lot (id, item_id, code) overriding system value
        select l, i, 'L' || l from generate_series(51, 52) l, generate_series(1, 2) i;
        insert into fence_group (id, code) overriding system value values (7, 'seven'), (8, 'eight');
        insert into channel (id, code) overriding system value values (1, 'web');
        insert into client (id, name) overriding system value values (1, 'shop');
    """)
    for (item, place), (there, reserved, allocated) in world.stock.items():
        await session.sql(
            "insert into stock values ($1, $2, $3, $4, $5, $6)",
            item, place, there, reserved, allocated, world.fenced((item, place)),
        )  # fmt: skip
    for lot_key, lot in world.lots.items():
        await session.sql("insert into lot_stock values ($1, $2, $3, $4, $5)", *lot_key, *lot)
    for (group, item, place), fence in world.fences.items():
        await session.sql("insert into ring_fence values ($1, $2, $3, $4, $5)", item, place, group, *fence)
    for number, order in enumerate(batch):
        if order.known:
            await session.sql(
                "insert into reservation (client_id, request_id, fingerprint, channel_id, state, open, created_at,"
                " network_version, request, answer) values (1, $1, 'x', 1, 'refused', false, $2, 1, '{}', '[]')",
                f"q{number}", NOW,
            )  # fmt: skip


async def claim(session: Session, batch: Sequence[Asked], *, lock: bool, requests: Sequence[str] = ()) -> list[int]:
    arrays = ClaimArrays()
    for number, order in enumerate(batch, 1):
        arrays.add(number, Plan(order.claims, (), "granted"), {})
    n = len(batch)
    ids = list(requests) or [f"q{number}" for number in range(n)]
    rows = await session.fetch(
        "promises.claim", NOW, 1, [1] * n, ids, [b"x"] * n, [1] * n, [o.state for o in batch],
        [NOW + timedelta(hours=1)] * n, ["{}"] * n, ["[]"] * n, *arrays.arguments(), lock,
    )  # fmt: skip
    return [row["outcome"] for row in rows]


async def left(session: Session) -> tuple[dict[Any, int], dict[Any, int], dict[Any, int]]:
    """Return what is free now by row, by fence and by lot."""
    stock = await session.sql("select *, on_hand - reserved - allocated - fenced as free from stock")
    fences = await session.sql("select *, quantity - consumed as free from ring_fence")
    lots = await session.sql("select *, on_hand - held as free from lot_stock")
    return (
        {(r["item_id"], r["location_id"]): r["free"] for r in stock},
        {(r["group_id"], r["item_id"], r["location_id"]): r["free"] for r in fences},
        {(r["item_id"], r["location_id"], r["lot_id"]): r["free"] for r in lots},
    )


async def sums(session: Session) -> dict[Key, int]:
    rows = await session.sql("select item_id, location_id, sum(quantity)::bigint as q from claim group by 1, 2")
    return {(row["item_id"], row["location_id"]): row["q"] for row in rows}


def of_keys(numbers: dict[Any, int], keys: dict[Any, Any]) -> dict[Any, int]:
    return {key: numbers[key] for key in keys}


database_each = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@database_each
@given(world=worlds(), batch=batches(), lock=st.booleans())
async def test_the_function_decides_as_the_rule_does_and_leaves_the_rows_that_it_says(
    database: Database, world: World, batch: list[Asked], lock: bool
) -> None:
    outcomes, free, fences, lots = reference(world, batch)
    async with database.acquire() as session:
        await session.script("begin")
        try:
            await write(session, world, batch)
            assert await claim(session, batch, lock=lock) == outcomes
            assert await left(session) == (
                of_keys(free, world.stock),
                of_keys(fences, world.fences),
                of_keys(lots, world.lots),
            )
            stood = [order for order, outcome in zip(batch, outcomes, strict=True) if outcome == DECIDED]
            expected: dict[Key, int] = {}
            for each in (c for order in stood for c in order.claims):
                expected[each.item_id, each.location_id] = (
                    expected.get((each.item_id, each.location_id), 0) + each.quantity
                )
            assert await sums(session) == expected
            rows = await session.sql("select item_id, location_id, reserved from stock")
            before = {key: reserved for key, (_, reserved, _) in world.stock.items()}
            assert {(r[0], r[1]): r[2] for r in rows} == {key: n + expected.get(key, 0) for key, n in before.items()}
        finally:
            await session.script("rollback")


@database_each
@given(world=worlds(), claims=st.lists(one_claim(), min_size=1, max_size=5))
async def test_taking_again_what_was_put_back_follows_the_same_rule(
    database: Database, world: World, claims: list[Claim]
) -> None:
    numbered = [msgspec.structs.replace(c, line=n) for n, c in enumerate(claims)]
    free, fences, lots = world.free(), world.unconsumed(), world.lot_free()
    stands = decide_claims(free, fences, [numbered], lots)[0]
    async with database.acquire() as session:
        await session.script("begin")
        try:
            await write(session, world, [])
            order = Asked(False, "refused", ())
            await claim(session, [order], lock=False)
            number = (await session.sql("select id from reservation"))[0]["id"]
            await session.script("savepoint before")
            call = session.fetchval(
                "promises.retake", NOW, number, "change", "granted", 1, 1, "[]", "{}",
                [c.line for c in numbered], [c.item_id for c in numbered], [c.location_id for c in numbered],
                [c.lot_id for c in numbered], [c.quantity for c in numbered], [c.fence_group_id for c in numbered],
                [c.from_fence for c in numbered], [c.keep for c in numbered], [], [], [],
            )  # fmt: skip
            if stands:
                await call
            else:
                with pytest.raises((StockMoved, ConstraintBroken)):  # either means: plan again
                    await call
                await session.script("rollback to savepoint before")
            assert await left(session) == (
                of_keys(free, world.stock),
                of_keys(fences, world.fences),
                of_keys(lots, world.lots),
            )
            assert sum((await sums(session)).values()) == (sum(c.quantity for c in claims) if stands else 0)
        finally:
            await session.script("rollback")


async def test_one_request_twice_in_a_batch_takes_nothing_at_all(database: Database) -> None:
    """The caller folds repetitions; should one slip through, the key forbids it and the whole batch is undone."""
    world = World({(1, 1): (10, 0, 0)}, {}, {})
    order = Asked(False, "granted", (Claim(1, 1, 0, 4),))
    async with database.acquire() as session:
        await session.script("begin")
        await write(session, world, [])
        await session.script("savepoint before")
        with pytest.raises(ConstraintBroken):
            await claim(session, [order, order], lock=False, requests=["same", "same"])
        await session.script("rollback to savepoint before")
        assert (await left(session))[0] == {(1, 1): 10}
        assert await sums(session) == {}
        await session.script("rollback")


async def test_a_refusal_planned_behind_an_order_that_did_not_stand_is_not_recorded_but_planned_again(
    database: Database,
) -> None:
    """A repeated request took stock on paper a second time, and the order behind it was refused for ever."""
    world = World({(1, 1): (5, 0, 0)}, {}, {})
    batch = [Asked(True, "granted", (Claim(1, 1, 0, 5),)), Asked(False, "refused", ())]
    async with database.acquire() as session:
        await session.script("begin")
        await write(session, world, batch)
        assert await claim(session, batch, lock=False) == [KNOWN, AGAIN]
        assert await session.sql("select from reservation where request_id = 'q1'") == []
        await session.script("rollback")


async def waiting(database: Database) -> None:
    """Return when some session waits for a row that another one holds."""
    while not await database.sql("select from pg_locks where not granted"):
        await asyncio.sleep(0)


@pytest.mark.parametrize("lock", [False, True])
async def test_what_was_read_before_another_claim_committed_is_not_what_decides(database: Database, lock: bool) -> None:
    """Both claims see ten units free; the second must not take what the first has taken by the time that it writes."""
    first, second = (Asked(False, "granted", (Claim(1, 1, 0, quantity),)) for quantity in (8, 5))
    async with database.acquire() as session, database.acquire() as other:
        await write(session, World({(1, 1): (10, 0, 0)}, {}, {}), [])
        await session.script("begin")
        assert await claim(session, [first], lock=lock, requests=["first"]) == [DECIDED]
        late = asyncio.create_task(claim(other, [second], lock=lock, requests=["second"]))
        await waiting(database)
        await session.script("commit")
        if lock:
            assert await late == [AGAIN]
        else:
            with pytest.raises(StockMoved):
                await late
        assert await sums(session) == {(1, 1): 8}
        assert (await left(session))[0] == {(1, 1): 2}
