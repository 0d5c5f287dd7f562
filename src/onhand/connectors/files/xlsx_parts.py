"""What the elements of a workbook's parts mean: shared texts, rows of cells, places, formats of dates.

The classes here are what the XML parser calls; they gather, and know nothing of bytes and limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from onhand.connectors.files.cells import Cell, Fault, Number, is_number

Cells = dict[int, Cell]
"""The cells of a row that hold anything, by the number of their column from 1."""


COLUMNS_MAX: Final = 16_384
"""Columns of a worksheet."""


class Merge(NamedTuple):
    """A region of merged cells; all but its first cell are empty."""

    top: int
    left: int
    bottom: int
    right: int


class Texts:
    """Gathers the shared texts; what is read out for a phonetic guide is left out."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._parts: list[str] = []
        self._deaf = 0
        self._hears = False

    def start(self, name: str, _attributes: Mapping[str, str]) -> None:
        """Hear an element begin."""
        if name == "si":
            self._parts = []
        elif name == "rPh":
            self._deaf += 1
        elif name == "t":
            self._hears = not self._deaf

    def end(self, name: str) -> None:
        """Hear an element end."""
        if name == "t":
            self._hears = False
        elif name == "rPh":
            self._deaf -= 1
        elif name == "si":
            self.found.append(_unescaped("".join(self._parts)))

    def characters(self, data: str) -> None:
        """Hear text."""
        if self._hears:
            self._parts.append(data)


class Sheet:
    """Gathers rows of cells."""

    def __init__(self, strings: list[str], dated: list[bool]) -> None:
        self._strings = strings
        self._dated = dated
        self._done: list[tuple[int, Cells]] = []
        self._row: Cells = {}
        self._number = 0
        self._column = 0
        self._kind = self._style = ""
        self._parts: list[str] = []
        self._hears = False
        self._deaf = 0
        self._formula = False
        self._columns: dict[str, int] = {}
        self.too_wide = False

    def take(self) -> list[tuple[int, Cells]]:
        """Return the rows that are whole, once."""
        done, self._done = self._done, []
        return done

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Hear an element begin."""
        if name == "c":
            place = attributes.get("r")
            self._column = self._column_of(place) if place else self._column + 1
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._parts, self._formula = [], False
        elif name in ("v", "t"):
            self._hears = not self._deaf
        elif name == "row":
            given = attributes.get("r", "")
            self._number = int(given) if given.isascii() and given.isdigit() and len(given) < 9 else self._number + 1
            self._row, self._column = {}, 0
        elif name == "rPh":
            self._deaf += 1
        elif name == "f":
            self._formula = True

    def end(self, name: str) -> None:
        """Hear an element end."""
        if name in ("v", "t"):
            self._hears = False
        elif name == "c":
            cell = self._cell("".join(self._parts))
            if self._column > COLUMNS_MAX:
                self.too_wide = True
            elif cell is not None and cell != "":
                self._row[self._column] = cell
        elif name == "row":
            if self._row:
                self._done.append((self._number, self._row))
        elif name == "rPh":
            self._deaf -= 1

    def characters(self, data: str) -> None:
        """Hear text."""
        if self._hears:
            self._parts.append(data)

    def _column_of(self, place: str) -> int:
        letters = place.rstrip("0123456789")
        known = self._columns.get(letters)
        if known is None:
            known = self._columns[letters] = _column(letters)
        return known

    def _cell(self, text: str) -> Cell | None:
        kind = self._kind
        if text == "":
            return Fault("of a formula without its result") if self._formula else None
        if kind == "s":
            known = text.isascii() and text.isdigit() and len(text) < 9 and int(text) < len(self._strings)
            return self._strings[int(text)] if known else Fault("of a text that is not there")
        if kind == "n":
            return Number(text, self._is_dated()) if is_number(text) else Fault(f"of a number {text[:20]!r}")
        if kind == "b":
            return text == "1"
        if kind == "e":
            return Fault(text[:20])
        return text if kind == "d" else _unescaped(text)

    def _is_dated(self) -> bool:
        style = self._style
        return style.isdigit() and int(style) < len(self._dated) and self._dated[int(style)]


def _column(letters: str) -> int:
    number = 0
    for letter in letters[:4]:
        number = number * 26 + ord(letter.upper()) - 64
    return number if 1 <= number <= COLUMNS_MAX and letters.isascii() and letters.isalpha() else COLUMNS_MAX + 1


def place_of(reference: str) -> tuple[int, int]:
    """Return the row and column of a reference such as B7."""
    letters = reference.rstrip("0123456789")
    return int(reference[len(letters) :][:8] or 0), _column(letters)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


_ESCAPE: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")


def shows_date(number: str, code: str | None) -> bool:
    """Tell whether a format, by its number or its own code, shows a day or a time."""
    if code is not None:
        return bool(re.search(r"[dmyhs]", _NO_DATE.sub("", code), re.IGNORECASE)) and code.lower() != "general"
    return number.isdigit() and any(first <= int(number) <= last for first, last in _BUILT_IN)


_NO_DATE: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]|General', re.IGNORECASE)
_BUILT_IN: Final = ((14, 22), (27, 36), (45, 47), (50, 58))
"""The numbers of the formats that show a day or a time in every workbook."""
