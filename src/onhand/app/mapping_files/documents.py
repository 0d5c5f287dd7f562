"""A document on disk, read as the inbox would read it, by the ending of its name."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, Final

from onhand.app.inbox_bodies import BodyNotRead, decode
from onhand.domain.errors import NotFound

CONTENT_TYPES: Final = {".json": "application/json", ".xml": "application/xml", ".txt": "text/plain"}
BYTES_MAX: Final = 100_000_000
"""Checked before reading; a larger file is no sample."""


def read_document(file: Path) -> Any:
    """Return a file's content as a document: JSON, XML, or CSV as `rows`, objects by the names in the first line.

    Raises NotFound, and what reading such a body raises. A connector with settings for its files reads more than this.
    """
    if not file.is_file() or file.stat().st_size > BYTES_MAX:
        raise NotFound(f"There is no file '{file}' of at most {BYTES_MAX} bytes.", remedy="Check the path.")
    body = file.read_bytes()
    if file.suffix == ".csv":
        return {"rows": _rows(decode(body, "text/csv"))}
    return decode(body, CONTENT_TYPES.get(file.suffix, ""))


def _rows(text: str) -> list[dict[str, Any]]:
    first = text.partition("\n")[0]
    mark = max(",;\t|", key=first.count)  # found by looking
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=mark, strict=True)
    try:
        return [{name: cell for name, cell in row.items() if name is not None and cell is not None} for row in reader]
    except csv.Error as error:
        raise BodyNotRead(f"Line {reader.line_num} is no CSV: {error}.") from None
