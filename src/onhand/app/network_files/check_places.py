"""Cross-checks of systems, locations and location groups."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator

from onhand.app.network_files.checking import Checking
from onhand.app.network_files.mistakes import Mistake, quoted
from onhand.domain.network import HUB, VIRTUAL_LOCATIONS

_IMPLICIT = "another; this virtual location is there by itself"


def check_places(c: Checking) -> Iterator[Mistake]:
    """Yield what is wrong with systems, locations and the groups of locations."""
    for each in (_systems, _locations, _shared_names, _location_groups):
        yield from each(c)


def _systems(c: Checking) -> Iterator[Mistake]:
    answers_to: dict[str, str] = {code: code for code in c.names("systems")}
    for code, system in c.network.systems.items():
        if code == HUB:
            expected = "another; this is the hub's own"
            yield c.mistake(("systems", code), found=f"the code {quoted(code)}", expected=expected)
        path = ("systems", code, "sources")
        yield from c.repeated(path, system.sources)
        for index, source in c.reading.numbered(path, system.sources):
            owner = answers_to.setdefault(source, code)
            if owner != code:
                expected = f"a source of this system alone; system '{owner}' answers to it already"
                yield c.mistake((*path, index), found=quoted(source), expected=expected)


def _locations(c: Checking) -> Iterator[Mistake]:
    for code in sorted(c.reading.declared("locations") & VIRTUAL_LOCATIONS.keys()):
        yield c.mistake(("locations", code), found=f"the code {quoted(code)}", expected=_IMPLICIT)
    zones = zoneinfo.available_timezones()
    for code, place in c.network.locations.items():
        if place.timezone not in zones:
            path = ("locations", code, "timezone")
            yield c.unknown(path, place.timezone, expected="an IANA time zone", names=zones)
        yield from c.together(("locations", code), place, "latitude", "longitude")


def _shared_names(c: Checking) -> Iterator[Mistake]:
    """Report groups with the code of a member: a channel or ring-fence could not tell which of the two it means."""
    for groups, members in (("location_groups", "locations"), ("channel_groups", "channels")):
        for code in sorted(c.names(groups) & c.names(members)):
            there = c.reading.at((members, code)) if code in c.reading.declared(members) else None
            expected = _IMPLICIT if there is None else f"a code that nothing in {members} has, as {there} does"
            yield c.mistake((groups, code), found=f"the code {quoted(code)}", expected=expected)


def _location_groups(c: Checking) -> Iterator[Mistake]:
    for code, group in c.network.location_groups.items():
        path = ("location_groups", code, "locations")
        yield from c.repeated(path, group.locations)
        for index, member in c.reading.numbered(path, group.locations):
            yield from c.place((*path, index), member)
