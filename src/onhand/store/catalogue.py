"""The catalogue from PostgreSQL: the adapter behind `onhand.app.catalogue`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from onhand.app.answers import ItemRow
from onhand.domain.network import Network
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database, Row


class PostgresCatalogue:
    """The CatalogueStore of `onhand.app.catalogue`."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory

    async def items(self, *, after: str, part: str | None, n: int) -> Sequence[ItemRow]:
        """Return up to `n` items by SKU after `after`; with `part` those that have it in SKU or name."""
        return [_item(row) for row in await self._database.fetch("catalogue.items", after, part, n)]

    async def item(self, sku: str) -> ItemRow | None:
        """Return one item."""
        row = await self._database.fetchrow("catalogue.item", sku)
        return None if row is None else _item(row)

    async def network(self) -> Network:
        """Return the network in force."""
        return (await self._directory.situation()).network


def _item(row: Row) -> ItemRow:
    return ItemRow(
        sku=row["sku"],
        name=row["name"],
        kind=row["kind"],
        status=row["status"],
        base_uom=row["base_uom"],
        units={row["base_uom"]: 1, **msgspec.json.decode(row["units"])},
        selling_uom=row["selling_uom"],
        lot_tracked=row["lot_tracked"],
        serial_tracked=row["serial_tracked"],
        shelf_life_days=row["shelf_life_days"],
        category=row["category"],
        components=tuple(msgspec.json.decode(row["components"])),
        attributes=msgspec.json.decode(row["attributes"]),
    )
