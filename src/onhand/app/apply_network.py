"""Bring a network into force: plan the difference, apply it as a numbered version, look back, roll back.

A plan remembers the version it was made against. Applying it fails when another version came into force meanwhile, so
nobody applies what nobody has seen. Rolling back is a new version with an old content: history only grows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec

from onhand.app.network_files import read_network
from onhand.app.ports import NetworkMoved
from onhand.app.ports_network import NetworkStore, NetworkVersion, VersionLine
from onhand.domain.errors import Conflict, InvalidInput, NotFound
from onhand.domain.network import EMPTY, Network
from onhand.domain.network_diff import Change, differences, impossible, successor
from onhand.domain.network_effects import Effects, effects

VERSIONS_PAGE_MAX = 1_000
"""Versions in one list; a year of daily changes is on the first page."""

MESSAGE_CHARACTERS_MAX = 500
"""A message says why; what changed is in the version itself."""


class PlanOutOfDate(Conflict):
    """Another version came into force after this plan was made."""

    code: ClassVar[str] = "plan_out_of_date"
    title: ClassVar[str] = "The plan is out of date"
    remedy: ClassVar[str] = "Plan again and look at what changes now."


class ChangeRefused(Conflict):
    """The files are right by themselves but cannot follow what runs."""

    code: ClassVar[str] = "network_change_refused"
    title: ClassVar[str] = "The network in force cannot be changed like this"
    remedy: ClassVar[str] = (
        "Give the new thing a code of its own; codes keep their meaning because history speaks of them."
    )


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What applying would do. `base` is the version in force when it was made, 0 for none."""

    base: int
    changes: tuple[Change, ...]
    effects: Effects
    files: dict[str, str]
    network: Network

    @property
    def empty(self) -> bool:
        """Whether what the files say is in force already."""
        return not self.changes


async def plan_network(store: NetworkStore, files: Mapping[str, str]) -> Plan:
    """Return what applying the files ({path: text}) would change.

    What is in force and no longer declared is retired, not deleted. Raises NetworkInvalid with every mistake in the
    files, and ChangeRefused where a code would change its meaning.
    """
    return _plan(await store.current(), declared=read_network(files), files=files)


async def plan_rollback(store: NetworkStore, number: int) -> Plan:
    """Return what going back to an earlier version would change. Raises NotFound and ChangeRefused."""
    earlier = await show_version(store, number)
    return _plan(await store.current(), declared=earlier.network, files=earlier.files)


async def apply_network(store: NetworkStore, plan: Plan, *, who: str, message: str = "") -> VersionLine | None:
    """Put a plan in force; return the new version, None when the plan is empty and nothing was to do.

    Raises PlanOutOfDate when the plan's base is no longer in force, InvalidInput for a message that is too long.
    """
    if len(message) > MESSAGE_CHARACTERS_MAX or "\0" in message + who:
        raise InvalidInput(f"A message has at most {MESSAGE_CHARACTERS_MAX} characters, none of them NUL.")
    if plan.empty:
        return None
    try:
        return await store.store_version(
            base=plan.base,
            network=plan.network,
            files=plan.files,
            fingerprint=fingerprint(plan.network),
            who=who,
            message=message,
        )
    except NetworkMoved as moved:
        raise PlanOutOfDate(
            f"This plan was made against version {plan.base}, which is no longer in force.", base=plan.base
        ) from moved


async def rollback(store: NetworkStore, number: int, *, who: str, message: str = "") -> VersionLine | None:
    """Put an earlier version's content in force as a new version; None when it is in force already."""
    plan = await plan_rollback(store, number)
    return await apply_network(store, plan, who=who, message=message or f"Roll back to version {number}")


async def list_versions(store: NetworkStore, *, before: int | None = None, limit: int = 50) -> Sequence[VersionLine]:
    """Return versions, the newest first. Raises InvalidInput for a limit outside 1 to 1,000."""
    if not 1 <= limit <= VERSIONS_PAGE_MAX:
        raise InvalidInput(f"A list of versions has from 1 to {VERSIONS_PAGE_MAX} entries, not {limit}.")
    return await store.versions(before=before, limit=limit)


async def show_version(store: NetworkStore, number: int) -> NetworkVersion:
    """Return one version whole. Raises NotFound."""
    found = await store.version(number)
    if found is None:
        raise NotFound(f"There is no network version {number}.", remedy="'onhand network versions' lists them.")
    return found


def fingerprint(network: Network) -> str:
    """Return the SHA-256 of a network's sorted JSON in hex: equal networks have equal fingerprints."""
    return hashlib.sha256(msgspec.json.encode(network, order="sorted")).hexdigest()


def _plan(current: NetworkVersion | None, *, declared: Network, files: Mapping[str, str]) -> Plan:
    running = EMPTY if current is None else current.network
    network = successor(running, declared)
    reasons = impossible(running, network)
    if reasons:
        raise ChangeRefused("\n".join(reasons), reasons=list(reasons))
    return Plan(
        base=0 if current is None else current.version,
        changes=differences(running, network),
        effects=effects(running, network),
        files=dict(files),
        network=network,
    )
