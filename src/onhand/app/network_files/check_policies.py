"""Cross-checks of what binds parts together: translations, ring-fences, authority, units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from onhand.app.network_files.checking import Checking
from onhand.app.network_files.mistakes import Mistake, quoted
from onhand.app.network_files.typed import Path
from onhand.domain.network import ANY_TYPE, HUB_ONLY, Network, RingFence, Unit


def check_policies(c: Checking) -> Iterator[Mistake]:
    """Yield what is wrong with translations, ring-fences, authority and units."""
    for each in (_translations, _ring_fences, _two_fence_groups, _authority, _units):
        yield from each(c)


def _translations(c: Checking) -> Iterator[Mistake]:
    for section in ("statuses", "units"):
        meaning: dict[tuple[str, str], str] = {}
        for code, part in getattr(c.network, section).items():
            path = (section, code, "translations")
            for system in part.translations:
                yield from c.system((*path, system), system)
            yield from _ambiguous(c, path, part.translations, meaning)


def _ambiguous(
    c: Checking,
    path: tuple[str, str, str],
    translations: Mapping[str, tuple[str, ...]],
    meaning: dict[tuple[str, str], str],
) -> Iterator[Mistake]:
    """Report a partner's code that would stand for two of ours."""
    code = path[1]
    for system, partner_codes in translations.items():
        yield from c.repeated((*path, system), partner_codes)
        for index, partner_code in c.reading.numbered((*path, system), partner_codes):
            taken = meaning.setdefault((system, partner_code), code)
            if taken != code:
                expected = f"a code with one meaning; for system '{system}' it means '{taken}' already"
                yield c.mistake((*path, system, index), found=quoted(partner_code), expected=expected)


def _ring_fences(c: Checking) -> Iterator[Mistake]:
    first: dict[tuple[str, str, str], Path] = {}
    for index, fence in c.reading.numbered(("ring_fences",), c.fences):
        path = ("ring_fences", index)
        yield from _fence_group(c, (*path, "group"), fence)
        yield from c.place((*path, "location"), fence.location)
        yield from _out_of_reach(c, (*path, "location"), fence)
        if fence.key in first:
            expected = f"one quantity for a group, SKU and location; it stands at {c.reading.at(first[fence.key])}"
            yield c.mistake(path, found="the same ring-fence again", expected=expected)
        first.setdefault(fence.key, path)


def _fence_group(c: Checking, path: Path, fence: RingFence) -> Iterator[Mistake]:
    if c.exists("channels", fence.group):
        yield from c.channel(path, fence.group)
    elif not c.exists("channel_groups", fence.group):
        names = [*c.network.channels, *c.network.channel_groups]
        yield c.unknown(path, fence.group, expected="a channel or channel group that is declared", names=names)


def _out_of_reach(c: Checking, path: Path, fence: RingFence) -> Iterator[Mistake]:
    """Report stock set aside where no channel of the group sells from: nobody could ever take it."""
    channels = _channels_of(c.network, fence.group)
    reached = {place.code for channel in channels for place in c.network.locations_of(channel)}
    place = c.network.location(fence.location)
    if reached and place is not None and place.physical and not place.retired and place.code not in reached:
        expected = f"a location that '{fence.group}' sells from: {', '.join(sorted(reached))}"
        yield c.mistake(path, found=quoted(fence.location), expected=expected)


def _channels_of(network: Network, group: str) -> tuple[str, ...]:
    found = network.channel_groups.get(group)
    return found.channels if found is not None else (group,)


def _two_fence_groups(c: Checking) -> Iterator[Mistake]:
    """Report ring-fences of a channel whose group has some too: it would not be clear which are used up first."""
    fenced = {fence.group for fence in c.fences}
    for index, fence in c.reading.numbered(("ring_fences",), c.fences):
        group = c.network.channel_group_of(fence.group)
        if group is not None and group.code in fenced:
            expected = f"ring-fences for the channel or for its group '{group.code}', not for both"
            yield c.mistake(("ring_fences", index, "group"), found=quoted(fence.group), expected=expected)


def _authority(c: Checking) -> Iterator[Mistake]:
    families = {event_type.partition(".")[0] + ".*" for event_type in c.event_types}
    names = {ANY_TYPE, *families, *c.event_types}
    for event_type, systems in c.network.authority.items():
        path = ("authority", event_type)
        if event_type not in names:
            expected = "an event type, a family such as 'order.*', or '*'"
            yield c.unknown(path, event_type, expected=expected, names=names)
        elif event_type.startswith(HUB_ONLY):
            found = f"the event type {quoted(event_type)}"
            yield c.mistake(path, found=found, expected="a type that systems may state; this one is the hub's own")
        yield from c.repeated(path, systems)
        yield from c.systems(path, systems)


def _units(c: Checking) -> Iterator[Mistake]:
    known = {*c.names("units"), c.network.items_policy.base_uom}
    for code, unit in c.network.units.items():
        path = ("units", code)
        yield from c.together(path, unit, "of", "factor")
        if unit.of is not None and unit.of not in known:
            expected = "a unit that is declared, or the base unit of items"
            yield c.unknown((*path, "of"), unit.of, expected=expected, names=known)
        if _consists_of_itself(c.network.units, unit):
            yield c.mistake((*path, "of"), found=quoted(unit.of or ""), expected="a unit that does not consist of this")


def _consists_of_itself(units: Mapping[str, Unit], unit: Unit) -> bool:
    seen: set[str] = set()
    step: Unit | None = unit
    while step is not None and step.of is not None and step.code not in seen:
        seen.add(step.code)
        if step.of == unit.code:
            return True
        step = units.get(step.of)
    return False
