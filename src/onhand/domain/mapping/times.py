"""Dates and times as partners write them: read with a declared form and zone, written the same way.

A time without a zone names no instant: either its text says the zone, or the rule does. Where a local time comes twice
the earlier one is meant; one that the clock skips counts from before the jump.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from onhand.domain.mapping.errors import Unfit, shown
from onhand.domain.mapping.values import number_of

NAMED: Final = ("iso", "unix", "unix_ms")
"""Forms that are not written out: ISO 8601, seconds and milliseconds since 1970."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LENGTH_MAX: Final = 64
_UNIX_MAX: Final = 4_102_444_800_000  # 2100 in milliseconds: a larger number is no time


def instant_reader(forms: Sequence[str], zone: ZoneInfo | None) -> Callable[[Any], datetime]:
    """Return the function that reads an instant in one of these forms, the first that fits."""
    readers = [_NAMED_READERS.get(form) or _form_reader(form) for form in forms]

    def read(value: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        for each in readers:
            found = each(value)
            if found is not None:
                return _zoned(found, zone, value)
        raise Unfit(f"{shown(value)} is not a time in the form {' or '.join(forms)}")

    return read


def day_reader(forms: Sequence[str], zone: ZoneInfo | None) -> Callable[[Any], date]:
    """Return the function that reads a calendar day; an instant is that day in the zone."""
    readers = [_NAMED_READERS.get(form) or _form_reader(form) for form in forms]

    def read(value: Any) -> date:
        found: datetime | None = value if isinstance(value, datetime) else None
        for each in readers:
            found = each(value) if found is None else found
        if found is None:
            raise Unfit(f"{shown(value)} is not a day in the form {' or '.join(forms)}")
        if found.tzinfo is not None and zone is not None:
            return _in_zone(found, zone).date()
        return found.date()

    return read


def writer(form: str, zone: ZoneInfo | None) -> Callable[[Any], Any]:
    """Return the function that writes an instant or day in a form, an instant as the zone's clock shows it."""
    read = instant_reader(("iso",), zone)

    def write(value: Any) -> Any:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value.strftime(form) if form != "iso" else value.isoformat()
        when = read(value)
        if form in ("unix", "unix_ms"):
            return (when - _EPOCH) // timedelta(milliseconds=1000 if form == "unix" else 1)
        local = when if zone is None else _in_zone(when, zone)
        return local.isoformat() if form == "iso" else local.strftime(form)

    return write


def instant_of(value: Any) -> datetime:
    """Return the instant that a rule gave: one that was read, or ISO 8601 with its zone."""
    return _ISO(value)


def _iso(value: Any) -> datetime | None:
    if type(value) is not str or len(value) > _LENGTH_MAX or not value.isascii():
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _form_reader(form: str) -> Callable[[Any], datetime | None]:
    def read(value: Any) -> datetime | None:
        text = str(value) if type(value) is int and -(10**20) < value < 10**20 else value
        if type(text) is not str or len(text) > _LENGTH_MAX:
            return None
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the zone comes next
        except (ValueError, OverflowError):
            return None

    return read


def _unix(value: Any, *, per_second: int) -> datetime | None:
    try:
        number = number_of(value)
    except Unfit:
        return None
    if not -_UNIX_MAX <= Decimal(number) * 1000 // per_second <= _UNIX_MAX:
        return None
    return _EPOCH + timedelta(microseconds=int(Decimal(number) * 1_000_000 // per_second))


def _zoned(found: datetime, zone: ZoneInfo | None, value: Any) -> datetime:
    if found.tzinfo is None:
        if zone is None:
            raise Unfit(f"{shown(value)} says no zone, and the rule declares none")
        found = found.replace(tzinfo=zone)
    try:
        found.astimezone(UTC)
    except OverflowError:
        raise Unfit(f"{shown(value)} is beyond the calendar") from None
    # A name of a zone does not travel; the distance from universal time does.
    offset = found.utcoffset()
    assert offset is not None
    return found if found.tzinfo is UTC else found.replace(tzinfo=timezone(offset))


def _in_zone(found: datetime, zone: ZoneInfo) -> datetime:
    try:
        return found.astimezone(zone)
    except OverflowError:
        raise Unfit(f"{found.isoformat()} is beyond the calendar") from None


_NAMED_READERS: Final[dict[str, Callable[[Any], datetime | None]]] = {
    "iso": _iso,
    "unix": lambda value: _unix(value, per_second=1),
    "unix_ms": lambda value: _unix(value, per_second=1000),
}
_ISO: Final = instant_reader(("iso",), None)
