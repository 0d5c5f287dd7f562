"""The stream `stock`: what lies where, as a snapshot whose cut-off is the last move that Tryton has written.

Tryton computes quantities from moves when it is asked, for a location and everything below it. The cut-off is the
database's own time of the newest move: the same stock has the same cut-off, and a snapshot that says nothing new is
recognised. Pages are computed one after the other, so that goods that move meanwhile may show on later pages: they are
newer than the cut-off, and the stream of moves tells them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from onhand.connectors.tryton import places
from onhand.connectors.tryton.client import Client
from onhand.connectors.tryton.places import Head, Places
from onhand.connectors.tryton.wire import Record, number, plain
from onhand.sdk import Message, Page, ReadFailed, Rejected

FIELDS: Final = ("code", "quantity", "default_uom.symbol")
CHUNK: Final = 500
"""Products in one message. It is one request and one event, and stays well below what either may hold."""

REQUESTS_MAX: Final = 25
"""Requests that one page may take, however little stock they find."""


class At(msgspec.Struct, frozen=True, kw_only=True):
    """How far a snapshot has come: its cut-off, the head that is next, the last product of it that was read.

    `whole` tells that it is complete: the next read begins another.
    """

    as_of: datetime
    head: tuple[str, str, int] | None = None
    after: int = 0
    whole: bool = False


async def read(client: Client, cursor: str | None, *, limit: int) -> Page:
    """Return a page of a snapshot; the cursor of its last page begins the next snapshot, as no cursor does."""
    known = await _heads(client)
    at = _read_cursor(cursor)
    if at is None or at.whole:
        at = At(as_of=await _cut_off(client))
    # By name, not by number: a warehouse that is closed or opened meanwhile must not move the place in the list.
    left = [head for head in known.heads() if at.head is None or _key(head) >= at.head]
    if left and at.after and _key(left[0]) != at.head:  # it was closed in its middle
        at = At(as_of=at.as_of, head=_key(left[0]))
    messages: list[Message] = []
    for _ in range(REQUESTS_MAX):
        if not left or len(messages) >= limit:
            break
        found = await _quantities(client, left[0], at.after)
        messages += messages_of(found, left[0], at)
        if len(found) == CHUNK:
            at = At(as_of=at.as_of, head=_key(left[0]), after=found[-1]["id"])
        else:
            left = left[1:]
            at = At(as_of=at.as_of, head=_key(left[0]) if left else None)
    cursor = _write_cursor(at if left else At(as_of=at.as_of, whole=True))
    return Page(messages=tuple(messages), cursor=cursor, more=bool(left), snapshot_as_of=at.as_of)


def _key(head: Head) -> tuple[str, str, int]:
    return head.warehouse, head.zone, head.id


async def _heads(client: Client) -> Places:
    domain = ["OR", ["type", "=", "warehouse"], [["type", "=", "storage"], ["parent.type", "=", "warehouse"]]]
    return Places(await client.find("stock.location", domain, places.FIELDS))


async def _cut_off(client: Client) -> datetime:
    """Return when the newest move was written; Tryton's own time where nothing has moved yet."""
    domain = [["state", "in", ["done", "cancelled"]], ["effective_date", "!=", None]]
    order = [["write_date", "DESC"]]
    found = await client.find("stock.move", domain, ("write_date",), limit=1, order=order)
    newest = found[0]["write_date"] if found else None
    return newest if newest is not None else client.now()


async def _quantities(client: Client, head: Head, after: int) -> list[Record]:
    domain = [["quantity", "!=", 0], ["id", ">", after]]
    return await client.find(
        "product.product", domain, FIELDS, limit=CHUNK, active_test=False, locations=[head.id], with_childs=True
    )


def messages_of(found: Sequence[Record], head: Head, at: At) -> Iterator[Message]:
    """Give the message of one request, none where nothing lies there."""
    if not found:
        return
    lines = [_line(each) for each in found]
    content = {"warehouse": head.warehouse, "zone": head.zone, "location": head.code, "lines": lines}
    body = plain({"as_of": at.as_of.isoformat(), **content})
    digest = hashlib.sha256(body).hexdigest()[:12]
    key = f"{at.as_of:%Y%m%dT%H%M%S.%f}:{head.id}:{at.after}:{digest}"
    yield Message(key=key, body=body, occurred_at=at.as_of)


def _line(row: Record) -> Record:
    return {"sku": row["code"], "unit": row["default_uom."]["symbol"], "quantity": number(row["quantity"])}


def _read_cursor(text: str | None) -> At | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text.encode()), type=At)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise ReadFailed(Rejected(reason="the cursor is none of this connector's", field="cursor")) from error


def _write_cursor(at: At) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(at)).decode()
