"""The envelope is checked attribute by attribute; its fingerprint tells whether two bodies state the same."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.contracts import strict_json
from onhand.contracts.cloudevents import decode_structured
from onhand.contracts.envelope import Envelope, InvalidAttribute, dataschema, event, fingerprint, from_members
from onhand.contracts.instants import InvalidInstant
from onhand.domain.errors import InvalidInput
from tests.contracts.test_strict_json import JSON_VALUES

MEMBERS: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "wms",
    "type": "receipt.posted",
    "data": {"a": 1},
}


def refusal(**members: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        from_members(MEMBERS | members)
    return caught.value


def printed(members: dict[str, Any]) -> bytes:
    return fingerprint(decode_structured(json.dumps(members).encode()))


def test_the_four_attributes_that_must_be_there_are_enough() -> None:
    envelope = from_members({name: value for name, value in MEMBERS.items() if name != "data"})
    assert envelope == Envelope(id="e-1", source="wms", type="receipt.posted")
    assert envelope.version == 1


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
@pytest.mark.parametrize("value", [None, "", 1, True, [], {}])
def test_an_attribute_that_must_be_there_is_a_text_that_is_not_empty(name: str, value: object) -> None:
    failure = refusal(**{name: value})
    assert (failure.code, failure.facts["pointer"]) == ("invalid_event_attribute", f"/{name}")


@pytest.mark.parametrize("version", ["0.3", "1", "1.0.2", "2.0", 1.0])
def test_other_versions_of_cloudevents_are_refused(version: object) -> None:
    assert refusal(specversion=version).facts["pointer"] == "/specversion"


@pytest.mark.parametrize(("name", "length"), [("id", 200), ("source", 500), ("type", 200), ("subject", 2000)])
def test_attributes_are_taken_to_their_length_and_not_beyond(name: str, length: int) -> None:
    assert getattr(from_members(MEMBERS | {name: "é" * length}), name) == "é" * length
    assert refusal(**{name: "é" * (length + 1)}).facts["pointer"] == f"/{name}"


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "dataschema", "datacontenttype", "traceparent"])
@pytest.mark.parametrize("character", ["\x00", "\n", "\x1f", "\x7f", "\x85", "\ud800"])
def test_no_attribute_holds_a_control_character(name: str, character: str) -> None:
    assert refusal(**{name: f"a{character}b"}).facts["pointer"] == f"/{name}"


@pytest.mark.parametrize("text", ["🍵", "a b", "urn:x:y", "../relative", "Ä\u00a0Ö", "\u200f", "\U000e0041"])
def test_every_other_character_is_fine(text: str) -> None:
    assert from_members(MEMBERS | {"id": text, "source": text}).id == text


@pytest.mark.parametrize("name", ["time", "subject", "datacontenttype", "dataschema", "data", "traceparent"])
def test_an_attribute_that_is_null_is_absent(name: str) -> None:
    assert from_members(MEMBERS | {name: None}) == from_members({k: v for k, v in MEMBERS.items() if k != name})


def test_the_time_is_zoned_and_its_error_points_to_it() -> None:
    assert from_members(MEMBERS | {"time": "2026-03-01T09:30:00Z"}).time == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    failure = refusal(time="2026-03-01T09:30:00")
    assert isinstance(failure, InvalidInstant)
    assert failure.facts["pointer"] == "/time"
    assert refusal(time=1772357400).facts["pointer"] == "/time"


@pytest.mark.parametrize("value", ["text", "", True, False, 0, 2**31 - 1, -(2**31)])
def test_an_extension_is_a_text_a_boolean_or_a_32_bit_number(value: object) -> None:
    assert from_members(MEMBERS | {"ext1": value}).extensions == {"ext1": value}


@pytest.mark.parametrize("value", [1.5, 2**31, -(2**31) - 1, [], {}, "x" * 2001])
def test_an_extension_is_nothing_else(value: object) -> None:
    assert refusal(ext1=value).facts["pointer"] == "/ext1"


@pytest.mark.parametrize("name", ["Ext", "trace-parent", "x_y", "", "é", "a" * 51, "Id", "a b", "ext1\n"])
def test_an_attribute_s_name_is_small_latin_letters_and_digits(name: str) -> None:
    assert isinstance(refusal(**{name: "x"}), InvalidAttribute)


def test_extensions_are_not_without_number() -> None:
    assert len(from_members(MEMBERS | {f"e{n}": n for n in range(32)}).extensions) == 32
    assert isinstance(refusal(**{f"e{n}": n for n in range(33)}), InvalidAttribute)


def test_an_envelope_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        from_members(MEMBERS).id = "other"  # type: ignore[misc]


def test_an_event_of_ours_is_checked_and_its_data_take_the_form_of_data_that_came_in() -> None:
    made = event(id="1", source="onhand", type="reservation.created", data={"n": 12.0, "t": (1, 2)}, version=2)
    assert made.data == {"n": 12, "t": [1, 2]}
    assert type(made.data["n"]) is int
    assert made.dataschema == dataschema("reservation.created", 2)
    assert made.version == 2
    with pytest.raises(InvalidAttribute):
        event(id="", source="onhand", type="reservation.created", data={})
    with pytest.raises(InvalidInstant):
        event(id="1", source="onhand", type="x.y", data={}, time=datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_fingerprint_has_16_bytes_and_stays_the_same_from_release_to_release() -> None:
    # It is stored with each event: another value here means that every stored one would have to be computed again.
    assert printed(MEMBERS | {"time": "2026-03-01T09:30:00Z"}).hex() == "c66f9015486daa2782b35ced78120941"


@pytest.mark.parametrize(
    "text",
    [
        '{"data":{"b":[1,{"d":4,"c":3}],"a":1.0},"type":"t.x","source":"s","id":"1","specversion":"1.0"}',
        '{"specversion":"1.0","id":"1","source":"s","type":"t.x","data":{ "a" : 1e0, "b":[1.00,{"c":3,"d":4}]}}',
        '{"specversion":"1.0","id":"1","source":"s","type":"t.x","subject":null,"data":{"\\u0061":1,"b":[1,{"c":3,"d":4}]}}',
        '{"specversion":"1.0","id":"1","source":"s","type":"t.x","dataschema":"urn:y/t.x/1","data":{"a":1,"b":[1,{"c":3,"d":4}]}}',
        '{"specversion":"1.0","id":"1","source":"s","type":"t.x","traceparent":"00-1","data":{"a":1,"b":[1,{"c":3,"d":4}]}}',
    ],
)
def test_spelling_and_trace_ids_make_no_difference_to_the_fingerprint(text: str) -> None:
    plain = '{"specversion":"1.0","id":"1","source":"s","type":"t.x","data":{"a":1,"b":[1,{"c":3,"d":4}]}}'
    assert fingerprint(decode_structured(text.encode())) == fingerprint(decode_structured(plain.encode()))


def test_the_same_instant_in_another_zone_is_the_same_fact() -> None:
    first = printed(MEMBERS | {"time": "2026-03-01T09:30:00Z"})
    assert first == printed(MEMBERS | {"time": "2026-03-01T10:30:00.000+01:00"})
    assert first != printed(MEMBERS | {"time": "2026-03-01T09:30:00.001Z"})
    assert first != printed(MEMBERS)


@pytest.mark.parametrize(
    "other",
    [
        {"data": {"a": 2}},
        {"data": {"a": "1"}},
        {"data": {"a": True}},
        {"data": {"a": 1.5}},
        {"data": {"a": [1]}},
        {"data": {"a": 1, "b": None}},
        {"data": {"A": 1}},
        {"data": [{"a": 1}]},
        {"data": '{"a":1}'},
        {"data": None},
        {"type": "receipt.reposted"},
        {"subject": "x"},
        {"dataschema": "urn:onhand:event/receipt.posted/2"},
        {"time": "2026-03-01T09:30:00Z"},
    ],
)
def test_another_statement_has_another_fingerprint(other: dict[str, Any]) -> None:
    assert printed(MEMBERS) != printed(MEMBERS | other)


def test_the_order_of_a_list_is_part_of_the_statement() -> None:
    assert printed(MEMBERS | {"data": {"a": [1, 2]}}) != printed(MEMBERS | {"data": {"a": [2, 1]}})


@given(JSON_VALUES, JSON_VALUES)
def test_fingerprints_are_equal_exactly_when_the_data_are(one: Any, other: Any) -> None:
    def read(value: Any) -> Any:
        return strict_json.loads(strict_json.dumps(value))

    prints = [fingerprint(msgspec.structs.replace(from_members(MEMBERS), data=read(value))) for value in (one, other)]
    # Python holds True for 1; JSON does not, so the texts are compared.
    assert (prints[0] == prints[1]) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


@given(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=4))
def test_any_members_give_an_envelope_or_a_typed_error(members: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidInput):
        from_members(MEMBERS | members)
