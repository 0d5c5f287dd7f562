"""What there is: items as last stated, and the locations and channels of the network in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from onhand.app.answers import ItemRow
from onhand.app.paging import PAGE_DEFAULT, Page, decode_cursor, encode_cursor, page_limit, paged
from onhand.domain.kit import UnknownItem
from onhand.domain.network import Channel, Location, Network


class CatalogueStore(Protocol):
    """What the catalogue needs from a store."""

    async def items(self, *, after: str, part: str | None, n: int) -> Sequence[ItemRow]:
        """Return up to `n` items by SKU after `after`; with `part` those that have it in SKU or name."""

    async def item(self, sku: str) -> ItemRow | None:
        """Return one item."""

    async def network(self) -> Network:
        """Return the network in force."""


class Catalogue:
    """The use cases."""

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store

    async def items(
        self, *, after: str | None = None, limit: int = PAGE_DEFAULT, query: str | None = None
    ) -> Page[ItemRow]:
        """Return items by SKU; `query` finds those that have it in SKU or name, in any case of letters."""
        (start,) = ("",) if after is None else decode_cursor(after, "items", str)
        rows = await self._store.items(after=start, part=query or None, n=page_limit(limit) + 1)
        return paged(rows, limit, lambda row: encode_cursor("items", row.sku))

    async def item(self, sku: str) -> ItemRow:
        """Return one item. Raises UnknownItem."""
        row = await self._store.item(sku)
        if row is None:
            raise UnknownItem(f"There is no item {sku[:200]!r}.", sku=sku[:200])
        return row

    async def locations(self) -> list[Location]:
        """Return all locations by code, virtual and retired ones included."""
        network = await self._store.network()
        return sorted(network.locations.values(), key=lambda place: place.code)

    async def channels(self) -> list[Channel]:
        """Return all channels by code with their policies, retired ones included."""
        network = await self._store.network()
        return sorted(network.channels.values(), key=lambda channel: channel.code)
