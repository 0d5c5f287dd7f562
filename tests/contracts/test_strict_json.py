"""JSON is read strictly: nothing that two readers could understand differently gets through."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onhand.contracts import strict_json
from onhand.contracts.limits import JSON_DEPTH_MAX
from onhand.domain.errors import InvalidInput

BOUND = 10**18
JSON_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-BOUND + 1, BOUND - 1)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
)
JSON_NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
JSON_VALUES = st.recursive(
    JSON_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(JSON_NAMES, inner), max_leaves=25
)


def refusal(text: bytes) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        strict_json.loads(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"12.0", 12),
        (b"1.2e1", 12),
        (b"-0.0", 0),
        (b"0e5", 0),
        (b"12.50", Decimal("12.5")),
        (b"1e-18", Decimal("1e-18")),
        (b"999999999999999999", BOUND - 1),
        (b"-999999999999999999", -BOUND + 1),
        (b"123456789012345678.123456789012345678", Decimal("123456789012345678.123456789012345678")),
    ],
)
def test_numbers_come_out_exact_in_their_one_form(text: bytes, value: object) -> None:
    read = strict_json.loads(text)
    assert read == value
    assert type(read) is type(value)
    assert strict_json.canonical(read) == strict_json.canonical(value)


@pytest.mark.parametrize(
    "text",
    [
        b"1000000000000000000",
        b"-1000000000000000000",
        b"1" + b"0" * 30,
        b"1" + b"0" * 5000,
        b"1e18",
        b"1e400",
        b"1e999999999",
        b"1e-999999999",
        b"1e99999999999999999999999999",
        b"1e-19",
        b"1.0000000000000000000000000000000000001",
        b"0." + b"0" * 5000 + b"1",
    ],
)
def test_a_number_that_cannot_be_kept_exactly_is_refused(text: bytes) -> None:
    assert refusal(b'{"quantity":' + text + b"}").code == "number_out_of_range"


def test_the_place_of_a_number_with_too_many_digits_is_told() -> None:
    assert refusal(b'{"a":[1,{"b/c":12345678901234567890}]}').facts["pointer"] == "/a/1/b~1c"


def test_long_digits_in_a_text_are_no_number() -> None:
    assert strict_json.loads(b'{"sscc":"003404341610940425570000000000"}')["sscc"].startswith("00340")


@pytest.mark.parametrize(
    "text", [b"NaN", b"Infinity", b"-Infinity", b"nan", b"01", b"+1", b"1.", b".5", b"0x1", b"1_000"]
)
def test_what_is_no_json_number_is_malformed(text: bytes) -> None:
    assert refusal(b'{"quantity":' + text + b"}").code == "malformed_json"


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        (b"", 0),
        (b"   ", 3),
        (b'{"a":1,}', 7),
        (b"{'a':1}", 1),
        (b'{"a":1} x', 9),
        (b'{"a":tru}', 9),
        (b'["a"', 4),
        (b"// note\n1", 0),
        (b'"\\ud83d\\u0041"', 13),
        (b'"tab\there"', 4),
        (b'"nul\x00"', 4),
    ],
)
def test_malformed_json_is_told_with_the_byte_where_reading_stopped(text: bytes, offset: int) -> None:
    failure = refusal(text)
    assert (failure.code, failure.facts["offset"]) == ("malformed_json", offset)


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\\udc00"', b'"\\ud83dx"', b'{"\\ud800":1}'])
def test_half_of_a_surrogate_pair_is_no_text(text: bytes) -> None:
    assert refusal(text).code == "malformed_json"


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        (b'"\xff"', 1),
        (b'{"a":"\xc3\x28"}', 6),
        ("é".encode("latin-1"), 0),
        (b'{"\xed\xa0\x80":1}', 2),
        (b'["\xf0\x9f"]', 2),
    ],
)
def test_text_that_is_not_utf8_is_told_with_its_first_wrong_byte(text: bytes, offset: int) -> None:
    failure = refusal(text)
    assert (failure.code, failure.facts["offset"]) == ("invalid_utf8", offset)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_other_encodings_and_byte_order_marks_are_refused(encoding: str) -> None:
    assert refusal('{"a":1}'.encode(encoding)).code in {"invalid_utf8", "malformed_json"}


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        (b'{"a":1,"a":1}', "/a"),
        (b'{"a":1,"b":{"x":1,"y":2,"x":3}}', "/b/x"),
        (b'[0,{"k":[{"z":1,"z":2}]}]', "/1/k/0/z"),
        (b'{"a":1,"\\u0061":2}', "/a"),
        (b'{"a:b":1,"a:b":2}', "/a:b"),
        (b'{"a\\u003ab":1,"a:b":2}', "/a:b"),
        (b'{"x":"\\u003A","a":1,"a":2}', "/a"),
        (b'{"a": {"b": 1}, "a": {"c": ":"}}', "/a"),
        (b'{"":1,"":2}', "/"),
    ],
)
def test_a_member_that_is_named_twice_is_refused_with_its_place(text: bytes, pointer: str) -> None:
    failure = refusal(text)
    assert (failure.code, failure.facts["pointer"]) == ("duplicate_key", pointer)


@pytest.mark.parametrize(
    "text", [b'{"a":":","b":"::"}', b'{"a":"\\u003a"}', b'{"a":{"a":{"a":1}}}', b'[{"a":1},{"a":1}]']
)
def test_colons_in_texts_and_equal_names_in_different_objects_are_no_duplicates(text: bytes) -> None:
    assert strict_json.loads(text) == json.loads(text)


def test_a_duplicate_among_very_many_members_is_found_without_comparing_each_with_each() -> None:
    text = "{" + ",".join(f'"m{n}":1' for n in range(200_000)) + ',"m199999":1}'
    assert refusal(text.encode()).facts["pointer"] == "/m199999"


def test_a_nul_character_is_refused_with_its_place() -> None:
    assert refusal(b'{"a":["x","y\\u0000"]}').facts["pointer"] == "/a/1"
    assert refusal(b'{"n\\u0000":1}').code == "forbidden_character"
    assert strict_json.loads(b'"\\\\u0000"') == "\\u0000"


def test_nesting_is_taken_to_the_limit_and_not_beyond() -> None:
    assert strict_json.loads(b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX)
    assert strict_json.loads(b'{"a":' * JSON_DEPTH_MAX + b"1" + b"}" * JSON_DEPTH_MAX)
    assert refusal(b"[" * (JSON_DEPTH_MAX + 1) + b"]" * (JSON_DEPTH_MAX + 1)).code == "too_deep"
    assert refusal(b"[" * 1_000_000).code == "too_deep"
    assert refusal(b'{"a":' * 500 + b"1" + b"}" * 500).code == "too_deep"


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert len(strict_json.loads(b"[" + b",".join([b"[{}]"] * 1000) + b"]")) == 1000
    assert strict_json.loads(b'["' + b"[" * 1000 + b'"]') == ["[" * 1000]


def test_elements_are_read_one_by_one_and_a_bad_one_takes_none_of_the_others_with_it() -> None:
    text = b'[{"a":1}, {"a":1,"a":2}, 1e99, "\\u0000", "\xff", [12345678901234567890], {"ok":true}]'
    elements = list(strict_json.load_elements(text, elements_max=10))
    codes = [element.code if isinstance(element, InvalidInput) else "fine" for element in elements]
    refused = ["duplicate_key", "number_out_of_range", "forbidden_character", "invalid_utf8", "number_out_of_range"]
    assert codes == ["fine", *refused, "fine"]


@pytest.mark.parametrize("text", [b"{}", b"1", b"", b"[1,]", b"[1", b"[" * 100_000, b"null", b"[1] [2]"])
def test_an_array_that_cannot_be_taken_apart_is_refused_as_a_whole(text: bytes) -> None:
    with pytest.raises(InvalidInput):
        strict_json.load_elements(text, elements_max=10)


def test_an_array_with_too_many_elements_is_refused_before_they_are_read() -> None:
    with pytest.raises(strict_json.TooMany):
        strict_json.load_elements(b"[1,1,1]", elements_max=2)


def test_an_error_shows_only_the_beginning_of_a_huge_number() -> None:
    assert len(str(refusal(b"[1." + b"9" * 100_000 + b"]"))) < 400


@given(JSON_VALUES)
def test_what_is_written_is_read_back_the_same(value: Any) -> None:
    assert strict_json.loads(strict_json.dumps(value)) == value
    assert strict_json.loads(json.dumps(value).encode()) == value
    assert strict_json.loads(json.dumps(value, ensure_ascii=False, indent=3).encode()) == value


@given(JSON_VALUES)
def test_the_canonical_form_does_not_depend_on_the_order_of_members_or_on_white_space(value: Any) -> None:
    def turned(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: turned(node[name]) for name in reversed(node)}
        return [turned(element) for element in node] if isinstance(node, list) else node

    other = json.dumps(turned(value), indent=2).encode()
    assert strict_json.canonical(strict_json.loads(other)) == strict_json.canonical(value)


@given(st.binary(max_size=200))
@example(b'{"a":1e5,"a":\x00}')
def test_any_bytes_are_read_or_refused_with_a_typed_error(text: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        strict_json.loads(text)


def countable(value: Any) -> bool:
    """Whether every number in it has at most 18 digits before and behind the point: so far Onhand counts."""
    if isinstance(value, dict):
        return all(countable(part) for part in value.values())
    if isinstance(value, list):
        return all(countable(part) for part in value)
    if not isinstance(value, int | Decimal) or not value:
        return True
    return -18 <= Decimal(value).adjusted() < 18


@given(
    st.lists(
        st.sampled_from(['{"', '":', '"', ",", "[", "]", "{", "}", "1e9", "\\u00", "3a", "00", "a", ":", " ", "0"])
    )
)
def test_pieces_of_json_agree_with_a_slow_reader(pieces: list[str]) -> None:
    """The oracle is Python's own reader with a check of its own for equal names: same value, or both refuse."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    text = "".join(pieces)
    try:
        expected = json.loads(text, object_pairs_hook=unique, parse_float=Decimal)
        fine = "\x00" not in json.dumps(expected, ensure_ascii=False, default=str).replace("\\u0000", "\x00")
    except ValueError:
        fine = False
    try:
        read = strict_json.loads(text.encode())
    except InvalidInput:
        assert not fine or len(text) > 18 or not countable(expected)
    else:
        assert fine
        assert read == expected


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "a:", ":", "\\u003a", "\\u0061"]),
            st.sampled_from(["1", '":"', "{}", '"\\u003a"']),
        )
    ),
)
def test_duplicates_are_found_exactly_when_there_are_some(pairs: list[tuple[str, str]]) -> None:
    text = "{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}"
    names = [json.loads(f'"{name}"') for name, _ in pairs]
    if len(set(names)) == len(names):
        assert list(strict_json.loads(text.encode())) == names
    else:
        assert refusal(text.encode()).code == "duplicate_key"


def test_a_pointer_escapes_what_rfc_6901_escapes() -> None:
    assert strict_json.pointer(["a/b", 0, "m~n", ""]) == "/a~1b/0/m~0n/"
    assert strict_json.pointer([]) == ""
