"""Versions of the network in PostgreSQL; one SQL function puts one in force with all that follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from onhand.app.ports_network import NetworkVersion, VersionLine
from onhand.domain.network import Network
from onhand.store.postgres.driver import Database, Row

VERSION_MAX: Final = 2**31 - 1
"""What the column holds; a greater number names no version."""


class PostgresNetworkStore:
    """The NetworkStore of `onhand.app.ports_network` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current(self) -> NetworkVersion | None:
        """Return the version in force, None before the first."""
        row = await self._database.fetchrow("network.current")
        return None if row is None else _whole(row)

    async def version(self, number: int) -> NetworkVersion | None:
        """Return one version, None when there is no such."""
        if not 1 <= number <= VERSION_MAX:
            return None
        row = await self._database.fetchrow("network.whole", number)
        return None if row is None else _whole(row)

    async def versions(self, *, before: int | None, limit: int) -> Sequence[VersionLine]:
        """Return up to `limit` versions, the newest first."""
        last = None if before is None or before > VERSION_MAX else max(before, 0)
        return [VersionLine(**_line(row)) for row in await self._database.fetch("network.lines", last, limit)]

    async def store_version(
        self, *, base: int, network: Network, files: Mapping[str, str], fingerprint: str, who: str, message: str
    ) -> VersionLine:
        """Put a network in force as version `base` + 1. Raises NetworkMoved when `base` is not in force any more."""
        head = (base, who, message, _json(files), _json(network), fingerprint)
        async with self._database.transaction() as session:
            number = await session.fetchval("network.store", *head, *_codes(network), *_fences(network))
            row = await session.fetchrow("network.line", number)
        assert row is not None, "the version that this transaction has just written"
        return VersionLine(**_line(row))


def _codes(network: Network) -> tuple[list[Any], ...]:
    """Return the columns of systems, sources, locations, statuses, channels and fence groups, as `store` takes them."""
    systems = [system for system in network.systems.values() if not system.retired]
    sources = {source: system.code for system in systems for source in (system.code, *system.sources)}
    places, statuses = network.locations.values(), network.statuses.values()
    return (
        [system.code for system in systems],
        *_columns(sources.items(), width=2),
        *_columns(((place.code, place.kind, place.retired) for place in places), width=3),
        *_columns(((status.code, status.sellable) for status in statuses), width=2),
        [channel.code for channel in network.channels.values() if not channel.retired],
        sorted({fence.group for fence in network.ring_fences}),
    )


def _fences(network: Network) -> list[list[Any]]:
    rows = ((fence.sku, fence.location, fence.group, fence.quantity) for fence in network.ring_fences)
    return _columns(rows, width=4)


def _columns(rows: Iterable[tuple[Any, ...]], *, width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _line(row: Row) -> dict[str, Any]:
    return {field: row[field] for field in VersionLine.__struct_fields__}


def _whole(row: Row) -> NetworkVersion:
    files = msgspec.json.decode(row["files"], type=dict[str, str])
    return NetworkVersion(**_line(row), files=files, network=msgspec.json.decode(row["model"], type=Network))
