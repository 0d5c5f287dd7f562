"""What changes between two networks: the exact differences, value by value, and how to carry them out.

Both networks are seen as trees of plain values, so every field of the model takes part without being named here.
`changed(old, differences(old, new)) == new` holds for all networks; a test lives on that.

What was once in use is never deleted, because history speaks of it: `successor` retires what a new declaration no
longer names.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from onhand.domain.endpoint import Endpoint
from onhand.domain.feed import Feed
from onhand.domain.network import Channel, Location, Network, Status, System

Action: TypeAlias = Literal["add", "change", "retire", "bring_back", "remove"]

_Part = TypeVar("_Part", System, Location, Channel, Status, Endpoint, Feed)

_FENCES = "ring_fences"


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One difference. `path` leads to it from the section down; UNSET stands for nothing being there."""

    path: tuple[str, ...]
    old: Any = msgspec.UNSET
    new: Any = msgspec.UNSET

    @property
    def section(self) -> str:
        """The part of the network that changes, for example `channels`."""
        return self.path[0]

    @property
    def code(self) -> str:
        """The entry that changes, or the key of a section without entries."""
        return self.path[1]

    @property
    def field(self) -> tuple[str, ...]:
        """The path inside the entry, empty when the entry as a whole comes or goes."""
        return self.path[2:]

    @property
    def action(self) -> Action:
        """What the change is to a person."""
        if self.field == ("retired",):
            return "retire" if self.new else "bring_back"
        if self.field or (self.old is not msgspec.UNSET and self.new is not msgspec.UNSET):
            return "change"
        return "add" if self.old is msgspec.UNSET else "remove"


def successor(current: Network, declared: Network) -> Network:
    """Return the declared network plus, retired, everything in use that it no longer names.

    A status that is retired this way is no longer sellable. Groups, ring-fences, authority, units and mappings
    simply go.
    """
    statuses = {
        code: msgspec.structs.replace(status, retired=True, sellable=False) for code, status in current.statuses.items()
    }
    return msgspec.structs.replace(
        declared,
        systems=_retired(current.systems) | declared.systems,
        locations=_retired(current.locations) | declared.locations,
        channels=_retired(current.channels) | declared.channels,
        endpoints=_retired(current.endpoints) | declared.endpoints,
        feeds=_retired(current.feeds) | declared.feeds,
        statuses=statuses | declared.statuses,
    )


def _retired(parts: dict[str, _Part]) -> dict[str, _Part]:
    return {code: msgspec.structs.replace(part, retired=True) for code, part in parts.items()}


def impossible(old: Network, new: Network) -> tuple[str, ...]:
    """Return why a network cannot follow another: codes that would change their meaning; empty when it can."""
    return (*_turned_places(old, new), *_taken_codes(new))


def _turned_places(old: Network, new: Network) -> Iterator[str]:
    """Stock of a physical place is counted, that of a virtual one is the rest of the world: one cannot be the other."""
    for code, before in old.locations.items():
        after = new.locations.get(code)
        if after is not None and after.physical != before.physical:
            yield f"Location '{code}' is a {before.kind} and cannot become a {after.kind}."


def _taken_codes(new: Network) -> Iterator[str]:
    """A group must not have the code of a member, a retired one included."""
    for group in sorted(new.location_groups.keys() & new.locations.keys()):
        yield f"Location group '{group}' has the code of a location that was in use."
    for group in sorted(new.channel_groups.keys() & new.channels.keys()):
        yield f"Channel group '{group}' has the code of a channel that was in use."


def differences(old: Network, new: Network) -> tuple[Change, ...]:
    """Return every difference, ordered by section, entry and field; empty when the two are equal."""
    return tuple(_compare(_tree(old), _tree(new), ()))


def changed(network: Network, changes: Iterable[Change]) -> Network:
    """Return the network after the changes; the network must be the one that they were computed from."""
    tree = copy.deepcopy(_tree(network))
    for change in changes:
        place = tree
        for step in change.path[:-1]:
            place = place[step]
        if change.new is msgspec.UNSET:
            del place[change.path[-1]]
        else:
            place[change.path[-1]] = change.new
    return _network(tree)


def _compare(old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...]) -> Iterator[Change]:
    for key in [*old, *(key for key in new if key not in old)]:
        before, after = old.get(key, msgspec.UNSET), new.get(key, msgspec.UNSET)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _compare(before, after, (*path, key))
        elif not _same(before, after):
            yield Change(path=(*path, key), old=before, new=after)


def _same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same to a reader of files, for whom `true` is not 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    return type(one) is type(other) and bool(one == other)


def _tree(network: Network) -> dict[str, Any]:
    """Return a network as nested dicts; ring-fences under what makes each one and the same."""
    tree: dict[str, Any] = msgspec.to_builtins(network)
    tree[_FENCES] = {f"{fence['group']} {fence['location']} {fence['sku']}": fence for fence in tree[_FENCES]}
    return tree


def _network(tree: dict[str, Any]) -> Network:
    return msgspec.convert({**tree, _FENCES: list(tree[_FENCES].values())}, type=Network)
