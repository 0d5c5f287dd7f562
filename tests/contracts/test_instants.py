"""A time is read as RFC 3339 writes it, with its zone, or it is refused."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.contracts.instants import InvalidInstant, parse_instant


@pytest.mark.parametrize(
    ("text", "universal"),
    [
        ("2026-03-01T09:30:00Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01t09:30:00z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01T09:30:00+01:00", datetime(2026, 3, 1, 8, 30, tzinfo=UTC)),
        ("2026-03-01T09:30:00-00:00", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01T09:30:00.5Z", datetime(2026, 3, 1, 9, 30, 0, 500_000, tzinfo=UTC)),
        ("2026-03-01T09:30:00.123456789Z", datetime(2026, 3, 1, 9, 30, 0, 123_456, tzinfo=UTC)),
        ("2026-12-31T23:59:59.9999999Z", datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2017-01-01T00:59:60.7+01:00", datetime(2016, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2024-02-29T12:00:00+23:59", datetime(2024, 2, 28, 12, 1, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read(text: str, universal: datetime) -> None:
    assert parse_instant(text) == universal


def test_the_stated_zone_is_kept() -> None:
    assert parse_instant("2026-03-01T09:30:00+05:45").utcoffset() == timedelta(hours=5, minutes=45)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-01",
        "2026-03-01T09:30:00",
        "2026-03-01 09:30:00Z",
        "2026-03-01T09:30Z",
        "2026-03-01T09:30:00+01",
        "2026-03-01T09:30:00+0100",
        "2026-03-01T09:30:00 +01:00",
        "2026-03-01T09:30:00,5Z",
        "2026-03-01T09:30:00.Z",
        "2026-03-01T09:30:00Z\n",
        "2026-W10-1T09:30:00Z",
        "20260301T093000Z",
        "1772357400",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T09:60:00Z",
        "2026-03-01T09:30:61Z",
        "2026-03-01T09:30:00+24:00",
        "2026-03-01T09:30:00+01:60",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "+2026-03-01T09:30:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2026-03-01T09:30:60Z",
        "2016-12-31T23:59:60+01:00",
        "٢٠٢٦-03-01T09:30:00Z",
        "2026-03-01T09:30:00." + "1" * 1000 + "Z",
    ],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(InvalidInstant) as caught:
        parse_instant(text)
    assert caught.value.code == "invalid_instant"
    assert len(str(caught.value)) < 400


@given(
    st.datetimes(
        min_value=datetime(2, 1, 1),  # noqa: DTZ001  (Hypothesis adds the zone)
        max_value=datetime(9998, 12, 31),  # noqa: DTZ001
        timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
)
def test_every_instant_that_python_writes_is_read_back(instant: datetime) -> None:
    read = parse_instant(instant.isoformat())
    assert read == instant
    assert read.utcoffset() == instant.utcoffset()


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidInstant):
        assert parse_instant(text).tzinfo is not None
