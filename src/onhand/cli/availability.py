"""`onhand availability`: what a channel can sell now and promise for a date, and why."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from cyclopts import Parameter

from onhand.cli import output
from onhand.cli.desk import ANYWHERE, At
from onhand.cli.options import Json
from onhand.domain.errors import InvalidInput


async def availability(
    *skus: Annotated[str, Parameter(help="SKUs.")],
    channel: Annotated[str, Parameter(help="The channel that sells.")],
    date: Annotated[tuple[str, ...], Parameter(help="A day (2026-12-24) to promise for; may be repeated.")] = (),
    explain: Annotated[bool, Parameter(negative="", help="Show the terms that add up to each figure.")] = False,
    at: At = ANYWHERE,
    json: Json = False,
) -> int:
    """Show what a channel can sell. Exit code 1 when a SKU is not known."""
    if not skus:
        raise InvalidInput("No SKU is named.", remedy="onhand availability SKU... --channel CHANNEL")
    days = [_day(text) for text in date]
    async with at.desk() as desk:
        rows = list(await desk.availability(channel, skus, explain=explain, dates=days))
    if json:
        output.emit_json(rows)
    else:
        _show(rows, days)
        if explain:
            _explain(rows)
    return 0 if all(row.known for row in rows) else 1


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day, not an instant
    except ValueError:
        raise InvalidInput(f"{text!r} is no day; write it as 2026-12-24.") from None


def _show(rows: list[Any], days: list[date]) -> None:
    titles = ("sku", "available", "withheld", "known", *(f"on {day}" for day in days))
    lines = []
    for row in rows:
        promised = {each.day: each.quantity for each in row.promise or ()}
        lines.append((row.sku, row.quantity, row.withheld, row.known, *(promised.get(day) for day in days)))
    output.table(titles, lines)


def _explain(rows: list[Any]) -> None:
    for row in rows:
        output.say("")
        output.table(
            (row.sku, "location", "quantity"),
            [
                *((term.term.replace("_", " "), term.location, f"{term.quantity:+,}") for term in row.terms),
                ("available", None, f"{row.quantity:,}"),
            ],
        )
