"""Pages: a bounded part of a list, and where the next part starts.

A cursor is opaque to its reader. Inside it names its list and the sort key of the last row seen (keyset pagination), so
that rows that come or go meanwhile neither repeat nor hide others, and the last page costs what the first one costs.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec

from onhand.domain.errors import InvalidInput

T = TypeVar("T")

PAGE_DEFAULT: Final = 100
"""Rows of a page when nobody says: a screen or two, and still one short read."""

PAGE_MAX: Final = 1_000
"""More rows than this in one answer hold memory and a connection for longer than a read should."""

CURSOR_LENGTH_MAX: Final = 4_000
"""The longest sort keys are a few codes and a SKU; anything longer is none of ours."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some rows; `next_cursor` is None on the last page and otherwise goes back as `after`."""

    rows: Sequence[T]
    next_cursor: str | None = None


class InvalidCursor(InvalidInput):
    """A cursor was sent that Onhand did not give for this list."""

    code = "invalid_cursor"
    title = "The cursor is not valid"
    remedy = "Start again without a cursor, and pass on only what the page before gave as its next one."


def encode_cursor(name: str, *key: str | int) -> str:
    """Return the cursor for the row of list `name` with that sort key."""
    return urlsafe_b64encode(msgspec.json.encode([name, *key])).decode().rstrip("=")


def decode_cursor(cursor: str, name: str, *types: type[Any]) -> tuple[Any, ...]:
    """Return the sort key inside a cursor of list `name`. Raises InvalidCursor for anything else."""
    padded = cursor[:CURSOR_LENGTH_MAX] + "=" * (-len(cursor) % 4)
    try:
        given, *key = msgspec.json.decode(urlsafe_b64decode(padded), type=list[str | int])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        given, key = "", []
    if given != name or [type(part) for part in key] != list(types):
        raise InvalidCursor("The cursor is none that Onhand gave for this list.", pointer="/after")
    return tuple(key)


def page_limit(limit: int) -> int:
    """Return the number of rows for a page. Raises InvalidInput when it is not from 1 to PAGE_MAX."""
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidInput(f"A page has 1 to {PAGE_MAX} rows; {limit} were asked for.", pointer="/limit")
    return limit


def paged(rows: Sequence[T], limit: int, cursor: Callable[[T], str]) -> Page[T]:
    """Return a page from up to `limit` + 1 rows: one row more says that there is a next page."""
    return Page(rows[:limit], cursor(rows[limit - 1]) if len(rows) > limit else None)
