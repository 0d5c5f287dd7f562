"""`onhand keys`: make, list, rotate and revoke API keys. A secret is shown once, when it is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from cyclopts import App, Parameter

from onhand.app.identity import Scope
from onhand.cli import output
from onhand.cli.desk import ANYWHERE, At
from onhand.cli.options import Json
from onhand.domain.errors import InvalidInput

app = App(name="keys", help="API keys: create, list, rotate, revoke.")

Number = Annotated[int, Parameter(help="The key's number, as 'onhand keys list' shows it.")]


@app.command
async def create(
    client: Annotated[str, Parameter(help="Whose key: the client is made when it is not there yet.")],
    /,
    *,
    scope: Annotated[tuple[Scope, ...], Parameter(help="What it may do; may be repeated.")],
    expires_in_days: Annotated[int | None, Parameter(help="Days until it ends by itself; never when left out.")] = None,
    at: At = ANYWHERE,
    json: Json = False,
) -> None:
    """Make a key and print it, this one time."""
    expires_at = None if expires_in_days is None else _in_days(expires_in_days)
    async with at.desk() as desk:
        _show_new(await desk.create_key(client=client, scopes=scope, expires_at=expires_at), json=json)


@app.command(name="list")
async def list_(*, at: At = ANYWHERE, json: Json = False) -> None:
    """List all keys, ended ones included, without their secrets."""
    async with at.desk() as desk:
        keys = list(await desk.keys())
    if json:
        output.emit_json(keys)
        return
    output.table(
        ("number", "client", "prefix", "scopes", "created", "expires", "revoked", "last used"),
        [
            (str(key.id), key.client, key.prefix, " ".join(key.scopes), _day(key.created_at), _day(key.expires_at),
             _day(key.revoked_at), _day(key.last_used_at))
            for key in keys
        ],
    )  # fmt: skip


@app.command
async def rotate(
    number: Number,
    /,
    *,
    overlap_s: Annotated[int, Parameter(help="Seconds that the old key works on.")] = 86_400,
    at: At = ANYWHERE,
    json: Json = False,
) -> None:
    """Replace a key by one with the same client and scopes, and print the new one, this one time."""
    async with at.desk() as desk:
        _show_new(await desk.rotate_key(number, overlap_s=overlap_s), json=json)


@app.command
async def revoke(number: Number, /, *, at: At = ANYWHERE, json: Json = False) -> None:
    """End a key: within seconds nobody can use it."""
    async with at.desk() as desk:
        key = await desk.revoke_key(number)
    if json:
        output.emit_json(key)
    else:
        output.say(f"Key {key.id} ({key.prefix}, {key.client}) is revoked.")


def _in_days(days: int) -> datetime:
    try:
        return datetime.now(UTC) + timedelta(days=days)
    except OverflowError:
        raise InvalidInput(f"The calendar ends before {days} days are over.", remedy="Name fewer days.") from None


def _show_new(made: Any, *, json: bool) -> None:
    if json:
        output.emit_json(made)
        return
    output.say(made.secret)
    if output.is_seen():
        output.say("")
        output.say(f"Key {made.key.id} of {made.key.client}: {', '.join(made.key.scopes)}. It is shown this one time.")


def _day(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(timespec="seconds")
