"""From rows to the bytes of a CSV file, and its name from the key of what is told."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from onhand.connectors.files.settings import Export

COLUMNS: Final = {name: name for name in ("listing", "sku", "location", "quantity")}
"""The columns of an export of stock whose settings declare none."""

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""With these a spreadsheet takes a cell for a formula, and would run what a stranger wrote into a name."""


class NotWritable(Exception):
    """A row cannot be written; `field` is ours."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


def file_name(export: Export, key: str) -> str:
    """Return the name of a file: the same for the same key, whatever it holds."""
    return export.file.replace("{key}", hashlib.sha256(key.encode()).hexdigest()[:16])


def cells_of(row: Mapping[str, Any], export: Export) -> list[str]:
    """Return the cells of a row in the order of the columns. Raises NotWritable."""
    columns = export.columns or COLUMNS
    unknown = sorted(set(row) - set(columns))
    if unknown:
        raise NotWritable(unknown[0], "it is not a declared column of the export")
    return [_cell(name, row.get(name), export) for name in columns]


def content_of(rows: Iterable[Sequence[str]], export: Export) -> bytes:
    """Return the bytes of a file of these rows. Raises NotWritable for a character that its encoding lacks."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=export.delimiter, lineterminator="\r\n")
    if export.header:
        writer.writerow((export.columns or COLUMNS).values())
    writer.writerows(rows)
    return text.getvalue().encode(export.encoding)


def _cell(name: str, value: object, export: Export) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise NotWritable(name, f"{type(value).__name__} cannot stand in a cell")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f").replace(".", export.decimal_mark)
    if value.startswith(_FORMULAS) and export.formulas != "keep":
        if export.formulas == "refuse":
            raise NotWritable(name, "a spreadsheet would take it for a formula; set export.formulas to allow it")
        value = f"'{value}"
    try:
        value.encode(export.encoding)
    except UnicodeEncodeError:
        raise NotWritable(name, f"it holds a character that {export.encoding} lacks") from None
    if "\0" in value:
        raise NotWritable(name, "it holds a NUL character")
    return value
