"""The rows of a CSV file, each with the number of the line on which it begins.

Bytes are decoded strictly. A file that is valid UTF-8 although the settings say otherwise (or begins like UTF-16) is
refused: its names would be stored garbled, and nobody would notice before a customer does.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator

from onhand.connectors.files.mistakes import FileUnreadable, Mistakes
from onhand.connectors.files.settings import Csv
from onhand.ops import limits

Row = tuple[int, list[str]]

_BOM = "\ufeff"
_SINGLE_BYTE = {"latin-1", "cp1252", "iso8859-15"}


def text_of(content: bytes, dialect: Csv, mistakes: Mistakes) -> str:
    """Return the file as text, without a byte order mark. Raises FileUnreadable."""
    encoding = "utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") and not encoding.startswith("utf-16"):
        mistakes.add(f"it begins like UTF-16, but its settings say {dialect.encoding}")
        raise mistakes.error()
    if encoding in _SINGLE_BYTE and not content.isascii() and _is_utf8(content):
        mistakes.add(f"it is UTF-8, but its settings say {dialect.encoding}")
        raise mistakes.error()
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        mistakes.add(f"the byte 0x{content[error.start]:02x} is not {dialect.encoding}", row=row)
        raise mistakes.error() from None
    text = text.removeprefix(_BOM)
    if "\0" in text:
        mistakes.add("it holds a NUL character", row=text.count("\n", 0, text.index("\0")) + 1)
        raise mistakes.error()
    return text


def rows_of(text: str, *, delimiter: str, quote: str, mistakes: Mistakes) -> Iterator[Row]:
    """Give the rows that hold anything, with the number of their first line. Raises FileUnreadable."""
    if text.count(delimiter) > limits.FILE_CELLS_MAX:
        # The reader would make a list of a whole row before we see its length.
        mistakes.add(f"it has more than {limits.FILE_CELLS_MAX} cells")
        raise mistakes.error()
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        doublequote=True,
        strict=True,
    )
    begins = 1
    try:
        for cells in reader:
            if any(cells):
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        mistakes.add(_WORDS.get(str(error).partition(" (")[0], str(error)), row=begins)
        raise mistakes.error() from None


_WORDS = {
    "unexpected end of data": "a quote is opened and never closed",
    "field larger than field limit": f"a cell holds more than {limits.FILE_CELL_CHARACTERS_MAX} characters",
}


def delimiter_of(text: str, dialect: Csv, fits: Callable[[list[str]], int], skip: int, mistakes: Mistakes) -> str:
    """Return the declared delimiter that makes most of the header row, as `fits` counts. Raises FileUnreadable."""
    if len(dialect.delimiters) == 1:
        return dialect.delimiters[0]
    lines = {each: _line(text, each, dialect.quote, skip) for each in dialect.delimiters}
    best = max(fits(cells) for cells in lines.values())
    winners = [each for each, cells in lines.items() if fits(cells) == best]
    # A file of one column is the same with every delimiter.
    if best < 1 or any(lines[each] != lines[winners[0]] for each in winners):
        mistakes.add(f"none of the declared delimiters {list(dialect.delimiters)} makes the declared columns of it")
        raise mistakes.error()
    return winners[0]


def _line(text: str, delimiter: str, quote: str, skip: int) -> list[str]:
    """Return the cells of one of the first lines as a delimiter makes them; none where it makes no sense of them."""
    head = Mistakes("")
    rows = rows_of(text[: limits.FILE_CELL_CHARACTERS_MAX], delimiter=delimiter, quote=quote, mistakes=head)
    for number, cells in _until_cut(rows):
        if number >= skip:
            return cells
    return []


def _until_cut(rows: Iterator[Row]) -> Iterator[Row]:
    """Give rows until one cannot be read: the head of a file ends in the middle of a row."""
    try:
        yield from rows
    except FileUnreadable:
        return


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
