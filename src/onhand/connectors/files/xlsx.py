"""The rows of a worksheet, read part by part from the XML inside, with every number as it was written.

A workbook comes from strangers. So nothing is unpacked whole, what unpacks to more than its limit ends the reading,
document types (and with them entities) are refused, and only cells that are there take memory: a cell in the last row
and column costs as much as one in the first.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from xml.parsers import expat

from onhand.connectors.files.mistakes import FileUnreadable, Mistakes
from onhand.connectors.files.xlsx_parts import Cells, Merge, Sheet, Texts, place_of, shows_date
from onhand.ops import limits

_Start = Callable[[str, Mapping[str, str]], None]
_Handler = Callable[[str], None] | None

_CHUNK: Final = 262_144
_ENTRIES_MAX: Final = 1_000
_MERGES_MAX: Final = 10_000
_STRINGS_MAX: Final = 2_000_000


class Workbook:
    """A workbook in memory. Raises FileUnreadable for one that is broken, encrypted or a bomb."""

    def __init__(self, content: bytes, mistakes: Mistakes) -> None:
        self._mistakes = mistakes
        self._cells = 0
        if _directory_bytes(content) > _DIRECTORY_BYTES_MAX:
            raise self._broken("its list of parts is too long")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
            old = content[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
            raise self._broken(
                "it is an old or encrypted workbook (.xls), not .xlsx" if old else "it is no workbook"
            ) from None
        names = self._zip.namelist()
        if len(names) > _ENTRIES_MAX or len(names) != len(set(names)):
            raise self._broken("its parts are too many, or two of them have one name")
        book = self._relations("").get("officeDocument", "xl/workbook.xml")
        self._sheets: list[tuple[str, str]] = []
        self.date1904 = False
        self._walk(book, self._on_book)
        self._parts = self._relations(book, by_id=True)
        kinds = self._relations(book)
        self._strings = self._shared(kinds["sharedStrings"]) if "sharedStrings" in kinds else []
        self._dated = self._styles(kinds["styles"]) if "styles" in kinds else []

    def part(self, sheet: str | int) -> str:
        """Return the part of a sheet by its name or number. Raises FileUnreadable."""
        names = [name for name, _ in self._sheets]
        if isinstance(sheet, int):
            found = self._sheets[sheet - 1][1] if 0 < sheet <= len(names) else ""
        else:
            found = next((place for name, place in self._sheets if name == sheet), "")
        if found not in self._parts:
            raise self._broken(f"it has no sheet {sheet!r}; there are {names[:20]}")
        return self._parts[found]

    def merges(self, part: str) -> list[Merge]:
        """Return the merged regions of a sheet. They stand behind the rows, so the sheet is read once for them."""
        if not any(b"mergeCell" in chunk for chunk in self._overlapping(part)):
            return []
        found: list[Merge] = []

        def start(name: str, attributes: Mapping[str, str]) -> None:
            if name == "mergeCell":
                first, _, last = attributes.get("ref", "").partition(":")
                found.append(Merge(*place_of(first), *place_of(last or first)))
                if len(found) > _MERGES_MAX:
                    raise self._broken(f"it has more than {_MERGES_MAX} merged regions")

        self._walk(part, start)
        return found

    def rows(self, part: str) -> Iterator[tuple[int, Cells]]:
        """Give the rows of a sheet that hold anything, in their order, with their numbers. Raises FileUnreadable."""
        reader = Sheet(self._strings, self._dated)
        parser = self._parser(reader.start, reader.end, reader.characters)
        last = 0
        for chunk in self._chunks(part):
            self._feed(parser, chunk, part)
            if reader.too_wide:
                raise self._broken("a row has more columns than a worksheet can")
            for number, cells in reader.take():
                self._cells += len(cells)
                if number <= last or number > limits.FILE_ROWS_MAX + 50_000 or self._cells > limits.FILE_CELLS_MAX:
                    raise self._broken("its rows are not in order, or hold too much", row=number)
                last = number
                yield number, cells
        self._feed(parser, b"", part, final=True)

    # ------------------------------------------------------------------------------------------ the parts around it

    def _on_book(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "sheet":
            place = next((value for key, value in attributes.items() if key.rpartition(":")[2] == "id"), "")
            self._sheets.append((attributes.get("name", ""), place))
        elif name == "workbookPr":
            self.date1904 = attributes.get("date1904", "0") in ("1", "true")

    def _relations(self, part: str, *, by_id: bool = False) -> dict[str, str]:
        """Return what a part points to, by the last word of its kind or by its id."""
        folder, name = posixpath.split(part)
        found: dict[str, str] = {}

        def start(element: str, attributes: Mapping[str, str]) -> None:
            if element == "Relationship" and attributes.get("TargetMode") != "External":
                key = attributes.get("Id", "") if by_id else attributes.get("Type", "").rpartition("/")[2]
                target = attributes.get("Target", "")
                there = (
                    target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
                )
                found.setdefault(key, there)

        self._walk(posixpath.join(folder, "_rels", f"{name}.rels"), start)
        return found

    def _shared(self, part: str) -> list[str]:
        texts = Texts()
        parser = self._parser(texts.start, texts.end, texts.characters)
        for chunk in self._chunks(part):
            self._feed(parser, chunk, part)
            if len(texts.found) > _STRINGS_MAX:
                raise self._broken(f"it has more than {_STRINGS_MAX} texts")
        self._feed(parser, b"", part, final=True)
        return texts.found

    def _styles(self, part: str) -> list[bool]:
        """Return for each style of a cell whether it shows a day or a time."""
        formats: dict[str, str] = {}
        used: list[str] = []
        inside = [False]

        def start(name: str, attributes: Mapping[str, str]) -> None:
            if name == "numFmt":
                formats[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
            elif name in ("cellXfs", "cellStyleXfs"):
                inside[0] = name == "cellXfs"
            elif name == "xf" and inside[0]:
                used.append(attributes.get("numFmtId", "0"))

        self._walk(part, start)
        return [shows_date(number, formats.get(number)) for number in used]

    # ---------------------------------------------------------------------------------------------- bytes and parser

    def _walk(self, part: str, start: _Start) -> None:
        parser = self._parser(start, None, None)
        for chunk in self._chunks(part):
            self._feed(parser, chunk, part)
        self._feed(parser, b"", part, final=True)

    def _chunks(self, part: str) -> Iterator[bytes]:
        """Give a part's bytes as they are unpacked, and no more than its limit."""
        size = 0
        try:
            with self._zip.open(part) as packed:
                while chunk := packed.read(_CHUNK):
                    size += len(chunk)
                    if size > limits.XLSX_PART_BYTES_MAX:
                        raise self._broken(f"{part} unpacks to more than {limits.XLSX_PART_BYTES_MAX} bytes")
                    yield chunk
        except KeyError:
            raise self._broken(f"its part {part} is missing") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError):
            raise self._broken(f"its part {part} is damaged or encrypted") from None

    def _overlapping(self, part: str) -> Iterator[bytes]:
        before = b""
        for chunk in self._chunks(part):
            yield before + chunk
            before = chunk[-32:]

    def _parser(self, start: _Start, end: _Handler, characters: _Handler) -> expat.XMLParserType:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.EndElementHandler = end
        parser.CharacterDataHandler = characters

        def first(name: str, attributes: dict[str, str]) -> None:
            # A writer may give every element a prefix; most give none, and a million cells are spared the question.
            parser.StartElementHandler = _local(start) if ":" in name else start
            parser.EndElementHandler = _local(end) if ":" in name and end is not None else end
            start(name.rpartition(":")[2], attributes)

        def refuse(*_: object) -> None:
            raise self._broken("it declares a document type, which no workbook needs")

        parser.StartElementHandler = first
        parser.StartDoctypeDeclHandler = refuse
        return parser

    def _feed(self, parser: expat.XMLParserType, chunk: bytes, part: str, *, final: bool = False) -> None:
        try:
            parser.Parse(chunk, final)
        except expat.ExpatError as error:
            raise self._broken(f"its part {part} is no XML: {expat.errors.messages.get(error.code, '')}") from None
        except (LookupError, ValueError):
            raise self._broken(f"its part {part} is in an encoding that no workbook has") from None

    def _broken(self, reason: str, *, row: int | None = None) -> FileUnreadable:
        self._mistakes.add(reason, row=row)
        return self._mistakes.error()


def _local(handler: Callable[..., None]) -> Callable[..., None]:
    """Return a handler that sees the names of elements without their prefixes."""

    def local(name: str, *more: Any) -> None:
        handler(name.rpartition(":")[2], *more)

    return local


def _directory_bytes(content: bytes) -> int:
    """Return how large the list of parts says it is: the library would read all of it before it asks anything."""
    tail = content[-_TAIL:]
    found = [0]
    for mark, at, size in ((b"PK\5\6", 12, 4), (b"PK\6\6", 40, 8)):
        place = tail.find(mark)
        while place >= 0:
            found.append(int.from_bytes(tail[place + at : place + at + size], "little"))
            place = tail.find(mark, place + 1)
    return max(found)


_TAIL: Final = 65_536 + 256
_DIRECTORY_BYTES_MAX: Final = 1_000_000
