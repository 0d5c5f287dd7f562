"""`onhand outbox` and `onhand dead-letters`: commands to partners, one by one or by what they have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from cyclopts import App, Parameter

from onhand.app.operate_flow import CommandLine, CommandView, Filter
from onhand.cli import output
from onhand.cli.endpoints import Reason, flow_of, when
from onhand.cli.network import By, user
from onhand.cli.options import HERE, Json, Where
from onhand.domain.errors import InvalidInput

app = App(name="outbox", help="Commands to partners: list, show, replay, discard.")
dead = App(name="dead-letters", help="Commands that need a person: list, show, replay, discard.")

Number: TypeAlias = Annotated[int, Parameter(name="N", help="The command's number.")]
Limit: TypeAlias = Annotated[int, Parameter(help="How many at most.")]
Before: TypeAlias = Annotated[int | None, Parameter(help="Only commands with a smaller number.")]
States: TypeAlias = Annotated[tuple[str, ...], Parameter(name="--state", help="Only these states; may be repeated.")]

ALL_STATES = Filter().states


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which commands a verb means."""

    numbers: Annotated[tuple[int, ...], Parameter(name="--number", help="Only these numbers; may be repeated.")] = ()
    endpoint: Annotated[str | None, Parameter(help="Only commands to this endpoint.")] = None
    operation: Annotated[str | None, Parameter(help="Only commands of this operation.")] = None
    key: Annotated[str | None, Parameter(help="Only commands of this ordering key.")] = None
    cause: Annotated[str | None, Parameter(help="Only what this fact or person caused.")] = None
    since: Annotated[
        str | None, Parameter(help="Only what ended (or was written) at or after, as 2026-11-23T08:00Z.")
    ] = None
    until: Annotated[str | None, Parameter(help="Only what ended (or was written) before.")] = None

    def filter(self, states: tuple[str, ...] = ALL_STATES) -> Filter:
        """What is meant. Raises InvalidInput for a time or a state that is none."""
        for state in states:
            if state not in ALL_STATES:
                raise InvalidInput(f"'{state}' is no state.", remedy=f"States are {', '.join(ALL_STATES)}.")
        return Filter(
            ids=self.numbers or None,
            endpoint=self.endpoint,
            states=states,
            operation=self.operation,
            ordering_key=self.key,
            cause=self.cause,
            since=instant(self.since),
            until=instant(self.until),
        )


ANY = Which()


@app.command(name="list")
async def list_(
    *,
    which: Which = ANY,
    state: States = ALL_STATES,
    limit: Limit = 50,
    before: Before = None,
    where: Where = HERE,
    as_json: Json = False,
) -> None:
    """List commands, the newest first."""
    async with flow_of(where) as flow:
        found = await flow.find(which.filter(state), before=before, n=limit)
    if as_json:
        output.emit_json(found)
    else:
        output.table(_TITLES, [_row(line) for line in found])


@dead.command(name="list")
async def list_dead(
    *, which: Which = ANY, limit: Limit = 50, before: Before = None, where: Where = HERE, as_json: Json = False
) -> None:
    """List dead letters, the newest first."""
    await list_(which=which, state=("dead",), limit=limit, before=before, where=where, as_json=as_json)


async def show(number: Number, /, *, where: Where = HERE, as_json: Json = False) -> None:
    """Show one command: what it says, what caused it, and every attempt."""
    async with flow_of(where) as flow:
        found = await flow.show(number)
    if as_json:
        output.emit_json(found)
    else:
        _draw(found)


async def replay(
    *, which: Which = ANY, reason: Reason = "", by: By = None, where: Where = HERE, as_json: Json = False
) -> None:
    """Put dead letters back into their queues, under their old keys. Saying it twice is saying it once."""
    async with flow_of(where) as flow:
        done = await flow.replay(which.filter(), who=by or user(), reason=reason)
    _done("replayed", done, as_json=as_json)


@app.command
async def discard(
    *, which: Which = ANY, reason: Reason = "", by: By = None, where: Where = HERE, as_json: Json = False
) -> None:
    """Give up commands that wait or are dead letters. They are kept and stay findable."""
    await _discard(which, reason, by, where, as_json=as_json, dead_only=False)


@dead.command(name="discard")
async def discard_dead(
    *, which: Which = ANY, reason: Reason = "", by: By = None, where: Where = HERE, as_json: Json = False
) -> None:
    """Give up dead letters. They are kept and stay findable."""
    await _discard(which, reason, by, where, as_json=as_json, dead_only=True)


for _each in (app, dead):
    _each.command(show)
    _each.command(replay)

_TITLES = ("number", "endpoint", "state", "lane", "operation", "key", "attempts", "due", "ended", "owner", "reason")


async def _discard(which: Which, reason: str, by: str | None, where: Where, *, as_json: bool, dead_only: bool) -> None:
    async with flow_of(where) as flow:
        done = await flow.discard(which.filter(), who=by or user(), reason=reason, dead_only=dead_only)
    _done("discarded", done, as_json=as_json)


def _done(word: str, numbers: list[int], *, as_json: bool) -> None:
    if as_json:
        output.emit_json({word: numbers})
    else:
        output.say(f"{word.capitalize()}: {len(numbers)}.")


def _row(line: CommandLine) -> tuple[object, ...]:
    return (
        str(line.id), line.endpoint, line.state, line.lane, line.operation, line.ordering_key, line.attempts,
        when(line.due_at), when(line.finished_at), line.owner, line.reason,
    )  # fmt: skip


def _draw(found: CommandView) -> None:
    line = found.command
    shown = [(name.replace("_", " "), getattr(line, name)) for name in line.__struct_fields__ if name != "id"]
    output.pairs([("number", str(line.id)), *((n, when(v) if isinstance(v, datetime) else v) for n, v in shown)])
    output.say(f"\nbody\n{found.body}")
    if found.answer:
        output.say(f"\nanswer\n{found.answer}")
    if found.attempts:
        output.say("")
        rows = [
            (str(a.number), when(a.at), a.took_ms, a.kind, a.counted, a.status, a.worker, a.detail)
            for a in found.attempts
        ]
        output.table(("attempt", "at", "ms", "outcome", "counted", "status", "worker", "detail"), rows)


def instant(text: str | None) -> datetime | None:
    """A time as people type it, UTC where no zone is said. Raises InvalidInput."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"'{text}' is no time.", remedy="Write it as 2026-11-23T08:00Z.") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
