"""The network's use cases bound to one store, as the API and the command line call them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onhand.app import apply_network as use
from onhand.app.ports_network import NetworkStore, NetworkVersion, VersionLine


class Networks:
    """Plan, apply, list, show and roll back; see `onhand.app.apply_network` for what each raises."""

    def __init__(self, store: NetworkStore) -> None:
        self.store = store

    async def current(self) -> NetworkVersion | None:
        """Return the version in force, None before the first."""
        return await self.store.current()

    async def plan(self, files: Mapping[str, str]) -> use.Plan:
        """Compare files ({path: text}) with what is in force."""
        return await use.plan_network(self.store, files)

    async def apply(self, plan: use.Plan, *, who: str, message: str = "") -> VersionLine | None:
        """Put a plan in force; None when it changes nothing."""
        return await use.apply_network(self.store, plan, who=who, message=message)

    async def versions(self, *, before: int | None = None, limit: int = 50) -> Sequence[VersionLine]:
        """Return versions, the newest first."""
        return await use.list_versions(self.store, before=before, limit=limit)

    async def show(self, number: int) -> NetworkVersion:
        """Return one version whole."""
        return await use.show_version(self.store, number)

    async def rollback(self, number: int, *, who: str, message: str = "") -> VersionLine | None:
        """Put the content of an earlier version in force as a new one."""
        return await use.rollback(self.store, number, who=who, message=message)
