"""What stands in a cell before it has a type: a text, or what only a workbook knows."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import NamedTuple


class Number(NamedTuple):
    """A number as a workbook stores it, with whether it is shown as a day or time."""

    digits: str
    dated: bool


class Fault(NamedTuple):
    """A cell that holds an error of the workbook's own, such as #N/A."""

    words: str


Cell = str | Number | bool | Fault


def shown(cell: Cell) -> str:
    """Return a cell for a person, cut short."""
    if isinstance(cell, str):
        return repr(cell[:40])
    return cell.digits[:40] if isinstance(cell, Number) else str(cell.words if isinstance(cell, Fault) else cell)


def is_number(text: str) -> bool:
    """Tell whether what a workbook stores as a number is one."""
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False
