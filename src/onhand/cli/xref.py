"""`onhand xref`: which of our codes a partner's code means."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from cyclopts import App, Parameter

from onhand.app.cross_references import CrossReference, CrossReferences, Kind, read_csv
from onhand.bootstrap import open_hub
from onhand.cli import output
from onhand.cli.desk import user
from onhand.cli.options import HERE, Json, Where
from onhand.domain.errors import InvalidInput, NotFound

app = App(name="xref", help="Partners' codes and what they mean here: list, set, remove, import.")

LIST_MAX: Final = 1_000
NO: Final = 1

System: TypeAlias = Annotated[str, Parameter(help="The system whose code it is.")]
OfKind: TypeAlias = Annotated[Kind, Parameter(help="What the code stands for.")]
Theirs: TypeAlias = Annotated[str, Parameter(help="The system's code.")]


@app.command(name="list")
async def list_(
    *,
    system: Annotated[str | None, Parameter(help="Only of this system.")] = None,
    kind: Annotated[Kind | None, Parameter(help="Only of this kind.")] = None,
    limit: Annotated[int, Parameter(help="Rows at most.")] = LIST_MAX,
    where: Where = HERE,
    json: Json = False,
) -> None:
    """List cross references by system, kind and the system's code."""
    rows: list[CrossReference] = []
    async with _references(where) as references:
        async for row in references.rows(system=system, kind=kind):
            if len(rows) == limit:
                output.warn(f"There are more than {limit}; --limit shows more.")
                break
            rows.append(row)
    if json:
        output.emit_json(rows)
        return
    output.table(
        ("system", "kind", "theirs", "ours", "main", "changed", "by"),
        [
            (r.system, r.kind, r.theirs, r.ours, "main" if r.main else None,
             r.changed_at and r.changed_at.isoformat(timespec="seconds"), r.changed_by)
            for r in rows
        ],
    )  # fmt: skip


@app.command(name="set")
async def set_(
    system: System,
    kind: OfKind,
    theirs: Theirs,
    ours: Annotated[str, Parameter(help="What it means here.")],
    /,
    *,
    main: Annotated[
        bool, Parameter(negative="", help="Send this code when several of theirs mean the same here.")
    ] = False,
    where: Where = HERE,
    json: Json = False,
) -> None:
    """Say what a code of a system means here; one that was there is changed."""
    row = CrossReference(system=system, kind=kind, theirs=theirs, ours=ours, main=main)
    async with _references(where) as references:
        changed = await references.set(system, [row], who=user())
    _tell(changed, "It says so already.", f"{kind} {theirs} of {system} means {ours}.", json=json)


@app.command
async def remove(system: System, kind: OfKind, theirs: Theirs, /, *, where: Where = HERE, json: Json = False) -> int:
    """Forget what a code of a system means. Exit code 1 when nobody knew it."""
    async with _references(where) as references:
        removed = await references.remove(system, [(kind, theirs)], who=user())
    _tell(removed, "There is no such code.", f"{kind} {theirs} of {system} means nothing any more.", json=json)
    return 0 if removed else NO


@app.command(name="import")
async def import_(
    system: System,
    file: Annotated[
        Path,
        Parameter(
            allow_leading_hyphen=True,
            help="CSV with the columns kind, theirs, ours and perhaps main; '-' reads from the pipe.",
        ),
    ],
    /,
    *,
    where: Where = HERE,
    json: Json = False,
) -> None:
    """Set all codes of a file, or none when one of them is not valid. A second time changes nothing."""
    rows = read_csv(_text(file), system=system)
    async with _references(where) as references:
        changed = await references.set(system, rows, who=user())
    if json:
        output.emit_json({"read": len(rows), "changed": changed})
    else:
        output.say(f"{len(rows):,} read, {changed:,} new or changed.")


@asynccontextmanager
async def _references(where: Where) -> AsyncIterator[CrossReferences]:
    async with open_hub(where.settings(), application="onhand command") as hub:
        yield CrossReferences(hub.cross_references)


def _tell(changed: int, nothing: str, done: str, *, json: bool) -> None:
    if json:
        output.emit_json({"changed": changed})
    else:
        output.say(done if changed else nothing)


def _text(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.read()
    if not file.is_file():
        raise NotFound(f"There is no file '{file}'.", remedy="Check the path.")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"Byte {error.start} of '{file}' is not UTF-8.", remedy="Convert the file to UTF-8."
        ) from None
