"""`onhand reserve`: make a reservation and look after it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from cyclopts import App, Parameter

from onhand.cli import output
from onhand.cli.desk import ANYWHERE, At
from onhand.cli.options import Json
from onhand.domain.errors import InvalidInput, OnhandError

app = App(name="reserve", help="Make a reservation and look after it: create, show, log, extend, release, fulfil.")

Id = Annotated[str, Parameter(help="The reservation's id, such as res_42.")]
Lines = Annotated[str, Parameter(help="What is wanted: SKU=QUANTITY.")]


@app.command
async def create(
    *lines: Lines,
    channel: Annotated[str, Parameter(help="The channel that sells.")],
    request_id: Annotated[str | None, Parameter(help="Yours; repeating it repeats the answer.")] = None,
    mode: Annotated[
        Literal["all", "partial", "backorder"], Parameter(help="All or nothing, what there is, or wait.")
    ] = ("all"),
    location: Annotated[str | None, Parameter(help="Take it from this location only.")] = None,
    expires_in_s: Annotated[int | None, Parameter(help="Seconds until it ends by itself.")] = None,
    at: At = ANYWHERE,
    json: Json = False,
) -> int:
    """Make a reservation. Exit code 1 when there is not enough."""
    wanted = [_line(text, location) for text in lines]
    if not wanted:
        raise InvalidInput("Nothing is asked for.", remedy="onhand reserve create SKU=QUANTITY... --channel CHANNEL")
    try:
        async with at.desk() as desk:
            made = await desk.reserve(
                channel=channel, lines=wanted, request_id=request_id, mode=mode, expires_in_s=expires_in_s
            )
    except OnhandError as error:
        if error.code != "insufficient_stock":
            raise
        return _refused(error, json=json)
    return _show(made, json=json)


@app.command
async def show(reservation_id: Id, /, *, at: At = ANYWHERE, json: Json = False) -> int:
    """Show a reservation as it stands."""
    async with at.desk() as desk:
        return _show(await desk.reservation(reservation_id), json=json)


@app.command
async def log(reservation_id: Id, /, *, at: At = ANYWHERE, json: Json = False) -> None:
    """Show everything that happened to a reservation."""
    async with at.desk() as desk:
        entries = list(await desk.reservation_log(reservation_id))
    if json:
        output.emit_json(entries)
    else:
        rows = [(each.at.isoformat(), each.verb, each.state, _instant(each.expires_at)) for each in entries]
        output.table(("at", "verb", "state", "expires"), rows)


@app.command
async def extend(
    reservation_id: Id,
    /,
    *,
    expires_in_s: Annotated[int, Parameter(help="Seconds from now.")],
    at: At = ANYWHERE,
    json: Json = False,
) -> int:
    """Move a reservation's deadline."""
    async with at.desk() as desk:
        return _show(await desk.extend(reservation_id, expires_in_s=expires_in_s), json=json)


@app.command
async def release(reservation_id: Id, /, *, at: At = ANYWHERE, json: Json = False) -> int:
    """Give a reservation up: what it holds is free again."""
    async with at.desk() as desk:
        return _show(await desk.release(reservation_id), json=json)


@app.command
async def fulfil(
    reservation_id: Id,
    /,
    *lines: Annotated[str, Parameter(help="What was shipped: LINE_ID=QUANTITY; all of it when left out.")],
    at: At = ANYWHERE,
    json: Json = False,
) -> int:
    """Say that a reservation was shipped: the goods leave the ledger."""
    parts = [{"line_id": name, "quantity": quantity} for name, quantity in map(_pair, lines)] or None
    async with at.desk() as desk:
        return _show(await desk.fulfil(reservation_id, lines=parts), json=json)


def _line(text: str, location: str | None) -> dict[str, Any]:
    sku, quantity = _pair(text)
    return {"sku": sku, "quantity": quantity, **({} if location is None else {"location": location})}


def _pair(text: str) -> tuple[str, int]:
    name, equals, quantity = text.rpartition("=")
    if not (equals and name and quantity.isascii() and quantity.isdigit() and len(quantity) <= 15):
        raise InvalidInput(f"{text!r} is no NAME=QUANTITY with a whole number.", remedy="For example: TEA-001=3")
    return name, int(quantity)


def _show(made: Any, *, json: bool) -> int:
    if json:
        output.emit_json(made)
        return 0
    output.pairs(
        [
            ("reservation", made.reservation_id),
            ("request", made.request_id),
            ("channel", made.channel),
            ("state", made.state),
            ("expires", _instant(made.expires_at)),
            *([("repeated", "this is the first answer again")] if made.replayed else []),
        ]
    )
    output.say("")
    output.table(
        ("line", "sku", "requested", "granted", "backordered", "from"),
        [
            (line.line_id, line.sku, line.requested, line.granted, line.backordered, _sources(line.sources))
            for line in made.lines
        ],
    )
    return 0


def _refused(error: OnhandError, *, json: bool) -> int:
    lines = msgspec.to_builtins(error.facts.get("lines", []))
    if json:
        output.emit_json({"code": error.code, "lines": lines})
        return 1
    output.say("There is not enough; nothing was reserved.")
    output.say("")
    output.table(
        ("line", "sku", "requested", "available", "short"),
        [(line["line_id"], line["sku"], line["requested"], line["available"], line["short"]) for line in lines],
    )
    return 1


def _sources(sources: Any) -> str:
    return ", ".join(f"{s.quantity:,} {s.location}{' lot ' + s.lot if s.lot else ''}" for s in sources)


def _instant(value: Any) -> str | None:
    return None if value is None else value.isoformat()
