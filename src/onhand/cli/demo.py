"""The verb demo: a small distributor lives for a week, in about a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from onhand.cli import output
from onhand.cli.options import HERE, Json, Where
from onhand.sim.demo import closing
from onhand.sim.demo.run import Options
from onhand.sim.demo.run import demo as run
from onhand.sim.demo.tally import Tally
from onhand.sim.house import data_folder


async def demo(
    *,
    where: Where = HERE,
    keep: Annotated[bool, Parameter(negative="", help="Leave it running until Ctrl-C.")] = False,
    fast: Annotated[bool, Parameter(negative="", help="Small and without waiting.")] = False,
    seed: Annotated[int, Parameter(help="Another seed is another week.")] = 7,
    port: Annotated[int, Parameter(help="Where the first node listens; 0 takes free ports.")] = 0,
    history: Annotated[Path | None, Parameter(help="Keep the history for the checker here (.jsonl[.gz]).")] = None,
    json: Json = False,
) -> int:
    """Show a small distributor's week: facts, promises, partners that fail, a node killed, and the proof at the end."""
    ports = (port, port + 1) if port else ()
    options = Options(seed=seed, fast=fast, history=history, ports=ports)
    chosen = where.dsn is not None or where.data_dir is not None
    with data_folder(where.settings(), chosen=chosen) as settings:
        async with run(settings, options, shown=_nothing if json else _view) as (outcome, _home):
            if json:
                output.emit_json(outcome)
            else:
                output.say("")
                output.say(closing.text(outcome, kept=keep, data_dir=str(settings.data_folder)))
            if keep:
                await _until_interrupted()
    return 0 if outcome.ok else 1


@asynccontextmanager
async def _view(tally: Tally) -> AsyncIterator[None]:
    from onhand.sim.demo.view import shown  # noqa: PLC0415 - rich takes a while to import and JSON does not need it

    async with shown(tally):
        yield


@asynccontextmanager
async def _nothing(_tally: Tally) -> AsyncIterator[None]:
    yield


async def _until_interrupted() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        output.say("Stopping.")
