"""`onhand work`: a node without an API; any number of them may share one database with `onhand serve`."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

from cyclopts import Parameter

from onhand.bootstrap import open_hub
from onhand.cli import output
from onhand.cli.options import HERE, Json, Where


async def work(
    *,
    once: Annotated[bool, Parameter(negative="", help="Do what can be done now, then stop.")] = False,
    where: Where = HERE,
    as_json: Json = False,
) -> None:
    """Ask feeds, map what came, keep channels' numbers right and send what is due, until a signal says stop."""
    if once:
        async with (
            open_hub(where.settings(), application="onhand-work") as hub,
            hub.reading() as (poller, mapper),
            hub.sending() as worker,
        ):
            await poller.round()
            await mapper.round()
            await hub.publisher().round()
            ends = await worker.round()
        if as_json:
            output.emit_json({code: {"reason": end.reason, "back_at": end.back_at} for code, end in ends.items()})
        else:
            output.table(
                ("endpoint", "waits for", "until"), [(c, e.reason or None, e.back_at) for c, e in ends.items()]
            )
        return
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_hub(where.settings(), maintain=True, work=True, application="onhand-work"):
        output.say("At work. Stop with Ctrl-C.")
        await stop.wait()
