"""From what stands in a cell to a value: exact numbers, days and instants, or words about what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from onhand.connectors.files.cells import Cell, Fault, shown
from onhand.connectors.files.moments import moment_of, reader_of, zoned
from onhand.connectors.files.settings import Column, Settings

Convert = Callable[[Cell], Any]
"""Returns the value of a cell that is not empty. Raises ValueError with words for a person."""

TEXT_DIGITS_MAX: Final = 15
"""A workbook keeps 15 digits of a number; the rest of a longer one is lost before we see it."""
INTEGER_DIGITS_MAX: Final = 18
DECIMAL_DIGITS_MAX: Final = 30


def converter(column: Column, settings: Settings, *, date1904: bool = False) -> Convert:
    """Return what turns the cells of a column into values. Raises what a zone or format that is none raises."""
    marks = settings.csv if settings.format == "csv" else None
    plain = _plain_number(marks.decimal_mark if marks else ".", marks.group_mark if marks else "")
    if column.type == "text":
        return _text
    if column.type == "integer":
        return lambda cell: _integer(_number(cell, plain))
    if column.type == "decimal":
        return lambda cell: _number(cell, plain)
    zone = ZoneInfo(settings.timezone)
    readers = [reader_of(each) for each in column.formats]
    if column.type == "date":
        return lambda cell: moment_of(cell, readers, date1904).date().isoformat()
    return lambda cell: zoned(moment_of(cell, readers, date1904), zone).isoformat()


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        bad = _CONTROL.search(cell)
        if bad:
            raise ValueError(f"it holds a control character (U+{ord(bad[0]):04X})")
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, Fault):
        raise ValueError(f"it holds the error {cell.words}")  # noqa: TRY004 - words for a person, as for every cell
    if cell.dated:
        raise ValueError("it holds a date; declare the column as one, or have it written as text")
    number = Decimal(cell.digits)
    if number.adjusted() >= TEXT_DIGITS_MAX or _digits(number) > TEXT_DIGITS_MAX:
        raise ValueError(
            f"{cell.digits} is a number of more than {TEXT_DIGITS_MAX} digits; it has to be written as text"
        )
    return format(_short(number), "f")


_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


def _number(cell: Cell, plain: Callable[[str], Decimal]) -> Decimal:
    if isinstance(cell, str):
        return plain(cell)
    if isinstance(cell, bool | Fault):
        raise ValueError(f"{shown(cell)} is not a number")  # noqa: TRY004
    if cell.dated:
        raise ValueError("it holds a date, not a number")
    # What a workbook shows as 19.99 it may store as 19.989999999999998.
    number = _short(Decimal(cell.digits))
    if abs(number.adjusted()) > DECIMAL_DIGITS_MAX:
        raise ValueError(f"{shown(cell)} is out of all proportion")
    return Decimal(format(number, "f"))


def _integer(number: Decimal) -> int:
    if number != number.to_integral_value():
        raise ValueError(f"{number} is not a whole number")
    if number.adjusted() >= INTEGER_DIGITS_MAX:
        raise ValueError(f"{str(number)[:40]} has more than {INTEGER_DIGITS_MAX} digits")
    return int(number)


def _plain_number(decimal_mark: str, group_mark: str) -> Callable[[str], Decimal]:
    """Return a reader of numbers as people write them: no exponent, groups of three where there are groups."""
    whole = rf"\d{{1,3}}(?:{re.escape(group_mark)}\d{{3}})+|\d+" if group_mark else r"\d+"
    form = re.compile(rf"([+-]?)({whole})(?:{re.escape(decimal_mark)}(\d+))?(-?)", re.ASCII)

    def read(text: str) -> Decimal:
        found = form.fullmatch(text.strip())
        if found is None or (found[1] and found[4]):
            raise ValueError(f"{shown(text)} is not a number with '{decimal_mark}' as its decimal mark")
        digits = found[2].replace(group_mark, "") if group_mark else found[2]
        if len(digits) + len(found[3] or "") > DECIMAL_DIGITS_MAX:
            raise ValueError(f"{shown(text)} has more than {DECIMAL_DIGITS_MAX} digits")
        return Decimal(f"{found[1] or found[4]}{digits}.{found[3] or ''}")

    return read


def _short(number: Decimal) -> Decimal:
    """Return a number to the digits that a workbook shows, without zeros at its end."""
    if not number.is_finite():
        raise ValueError(f"{number} is not a number")
    if abs(number.adjusted()) > 400:  # a workbook's own numbers end at 1E+308
        raise ValueError(f"{str(number)[:40]} is out of all proportion")
    short = _EXCEL.create_decimal(number)
    return short.normalize(_EXCEL) if short else Decimal(0)


_EXCEL: Final = Context(prec=TEXT_DIGITS_MAX)


def _digits(number: Decimal) -> int:
    return len(number.normalize(_WIDE).as_tuple().digits)


_WIDE: Final = Context(prec=60)
