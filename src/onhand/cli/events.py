"""`onhand events`: send facts, follow what is accepted, look at one."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import App, Parameter

from onhand.cli import output
from onhand.cli.desk import ANYWHERE, At, Desk
from onhand.cli.options import Json
from onhand.cli.progress import steps
from onhand.contracts import strict_json
from onhand.domain.errors import InvalidInput

app = App(name="events", help="Send facts, follow what is accepted, look at one.")

EVENTS_PER_CALL: Final = 1_000
LISTED_MAX: Final = 20
"""Events that were not accepted as they are, listed for a person; --json lists all."""

FINE: Final = frozenset({"applied", "duplicate"})


@app.command
async def send(
    file: Annotated[str, Parameter(help="A file of CloudEvents, '-' for standard input.", allow_leading_hyphen=True)],
    /,
    *,
    at: At = ANYWHERE,
    json: Json = False,
) -> int:
    """Send CloudEvents: one object, an array, or one object a line. Sending again is always safe.

    Exit code 1 when some were set aside or refused.
    """
    counts: Counter[str] = Counter()
    others: list[Any] = []
    async with at.desk() as desk:
        with steps("sending", quiet=json) as tell:
            for part in _parts(_read(file)):
                for outcome in await desk.send(part):
                    counts[outcome.outcome] += 1
                    if outcome.outcome not in FINE:
                        others.append(outcome)
                tell(f"{counts.total():,} sent")
    if json:
        output.emit_json({"counts": counts, "others": others})
    else:
        _report(counts, others)
    return 1 if others else 0


@app.command
async def tail(
    *,
    type: Annotated[str | None, Parameter(help="Only this type.")] = None,  # noqa: A002 - CloudEvents' name
    source: Annotated[str | None, Parameter(help="Only from this source.")] = None,
    from_start: Annotated[bool, Parameter(negative="", help="All of them, not only what comes from now on.")] = False,
    follow: Annotated[bool, Parameter(help="Go on until Ctrl-C.")] = True,
    interval_s: Annotated[float, Parameter(help="Seconds between two looks.")] = 1.0,
    at: At = ANYWHERE,
    json: Json = False,
) -> None:
    """Print accepted events as they come, one a line; with --json each as one JSON object."""
    async with at.desk() as desk:
        after: str | None = None if from_start or not follow else "end"
        while True:
            after, ended = await _print_new(desk, after, type_=type, source=source, json=json)
            if ended:
                if not follow:
                    return
                await asyncio.sleep(max(0.05, interval_s))


@app.command
async def show(
    source: Annotated[str, Parameter(help="Its source.")],
    event_id: Annotated[str, Parameter(help="Its id.")],
    /,
    *,
    at: At = ANYWHERE,
    json: Json = False,
) -> None:
    """Show one accepted event with the movements that it caused."""
    async with at.desk() as desk:
        event = await desk.event(source, event_id)
    if json:
        output.emit_json(event)
        return
    output.pairs(
        [
            ("event", f"{event.source} {event.id}"),
            ("type", event.type),
            ("occurred", event.occurred_at.isoformat()),
            ("recorded", event.recorded_at.isoformat()),
        ]
    )
    output.say("")
    output.table(
        ("sku", "quantity", "from", "to", "lot", "kind"),
        [
            (m.sku, m.quantity, f"{m.from_location} {m.from_status}", f"{m.to_location} {m.to_status}", m.lot, m.kind)
            for m in event.movements or ()
        ],
    )


async def _print_new(
    desk: Desk, after: str | None, *, type_: str | None, source: str | None, json: bool
) -> tuple[str, bool]:
    rows, cursor = await desk.feed(after=after, type=type_, source=source)
    for row in rows:
        if json:
            sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
        else:
            output.say(f"{row.recorded_at.isoformat()}  {row.type}  {row.source} {row.id}")
    sys.stdout.flush()
    return cursor, not rows


def _read(file: str) -> Iterator[dict[str, Any]]:
    """Yield the events of a file. A line that is no JSON stands for an event that will be refused."""
    stream = _standard_input() if file == "-" else _opened(Path(file))
    with stream:
        first = stream.readline()
        while first and not first.strip():
            first = stream.readline()
        if not first:
            return
        if _is_one_line(first):
            yield _event(first)
            for line in stream:
                if line.strip():
                    yield _event(line)
            return
        document = strict_json.loads(first + stream.read())
    found = document if isinstance(document, list) else [document]
    yield from (event if isinstance(event, dict) else {} for event in found)


def _standard_input() -> Any:
    if sys.stdin is None:
        raise InvalidInput("Standard input is closed.", remedy="Name a file, or pipe the events in.")
    return sys.stdin.buffer


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error


def _is_one_line(line: bytes) -> bool:
    """Whether the first line is an event of its own: then each line is one."""
    try:
        return isinstance(strict_json.loads(line), dict)
    except InvalidInput:
        return False


def _event(line: bytes) -> dict[str, Any]:
    try:
        found = strict_json.loads(line)
    except InvalidInput:
        return {}
    return found if isinstance(found, dict) else {}


def _parts(events: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    for event in events:
        part.append(event)
        if len(part) == EVENTS_PER_CALL:
            yield part
            part = []
    if part:
        yield part


def _report(counts: Counter[str], others: list[Any]) -> None:
    output.say(", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items())) or "No events.")
    if others:
        output.say("")
        rows = [(o.source, o.id, o.outcome, o.quarantine_id, o.reason, o.detail) for o in others[:LISTED_MAX]]
        output.table(("source", "id", "outcome", "quarantine", "reason", "detail"), rows)
    if len(others) > LISTED_MAX:
        output.say(f"... and {len(others) - LISTED_MAX:,} more; --json lists all.")
