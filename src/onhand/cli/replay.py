"""The verb replay: a real order book through the public API, every line accounted for, the result proved."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from onhand.cli import output
from onhand.cli.options import HERE, Json, Where
from onhand.domain.errors import InvalidInput
from onhand.sim.house import data_folder
from onhand.sim.replay import policy as policies
from onhand.sim.replay import report as reports
from onhand.sim.replay.engine import Step
from onhand.sim.replay.orders import Pace
from onhand.sim.replay.run import Listener, Options
from onhand.sim.replay.run import replay as run
from onhand.sim.replay.survey import Survey

CONCURRENCY_MAX = 1_000
"""Each is a connection; a node answers fewer at a time than this, and more only wait in line."""

PLAIN_SHARE = 20
"""Without a terminal a line is printed for each twentieth of the file."""


async def replay(  # noqa: PLR0913  (each is a flag)
    file: Annotated[Path | None, Parameter(help="The order book: CSV, may be gzipped.")] = None,
    /,
    *,
    where: Where = HERE,
    columns: Annotated[str | None, Parameter(help="invoice=Heading,sku=Heading,... or a YAML file of them.")] = None,
    policy: Annotated[Path | None, Parameter(help="The policy; 'onhand replay --init' writes one.")] = None,
    init: Annotated[bool, Parameter(negative="", help="Write a commented replay.yaml here and stop.")] = False,
    speed: Annotated[str, Parameter(help="max, or 100x the file's own time.")] = "max",
    concurrency: Annotated[
        int, Parameter(help="Orders under way at a time.", validator=Number(gte=1, lte=CONCURRENCY_MAX))
    ] = 16,
    limit: Annotated[
        int | None,
        Parameter(help="Stop after so many lines, at the end of their bucket.", validator=Number(gte=1)),
    ] = None,
    seed: Annotated[int, Parameter(help="Orders the concurrent calls.")] = 0,
    url: Annotated[str | None, Parameter(help="A hub of yours instead of one of the replay's own.")] = None,
    key: Annotated[str | None, Parameter(env_var="ONHAND_KEY", help="The API key for --url.")] = None,
    lines: Annotated[Path | None, Parameter(help="Write what became of each line here (.csv or .csv.gz).")] = None,
    history: Annotated[Path | None, Parameter(help="Keep the history for the checker here (.jsonl[.gz]).")] = None,
    json: Json = False,
) -> int | None:
    """Replay a real order book through the API: orders, returns, corrections; account for every line; prove the result.

    Without --data-dir, --dsn or --url it runs on a database of its own that is gone afterwards. Run again on the same
    database it changes nothing.
    """
    if init:
        return _init(json=json)
    if file is None:
        raise InvalidInput("No file is named.", remedy="onhand replay FILE.csv[.gz]")
    rules = policies.load(policy, columns=_columns(columns))
    options = Options(
        pace=Pace(concurrency=concurrency, speed=_speed(speed), seed=seed), limit=limit, url=url, key=key,
        history=history, lines=lines,
    )  # fmt: skip
    chosen = where.dsn is not None or where.data_dir is not None
    with data_folder(where.settings(), chosen=chosen) as settings, _listener(quiet=json, limit=limit) as listener:
        report = await run(file, policy=rules, settings=settings, options=options, listener=listener)
    if json:
        output.emit_json(reports.as_json(report))
    else:
        output.say(reports.text(report))
    return 0 if report.ok else 1


def _init(*, json: bool) -> int:
    target = Path("replay.yaml")
    if target.exists():
        raise InvalidInput(f"{target} is there already.", remedy="Remove it first, or write into another folder.")
    target.write_text(policies.default_text(), encoding="utf-8")
    if json:
        output.emit_json({"file": str(target)})
    else:
        output.say(f"Wrote {target}. Change it, then run 'onhand replay FILE --policy {target}'.")
    return 0


def _columns(text: str | None) -> dict[str, str]:
    if not text:
        return {}
    if "=" not in text:
        return {str(field): heading for field, heading in policies.load(Path(text)).columns.items()}
    found = {}
    for part in text.split(","):
        field, equals, heading = part.partition("=")
        if not equals:
            raise InvalidInput(f"{part!r} is no field=Heading.", remedy="--columns invoice=Invoice,sku=StockCode")
        found[field.strip()] = heading.strip()
    return found


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        factor = float(text.removesuffix("x"))
    except ValueError:
        factor = 0.0
    if not 0 < factor < 1e12:
        raise InvalidInput(f"--speed {text} is neither 'max' nor a factor such as '100x'.")
    return factor


@contextmanager
def _listener(*, quiet: bool, limit: int | None) -> Iterator[Listener]:
    """Progress: a bar on a terminal, some lines in a pipe, nothing beside JSON."""
    if quiet:
        yield Listener()
    elif sys.stderr.isatty():
        with _bar(limit) as listener:
            yield listener
    else:
        yield _plain(limit)


@contextmanager
def _bar(limit: int | None) -> Iterator[Listener]:
    from rich.console import Console  # noqa: PLC0415 - rich takes a while to import and a pipe does not need it
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"), TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=None, state="")

        def surveyed(found: Survey) -> None:
            progress.update(task, description="replaying", total=min(found.lines, limit or found.lines))

        def stepped(step: Step) -> None:
            progress.update(task, completed=step.lines, state=_state(step))

        def judging(what: str) -> None:
            progress.update(task, description=f"judging: {what}")

        yield Listener(surveyed=surveyed, stepped=stepped, judging=judging)


def _plain(limit: int | None) -> Listener:
    total = 0
    told = 0

    def surveyed(found: Survey) -> None:
        nonlocal total
        total = min(found.lines, limit or found.lines)
        _note(f"{found.lines:,} lines, {len(found.items):,} items, {found.dialect.encoding}")

    def stepped(step: Step) -> None:
        nonlocal told
        share = step.lines * PLAIN_SHARE // max(total, 1)
        if share > told:
            told = share
            _note(f"{100 * step.lines // max(total, 1):3d} %  {_state(step)}")

    return Listener(surveyed=surveyed, stepped=stepped, judging=lambda what: _note(f"judging: {what}"))


def _state(step: Step) -> str:
    day = f"{step.at:%Y-%m-%d}" if step.at else ""
    return f"{day}  {step.orders:,} orders, {step.granted_units:,} of {step.asked_units:,} units"


def _note(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
