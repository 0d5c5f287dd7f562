"""A replay from file to verdict, through a real node over HTTP: every line accounted for, no effect twice."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from onhand.ops.settings import Settings
from onhand.sim.checker import check_files
from onhand.sim.replay.engine import Step
from onhand.sim.replay.orders import Pace
from onhand.sim.replay.policy import default_text, load, read
from onhand.sim.replay.report import Report, as_json, text
from onhand.sim.replay.run import Listener, Options, replay
from tests.sim.books import DIRTY, DIRTY_LINES, HEADING, book

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "online_retail_ii" / "y0910.csv.gz"


async def run(path: Path, dsn: str, **options: object) -> Report:
    return await replay(path, policy=load(), settings=Settings(dsn=dsn), options=Options(**options))  # type: ignore[arg-type]


async def test_a_dirty_book_ends_with_every_line_in_one_place_and_nothing_sold_twice(tmp_path: Path, dsn: str) -> None:
    fates, history = tmp_path / "lines.csv", tmp_path / "history.jsonl"
    report = await run(book(tmp_path, DIRTY), dsn, lines=fates, history=history)
    assert report.ok, text(report)
    assert report.lines_read == report.lines_accounted == sum(report.outcomes.values()) == DIRTY_LINES
    assert {row["line"] for row in csv.DictReader(fates.open())} == {str(n) for n in range(1, DIRTY_LINES + 1)}
    reasons = {(one.outcome, one.reason): one.lines for one in report.reasons}
    assert reasons["adjusted", "damaged"] == reasons["adjusted", "found"] == reasons["adjusted", "unspecified"] == 1
    assert reasons["released", "open_order_reduced"] == 1, "6 of the 12 mugs are cancelled before they ship"
    assert reasons["returned", "cancellation"] == 1, "what nobody has ordered openly comes back as goods"
    assert report.history.oversold == 0
    assert check_files(history).ok


async def test_a_second_replay_of_the_same_file_changes_nothing(tmp_path: Path, dsn: str) -> None:
    path = book(tmp_path, DIRTY)
    first = await run(path, dsn)
    again = await run(path, dsn, pace=Pace(seed=5, concurrency=3))
    assert again.ok, text(again)
    assert (again.changed, set(again.events)) == (0, {"duplicate"})
    assert first.changed > 0
    assert (again.outcomes, again.reasons, again.granted_units) == (first.outcomes, first.reasons, first.granted_units)
    assert "Nothing was new" in text(again)


async def test_a_replay_of_the_first_lines_ends_with_a_whole_bucket_and_is_continued_by_the_next(
    tmp_path: Path, dsn: str
) -> None:
    path = book(tmp_path, DIRTY)
    part = await run(path, dsn, limit=5)
    assert part.ok, text(part)
    assert part.lines_read == 6, "the fifth line's hour has one more"
    whole = await run(path, dsn)
    assert whole.ok, text(whole)
    assert (whole.requests["repeated"], whole.requests["new"]) == (2, 2)


async def test_an_interrupted_replay_goes_on_where_it_stopped(tmp_path: Path, dsn: str) -> None:
    path = book(tmp_path, DIRTY)

    class Interrupted(Exception):
        pass

    def interrupt(step: Step) -> None:
        if step.orders == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        await replay(
            path, policy=load(), settings=Settings(dsn=dsn), options=Options(), listener=Listener(stepped=interrupt)
        )
    whole = await run(path, dsn)
    assert whole.ok, text(whole)
    assert whole.outcomes.keys().isdisjoint({"failed", "quarantined"})
    assert (whole.requests["repeated"], whole.requests["new"]) == (3, 1)


async def test_orders_larger_than_a_promise_are_split_and_orders_beyond_the_stock_are_cut(
    tmp_path: Path, dsn: str
) -> None:
    rows = "".join(f"1,{10000 + n},THING {n},1,2019-03-01 08:00,1,5,France\n" for n in range(1100))
    rows += "2,10000,THING 0,999,2019-06-01 08:00,1,5,France\n"
    report = await run(book(tmp_path, HEADING + rows), dsn)
    assert report.ok, text(report)
    assert report.channels["export"]["orders"] == 3
    assert report.outcomes == {"promised": 1100, "partly_promised": 1}


async def test_a_policy_that_refuses_orders_in_part_says_which_line_was_short(tmp_path: Path, dsn: str) -> None:
    rows = "1,10001,MUG,1,2019-03-01 08:00,1,5,France\n1,10002,JUG,1,2019-03-01 08:00,1,5,France\n"
    rows += "2,10001,MUG,1,2019-06-01 08:00,1,5,France\n2,10002,JUG,500,2019-06-01 08:00,1,5,France\n"
    policy = read(default_text().replace("mode: partial", "mode: all"))
    path = book(tmp_path, HEADING + rows)
    report = await replay(path, policy=policy, settings=Settings(dsn=dsn), options=Options())
    assert report.ok, text(report)
    reasons = {(one.outcome, one.reason): one.lines for one in report.reasons}
    assert reasons["refused", "insufficient_stock"] == reasons["refused", "order_refused_whole"] == 1


async def test_goods_returned_to_sale_can_be_promised_again(tmp_path: Path, dsn: str) -> None:
    rows = "1,10001,MUG,4,2019-03-01 08:00,1,5,France\nC2,10001,MUG,-4,2019-03-05 08:00,1,9,France\n"
    policy = read(default_text().replace("returns_status: returned", "returns_status: available"))
    path = book(tmp_path, HEADING + rows)
    report = await replay(path, policy=policy, settings=Settings(dsn=dsn), options=Options())
    assert report.ok, text(report)
    assert report.outcomes == {"promised": 1, "returned": 1}


async def test_the_report_is_plain_json(tmp_path: Path, dsn: str) -> None:
    body = as_json(await run(book(tmp_path, HEADING), dsn))
    assert (body["lines_read"], body["ok"], body["detected"]["encoding"]) == (0, True, "utf-8-sig")


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="the real order book does not lie beside this repository")
async def test_the_real_book_begins_without_a_line_lost_or_a_unit_sold_twice(tmp_path: Path, dsn: str) -> None:
    lines = 20_000
    path = tmp_path / "start.csv.gz"
    with gzip.open(REAL, "rt", encoding="utf-8") as source, gzip.open(path, "wt", encoding="utf-8") as target:
        target.writelines(line for line, _ in zip(source, range(lines + 1), strict=False))
    report = await run(path, dsn)
    assert report.ok, text(report)
    assert report.lines_read == report.lines_accounted
    assert report.outcomes["promised"] > 18_000
    assert (report.history.oversold, report.history.unresolved, report.history.unjudged) == (0, 0, 0)
    assert report.history.granted_min == report.history.granted_max == report.granted_units
