"""The blast radius of a change of network: whose numbers can move, what becomes (un)sellable, who may speak no more.

Stock itself is not known here; these are the places to look at before saying yes.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from onhand.domain.network import Channel, Network


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """A status whose stock begins or ceases to be sellable."""

    status: str
    sellable: bool


class Silenced(msgspec.Struct, frozen=True, kw_only=True):
    """Systems whose events of a type were applied until now and will be quarantined."""

    event_type: str
    systems: tuple[str, ...]


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """What a change of network can set in motion; `channels` gives the reasons for each channel concerned."""

    channels: dict[str, tuple[str, ...]] = {}
    flips: tuple[Flip, ...] = ()
    silenced: tuple[Silenced, ...] = ()


def effects(old: Network, new: Network) -> Effects:
    """Return what replacing one network by another can set in motion."""
    flips = tuple(_flips(old, new))
    return Effects(channels=_channels(old, new, flips), flips=flips, silenced=tuple(_silenced(old, new)))


def _flips(old: Network, new: Network) -> Iterator[Flip]:
    for code in sorted({*old.statuses, *new.statuses}):
        before, after = (network.statuses.get(code) for network in (old, new))
        was, becomes = (status is not None and status.sellable for status in (before, after))
        if was != becomes:
            yield Flip(status=code, sellable=becomes)


def _channels(old: Network, new: Network, flips: tuple[Flip, ...]) -> dict[str, tuple[str, ...]]:
    found = {}
    for code in sorted({*old.channels, *new.channels}):
        reasons = tuple(_reasons(code, old, new, flips))
        if reasons:
            found[code] = reasons
    return found


def _reasons(code: str, old: Network, new: Network, flips: tuple[Flip, ...]) -> Iterator[str]:
    before, after = old.channel(code), new.channel(code)
    sold_before, sells_after = (channel is not None and not channel.retired for channel in (before, after))
    if not sells_after or not sold_before or before is None or after is None:
        if sells_after != sold_before:
            yield "it begins to sell" if sells_after else "it sells no more"
        return
    if {place.code for place in old.locations_of(code)} != {place.code for place in new.locations_of(code)}:
        yield "it sells from other places"
    yield from _changed_terms(before, after)
    if _fences_that_matter(code, old) != _fences_that_matter(code, new):
        yield "stock is set aside differently where it sells from"
    if flips:
        yield "statuses change whether they are sellable"


def _changed_terms(before: Channel, after: Channel) -> Iterator[str]:
    for field, words in (
        ("safety_stock", "its safety stock changes"),
        ("max_listed", "its largest number shown changes"),
        ("min_remaining_life_days", "other lots are fresh enough for it"),
        ("floor_to_selling_unit", "its numbers are rounded differently"),
    ):
        if getattr(before, field) != getattr(after, field):
            yield words


def _fences_that_matter(channel: str, network: Network) -> frozenset[tuple[str, str, str, int, bool]]:
    """Return what is set aside where a channel sells, and whether for itself."""
    places = {place.code for place in network.locations_of(channel)}
    own = network.fence_group_of(channel)
    return frozenset(
        (*fence.key, fence.quantity, fence.group == own) for fence in network.ring_fences if fence.location in places
    )


def _silenced(old: Network, new: Network) -> Iterator[Silenced]:
    for event_type in sorted({*old.authority, *new.authority}):
        systems = tuple(
            code
            for code in sorted(old.systems)
            if old.may_state(code, event_type) and not new.may_state(code, event_type)
        )
        if systems:
            yield Silenced(event_type=event_type, systems=systems)
