"""Reading orders by their time of change so that none is skipped. Pure: no connection, no clock.

`updatedAt` is a poor cursor: it may have whole seconds only (SQLite), a transaction that began early may be committed
late, and orders that change while pages are read move behind them. So a sweep never trusts a time to be finished:

- Each page begins a millisecond before the last order of the one before, not at an offset, so that what moves away
  shifts nothing. Only where a whole page has one time, an offset of half a page at a time leads on.
- Each new sweep begins `overlap_s` before the newest order that was seen.
- What was seen within that overlap stands in the cursor by its digest, so that an idle shop tells nothing twice.
  What no longer fits there is told again, and falls to its key.

The key of a message holds a digest of the order besides its time: two changes within one second are two messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec

from onhand.sdk import Message, Page, ReadFailed, Rejected

SEEN_MAX: Final = 500
"""Orders that a cursor remembers: some 15 kB, which is stored with each page."""

Kind = TypeVar("Kind")

_FIRST: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_TICK: Final = timedelta(milliseconds=1)


class Cursor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where reading stands: the next page holds what changed after `after`, from `skip` on. `top`: newest seen."""

    after: datetime = _FIRST
    skip: int = 0
    top: datetime = _FIRST
    seen: tuple[str, ...] = ()

    def take(self, limit: int) -> int:
        """Return how many orders to ask for: those that were seen and will come again, and so many besides."""
        mark = _mark(self.after)
        return limit + sum(int(one.partition("~")[0], 16) > mark for one in self.seen)

    def options(self, take: int) -> dict[str, Any]:
        """Return the list options of the next page. Carts have not been placed; aggregates repeat their sellers'."""
        return {
            "filter": {
                "orderPlacedAt": {"isNull": False},
                "type": {"notEq": "Aggregate"},
                "updatedAt": {"after": _instant(self.after)},
            },
            "sort": {"updatedAt": "ASC", "id": "ASC"},
            "take": take,
            "skip": self.skip,
        }


def read_cursor(cursor: str | None) -> Cursor:
    """Return a cursor as it was stored; None is the beginning. Raises ReadFailed for one of another stream."""
    return Cursor() if cursor is None else stored(cursor, Cursor)


def stored(cursor: str, kind: type[Kind]) -> Kind:
    """Return a cursor as it was stored. Raises ReadFailed for one of another stream."""
    try:
        return msgspec.json.decode(cursor, type=kind)
    except msgspec.DecodeError as error:
        raise ReadFailed(Rejected(reason="cursor", detail="The cursor is none of this stream.")) from error


def page_of(cursor: Cursor, orders: Sequence[msgspec.Raw], *, take: int, overlap_s: int, now: datetime) -> Page:
    """Return what a page of orders tells that the cursor has not seen, and where to go on."""
    messages = [message_of(order) for order in orders]
    known = set(cursor.seen)
    fresh = [message for message in messages if _seen(message) not in known]
    # Times to come do not count: one order with a wrong clock would hide all others until then.
    top = max([cursor.top, *(at for at in map(_at, messages) if at <= now)])
    more = len(orders) >= take
    after, skip = _onward(cursor, messages, take=take) if more else (top - timedelta(seconds=overlap_s), 0)
    remembered = _remember(cursor.seen, fresh, since=min(after, top - timedelta(seconds=overlap_s)))
    onward = Cursor(after=max(after, _FIRST), skip=skip, top=top, seen=remembered)
    return Page(messages=tuple(fresh), cursor=msgspec.json.encode(onward).decode(), more=more)


def message_of(order: msgspec.Raw) -> Message:
    """Return an order as a message, byte for byte as Vendure wrote it."""
    body = bytes(order)
    stated: dict[str, Any] = msgspec.json.decode(body)
    at = datetime.fromisoformat(stated["updatedAt"])
    return Message(key=key_of(stated), body=body, occurred_at=at)


def key_of(order: Mapping[str, Any]) -> str:
    """Return the key of an order's version."""
    digest = hashlib.sha256(msgspec.json.encode(order, order="deterministic")).hexdigest()[:16]
    return f"{order['code']}@{order['updatedAt']}~{digest}"


def _onward(cursor: Cursor, messages: Sequence[Message], *, take: int) -> tuple[datetime, int]:
    after = _at(messages[-1]) - _TICK
    return (after, 0) if after > cursor.after else (cursor.after, cursor.skip + max(1, take // 2))


def _remember(seen: Sequence[str], fresh: Sequence[Message], *, since: datetime) -> tuple[str, ...]:
    mark = _mark(since)
    kept = [one for one in seen if int(one.partition("~")[0], 16) >= mark]
    return (*kept, *(_seen(message) for message in fresh))[-SEEN_MAX:]


def _seen(message: Message) -> str:
    """Return an order's version in few letters: its time and the digest of its key."""
    return f"{_mark(_at(message)):x}~{message.key.rpartition('~')[2]}"


def _mark(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _at(message: Message) -> datetime:
    assert message.occurred_at is not None, "every order tells when it changed"
    return message.occurred_at


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
