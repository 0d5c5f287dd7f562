"""A change of a time to come hides no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from onhand.connectors.bazaar.cursor import read_cursor, read_on
from onhand.connectors.bazaar.documents import Order
from onhand.connectors.vendure import sweep

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_bazaar_is_asked_on_from_the_newest_change_that_can_be() -> None:
    seen = [Order("O-1", 1, NOW), Order("O-2", 1, NOW.replace(year=2099))]
    cursor = read_cursor(read_on(read_cursor(None, begin=None), seen, more=False, overlap_s=600, now=NOW), begin=None)
    later = Order("O-3", 1, NOW + timedelta(minutes=5))
    assert cursor.since is not None
    assert later.updated_at >= cursor.since, f"asked for since {cursor.since}: O-3 is never read"


def test_a_vendure_is_asked_on_from_the_newest_change_that_can_be() -> None:
    def order(code: str, at: datetime) -> msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode({"code": code, "updatedAt": at.isoformat()}))

    page = sweep.page_of(
        sweep.Cursor(), [order("1", NOW), order("2", NOW.replace(year=2099))], take=10, overlap_s=60, now=NOW
    )
    assert sweep.read_cursor(page.cursor).after < NOW + timedelta(minutes=5)
