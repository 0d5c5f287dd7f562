"""Files as people and programs make them: what is read exactly, and what is refused, with row and column."""

from __future__ import annotations

import datetime
import io
import time
import tracemalloc
import zipfile
from decimal import Decimal
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from onhand.connectors.files.decoding import decode
from onhand.connectors.files.mistakes import FileUnreadable
from onhand.connectors.files.settings import read_settings
from onhand.ops import limits

COLUMNS: list[dict[str, Any]] = [
    {"name": "sku", "from": "Artikel", "required": True},
    {"name": "quantity", "from": "Menge", "type": "integer", "required": True},
    {"name": "price", "from": "Preis", "type": "decimal"},
    {"name": "day", "from": "Tag", "type": "date", "formats": ["DD.MM.YYYY", "YYYY-MM-DD"]},
]


def read(content: bytes | str, columns: list[dict[str, Any]] | None = None, **settings: Any) -> list[dict[str, Any]]:
    raw = content.encode() if isinstance(content, str) else content
    found = decode(raw, read_settings({"columns": columns or COLUMNS, **settings}), "stock.csv")
    assert found["file"] == "stock.csv"
    return found["rows"]  # type: ignore[no-any-return]


def refused(
    content: bytes | str, columns: list[dict[str, Any]] | None = None, **settings: Any
) -> list[tuple[Any, Any, str]]:
    with pytest.raises(FileUnreadable) as caught:
        read(content, columns, **settings)
    assert caught.value.detail.startswith("stock.csv: ")
    return [(each["row"], each["column"], each["reason"]) for each in caught.value.facts["mistakes"]]


# ---------------------------------------------------------------------------------------------------------------- CSV


def test_a_plain_file_becomes_typed_rows_with_their_numbers() -> None:
    rows = read("Artikel;Menge;Preis;Tag\r\nA-1;5;19,90;01.02.2026\r\n\r\n 007 ;0;;\r\n", csv={"decimal_mark": ","})
    assert rows == [
        {"row": 2, "sku": "A-1", "quantity": 5, "price": Decimal("19.90"), "day": "2026-02-01"},
        {"row": 4, "sku": "007", "quantity": 0, "price": None, "day": None},
    ]
    assert str(rows[0]["price"]) == "19.90"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_among_the_declared_ones_by_the_header(delimiter: str) -> None:
    lines = [["Artikel", "Menge", "Bemerkung, frei; lang"], ["A", "1", "x;y,z|w"]]
    text = "\n".join(delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in line) for line in lines)
    assert read(text)[0]["sku"] == "A"


def test_a_file_of_one_column_needs_no_delimiter() -> None:
    assert read("sku\nA\nB\n", [{"name": "sku"}]) == [{"row": 2, "sku": "A"}, {"row": 3, "sku": "B"}]


def test_a_delimiter_that_was_not_declared_is_told() -> None:
    ((row, _, reason),) = refused("Artikel~Menge\nA~1\n")
    assert row is None
    assert "none of the declared delimiters" in reason


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_kind_of_newline_is_one_also_mixed_and_within_quotes(newline: str) -> None:
    text = newline.join(["Artikel,Menge", '"A', 'B",1', "C,2"]) + "\n"
    rows = read(text)
    assert [(row["row"], row["quantity"]) for row in rows] == [(2, 1), (4, 2)]
    assert rows[0]["sku"] == f"A{newline}B" if newline != "\r" else True


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-8", "utf-8-sig"),
        ("cp1252", "cp1252"),
        ("latin-1", "latin-1"),
        ("utf-16", "utf-16"),
    ],
)
def test_declared_encodings_are_read_with_or_without_a_mark(encoding: str, declared: str) -> None:
    assert read("Artikel,Menge\nTéé,1\n".encode(encoding), csv={"encoding": declared})[0]["sku"] == "Téé"


def test_a_wrong_encoding_is_told_instead_of_stored_garbled() -> None:
    assert refused("Artikel,Menge\nA,1\nTéé,1\n".encode("cp1252")) == [(3, None, "the byte 0xe9 is not utf-8")]
    ((_, _, reason),) = refused("Artikel,Menge\nTéé,1\n".encode(), csv={"encoding": "cp1252"})
    assert reason == "it is UTF-8, but its settings say cp1252"
    ((_, _, reason),) = refused("Artikel,Menge\nA,1\n".encode("utf-16"))
    assert "begins like UTF-16" in reason
    # 0x80 is the euro sign in cp1252 and a control character in latin-1.
    assert refused("Artikel,Menge\nA€,1\n".encode("cp1252"), csv={"encoding": "latin-1"}) == [
        (2, "Artikel", "it holds a control character (U+0080)")
    ]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("1e30", "'1e30' is not a number with '.' as its decimal mark"),
        ("1,5", "'1,5' is not a number with '.' as its decimal mark"),
        ("1.5", "1.5 is not a whole number"),
        ("-", "'-' is not a number with '.' as its decimal mark"),
        ("NaN", "'NaN' is not a number with '.' as its decimal mark"),
        ("Infinity", "'Infinity' is not a number with '.' as its decimal mark"),
        ("٣", "'٣' is not a number with '.' as its decimal mark"),
        ("1_000", "'1_000' is not a number with '.' as its decimal mark"),
        ("0x10", "'0x10' is not a number with '.' as its decimal mark"),
        ("9" * 19, f"{'9' * 19} has more than 18 digits"),
        ("9" * 31, f"'{'9' * 31}' has more than 30 digits"),
        ("", "it is empty"),
        ("  ", "it is empty"),
    ],
)
def test_what_is_no_quantity_is_told_with_its_row_and_column(cell: str, reason: str) -> None:
    assert refused(f'Artikel;Menge\nA;1\nB;"{cell}"\n') == [(3, "Menge", reason)]


@pytest.mark.parametrize(
    ("cell", "value"), [("5", 5), ("+5", 5), ("-5", -5), ("5-", -5), ("05", 5), ("5.000", 5), (" 5 ", 5)]
)
def test_quantities_as_people_write_them(cell: str, value: int) -> None:
    assert read(f"Artikel,Menge\nA,{cell}\n")[0]["quantity"] == value


def test_groups_of_digits_are_read_where_they_are_declared_and_nowhere_else() -> None:
    csv = {"decimal_mark": ",", "group_mark": ".", "delimiters": [";"]}
    assert read("Artikel;Menge;Preis\nA;1.234;1.234.567,89\n", csv=csv)[0]["price"] == Decimal("1234567.89")
    assert read("Artikel;Menge\nA;1234\n", csv=csv)[0]["quantity"] == 1234
    assert refused("Artikel;Menge\nA;12.34\n", csv=csv)[0][:2] == (2, "Menge")


def test_ragged_rows_are_told_and_empty_cells_at_the_end_are_not() -> None:
    assert refused("Artikel,Menge\nA,1\nB\nC,1,x\n") == [
        (3, None, "it has 1 cells, and the first row has 2"),
        (4, None, "it has 3 cells, and the first row has 2"),
    ]
    assert len(read("Artikel,Menge\nA,1,,,\n")) == 1


def test_headers_that_are_missing_doubled_or_unknown_are_told() -> None:
    ((_, column, reason),) = refused("Artikel,Stück\nA,1\n", csv={"delimiters": [","]})
    assert (column, reason) == ("Menge", "there is no such column; there are 'artikel', 'stück'")
    assert refused("Artikel,Menge,menge\nA,1,2\n") == [(None, "Menge", "two columns have this header")]
    assert refused("Artikel,Menge,Neu\nA,1,2\n", unknown_columns="refuse") == [(None, "Neu", "it is not declared")]
    assert read("x,x,ARTIKEL ,  menge\n1,2,A,3\n")[0]["quantity"] == 3, "an undeclared double harms nobody"


def test_columns_are_found_by_number_where_there_is_no_header() -> None:
    columns = [{"name": "sku", "from": 2}, {"name": "quantity", "from": 1, "type": "integer"}]
    assert read("5,A\n6,B\n", columns, header_row=0) == [
        {"row": 1, "sku": "A", "quantity": 5},
        {"row": 2, "sku": "B", "quantity": 6},
    ]
    assert "there are only 1 columns" in refused("5\n", columns, header_row=0, csv={"delimiters": [","]})[0][2]
    assert "must be the number" in refused("5,A\n", [{"name": "sku"}], header_row=0)[0][2]


def test_lines_above_the_header_are_left_out() -> None:
    assert read("Bestand vom 1.2.\nFiliale;7\nArtikel;Menge\nA;1\n", header_row=3)[0] == {
        "row": 4, "sku": "A", "quantity": 1
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "row", "reason"),
    [
        ("Artikel,Menge\nA,1\n\0B,1\n", 3, "it holds a NUL character"),
        ('Artikel,Menge\nA,1\n"B,1\nC,1\n', 3, "a quote is opened and never closed"),
        ('Artikel,Menge\nA,1\n"B"x,1\n', 3, "',' expected after '\"'"),
        ("", None, "none of the declared delimiters"),
        ("Artikel,Menge\n", None, "it has no rows; set allow_empty where that is meant"),
    ],
)
def test_what_is_broken_as_a_whole_is_told(text: str, row: int | None, reason: str) -> None:
    found = refused(text)
    assert found[0][0] == row
    assert found[0][2].startswith(reason)


def test_a_row_of_nothing_but_delimiters_is_refused_before_it_is_laid_out() -> None:
    tracemalloc.start()
    ((_, _, reason),) = refused("Artikel,Menge\n" + "," * 20_000_000, csv={"delimiters": [","]})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reason == "it has more than 5000000 cells"
    assert peak < 100_000_000


def test_an_empty_statement_is_one_where_it_is_meant() -> None:
    assert read("Artikel,Menge\n", allow_empty=True) == []


def test_a_formula_is_text_and_nothing_runs_it() -> None:
    text = '=HYPERLINK("http://x","y")'
    quoted = text.replace('"', '""')
    assert read(f'Artikel,Menge\n"{quoted}",1\n')[0]["sku"] == text


def test_mistakes_are_gathered_and_end_the_reading_once_they_are_many() -> None:
    found = refused("Artikel,Menge\n" + "A,x\n" * 1_000_000)
    assert [row for row, _, _ in found] == list(range(2, 2 + limits.FILE_MISTAKES_MAX))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("2026-03-01T08:00:00+01:00", "2026-03-01T08:00:00+01:00"), ("2026-03-01T08:00:00Z", "2026-03-01T08:00:00+00:00"),
     ("2026-07-01 08:00", "2026-07-01T08:00:00+02:00"), ("2026-10-25 02:30", "2026-10-25T02:30:00+02:00")],
)  # fmt: skip
def test_instants_keep_their_zone_or_take_the_declared_one(cell: str, expected: str) -> None:
    columns = [{"name": "at", "type": "datetime"}, {"name": "sku"}]
    assert read(f"at,sku\n{cell},A\n", columns, timezone="Europe/Vienna")[0]["at"] == expected


def test_an_instant_that_the_clocks_skipped_and_a_day_that_never_was_are_told() -> None:
    columns: list[dict[str, Any]] = [
        {"name": "at", "type": "datetime"},
        {"name": "day", "type": "date", "formats": ["DD.MM.YYYY"]},
    ]
    found = refused("at,day\n2026-03-29 02:30,30.02.2026\n,1.1.26\n", columns, timezone="Europe/Vienna")
    assert [(row, column) for row, column, _ in found] == [(2, "at"), (2, "day"), (3, "day")]


@given(
    st.lists(st.lists(st.text(alphabet=st.characters(codec="utf-8")), min_size=3, max_size=3), max_size=5), st.binary()
)
def test_any_bytes_are_read_or_refused_and_never_an_accident(rows: list[list[str]], tail: bytes) -> None:
    content = "\n".join(["Artikel,Menge,Preis", *(",".join(row) for row in rows)]).encode() + tail
    for form in ("csv", "xlsx"):
        try:
            read(content, format=form)
        except FileUnreadable as error:
            told = error.facts["mistakes"]
        else:
            told = ["nothing"]
        assert told


# --------------------------------------------------------------------------------------------------------------- XLSX


def workbook(rows: list[list[Any]], *, merge: str = "", **options: Any) -> bytes:
    """A workbook by another writer than ours."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True, "default_date_format": "dd.mm.yyyy", **options}) as book:
        sheet = book.add_worksheet("Bestand")
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
        if merge:
            sheet.merge_range(merge, "merged")
    return content.getvalue()


HEADER = ["Artikel", "Menge", "Preis", "Tag"]


def tampered(content: bytes, part: str, replacement: bytes | None) -> bytes:
    """The same workbook with a part replaced; None leaves it out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name != part:
                new.writestr(name, old.read(name))
        if replacement is not None:
            new.writestr(part, replacement)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


def sheet(rows: str, prefix: str = "") -> bytes:
    """A workbook whose sheet is exactly this XML below a header."""
    p = f"{prefix}:" if prefix else ""
    header = "".join(f'<{p}c t="inlineStr"><{p}is><{p}t>{name}</{p}t></{p}is></{p}c>' for name in HEADER)
    space = f"xmlns{':' + prefix if prefix else ''}='http://schemas.openxmlformats.org/spreadsheetml/2006/main'"
    text = f"<{p}worksheet {space}><{p}sheetData><{p}row>{header}</{p}row>{rows}</{p}sheetData></{p}worksheet>"
    return tampered(workbook([HEADER]), SHEET, text.encode())


def test_a_workbook_becomes_typed_rows() -> None:
    day = datetime.date(2026, 2, 1)
    rows = read(
        workbook([HEADER, ["A-1", 5, 19.99, day], [], ["007", 0, None, None], [12345678, 1, 0.1, None]]), format="xlsx"
    )
    assert rows == [
        {"row": 2, "sku": "A-1", "quantity": 5, "price": Decimal("19.99"), "day": "2026-02-01"},
        {"row": 4, "sku": "007", "quantity": 0, "price": None, "day": None},
        {"row": 5, "sku": "12345678", "quantity": 1, "price": Decimal("0.1"), "day": None},
    ]


def test_a_number_is_what_the_workbook_shows_and_not_the_binary_one_behind_it() -> None:
    row = '<row><c t="str"><v>A</v></c><c><v>1.0000000000000002E2</v></c><c><v>19.989999999999998</v></c></row>'
    assert read(sheet(row), format="xlsx")[0] == {
        "row": 2, "sku": "A", "quantity": 100, "price": Decimal("19.99"), "day": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "column", "reason"),
    [
        ("<c r='B2'><v>1E+30</v></c>", "Menge", "1000000000000000000000000000000 has more than 18 digits"),
        ("<c r='C2'><v>1E+300</v></c>", "Preis", "1E+300 is out of all proportion"),
        ("<c r='B2' t='e'><v>#N/A</v></c>", "Menge", "#N/A is not a number"),
        ("<c r='B2' t='b'><v>1</v></c>", "Menge", "True is not a number"),
        ("<c r='B2'><f>A1+1</f></c>", "Menge", "of a formula without its result is not a number"),
        ("<c r='B2' t='s'><v>99</v></c>", "Menge", "of a text that is not there is not a number"),
        ("<c r='B2'><v>NaN</v></c>", "Menge", "of a number 'NaN' is not a number"),
        ("<c r='D2'><v>60</v></c>", "Tag", "the day does not exist: 1900 was no leap year"),
        ("<c r='D2'><v>-1</v></c>", "Tag", "-1 is not the number of a day"),
        ("<c r='D2'><v>9999999</v></c>", "Tag", "9999999 is not the number of a day"),
    ],
)
def test_cells_that_hold_no_value_of_their_column_are_told(cell: str, column: str, reason: str) -> None:
    quantity = "" if "B2" in cell else "<c r='B2'><v>1</v></c>"
    row = f"<row r='2'><c r='A2' t='str'><v>A</v></c>{quantity}{cell}</row>"
    assert refused(sheet(row), format="xlsx") == [(2, column, reason)]


def test_a_code_that_was_stored_as_a_long_number_is_refused_because_its_end_is_lost() -> None:
    """A spreadsheet keeps 15 digits: an SSCC of 18 comes with zeros at its end, and looks like any other."""
    ((_, _, reason),) = refused(workbook([HEADER, [340123450000000012, 1]]), format="xlsx")
    assert "more than 15 digits; it has to be written as text" in reason
    assert read(workbook([HEADER, ["340123450000000012", 1]]), format="xlsx")[0]["sku"] == "340123450000000012"


def test_dates_are_days_whichever_way_the_workbook_counts_and_instants_take_the_zone() -> None:
    at = datetime.datetime(2026, 7, 1, 8, 30, 15)  # noqa: DTZ001 - a workbook knows no zones
    columns = [{"name": "at", "type": "datetime"}, {"name": "day", "type": "date"}]
    for date_1904 in (False, True):
        content = workbook([["at", "day"], [at, at.date()]], date_1904=date_1904)
        found = read(content, columns, format="xlsx", timezone="Europe/Vienna")
        assert found == [{"row": 2, "at": "2026-07-01T08:30:15+02:00", "day": "2026-07-01"}], date_1904
    assert (
        read(workbook([["at", "day"], ["2026-07-01T08:00Z", "2026-07-01"]]), columns, format="xlsx")[0]["day"]
        == "2026-07-01"
    )


def test_a_date_in_a_column_of_texts_or_numbers_is_told_and_not_shown_as_46000() -> None:
    day = datetime.date(2026, 2, 1)
    found = refused(workbook([HEADER, [day, day]]), format="xlsx")
    assert [reason for _, _, reason in found] == [
        "it holds a date; declare the column as one, or have it written as text",
        "it holds a date, not a number",
    ]


def test_a_workbook_whose_elements_have_prefixes_and_no_places_is_read_too() -> None:
    row = '<x:row><x:c t="inlineStr"><x:is><x:r><x:t>A</x:t></x:r><x:rPh><x:t>ey</x:t></x:rPh><x:r><x:t>-1</x:t></x:r></x:is></x:c><x:c><x:v>3</x:v></x:c></x:row>'  # noqa: E501
    assert read(sheet(row, "x"), format="xlsx")[0]["sku"] == "A-1"


def test_sheets_are_found_by_name_or_number() -> None:
    content = workbook([HEADER, ["A", 1]])
    assert read(content, format="xlsx", xlsx={"sheet": "Bestand"})
    assert refused(content, format="xlsx", xlsx={"sheet": "Other"}) == [
        (None, None, "it has no sheet 'Other'; there are ['Bestand']")
    ]
    assert "no sheet 2" in refused(content, format="xlsx", xlsx={"sheet": 2})[0][2]


def test_a_header_that_is_not_in_its_row_is_told() -> None:
    assert refused(workbook([[], HEADER, ["A", 1]]), format="xlsx") == [(None, None, "there is no header in row 1")]
    assert read(workbook([["Bestand"], [], HEADER, ["A", 1]]), format="xlsx", header_row=3)[0]["row"] == 4


def test_merged_cells_are_refused_filled_or_left_as_declared() -> None:
    rows: list[list[Any]] = [HEADER, ["A", 1], ["", 2], ["", 3], ["B", 4]]
    content = workbook(rows, merge="A2:A4")
    assert refused(content, format="xlsx") == [
        (2, "Artikel", "cells are merged here; set xlsx.merged, or have them written one by one"),
        (3, "Artikel", "it is empty"),
        (4, "Artikel", "it is empty"),
    ]
    filled = read(content, format="xlsx", xlsx={"merged": "fill"})
    assert [row["sku"] for row in filled] == ["merged", "merged", "merged", "B"]
    optional = [{**COLUMNS[0], "required": False}, *COLUMNS[1:]]
    first = read(content, optional, format="xlsx", xlsx={"merged": "first"})
    assert [row["sku"] for row in first] == ["merged", None, None, "B"]
    assert read(workbook([["", ""], HEADER, ["A", 1]], merge="A1:D1"), format="xlsx", header_row=2)


SAMPLE = workbook([HEADER, ["A-1", 5, 19.99, datetime.date(2026, 2, 1)], ["B", 1], ["", 2]], merge="A3:A4")
WIDE = "<row>" + "<c><v>1</v></c>" * 16_385 + "</row>"
OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
LINE = "<row r='{}'><c t='str'><v>A</v></c><c><v>1</v></c></row>"
BOMB = b"<worksheet xmlns='x'><sheetData>" + b" " * 300_000_000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda: b"", "it is no workbook"),
        (lambda: b"Artikel;Menge\n", "it is no workbook"),
        (lambda: OLD + bytes(600), "it is an old or encrypted workbook (.xls), not .xlsx"),
        (lambda: workbook([HEADER, ["A", 1]])[:-200], "it is no workbook"),
        (lambda: tampered(workbook([HEADER]), SHEET, None), f"its part {SHEET} is missing"),
        (lambda: tampered(workbook([HEADER]), SHEET, b"<a><b></a>"), f"its part {SHEET} is no XML: mismatched tag"),
        (lambda: tampered(workbook([HEADER]), SHEET, BOMB), f"{SHEET} unpacks to more than 200000000 bytes"),
        (
            lambda: tampered(workbook([HEADER]), SHEET, b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
            "it declares a document type, which no workbook needs",
        ),
        (
            lambda: tampered(workbook([HEADER]), SHEET, b"<?xml version='1.0' encoding='jTF-8'?><a/>"),
            f"its part {SHEET} is in an encoding that no workbook has",
        ),
        (lambda: sheet(WIDE), "a row has more columns than a worksheet can"),
        (lambda: sheet(LINE.format(5) + LINE.format(4)), "its rows are not in order"),
    ],
    ids=["empty", "csv", "xls", "cut", "no sheet", "no XML", "bomb", "entities", "encoding", "wide", "order"],
)  # fmt: skip
def test_what_is_no_honest_workbook_is_refused_in_words(content: Any, reason: str) -> None:
    assert refused(content(), format="xlsx")[0][2].startswith(reason)


def test_a_cell_in_the_last_corner_costs_no_more_than_one_in_the_first() -> None:
    """A reader that lays out the whole rectangle asks for 500 GB here, and takes its process with it."""
    cells = "<c r='A1048576' t='str'><v>A</v></c><c r='B1048576'><v>1</v></c><c r='XFD1048576'><v>1</v></c>"
    row = f"<row r='1048576'>{cells}</row>"
    tracemalloc.start()
    assert read(sheet(row), format="xlsx")[0]["row"] == 1_048_576
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), min_size=1, max_size=20))
def test_a_workbook_with_any_bytes_changed_is_read_or_refused_and_never_an_accident(
    changes: list[tuple[int, int]],
) -> None:
    content = bytearray(SAMPLE)
    for place, byte in changes:
        content[place % len(content)] = byte
    for how in ("refuse", "fill"):
        try:
            read(bytes(content), format="xlsx", xlsx={"merged": how})
        except FileUnreadable as error:
            told = error.facts["mistakes"]
        else:
            told = ["nothing"]
        assert told


def test_a_damaged_part_is_told_and_not_half_read() -> None:
    content = bytearray(workbook([HEADER, *([f"A-{n}", n] for n in range(2_000))]))
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as book:
        at = book.getinfo(SHEET).header_offset + 2_000
    content[at : at + 50] = bytes(50)
    assert "is damaged or encrypted" in refused(bytes(content), format="xlsx")[0][2]


def many(count: int, form: str) -> bytes:
    if form == "csv":
        return "\n".join(
            ["Artikel,Menge,Preis,Tag", *(f"SKU-{n},{n},{Decimal(n) / 8}," for n in range(count))]
        ).encode()
    row = "<row><c t='str'><v>SKU-{}</v></c><c><v>{}</v></c><c><v>{}</v></c><c><v>46000</v></c></row>"
    return sheet("".join(row.format(n, n, n / 8) for n in range(count)))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_hundred_thousand_rows_take_seconds(form: str) -> None:
    content = many(100_000, form)
    started = time.perf_counter()
    found = read(content, format=form)
    took_s = time.perf_counter() - started
    assert (len(found), found[-1]["quantity"], found[1]["price"]) == (100_000, 99_999, Decimal("0.125"))
    assert took_s < 20, "one or two seconds on a quiet machine"


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_memory_is_bounded_by_the_rows_and_little_else(form: str) -> None:
    content = many(5_000, form)
    tracemalloc.start()
    found = read(content, format=form)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 5_000
    assert peak - held < 5_000_000
