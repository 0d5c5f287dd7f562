"""The stream `moves`: goods that have moved, each once, and each once more when somebody cancels the move afterwards.

What a done move says of goods never changes at Tryton, while its costs may be written again and again. So its key is
its number and its state, and no time of writing. A cancelled move is told as two: as it was done, and as what takes it
back, the same way in reverse. Whoever reads it late, after both, still ends at nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any, Final

import msgspec

from onhand.connectors.tryton import places
from onhand.connectors.tryton.client import Client
from onhand.connectors.tryton.cursor import Seen, read_cursor, write_cursor
from onhand.connectors.tryton.places import Place, Places, meaning
from onhand.connectors.tryton.wire import Record, number, plain
from onhand.sdk import Message, Page

FIELDS: Final = (
    "state", "product.code", "product.default_uom.symbol", "internal_quantity", "effective_date", "write_date",
    "create_date", "from_location", "to_location", "shipment", "shipment.rec_name", "origin", "sale.reference",
)  # fmt: skip
INTERNAL: Final = "stock.shipment.internal"

Destinations = dict[int, tuple[int, int]]
"""Where internal shipments go, by their id: from, to."""


async def read(client: Client, cursor: str | None, *, limit: int, overlap_s: int) -> Page:
    """Return goods that moved since a cursor."""
    walk = read_cursor(cursor)
    # A move that was cancelled without having been done has no effective date.
    domain = [["state", "in", ["done", "cancelled"]], ["effective_date", "!=", None], *walk.domain(overlap_s, "")]
    asked = walk.asks(limit)
    found = await client.find("stock.move", domain, FIELDS, limit=asked)
    now = client.now()
    taken = walk.took([_seen(each) for each in found], limit)
    new = [each for each, seen in zip(found, taken, strict=False) if seen.key not in walk.known]
    messages = await _messages(client, new) if new else []
    more = len(taken) < len(found) or len(found) == asked
    walk = walk.walked(taken, now=now, more=more, overlap_s=overlap_s)
    return Page(messages=tuple(messages), cursor=write_cursor(walk), more=more)


async def _messages(client: Client, moves: Sequence[Record]) -> list[Message]:
    inside = await _destinations(client, moves)
    ends = {each for pair in inside.values() for each in pair}
    ends |= {move[end] for move in moves for end in ("from_location", "to_location")}
    known = await locations(client, sorted(ends))
    return [message for move in moves for message in messages_of(move, known, inside, client.zone)]


async def locations(client: Client, ids: Sequence[int]) -> Places:
    """Return these locations and every warehouse, of one moment."""
    domain = ["OR", ["id", "in", list(ids)], ["type", "=", "warehouse"]]
    return Places(await client.find("stock.location", domain, places.FIELDS, active_test=False))


async def _destinations(client: Client, moves: Sequence[Record]) -> Destinations:
    wanted = {int(move["shipment"].split(",")[1]) for move in moves if (move["shipment"] or "").startswith(INTERNAL)}
    if not wanted:
        return {}
    found = await client.find(INTERNAL, [["id", "in", sorted(wanted)]], ("from_location", "to_location"))
    return {each["id"]: (each["from_location"], each["to_location"]) for each in found}


def messages_of(move: Record, known: Places, inside: Destinations, zone: Any) -> Iterator[Message]:
    """Give the messages that a move is: none where it touches nothing that the hub counts."""
    origin, target = known.at(move["from_location"]), known.at(move["to_location"])
    ends = inside.get(int(move["shipment"].split(",")[1])) if (move["shipment"] or "").startswith(INTERNAL) else None
    start, end = (known.at(ends[0]), known.at(ends[1])) if ends else (origin, target)
    yield from _told(move, "done", (origin, target), (start, end), zone)
    if move["state"] == "cancelled":
        yield from _told(move, "cancelled", (target, origin), (start, end), zone)


def _told(
    move: Record, state: str, ends: tuple[Place, Place], way: tuple[Place, Place], zone: Any
) -> Iterator[Message]:
    means = meaning(*ends)
    if means is None or not move["internal_quantity"]:
        return
    # Without transit a move between warehouses leaves and arrives at once: two facts.
    parts = {"transfer_out": ":out", "transfer_in": ":in"} if means == "transfer" else {means: ""}
    for part, suffix in parts.items():
        key = f"{move['id']}:{state}{suffix}"
        body = {"key": key, **_body(move, state, part, ends, way)}
        yield Message(key=key, body=plain(body), occurred_at=_occurred(move, zone))


def _body(move: Record, state: str, means: str, ends: tuple[Place, Place], way: tuple[Place, Place]) -> Record:
    product = move["product."]
    return {
        "id": move["id"],
        "state": state,
        "means": means,
        "sku": product["code"],
        "unit": product["default_uom."]["symbol"],
        "quantity": number(move["internal_quantity"]),
        "effective_date": move["effective_date"].isoformat(),
        "from": msgspec.to_builtins(ends[0]),
        "to": msgspec.to_builtins(ends[1]),
        "way": {"from": way[0].warehouse, "to": way[1].warehouse},
        "document": _document(move),
        "order": (move.get("sale.") or {}).get("reference"),
    }


def _document(move: Record) -> str:
    """Return what people call the paper behind a move: numbers are counted anew for each kind of shipment."""
    shipment = move.get("shipment.")
    if not shipment:
        return f"move {move['id']}"
    return f"{move['shipment'].split(',')[0].removeprefix('stock.shipment.')} {shipment['rec_name']}"


def _seen(move: Record) -> Seen:
    """Return what the cursor remembers of a move: a cancelled one is new, whatever was known of it."""
    return Seen(move["id"], move["write_date"] or move["create_date"], f"{move['id']}:{move['state']}")


def _occurred(move: Record, zone: Any) -> datetime:
    """Return when the goods moved: at the time of writing, unless that was another day than the one stated."""
    written: datetime = move["write_date"] or move["create_date"]
    day: date = move["effective_date"]
    if written.astimezone(zone).date() == day:
        return written
    return datetime.combine(day, time(23, 59, 59) if day < written.date() else time(), tzinfo=zone)
