"""What every cross-check has at hand, and the questions that several of them ask."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from onhand.app.network_files.mistakes import Mistake, path_text, quoted
from onhand.app.network_files.typed import Path, Reading
from onhand.domain.network import Network, RingFence
from onhand.sdk.registry import Registry


@dataclass(frozen=True, slots=True)
class Checking:
    """The network, where its parts stand, the ring-fences as the files order them, what types and connectors exist."""

    network: Network
    reading: Reading
    fences: tuple[RingFence, ...]
    event_types: Collection[str]
    connectors: Registry

    def mistake(self, path: Path, *, found: str, expected: str, suggestion: str | None = None) -> Mistake:
        """Return a mistake at a path."""
        at = self.reading.at(path)
        return Mistake(at=at, where=path_text(path), found=found, expected=expected, suggestion=suggestion)

    def unknown(self, path: Path, name: str, *, expected: str, names: Iterable[str]) -> Mistake:
        """Return the mistake of a name that refers to nothing, with the nearest of the names that would."""
        suggestion = self.reading.suggestion(name, sorted(names))
        return self.mistake(path, found=quoted(name), expected=expected, suggestion=suggestion)

    def names(self, section: str) -> frozenset[str]:
        """Return every code of a section: read, unreadable, or there by itself."""
        return frozenset(self.reading.declared(section)).union(getattr(self.network, section))

    def exists(self, section: str, code: str) -> bool:
        """Tell whether a code is one of `names(section)`, without gathering them."""
        return code in self.reading.declared(section) or code in getattr(self.network, section)

    def systems(self, path: Path, codes: Iterable[str]) -> Iterator[Mistake]:
        """Report codes of systems that nobody declared; `path` is that of the list."""
        for index, code in self.reading.numbered(path, codes):
            yield from self.system((*path, index), code)

    def system(self, path: Path, code: str) -> Iterator[Mistake]:
        """Report a system that nobody declared, or that is retired."""
        system = self.network.system(code)
        if system is None and not self.exists("systems", code):
            expected = "a system that is declared"
            yield self.unknown(path, code, expected=expected, names=self.network.systems)
        elif system is not None and system.retired:
            found = f"{quoted(code)}, which is retired"
            yield self.mistake(path, found=found, expected="a system in use")

    def place(self, path: Path, code: str) -> Iterator[Mistake]:
        """Report a code that is not a warehouse or store in use."""
        place = self.network.location(code)
        if place is None and not self.exists("locations", code):
            names = (each.code for each in self.network.locations.values() if each.physical)
            yield self.unknown(path, code, expected="a warehouse or store that is declared", names=names)
        elif place is not None and not place.physical:
            found = f"{quoted(code)}, which is virtual (kind {place.kind})"
            yield self.mistake(path, found=found, expected="a warehouse or store")
        elif place is not None and place.retired:
            found = f"{quoted(code)}, which is retired"
            yield self.mistake(path, found=found, expected="a location in use")

    def channel(self, path: Path, code: str) -> Iterator[Mistake]:
        """Report a channel that nobody declared, or that is retired."""
        channel = self.network.channel(code)
        if channel is None and not self.exists("channels", code):
            expected = "a channel that is declared"
            yield self.unknown(path, code, expected=expected, names=self.network.channels)
        elif channel is not None and channel.retired:
            found = f"{quoted(code)}, which is retired"
            yield self.mistake(path, found=found, expected="a channel in use")

    def repeated(self, path: Path, names: Iterable[str]) -> Iterator[Mistake]:
        """Report entries of a list that stand there already."""
        seen: set[str] = set()
        for index, name in self.reading.numbered(path, names):
            if name in seen:
                yield self.mistake((*path, index), found=f"{quoted(name)} again", expected="each entry once")
            seen.add(name)

    def together(self, path: Path, part: msgspec.Struct, one: str, other: str) -> Iterator[Mistake]:
        """Report one of two fields that only make sense together when the other is not stated."""
        for there, absent in ((one, other), (other, one)):
            alone = getattr(part, there) is not None and getattr(part, absent) is None
            if alone and not self.reading.stated((*path, absent)):
                found, expected = f"{there} alone", f"{absent} as well, or neither"
                yield self.mistake((*path, there), found=found, expected=expected)
