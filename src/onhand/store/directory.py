"""What a node remembers of the slow-moving part of the database: codes and their ids, the network, items, lots.

Only what can be checked is remembered: `refresh` compares the two version numbers of `in_force`, which every batch
reads anyway, and forgets what they say has changed. Ids are never reused, so a remembered id is never wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Final

import msgspec

from onhand.app.ports import Situation
from onhand.domain.item import Component, Item
from onhand.domain.network import Network
from onhand.domain.quantity import Units
from onhand.store.postgres.driver import Database, Row

LOTS_MAX: Final = 200_000
"""Remembered lots; beyond that the memory starts anew rather than growing for ever."""

ITEMS_MAX: Final = 200_000
"""Remembered items, likewise: about 1 kB each."""

NO_LOT: Final = 0


class Directory:
    """One node's memory of codes, network, items and lots."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.network = Network()
        self.version = -1
        self._catalogue = -1
        self.locations: dict[str, int] = {}
        self.statuses: dict[str, int] = {}
        self.channels: dict[str, int] = {}
        self.groups: dict[str, int] = {}
        self._owners: dict[str, int] = {}
        self._sources: dict[str, int] = {}
        self.location_codes: dict[int, str] = {}
        self.status_codes: dict[int, str] = {}
        self.channel_codes: dict[int, str] = {}
        self.items: dict[str, Item] = {}
        self.items_by_id: dict[int, Item] = {}
        self.lots: dict[tuple[int, str], int] = {}
        self.pooled: frozenset[tuple[int, int]] = frozenset()

    async def situation(self) -> Situation:
        """Return the shared clock and the network in force, reading anew what changed."""
        row = await self._database.fetchrow("reference.now_and_versions")
        assert row is not None, "in_force always has its one row"
        await self.refresh(network=row["network"], catalogue=row["catalogue"])
        return Situation(row["now"], self.version, self.network, row["set_aside"])

    @property
    def versions(self) -> tuple[int, int]:
        """The versions of network and catalogue that it speaks of; what was read under others is old."""
        return self.version, self._catalogue

    async def refresh(self, *, network: int, catalogue: int) -> bool:
        """Forget what these version numbers say is old, True when something was.

        Versions only grow: a task that heard an earlier number late turns nothing back.
        """
        if catalogue <= self._catalogue and network <= self.version:
            return False
        self.items, self.items_by_id = {}, {}
        self._catalogue = max(catalogue, self._catalogue)
        if network > self.version:
            await self._load(network)
        return True

    async def known_items(self, skus: Collection[str]) -> Mapping[str, Item]:
        """Return at least those of `skus` that exist."""
        missing = [sku for sku in skus if sku not in self.items]
        if len(self.items) > ITEMS_MAX and missing:
            self.items, self.items_by_id = {}, {}
            missing = list(skus)
        # What another task forgets while this one waits must not come back as news: it goes with the memory it was for.
        items, by_id, network = self.items, self.items_by_id, self.network
        if missing:
            for row in await self._database.fetch("reference.items_by_sku", missing):
                item = item_of(row, network)
                items[item.sku] = item
                by_id[item.id] = item
        return items

    def forget_items(self, skus: Iterable[str]) -> None:
        """Read these items anew when they are asked for again."""
        for sku in skus:
            self.items.pop(sku, None)

    async def source_ids(self, systems: Mapping[str, str]) -> dict[str, int]:
        """Return the id of each source; `systems` maps a source to its system's code."""
        missing = [uri for uri in systems if uri not in self._sources]
        if missing:
            rows = await self._database.fetch("reference.add_sources", missing, [systems[uri] for uri in missing])
            self._sources.update({row["uri"]: row["id"] for row in rows})
        return self._sources

    async def owner_ids(self, codes: Iterable[str]) -> dict[str, int]:
        """Return the id of each owner; an owner exists from its first mention."""
        missing = sorted({code for code in codes if code not in self._owners})
        if missing:
            rows = await self._database.fetch("reference.add_owners", missing)
            self._owners.update({row["code"]: row["id"] for row in rows})
        return self._owners

    async def lot_ids(self, lots: Mapping[tuple[int, str], date | None]) -> dict[tuple[int, str], int]:
        """Return the id of each (item id, lot code); a lot exists from its first mention.

        A lot that comes with an expiry is always written, because its expiry may be news.
        """
        if len(self.lots) > LOTS_MAX:
            self.lots = {}
        known = self.lots  # another task may start the memory anew while this one waits
        wanted = {key: expiry for key, expiry in lots.items() if expiry is not None or key not in known}
        if wanted:
            rows = await self._database.fetch(
                "reference.add_lots", [k[0] for k in wanted], [k[1] for k in wanted], list(wanted.values())
            )
            known.update({(row["item_id"], row["code"]): row["id"] for row in rows})
        return known

    async def _load(self, version: int) -> None:
        model = await self._database.fetchval("reference.network_model", version) if version else None
        network = msgspec.json.decode(model, type=Network) if model else Network()
        tables: dict[str, dict[str, int]] = {}
        for row in await self._database.fetch("reference.codes"):
            tables.setdefault(row["kind"], {})[row["code"]] = row["id"]
        if version < self.version:
            return  # another task has loaded a newer one meanwhile
        self.locations, self.statuses = tables.get("location", {}), tables.get("status", {})
        self.channels, self.groups = tables.get("channel", {}), tables.get("group", {})
        self._owners, self._sources = tables.get("owner", {}), tables.get("source", {})
        self.location_codes = {n: code for code, n in self.locations.items()}
        self.status_codes = {n: code for code, n in self.statuses.items()}
        self.channel_codes = {n: code for code, n in self.channels.items()}
        sellable = [self.statuses[s.code] for s in network.statuses.values() if s.sellable and s.code in self.statuses]
        physical = [
            self.locations[place.code]
            for place in network.locations.values()
            if place.physical and place.code in self.locations
        ]
        self.pooled = frozenset((place, status) for place in physical for status in sellable)
        self.network, self.version = network, version


class _Component(msgspec.Struct):
    sku: str
    quantity: int


def item_of(row: Row, network: Network) -> Item:
    """Build an item from its row; units that the network declares for every item are its own too."""
    units = network.factors_for(row["base_uom"], msgspec.json.decode(row["units"], type=dict[str, int]))
    parts = msgspec.json.decode(row["components"], type=list[_Component])
    return Item(
        id=row["id"],
        sku=row["sku"],
        kind=row["kind"],
        units=Units(row["base_uom"], units),
        selling_uom=row["selling_uom"],
        lot_tracked=row["lot_tracked"],
        serial_tracked=row["serial_tracked"],
        shelf_life_days=row["shelf_life_days"],
        category=row["category"],
        components=tuple(Component(part.sku, part.quantity) for part in parts),
        status=row["status"],
    )
