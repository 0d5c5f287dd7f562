"""What applying a network needs from a store: numbered versions, of which the newest is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from onhand.domain.network import Network


class VersionLine(msgspec.Struct, frozen=True, kw_only=True):
    """One version as it stands in a list. `fingerprint` is the SHA-256 of the compiled network, in hex."""

    version: int
    applied_at: datetime
    applied_by: str
    message: str
    fingerprint: str


class NetworkVersion(VersionLine, frozen=True, kw_only=True):
    """One version whole: `files` ({path: text}) as they were applied, byte for byte, and what they were compiled to."""

    files: dict[str, str]
    network: Network


class NetworkStore(Protocol):
    """Where versions live."""

    async def current(self) -> NetworkVersion | None:
        """Return the version in force, None before the first."""

    async def version(self, number: int) -> NetworkVersion | None:
        """Return one version, None when there is no such."""

    async def versions(self, *, before: int | None, limit: int) -> Sequence[VersionLine]:
        """Return up to `limit` versions, the newest first; with `before`, only those with a smaller number."""

    async def store_version(
        self, *, base: int, network: Network, files: Mapping[str, str], fingerprint: str, who: str, message: str
    ) -> VersionLine:
        """Put a network in force as version `base` + 1, with all that follows from it, in one transaction.

        What follows: codes get their ids, pools follow what is sellable, ring-fences follow the network. Raises
        NetworkMoved (`onhand.app.ports`) when `base` is not in force any more; 0 stands for no version at all.
        """
