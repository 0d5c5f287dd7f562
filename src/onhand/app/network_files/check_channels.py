"""Cross-checks of channels and channel groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from onhand.app.network_files.checking import Checking
from onhand.app.network_files.mistakes import Mistake, quoted
from onhand.app.network_files.typed import Path
from onhand.domain.network import Channel


def check_channels(c: Checking) -> Iterator[Mistake]:
    """Yield what is wrong with channels and the groups of channels."""
    for channel in c.network.channels.values():
        yield from _channel(c, channel)
    yield from _channel_groups(c)


def _channel(c: Checking, channel: Channel) -> Iterator[Mistake]:
    path = ("channels", channel.code)
    if not channel.retired:
        if channel.system is not None:
            yield from c.system((*path, "system"), channel.system)
        yield from _sells_from(c, channel)
        yield from _useless_sourcing(c, channel)
        yield from _publish(c, channel)
    yield from c.repeated((*path, "sourcing"), channel.sourcing)
    yield from c.together(path, channel, "latitude", "longitude")
    if channel.reservation_default_s > channel.reservation_max_s:
        expected = f"at most reservation_max_s, which is {channel.reservation_max_s}"
        found = f"{channel.reservation_default_s} seconds"
        yield c.mistake((*path, "reservation_default_s"), found=found, expected=expected)


def _sells_from(c: Checking, channel: Channel) -> Iterator[Mistake]:
    """Report places that do not exist, and places that it sells from twice, as themselves or through groups."""
    path = ("channels", channel.code, "sells_from")
    seen: dict[str, str] = {}
    for index, code in c.reading.numbered(path, channel.sells_from):
        group = None if c.exists("locations", code) else c.network.location_groups.get(code)
        if group is None:
            yield from _place_or_group(c, (*path, index), code)
        for place in (code,) if group is None else dict.fromkeys(group.locations):
            if place in seen:
                how = "as itself" if seen[place] == place else f"through '{seen[place]}'"
                expected = f"each location once; it is there {how}"
                yield c.mistake((*path, index), found=f"{quoted(place)} again", expected=expected)
            seen.setdefault(place, code)


def _place_or_group(c: Checking, path: Path, code: str) -> Iterator[Mistake]:
    if c.exists("locations", code):
        yield from c.place(path, code)
    elif not c.exists("location_groups", code):
        places = [place.code for place in c.network.locations.values() if place.physical]
        names = [*places, *c.network.location_groups]
        yield c.unknown(path, code, expected="a location or location group that is declared", names=names)


def _useless_sourcing(c: Checking, channel: Channel) -> Iterator[Mistake]:
    """Report sourcing rules that could never decide anything."""
    path = ("channels", channel.code, "sourcing")
    places = c.network.locations_of(channel.code)
    nowhere = ", ".join(place.code for place in places if place.latitude is None and place.longitude is None)
    for index, rule in c.reading.numbered(path, channel.sourcing):
        if rule == "nearest" and nowhere:
            expected = f"latitude and longitude of every place that it sells from; none is known of {nowhere}"
            yield c.mistake((*path, index), found=quoted(rule), expected=expected)
        if rule == "cost" and places and all(place.cost is None for place in places):
            expected = "a cost of at least one place that it sells from"
            yield c.mistake((*path, index), found=quoted(rule), expected=expected)


def _publish(c: Checking, channel: Channel) -> Iterator[Mistake]:
    """Report what publishing refers to and is not there, names that mean two things, fallbacks that never act."""
    publish, path = channel.publish, ("channels", channel.code, "publish")
    if publish is None:
        return
    if not c.exists("endpoints", publish.endpoint):
        expected = "an endpoint that is declared"
        yield c.unknown((*path, "endpoint"), publish.endpoint, expected=expected, names=c.names("endpoints"))
    sold_from = {place.code for place in c.network.locations_of(channel.code)}
    for code in publish.locations:
        if code not in sold_from:
            expected = "a location that the channel sells from"
            yield c.unknown((*path, "locations"), code, expected=expected, names=sold_from)
    yield from _told_apart(c, (*path, "locations"), publish.locations)
    yield from _told_apart(c, (*path, "listings"), publish.listings)
    fallback = publish.fallback
    if fallback is None:
        return
    for index, feed in c.reading.numbered((*path, "fallback", "sources"), fallback.sources):
        if not c.exists("feeds", feed):
            at = (*path, "fallback", "sources", index)
            yield c.unknown(at, feed, expected="a feed that is declared", names=c.names("feeds"))
    if fallback.mode == "zero" and fallback.zero_after_s is None:
        found, expected = "no 'zero_after_s'", "one, since the mode 'zero' does nothing before it"
        yield c.mistake((*path, "fallback"), found=found, expected=expected)


def _told_apart(c: Checking, path: Path, names: Mapping[str, str]) -> Iterator[Mistake]:
    """Report two of ours that the channel knows under one name: one number would overwrite the other."""
    seen: dict[str, str] = {}
    for ours, theirs in names.items():
        if theirs in seen:
            expected = f"a name of its own; '{seen[theirs]}' has it already"
            yield c.mistake((*path, ours), found=quoted(theirs), expected=expected)
        seen.setdefault(theirs, ours)


def _channel_groups(c: Checking) -> Iterator[Mistake]:
    member_of: dict[str, str] = {}
    for code, group in c.network.channel_groups.items():
        path = ("channel_groups", code, "channels")
        yield from c.repeated(path, group.channels)
        for index, member in c.reading.numbered(path, group.channels):
            yield from c.channel((*path, index), member)
            owner = member_of.setdefault(member, code)
            if owner != code:
                expected = f"a channel of no other group; it belongs to '{owner}' already"
                yield c.mistake((*path, index), found=quoted(member), expected=expected)
