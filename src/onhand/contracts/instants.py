"""Reads a point in time as RFC 3339 writes it, and nothing that only looks like it.

A maintainer must know what is done with the odd cases: `t` and `z` in lower case are read; more than six decimals are
cut, not rounded, so that no event moves into the next second; a leap second becomes the last microsecond of its
minute, so that an event of 31 December stays there; a time without a zone is refused, for it names no instant.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from onhand.domain.errors import InvalidInput


class InvalidInstant(InvalidInput):
    """A text is not a date and time with a zone."""

    code = "invalid_instant"
    title = "This is not a date and time with a zone"
    remedy = "Write it as RFC 3339 has it, with its zone, for example 2026-03-01T09:30:00+01:00."


_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(?:\.(\d{1,20}))?([Zz]|[+-]\d\d:[0-5]\d)", re.ASCII)
_LEAP_SECOND_AT = (23, 59)
_EDGES = (1, 9999)  # years in which an instant may exist in its zone and yet have no universal time in the calendar


def parse_instant(text: str) -> datetime:
    """The instant, in the zone that was stated. Raises InvalidInstant."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise InvalidInstant(f"{_short(text)} is not an RFC 3339 date and time with a zone.")
    day, minute, second, fraction, zone = found.groups()
    leap = second == "60"
    micros = "999999" if leap else (fraction or "")[:6].ljust(6, "0")
    try:
        instant = datetime.fromisoformat(f"{day}T{minute}:{'59' if leap else second}.{micros}{zone.upper()}")
        if leap or instant.year in _EDGES:
            _refuse_impossible(instant.astimezone(UTC), leap=leap)
    except (ValueError, OverflowError):
        raise InvalidInstant(f"{_short(text)} does not exist in the calendar.") from None
    return instant


def _refuse_impossible(universal: datetime, *, leap: bool) -> None:
    if leap and (universal.hour, universal.minute) != _LEAP_SECOND_AT:
        raise ValueError("leap seconds happen at 23:59:60 UTC")


def _short(text: str) -> str:
    return ascii(text[:40])
