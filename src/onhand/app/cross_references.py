"""Cross references: which item, location or customer of ours a partner's code means, and the way back.

Statuses and units are translated by the network; `lookups` puts both together into the one function that mappings ask.
Many codes of a partner may mean one of ours; the one that is `main` is sent to the partner.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from onhand.domain.errors import InvalidInput, NotFound
from onhand.domain.mapping import LookUp
from onhand.domain.network import Network

Kind: TypeAlias = Literal["item", "location", "customer"]

KINDS: Final[tuple[Kind, ...]] = ("item", "location", "customer")
ROWS_MAX: Final = 500_000
"""Cross references of all systems: a node keeps them in memory, some 250 bytes each."""

PAGE_ROWS: Final = 1_000
"""Rows that a list reads at a time."""

CODE_MAX: Final = 200
CSV_CHARACTERS_MAX: Final = 100_000_000
MISTAKES_MAX: Final = 20

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_COLUMNS: Final = ("kind", "theirs", "ours")
_TRUE: Final = ("true", "yes", "1", "x")
_FALSE: Final = ("", "false", "no", "0")


class CrossReferencesInvalid(InvalidInput):
    """Cross references that cannot be kept; all of them are named, up to a number."""

    code = "cross_references_invalid"
    title = "The cross references are not valid"
    remedy = "Correct the rows named and send all of them again; rows that are there already change nothing."


class UnknownSystem(NotFound):
    """The network has no system of that code, and nothing is kept of one."""

    code = "unknown_system"
    title = "There is no such system"
    remedy = "Check the code; the network's files declare the systems."


class CrossReference(msgspec.Struct, frozen=True, kw_only=True):
    """One code of a partner and what it means here."""

    system: str
    kind: Kind
    theirs: str
    ours: str
    main: bool = False
    changed_at: datetime | None = None
    changed_by: str = ""


class CrossReferenceStore(Protocol):
    """Where cross references are kept."""

    async def put(self, system: str, rows: Sequence[CrossReference], *, who: str) -> int:
        """Keep rows, in one transaction; return how many were new or changed."""

    async def remove(self, system: str, rows: Sequence[tuple[Kind, str]], *, who: str) -> int:
        """Remove codes of theirs; return how many there were."""

    async def page(
        self, *, system: str | None, kind: Kind | None, after: CrossReference | None, n: int
    ) -> Sequence[CrossReference]:
        """Return rows by system, kind and code of theirs."""

    async def network(self) -> Network:
        """Return the network in force."""


class Codes(Protocol):
    """What is remembered of cross references, to be asked without waiting."""

    def look_up(self, system: str) -> LookUp:
        """Return the function from a system's codes to ours."""

    def look_up_theirs(self, system: str) -> LookUp:
        """Return the function from our codes to a system's."""


class References(Codes, Protocol):
    """What is remembered of cross references, and read anew where they have changed."""

    async def refresh(self) -> bool:
        """Read anew what has changed; True when something had."""


class CrossReferences:
    """The use case: list, set, remove, import."""

    def __init__(self, store: CrossReferenceStore) -> None:
        self._store = store

    async def rows(self, *, system: str | None = None, kind: Kind | None = None) -> AsyncIterator[CrossReference]:
        """Go through cross references by system, kind and code of theirs. Raises UnknownSystem."""
        if system is not None:
            await self._must_be_known(system)
        after: CrossReference | None = None
        while page := await self._store.page(system=system, kind=kind, after=after, n=PAGE_ROWS):
            for row in page:
                yield row
            after = page[-1]

    async def set(self, system: str, rows: Sequence[CrossReference], *, who: str) -> int:
        """Keep rows of one system; return how many were new or changed. Raises CrossReferencesInvalid."""
        wrong = _first(_mistakes(system, rows, await self._store.network()))
        if wrong:
            raise CrossReferencesInvalid("\n".join(wrong))
        return await self._store.put(system, rows, who=who)

    async def remove(self, system: str, rows: Sequence[tuple[Kind, str]], *, who: str) -> int:
        """Remove codes of theirs; return how many there were. Raises UnknownSystem."""
        await self._must_be_known(system)
        return await self._store.remove(system, rows, who=who)

    async def _must_be_known(self, system: str) -> None:
        """Raise for a system that the network has not, unless codes of it are left from when it had."""
        network = await self._store.network()
        if network.system(system) is None and not await self._store.page(system=system, kind=None, after=None, n=1):
            raise unknown_system(network, system)


def unknown_system(network: Network, system: str) -> UnknownSystem:
    """Return the error that names the systems there are."""
    return UnknownSystem(f"The network has no system {system[:64]!r}; it has {_names(network.systems)}.")


def lookups(network: Network, codes: Codes, system: str, *, outbound: bool = False) -> LookUp:
    """Return the function that mappings of a system ask: theirs to ours, or for mappings out ours to theirs.

    Statuses and units are the network's translations, the rest are cross references. A location or unit of the
    network is understood under its own code too. None: nobody has declared it.
    """
    references = codes.look_up_theirs(system) if outbound else codes.look_up(system)

    def theirs_to_ours(kind: str, code: str) -> str | None:
        if kind == "status":
            status = network.status_from(system, code)
            return None if status is None else status.code
        if kind == "unit":
            unit = network.unit_from(system, code)
            return unit if unit != code or unit in network.units else None
        found = references(kind, code)
        return code if found is None and kind == "location" and code in network.locations else found

    def ours_to_theirs(kind: str, code: str) -> str | None:
        if kind not in ("status", "unit"):
            return references(kind, code)
        declared = network.statuses.get(code) if kind == "status" else network.units.get(code)
        translations = () if declared is None else declared.translations.get(system, ())
        return translations[0] if translations else None

    return ours_to_theirs if outbound else theirs_to_ours


def read_csv(text: str, *, system: str) -> list[CrossReference]:
    """Return the rows of a CSV text with the columns kind, theirs, ours and perhaps main.

    Raises CrossReferencesInvalid, which names lines.
    """
    if len(text) > CSV_CHARACTERS_MAX:
        raise CrossReferencesInvalid(f"The file has more than {CSV_CHARACTERS_MAX} characters.")
    first = text.removeprefix("\ufeff").partition("\n")[0]
    reader = csv.DictReader(
        io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=max(",;\t", key=first.count), strict=True
    )
    try:
        names = [name.strip().casefold() for name in reader.fieldnames or ()]
        missing = [name for name in _COLUMNS if name not in names]
        if missing:
            raise CrossReferencesInvalid(f"The first line has no column {', '.join(missing)}.")
        reader.fieldnames = names
        read = [_row(row, reader.line_num, system) for row in reader]
    except csv.Error as error:
        raise CrossReferencesInvalid(f"Line {reader.line_num}: {error}.") from None
    wrong = _first(row for row in read if isinstance(row, str))
    if wrong:
        raise CrossReferencesInvalid("\n".join(wrong))
    return [row for row in read if not isinstance(row, str)]


def _row(row: dict[str, str], line: int, system: str) -> CrossReference | str:
    kind = (row["kind"] or "").strip()
    main = (row.get("main") or "").strip().casefold()
    if kind not in KINDS:
        return f"Line {line}: {kind[:40]!r} is none of {', '.join(KINDS)}."
    if main not in (*_TRUE, *_FALSE):
        return f"Line {line}: main is {main[:40]!r}, neither yes nor no."
    theirs, ours = (row["theirs"] or "").strip(), (row["ours"] or "").strip()
    wrong = _bad_code(theirs) or _bad_code(ours)
    if wrong:
        return f"Line {line}: {wrong}."
    known: Kind = next(each for each in KINDS if each == kind)
    return CrossReference(system=system, kind=known, theirs=theirs, ours=ours, main=main in _TRUE)


def _mistakes(system: str, rows: Sequence[CrossReference], network: Network) -> Iterator[str]:
    if network.system(system) is None:
        yield unknown_system(network, system).detail
        return
    meaning: dict[tuple[str, str], str] = {}
    for row in rows:
        wrong = _bad_code(row.theirs) or _bad_code(row.ours)
        if wrong:
            yield f"{row.kind} {row.theirs[:60]!r}: {wrong}."
        if row.kind == "location" and row.ours not in network.locations:
            yield f"location {row.theirs[:60]!r}: the network has no location {row.ours[:60]!r}."
        if meaning.setdefault((row.kind, row.theirs), row.ours) != row.ours:
            yield f"{row.kind} {row.theirs[:60]!r} is there twice, with two meanings."


def _bad_code(code: str) -> str | None:
    if not code or code != code.strip():
        return f"the code {code[:60]!r} is empty or begins or ends with a blank"
    if len(code) > CODE_MAX:
        return f"a code has more than {CODE_MAX} characters"
    return f"the code {code[:60]!r} holds a control character" if _CONTROL.search(code) else None


def _first(wrong: Iterable[str]) -> list[str]:
    found = list(wrong)
    more = [f"... and {len(found) - MISTAKES_MAX} more."] if len(found) > MISTAKES_MAX else []
    return found[:MISTAKES_MAX] + more


def _names(codes: Collection[str]) -> str:
    shown = sorted(codes)[:20]
    return ", ".join(shown) if shown else "none"
