"""What kind of file this is: its compression, encoding, delimiter and columns, found out by looking, and reported.

Only the start of the file is looked at here; what depends on all of it (the order of day and month) is for the survey.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

import msgspec

from onhand.domain.errors import InvalidInput
from onhand.sim.replay.policy import Field, Policy

SAMPLE_BYTES: Final = 1 << 20
"""Enough rows to see a delimiter and a stray byte; the survey still reads with the encoding found here."""

FIELD_LENGTH_MAX: Final = 1 << 20
"""A field that is longer was opened by a quote that nobody closed."""

DAMAGED: Final = (OSError, EOFError, zlib.error)
"""What reading raises when compressed data is cut off, fails its checksum, or is no compressed data in the middle."""

_NAMES: Final[Mapping[Field, tuple[str, ...]]] = {
    "invoice": ("invoice", "invoiceno", "invoicenumber", "invoiceid", "orderno", "ordernumber", "orderid", "order"),
    "sku": ("stockcode", "sku", "itemcode", "itemno", "item", "productcode", "productid", "product", "articleno"),
    "description": ("description", "itemdescription", "productname", "name", "itemname", "text"),
    "quantity": ("quantity", "qty", "units", "quantityordered", "amountordered"),
    "time": ("invoicedate", "orderdate", "date", "datetime", "timestamp", "time", "invoicetime", "createdat"),
    "price": ("price", "unitprice", "unitcost", "netprice"),
    "customer": ("customerid", "customer", "customerno", "customernumber", "custid", "client", "clientid"),
    "country": ("country", "shipcountry", "shiptocountry", "market", "region"),
}
"""Usual headings, without blanks, marks and case."""

NEEDED: Final[tuple[Field, ...]] = ("invoice", "sku", "quantity", "time")


class UnreadableFile(InvalidInput):
    """The file is not a table that could be replayed."""

    code = "unreadable_order_book"
    title = "The order book cannot be read"
    done = "Nothing was sent."
    remedy = "Name the columns with --columns invoice=Heading,... or say encoding and delimiter in the policy."


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How to read the file. `columns` maps each field to its place in a row; a missing field is not there."""

    encoding: str
    delimiter: str
    headings: tuple[str, ...]
    columns: dict[Field, int]
    compressed: bool
    byte_order_mark: bool
    line_ends: str


def detect(path: Path, policy: Policy) -> Dialect:
    """Look at the start of a file. Raises UnreadableFile naming what is missing."""
    sample = _sample(path)
    if not sample:
        raise UnreadableFile(f"{path} is empty.", remedy="")
    encoding = _encoding(sample) if policy.encoding == "auto" else policy.encoding
    try:
        text = io.TextIOWrapper(io.BytesIO(sample), encoding=encoding, errors="replace", newline="").read()
    except LookupError:
        raise UnreadableFile(f"There is no encoding {encoding!r}.") from None
    head = text.partition("\n")[0].replace("\r", "\n").partition("\n")[0]
    delimiter = _delimiter(head) if policy.delimiter == "auto" else policy.delimiter
    try:
        headings = tuple(cell.strip() for cell in next(csv.reader([head], delimiter=delimiter)))
    except csv.Error as error:
        raise UnreadableFile(f"The first line of {path} is no heading: {error}.", remedy="") from None
    return Dialect(
        encoding=encoding,
        delimiter=delimiter,
        headings=headings,
        columns=_columns(headings, policy.columns),
        compressed=_is_gzip(path),
        byte_order_mark=sample.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")),
        line_ends="CRLF" if "\r\n" in text else "CR" if "\n" not in text and "\r" in text else "LF",
    )


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, decompressed on the way. Raises UnreadableFile."""
    try:
        return gzip.open(path, "rb") if _is_gzip(path) else path.open("rb")  # type: ignore[return-value]
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be opened: {error.strerror}.", remedy="") from None


def _is_gzip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"\x1f\x8b"
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be opened: {error.strerror}.", remedy="") from None


def _sample(path: Path) -> bytes:
    with open_bytes(path) as file:
        try:
            return file.read(SAMPLE_BYTES)
        except DAMAGED as error:
            raise UnreadableFile(f"{path} cannot be decompressed: {error}.", remedy="") from None


def _encoding(sample: bytes) -> str:
    """UTF-8 when it is; else what Windows writes. Byte order marks decide first."""
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        # The sample may end inside a character: the last few bytes prove nothing.
        sample[: max(len(sample) - 4, 0) or len(sample)].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return "cp1252"
    return "utf-8-sig"


def _delimiter(head: str) -> str:
    """The mark that splits the heading into most cells."""
    return max((",", ";", "\t", "|"), key=head.count)


def _columns(headings: tuple[str, ...], named: Mapping[Field, str]) -> dict[Field, int]:
    plain = [_plain(heading) for heading in headings]
    found: dict[Field, int] = {}
    for field, usual in _NAMES.items():
        if field in named:
            wanted = _plain(named[field])
            if wanted not in plain:
                raise UnreadableFile(f"There is no column {named[field]!r}; there are {', '.join(headings)}.")
            found[field] = plain.index(wanted)
            continue
        for name in usual:
            if name in plain and plain.index(name) not in found.values():
                found[field] = plain.index(name)
                break
    missing = [field for field in NEEDED if field not in found]
    if missing:
        raise UnreadableFile(f"No column is recognised as {', '.join(missing)}; there are {', '.join(headings)}.")
    return found


def _plain(heading: str) -> str:
    return re.sub(r"[^a-z0-9]", "", heading.casefold())
