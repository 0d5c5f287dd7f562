"""Availability from PostgreSQL: the adapter behind `onhand.app.read_availability`.

One statement for what is true now. What is still to come needs three more; they run in one snapshot with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from onhand.domain.atp import Inbound
from onhand.domain.availability import Fence, Pool
from onhand.domain.channel_stock import ChannelStock
from onhand.domain.deadlines import DueClaim, Shelf, fences_by_item, honour
from onhand.domain.item import Item
from onhand.domain.lot import LotPool
from onhand.domain.supply import Received, SupplyLine, open_supply
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database, Row, Session
from onhand.store.sellers import Sellers

Dated = tuple[Mapping[int, Mapping[int, Sequence[Inbound]]], Mapping[int, int]]
"""Item id -> location id -> goods still to come; item id -> what waits."""


class PostgresAvailability:
    """The AvailabilityStore of `onhand.app.read_availability`."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory
        self._sellers = Sellers(directory)

    async def read(self, channel: str, skus: Sequence[str], *, dated: bool) -> ChannelStock | None:
        """Return what is true now, deadlines honoured; None when no such channel sells."""
        if self._directory.version < 0:
            await self._directory.situation()
        while True:
            known = await self._directory.known_items(skus)
            items = await with_parts(self._directory, {sku: known[sku] for sku in skus if sku in known})
            seller = self._sellers.of((channel,)).get(channel)
            ids = [item.id for item in items.values()]
            places = [] if seller is None else [site.id for site in seller.sites]
            rows, coming = await self._rows(ids, places, dated=dated)
            head = next(row for row in rows if row["kind"] == "now")
            stale = await self._directory.refresh(network=head["key"], catalogue=head["a"])
            # Another task of this node may have refreshed the memory between our reading of it and now.
            if not stale and known is self._directory.items:
                break
        if seller is None:
            return None
        return _stock(rows, coming, items=items, seller=seller, network=self._directory.network, now=head["now"])

    async def _rows(self, items: Sequence[int], places: Sequence[int], *, dated: bool) -> tuple[list[Row], Dated]:
        if not dated:
            return await self._database.fetch("availability.read", items, places), ({}, {})
        async with self._database.transaction(isolation="repeatable_read", readonly=True) as session:
            rows = await session.fetch("availability.read", items, places)
            return rows, await _coming(session, items)


async def with_parts(directory: Directory, items: dict[str, Item]) -> dict[str, Item]:
    """Return these items and the parts of those that are kits, however deep."""
    missing = _parts(items.values(), items)
    while missing:
        known = await directory.known_items(missing)
        found = {sku: known[sku] for sku in missing if sku in known}
        items |= found
        missing = _parts(found.values(), items)
    return items


def _parts(of: Iterable[Item], known: Mapping[str, Item]) -> set[str]:
    return {part.sku for item in of for part in item.components if part.sku not in known}


def _stock(rows: Iterable[Row], coming: Dated, *, now: Any, **known: Any) -> ChannelStock:
    shelf = shelf_of(rows)
    return ChannelStock(
        pools=shelf.pools,
        fences=fences_by_item(shelf.fences),
        lots=shelf.lots,
        today=now.date(),
        inbound=coming[0],
        waiting=coming[1],
        **known,
    )


def shelf_of(rows: Iterable[Row]) -> Shelf:
    """Return what `availability.read` found, deadlines honoured."""
    shelf = Shelf({}, {}, {})
    due: list[DueClaim] = []
    for kind, item, place, key, a, b, c, d, code, expiry, _ in rows:
        if kind == "pool":
            shelf.pools[item, place] = Pool(item, place, a, b, c, d)
        elif kind == "fence":
            shelf.fences[key, item, place] = Fence(item, place, key, a, b)
        elif kind == "lot":
            shelf.lots.setdefault((item, place), []).append(LotPool(key, code, expiry, a))
        elif kind == "due":
            due.append(DueClaim(item, place, a, key, b, c, d))
    honour(shelf, due)
    return shelf


async def _coming(session: Session, items: Sequence[int]) -> Dated:
    lines: dict[int, list[SupplyLine]] = defaultdict(list)
    for row in await session.fetch("availability.supply", items):
        lines[row["item_id"]].append(_line(row))
    received: dict[int, list[Received]] = defaultdict(list)
    for row in await session.fetch("availability.received", items) if lines else []:
        received[row["item_id"]].append(
            Received(
                kind=row["kind"],
                reference=row["reference"],
                location_id=row["location_id"],
                quantity=row["quantity"],
                purchase_order=row["purchase_order"],
            )
        )
    waiting = {row["item_id"]: row["quantity"] for row in await session.fetch("availability.waiting", items)}
    return {item: open_supply(ordered, received[item]) for item, ordered in lines.items()}, waiting


def _line(row: Row) -> SupplyLine:
    return SupplyLine(
        kind=row["kind"],
        reference=row["reference"],
        line_id=row["line_id"],
        location_id=row["location_id"],
        quantity=row["quantity"],
        due=row["due_date"],
        reliability_percent=row["reliability_percent"],
        purchase_order=row["purchase_order"] or "",
    )
