"""`onhand quarantine`: facts that were set aside. Look at them, try them again after the mend, or let them go."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Final, Literal

import msgspec
from cyclopts import App, Parameter

from onhand.cli import output
from onhand.cli.desk import ANYWHERE, At, Desk
from onhand.cli.options import Json
from onhand.cli.progress import steps
from onhand.domain.errors import InvalidInput
from onhand.domain.fact import REMEDIES

app = App(name="quarantine", help="Facts that were set aside: list, show, release after the mend, discard.")

PER_CALL: Final = 500
LIST_MAX: Final = 200

Reason = Annotated[str | None, Parameter(help="Only of this reason.")]
Source = Annotated[str | None, Parameter(help="Only from this source.")]
Type = Annotated[str | None, Parameter(help="Only of this type.")]
Ids = Annotated[int, Parameter(help="Numbers in quarantine.")]


@app.command(name="list")
async def list_(
    *,
    state: Annotated[Literal["open", "released", "discarded", "all"], Parameter(help="Which ones.")] = "open",
    reason: Reason = None,
    source: Source = None,
    type: Type = None,  # noqa: A002 - CloudEvents' name
    limit: Annotated[int, Parameter(help="Rows at most.")] = LIST_MAX,
    at: At = ANYWHERE,
    json: Json = False,
) -> int:
    """List facts that were set aside, the oldest first. Exit code 1 when there is one."""
    async with at.desk() as desk:
        rows = await _matching(desk, state=state, reason=reason, source=source, type_=type, limit=limit)
    if json:
        output.emit_json(rows)
    else:
        output.table(
            ("number", "received", "type", "source", "id", "reason", "state", "detail"),
            [
                (str(r.id), r.received_at.isoformat(timespec="seconds"), r.type, r.source, r.event_id, r.reason,
                 r.state, r.detail)
                for r in rows
            ],
        )  # fmt: skip
    return 1 if rows else 0


@app.command
async def show(number: Ids, /, *, at: At = ANYWHERE, json: Json = False) -> int:
    """Show one fact as it came, why it was set aside, and what mends it."""
    async with at.desk() as desk:
        row = await desk.quarantined(number)
    if json:
        output.emit_json(row)
        return 0
    output.pairs(
        [
            ("number", str(row.id)),
            ("state", row.state),
            ("reason", row.reason),
            ("detail", row.detail),
            ("remedy", REMEDIES.get(row.reason)),
            ("received", row.received_at.isoformat()),
            ("times", row.times),
            *([("resolved by", row.resolved_by), ("note", row.note)] if row.resolved_by else []),
        ]
    )
    output.say("")
    output.say(msgspec.json.format(msgspec.json.encode(row.event), indent=2).decode())
    return 0


@app.command
async def release(
    *numbers: Ids,
    reason: Reason = None,
    source: Source = None,
    type: Type = None,  # noqa: A002 - CloudEvents' name
    all: Annotated[bool, Parameter(negative="", help="All open ones.")] = False,  # noqa: A002 - a flag's plain name
    at: At = ANYWHERE,
    json: Json = False,
) -> int:
    """Try facts again, by numbers or by what they have in common. Exit code 1 when some stay.

    Each is decided anew by today's rules; what still breaks one stays, with today's reason.
    """
    if not (numbers or reason or source or type or all):
        raise InvalidInput("Nothing is named.", remedy="Name numbers, --reason, --source, --type, or --all.")
    outcomes: list[Any] = []
    async with at.desk() as desk:
        ids = list(numbers) or [
            row.id for row in await _matching(desk, state="open", reason=reason, source=source, type_=type)
        ]
        with steps("releasing", quiet=json) as tell:
            for start in range(0, len(ids), PER_CALL):
                outcomes += await desk.release_quarantine(ids=ids[start : start + PER_CALL])
                tell(f"{len(outcomes):,} of {len(ids):,}")
    counts = Counter(outcome.outcome for outcome in outcomes)
    if json:
        output.emit_json({"counts": counts, "results": outcomes})
    else:
        output.say(", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items())) or "There were none.")
        stay = [(o.quarantine_id, o.reason, o.detail) for o in outcomes if o.outcome not in ("applied", "duplicate")]
        if stay:
            output.say("")
            output.table(("number", "reason", "detail"), stay[:LIST_MAX])
    return 0 if set(counts) <= {"applied", "duplicate"} else 1


@app.command
async def discard(
    *numbers: Ids,
    note: Annotated[str, Parameter(help="Why; kept with the fact.")],
    at: At = ANYWHERE,
    json: Json = False,
) -> None:
    """Let facts go: kept and listed, never applied."""
    if not numbers:
        raise InvalidInput("No number is named.", remedy="onhand quarantine discard NUMBER... --note WHY")
    async with at.desk() as desk:
        rows = [await desk.discard_quarantined(number, note=note) for number in numbers]
    if json:
        output.emit_json(rows)
    else:
        output.say(f"Discarded {', '.join(str(row.id) for row in rows)}.")


async def _matching(
    desk: Desk, *, state: str, reason: str | None, source: str | None, type_: str | None, limit: int | None = None
) -> list[Any]:
    found: list[Any] = []
    async for row in desk.quarantine(state=None if state == "all" else state, reason=reason):
        if source in (None, row.source) and type_ in (None, row.type):
            found.append(row)
        if limit is not None and len(found) >= limit:
            break
    return found
