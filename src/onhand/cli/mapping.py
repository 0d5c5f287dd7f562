"""`onhand mapping`: try a mapping on a document, and run the cases that lie beside mappings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import App, Parameter

from onhand.app.cross_references import lookups, unknown_system
from onhand.app.mapping_files import CaseResult, MappingFolder, find_mappings, read_case, read_mapping, run_case
from onhand.app.mapping_files.cases import violations
from onhand.app.mapping_files.documents import read_document
from onhand.app.mapping_files.folder import read_text
from onhand.cli import output
from onhand.cli.options import HERE, Json, Where
from onhand.contracts import strict_json
from onhand.domain.errors import InvalidInput, NotFound
from onhand.domain.mapping import CompiledMapping, Context, LookUp, Mapped

app = App(name="mapping", help="Translations of partners' documents: try one, test all.")

NO: Final = 1
NETWORK: Final = Path("network")
SHOWN_EVENTS_MAX: Final = 20
ROWS_MAX: Final = 200
DOCUMENT_MAX: Final = 20_000
CELL_MAX: Final = 60
"""What of a document and its events is shown to a person; --json has all of it."""


class NameNeeded(InvalidInput):
    """The file holds several mappings and the command does not say which."""

    code = "mapping_name_needed"
    title = "Which mapping of the file?"
    done = "Nothing was mapped."
    remedy = "Name one with --name."


@app.command(name="test")
def run_cases(
    places: Annotated[
        tuple[Path, ...], Parameter(help="Mapping files, or folders below which they lie; network/ when left out.")
    ] = (),
    /,
    *,
    json: Json = False,
) -> int:
    """Run the cases that lie beside mappings, in `cases/`. Exit code 1 when one of them fails."""
    folders = find_mappings(list(places) or [NETWORK])
    results = [_result(folder, file) for folder in folders for file in folder.cases]
    untested = [f"{folder.files[0].parent}: {name}" for folder in folders for name in _untested(folder, results)]
    failed = [result for result in results if not result.passed]
    if json:
        output.emit_json({"results": results, "failed": len(failed), "untested": untested})
        return NO if failed else 0
    for result in results:
        output.say(f"{'pass' if result.passed else 'FAIL'}  {result.file}")
        for line in result.differences:
            output.say(f"        {line}")
    for name in untested:
        output.warn(f"No case for {name}.")
    output.say(f"{len(results) - len(failed)} passed, {len(failed)} failed.")
    return NO if failed else 0


@app.command(name="try")
async def try_(
    mapping: Annotated[Path, Parameter(help="The mapping file.")],
    file: Annotated[Path, Parameter(help="The document: JSON, XML or CSV.")],
    /,
    *,
    name: Annotated[str | None, Parameter(help="Which mapping of the file, when it holds several.")] = None,
    system: Annotated[str, Parameter(help="The system that it comes from.")] = "partner",
    hub: Annotated[
        bool, Parameter(negative="", help="Translate codes as the hub does; otherwise they stay as they are.")
    ] = False,
    where: Where = HERE,
    json: Json = False,
) -> int:
    """Show what a document becomes, where each value came from, and whether the contracts take it.

    Exit code 1 when an event breaks its contract, 3 when the document does not fit the mapping.
    """
    chosen = _chosen(read_mapping(read_text(mapping), file=str(mapping)), name)
    document = read_document(file)
    async with _codes(system, where, outbound=chosen.outbound, hub=hub) as look_up:
        context = Context(
            system=system, look_up=look_up, received_at=datetime.now(UTC), trace=True, facts={"name": file.name}
        )
        found = chosen.apply(document, context)
    broken = [] if chosen.outbound else [line for n, each in enumerate(found) for line in violations(each, n)]
    if json:
        events = [{**msgspec.structs.asdict(each), "data": _exact(each.data)} for each in found]
        output.emit_json({"document": _exact(document), "events": events, "violations": broken})
    else:
        _show(file, document, found, broken)
    return NO if broken else 0


def _result(folder: MappingFolder, file: Path) -> CaseResult:
    """Run a case; one that cannot be read has failed."""
    try:
        case = read_case(read_text(file), file=str(file))
    except InvalidInput as error:
        return CaseResult(str(file), "", tuple(error.detail.splitlines()))
    try:
        return run_case(case, folder.mappings, file=file)
    except (InvalidInput, NotFound) as error:
        return CaseResult(str(file), case.mapping, tuple(error.detail.splitlines()))


def _untested(folder: MappingFolder, results: list[CaseResult]) -> list[str]:
    """Return the mappings of a folder for which no case was run."""
    files = {str(file) for file in folder.cases}
    tested = {result.mapping for result in results if result.file in files}
    return sorted(folder.mappings.keys() - tested)


def _chosen(mappings: Mapping[str, CompiledMapping], name: str | None) -> CompiledMapping:
    names = ", ".join(sorted(mappings))
    if name is None:
        if len(mappings) != 1:
            raise NameNeeded(f"The file holds {names or 'no mapping'}.")
        return next(iter(mappings.values()))
    if name not in mappings:
        raise NotFound(f"The file has no mapping '{name}'; it has {names or 'none'}.", remedy="Correct the name.")
    return mappings[name]


@asynccontextmanager
async def _codes(system: str, where: Where, *, outbound: bool, hub: bool) -> AsyncIterator[LookUp]:
    """Yield how codes are looked up: as the hub does it, or not at all."""
    if not hub:
        yield lambda _, code: code
        return
    from onhand.bootstrap import open_hub  # noqa: PLC0415 - takes a while to import, mostly not needed

    async with open_hub(where.settings(), application="onhand command") as opened:
        await opened.cross_references.refresh()
        network = await opened.cross_references.network()
        if network.system(system) is None:
            raise unknown_system(network, system)
        yield lookups(network, opened.cross_references, system, outbound=outbound)


def _show(file: Path, document: Any, found: list[Mapped], broken: list[str]) -> None:
    text = msgspec.json.format(strict_json.dumps(document), indent=2).decode()
    output.say(f"{file}:")
    output.say(text if len(text) <= DOCUMENT_MAX else text[:DOCUMENT_MAX] + "\n... and so on")
    for number, each in enumerate(found[:SHOWN_EVENTS_MAX]):
        output.say("")
        time = each.time.isoformat() if each.time else "no time of its own"
        output.say(f"event {number}: {each.type}  id {each.id or '-'}  {time}  subject {each.subject or '-'}")
        rows = _rows(each)
        output.table(("field", "value", "comes from"), rows[:ROWS_MAX])
        if len(rows) > ROWS_MAX:
            output.say(f"... and {len(rows) - ROWS_MAX:,} more values.")
    if len(found) > SHOWN_EVENTS_MAX:
        output.say(f"... and {len(found) - SHOWN_EVENTS_MAX:,} more events.")
    if not found:
        output.say("It becomes no event: no condition holds, or there is nothing to go through.")
    for line in broken:
        output.say(f"breaks its contract: {line}")


def _exact(value: Any) -> msgspec.Raw:
    """Return a value as JSON whose decimals are numbers, as they came."""
    return msgspec.Raw(strict_json.dumps(value))


def _rows(event: Mapped) -> list[tuple[str, str, str]]:
    return [
        (pointer, _short(_at(event.data, pointer)), origin if len(origin) <= CELL_MAX * 2 else origin[: CELL_MAX * 2])
        for pointer, origin in event.origins.items()
    ]


def _at(data: Any, pointer: str) -> Any:
    here = data
    for step in pointer.split("/")[1:]:
        here = here[int(step)] if isinstance(here, list) else here[step.replace("~1", "/").replace("~0", "~")]
    return here


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else strict_json.dumps(value).decode()
    return text if len(text) <= CELL_MAX else text[: CELL_MAX - 3] + "..."
