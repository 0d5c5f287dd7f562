"""The file as a stream of lines: one record after the other, in constant memory, nothing judged yet.

A record that the CSV rules cannot read is yielded too, as a broken one: what is read is what is accounted for.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from onhand.sim.replay.dialect import DAMAGED, FIELD_LENGTH_MAX, Dialect, UnreadableFile, open_bytes
from onhand.sim.replay.policy import Field


class Raw(NamedTuple):
    """One record as it stands in the file, cells trimmed. `number` counts records from 1, the heading left out.

    `broken` says why the record could not be read; the cells are empty then.
    """

    number: int
    invoice: str = ""
    sku: str = ""
    description: str = ""
    quantity: str = ""
    time: str = ""
    price: str = ""
    customer: str = ""
    country: str = ""
    broken: str = ""


def records(path: Path, dialect: Dialect) -> Iterator[Raw]:
    """Yield the records of a file. Blank lines are no records. Raises UnreadableFile when the compression is broken."""
    places = [dialect.columns.get(field) for field in _ORDER]
    width = len(dialect.headings)
    number = 0
    for cells in _rows(path, dialect):
        if not cells:
            continue
        number += 1
        if isinstance(cells, str):
            yield Raw(number, broken=cells)
        elif len(cells) != width and any(cell.strip() for cell in cells[width:] or ["x"]):
            yield Raw(number, broken="wrong_number_of_columns")
        else:
            yield Raw(number, *["" if place is None else _clean(cells[place]) for place in places])


_ORDER: tuple[Field, ...] = ("invoice", "sku", "description", "quantity", "time", "price", "customer", "country")


def _rows(path: Path, dialect: Dialect) -> Iterator[list[str] | str]:
    previous = csv.field_size_limit(FIELD_LENGTH_MAX)
    try:
        with (
            open_bytes(path) as raw,
            io.TextIOWrapper(raw, encoding=dialect.encoding, errors="replace", newline="") as text,
        ):
            lines = _Lines(line.replace("\0", "") for line in text)
            reader = csv.reader(lines, delimiter=dialect.delimiter)
            try:
                next(reader, None)  # the heading
                broken = sum(line.count('"') for line in lines.taken) % 2 == 1
            except csv.Error:
                broken = True
            if len(lines.taken) > 1 and _swallowed(lines.taken, dialect, broken=broken):
                lines.give_back()
                reader = csv.reader(lines, delimiter=dialect.delimiter)
            while True:
                lines.taken.clear()
                try:
                    cells: list[str] | str = next(reader)
                except StopIteration:
                    return
                except csv.Error:
                    cells = "unreadable_record"
                if len(lines.taken) > 1 and _swallowed(lines.taken, dialect, broken=isinstance(cells, str)):
                    lines.give_back()
                    reader = csv.reader(lines, delimiter=dialect.delimiter)
                    cells = "unclosed_quote"
                yield cells
    except DAMAGED as error:
        raise UnreadableFile(f"{path} is damaged in the middle of its data: {error}.", remedy="") from None
    finally:
        csv.field_size_limit(previous)


class _Lines:
    """The lines of the file, of which those that a quote has swallowed can be given back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.taken: list[str] = []
        self._lines = lines
        self._again: deque[str] = deque()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        return line

    def give_back(self) -> None:
        """All that was taken but its first line will be read again."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.taken.clear()


def _swallowed(taken: Sequence[str], dialect: Dialect, *, broken: bool) -> bool:
    """Whether a record of several lines is one line with a quote that nobody closed, and whole records after it.

    A cell may hold line breaks. Where a line after the first is a whole record by itself it was no part of a cell: a
    single slip would take with it all lines up to the next quote.
    """
    width = len(dialect.headings)
    return broken or any(
        line.count('"') % 2 == 0 and len(next(csv.reader([line], delimiter=dialect.delimiter), ())) == width
        for line in taken[1:]
    )


def _clean(cell: str) -> str:
    """Without blanks at the ends; blanks, line breaks and control characters inside become one blank each."""
    if cell.isprintable() and "  " not in cell:
        return cell.strip()
    return " ".join("".join(c if c.isprintable() else " " for c in cell).split())
