"""Facts into PostgreSQL: the adapter behind `onhand.app.record_events`.

A batch that only moves stock is one call and one round trip. Whatever else a batch does (counts, promises kept,
supply) happens in the same transaction, with reservations locked first, as every writer does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec

from onhand.app.ports import (
    Decided,
    EventKey,
    FactKey,
    ItemsInUse,
    ItemStatement,
    Kept,
    Quarantined,
    RowsCrossed,
    Situation,
)
from onhand.domain.effects import Allocation, Consumption, Count, Effects, Movement
from onhand.domain.fact import Fact
from onhand.domain.item import Item
from onhand.store.batch import Batch
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database, Session
from onhand.store.postgres.errors import DatabaseBusy


class PostgresFacts:
    """The FactStore of `onhand.app.ports`."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory

    async def situation(self) -> Situation:
        """Return the clock and the network in force."""
        return await self._directory.situation()

    async def items(self, skus: Collection[str]) -> Mapping[str, Item]:
        """Return those items that exist."""
        return await self._directory.known_items(skus)

    async def reservations(self, numbers: Iterable[int]) -> frozenset[int]:
        """Return those reservation numbers that exist."""
        wanted = sorted(set(numbers))
        rows = await self._database.fetch("reference.known_reservations", wanted) if wanted else []
        return frozenset(row["id"] for row in rows)

    async def fingerprints(self, keys: Sequence[EventKey]) -> Mapping[EventKey, bytes]:
        """Return the fingerprint of each event that is recorded already."""
        rows = await self._database.fetch("intake.known_events", [key[0] for key in keys], [key[1] for key in keys])
        return {(row["source"], row["id"]): row["fingerprint"] for row in rows}

    async def record(self, decided: Sequence[Decided], *, version: int, now: datetime) -> None:
        """Write facts and all their effects in one transaction."""
        batch = await self.batch_of(decided)
        with _crossing_told():
            if not all(one.effects.only_moves for one in decided):
                async with self._database.transaction() as session:
                    await self.record_within(session, batch, version=version, now=now)
            else:
                async with self._database.acquire() as session:
                    await session.fetchval("intake.record", now, version, *batch.arguments())

    async def record_within(self, session: Session, batch: Batch, *, version: int, now: datetime) -> None:
        """Write a batch inside the caller's transaction."""
        effects = [one.effects for one in batch.order]
        promised = {c.reservation for each in effects for c in each.consumptions}
        promised |= {a.reservation for each in effects for a in each.allocations if a.reservation is not None}
        if promised:
            await session.execute("intake.lock_reservations", sorted(promised))
        ids = await session.fetchval("intake.record", now, version, *batch.arguments())
        await self._post_counts(session, batch, ids, now)
        await self._consume(session, batch, ids, now)
        await self._allocate(session, batch, now)
        await self._supply(session, batch)
        statuses = [(one.fact, s.item.sku, s.status) for one in batch.order for s in one.effects.item_statuses]
        if statuses:
            await _state_statuses(session, statuses)
            await session.execute("intake.catalogue_changed")

    async def record_items(self, stated: Sequence[ItemStatement], *, version: int, now: datetime) -> None:
        """Write facts about items and the items."""
        batch = await self.batch_of([Decided(one.fact, Effects()) for one in stated])
        with _crossing_told():
            async with self._database.transaction() as session:
                await session.fetchval("intake.record", now, version, *batch.arguments())
                newest = _newest(stated)
                await _refuse_in_use(session, newest)
                await session.fetch("intake.upsert_items", *_item_columns(newest))
                await _state_statuses(
                    session, [(one.fact, one.item.sku, one.status) for one in stated if one.status is not None]
                )
                await self._fence_new_items(session, [one.item.sku for one in stated])
                await session.execute("intake.catalogue_changed")
        self._directory.forget_items(one.item.sku for one in stated)

    async def quarantine(self, rows: Sequence[Quarantined]) -> Sequence[Kept]:
        """Keep facts aside; answers in the order given."""
        found = await self._database.fetch(
            "intake.quarantine",
            [row.source for row in rows],
            [row.id for row in rows],
            [row.type for row in rows],
            [row.fingerprint for row in rows],
            [row.reason for row in rows],
            [row.detail for row in rows],
            [msgspec.json.encode(row.facts).decode() for row in rows],
            [row.body for row in rows],
        )
        kept = {(r["source"], r["event_id"], r["fingerprint"]): Kept(r["id"], r["state"], r["reason"]) for r in found}
        return [kept[row.source, row.id, row.fingerprint] for row in rows]

    async def set_aside(self, keys: Sequence[FactKey]) -> Mapping[FactKey, Kept]:
        """Return those that lie in quarantine, open or discarded."""
        columns = map(list, zip(*keys, strict=True))
        rows = await self._database.fetch("quarantine.set_aside", *columns)
        return {(r["source"], r["event_id"], r["fingerprint"]): Kept(r["id"], r["state"], r["reason"]) for r in rows}

    async def release(self, ids: Sequence[int], *, who: str) -> None:
        """Mark open quarantine rows as released: what they hold is recorded."""
        await self._database.execute("quarantine.release", list(ids), who)

    async def batch_of(self, decided: Sequence[Decided]) -> Batch:
        """Return the arrays of a batch, making the ids that it needs."""
        sources = await self._directory.source_ids({one.fact.source: one.fact.system for one in decided})
        owners: set[str] = set()
        lots: dict[tuple[int, str], Any] = {}
        for one in decided:
            effects = one.effects
            things: list[Movement | Count] = [*effects.movements, *effects.counts]
            for thing in things:
                owners.add(thing.owner)
                if thing.lot is not None:
                    _note_lot(lots, (thing.item.id, thing.lot), thing.expiry)
            holds: list[Consumption | Allocation] = [*effects.consumptions, *effects.allocations]
            for hold in holds:
                if hold.lot is not None:
                    _note_lot(lots, (hold.item.id, hold.lot), None)
        return Batch(
            decided,
            directory=self._directory,
            sources=sources,
            owners=await self._directory.owner_ids(owners),
            lots=await self._directory.lot_ids(lots),
        )

    async def _post_counts(self, session: Session, batch: Batch, ids: Sequence[int], now: datetime) -> None:
        counts = [
            (batch.place(count, *count.place), event, one.fact, count)
            for event, one in zip(ids, batch.order, strict=True)
            for count in one.effects.counts
        ]
        if not counts:
            return
        counts.sort(key=lambda c: (c[0], c[2].occurred_at, c[2].tie))
        rows: list[tuple[Any, ...]] = [_count_row(*count) for count in counts]
        await session.fetchval("intake.post_counts", now, *map(list, zip(*rows, strict=True)))

    async def _consume(self, session: Session, batch: Batch, ids: Sequence[int], now: datetime) -> None:
        rows = [
            (event, c.reservation, c.item.id, self._directory.locations[c.location], batch.lot(c), c.quantity, c.line)
            for event, one in zip(ids, batch.order, strict=True)
            for c in one.effects.consumptions
        ]
        if rows:
            await session.fetchval("intake.consume_claims", now, *map(list, zip(*rows, strict=True)))

    async def _allocate(self, session: Session, batch: Batch, now: datetime) -> None:
        allocations = [a for one in batch.order for a in one.effects.allocations]
        places = self._directory.locations
        promised = [
            (a.reservation, a.item.id, places[a.location], a.quantity) for a in allocations if a.reservation is not None
        ]
        own = [
            (a.item.id, places[a.location], a.reference, batch.lot(a), a.quantity)
            for a in allocations
            if a.reservation is None
        ]
        if promised:
            await session.fetchval("intake.allocate_claims", now, *map(list, zip(*promised, strict=True)))
        if own:
            await session.fetchval("intake.allocate_stock", *map(list, zip(*own, strict=True)))

    async def _supply(self, session: Session, batch: Batch) -> None:
        places = self._directory.locations
        supplies = [
            (s.item.id, places[s.location], s.kind, s.reference, s.line_id, s.quantity, s.due_date,
             s.reliability_percent, s.purchase_order, one.fact.occurred_at, one.fact.tie)
            for one in batch.order for s in one.effects.supplies
        ]  # fmt: skip
        arrivals = [
            (a.item.id, places[a.location], a.kind, a.reference, a.purchase_order or "", a.quantity)
            for one in batch.order
            for a in one.effects.arrivals
        ]
        if supplies:
            await session.execute("intake.state_supply", *map(list, zip(*supplies, strict=True)))
        if arrivals:
            await session.execute("intake.note_arrivals", *map(list, zip(*arrivals, strict=True)))

    async def _fence_new_items(self, session: Session, skus: Sequence[str]) -> None:
        named = set(skus)
        fences = [fence for fence in self._directory.network.ring_fences if fence.sku in named]
        if fences:
            await session.fetchval(
                "intake.fences_of_new_items",
                list(skus),
                [fence.sku for fence in fences],
                [fence.location for fence in fences],
                [fence.group for fence in fences],
                [fence.quantity for fence in fences],
            )


@contextmanager
def _crossing_told() -> Iterator[None]:
    """Tell a deadlock as the signal that it is: counts and promises kept take rows that cannot all be known before."""
    try:
        yield
    except DatabaseBusy as error:
        if error.facts.get("sqlstate") == "40P01":
            raise RowsCrossed(error.detail) from error
        raise


async def _state_statuses(session: Session, stated: Sequence[tuple[Fact, str, str]]) -> None:
    if stated:
        await session.fetch(
            "intake.item_status",
            [sku for _, sku, _ in stated],
            [status for _, _, status in stated],
            [fact.occurred_at for fact, _, _ in stated],
            [fact.tie for fact, _, _ in stated],
        )


def _note_lot(lots: dict[tuple[int, str], Any], key: tuple[int, str], expiry: Any) -> None:
    known = lots.get(key)
    lots[key] = expiry if known is None else known if expiry is None else min(known, expiry)


def _count_row(place: tuple[int, ...], event: int, fact: Fact, count: Count) -> tuple[Any, ...]:
    return (event, count.line, fact.occurred_at, fact.tie, *place, count.quantity)


def _newest(stated: Sequence[ItemStatement]) -> list[ItemStatement]:
    """Keep the newest statement about each item: one statement of SQL cannot update a row twice."""
    newest: dict[str, ItemStatement] = {}
    for one in stated:
        other = newest.get(one.item.sku)
        if other is None or (other.fact.occurred_at, other.fact.tie) < (one.fact.occurred_at, one.fact.tie):
            newest[one.item.sku] = one
    return list(newest.values())


async def _refuse_in_use(session: Session, stated: Sequence[ItemStatement]) -> None:
    """Raise ItemsInUse where a statement changes what an item's numbers mean while there are any."""
    rows = await session.fetch(
        "intake.items_in_use",
        [one.item.sku for one in stated],
        [one.item.base_uom for one in stated],
        [one.item.lot_tracked for one in stated],
        [one.item.kind == "service" for one in stated],
        [one.fact.occurred_at for one in stated],
        [one.fact.tie for one in stated],
    )
    if rows:
        used = {row["sku"] for row in rows}
        raise ItemsInUse([(one.fact.source, one.fact.id) for one in stated if one.item.sku in used])


def _item_columns(stated: Sequence[ItemStatement]) -> list[list[Any]]:
    rows = [
        (one.item.sku, one.name, one.item.kind, one.status, one.item.base_uom, one.item.selling_uom,
         _json(one.item.units.factors), one.item.lot_tracked, one.item.serial_tracked, one.item.shelf_life_days,
         one.item.category, _json(one.item.components), _json(one.attributes), one.fact.occurred_at, one.fact.tie)
        for one in stated
    ]  # fmt: skip
    return [list(column) for column in zip(*rows, strict=True)]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
