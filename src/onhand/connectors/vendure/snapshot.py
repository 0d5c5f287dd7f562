"""The snapshot of stock: every variant's levels at the channel's locations, a page of variants at a time.

Its cut-off is the newest change of any level, by Vendure's own clock, so that it is looked for before the first page:
the same stock has the same cut-off, and a snapshot that says nothing new is recognised. What changes while pages are
read may show on later ones already: it is newer than the cut-off, and the next snapshot tells it.

Pages overlap by one variant. Where that one is no longer where it was, a variant before it was deleted and others have
moved up: the snapshot begins anew, so that it never leaves one out.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from onhand.connectors.vendure import documents
from onhand.connectors.vendure.publishing import TAKE_MAX, Shelves
from onhand.connectors.vendure.session import Session
from onhand.connectors.vendure.stock import Counting, Level, Variant
from onhand.connectors.vendure.sweep import stored
from onhand.sdk import Message, Page

LOOKS_MAX: Final = 25
"""Requests of a thousand variants each that the search for the cut-off may take; beyond, the time of asking is it."""


class _Cursor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    as_of: datetime
    done: int
    last: str


class _ChangedLevel(msgspec.Struct, frozen=True, rename="camel"):
    updated_at: datetime


class _ChangedVariant(msgspec.Struct, frozen=True, rename="camel"):
    stock_levels: tuple[_ChangedLevel, ...]


class _Changes(msgspec.Struct, frozen=True, rename="camel"):
    items: tuple[_ChangedVariant, ...]
    total_items: int


class _Changed(msgspec.Struct, frozen=True, rename="camel"):
    product_variants: _Changes


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's stock at one location, as a message says it."""

    id: str
    sku: str
    variant: str
    location: str
    location_name: str
    on_hand: int
    allocated: int
    tracked: bool
    updated_at: str


async def read_stock(session: Session, cursor: str | None, *, take: int, now: datetime) -> Page:
    """Return the next page of a snapshot, or the first of a new one. Raises ReadFailed."""
    at = await _begin(session, now=now) if cursor is None else stored(cursor, _Cursor)
    take = min(take + 1, TAKE_MAX)
    options = {"sort": {"id": "ASC"}, "take": take, "skip": max(0, at.done - 1)}
    shelves = msgspec.json.decode(await session.ask(documents.STOCK, {"options": options}), type=Shelves)
    variants = shelves.product_variants.items
    if at.done:
        if not variants or variants[0].id != at.last:
            return await read_stock(session, None, take=take - 1, now=now)
        variants = variants[1:]
    done = at.done + len(variants)
    more = bool(variants) and done < shelves.product_variants.total_items
    onward = msgspec.json.encode(_Cursor(at.as_of, done, variants[-1].id)).decode() if more else None
    counting = Counting(shelves.global_settings, shelves.stock_locations.items, "")
    messages = tuple(
        _message(counting, variant, level, as_of=at.as_of) for variant in variants for level in variant.stock_levels
    )
    return Page(messages=messages, cursor=onward, more=more, snapshot_as_of=at.as_of)


async def _begin(session: Session, *, now: datetime) -> _Cursor:
    """Return the place before the first variant, with the cut-off of a new snapshot."""
    return _Cursor(await _cut_off(session, now=now), 0, "")


async def _cut_off(session: Session, *, now: datetime) -> datetime:
    newest: datetime | None = None
    for look in range(LOOKS_MAX):
        options = {"sort": {"id": "ASC"}, "take": TAKE_MAX, "skip": look * TAKE_MAX}
        data = await session.ask(documents.CHANGES, {"options": options})
        changes = msgspec.json.decode(data, type=_Changed).product_variants
        times = [level.updated_at for variant in changes.items for level in variant.stock_levels]
        newest = max([*times, *([newest] if newest else [])], default=None)
        if (look + 1) * TAKE_MAX >= changes.total_items:
            return newest or now
    return now


def _message(counting: Counting, variant: Variant, level: Level, *, as_of: datetime) -> Message:
    body = msgspec.json.encode(row_of(counting, variant, level))
    at = datetime.fromisoformat(level.updated_at)
    return Message(key=row_key(variant, level, as_of=as_of), body=body, occurred_at=at)


def row_of(counting: Counting, variant: Variant, level: Level) -> Row:
    """Return a level as its message says it."""
    names = {place.id: place.name for place in counting.places}
    return Row(
        id=level.id,
        sku=variant.sku,
        variant=variant.id,
        location=level.stock_location_id,
        location_name=names.get(level.stock_location_id, ""),
        on_hand=level.stock_on_hand,
        allocated=level.stock_allocated,
        tracked=counting.tracked(variant),
        updated_at=level.updated_at,
    )


def row_key(variant: Variant, level: Level, *, as_of: datetime) -> str:
    """Return the key of a row of a snapshot; the numbers too, because times may have whole seconds only."""
    numbers = f"{level.stock_on_hand}-{level.stock_allocated}"
    return f"{as_of.isoformat()}:{variant.id}/{level.stock_location_id}~{numbers}"
