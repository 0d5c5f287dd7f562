"""Events go out and come in unchanged in all three modes, and nothing but a typed error comes of bad messages."""

from __future__ import annotations

import base64
import contextlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.contracts.cloudevents import (
    BATCHED,
    STRUCTURED,
    UnsupportedMediaType,
    decode,
    decode_batch,
    decode_binary,
    decode_structured,
    encode_batch,
    encode_binary,
    encode_structured,
    is_json,
)
from onhand.contracts.envelope import Envelope, InvalidAttribute
from onhand.contracts.limits import EVENTS_PER_BATCH_MAX
from onhand.domain.errors import InvalidInput
from tests.contracts.test_strict_json import JSON_VALUES

MEMBERS: dict[str, Any] = {"specversion": "1.0", "id": "e-1", "source": "wms", "type": "receipt.posted"}
TIME = datetime(2026, 3, 1, 9, 30, 0, 250_000, tzinfo=timezone(timedelta(hours=1)))
FULL = Envelope(
    id="Ä 1%",
    source="https://wms.example/north?x=1",
    type="receipt.posted",
    time=TIME,
    subject='say "cheese" 🧀',
    datacontenttype="application/json",
    dataschema="urn:onhand:event/receipt.posted/1",
    data={"lines": [{"sku": "🍵", "quantity": 12}]},
    extensions={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "partitionkey": "A"},
)

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
EXTENSION_NAMES = st.from_regex(r"\Ax[a-z0-9]{1,12}\Z")
ENVELOPES = st.builds(
    Envelope,
    id=TEXTS,
    source=TEXTS,
    type=TEXTS,
    time=st.none() | st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    subject=st.none() | TEXTS,
    dataschema=st.none() | TEXTS,
    datacontenttype=st.none() | st.sampled_from(["application/json", "application/vnd.acme+json"]),
    data=JSON_VALUES,
    extensions=st.dictionaries(EXTENSION_NAMES, TEXTS, max_size=3),
)


def asgi(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]


def binary(body: bytes = b"{}", **more: str) -> Envelope:
    headers = {f"ce-{name}": str(value) for name, value in MEMBERS.items()} | {"content-type": "application/json"}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    return decode_binary([(name.encode(), value.encode("latin-1")) for name, value in headers.items()], body)


def structured(**members: Any) -> Envelope:
    return decode_structured(json.dumps(MEMBERS | members).encode())


@given(ENVELOPES)
def test_structured_and_back_is_the_same_event(envelope: Envelope) -> None:
    assert decode_structured(encode_structured(envelope)) == envelope


@given(st.lists(ENVELOPES, max_size=5))
def test_a_batch_and_back_is_the_same_events_in_the_same_order(envelopes: list[Envelope]) -> None:
    assert decode_batch(encode_batch(envelopes)) == envelopes


@given(ENVELOPES)
def test_binary_and_back_is_the_same_event_with_its_content_type_named(envelope: Envelope) -> None:
    headers, body = encode_binary(envelope)
    back = decode_binary(asgi(headers), body)
    if envelope.data is not None and envelope.datacontenttype is None:
        assert back.datacontenttype == "application/json"
        back = Envelope(**{name: getattr(back, name) for name in back.__struct_fields__} | {"datacontenttype": None})
    assert back == envelope


def test_every_attribute_survives_each_mode() -> None:
    headers, body = encode_binary(FULL)
    assert decode_binary(asgi(headers), body) == FULL
    assert decode_structured(encode_structured(FULL)) == FULL
    assert decode_batch(encode_batch([FULL, FULL])) == [FULL, FULL]


def test_headers_are_printable_ascii_whatever_the_attributes_hold() -> None:
    headers, _ = encode_binary(FULL)
    assert headers["ce-id"] == "%C3%84%201%25"
    assert headers["ce-subject"] == "say%20%22cheese%22%20%F0%9F%A7%80"
    assert all(" " < character < "\x7f" for value in headers.values() for character in value)
    assert "ce-datacontenttype" not in headers


@pytest.mark.parametrize(("value", "header"), [(True, "true"), (False, "false"), (-5, "-5"), ("x", "x")])
def test_numbers_and_booleans_travel_as_texts_in_headers(value: Any, header: str) -> None:
    headers, _ = encode_binary(Envelope(id="1", source="s", type="t", extensions={"ext": value}))
    assert headers["ce-ext"] == header


def test_bytes_travel_as_base64_in_json_and_as_they_are_in_a_body() -> None:
    envelope = Envelope(id="1", source="s", type="t", datacontenttype="image/png", data=b"\x89PNG\x00")
    assert json.loads(encode_structured(envelope))["data_base64"] == base64.b64encode(b"\x89PNG\x00").decode()
    assert decode_structured(encode_structured(envelope)) == envelope
    headers, body = encode_binary(envelope)
    assert body == b"\x89PNG\x00"
    assert decode_binary(asgi(headers), body) == envelope


def test_text_that_is_no_json_goes_into_a_body_without_quotes() -> None:
    envelope = Envelope(id="1", source="s", type="t", datacontenttype="text/xml", data="<a>ü</a>")
    headers, body = encode_binary(envelope)
    assert (headers["content-type"], body) == ("text/xml", "<a>ü</a>".encode())
    assert decode_structured(encode_structured(envelope)) == envelope


def test_base64_of_json_is_read_as_json_when_the_content_type_says_so() -> None:
    encoded = base64.b64encode(b'{"a":1.0}').decode()
    assert structured(data_base64=encoded, datacontenttype="application/json").data == {"a": 1}
    assert structured(data_base64=encoded).data == b'{"a":1.0}'


@pytest.mark.parametrize("value", ["... not base64 ...", "YQ", "YQ==\n", 5, "é"])
def test_what_is_no_base64_is_refused(value: object) -> None:
    with pytest.raises(InvalidAttribute) as caught:
        structured(data_base64=value)
    assert caught.value.facts["pointer"] == "/data_base64"


def test_data_come_in_one_form_only() -> None:
    with pytest.raises(InvalidAttribute):
        structured(data={}, data_base64="YQ==")
    assert structured(data={"a": 1}, data_base64=None).data == {"a": 1}
    assert structured(data=None, data_base64="YQ==").data == b"a"


def test_json_in_base64_and_in_a_body_is_read_as_strictly_as_any() -> None:
    with pytest.raises(InvalidInput) as caught:
        structured(data_base64=base64.b64encode(b'{"a":1,"a":1}').decode(), datacontenttype="text/json")
    assert caught.value.code == "duplicate_key"
    with pytest.raises(InvalidInput) as caught:
        binary(b'{"a":NaN}')
    assert caught.value.code == "malformed_json"


@pytest.mark.parametrize("text", [b"[]", b"1", b'"text"', b"null", b"true"])
def test_a_document_that_is_no_object_is_no_event(text: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_structured(text)
    assert caught.value.code == "not_an_event"


def test_a_bad_event_in_a_batch_takes_none_of_the_others_with_it() -> None:
    good = json.dumps(MEMBERS).encode()
    events = decode_batch(b"[" + good + b',{"id":1},7,{"a":1,"a":2},' + good + b"]")
    assert [type(entry) is Envelope for entry in events] == [True, False, False, False, True]
    codes = [entry.code for entry in events if isinstance(entry, InvalidInput)]
    assert codes == ["invalid_event_attribute", "not_an_event", "duplicate_key"]


def test_an_empty_batch_is_a_batch() -> None:
    assert decode_batch(b"[]") == []


def test_a_batch_that_is_too_large_is_refused_whole() -> None:
    assert len(decode_batch(b"[" + b",".join([b"1"] * EVENTS_PER_BATCH_MAX) + b"]")) == EVENTS_PER_BATCH_MAX
    with pytest.raises(InvalidInput) as caught:
        decode_batch(b"[" + b",".join([b"1"] * (EVENTS_PER_BATCH_MAX + 1)) + b"]")
    assert caught.value.code == "too_many"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("%61%62", "ab"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ('"quoted \\"text\\""', 'quoted "text"'),
        ("  padded ", "padded"),
        ("a b", "a b"),
    ],
)
def test_a_header_is_unquoted_and_percent_decoded(value: str, text: str) -> None:
    assert binary(ce_subject=value).subject == text


@pytest.mark.parametrize("value", ["%", "100%", "%zz", "%4", "%C3", "%ED%A0%80", "%FF", "\xff", "%00", "%0A", ""])
def test_a_header_that_is_no_encoded_text_is_refused(value: str) -> None:
    with pytest.raises(InvalidAttribute) as caught:
        binary(ce_subject=value)
    assert caught.value.facts["pointer"] == "/subject"


def test_headers_are_read_in_any_case_and_others_are_ignored() -> None:
    headers = [(b"CE-Id", b"1"), (b"Ce-Source", b"s"), (b"ce-SPECVERSION", b"1.0"), (b"ce-type", b"t"), (b"Host", b"x")]
    assert decode_binary([*headers, (b"Content-Type", b"Application/JSON")], b"[1.0]").data == [1]


@pytest.mark.parametrize("name", [b"ce-id", b"CE-ID"])
def test_a_header_that_is_there_twice_is_refused(name: bytes) -> None:
    headers = [(b"ce-id", b"1"), (name, b"2"), (b"ce-source", b"s"), (b"ce-specversion", b"1.0"), (b"ce-type", b"t")]
    with pytest.raises(InvalidAttribute):
        decode_binary(headers, b"")


@pytest.mark.parametrize("name", ["ce_datacontenttype", "ce_data", "ce_", "ce_x-y"])
def test_headers_that_cloudevents_does_not_allow_are_refused(name: str) -> None:
    with pytest.raises(InvalidAttribute):
        binary(b"{}", **{name: "x"})


def test_a_body_without_a_content_type_is_bytes_and_no_body_is_no_data() -> None:
    headers = [(f"ce-{name}".encode(), str(value).encode()) for name, value in MEMBERS.items()]
    assert decode_binary(headers, b'{"a":1}').data == b'{"a":1}'
    assert decode_binary([*headers, (b"content-type", b"application/json")], b"").data is None


@pytest.mark.parametrize(
    ("content_type", "body", "count"),
    [
        (STRUCTURED, encode_structured(FULL), 1),
        (STRUCTURED + "; charset=utf-8", encode_structured(FULL), 1),
        ("Application/CloudEvents+JSON;charset=UTF-8", encode_structured(FULL), 1),
        (BATCHED, encode_batch([FULL, FULL]), 2),
        (BATCHED + '; charset="utf-8"', encode_batch([]), 0),
    ],
)
def test_the_content_type_chooses_the_mode(content_type: str, body: bytes, count: int) -> None:
    assert decode([(b"Content-Type", content_type.encode())], body) == [FULL] * count


def test_without_such_a_content_type_the_ce_headers_choose_the_binary_mode() -> None:
    headers, body = encode_binary(FULL)
    assert decode(asgi(headers), body) == [FULL]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"application/json")],
        [(b"content-type", b"text/csv"), (b"x-ce-specversion", b"1.0")],
        [(b"content-type", b"application/cloudevents+avro"), (b"ce-specversion", b"1.0")],
        [(b"content-type", b"application/cloudevents+json; charset=latin-1")],
        [(b"content-type", b"application/cloudevents-batch+json; charset=utf-16")],
        [(b"content-type", b"application/json; charset=utf-16"), (b"ce-specversion", b"1.0")],
        [(b"content-type", b"\xff\xfe" * 500)],
    ],
)
def test_other_content_types_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        decode(headers, b"{}")
    assert len(caught.value.detail) < 500


@pytest.mark.parametrize(
    ("content_type", "answer"),
    [
        ("application/json", True),
        ("text/json; charset=utf-8", True),
        ("application/vnd.acme+JSON", True),
        ("application/jsonp", False),
        ("application/xml", False),
        ("json", False),
        ("", False),
    ],
)
def test_which_content_types_are_json(content_type: str, answer: bool) -> None:
    assert is_json(content_type) is answer


@given(st.binary(max_size=300))
def test_any_bytes_give_events_or_a_typed_error_in_each_mode(body: bytes) -> None:
    for content_type in (STRUCTURED, BATCHED, "application/json"):
        headers = [(b"content-type", content_type.encode()), (b"ce-specversion", b"1.0"), (b"ce-id", body[:20])]
        with contextlib.suppress(InvalidInput):
            decode(headers, body)


@given(ENVELOPES, st.data())
def test_a_message_with_one_byte_changed_gives_an_event_or_a_typed_error(
    envelope: Envelope, data: st.DataObject
) -> None:
    body = bytearray(encode_structured(envelope))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidInput):
        decode_structured(bytes(body))


@given(st.lists(st.tuples(st.binary(max_size=12).map(lambda name: b"ce-" + name), st.binary(max_size=20)), max_size=8))
def test_any_headers_give_an_event_or_a_typed_error(headers: list[tuple[bytes, bytes]]) -> None:
    whole = [(f"ce-{name}".encode(), str(value).encode()) for name, value in MEMBERS.items()]
    with contextlib.suppress(InvalidInput):
        decode_binary(whole + headers, b"")
