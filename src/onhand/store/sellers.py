"""Channels as planning sees them: worked out once per network version from the config and the codes' ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from onhand.domain.item import Item
from onhand.domain.network import Channel, Network
from onhand.domain.snapshot import Seller
from onhand.domain.sourcing import Site
from onhand.store.directory import Directory

_NO_ITEMS: Final[Mapping[str, Item]] = MappingProxyType({})


class Sellers:
    """Keeps the sellers of the network version that the directory holds."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._version = -1
        self._sellers: dict[str, Seller] = {}
        self._groups: dict[str, tuple[int, ...]] = {}

    def of(self, codes: Iterable[str], items: Mapping[str, Item] = _NO_ITEMS) -> Mapping[str, Seller]:
        """Return the sellers of those channels that exist and are not retired.

        Each knows its safety stock of the `items`, and of no others.
        """
        self._keep_up()
        network = self._directory.network
        found: dict[str, Seller] = {}
        for code in codes:
            channel = network.channel(code)
            if channel is None or channel.retired:
                continue
            seller = self._sellers.get(code) or self._sellers.setdefault(code, self._seller(channel))
            if _withholds(channel):
                # Bound to this reading's items: the directory may forget its own while the reading is planned on.
                seller = msgspec.structs.replace(seller, safety=_SafetyStock(items, network, code))
            found[code] = seller
        return found

    def groups(self) -> Mapping[str, tuple[int, ...]]:
        """Return the location ids of each location group."""
        self._keep_up()
        return self._groups

    def _keep_up(self) -> None:
        if self._version == self._directory.version:
            return
        network, locations = self._directory.network, self._directory.locations
        self._sellers = {}
        self._groups = {
            code: tuple(locations[place.code] for place in network.locations_in(code))
            for code in network.location_groups
        }
        self._version = self._directory.version

    def _seller(self, channel: Channel) -> Seller:
        directory, network = self._directory, self._directory.network
        group = network.fence_group_of(channel.code)
        return Seller(
            code=channel.code,
            sites=tuple(
                Site(
                    id=directory.locations[place.code],
                    code=place.code,
                    priority=place.priority,
                    cost=place.cost,
                    latitude=place.latitude,
                    longitude=place.longitude,
                )
                for place in network.locations_of(channel.code)
            ),
            group_id=directory.groups.get(group, 0) if group else 0,
            sourcing=channel.sourcing,
            max_splits=channel.max_splits,
            ship_complete=channel.ship_complete,
            min_remaining_life_days=channel.min_remaining_life_days,
            floor_to_selling_unit=channel.floor_to_selling_unit,
        )


class _SafetyStock(Mapping[int, int]):
    """Item id -> base units withheld from a channel; worked out when it is asked for."""

    def __init__(self, items: Mapping[str, Item], network: Network, channel: str) -> None:
        self._items = {item.id: item for item in items.values()}
        self._network, self._channel = network, channel

    def __getitem__(self, item_id: int) -> int:
        item = self._items[item_id]
        return self._network.safety_stock(self._channel, item.sku, item.category)

    def __iter__(self) -> Iterator[int]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


def _withholds(channel: Channel) -> bool:
    rules = channel.safety_stock
    return bool(rules.default or rules.by_category or rules.by_sku)
