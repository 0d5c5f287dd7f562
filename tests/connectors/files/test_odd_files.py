"""Files that are lost, stuck, or read twice."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest

from onhand.connectors.files.cells import Number, is_number
from onhand.connectors.files.decoding import decode
from onhand.connectors.files.fake import Fake
from onhand.connectors.files.mistakes import FileUnreadable
from onhand.connectors.files.moments import _from_serial
from onhand.connectors.files.settings import Column, read_settings
from onhand.connectors.files.values import converter
from onhand.domain.errors import OnhandError
from onhand.ops import limits
from onhand.sdk import ReadFailed
from tests.connectors.files.conftest import Clock
from tests.connectors.files.test_folder import AWAY, GOOD, connector, lying, names

BETTER = GOOD.replace(b",5,", b",6,")


@pytest.mark.parametrize(
    ("zone", "value"),
    [("America/New_York", "9999-12-31 23:59:59"), ("Europe/Berlin", "0001-01-01 00:00:00")],
)
def test_the_dates_that_vendors_write_for_never_are_mistakes_like_any_other(zone: str, value: str) -> None:
    columns = [{"name": "sku"}, {"name": "until", "type": "datetime"}]
    settings = read_settings({"columns": columns, "timezone": zone})
    with pytest.raises(FileUnreadable, match="row 2"):
        decode(f"sku,until\nA,{value}\n".encode(), settings, "f.csv")


def test_the_last_moment_of_a_workbook_is_a_mistake_like_any_other() -> None:
    with pytest.raises(ValueError, match="number of a day"):
        _from_serial(Decimal("2958465.99999999999"), date1904=False)


def test_a_number_of_a_workbook_beyond_all_is_a_mistake_like_any_other() -> None:
    assert is_number("1E99999999")
    for kind in ("decimal", "integer", "text"):
        with pytest.raises(ValueError, match="1E"):
            converter(Column(name="q", type=kind), read_settings({"format": "xlsx"}))(Number("1E99999999", False))


async def test_a_file_with_such_a_date_and_those_after_it_are_moved_away(fake: Fake) -> None:
    fake.drop("a.csv", GOOD.replace(b"2026-03-01T08:00:00Z", b"0001-01-01T00:00:00"))
    fake.drop("b.csv", GOOD)
    reader = connector(fake.url, **AWAY, timezone="Europe/Berlin")
    page = await reader.read("rows", None, limit=10)
    await reader.stored("rows", page.messages)
    assert lying(fake, "incoming") == []


async def test_a_long_name_keeps_no_other_file_from_being_moved(fake: Fake, clock: Clock) -> None:
    fake.drop("s" * 230 + ".csv", GOOD)  # 234 characters: a file system takes 255
    fake.drop("b.csv", GOOD)
    reader = connector(fake.url, clock, **AWAY)
    cursor = None
    for _ in range(5):
        page = await reader.read("rows", cursor, limit=10)
        cursor = page.cursor
        with suppress(OnhandError):  # the poller logs it and goes on
            await reader.stored("rows", page.messages)
        clock.forward(limits.FILE_SEEN_AGAIN_S + 1)
    assert lying(fake, "incoming") == []


async def test_a_file_that_is_replaced_while_it_is_tried_for_mistakes_is_not_moved_away_unread(
    fake: Fake,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With `failed` a file is decoded between the look at it and the move: that takes seconds for a large one."""
    fake.drop("stock.csv", GOOD)
    reader = connector(fake.url, **AWAY)
    page = await reader.read("rows", None, limit=10)
    own = reader.decode

    def slow(*given: object) -> object:
        fake.drop("stock.csv", BETTER)  # the partner's next file of that name, while we decode the first
        return own(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(reader, "decode", slow)
    await reader.stored("rows", page.messages)
    again = await reader.read("rows", page.cursor, limit=10)
    assert [m.body for m in again.messages] == [BETTER], f"it was never read, and lies in done: {lying(fake, 'done')}"


async def test_a_file_that_is_replaced_between_the_listing_and_the_reading_is_read_once(fake: Fake) -> None:
    """Of the same size: then its new content comes under the old time, and again under its own."""
    fake.drop("stock.csv", GOOD)
    reader = connector(fake.url, **AWAY)
    files = reader._files()
    own = files.read

    async def late(path: str) -> bytes:
        files.read = own  # type: ignore[method-assign]
        fake.drop("stock.csv", BETTER)
        return await own(path)

    files.read = late  # type: ignore[method-assign]
    first = await reader.read("rows", None, limit=10)
    await reader.stored("rows", first.messages)
    second = await reader.read("rows", first.cursor, limit=10)
    bodies = [m.body for m in (*first.messages, *second.messages)]
    assert bodies == [BETTER], f"{len(bodies)} messages of one file"


async def test_a_folder_that_nobody_clears_says_so(
    fake: Fake,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "FILES_TRACKED_MAX", 5)
    for n in range(5):
        fake.drop(f"{n}.csv", GOOD)
    reader = connector(fake.url)  # without `done`, as it is by default
    _, cursor = await names(reader, None)
    fake.drop("new.csv", BETTER)
    with pytest.raises(ReadFailed, match="have been read and lie there still"):
        await names(reader, cursor)
