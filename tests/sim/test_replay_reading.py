"""Order books are read as their senders write them: encodings, headings, dates, numbers, and all the dirt."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from onhand.domain.errors import Unavailable
from onhand.ops.settings import Settings
from onhand.sim.replay import values
from onhand.sim.replay.dialect import FIELD_LENGTH_MAX, UnreadableFile, detect
from onhand.sim.replay.policy import BadPolicy, default_text, load, read
from onhand.sim.replay.run import Options, replay
from onhand.sim.replay.survey import survey
from onhand.sim.replay.values import DateOrder, Unreadable
from tests.sim.books import DIRTY, DIRTY_LINES, HEADING, OTHER_YEAR, book, judged

ROW = "1,10001,MUG,1,2019-03-01 08:00,1,5,France\n"


def verdicts(path: Path) -> list[tuple[str, str]]:
    lines, _, _ = judged(path)
    return [(line.kind, line.reason) for line in lines]


def test_every_record_of_a_dirty_book_gets_exactly_one_verdict_with_its_reason(tmp_path: Path) -> None:
    assert verdicts(book(tmp_path, DIRTY)) == [
        ("order", ""), ("order", ""), ("order", ""), ("aside", "non_item:postage"), ("order", ""), ("order", ""),
        ("order", ""), ("adjust", "damaged"), ("adjust", "unspecified"), ("adjust", "found"),
        ("aside", "zero_quantity"), ("aside", "missing_quantity"), ("aside", "absurd_quantity"),
        ("aside", "fractional_quantity"), ("aside", "unreadable_quantity"), ("aside", "missing_code"),
        ("aside", "missing_time"), ("aside", "unreadable_time"), ("aside", "missing_invoice"),
        ("aside", "wrong_number_of_columns"), ("cancel", ""), ("cancel", ""), ("aside", "positive_on_cancellation"),
        ("aside", "bad_debt"), ("aside", "non_item:bookkeeping"), ("order", ""),
    ]  # fmt: skip
    assert survey(book(tmp_path, DIRTY), load()).lines == DIRTY_LINES


def test_codes_that_differ_by_case_fold_to_the_spelling_seen_most_often(tmp_path: Path) -> None:
    lines, judge, found = judged(book(tmp_path, DIRTY))
    assert {line.sku for line in lines if line.sku.upper() == "10002A"} == {"10002A"}
    assert (found.folded, judge.notes["sku_spelling_folded"]) == (1, 1)


def test_codes_that_differ_by_case_stay_apart_when_the_policy_says_so(tmp_path: Path) -> None:
    lines, _, _ = judged(book(tmp_path, DIRTY), read(default_text().replace("sku_case: fold", "sku_case: exact")))
    assert {"10002a", "10002A"} <= {line.sku for line in lines}


def test_another_years_headings_encoding_dates_and_numbers_are_found_out(tmp_path: Path) -> None:
    lines, _, found = judged(book(tmp_path, OTHER_YEAR.encode("cp1252")))
    assert (found.dialect.encoding, found.dialect.delimiter, found.dialect.line_ends) == ("cp1252", ";", "CRLF")
    assert found.date_order == "month_first"
    assert [(line.invoice, line.quantity, line.customer) for line in lines] == [
        ("536365", 6, "17850"), ("536365", 1200, "17850"), ("536366", 6, ""),
    ]  # fmt: skip
    assert lines[0].description == "CAFÉ LIGHT £2"
    assert lines[2].at == datetime(2010, 12, 13, 20, 28, tzinfo=UTC)


def test_a_byte_order_mark_is_no_part_of_the_first_heading(tmp_path: Path) -> None:
    for data in ((HEADING + ROW).encode("utf-8-sig"), (HEADING + ROW).encode("utf-16")):
        found = survey(book(tmp_path, data), load())
        assert (found.dialect.byte_order_mark, found.lines) == (True, 1)


def test_a_stray_byte_after_the_first_megabyte_still_settles_the_encoding(tmp_path: Path) -> None:
    text = HEADING + ROW * 30_000 + "2,10001,CAF\xc9,1,2019-03-01 08:00,1,5,France\n"
    found = survey(book(tmp_path, text.encode("cp1252")), load())
    assert (found.dialect.encoding, found.items["10001"].name) == ("cp1252", "MUG")


def test_files_end_their_lines_as_they_like_and_may_be_compressed(tmp_path: Path) -> None:
    for end in ("\r", "\r\n", "\n"):
        path = book(tmp_path, (HEADING + ROW + ROW).replace("\n", end), name="book.csv.gz")
        assert survey(path, load()).lines == 2


def test_columns_that_nobody_could_guess_are_named(tmp_path: Path) -> None:
    path = book(tmp_path, "Beleg,Ware,Menge,Tag\n1,10001,2,01.03.2019\n")
    with pytest.raises(UnreadableFile, match="invoice, sku, quantity, time"):
        detect(path, load())
    columns = {"invoice": "Beleg", "sku": "Ware", "quantity": "Menge", "time": "Tag"}
    assert survey(path, load(columns=columns)).items.keys() == {"10001"}
    with pytest.raises(UnreadableFile, match="no column 'Nummer'"):
        detect(path, load(columns={**columns, "invoice": "Nummer"}))


def test_a_file_that_is_no_table_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    cut = book(tmp_path, HEADING + ROW * 5_000, name="cut.csv.gz")
    cut.write_bytes(cut.read_bytes()[:-20])
    for path in (tmp_path / "nowhere.csv", book(tmp_path, "", name="empty.csv"), cut):
        with pytest.raises(UnreadableFile):
            survey(path, load())


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
def test_a_delimiter_that_can_be_none_is_a_bad_policy(delimiter: str) -> None:
    assert read('delimiter: "\\t"').delimiter == "\t"
    with pytest.raises(BadPolicy, match="delimiter"):
        read(f"delimiter: {json.dumps(delimiter)}")


async def test_a_hub_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:1", "ftp://127.0.0.1", "nonsense"):
        with pytest.raises(Unavailable, match="does not answer"):
            await replay(
                book(tmp_path, HEADING + ROW), policy=load(), settings=Settings(), options=Options(url=url, key="k")
            )


def test_a_file_whose_compressed_data_is_damaged_is_refused_with_a_reason(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n * 7919 % 90001},MUG,{n % 13},2019-03-01 08:00,1,5,France\n" for n in range(1, 90_000))
    for place in (2_000, -100_000):
        path = book(tmp_path, HEADING + rows, name="damaged.csv.gz")
        data = bytearray(path.read_bytes())
        data[place : place + 64] = b"\xff" * 64
        path.write_bytes(data)
        with pytest.raises(UnreadableFile, match=r"damaged|decompressed"):
            survey(path, load())


def test_a_quote_that_nobody_closed_costs_its_own_line_and_no_other(tmp_path: Path) -> None:
    slip = '2,10001,"MUG,1,2019-03-01 08:00,1,5,France\n'
    quoted = '3,10001,"MUG, ""BLUE""",1,2019-03-01 08:00,1,5,France\n'
    broken = '4,10001,"MUG\nON TWO LINES",1,2019-03-01 08:00,1,5,France\n'
    assert verdicts(book(tmp_path, HEADING + slip + ROW * 3 + quoted + broken + ROW)) == [
        ("aside", "unclosed_quote"), *[("order", "")] * 6,
    ]  # fmt: skip
    assert verdicts(book(tmp_path, HEADING + ROW + slip + ROW)) == [
        ("order", ""), ("aside", "unclosed_quote"), ("order", ""),
    ]  # fmt: skip


def test_a_quote_that_nobody_closes_for_megabytes_costs_its_own_line_too(tmp_path: Path) -> None:
    rows = ROW * (3 * FIELD_LENGTH_MAX // len(ROW))
    found = verdicts(book(tmp_path, HEADING + '2,10001,"MUG,1,2019-03-01 08:00,1,5,France\n' + rows))
    assert (found[0], len(found)) == (("aside", "unclosed_quote"), 1 + rows.count("\n"))
    assert set(found[1:]) == {("order", "")}


@pytest.mark.parametrize(
    "time", ["0001-01-01", "1899-12-30 00:00", "1970-01-01", "9999-12-31 23:59", "2109-12-01 08:00"]
)
def test_a_time_at_which_no_business_was_done_is_set_aside(tmp_path: Path, time: str) -> None:
    lines, _, found = judged(book(tmp_path, HEADING + ROW + ROW.replace("2019-03-01 08:00", time) + ROW))
    assert [line.reason for line in lines] == ["", "impossible_time", ""]
    assert found.first == found.last == datetime(2019, 3, 1, 8, tzinfo=UTC)


def test_an_invoice_whose_year_was_mistyped_does_not_carry_off_the_lines_that_follow(tmp_path: Path) -> None:
    days = "".join(f"{n},10001,MUG,1,2019-03-{n:02} 08:00,1,5,France\n" * 3 for n in range(1, 31))
    wrong = "77,10002,JUG,1,2020-03-05 08:00,1,5,France\n" * 2
    cut = days.index("6,10001")
    lines, _, found = judged(book(tmp_path, HEADING + days[:cut] + wrong + days[cut:]))
    assert [(line.invoice, line.kind) for line in lines if line.reason] == [("77", "aside")] * 2
    assert found.last == datetime(2019, 3, 30, 8, tzinfo=UTC)


def test_a_pause_of_months_and_a_book_in_no_order_of_time_are_no_leaps(tmp_path: Path) -> None:
    pause = ROW * 30 + ROW.replace("2019-03", "2019-11") * 30
    by_item = "".join(
        f"{month},1000{item},MUG,1,2019-{month:02}-01 08:00,1,5,France\n" for item in range(9) for month in range(1, 13)
    )
    for text in (pause, by_item):
        assert {line.kind for line in judged(book(tmp_path, HEADING + text))[0]} == {"order"}


@pytest.mark.parametrize(
    ("cell", "order", "expected"),
    [
        ("2010-12-01 08:26:00", "day_first", "2010-12-01T08:26"),
        ("2010-12-01T08:26:00Z", "day_first", "2010-12-01T08:26"),
        ("2010-12-01T08:26:00+02:00", "day_first", "2010-12-01T06:26"),
        ("12/1/2010 8:26", "month_first", "2010-12-01T08:26"),
        ("12/1/2010 8:26", "day_first", "2010-01-12T08:26"),
        ("01.12.2010 08:26", "day_first", "2010-12-01T08:26"),
        ("1-Dec-10 8:26", "month_first", "2010-12-01T08:26"),
        ("1 December 2010", "month_first", "2010-12-01T00:00"),
        ("12/1/2010 12:05 AM", "month_first", "2010-12-01T00:05"),
        ("40513.3513888889", "month_first", "2010-12-01T08:26"),
        ("01/06/2010 08:26", "day_first", "2010-06-01T07:26"),
        ("Dec 1, 2010 08:26 AM", "day_first", "2010-12-01T08:26"),
        ("December 01 2010", "day_first", "2010-12-01T00:00"),
        ("20101201", "day_first", "2010-12-01T00:00"),
        ("20101201082630", "month_first", "2010-12-01T08:26:30"),
        ("20101201 0826", "month_first", "2010-12-01T08:26"),
    ],
)
def test_times_are_read_however_a_spreadsheet_writes_them(cell: str, order: DateOrder, expected: str) -> None:
    found = values.moment(cell, order=order, zone=ZoneInfo("Europe/London"))
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "cell",
    ["", "NaN", "30/02/2010", "13/13/2010", "soon", "2010-12-01 25:00", "9999-12-31 99:99", "20101301", "1291191960"],
)
def test_times_that_cannot_be_are_no_guess(cell: str) -> None:
    with pytest.raises(Unreadable):
        values.moment(cell, order="day_first", zone=UTC)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("12", 12), ("-1", -1), ("1,200", 1200), ("1.200,0", 1200), ("12.0", 12), ("(3)", -3), ("3-", -3), ("1e2", 100),
     ("\u22127", -7)],
)  # fmt: skip
def test_quantities_are_read_however_a_spreadsheet_writes_them(cell: str, expected: int) -> None:
    assert values.quantity(cell, limit=10**6) == expected


@pytest.mark.parametrize("cell", ["", "0", "0.0", "1.5", "ten", "1e30", "NaN", "inf", "1000001", "1_000", "1_0.0"])
def test_quantities_that_cannot_be_are_no_guess(cell: str) -> None:
    with pytest.raises(Unreadable):
        values.quantity(cell, limit=10**6)


def test_the_order_of_day_and_month_follows_from_all_dates_of_the_file(tmp_path: Path) -> None:
    def order_of(*days: str) -> str:
        rows = "".join(f"{n},10001,MUG,1,{day} 8:00,1,5,France\n" for n, day in enumerate(days))
        return survey(book(tmp_path, HEADING + rows), load()).date_order

    assert order_of("3/4/2010", "25/4/2010") == "day_first"
    assert order_of("3/4/2010", "3/25/2010") == "month_first"
    assert order_of("1/11/2010", "1/12/2010", "2/1/2010") == "month_first"
    assert order_of("11/1/2010", "12/1/2010", "1/2/2010") == "day_first"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("sku_case: maybe", "sku_case"),
        ("nonsense: 1", "nonsense"),
        ("cancellation: '('", "regular expression"),
        ("timezone: Mars/Olympus", "Mars/Olympus"),
        ("non_items: [{reason: x}]", "neither a code nor a description"),
        ("a: [", "YAML"),
    ],
)
def test_a_policy_with_a_mistake_says_where(change: str, said: str) -> None:
    with pytest.raises(BadPolicy, match=said):
        read(change)
