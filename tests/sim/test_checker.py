"""The checker must pass what can have been right, and must find each single thing that cannot."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from onhand.sim.checker import Report, check, check_files
from onhand.sim.history import AnyEntry, Extend, Fact, Granted, Level, Recorder, Refused, Release, Reserve

MS = 1_000_000


def supply(
    quantity: int, *, at: int = 0, sku: str = "A", id_: str = "receipt", outcome: str | None = "applied"
) -> Fact:
    return Fact(id=id_, sent_ns=at * MS, answered_ns=(at + 1) * MS, stock=((sku, "", quantity),), outcome=outcome)


def granted(
    id_: str, quantity: int = 1, *, sent: int, answered: int, sku: str = "A", asked: int = 0, expires: int | None = None
) -> Reserve:
    answer = Granted(
        reservation=f"res_{id_}",
        state="granted",
        lines=(("1", quantity),),
        sources=((sku, "", quantity),),
        expires_ns=None if expires is None else expires * MS,
    )
    return Reserve(
        id=id_, body=f"{sku} {asked or quantity}", lines=(("1", sku, asked or quantity),), keep=0,
        sent_ns=sent * MS, answered_ns=answered * MS, answer=answer,
    )  # fmt: skip


def refused(id_: str, quantity: int = 1, *, sent: int, answered: int, sku: str = "A", keep: int | None = 0) -> Reserve:
    return Reserve(
        id=id_, body=f"{sku} {quantity}", lines=(("1", sku, quantity),), keep=keep,
        sent_ns=sent * MS, answered_ns=answered * MS, answer=Refused(code="insufficient_stock"),
    )  # fmt: skip


def unknown(id_: str, quantity: int = 1, *, sent: int, sku: str = "A") -> Reserve:
    return Reserve(id=id_, body=f"{sku} {quantity}", lines=(("1", sku, quantity),), keep=0, sent_ns=sent * MS)


def released(id_: str, *, sent: int, answered: int, outcome: str | None = "released") -> Release:
    return Release(
        id=f"release {id_}", reservation=f"res_{id_}", sent_ns=sent * MS, answered_ns=answered * MS, outcome=outcome
    )


def shipped(id_: str, quantity: int, *, sent: int, answered: int, sku: str = "A") -> Fact:
    return Fact(
        id=f"ship {id_}", reservation=f"res_{id_}", stock=((sku, "", -quantity),), outcome="applied",
        sent_ns=sent * MS, answered_ns=answered * MS,
    )  # fmt: skip


def kinds(*history: AnyEntry, must_collapse: bool = True) -> list[str]:
    return [finding.kind for finding in check(history, must_collapse=must_collapse).findings]


def test_what_fits_into_the_supply_passes() -> None:
    report = check([supply(2), granted("a", sent=5, answered=6), granted("b", sent=5, answered=9)])
    assert report.ok
    assert (report.granted_min, report.granted_max, report.oversold) == (2, 2, 0)


def test_one_unit_too_many_is_found_and_named() -> None:
    report = check([supply(2), *(granted(name, sent=5, answered=6 + n) for n, name in enumerate("abc"))])
    assert [f.kind for f in report.findings] == ["oversold"]
    assert report.findings[0].units == report.oversold == 1
    assert report.findings[0].id == "c"


def test_concurrent_grants_are_added_up_although_each_alone_would_fit() -> None:
    assert kinds(supply(10), *(granted(f"r{n}", sent=5, answered=50) for n in range(11))) == ["oversold"]


def test_stock_that_came_after_the_answer_explains_nothing() -> None:
    assert kinds(granted("a", sent=0, answered=2), supply(1, at=3)) == ["oversold"]


def test_stock_that_came_while_the_request_was_under_way_explains_it() -> None:
    assert kinds(granted("a", sent=0, answered=9), supply(1, at=3)) == []


def test_an_unanswered_receipt_may_have_arrived() -> None:
    fact = msgspec.structs.replace(supply(1), answered_ns=None, outcome=None)
    assert kinds(fact, granted("a", sent=5, answered=6), must_collapse=False) == []


def test_a_quarantined_receipt_is_no_stock() -> None:
    assert kinds(supply(1, outcome="quarantined"), granted("a", sent=5, answered=6)) == ["oversold"]


def test_a_receipt_released_from_quarantine_counts_from_then_on() -> None:
    kept = supply(1, outcome="quarantined")
    mended = supply(1, at=10)
    assert kinds(kept, mended, granted("a", sent=20, answered=21)) == []
    assert kinds(kept, mended, refused("a", sent=5, answered=6)) == []


def test_released_stock_can_be_promised_again() -> None:
    first = granted("a", sent=2, answered=3)
    assert kinds(supply(1), first, released("a", sent=4, answered=5), granted("b", sent=6, answered=7)) == []
    assert kinds(supply(1), first, granted("b", sent=6, answered=7)) == ["oversold"]


def test_a_release_that_was_refused_frees_nothing() -> None:
    refusal = released("a", sent=4, answered=5, outcome="reservation_closed")
    assert kinds(supply(1), granted("a", sent=2, answered=3), refusal, granted("b", sent=6, answered=7)) == ["oversold"]


def test_an_expired_promise_frees_its_stock_at_its_deadline_and_not_before() -> None:
    first = granted("a", sent=2, answered=3, expires=10)
    assert kinds(supply(1), first, granted("b", sent=11, answered=12)) == []
    assert kinds(supply(1), first, granted("b", sent=5, answered=9)) == ["oversold"]


def test_an_extended_promise_holds_until_its_new_deadline() -> None:
    extended = Extend(
        id="extend a", reservation="res_a", expires_ns=20 * MS, outcome="extended", sent_ns=5 * MS, answered_ns=6 * MS
    )
    history: list[AnyEntry] = [supply(1), granted("a", sent=2, answered=3, expires=10), extended]
    assert kinds(*history, granted("b", sent=11, answered=12)) == ["oversold"]
    assert kinds(*history, refused("b", sent=11, answered=12), granted("c", sent=21, answered=22)) == []


def test_using_a_promise_that_was_over_is_found() -> None:
    first = granted("a", sent=2, answered=3, expires=10)
    assert kinds(supply(1), first, released("a", sent=11, answered=12)) == ["used_after_its_end"]
    twice: list[AnyEntry] = [
        released("a", sent=4, answered=5),
        msgspec.structs.replace(released("a", sent=6, answered=7), id="again"),
    ]
    assert kinds(supply(1), granted("a", sent=2, answered=3), *twice) == ["used_after_its_end"]


def test_shipping_what_was_promised_frees_nothing() -> None:
    history: list[AnyEntry] = [supply(2), granted("a", 2, sent=2, answered=3), shipped("a", 2, sent=4, answered=5)]
    assert kinds(*history, refused("b", sent=6, answered=7)) == []
    assert kinds(*history, granted("b", sent=6, answered=7)) == ["oversold"]


def test_releasing_the_rest_after_a_part_was_shipped_frees_only_the_rest() -> None:
    history: list[AnyEntry] = [
        supply(5), granted("a", 5, sent=2, answered=3), shipped("a", 3, sent=4, answered=5),
        released("a", sent=6, answered=7),
    ]  # fmt: skip
    assert kinds(*history, granted("b", 2, sent=8, answered=9)) == []
    assert kinds(*history, granted("b", 3, sent=8, answered=9)) == ["oversold"]


def test_a_correction_below_what_is_promised_is_no_oversell() -> None:
    loss = Fact(id="broken", sent_ns=4 * MS, answered_ns=5 * MS, stock=(("A", "", -3),), outcome="applied")
    first = granted("a", 3, sent=2, answered=3)
    assert kinds(supply(3), first, loss, refused("b", sent=6, answered=7)) == []
    assert kinds(supply(3), first, loss, granted("b", sent=6, answered=7)) == ["oversold"]


def test_a_correction_during_a_grant_may_have_come_after_it() -> None:
    loss = Fact(id="broken", sent_ns=2 * MS, answered_ns=3 * MS, stock=(("A", "", -1),), outcome="applied")
    assert kinds(supply(1), loss, granted("a", sent=1, answered=9)) == []


def test_a_changed_answer_is_found() -> None:
    first = granted("a", sent=2, answered=3)
    again = msgspec.structs.replace(first, sent_ns=8 * MS, answered_ns=9 * MS)
    assert first.answer is not None
    other = msgspec.structs.replace(again, answer=msgspec.structs.replace(first.answer, reservation="res_other"))
    assert kinds(supply(2), first, again) == []
    assert kinds(supply(2), first, other) == ["answer_changed"]
    assert kinds(supply(2), first, refused("a", sent=8, answered=9)) == ["answer_changed"]


def test_another_body_under_a_used_id_must_not_be_granted() -> None:
    other = granted("a", 2, sent=8, answered=9)
    assert kinds(supply(9), granted("a", sent=2, answered=3), other) == ["id_reused"]
    told = msgspec.structs.replace(other, answer=Refused(code="request_id_reused"))
    assert kinds(supply(9), granted("a", sent=2, answered=3), told) == []


def test_more_than_was_asked_for_is_found() -> None:
    assert kinds(supply(9), granted("a", 3, asked=2, sent=2, answered=3)) == ["granted_too_much"]


def test_a_refusal_with_all_of_it_there_is_a_lost_sale() -> None:
    assert kinds(supply(1), refused("a", sent=5, answered=6)) == ["lost_sale"]
    assert kinds(supply(1), refused("a", 2, sent=5, answered=6)) == []


def test_a_refusal_is_right_when_another_request_may_have_been_first() -> None:
    assert kinds(supply(1), granted("b", sent=4, answered=9), refused("a", sent=5, answered=6)) == []
    assert kinds(supply(1), unknown("b", sent=4), refused("a", sent=5, answered=6), must_collapse=False) == []
    assert kinds(supply(1), granted("b", sent=7, answered=9), refused("a", sent=5, answered=6)) == ["lost_sale"]


def test_a_refusal_is_right_when_the_stock_may_have_come_too_late() -> None:
    assert kinds(supply(1, at=5), refused("a", sent=5, answered=9)) == []


def test_what_the_policy_keeps_is_no_lost_sale_and_an_unknown_policy_is_not_judged() -> None:
    assert kinds(supply(3), refused("a", 1, sent=5, answered=6, keep=3)) == []
    assert kinds(supply(4), refused("a", 1, sent=5, answered=6, keep=3)) == ["lost_sale"]
    report = check([supply(3), refused("a", sent=5, answered=6, keep=None)])
    assert (report.ok, report.unjudged, report.refusals_judged) == (True, 1, 0)


def test_a_part_granted_although_all_was_there_is_a_lost_sale() -> None:
    assert kinds(supply(9), granted("a", 2, asked=5, sent=5, answered=6)) == ["lost_sale"]
    assert kinds(supply(2), granted("a", 2, asked=5, sent=5, answered=6)) == []


def test_a_refused_order_needs_all_its_items_at_one_place_to_be_a_lost_sale() -> None:
    both = Reserve(
        id="a", body="A 1 B 1", lines=(("1", "A", 1), ("2", "B", 1)), keep=0, sent_ns=5 * MS, answered_ns=6 * MS,
        answer=Refused(code="insufficient_stock"),
    )  # fmt: skip
    assert kinds(supply(1), both) == []
    assert kinds(supply(1), supply(1, sku="B", id_="receipt of B"), both) == ["lost_sale"]


def test_an_unknown_outcome_is_an_interval_that_asking_again_collapses() -> None:
    lost = unknown("a", 3, sent=2)
    open_ = check([supply(3), lost], must_collapse=False)
    assert (open_.ok, open_.granted_min, open_.granted_max, open_.unresolved) == (True, 0, 3, 1)
    assert kinds(supply(3), lost) == ["unresolved"]
    answered = check([supply(3), lost, granted("a", 3, sent=8, answered=9)])
    assert (answered.ok, answered.granted_min, answered.granted_max) == (True, 3, 3)


def test_a_grant_whose_first_answer_was_lost_can_have_happened_at_once() -> None:
    lost, again = unknown("a", sent=2), granted("a", sent=8, answered=9)
    assert kinds(supply(1), lost, refused("b", sent=4, answered=5), again) == []


def test_a_fact_applied_twice_is_found() -> None:
    again = msgspec.structs.replace(supply(1), sent_ns=8 * MS, answered_ns=9 * MS)
    assert kinds(supply(1), again) == ["applied_twice"]
    assert kinds(supply(1), msgspec.structs.replace(again, outcome="duplicate")) == []


def test_a_fact_counts_once_however_often_it_was_sent() -> None:
    lost = msgspec.structs.replace(supply(1), answered_ns=None, outcome=None)
    again = msgspec.structs.replace(supply(1), sent_ns=8 * MS, answered_ns=9 * MS, outcome="duplicate")
    assert kinds(lost, again, granted("a", 2, sent=10, answered=11)) == ["oversold"]


def test_a_shelf_that_shows_something_else_than_the_facts_say_is_found() -> None:
    def shelf(quantity: int) -> Level:
        return Level(id="look", sent_ns=20 * MS, answered_ns=21 * MS, stock=(("A", "", quantity),))

    history: list[AnyEntry] = [supply(5), granted("a", 2, sent=2, answered=3), shipped("a", 2, sent=4, answered=5)]
    assert kinds(*history, shelf(3)) == []
    assert kinds(*history, shelf(4)) == ["level"]


def test_places_are_told_apart() -> None:
    def at(place: str, quantity: int) -> Fact:
        return Fact(id=place, sent_ns=0, answered_ns=MS, stock=(("A", place, quantity),), outcome="applied")

    wrong = Granted(reservation="res_a", state="granted", lines=(("1", 2),), sources=(("A", "EAST", 2),))
    asked = msgspec.structs.replace(granted("a", 2, sent=5, answered=6), answer=wrong)
    assert kinds(at("EAST", 1), at("WEST", 1), asked) == ["oversold"]


def test_findings_are_the_same_whatever_order_the_entries_stand_in() -> None:
    history: list[AnyEntry] = [supply(1), granted("a", sent=2, answered=3), granted("b", sent=6, answered=7)]
    assert check(history).findings == check(reversed(history)).findings


def test_a_history_survives_its_file_and_a_line_cut_off_by_a_kill(tmp_path: Path) -> None:
    for name in ("history.jsonl", "history.jsonl.gz"):
        with Recorder(tmp_path / name) as recorder:
            for entry in (supply(1), granted("a", sent=2, answered=3)):
                recorder.write(entry)
        assert check_files(tmp_path / name).ok
    plain = tmp_path / "history.jsonl"
    plain.write_bytes(plain.read_bytes()[:-5])
    assert check_files(plain).requests == 0


Plan = list[tuple[int, int, int]]
"""(start, length of the call, quantity) of each request."""

plans = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 15), st.integers(1, 3)), min_size=1, max_size=12)


def played(plan: Plan, supplied: int) -> list[AnyEntry]:
    """What an honest hub answers when it decides each request at some moment inside its call."""
    history: list[AnyEntry] = [supply(supplied)]
    decided = sorted(enumerate(plan), key=lambda one: one[1][0] + one[1][1] * (one[0] % 3) / 2)
    for number, (start, length, quantity) in decided:
        sent, answered = 10 + start, 10 + start + length
        if quantity <= supplied:
            supplied -= quantity
            history.append(granted(f"r{number}", quantity, sent=sent, answered=answered))
        else:
            history.append(refused(f"r{number}", quantity, sent=sent, answered=answered))
    return history


@given(plan=plans, supplied=st.integers(1, 12))
def test_an_honest_hub_is_never_accused(plan: Plan, supplied: int) -> None:
    report: Report = check(played(plan, supplied))
    assert report.findings == ()


@given(plan=plans, supplied=st.integers(1, 12))
def test_a_hub_that_sells_one_more_than_there_is_is_always_caught(plan: Plan, supplied: int) -> None:
    history = played(plan, supplied)
    sold = check(history).granted_min
    stolen = granted("thief", supplied - sold + 1, sent=5, answered=90)
    assert "oversold" in kinds(*history, stolen)
