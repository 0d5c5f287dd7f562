"""The types that bodies and queries are made of: bounds and meaning in one place, for reading and for documentation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import Meta

from onhand.domain.errors import InvalidInput
from onhand.domain.quantity import QUANTITY_MAX
from onhand.http.call import Call, Headers
from onhand.http.limits import PAGE_DEFAULT, PAGE_MAX

# A negative look-ahead keeps control characters out of every text that ends in the store or in a log.
_PRINTABLE = r"^[^\u0000-\u001f\u007f-\u009f]*\Z"

Sku = Annotated[
    str,
    Meta(min_length=1, max_length=200, pattern=_PRINTABLE, description="The SKU, exactly as it was stated: case and "
         "spelling count.", examples=["TEA-001"]),
]  # fmt: skip
Code = Annotated[str, Meta(min_length=1, max_length=64, pattern=_PRINTABLE)]
LotCode = Annotated[str, Meta(min_length=1, max_length=128, pattern=_PRINTABLE)]
Id = Annotated[str, Meta(min_length=1, max_length=200, pattern=_PRINTABLE)]
Text = Annotated[str, Meta(max_length=200, pattern=_PRINTABLE)]
Quantity = Annotated[int, Meta(ge=1, le=QUANTITY_MAX, description="Whole units of `uom`.", examples=[3])]
Instant = Annotated[
    datetime, Meta(tz=True, description="An instant with its zone (RFC 3339).", examples=["2026-12-01T17:00:00Z"])
]
Cursor = Annotated[
    str,
    Meta(min_length=1, max_length=500, description="Where the page begins: `next` of the page before. Opaque."),
]
Limit = Annotated[int, Meta(ge=1, le=PAGE_MAX, description="Rows of the page.")]


YEAR_MIN, YEAR_MAX = 1900, 9800
"""Outside of these years no business is done, and arithmetic with days and zones would run off the calendar."""


def instant(value: datetime | None, pointer: str) -> datetime | None:
    """The instant in UTC. Raises InvalidInput, with the pointer, for one that no clock of ours can have shown."""
    if value is None:
        return None
    if not YEAR_MIN <= value.year <= YEAR_MAX:
        raise InvalidInput(f"The year must be {YEAR_MIN} to {YEAR_MAX} (at {pointer}).", pointer=pointer)
    return value.astimezone(UTC)


def day(value: date | None, pointer: str) -> date | None:
    """The day. Raises InvalidInput, with the pointer, for one off the calendar of business."""
    if value is not None and not YEAR_MIN <= value.year <= YEAR_MAX:
        raise InvalidInput(f"The year must be {YEAR_MIN} to {YEAR_MAX} (at {pointer}).", pointer=pointer)
    return value


class Paging(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every list takes."""

    after: Cursor | None = None
    limit: Limit = PAGE_DEFAULT


def link_next(call: Call, cursor: str | None) -> Headers:
    """The header that leads to the next page, when there is one (RFC 8288)."""
    if cursor is None:
        return []
    kept = [part for part in call.scope["query_string"].split(b"&") if part and not part.startswith(b"after=")]
    target = b"?" + b"&".join([*kept, b"after=" + _escaped(cursor)])
    return [(b"link", b"<" + target + b'>; rel="next"')]


def _escaped(cursor: str) -> bytes:
    return quote(cursor, safe="").encode("ascii")


def rows_of(page: Any) -> Sequence[Any]:
    """The rows of a page as a list that can be encoded."""
    return list(page.rows)
