"""Where the declared columns of a file stand, and what makes values of their cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onhand.connectors.files.cells import Cell
from onhand.connectors.files.mistakes import Mistakes
from onhand.connectors.files.settings import Column, Settings
from onhand.connectors.files.values import Convert, converter
from onhand.ops import limits

ROW = "row"
"""The member of a row that tells its number in the file; no column may have this name."""


class Table:
    """Where the declared columns stand, and what turns their cells into values."""

    def __init__(
        self, settings: Settings, header: list[str] | None, width: int, mistakes: Mistakes, *, date1904: bool = False
    ) -> None:
        self._mistakes = mistakes
        self._rows = 0
        self.columns: list[tuple[int, Column, Convert, str]] = []
        places = places_of(header) if header is not None else {}
        for column in settings.columns:
            found = self._find(column, places, width, by_number=header is None)
            if found:
                shown = header[found - 1].strip() if header is not None else f"{column.name}, number {found}"
                self.columns.append((found, column, converter(column, settings, date1904=date1904), shown))
        if settings.unknown_columns == "refuse" and header is not None:
            known = {place for place, *_ in self.columns}
            for number, words in enumerate(header, 1):
                if words.strip() and number not in known:
                    mistakes.add("it is not declared", column=words.strip()[:100])

    def _find(self, column: Column, places: Mapping[str, list[int]], width: int, *, by_number: bool) -> int | None:
        """Return the number of a column; a mistake where it is missing though required, or there twice."""
        if isinstance(column.header, int):
            if column.header <= width:
                return column.header
            self._mistakes.add(f"there are only {width} columns, not {column.header}", column=column.name)
            return None
        if by_number:
            self._mistakes.add("without a header row, 'from' must be the number of the column", column=column.name)
            return None
        found = places.get(key_of(column.header), [])
        if len(found) > 1:
            self._mistakes.add("two columns have this header", column=column.header)
        elif not found and column.required:
            told = ", ".join(repr(name) for name in list(places)[:20])
            self._mistakes.add(f"there is no such column; there are {told}", column=column.header)
        return found[0] if len(found) == 1 else None

    def row(self, number: int, cells: Mapping[int, Cell]) -> dict[str, Any]:
        """Return a row's values by our names; mistakes are noted."""
        self._rows += 1
        if self._rows > limits.FILE_ROWS_MAX:
            self._mistakes.add(f"it has more than {limits.FILE_ROWS_MAX} rows", row=number)
            raise self._mistakes.error()
        values: dict[str, Any] = {ROW: number}
        for place, column, convert, shown in self.columns:
            cell = cells.get(place, "")
            if isinstance(cell, str):
                if len(cell) > limits.FILE_CELL_CHARACTERS_MAX:
                    reason = f"it holds {len(cell)} characters; is a quote missing?"
                    self._mistakes.add(reason, row=number, column=shown)
                    continue
                blank = not cell.strip()
                if blank or column.trim:
                    cell = cell.strip()
                if blank:
                    values[column.name] = None
                    if column.required:
                        self._mistakes.add("it is empty", row=number, column=shown)
                    continue
            try:
                values[column.name] = convert(cell)
            except ValueError as error:
                self._mistakes.add(str(error), row=number, column=shown)
        return values


def places_of(header: list[str]) -> dict[str, list[int]]:
    """Return the numbers of the columns with each header."""
    found: dict[str, list[int]] = {}
    for number, words in enumerate(header, 1):
        found.setdefault(key_of(words), []).append(number)
    found.pop("", None)
    return found


def key_of(words: str) -> str:
    """Return a header as it is compared: capitals and the width of blanks do not count."""
    return " ".join(words.split()).casefold()
