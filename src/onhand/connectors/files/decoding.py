"""From the bytes of a file to a document of typed rows, by the settings and by nothing else.

`decode` gives `{"file": ..., "rows": [{"row": 2, "sku": "A-1", "quantity": 5}, ...]}`, or says what is wrong and where.
One wrong cell refuses the whole file: half a stock list is worse than yesterday's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onhand.connectors.files import csv_rows
from onhand.connectors.files.cells import Cell, Number
from onhand.connectors.files.merges import Merges
from onhand.connectors.files.mistakes import Mistakes
from onhand.connectors.files.settings import Settings
from onhand.connectors.files.table import Table, key_of, places_of
from onhand.connectors.files.xlsx import Workbook
from onhand.connectors.files.xlsx_parts import COLUMNS_MAX


def decode(content: bytes, settings: Settings, file: str) -> dict[str, Any]:
    """Return a file as a document. Raises FileUnreadable with the first mistakes, each with row and column."""
    mistakes = Mistakes(file)
    rows = (
        _from_csv(content, settings, mistakes) if settings.format == "csv" else _from_xlsx(content, settings, mistakes)
    )
    found = list(rows)
    if not found and not mistakes and not settings.allow_empty:
        mistakes.add("it has no rows; set allow_empty where that is meant")
    mistakes.end()
    return {"file": file, "rows": found}


def _from_csv(content: bytes, settings: Settings, mistakes: Mistakes) -> Iterator[dict[str, Any]]:
    text = csv_rows.text_of(content, settings.csv, mistakes)
    skip = max(1, settings.header_row)
    delimiter = csv_rows.delimiter_of(text, settings.csv, lambda cells: _fit(cells, settings), skip, mistakes)
    rows = csv_rows.rows_of(text, delimiter=delimiter, quote=settings.csv.quote, mistakes=mistakes)
    header: list[str] | None = None
    table: Table | None = None
    width = 0
    for number, cells in rows:
        if number < skip:
            continue
        if table is None:
            header = cells if settings.header_row else None
            table, width = Table(settings, header, len(cells), mistakes), len(cells)
            if header is not None:
                continue
        if len(cells) != width and (len(cells) < width or any(cells[width:])):
            mistakes.add(f"it has {len(cells)} cells, and the first row has {width}", row=number)
            continue
        yield table.row(number, dict(enumerate(cells, 1)))
    if table is None and settings.header_row:
        mistakes.add("it has no header row")


def _from_xlsx(content: bytes, settings: Settings, mistakes: Mistakes) -> Iterator[dict[str, Any]]:
    book = Workbook(content, mistakes)
    part = book.part(settings.xlsx.sheet)
    merges = Merges(book.merges(part), settings, mistakes)
    table: Table | None = None
    for number, cells in book.rows(part):
        if number < settings.header_row:
            continue
        if table is None and settings.header_row:
            if number != settings.header_row:
                break
            width = max(cells)
            texts = [_words(cells.get(column, "")) for column in range(1, min(width, COLUMNS_MAX) + 1)]
            table = Table(settings, texts, width, mistakes, date1904=book.date1904)
            merges.check(table)
            continue
        if table is None:
            table = Table(settings, None, max(cells), mistakes, date1904=book.date1904)
            merges.check(table)
        yield table.row(number, merges.filled(number, cells))
    if table is None and settings.header_row:
        mistakes.add(f"there is no header in row {settings.header_row}")


def _fit(cells: list[str], settings: Settings) -> int:
    """Return how many of the declared columns a header row holds; for rows without headers, how many cells."""
    if settings.header_row:
        places = places_of(cells)
        by_name = sum(isinstance(c.header, str) and key_of(c.header) in places for c in settings.columns)
        by_number = [c.header for c in settings.columns if isinstance(c.header, int)]
        return by_name + sum(number <= len(cells) for number in by_number)
    return (
        len(cells)
        if len(cells) >= max((c.header for c in settings.columns if isinstance(c.header, int)), default=1)
        else 0
    )


def _words(cell: Cell) -> str:
    return cell.digits if isinstance(cell, Number) else cell if isinstance(cell, str) else ""
