"""Cross references in PostgreSQL, and what a node remembers of them.

A node keeps all of them, because mappings ask code by code and cannot wait. Every change carries a version that grows
in the order of commits, so `refresh`, called once a batch, reads one number and only then the rows that are newer.
Mappings of large documents ask from another thread: what is read here is replaced or copied, never walked in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from onhand.app.cross_references import ROWS_MAX, CrossReference, CrossReferencesInvalid, Kind
from onhand.domain.mapping import LookUp
from onhand.domain.network import Network
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database, Row, Session

_Book = tuple[str, str]
"""A system and a kind of codes."""


class PostgresCrossReferences:
    """The CrossReferenceStore and the Codes of `onhand.app.cross_references`."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory
        self._version = 0
        self._ours: dict[_Book, dict[str, str]] = {}
        self._main: dict[_Book, set[str]] = {}
        self._theirs: dict[_Book, dict[str, str]] = {}

    async def refresh(self) -> bool:
        """Learn what has changed since the last time, on whichever node; True when something had."""
        if await self._database.fetchval("cross_references.version") <= self._version:
            return False
        rows = await self._database.fetch("cross_references.changes", self._version)
        # Another task may have learned the same and more meanwhile: what is older turns nothing back.
        news = [row for row in rows if row["version"] > self._version]
        for row in news:
            self._learn(row)
        self._theirs = {}  # a new one: what another thread still works out of the old goes into the old
        self._version = max([self._version, *(row["version"] for row in news)])
        return bool(news)

    def look_up(self, system: str) -> LookUp:
        """Return the function from a system's codes to ours, as of the last refresh."""
        return lambda kind, code: self._ours.get((system, kind), {}).get(code)

    def look_up_theirs(self, system: str) -> LookUp:
        """Return the function from our codes to a system's, as of the last refresh."""
        return lambda kind, code: self._back((system, kind)).get(code)

    async def put(self, system: str, rows: Sequence[CrossReference], *, who: str) -> int:
        """Keep rows; return how many were new or changed. Raises CrossReferencesInvalid when there are too many."""
        last = {(row.kind, row.theirs): row for row in rows}
        main = {(row.kind, row.ours): row for row in last.values() if row.main}
        first = {(row.kind, row.theirs) for row in main.values()}
        kept = [(kind, theirs, row.ours, (kind, theirs) in first) for (kind, theirs), row in sorted(last.items())]
        if not kept:
            return 0

        async def write(session: Session) -> int:
            version = await session.fetchval("cross_references.take_turn")
            await session.execute("cross_references.unset_main", system, *_columns(main.values()), version, who)
            columns = [list(column) for column in zip(*kept, strict=True)]
            changed = await session.execute("cross_references.put", system, *columns, version, who)
            if await session.fetchval("cross_references.present") > ROWS_MAX:
                raise CrossReferencesInvalid(f"There would be more than {ROWS_MAX} cross references.")
            return changed

        return int(await self._database.transact(write))

    async def remove(self, system: str, rows: Sequence[tuple[Kind, str]], *, who: str) -> int:
        """Remove codes of theirs; return how many there were."""
        kinds, theirs = [kind for kind, _ in rows], [code for _, code in rows]

        async def write(session: Session) -> int:
            version = await session.fetchval("cross_references.take_turn")
            return await session.execute("cross_references.remove", system, kinds, theirs, version, who)

        return int(await self._database.transact(write))

    async def page(
        self, *, system: str | None, kind: Kind | None, after: CrossReference | None, n: int
    ) -> list[CrossReference]:
        """Return rows by system, kind and code of theirs."""
        place = ("", "", "") if after is None else (after.system, after.kind, after.theirs)
        rows = await self._database.fetch("cross_references.page", system, kind, *place, n)
        return [CrossReference(**dict(row.items())) for row in rows]

    async def network(self) -> Network:
        """Return the network in force."""
        return (await self._directory.situation()).network

    def _learn(self, row: Row) -> None:
        book, theirs = (row["system"], row["kind"]), row["theirs"]
        codes, main = self._ours.setdefault(book, {}), self._main.setdefault(book, set())
        if row["ours"] is None:
            codes.pop(theirs, None)
        else:
            codes[theirs] = row["ours"]
        (main.add if row["main"] else main.discard)(theirs)

    def _back(self, book: _Book) -> dict[str, str]:
        """Return the way back, made anew after a change: the main code of theirs, or the first by its letters."""
        memory = self._theirs
        back = memory.get(book)
        if back is None:
            back = {}
            main = frozenset(self._main.get(book, ()))
            for theirs, ours in list(self._ours.get(book, {}).items()):
                known = back.get(ours)
                if known is None or (theirs in main, known) > (known in main, theirs):
                    back[ours] = theirs
            memory[book] = back
        return back


def _columns(rows: Iterable[CrossReference]) -> list[list[Any]]:
    listed = list(rows)
    return [[row.kind for row in listed], [row.theirs for row in listed], [row.ours for row in listed]]
