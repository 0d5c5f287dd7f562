"""The page of the schema: tables and columns as they are, with what the migrations say about them.

What there is comes from `store/schema.txt`, which a test holds to the migrations on real servers; what it means comes
from the comments in the migrations: those right above a `create table`, and those behind a column.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Final, NamedTuple

from onhand.cli.reference.markdown import head, table

INTRODUCTION = """\
Everything is in the schema `onhand` of one PostgreSQL database. You may read it with any tool; only Onhand writes it.
The tables may change with any release: build on the [API](api.md), which does not. Places, codes and SKUs are small
integers here; `location`, `status`, `system`, `channel` and `item` name them. Times carry a zone.
"""

AREAS: Final = {
    "0001": "What the rest refers to",
    "0002": "Facts and what they sum to",
    "0003": "Promises",
    "0004": "Views for reading",
}
"""The titles of migrations; a table of any other is shown under the migration's own words."""


MEANINGS: Final = {
    "network_version": "Every network that was ever applied. Nothing here is changed or deleted.",
    "system": "A system that may state facts.",
    "location": "A place where stock can be; four virtual ones are always there.",
    "status": "A condition of stock, and whether stock in it may be sold.",
    "channel": "Anything that sells.",
    "owner": "Whose stock it is; `own` is always there.",
    "item": "What can be stocked, sold or made of other items.",
    "lot": "A lot of an item.",
    "client": "A caller of the API. Its keys may change, its request ids belong to it for ever.",
    "api_key": "A key of a client.",
    "event": "Every fact that was accepted, as it was accepted. Append-only.",
    "movement": "The ledger: what left one place and came to another. Append-only.",
    "balance": "What the ledger sums to for each item, location, status, lot and owner. May be below zero.",
    "lot_stock": "The same pool for each lot, for items that are tracked by lot.",
    "supply": "What is expected, by the newest statement about each line.",
    "quarantine": "Facts that broke a rule of the business: kept, listed, released or discarded by a person.",
    "inbox": "What systems sent, byte for byte, and what became of it.",
    "publication_channel": "Channels that are told numbers: pause, fallback, and what is read back today.",
    "ring_fence": "Units set aside for a fence group, and how many of them it has used up.",
    "reservation": "Every request for a promise with its first answer, refusals included.",
    "claim": "What a reservation holds now, row by row.",
    "backorder": "What a reservation waits for.",
    "promise_log": "Everything that happened to a reservation. Append-only.",
    "schema_migration": "The migrations that this database has had, with the checksums of their files.",
    "schema_function": "The functions that each file of the release made, so that what is gone can be dropped.",
}
"""What tables are for whose migration says nothing right above them."""

POINTERS: Final = {
    "item_id": "the [item](#item)",
    "location_id": "the [location](#location)",
    "from_location": "the [location](#location) that it left",
    "to_location": "the [location](#location) that it came to",
    "status_id": "the [status](#status)",
    "from_status": "the [status](#status) that it left",
    "to_status": "the [status](#status) that it came to",
    "lot_id": "the [lot](#lot); 0 for none",
    "owner_id": "the [owner](#owner)",
    "channel_id": "the [channel](#channel)",
    "group_id": "the [fence group](#fence_group); 0 for none",
    "client_id": "the [client](#client)",
    "system_id": "the [system](#system)",
    "source_id": "the [source](#source)",
    "reservation_id": "the [reservation](#reservation)",
    "network_version": "the [network](#network_version) that was in force",
    "occurred_at": "when it was true in the world",
    "recorded_at": "when it became known here",
    "tx": "lets a reader of the feed wait for transactions that commit late",
}
"""What columns of one name mean wherever they stand, unless the migration says more."""

BOOK_KEEPING: Final = "Book-keeping of the schema itself"


class Column(NamedTuple):
    """One column: its type as PostgreSQL names it, and what it means."""

    name: str
    type: str
    meaning: str


class Table(NamedTuple):
    """One table, and the area in which it is shown."""

    area: str
    name: str
    meaning: str
    columns: tuple[Column, ...]


def page() -> str:
    """The whole page."""
    parts = [head("The schema", INTRODUCTION, source="`store/schema.txt` and the migrations' comments")]
    found = tables()
    for area in dict.fromkeys(each.area for each in found):
        parts.append(f"## {area}\n")
        for each in (one for one in found if one.area == area):
            parts.append(f"### {each.name}\n")
            if each.meaning:
                parts.append(each.meaning + "\n")
            parts.append(
                table(("Column", "Type", "Meaning"), [(f"`{c.name}`", c.type, c.meaning) for c in each.columns])
            )
    return "\n".join(parts)


def tables() -> list[Table]:
    """All tables in the order in which migrations made them; those that migrating itself needs come last."""
    existing = _existing()
    explained = _explained()
    order = [name for name in explained if name in existing]
    order += [name for name in existing if name not in explained]
    return [_table(name, existing[name], explained.get(name)) for name in order]


class _Words(NamedTuple):
    area: str
    meaning: str
    columns: dict[str, str]


def _table(name: str, columns: dict[str, str], words: _Words | None) -> Table:
    said = words.columns if words is not None else {}
    return Table(
        area=words.area if words is not None else BOOK_KEEPING,
        name=name,
        meaning=(words.meaning if words is not None else "") or MEANINGS.get(name, ""),
        columns=tuple(
            Column(column, kind, _meaning(name, column, kind, said.get(column, ""))) for column, kind in columns.items()
        ),
    )


def _meaning(table: str, column: str, kind: str, said: str) -> str:
    if said:
        return said
    if column == "event_id":  # an event's own id is a text, what points to an event is a number
        return "the [event](#event)" if kind.startswith("bigint") else "the event's `id`, as its source gave it"
    return "" if column == table else POINTERS.get(column, "")


def _existing() -> dict[str, dict[str, str]]:
    """Tables with the types of their columns, from the written schema."""
    text = (resources.files("onhand.store") / "schema.txt").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    for block in text.split("\n\n"):
        first, *lines = block.splitlines() or [""]
        kind, _, name = first.partition(" ")
        if kind in ("table", "view"):
            columns = (line.strip() for line in lines)
            found[name] = {
                line.split(" ", 1)[0]: _type(line.split(" ", 1)[1], known=kind == "table")
                for line in columns
                if re.match(r"\w+ ", line) and not re.match(r"(constraint|with|CREATE) ", line)
            }
    return found


def _type(declared: str, *, known: bool) -> str:
    """The type alone, and, where PostgreSQL knows it, whether it may be missing."""
    kind = re.split(r" not null| default | generated | collate ", declared)[0]
    kind = kind.replace("timestamp with time zone", "timestamptz")
    return f"{kind} or null" if known and " not null" not in declared else kind


def _explained() -> dict[str, _Words]:
    found: dict[str, _Words] = {}
    for name, text in _migrations():
        area = AREAS.get(name[:4]) or name[5:].removesuffix(".sql").replace("_", " ").capitalize()
        for match in re.finditer(r"((?:^--.*\n)*)^create table (\w+) \(\n((?:[^)].*\n)*)\)", text, re.MULTILINE):
            found[match[2]] = _Words(area, _comment(match[1]), _column_comments(match[3]))
        for match in re.finditer(r"((?:^--.*\n)*)^create view (\w+) as", text, re.MULTILINE):
            found[match[2]] = _Words(area, _comment(match[1]), {})
        for match in re.finditer(r"((?:^--.*\n)+)((?:^alter table \w+ add column .*\n)+)", text, re.MULTILINE):
            for changed, column in re.findall(r"alter table (\w+) add column (\w+)", match[2]):
                found[changed].columns[column] = _comment(match[1])
    return found


def _migrations() -> list[tuple[str, str]]:
    folder = resources.files("onhand.store") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [(file.name, file.read_text(encoding="utf-8")) for file in files]


def _comment(lines: str) -> str:
    return " ".join(line.removeprefix("--").strip() for line in lines.splitlines())


def _column_comments(body: str) -> dict[str, str]:
    """What stands behind a column, going on below it, or above it."""
    found: dict[str, str] = {}
    above: list[str] = []
    for line in body.splitlines():
        declared, _, said = line.partition("--")
        if not declared.strip():
            above.append(said.strip())
            continue
        name = declared.split()[0]
        words = [*above, said.strip()] if said.strip() or above else []
        above = []
        if words:
            found[name] = " ".join(word for word in words if word)
    return found
