"""Named SQL: finds and reads the query files, so that a caller says *what* it wants and SQL stays in `.sql` files.

A file `ledger.sql` holds any number of queries, each introduced by a header that declares its interface:

    -- query: balances_of_items
    -- in: item_ids bigint[], after bigint, n int
    -- out: item_id bigint, quantity bigint
    -- retry: safe

Its name is then `ledger.balances_of_items`. `in` and `out` may run over several lines and are left out when there
are none. `retry: safe` says that running the statement twice has the effect of running it once; only then does
the driver repeat it after a lost connection. A test prepares every query and holds the header to what PostgreSQL says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "queries"

_HEADER = re.compile(r"^--\s*(query|in|out|retry):\s*(.*?)\s*$")


class BadQueryFile(ValueError):
    """A query file breaks the form above: our own defect, found when the files are read."""


@dataclass(frozen=True, slots=True)
class Column:
    """One declared input or output: its name and its PostgreSQL type as written."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Query:
    """One named statement with its declared interface."""

    name: str
    sql: str
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    retry_safe: bool
    origin: str


class Catalogue:
    """All named queries of a release, by name."""

    __slots__ = ("_queries", "_texts")

    def __init__(self, queries: Mapping[str, Query]) -> None:
        self._queries = dict(queries)
        self._texts = {name: query.sql for name, query in self._queries.items()}

    def __getitem__(self, name: str) -> Query:
        try:
            return self._queries[name]
        except KeyError:
            raise LookupError(f"There is no query {name!r}; known are {', '.join(sorted(self._queries))}.") from None

    def __iter__(self) -> Iterator[Query]:
        return iter(self._queries.values())

    def __len__(self) -> int:
        return len(self._queries)

    def text(self, name: str) -> str:
        """The SQL of `name`: the hot path, one dictionary look-up."""
        found = self._texts.get(name)
        return found if found is not None else self[name].sql


@cache
def shipped() -> Catalogue:
    """The queries that this release carries, read once per process."""
    return load(FOLDER)


def load(folder: Path) -> Catalogue:
    """Read every `*.sql` in `folder`; raises BadQueryFile with the file and line of the first mistake."""
    queries: dict[str, Query] = {}
    for path in sorted(folder.glob("*.sql")):
        for query in parse(path.read_text(encoding="utf-8"), area=path.stem, origin=path.name):
            if query.name in queries:
                raise BadQueryFile(f"{query.origin}: the query {query.name} is declared twice")
            queries[query.name] = query
    return Catalogue(queries)


def parse(text: str, *, area: str, origin: str) -> Iterator[Query]:
    """Split one file into its queries, in order."""
    lines = text.splitlines()
    starts = [n for n, line in enumerate(lines) if (m := _HEADER.match(line)) and m[1] == "query"]
    preamble = lines[: starts[0]] if starts else lines
    for number, line in enumerate(preamble, 1):
        if line.strip() and not line.lstrip().startswith("--"):
            raise BadQueryFile(f"{origin}:{number}: SQL before the first '-- query: name' line")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield _query(lines[start:end], area=area, origin=f"{origin}:{start + 1}")


def _query(block: list[str], *, area: str, origin: str) -> Query:
    header: dict[str, list[str]] = {}
    body: list[str] = []
    for line in block:
        match = None if body else _HEADER.match(line)
        if match:
            header.setdefault(match[1], []).append(match[2])
        elif body or line.strip():
            body.append(line)
    sql = "\n".join(body).strip().removesuffix(";").strip()
    name = header["query"][0]
    if not sql or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise BadQueryFile(f"{origin}: a query needs a snake_case name and a statement; got {name!r}")
    if header.get("retry", ["safe"]) != ["safe"]:
        raise BadQueryFile(f"{origin}: 'retry' can only be 'safe'")
    inputs, outputs = (_columns(", ".join(header.get(key, [])), origin) for key in ("in", "out"))
    return Query(
        name=f"{area}.{name}",
        sql=f"-- {area}.{name}\n{sql}",  # the name shows in pg_stat_activity and in the server's log
        inputs=inputs,
        outputs=outputs,
        retry_safe="retry" in header,
        origin=origin,
    )


def _columns(declaration: str, origin: str) -> tuple[Column, ...]:
    columns = []
    for part in re.split(r",(?![^(]*\))", declaration):  # a comma inside numeric(12,2) does not separate
        if not part.strip():
            continue
        name, _, kind = part.strip().partition(" ")
        if not kind.strip():
            raise BadQueryFile(f"{origin}: {part.strip()!r} needs a name and a type")
        columns.append(Column(name, kind.strip()))
    return tuple(columns)
