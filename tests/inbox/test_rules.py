"""The rules by themselves: how a try ends, how fresh a feed is, what a number means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.domain import inbox
from onhand.domain.feed import Statement
from onhand.domain.inbox import Trouble
from onhand.domain.item import Item
from onhand.domain.network import Network
from onhand.domain.quantity import Units
from onhand.domain.stock_statement import Row, RowInvalid, Standing, cut_off, derive, in_base, row_of, settled, zero

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ITEMS = {"A": Item(id=1, sku="A", units=Units("each", {"box": 6}))}


def row(quantity: int | Decimal = 5, *, sku: str = "A", as_of: datetime = NOW, **more: Any) -> Row:
    fields = {"location": "EAST", "status": "available", "lot": "", "uom": None, **more}
    return Row(sku=sku, quantity=quantity, as_of=as_of, **fields)


def counted(statement: Statement, quantity: int, standing: Standing) -> list[int]:
    facts = derive([row(quantity)], {(row().place, NOW): standing}, statement, feed="f", network=Network())
    return [fact.data["lines"][0]["quantity"] for fact in facts]


@pytest.mark.parametrize(
    ("means", "subtracted", "location", "stated", "stands"),
    [
        ("absolute", (), None, 7, 7),
        ("in_stock", (), None, 7, 7),
        ("full_with_zeroing", (), None, 7, 7),
        ("available", (), None, 7, 7),
        ("available", ("allocated",), None, 7, 9),
        ("available", ("reserved", "allocated"), None, 7, 12),
        ("unshipped", ("reserved", "allocated", "backordered"), "EAST", 7, 22),
        ("unshipped", ("backordered",), None, 7, 7),
        ("available", ("reserved",), None, -9, 0),
        ("absolute", (), None, -9, 0),
    ],
)
def test_what_each_kind_of_number_says_of_what_stands_there(
    means: Any, subtracted: Any, location: str | None, stated: int, stands: int
) -> None:
    statement = Statement(means=means, subtracted=subtracted, location=location)
    standing = Standing(balance=1_000, reserved=3, allocated=2, backordered=10)
    assert counted(statement, stated, standing) == [stands]
    assert counted(statement, stated, Standing(stands, 3, 2, 10)) == [], "an unchanged number makes no fact"


def test_demand_is_for_what_can_be_sold() -> None:
    statement = Statement(means="available", subtracted=("reserved",))
    held = row(7, status="hold")
    facts = derive([held], {(held.place, NOW): Standing(0, 3)}, statement, feed="f", network=Network())
    assert [fact.data["lines"][0]["quantity"] for fact in facts] == [7]


def test_an_older_cut_off_than_was_stated_says_nothing() -> None:
    statement = Statement(means="absolute")
    assert counted(statement, 7, Standing(1, stated_at=NOW + HOUR)) == []
    assert counted(statement, 7, Standing(1, stated_at=NOW)) == [7]
    assert counted(statement, 7, Standing(1, stated_at=NOW - HOUR)) == [7]


def test_the_newest_moment_counts_and_one_moment_is_added_up() -> None:
    rows = [row(5), row(2), row(90, as_of=NOW - HOUR), row(1, sku="B", as_of=NOW - HOUR)]
    assert [(r.sku, r.quantity) for r in settled(rows, Statement(means="absolute"))] == [("A", 7), ("B", 1)]
    changes = settled(rows, Statement(means="relative"))
    assert sorted((r.sku, r.quantity) for r in changes) == [("A", 7), ("A", 90), ("B", 1)]


def test_rows_come_into_base_units_exactly_or_are_told() -> None:
    rows, troubles = in_base([row(2, uom="box"), row(Decimal("0.5"), uom="box"), row(Decimal("0.4"), uom="box")], ITEMS)
    assert [(r.quantity, r.uom) for r in rows] == [(12, None), (3, None)]
    assert [trouble.detail for trouble in troubles] == ["0.4 box of A is no whole number of units"]
    rows, troubles = in_base([row(2, uom="pallet"), row(2, sku="GHOST"), row(Decimal("1.5"), sku="GHOST")], ITEMS)
    assert [(r.sku, r.quantity, r.uom) for r in rows] == [("A", 2, "pallet"), ("GHOST", 2, None)]
    assert len(troubles) == 1


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"quantity": 1}, "sku"),
        ({"sku": "", "quantity": 1}, "sku"),
        ({"sku": 7, "quantity": 1}, "sku"),
        ({"sku": "A"}, "quantity"),
        ({"sku": "A", "quantity": "5"}, "quantity"),
        ({"sku": "A", "quantity": True}, "quantity"),
        ({"sku": "A", "quantity": Decimal("NaN")}, "quantity"),
        ({"sku": "A", "quantity": Decimal("1e400")}, "quantity"),
        ({"sku": "A", "quantity": 1, "as_of": "yesterday"}, "as_of"),
        ({"sku": "A", "quantity": 1, "as_of": "2026-11-23T12:00:00"}, "as_of"),
    ],
)
def test_a_row_that_says_nothing_is_told_with_its_field(data: dict[str, Any], field: str) -> None:
    with pytest.raises(RowInvalid) as caught:
        row_of(data, Statement(location="EAST"), as_of=NOW)
    assert caught.value.field == field


def test_a_row_without_a_place_is_told_where_the_feed_declares_none() -> None:
    with pytest.raises(RowInvalid, match="names no location"):
        row_of({"sku": "A", "quantity": 1}, Statement(), as_of=NOW)


def test_the_cut_off_is_the_most_exact_that_is_known() -> None:
    statement = Statement(lag_s=600)
    assert cut_off(statement, snapshot=NOW - 2 * HOUR, occurred=NOW - HOUR, received=NOW) == NOW - 2 * HOUR
    assert cut_off(statement, snapshot=None, occurred=NOW - HOUR, received=NOW) == NOW - HOUR
    assert cut_off(statement, snapshot=None, occurred=None, received=NOW) == NOW - timedelta(seconds=600)


def test_what_is_not_named_is_counted_as_nothing() -> None:
    fact = zero("A", "EAST", "available", "L", as_of=NOW)
    assert fact.data["lines"] == [{"sku": "A", "quantity": 0, "lot": "L"}]


@given(quantity=st.integers(-50, 50), balance=st.integers(0, 50), demand=st.integers(0, 50))
def test_after_a_statement_the_ledger_never_promises_more_than_was_stated(
    quantity: int, balance: int, demand: int
) -> None:
    """What can be sold afterwards, what stands there less our demand, is at most what the source says is available."""
    statement = Statement(means="available", subtracted=("reserved",))
    found = counted(statement, quantity, Standing(balance, reserved=demand))
    stands = found[0] if found else balance
    assert stands - demand <= max(quantity, 0) or stands == 0


def test_a_message_ends_as_its_worst_part() -> None:
    bad = [Trouble(code="x", detail="a", place="/1"), Trouble(code="y", detail="b")]
    assert inbox.mapped([], quarantined=0, attempts=0).state == "mapped"
    assert inbox.mapped([], quarantined=2, attempts=0).reason == "2 of its events lie in quarantine"
    end = inbox.mapped(bad, quarantined=2, attempts=0)
    assert (end.state, end.reason, end.place) == ("dead", "x: a (and 1 more)", "/1")


@given(attempts_max=st.integers(1, 20), draws=st.lists(st.floats(0, 1), min_size=20, max_size=20))
def test_a_fault_of_ours_is_never_tried_for_ever(attempts_max: int, draws: list[float]) -> None:
    attempts = tries = 0
    for draw in draws:
        end = inbox.failed("why", attempts=attempts, attempts_max=attempts_max, now=NOW, draw=draw)
        attempts, tries = end.attempts, tries + 1
        if end.state == "dead":
            break
        assert end.due_at is not None
        assert NOW <= end.due_at <= NOW + timedelta(seconds=300)
    assert (end.state, tries) == ("dead", attempts_max)


def test_a_wait_costs_no_attempt() -> None:
    end = inbox.waits("down", attempts=3, now=NOW, seconds=5)
    assert (end.state, end.attempts, end.counted) == ("new", 3, False)


@pytest.mark.parametrize(
    ("heard", "expect", "stale"),
    [(None, None, None), (NOW - HOUR, None, None), (NOW - HOUR, 7200, None), (NOW - HOUR, 600, NOW - 5 * HOUR / 6),
     (None, 600, NOW - 2 * HOUR + timedelta(seconds=600))],
)  # fmt: skip
def test_a_feed_is_stale_when_it_was_not_heard_as_promised(
    heard: datetime | None, expect: int | None, stale: datetime | None
) -> None:
    found = inbox.freshness(now=NOW, known_since=NOW - 2 * HOUR, last_heard_at=heard, expect_within_s=expect)
    assert found.stale_since == stale
