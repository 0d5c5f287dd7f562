"""`onhand publish`: what channels should show and do not, and the switches for telling them."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from cyclopts import App, Parameter

from onhand.app.publish_views import ListingView
from onhand.cli import output
from onhand.cli.channels import publications_of
from onhand.cli.endpoints import Reason, when
from onhand.cli.network import By, user
from onhand.cli.options import HERE, Json, Where

app = App(name="publish", help="Numbers on channels: differences, tell now, pause, resume.")

Channel: TypeAlias = Annotated[str, Parameter(name="CHANNEL", help="The channel's code.")]


@app.command
async def diff(
    channel: Annotated[str | None, Parameter(name="CHANNEL", help="Only this channel.")] = None,
    /,
    *,
    limit: Annotated[int, Parameter(help="How many at most.")] = 50,
    where: Where = HERE,
    as_json: Json = False,
) -> int:
    """List what channels do not show as they should, the dearest risk first. Exit code 1 when there is something."""
    async with publications_of(where) as publications:
        found = await publications.differences(channel, n=limit)
    if as_json:
        output.emit_json(found)
    else:
        output.table(_TITLES, [_row(each) for each in found])
    return 1 if found else 0


@app.command
async def now(
    channel: Channel,
    /,
    *skus: Annotated[str, Parameter(name="SKU", help="Only these; all of the channel when left out.")],
    by: By = None,
    where: Where = HERE,
    as_json: Json = False,
) -> None:
    """Tell a channel its numbers again, whatever it said before. Limits and windows hold."""
    async with publications_of(where) as publications:
        done = await publications.tell_now(channel, skus, who=by or user())
    if as_json:
        output.emit_json({"listings": done})
    else:
        output.say(f"Due now: {done} listings.")


@app.command
async def pause(
    channel: Channel, /, *, reason: Reason = "", by: By = None, where: Where = HERE, as_json: Json = False
) -> None:
    """Tell a channel nothing until somebody resumes it; what waits for it is called off."""
    async with publications_of(where) as publications:
        done = await publications.pause(channel, who=by or user(), reason=reason)
    _tell(done, f"{channel} is paused.", f"{channel} was paused already.", as_json=as_json)


@app.command
async def resume(
    channel: Channel, /, *, reason: Reason = "", by: By = None, where: Where = HERE, as_json: Json = False
) -> None:
    """Tell a channel numbers again: the newest there are."""
    async with publications_of(where) as publications:
        done = await publications.resume(channel, who=by or user(), reason=reason)
    _tell(done, f"{channel} is told numbers again.", f"{channel} was not paused.", as_json=as_json)


_TITLES = ("channel", "sku", "location", "should show", "shows", "since", "state", "due", "error")


def _row(each: ListingView) -> tuple[object, ...]:
    return (
        each.channel, each.sku, each.location, each.desired, each.shown, when(each.behind_since), each.state,
        when(each.due_at), each.error,
    )  # fmt: skip


def _tell(done: bool, yes: str, no: str, *, as_json: bool) -> None:
    if as_json:
        output.emit_json({"changed": done})
    else:
        output.say(yes if done else no)
