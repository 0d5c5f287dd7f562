"""The settings of a files endpoint as types; `config.schema.json` says the same to whoever writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

ColumnType = Literal["text", "integer", "decimal", "date", "datetime"]


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One declared column: what we call it, and where it stands in the file."""

    name: str
    source: str | int = msgspec.field(default="", name="from")
    """The words of the header, or the number of the column from 1; our name where it is left out."""
    type: ColumnType = "text"
    required: bool = False
    trim: bool = True
    formats: tuple[str, ...] = ()

    @property
    def header(self) -> str | int:
        """What to look for."""
        return self.source or self.name


class Complete(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a file that is whole is told from one that is still being written."""

    when: Literal["renamed", "unchanged", "marker"] = "renamed"
    for_s: int = 60
    suffix: str = ".done"


class Csv(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The dialect of CSV files."""

    delimiters: tuple[str, ...] = (",", ";", "\t", "|")
    quote: str = '"'
    encoding: str = "utf-8"
    decimal_mark: Literal[".", ","] = "."
    group_mark: str = ""


class Xlsx(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the rows are in a workbook."""

    sheet: str | int = 1
    merged: Literal["refuse", "fill", "first"] = "refuse"


class Export(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How files are written for the partner; always CSV."""

    folder: str = "outgoing"
    file: str = "stock-{key}.csv"
    columns: Mapping[str, str] = {}
    """Their header by our name, in the order of the columns; listing, sku, location and quantity when left out."""
    delimiter: str = ","
    encoding: str = "utf-8"
    decimal_mark: Literal[".", ","] = "."
    header: bool = True
    formulas: Literal["refuse", "escape", "keep"] = "refuse"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that an endpoint's settings say."""

    folder: str = "incoming"
    done: str = ""
    failed: str = ""
    pattern: str = "*"
    complete: Complete = Complete()
    format: Literal["csv", "xlsx"] = "csv"
    csv: Csv = Csv()
    xlsx: Xlsx = Xlsx()
    header_row: int = 1
    """The number of the row with the headers; 0: there is none, and columns are named by number."""
    columns: tuple[Column, ...] = ()
    unknown_columns: Literal["ignore", "refuse"] = "ignore"
    allow_empty: bool = False
    whole_stock: bool = False
    """Whether each file states all there is; then a read brings one file, as of its last change."""
    timezone: str = "UTC"
    export: Export = Export()
    host_key: str = ""


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Return settings that the schema has found valid. Raises msgspec.ValidationError for others."""
    return msgspec.convert(dict(config), Settings)
