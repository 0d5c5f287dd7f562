"""`onhand inbox`: what systems sent, one by one or by what they have in common."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeAlias

from cyclopts import App, Parameter

from onhand.app.inbox import Filter, Inbox, MessageLine, MessageView
from onhand.bootstrap import open_hub
from onhand.cli import output
from onhand.cli.endpoints import Reason, when
from onhand.cli.network import By, user
from onhand.cli.options import HERE, Json, Where
from onhand.cli.outbox import instant
from onhand.domain.errors import InvalidInput
from onhand.domain.inbox import STATES

app = App(name="inbox", help="What systems sent: list, show, replay, discard.")

Number: TypeAlias = Annotated[int, Parameter(name="N", help="The message's number.")]
Limit: TypeAlias = Annotated[int, Parameter(help="How many at most.")]
Before: TypeAlias = Annotated[int | None, Parameter(help="Only messages with a smaller number.")]

_TITLES = ("number", "feed", "state", "key", "came", "bytes", "tries", "repeats", "ended", "reason", "place")


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which messages a verb means."""

    numbers: Annotated[tuple[int, ...], Parameter(name="--number", help="Only these numbers; may be repeated.")] = ()
    feed: Annotated[str | None, Parameter(help="Only messages of this feed.")] = None
    state: Annotated[tuple[str, ...], Parameter(help="Only these states; may be repeated.")] = ()
    key: Annotated[str | None, Parameter(help="Only messages with this key.")] = None
    why: Annotated[str | None, Parameter(help="Only those whose reason contains this.")] = None
    since: Annotated[str | None, Parameter(help="Only what came at or after, as 2026-11-23T08:00Z.")] = None
    until: Annotated[str | None, Parameter(help="Only what came before.")] = None

    def filter(self) -> Filter:
        """What is meant. Raises InvalidInput for a time or a state that is none."""
        for state in self.state:
            if state not in STATES:
                raise InvalidInput(f"'{state}' is no state.", remedy=f"States are {', '.join(STATES)}.")
        return Filter(
            ids=self.numbers or None,
            feed=self.feed,
            states=self.state or STATES,
            key=self.key,
            reason=self.why,
            since=instant(self.since),
            until=instant(self.until),
        )


ANY = Which()


@app.command(name="list")
async def list_(
    *, which: Which = ANY, limit: Limit = 50, before: Before = None, where: Where = HERE, as_json: Json = False
) -> None:
    """List messages, the newest first."""
    async with _inbox_of(where) as inbox:
        found = await inbox.find(which.filter(), before=before, n=limit)
    if as_json:
        output.emit_json(found)
    else:
        output.table(_TITLES, [_row(line) for line in found])


@app.command
async def show(
    number: Number,
    /,
    *,
    body: Annotated[bool, Parameter(negative="", help="Print the body alone, byte for byte.")] = False,
    where: Where = HERE,
    as_json: Json = False,
) -> None:
    """Show one message: how it came, every attempt, and what became of its events."""
    async with _inbox_of(where) as inbox:
        found = await inbox.show(number)
        content = await inbox.body(number) if body else b""
    if body:
        sys.stdout.buffer.write(content)
    elif as_json:
        output.emit_json(found)
    else:
        _draw(found)


@app.command
async def origin(
    source: Annotated[str, Parameter(help="The event's source.")],
    event_id: Annotated[str, Parameter(name="ID", help="The event's id.")],
    /,
    *,
    where: Where = HERE,
    as_json: Json = False,
) -> None:
    """Find the messages that an event came from."""
    async with _inbox_of(where) as inbox:
        found = await inbox.origin(source, event_id)
    if as_json:
        output.emit_json(found)
    else:
        output.table(_TITLES, [_row(line) for line in found])


@app.command
async def replay(
    *, which: Which = ANY, reason: Reason = "", by: By = None, where: Where = HERE, as_json: Json = False
) -> None:
    """Have messages mapped again: dead letters and those with facts in quarantine, or those of the states named."""
    async with _inbox_of(where) as inbox:
        done = await inbox.replay(which.filter(), who=by or user(), reason=reason)
    _done("replayed", done, as_json=as_json)


@app.command
async def discard(
    *, which: Which = ANY, reason: Reason = "", by: By = None, where: Where = HERE, as_json: Json = False
) -> None:
    """Give up dead letters and what still waits, with a reason. They are kept and stay findable."""
    async with _inbox_of(where) as inbox:
        done = await inbox.discard(which.filter(), who=by or user(), reason=reason)
    _done("discarded", done, as_json=as_json)


@asynccontextmanager
async def _inbox_of(where: Where) -> AsyncIterator[Inbox]:
    async with open_hub(where.settings()) as hub:
        yield hub.inbox


def _done(word: str, numbers: list[int], *, as_json: bool) -> None:
    if as_json:
        output.emit_json({word: numbers})
    else:
        output.say(f"{word.capitalize()}: {len(numbers)}.")


def _row(line: MessageLine) -> tuple[object, ...]:
    return (
        str(line.id), line.feed, line.state, line.key, when(line.received_at), line.bytes, line.tries,
        line.repeats or None, when(line.finished_at), line.reason, line.place,
    )  # fmt: skip


def _draw(found: MessageView) -> None:
    line = found.message
    shown = [(name.replace("_", " "), getattr(line, name)) for name in line.__struct_fields__ if name != "id"]
    output.pairs([("number", str(line.id)), *((n, when(v) if isinstance(v, datetime) else v) for n, v in shown)])
    output.say("\nhow it came")
    output.pairs(sorted(found.facts.items()))
    if found.attempts:
        output.say("")
        rows = [
            (str(a.number), when(a.at), a.took_ms, a.outcome, a.counted, a.fingerprint or None, a.holder, a.reason)
            for a in found.attempts
        ]
        output.table(("attempt", "at", "ms", "outcome", "counted", "mapping", "node", "reason"), rows)
    if found.events:
        output.say(f"\nevents: {', '.join(f'{n} {outcome}' for outcome, n in sorted(found.counts.items()))}")
        events = [
            (e.source, e.event_id, e.outcome, str(e.quarantine_id or "") or None, e.reason or None)
            for e in found.events
        ]
        output.table(("source", "id", "outcome", "quarantine", "reason"), events)
