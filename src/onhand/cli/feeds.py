"""`onhand feeds`: what is heard of each system, how long ago, and the switches for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, TypeAlias

from cyclopts import App, Parameter

from onhand.app.feeds import Feeds, FeedView
from onhand.bootstrap import open_hub
from onhand.cli import output
from onhand.cli.endpoints import Reason, when
from onhand.cli.network import By, user
from onhand.cli.options import HERE, Json, Where

app = App(name="feeds", help="What systems tell: list, status, pause, resume, ask now.")

Code: TypeAlias = Annotated[str, Parameter(name="CODE", help="The feed's code.")]


@app.command(name="list")
async def list_(*, where: Where = HERE, as_json: Json = False) -> None:
    """List the feeds: how each is, when it was heard, what waits, what needs a person."""
    async with _feeds_of(where) as feeds:
        found = await feeds.all()
    if as_json:
        output.emit_json(found)
        return
    rows = [
        (v.code, v.mode, v.status, v.why or None, when(v.last_heard_at), v.waiting, _seconds(v), v.dead, v.quarantined)
        for v in found
    ]
    titles = ("feed", "mode", "status", "why", "last heard", "waiting", "lag s", "dead", "quarantined")
    output.table(titles, rows)


@app.command
async def status(code: Code, /, *, where: Where = HERE, as_json: Json = False) -> None:
    """Show one feed: last heard, last found empty, cursor, what waits, whether it is stale."""
    async with _feeds_of(where) as feeds:
        found = await feeds.feed(code)
    if as_json:
        output.emit_json(found)
        return
    shown = [(name.replace("_", " "), getattr(found, name)) for name in found.__struct_fields__]
    output.pairs([(name, when(v) if isinstance(v, datetime) else v or None) for name, v in shown])


@app.command
async def pause(
    code: Code, /, *, reason: Reason = "", by: By = None, where: Where = HERE, as_json: Json = False
) -> None:
    """Ask a feed nothing, and map nothing of it, until somebody resumes it. Webhooks are stored all the same."""
    async with _feeds_of(where) as feeds:
        done = await feeds.pause(code, who=by or user(), reason=reason)
    _tell(done, f"{code} is paused.", f"{code} was paused already.", as_json=as_json)


@app.command
async def resume(code: Code, /, *, by: By = None, where: Where = HERE, as_json: Json = False) -> None:
    """Go on with a feed."""
    async with _feeds_of(where) as feeds:
        done = await feeds.resume(code, who=by or user())
    _tell(done, f"{code} goes on.", f"{code} was not paused.", as_json=as_json)


@app.command
async def now(code: Code, /, *, by: By = None, where: Where = HERE, as_json: Json = False) -> None:
    """Have a feed asked at once, by whichever node is free; its endpoint's limits hold."""
    async with _feeds_of(where) as feeds:
        await feeds.poll_now(code, who=by or user())
    _tell(True, f"{code} is due now.", "", as_json=as_json)


@asynccontextmanager
async def _feeds_of(where: Where) -> AsyncIterator[Feeds]:
    async with open_hub(where.settings()) as hub:
        yield hub.feeds


def _seconds(view: FeedView) -> int | None:
    return None if view.lag_s is None else round(view.lag_s)


def _tell(done: bool, yes: str, no: str, *, as_json: bool) -> None:
    if as_json:
        output.emit_json({"changed": done})
    else:
        output.say(yes if done else no)
