"""Cells into values: quantities, times, prices, codes, in all the ways in which spreadsheets write them.

What cannot be read for certain is not guessed: it raises Unreadable with the reason under which the line is counted.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, Literal

DateOrder = Literal["day_first", "month_first"]


_PLAIN: Final = re.compile(r"-?[0-9]{1,15}")


class Unreadable(Exception):
    """A cell does not say what it should; the argument is the reason."""


def quantity(cell: str, *, limit: int) -> int:
    """Whole units: `12`, `-1`, `1,200`, `12.0`, `(3)`, `3-`. Raises Unreadable."""
    if not cell:
        raise Unreadable("missing_quantity")
    found = int(cell) if _PLAIN.fullmatch(cell) else _loose_quantity(cell)
    if found == 0:
        raise Unreadable("zero_quantity")
    if abs(found) > limit:
        raise Unreadable("absurd_quantity")
    return found


def _loose_quantity(cell: str) -> int:
    text = cell.replace("\u2212", "-").replace("\u00a0", "").replace(" ", "").replace("'", "")
    negative = text.startswith("(") and text.endswith(")")
    text = text.strip("()")
    if text.endswith("-"):
        negative, text = True, text[:-1]
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", text):
        text = text.replace(",", "")
    elif re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d*", text):
        text = text.replace(".", "").replace(",", ".")
    try:
        number = Decimal("unreadable" if "_" in text else text)
    except InvalidOperation:
        raise Unreadable("unreadable_quantity") from None
    if not number.is_finite() or abs(number) > Decimal(10) ** 15:
        raise Unreadable("absurd_quantity")
    if number != int(number):
        raise Unreadable("fractional_quantity")
    return -int(number) if negative else int(number)


def price(cell: str) -> Decimal | None:
    """A price, or None when there is none that can be read; lines do not stand or fall with it."""
    text = cell.replace(",", "").lstrip("£$€ ")
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def code(cell: str) -> str:
    """A code that a spreadsheet may have taken for a number: `17850.0` is 17850."""
    if cell.endswith(".0") and cell[:-2].isdigit():
        return cell[:-2]
    return cell


_NAMELESS: Final = frozenset({"nan", "null", "none", "n/a", "#n/a", "nat", "-"})


def blank(cell: str) -> bool:
    """Whether a cell says nothing, in words or without."""
    return not cell or cell.casefold() in _NAMELESS


# ISO 8601; `12/1/2010 8:26` and `01.12.2010`; `1-Dec-10`; `Dec 1, 2010`; `20101201 0826`.
_ISO: Final = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(.*))?")
_PARTS: Final = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4}|\d{2})(?:[T, ]+(.*))?")
_NAMED: Final = re.compile(r"(\d{1,2})[- /]([A-Za-z]{3})[A-Za-z]*[- /,]+(\d{4}|\d{2})(?:[T, ]+(.*))?")
_MONTH_NAMED: Final = re.compile(r"([A-Za-z]{3})[A-Za-z]*\.?[- /]+(\d{1,2})[- /,]+(\d{4}|\d{2})(?:[T, ]+(.*))?")
_COMPACT: Final = re.compile(r"((?:19|20)\d{2})(\d{2})(\d{2})(?:[T ]?(\d{2})(\d{2})(\d{2})?)?")
_CLOCK: Final = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([AaPp])?\.?[Mm]?\.?\s*(Z|UTC|[+-]\d{2}:?\d{2})?"
)
_SERIAL: Final = re.compile(r"\d{5}(\.\d+)?")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SHEET_DAY_ZERO: Final = datetime(1899, 12, 30)  # noqa: DTZ001  (spreadsheets count days without a zone)
_PIVOT: Final = 70


def ambiguous_parts(cell: str) -> tuple[int, int] | None:
    """The first two numbers of a date that does not say by itself which is the day; None for any other cell."""
    found = _PARTS.fullmatch(cell)
    return (int(found[1]), int(found[2])) if found else None


@lru_cache(maxsize=4096)
def moment(cell: str, *, order: DateOrder, zone: tzinfo) -> datetime:
    """An instant (UTC) from any of the forms above, or from the days of a spreadsheet. Raises Unreadable.

    A time without a zone is one of `zone`; a date without a time is its midnight.
    """
    if blank(cell):
        raise Unreadable("missing_time")
    try:
        return _moment(cell, order, zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable("unreadable_time") from None


def _moment(cell: str, order: DateOrder, zone: tzinfo) -> datetime:
    if _SERIAL.fullmatch(cell):
        day = _SHEET_DAY_ZERO + timedelta(seconds=round(float(cell) * 86_400))
        return day.replace(tzinfo=zone)
    if found := _ISO.fullmatch(cell):
        day_ = date(int(found[1]), int(found[2]), int(found[3]))
    elif found := _NAMED.fullmatch(cell):
        day_ = date(_year(found[3]), _MONTHS.index(found[2].casefold()) + 1, int(found[1]))
    elif found := _MONTH_NAMED.fullmatch(cell):
        day_ = date(_year(found[3]), _MONTHS.index(found[1].casefold()) + 1, int(found[2]))
    elif found := _COMPACT.fullmatch(cell):
        day_ = date(int(found[1]), int(found[2]), int(found[3]))
        return _at(day_, f"{found[4]}:{found[5]}:{found[6] or '00'}" if found[4] else "", zone)
    elif found := _PARTS.fullmatch(cell):
        first, second = int(found[1]), int(found[2])
        day_number, month = (first, second) if order == "day_first" else (second, first)
        day_ = date(_year(found[3]), month, day_number)
    else:
        raise ValueError
    return _at(day_, found[4] or "", zone)


def _at(day: date, clock: str, zone: tzinfo) -> datetime:
    if not clock:
        return datetime(day.year, day.month, day.day, tzinfo=zone)
    found = _CLOCK.fullmatch(clock.strip())
    if not found:
        raise ValueError
    hour = int(found[1])
    if found[4]:
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + (12 if found[4] in "Pp" else 0)
    written = found[5]
    if written in ("Z", "UTC"):
        zone = UTC
    elif written:
        zone = datetime.strptime(written, "%z").tzinfo or UTC
    return datetime(day.year, day.month, day.day, hour, int(found[2]), int(found[3] or 0), tzinfo=zone)


def _year(text: str) -> int:
    year = int(text)
    if len(text) == 4:
        return year
    return year + (1900 if year >= _PIVOT else 2000)
