"""The verb bench: what Onhand does in a second on this machine, beside the floors measured in the same run."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from onhand.cli import output
from onhand.cli.options import HERE, Json, Where
from onhand.sim.bench import report as reports
from onhand.sim.bench.run import run
from onhand.sim.house import data_folder


async def bench(
    *,
    where: Where = HERE,
    quick: Annotated[bool, Parameter(negative="", help="Small and short: shows that it runs, judges nothing.")] = False,
    unsafe: Annotated[bool, Parameter(negative="", help="Measure a database that is not durable, too.")] = False,
    write_docs: Annotated[bool, Parameter(negative="", help="Write docs/reference/benchmarks.md.")] = False,
    json: Json = False,
) -> int:
    """Measure reservations, event intake, rebuild and memory, each beside its floor, on a durable database of its own.

    It fills the database that it is given: without --data-dir or --dsn it makes one and removes it afterwards.
    """
    command = "onhand bench --quick" if quick else "onhand bench"
    chosen = where.dsn is not None or where.data_dir is not None
    with data_folder(where.settings(), chosen=chosen) as settings:
        report = await run(settings, quick=quick, unsafe=unsafe, command=command, progress=_note)
    if write_docs:
        path = reports.write_page(report, Path("docs"), day=datetime.now(UTC).date())
        _note(f"wrote {path}")
    if json:
        output.emit_json(report)
    else:
        titles, rows = reports.table(report)
        output.table(titles, rows)
        for line in reports.footer(report):
            output.say(line)
    return 1 if any(row.met is False for row in report.rows) else 0


def _note(text: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")
    sys.stderr.flush()
