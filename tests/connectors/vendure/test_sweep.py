"""Reading by time of change, against a shop that changes while it is read: nothing is skipped, whatever the pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from onhand.connectors.vendure.fake_answers import listed
from onhand.connectors.vendure.sweep import SEEN_MAX, Cursor, key_of, page_of, read_cursor

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
OVERLAP_S = 20


def told(at: datetime) -> str:
    """As SQLite tells it: without fractions of a second."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


class Orders:
    """Orders whose changes are seen when they are committed, under the time at which they began."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.versions = 0
        self.orders: dict[str, dict[str, Any]] = {}
        self.seen: set[str] = set()
        self.read = 0

    def change(self, number: int, *, late_s: int) -> None:
        self.versions += 1
        self.orders[str(number)] = {
            "id": str(number), "code": f"C{number}", "version": self.versions, "orderPlacedAt": told(BEGIN),
            "type": "Regular", "updatedAt": told(self.now - timedelta(seconds=late_s)),
        }  # fmt: skip

    def page(self, cursor: str | None, *, take: int) -> tuple[str | None, bool]:
        begun = read_cursor(cursor)
        take = begun.take(take)
        items = listed(list(self.orders.values()), begun.options(take))["items"]
        page = page_of(
            begun,
            [msgspec.Raw(msgspec.json.encode(item)) for item in items],
            take=take,
            overlap_s=OVERLAP_S,
            now=self.now,
        )
        self.seen |= {message.key for message in page.messages}
        self.read += len(page.messages)
        return page.cursor, page.more


steps = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(1, 12), st.integers(0, OVERLAP_S - 2)),
        st.tuples(st.just("wait"), st.integers(1, 50), st.just(0)),
        st.tuples(st.just("page"), st.integers(2, 5), st.just(0)),
    ),
    max_size=80,
)


@given(steps=steps, take=st.integers(2, 5))
def test_the_last_version_of_every_order_is_read_once_all_is_quiet(
    steps: list[tuple[str, int, int]], take: int
) -> None:
    """Versions in between may be missed, as in any poll; the last one never, however late it was committed."""
    shop, cursor = Orders(), None
    for kind, number, late_s in steps:
        if kind == "change":
            shop.change(number, late_s=late_s)
        elif kind == "wait":
            shop.now += timedelta(seconds=number)
        else:
            cursor, _ = shop.page(cursor, take=number)
    for _ in range(2):
        more, turns = True, 0
        while more:
            cursor, more = shop.page(cursor, take=take)
            turns += 1
            assert turns < 200, "reading comes to no end"
    assert {key_of(order) for order in shop.orders.values()} <= shop.seen


def test_a_cursor_stays_small_and_what_it_forgets_is_told_again() -> None:
    shop, cursor = Orders(), None
    for number in range(SEEN_MAX + 100):
        shop.change(number, late_s=0)
    more = True
    while more:
        cursor, more = shop.page(cursor, take=200)
    assert shop.read == SEEN_MAX + 100
    assert cursor is not None
    assert len(cursor) < 20_000
    shop.page(cursor, take=500)
    assert shop.read == SEEN_MAX + 200


def test_the_beginning_asks_for_everything_that_was_ever_placed() -> None:
    options = Cursor().options(50)
    assert options["filter"]["updatedAt"] == {"after": "1970-01-01T00:00:00.000Z"}
    assert options["filter"]["orderPlacedAt"] == {"isNull": False}
    assert (options["take"], options["skip"]) == (50, 0)


def test_a_change_of_anything_makes_another_key_and_the_order_of_members_none() -> None:
    one = {"code": "C", "updatedAt": told(BEGIN), "state": "PaymentSettled"}
    assert key_of(one) == key_of(dict(reversed(one.items())))
    assert key_of(one) != key_of({**one, "state": "Shipped"})
