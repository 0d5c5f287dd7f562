"""Steps: what is done with a value, and how it fails."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.mapping.mapped import events, failure, mistake, value


def made(found: Any, **steps: Any) -> Any:
    return value({"path": "v", **steps}, {"v": found})


def reason(found: Any, **steps: Any) -> str:
    return failure({"path": "v", **steps}, {"v": found}).reason


@pytest.mark.parametrize(
    ("written", "form", "expected"),
    [
        ("12", True, 12),
        (" -12.50 ", True, Decimal("-12.5")),
        ("12.0", True, 12),
        ("007", True, 7),
        (Decimal("1.50"), True, Decimal("1.5")),
        ("1.234,56", {"decimal": ",", "thousands": "."}, Decimal("1234.56")),
        ("1 234 567", {"thousands": " "}, 1234567),
        ("1'234.5", {"thousands": "'"}, Decimal("1234.5")),
        ("1234,5", {"decimal": ",", "thousands": "."}, Decimal("1234.5")),
        ("5.000-", {"minus": "behind"}, -5),
        ("5,5-", {"decimal": ",", "minus": "behind"}, Decimal("-5.5")),
        ("999999999999999999", True, 999999999999999999),
        ("0.000000000000000001", True, Decimal("1E-18")),
    ],
)
def test_a_number_is_read_as_the_partner_writes_it_and_exactly(written: Any, form: Any, expected: Any) -> None:
    found = made(written, number=form)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("1,5", True),
        ("1.5", {"decimal": ",", "thousands": "."}),
        ("12.34,5", {"decimal": ",", "thousands": "."}),
        ("1e5", True),
        ("NaN", True),
        ("Infinity", True),
        ("", {"decimal": ","}),
        ("-", True),
        ("0x1F", True),
        ("١٢", True),
        ("1_000", True),
        ("9" * 19, True),
        ("0." + "1" * 19, True),
        ("9" * 1000, True),
        (True, True),
        ({}, True),
    ],
)
def test_what_is_not_such_a_number_fails_rather_than_become_another(written: Any, form: Any) -> None:
    assert failure({"path": "v", "number": form}, {"v": written}).pointer == "/v"


def test_arithmetic_with_constants_is_exact() -> None:
    assert made("7.95", number=True, times="0.1", amount=3) == "0.795"
    assert made(795, over=100, amount=2) == "7.95"
    assert made(10, plus=-12) == -2
    assert "cannot be written down exactly" in reason(1, over=3)
    assert made("999999999999", times="100001", number=True) == 999999999999 * 100001
    assert "too large or too fine" in reason(10**17, times=100)


def test_rounding_has_a_name() -> None:
    assert made("2.345", number=True, round={"places": 2, "how": "half_up"}) == Decimal("2.35")
    assert made("2.345", number=True, round={"places": 2, "how": "half_even"}) == Decimal("2.34")
    assert made("2.999", number=True, round={"places": 0, "how": "down"}) == 2


def test_a_quantity_is_whole_or_refused_and_rounds_down_only_when_told() -> None:
    assert made("3.00", number=True, whole=True) == 3
    assert "2.5 is not a whole number" in reason("2.5", number=True, whole=True)
    assert made("2.9", number=True, whole="down") == 2
    assert made("-2.1", number=True, whole="down") == -3


def test_an_amount_is_text_that_never_loses_a_place() -> None:
    assert made(Decimal("7.5"), amount=2) == "7.50"
    assert made(7, amount=True) == "7"
    assert made("0.10", amount=True) == "0.1"
    assert "more than 2 places" in reason(Decimal("7.955"), amount=2)


def test_units_are_converted_by_a_factor_that_stands_elsewhere_and_back() -> None:
    dozen = {"unit": "u", "factors": {"DZ": 12, "EA": 1}}
    assert value({"path": "q", "convert": dozen}, {"q": 2, "u": "DZ"}) == 24
    assert value({"path": "q", "convert": {**dozen, "divide": True}}, {"q": 18, "u": "DZ"}) == Decimal("1.5")
    assert "no factor for the unit 'CT'" in failure({"path": "q", "convert": dozen}, {"q": 2, "u": "CT"}).reason
    assert value({"path": "q", "convert": {**dozen, "unknown": "keep"}}, {"q": 2, "u": "CT"}) == 2
    assert "more than nought" in mistake({"path": "q", "convert": {"unit": "u", "factors": {"X": 0}}})


@pytest.mark.parametrize(
    ("kind", "theirs", "ours"),
    [
        ("item", "A-1", "TEA-001"),
        ("status", "OK", "available"),
        ("location", "0001", "vienna"),
        ("customer", 17, "C-17"),
    ],
)
def test_a_code_is_looked_up(kind: str, theirs: Any, ours: str) -> None:
    assert made(theirs, lookup=kind) == ours


def test_an_unknown_code_fails_is_kept_or_becomes_what_the_rule_says() -> None:
    assert reason("X-9", lookup="item") == "no item is known for the code 'X-9' of system shop"
    assert made("X-9", lookup={"kind": "item", "unknown": "keep"}) == "X-9"
    assert made(17, lookup={"kind": "item", "unknown": "keep"}) == "17", "a code is text"
    assert made("X-9", lookup={"kind": "status", "unknown": "hold"}) == "hold"
    assert "has no code 'X'" in reason("X", table={"codes": {"A": "b"}})
    assert made("X", table={"codes": {"A": "b"}, "unknown": "keep"}) == "X"
    assert made("X", table={"codes": {"A": "b"}, "unknown": "c"}) == "c"


def test_a_table_of_the_mapping_is_used_by_its_name_for_texts_and_numbers() -> None:
    mapping = {
        "direction": "out",
        "type": "x",
        "tables": {"state": {"1": "paid", "VOID": "cancelled"}},
        "data": {"a": {"path": "a", "table": "state"}, "b": {"path": "b", "table": {"name": "state"}}},
    }
    assert events(mapping, {"a": 1, "b": "VOID"})[0].data == {"a": "paid", "b": "cancelled"}


def test_texts_are_cut_and_changed() -> None:
    assert made("a|b|c", split={"by": "|", "take": 1}) == "b"
    assert made("a|b|", split={"by": "|", "take": 2}, optional=True) is None
    assert made("a||b", split="|") == ["a", "b"]
    assert made("000042", capture="0*([0-9]+)") == "42"
    assert reason("no", capture="0*([0-9]+)") == "'no' does not fit the pattern"
    assert made("no", capture={"pattern": "0*([0-9]+)", "unknown": "keep"}) == "no"
    assert made("  x ", trim=True) == "x"
    assert made("   ", trim=True, optional=True) is None
    assert made("aB", case="lower") == "ab"
    assert made("1-2/3", replace={"-": "", "/": ""}) == "123"
    assert made("aab", replace={"a": "x", "aa": "y"}) == "yb"
    assert made(["a", "b"], join=", ") == "a, b"


def test_steps_are_done_in_one_order_and_those_of_then_as_they_stand() -> None:
    assert made(" A|b ", case="lower", trim=True, split={"by": "|", "take": 0}) == "a"
    rule = {"path": "v", "lookup": "item", "then": [{"split": {"by": "-", "take": 1}}, {"number": True}]}
    assert value(rule, {"v": "A-1"}) == 1


def test_steps_are_done_with_each_element_of_a_list() -> None:
    assert value({"path": "v[*]?", "trim": True, "case": "upper"}, {"v": [" a", None, "b "]}) == ["A", "B"]


@pytest.mark.parametrize(
    ("written", "form", "expected"),
    [
        ("2026-03-01T09:30:00+01:00", "iso", "2026-03-01T09:30:00+01:00"),
        ("2026-03-01T09:30:00Z", True, "2026-03-01T09:30:00+00:00"),
        ("2026-03-01 09:30", {"zone": "Europe/Vienna"}, "2026-03-01T09:30:00+01:00"),
        ("01.07.2026 09:30", {"form": "%d.%m.%Y %H:%M", "zone": "Europe/Vienna"}, "2026-07-01T09:30:00+02:00"),
        ("2026-03-01 09:30 +0530", "%Y-%m-%d %H:%M %z", "2026-03-01T09:30:00+05:30"),
        (1772357400, "unix", "2026-03-01T09:30:00+00:00"),
        ("1772357400500", "unix_ms", "2026-03-01T09:30:00.500000+00:00"),
        ("20260301", {"form": ["%d.%m.%Y", "%Y%m%d"], "zone": "UTC"}, "2026-03-01T00:00:00+00:00"),
        (20260301, {"form": "%Y%m%d", "zone": "UTC"}, "2026-03-01T00:00:00+00:00"),
        ("2026-10-25 02:30", {"zone": "Europe/Vienna"}, "2026-10-25T02:30:00+02:00"),
        ("2026-03-29 02:30", {"zone": "Europe/Vienna"}, "2026-03-29T02:30:00+01:00"),
    ],
)
def test_an_instant_is_read_in_its_form_and_zone(written: Any, form: Any, expected: str) -> None:
    assert made(written, date=form) == expected


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("2026-02-30T00:00:00Z", "iso"),
        ("2026-03-01T09:30:00", "iso"),
        ("yesterday", "iso"),
        ("0001-01-01T00:00:00+14:00", "iso"),
        ("31.02.2026", {"form": "%d.%m.%Y", "zone": "UTC"}),
        (10**17, "unix"),
        ("1e400", "unix"),
        ("٢٠٢٦-03-01T00:00:00Z", "iso"),
        ("2026-03-01T00:00:00Z" + "0" * 100, "iso"),
        (True, "iso"),
    ],
)
def test_what_is_no_such_instant_fails(written: Any, form: Any) -> None:
    assert failure({"path": "v", "date": form}, {"v": written}).pointer == "/v"


def test_a_day_is_the_day_in_the_zone() -> None:
    assert made("2026-03-01T23:30:00Z", day={"zone": "Europe/Vienna"}) == "2026-03-02"
    assert made("2026-03-01T23:30:00Z", day=True) == "2026-03-01"
    assert made("4.3.26", day="%d.%m.%y") == "2026-03-04"


def test_a_time_is_written_in_the_partners_form() -> None:
    instant = "2026-03-01T23:30:00Z"
    assert made(instant, format={"form": "%Y%m%d%H%M", "zone": "Europe/Vienna"}) == "202603020030"
    assert made(instant, format="unix") == 1772407800
    assert made(instant, format="unix_ms") == 1772407800000
    assert made(instant, format={"form": "iso", "zone": "Europe/Vienna"}) == "2026-03-02T00:30:00+01:00"


def test_a_form_without_a_zone_is_refused_when_the_mapping_is_read() -> None:
    assert "without a zone" in mistake({"path": "v", "date": "%d.%m.%Y"})
