"""What a request may say, which verbs a state allows, and when two requests are the same."""

from __future__ import annotations

import datetime
from itertools import product
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.domain.reservation import (
    FINAL,
    LEGAL,
    LIVE,
    InvalidRequest,
    Line,
    Request,
    ReservationState,
    State,
    Verb,
    check_request,
    check_verb,
    fingerprint,
    outcome,
    state_at,
)

NOW = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
MOMENT = datetime.timedelta(microseconds=1)
BODY = b'{"request_id":"r1","channel":"web","lines":[{"line_id":"1","sku":"A","quantity":2}]}'


def decode(body: bytes) -> Request:
    return msgspec.json.decode(body, type=Request)


def request(**fields: object) -> Request:
    base: dict[str, object] = {"request_id": "r1", "channel": "web", "lines": (Line(line_id="1", sku="A", quantity=2),)}
    return Request(**{**base, **fields})  # type: ignore[arg-type]


def test_every_state_is_either_live_or_final() -> None:
    assert frozenset(get_args(State)) == LIVE | FINAL
    assert not LIVE & FINAL


@pytest.mark.parametrize(("state", "verb"), list(product(get_args(State), get_args(Verb))))
def test_the_table_of_states_and_verbs(state: State, verb: Verb) -> None:
    allowed = state in LIVE and verb != "create" and (state, verb) != ("backordered", "fulfil")
    if allowed:
        assert check_verb(state, verb)
    else:
        with pytest.raises(ReservationState):
            check_verb(state, verb)


@pytest.mark.parametrize("state", sorted(LIVE))
def test_extending_and_transferring_leave_the_state_as_it_is(state: State) -> None:
    assert check_verb(state, "extend") == check_verb(state, "transfer") == {state}


def test_creating_never_ends_in_a_state_that_only_time_or_a_later_verb_brings() -> None:
    assert check_verb(None, "create") == {"granted", "partly_granted", "backordered", "refused"}


def test_nothing_but_creation_is_possible_without_a_reservation() -> None:
    assert [verb for state, verb in LEGAL if state is None] == ["create"]


def test_no_verb_leads_out_of_a_final_state() -> None:
    assert not [pair for pair in LEGAL if pair[0] in FINAL]


def test_the_error_names_the_state() -> None:
    with pytest.raises(ReservationState, match="released") as caught:
        check_verb("released", "extend")
    assert caught.value.facts == {"state": "released"}


def test_a_deadline_is_honoured_to_the_instant() -> None:
    assert state_at("granted", expires_at=NOW, now=NOW - MOMENT) == "granted"
    assert state_at("granted", expires_at=NOW, now=NOW) == "expired"


def test_a_deadline_means_the_same_instant_in_every_zone() -> None:
    tokyo = NOW.astimezone(datetime.timezone(datetime.timedelta(hours=9)))
    assert state_at("granted", expires_at=tokyo, now=NOW) == "expired"


def test_without_a_deadline_a_reservation_does_not_expire() -> None:
    assert state_at("granted", expires_at=None, now=NOW) == "granted"


@pytest.mark.parametrize("state", sorted(FINAL))
def test_what_is_over_does_not_expire_any_more(state: State) -> None:
    assert state_at(state, expires_at=NOW, now=NOW + MOMENT) == state


@pytest.mark.parametrize(
    ("granted", "backordered", "state"),
    [(5, 0, "granted"), (3, 2, "partly_granted"), (3, 0, "partly_granted"), (0, 5, "backordered"), (0, 0, "refused")],
)
def test_the_state_follows_from_what_was_granted_and_what_waits(granted: int, backordered: int, state: State) -> None:
    assert outcome(requested=5, granted=granted, backordered=backordered) == state


@pytest.mark.parametrize(
    "same",
    [
        b'{"channel":"web", "lines":[{"quantity":2,"sku":"A","line_id":"1"}], "request_id":"r1"}',
        b'{"request_id":"r1","channel":"web","mode":"all","commitment":"cart","lines":[{"line_id":"1","sku":"A","quantity":2,"uom":null}]}',
    ],
)
def test_order_of_members_and_written_out_defaults_do_not_make_another_request(same: bytes) -> None:
    assert fingerprint(decode(same)) == fingerprint(decode(BODY))


def test_the_zone_in_which_a_deadline_is_written_does_not_make_another_request() -> None:
    tokyo = NOW.astimezone(datetime.timezone(datetime.timedelta(hours=9)))
    assert fingerprint(request(expires_at=NOW)) == fingerprint(request(expires_at=tokyo))


@pytest.mark.parametrize(
    "other",
    [
        {"channel": "shop"},
        {"mode": "partial"},
        {"commitment": "order"},
        {"expires_in_s": 60},
        {"expires_at": NOW},
        {"ship_date": NOW.date()},
        {"ship_complete": True},
        {"min_remaining_life_days": 1},
        {"lines": (Line(line_id="1", sku="a", quantity=2),)},
        {"lines": (Line(line_id="1", sku="A", quantity=3),)},
        {"lines": (Line(line_id="2", sku="A", quantity=2),)},
        {"lines": (Line(line_id="1", sku="A", quantity=2, location="EAST"),)},
        {"lines": (Line(line_id="1", sku="A", quantity=2, group="EAST"),)},
    ],
)
def test_any_other_meaning_is_another_request(other: dict[str, object]) -> None:
    assert fingerprint(request(**other)) != fingerprint(request())


def test_deadlines_a_microsecond_apart_differ() -> None:
    assert fingerprint(request(expires_at=NOW)) != fingerprint(request(expires_at=NOW + MOMENT))


@pytest.mark.parametrize("edge", [datetime.date.min, datetime.date.max])
@pytest.mark.parametrize("hours", [-14, 14])
def test_a_deadline_at_the_edge_of_the_calendar_has_a_fingerprint(edge: datetime.date, hours: int) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=hours))
    assert len(fingerprint(request(expires_at=datetime.datetime(edge.year, edge.month, edge.day, tzinfo=zone)))) == 16


@pytest.mark.parametrize(
    "fields",
    [
        {"expires_at": NOW, "expires_in_s": 5},
        {"lines": (Line(line_id="1", sku="A", quantity=1), Line(line_id="1", sku="B", quantity=1))},
        {"lines": (Line(line_id="1", sku="A", quantity=1, location="EAST", group="NORTH"),)},
    ],
)
def test_a_request_that_contradicts_itself_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        check_request(request(**fields))


@pytest.mark.parametrize(
    "line",
    [
        '{"line_id":"1","sku":"A","quantity":0}',
        '{"line_id":"1","sku":"A","quantity":-1}',
        '{"line_id":"1","sku":"A","quantity":1.5}',
        '{"line_id":"1","sku":"A","quantity":"2"}',
        '{"line_id":"1","sku":"A","quantity":1000000000000000000000000000000}',
        '{"line_id":"1","sku":"","quantity":1}',
        '{"line_id":"1","sku":"A\\u0000","quantity":1}',
        '{"line_id":"1","sku":"A","quantity":1,"quantty":2}',
        '{"line_id":"1","quantity":1}',
    ],
)
def test_a_line_that_is_not_of_the_form_is_refused_when_it_is_read(line: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(f'{{"request_id":"r1","channel":"web","lines":[{line}]}}'.encode())


@pytest.mark.parametrize(
    "member",
    ['"lines":[]', '"expires_in_s":0', '"expires_at":"2026-11-23T12:00:00"', '"mode":"some"', '"request_id":""'],
)
def test_a_request_that_is_not_of_the_form_is_refused_when_it_is_read(member: str) -> None:
    body = BODY.decode()[:-1] + f",{member}}}"
    with pytest.raises(msgspec.ValidationError):
        decode(body.encode())


def test_an_emoji_is_a_sku_like_any_other() -> None:
    assert decode(BODY.replace(b'"A"', '"📦"'.encode())).lines[0].sku == "📦"


@given(st.lists(st.tuples(st.text("ABC", min_size=1), st.integers(1, 99)), min_size=1, max_size=4))
def test_a_request_that_was_written_and_read_again_is_the_same_request(found: list[tuple[str, int]]) -> None:
    lines = tuple(Line(line_id=str(n), sku=sku, quantity=quantity) for n, (sku, quantity) in enumerate(found))
    original = request(lines=lines)
    assert fingerprint(decode(msgspec.json.encode(original))) == fingerprint(original)
