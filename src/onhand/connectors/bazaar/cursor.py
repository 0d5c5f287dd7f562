"""Where the reading of orders has got to: through one round page by page, and where the next round begins.

The marketplace shows some changes late, under the time at which they were made. So each round begins a while before the
newest change that the last one saw; what is read again falls to its key.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from onhand.connectors.bazaar.documents import Order


class Cursor(msgspec.Struct, frozen=True):
    """Read on after this change; `newest` is the newest change of the round."""

    since: datetime | None = None
    after: str = ""
    newest: datetime | None = None


def read_cursor(text: str | None, *, begin: datetime | None) -> Cursor:
    """Return what a cursor says; one that cannot be read begins anew, and repetitions fall to their keys."""
    try:
        return msgspec.json.decode(text, type=Cursor) if text else Cursor(since=begin)
    except (msgspec.DecodeError, UnicodeError):
        return Cursor(since=begin)


def read_on(cursor: Cursor, orders: list[Order], *, more: bool, overlap_s: int, now: datetime) -> str:
    """Return the cursor after a page."""
    # Times to come do not count: one change with a wrong clock would hide all others until then.
    times = [at for at in (*(order.updated_at for order in orders), cursor.newest) if at is not None and at <= now]
    newest = max(times, default=None)
    if more and orders:
        found = Cursor(since=orders[-1].updated_at, after=orders[-1].id, newest=newest)
    elif newest is None:
        found = Cursor(since=cursor.since)
    else:
        found = Cursor(since=newest - timedelta(seconds=overlap_s), newest=newest)
    return msgspec.json.encode(found).decode()
