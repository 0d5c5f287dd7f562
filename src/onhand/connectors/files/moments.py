"""Days and instants: as texts in declared formats, and as the numbers of days that workbooks keep."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from onhand.connectors.files.cells import Cell, Number, shown

Reader = Callable[[str], datetime | None]
"""Returns what a text in one format says; None for a text in another."""


def moment_of(cell: Cell, readers: list[Reader], date1904: bool) -> datetime:
    """Return the day or instant that a cell holds, as a clock on a wall shows it. Raises ValueError."""
    if isinstance(cell, Number):
        return _from_serial(Decimal(cell.digits), date1904)
    if not isinstance(cell, str):
        raise ValueError(f"{shown(cell)} is not a date")  # noqa: TRY004
    text = cell.strip()
    for read in readers:
        found = read(text)
        if found is not None:
            return found
    if readers:
        raise ValueError(f"{shown(cell)} is not a date in a declared format")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{shown(cell)} is not a date as ISO 8601 has it") from None


def _from_serial(serial: Decimal, date1904: bool) -> datetime:
    """Return the instant that a workbook counts as days; its 1900 had a 29 February that never was."""
    if not 0 <= serial < _SERIAL_MAX:
        raise ValueError(f"{serial} is not the number of a day")
    if date1904:
        start = datetime(1904, 1, 1)  # noqa: DTZ001 - a clock on a wall; its zone comes later
    elif 60 <= serial < 61:
        raise ValueError("the day does not exist: 1900 was no leap year")
    else:
        start = datetime(1899, 12, 30) if serial >= 61 else datetime(1899, 12, 31)  # noqa: DTZ001
    try:
        return start + timedelta(milliseconds=int((serial * 86_400_000).to_integral_value()))
    except OverflowError:
        raise ValueError(f"{serial} is not the number of a day") from None


_SERIAL_MAX: Final = 2_958_466
"""The first day of the year 10000."""


def zoned(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return an instant; a time on a wall is taken in the declared zone, the first of two where it comes twice."""
    if moment.tzinfo is not None:
        return moment
    at = moment.replace(tzinfo=zone)
    try:
        back = at.astimezone(UTC).astimezone(zone)
    except OverflowError:
        raise ValueError(f"{moment} in {zone.key} is beyond the calendar") from None
    if back.replace(tzinfo=None) != moment:
        raise ValueError(f"{moment} was skipped by the clocks of {zone.key}")
    return at


def reader_of(form: str) -> Reader:
    """Return a reader for a format such as `DD.MM.YYYY HH:mm`."""
    parts = re.split(r"(YYYY|MM|DD|HH|mm|ss)", form)
    expression = "".join(_PARTS.get(part, re.escape(part)) for part in parts)
    compiled = re.compile(expression, re.ASCII)

    def read(text: str) -> datetime | None:
        found = compiled.fullmatch(text)
        if found is None:
            return None
        fields: Mapping[str, str] = found.groupdict()
        numbers = {name: int(value) for name, value in fields.items()}
        return datetime(**{"year": 1, "month": 1, "day": 1, **numbers})  # type: ignore[arg-type]  # noqa: DTZ001

    return read


_PARTS: Final = {
    "YYYY": r"(?P<year>\d{4})",
    "MM": r"(?P<month>\d{1,2})",
    "DD": r"(?P<day>\d{1,2})",
    "HH": r"(?P<hour>\d{1,2})",
    "mm": r"(?P<minute>\d{2})",
    "ss": r"(?P<second>\d{2})",
}
