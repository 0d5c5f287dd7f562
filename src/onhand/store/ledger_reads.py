"""The ledger read from PostgreSQL: the adapter behind `onhand.app.read_ledger`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from onhand.app.answers import BalanceRow, EventRow, MovementRow
from onhand.app.read_ledger import SKU_LAST, AsOf, Span, Where
from onhand.store.postgres.driver import Database, Row

ID_MAX: Final = 2**63 - 1

LOOK_BACK: Final = 1_000
"""How many of an item's newest movements are searched for the one that last touched a place."""


class PostgresLedger:
    """The LedgerStore of `onhand.app.read_ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def balances(
        self, where: Where, as_of: AsOf, *, after: tuple[str, str, str, str, str] | None, n: int
    ) -> Sequence[BalanceRow]:
        """Return balances other than zero by (sku, location, status, lot, owner), after that key."""
        first, *rest = after or (where.sku or "", None, None, None, None)
        if where.sku is not None and first != where.sku:
            return []  # a cursor of another item's list
        codes = (where.location, where.status, where.lot, where.owner)
        arguments = [first, where.sku or SKU_LAST, *codes, *rest, n]
        if as_of.occurred is None and as_of.recorded is None:
            rows = await self._database.fetch("ledger.balances", *arguments)
        else:
            rows = await self._database.fetch("ledger.balances_as_of", *arguments, as_of.occurred, as_of.recorded)
        events = await self._newest_events(rows, as_of)
        return [_balance(row, *events.get(number, (None, None))) for number, row in enumerate(rows, 1)]

    async def movements(
        self, where: Where, span: Span, *, after: tuple[int, int], n: int
    ) -> Sequence[tuple[int, MovementRow]]:
        """Return (event number, movement): of one item in order, of all items event by event, after that pair."""
        if where.sku is None:
            rows = await self._database.fetch("ledger.movements", where.location, span.start, span.end, *after, n)
        else:
            item = await self._database.fetchval("ledger.item_id", where.sku)
            place = (where.location, where.status, where.lot, where.owner)
            rows = await self._database.fetch(
                "ledger.movements_of_item", item, *place, span.start, span.end, after[1], n
            )
        return [(row["event"], _movement(row)) for row in rows]

    async def feed(
        self, *, type_: str | None, source: str | None, after: tuple[int, int], n: int
    ) -> Sequence[tuple[int, EventRow]]:
        """Return (position, event) in an order in which nothing ever comes before what was shown, after that pair."""
        rows = await self._database.fetch("ledger.feed", type_, source, *after, n)
        return [(row["tx"], _event(row)) for row in rows]

    async def feed_end(self) -> tuple[int, int]:
        """Return the pair after which nothing is shown yet and everything to come will be."""
        return (await self._database.fetchval("ledger.feed_end") - 1, ID_MAX)

    async def event(self, source: str, event_id: str) -> EventRow | None:
        """Return one event with its movements."""
        row = await self._database.fetchrow("ledger.event", source, event_id)
        if row is None:
            return None
        movements = await self._database.fetch("ledger.movements_of_event", row["id"])
        return msgspec.structs.replace(_event(row), movements=tuple(_movement(each) for each in movements))

    async def continue_feed(self) -> bool:
        """Let the feed go on after a restore into another server; True when that was needed."""
        return bool(await self._database.fetchval("ledger.continue_feed"))

    async def _newest_events(self, rows: Sequence[Row], as_of: AsOf) -> dict[int, tuple[str, str]]:
        if not rows:
            return {}
        names = ("item_id", "location_id", "status_id", "lot_id", "owner_id")
        places = [[row[name] for row in rows] for name in names]
        found = await self._database.fetch("ledger.newest_events", *places, as_of.occurred, as_of.recorded, LOOK_BACK)
        return {row["place"]: (row["source"], row["event_id"]) for row in found}


def _balance(row: Row, source: str | None, event_id: str | None) -> BalanceRow:
    return BalanceRow(
        sku=row["sku"],
        location=row["location"],
        status=row["status"],
        quantity=row["quantity"],
        lot=row["lot"] or None,
        expiry=row["expiry"],
        owner=row["owner"],
        event_source=source,
        event_id=event_id,
    )


def _movement(row: Row) -> MovementRow:
    return MovementRow(**{name: row[name] for name in MovementRow.__struct_fields__})


def _event(row: Row) -> EventRow:
    return EventRow(
        seq=row["id"],
        source=row["source"],
        id=row["event_id"],
        type=row["type"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
        event=msgspec.Raw(row["body"].encode()),
    )
