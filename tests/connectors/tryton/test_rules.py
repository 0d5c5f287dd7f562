"""The connector's pure rules: cursors that skip nothing, what a move means, and Tryton's JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onhand.connectors.tryton.client import outcome_of_error
from onhand.connectors.tryton.cursor import Pass, Seen, read_cursor, write_cursor
from onhand.connectors.tryton.fake_tables import Tables
from onhand.connectors.tryton.places import Place, Places, meaning
from onhand.connectors.tryton.wire import NotJson, decode, encode, number, plain
from onhand.sdk import ReadFailed, Rejected, Transient, Unauthorised

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OVERLAP_S = 60


@dataclass
class Row:
    """A record that was written at one time and is seen from another on."""

    id: int
    written: int
    seen_from: int


def _rows_at(rows: list[Row], walk: Pass, now: int, asked: int) -> list[Seen]:
    """What Tryton answers at a time: those that are committed by then and fit what the pass asks for."""
    table = Tables(["row"])
    visible = {row.id: {"id": row.id, "write_date": _at(row.written)} for row in rows if row.seen_from <= now}
    table.rows("row").update(sorted(visible.items()))
    found = table.search("row", walk.domain(OVERLAP_S, ""), computed=lambda *_: None, active_only=False)
    return [Seen(each["id"], each["write_date"], str(each["id"])) for each in found[:asked]]


def _at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


history = st.lists(
    st.builds(
        lambda written, late, id_: (written, written + late, id_),
        st.integers(0, 400),
        st.integers(0, OVERLAP_S - 1),
        st.integers(1, 500),
    ),
    max_size=40,
    unique_by=lambda each: each[2],
)


LONG_PASS = [(0, 0, 10), (0, 0, 11), (0, 0, 12), (0, 0, 13), (0, 0, 14), (200, 200, 20), (10, 10, 5)]
"""Seven records, one of which is written behind the pass while it walks, before a much newer one."""


@example(history=LONG_PASS, limit=1, polls=[50])
@given(history=history, limit=st.integers(1, 7), polls=st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_nothing_is_skipped_whatever_commits_late_and_wherever_pages_end(
    history: list[tuple[int, int, int]], limit: int, polls: list[int]
) -> None:
    """Records get their time when their transaction begins, their place when it ends, and ids in any order."""
    rows = [Row(id_, written, seen_from) for written, seen_from, id_ in history]
    now, cursor, told = 0, write_cursor(Pass()), set[str]()
    pauses = iter([*polls, *[50] * 120])
    for pause in pauses:
        walk = read_cursor(cursor)
        asked = walk.asks(limit)
        found = _rows_at(rows, walk, now, asked)
        taken = walk.took(found, limit)
        new = {each.key for each in taken} - walk.known.keys()
        assert len(new) <= limit
        more = len(taken) < len(found) or len(found) == asked
        told |= new
        cursor = write_cursor(walk.walked(taken, now=_at(now), more=more, overlap_s=OVERLAP_S))
        now += pause
    assert told == {str(row.id) for row in rows}


def test_a_poll_in_which_nothing_is_new_tells_nothing_and_ends_at_once() -> None:
    rows = [Row(number, number, number) for number in range(1, 100)]
    walk = Pass()
    for _ in range(3):
        found = _rows_at(rows, walk, 500, walk.asks(200))
        taken = walk.took(found, 200)
        new = [each for each in taken if each.key not in walk.known]
        more = len(taken) < len(found) or len(found) == walk.asks(200)
        walk = walk.walked(taken, now=_at(500), more=more, overlap_s=OVERLAP_S)
    assert (new, more) == ([], False)
    assert len(walk.known) <= OVERLAP_S + 1


@pytest.mark.parametrize("cursor", ["", "AAAA", "not base64 !", "W10=", "eyJhZnRlciI6InMifQ=="])
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(ReadFailed):
        read_cursor(cursor)


def _location(id_: int, type_: str, left: int, right: int, code: str, **zones: object) -> dict[str, object]:
    empty = {"storage_location.": None, "input_location.": None, "output_location.": None}
    return {
        "id": id_, "type": type_, "left": left, "right": right, "code": code, "name": code, "active": True, **empty,
        **zones,
    }  # fmt: skip


def _head(id_: int, left: int, right: int) -> dict[str, int]:
    return {"id": id_, "left": left, "right": right}


def _houses() -> Places:
    one = {"input_location.": _head(2, 2, 3), "output_location.": _head(3, 4, 5), "storage_location.": _head(4, 6, 9)}
    simple = {f"{zone}_location.": _head(11, 22, 23) for zone in ("input", "output", "storage")}
    return Places([
        _location(1, "warehouse", 1, 10, "WH", **one),
        _location(2, "storage", 2, 3, "IN"), _location(3, "storage", 4, 5, "OUT"), _location(4, "storage", 6, 9, "STO"),
        _location(5, "storage", 7, 8, "BIN"),
        _location(10, "warehouse", 21, 24, "SHOP", **simple), _location(11, "storage", 22, 23, "FLOOR"),
        _location(20, "storage", 30, 31, "TRANSIT"), _location(21, "supplier", 32, 33, "SUP"),
        _location(22, "customer", 34, 35, "CUS"), _location(23, "lost_found", 36, 37, "LOST"),
        _location(24, "production", 38, 39, "PROD"), _location(25, "drop", 40, 41, "DROP"),
        _location(26, "rental", 42, 43, "RENT"),
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("origin", "target", "means"),
    [
        (21, 2, "receipt"), (2, 5, "putaway"), (5, 3, "pick"), (3, 22, "shipment"), (22, 2, "return"),
        (4, 5, None), (3, 4, "rezone"), (5, 20, "transfer_out"), (20, 11, "transfer_in"), (5, 11, "transfer"),
        (23, 4, "gain"), (4, 23, "loss"), (4, 21, "supplier_return"), (4, 24, "consumption"), (24, 4, "output"),
        (21, 25, None), (25, 22, None), (23, 20, None), (4, 26, "unexplained"), (99, 4, "unexplained"),
    ],
)  # fmt: skip
def test_what_a_move_means_follows_from_its_ends(origin: int, target: int, means: str | None) -> None:
    known = _houses()
    assert meaning(known.at(origin), known.at(target)) == means


def test_bins_belong_to_the_zone_above_them_and_a_room_that_is_all_zones_is_storage() -> None:
    known = _houses()
    assert (known.at(5).warehouse, known.at(5).zone) == ("WH", "storage")
    assert (known.at(11).warehouse, known.at(11).zone) == ("SHOP", "storage")
    assert [(head.warehouse, head.zone, head.code) for head in known.heads()] == [
        ("SHOP", "storage", "FLOOR"), ("WH", "input", "IN"), ("WH", "output", "OUT"), ("WH", "storage", "STO"),
    ]  # fmt: skip


def test_a_place_without_a_warehouse_is_transit_and_never_ours() -> None:
    assert Place(type="storage", code="T", name="T").transit
    assert not Place(type="storage", code="T", name="T").within


def test_values_go_to_tryton_and_back_exactly_and_times_in_its_own_zone() -> None:
    vienna = ZoneInfo("Europe/Vienna")
    values = {
        "price": Decimal("9.5000"), "day": date(2026, 3, 1), "at": datetime(2026, 7, 1, 10, 0, 1, 5, tzinfo=UTC),
        "list": [1, "x", None, True],
    }  # fmt: skip
    wire = encode(values, vienna)
    assert b'"hour":12' in wire
    assert decode(wire, vienna) == values


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b'{"__class__":"date","year":1}', b"[" * 100_000, b"\xff"])
def test_what_is_no_json_of_trytons_is_told_as_such(body: bytes) -> None:
    with pytest.raises(NotJson):
        decode(body, UTC)


def test_quantities_lose_the_point_that_tryton_hangs_on_them_and_nothing_else() -> None:
    said = decode(b'{"whole":12.0,"part":0.1,"huge":1e3}', UTC)
    assert {name: number(value) for name, value in said.items()} == {"whole": 12, "part": Decimal("0.1"), "huge": 1000}
    assert plain({"b": Decimal("0.10"), "a": 1}) == b'{"a":1,"b":0.10}'


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (["UserError", ['The value "2.5" exceeds the limit.', "", None]], Rejected),
        (["UserError", ['You are not allowed to access "Sale".', "", None]], Unauthorised),
        (["UserWarning", ["key.done", "The effective date lies in the future.\nGo on?", ""]], Rejected),
        (["ConcurrencyException", "Records were modified in the meantime"], Transient),
        (["LoginException", ["ip_address", "", "char"]], Unauthorised),
        (["'nofield'", ""], Rejected),
        ("something else", Rejected),
    ],
)
def test_errors_of_tryton_have_their_kind(error: object, kind: type) -> None:
    outcome = outcome_of_error(error)
    assert type(outcome) is kind
    if isinstance(outcome, Rejected):
        assert outcome.reason
        assert "\n" not in outcome.reason
