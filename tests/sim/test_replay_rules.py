"""Documents, channels, replenishment and accounts: the parts of a replay that need no hub."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from onhand.sim.replay.accounts import Accounts
from onhand.sim.replay.buckets import Bucket, Buckets
from onhand.sim.replay.judging import Line
from onhand.sim.replay.policy import Policy, Replenishment, default_text, load, read
from onhand.sim.replay.stockroom import Stockroom
from onhand.sim.replay.survey import Item
from tests.sim.books import DIRTY, HEADING, book, judged

MONDAY = date(2019, 3, 4)


def gathered(path: Path, policy: Policy | None = None) -> tuple[list[Bucket], list[Line], Counter[str]]:
    policy = policy or load()
    lines, judge, _ = judged(path, policy)
    aside: list[Line] = []
    return list(Buckets(policy, aside=aside, notes=judge.notes).of(lines)), aside, judge.notes


def test_an_invoice_written_in_two_pieces_is_one_document(tmp_path: Path) -> None:
    rows = "1,10001,MUG,1,2019-03-01 08:00,1,5,France\n2,10001,MUG,1,2019-03-01 08:00,1,6,France\n"
    buckets, _, _ = gathered(book(tmp_path, HEADING + rows + rows.replace("10001", "10002")))
    assert [[(d.name, len(d.orders)) for d in bucket.documents] for bucket in buckets] == [[("1", 2), ("2", 2)]]


def test_an_invoice_that_goes_on_in_a_later_bucket_gets_a_name_of_its_own_and_is_noted(tmp_path: Path) -> None:
    rows = "1,10001,MUG,1,2019-03-01 08:59,1,5,France\n1,10002,JUG,1,2019-03-01 09:01,1,5,France\n"
    buckets, _, notes = gathered(book(tmp_path, HEADING + rows))
    assert [document.name for bucket in buckets for document in bucket.documents] == ["1", "1~2"]
    assert notes["invoice_continued_later"] == 1


def test_repeated_lines_are_kept_and_counted_or_set_aside_as_the_policy_says(tmp_path: Path) -> None:
    path = book(tmp_path, DIRTY)
    buckets, aside, notes = gathered(path)
    assert (len(buckets[0].documents[0].orders), notes["repeated_line"], notes["invoice_with_two_times"]) == (3, 1, 1)
    dropping = read(default_text().replace("duplicate_lines: keep", "duplicate_lines: drop"))
    buckets, aside, _ = gathered(path, dropping)
    assert len(buckets[0].documents[0].orders) == 2
    assert "repeated_line" in {line.reason for line in aside}


def test_the_channel_follows_from_the_country_or_from_words_even_of_lines_that_are_no_goods(tmp_path: Path) -> None:
    rows = (
        "1,10001,MUG,1,2019-03-01 08:00,1,5,EIRE\n2,10001,MUG,1,2019-03-01 08:00,1,5,France\n"
        "3,10001,MUG,1,2019-03-01 08:00,1,5,United Kingdom\n"
        "3,DOT,DOTCOM POSTAGE,1,2019-03-01 08:00,1,5,United Kingdom\n"
    )
    buckets, _, _ = gathered(book(tmp_path, HEADING + rows))
    assert [document.channel for document in buckets[0].documents] == ["ireland", "export", "dotcom"]


def test_lines_out_of_their_time_are_played_all_the_same_and_noted(tmp_path: Path) -> None:
    rows = "1,10001,MUG,1,2019-03-02 08:00,1,5,France\n2,10001,MUG,1,2019-03-01 08:00,1,5,France\n"
    buckets, _, notes = gathered(book(tmp_path, HEADING + rows))
    assert sum(len(bucket.documents) for bucket in buckets) == 2
    assert notes["out_of_time_order"] == 1


def test_no_line_is_lost_between_the_file_and_the_documents(tmp_path: Path) -> None:
    buckets, aside, _ = gathered(book(tmp_path, DIRTY))
    documents = [document for bucket in buckets for document in bucket.documents]
    numbers = [line.number for d in documents for line in (*d.orders, *d.cancels, *d.adjusts)]
    assert sorted([*numbers, *(line.number for line in aside)]) == list(range(1, 27))


@given(
    st.lists(
        st.tuples(st.sampled_from(["1", "2", "C3", "A4", ""]), st.sampled_from(["10001", "POST", "", "10001a"]),
                  st.sampled_from(["1", "-2", "0", "x"]), st.integers(0, 5)),
        max_size=40,
    )
)  # fmt: skip
def test_whatever_a_file_holds_each_line_ends_once(rows: list[tuple[str, str, str, int]]) -> None:
    policy = load()
    text = "".join(f"{i},{sku},MUG,{q},2019-03-0{1 + h} 08:00,1,5,France\n" for i, sku, q, h in rows)
    with TemporaryDirectory() as folder:
        path = book(Path(folder), HEADING + text)
        lines, judge, _ = judged(path, policy)
        aside: list[Line] = []
        buckets = list(Buckets(policy, aside=aside, notes=judge.notes).of(lines))
    documents = [document for bucket in buckets for document in bucket.documents]
    numbers = [line.number for d in documents for line in (*d.orders, *d.cancels, *d.adjusts)]
    assert sorted([*numbers, *(line.number for line in aside)]) == list(range(1, len(rows) + 1))


def test_opening_stock_is_received_when_an_item_is_first_seen() -> None:
    later = MONDAY + timedelta(days=3)
    room = Stockroom(Replenishment(), {"A": Item("A", MONDAY, 10), "B": Item("B", later, 3), "C": Item("C", MONDAY, 0)})
    assert room.opening(MONDAY) == {"A": 15}
    assert room.opening(later) == {"B": 5}
    assert room.opening(later) == {}


def test_the_buyer_orders_when_what_is_there_does_not_last_and_receives_after_the_lead_time() -> None:
    room = Stockroom(Replenishment(lead_time_days=7, safety_days=7, cover_days=28), {"A": Item("A", MONDAY, 20)})
    room.opening(MONDAY)
    room.asked("A", 10, MONDAY)
    room.moved("A", -10)
    assert room.order(MONDAY) == {"A": 280}
    room.asked("A", 1, MONDAY)
    assert room.order(MONDAY) == {}, "what is on order counts"
    assert room.arrivals(MONDAY + timedelta(days=6)) == []
    assert room.arrivals(MONDAY + timedelta(days=7)) == [(MONDAY, {"A": 280})]


def test_the_average_moves_with_its_window() -> None:
    room = Stockroom(Replenishment(window_days=2, lead_time_days=1, safety_days=0, cover_days=1), {})
    room.asked("A", 100, MONDAY)
    room.moved("A", 30)
    assert room.order(MONDAY + timedelta(days=5)) == {}


def test_accounts_add_up_and_write_the_fate_of_each_line(tmp_path: Path) -> None:
    with Accounts(tmp_path / "lines.csv") as accounts:
        accounts.settle(Line("order", 1, "1", "A", 5), "promised", "granted")
        accounts.settle_all([Line("aside", 2), Line("aside", 3)], "set_aside", "missing_code")
    assert accounts.by_outcome() == {"promised": 1, "set_aside": 2}
    assert accounts.total == 3
    assert (tmp_path / "lines.csv").read_text().splitlines() == [
        "line,invoice,sku,quantity,outcome,reason", "1,1,A,5,promised,granted", "2,,,0,set_aside,missing_code",
        "3,,,0,set_aside,missing_code",
    ]  # fmt: skip
