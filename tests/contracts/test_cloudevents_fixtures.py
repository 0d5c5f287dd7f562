"""The examples of the CloudEvents specification and its conformance features are read as the specification says."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from pathlib import Path

import jsonschema_rs
import pytest
from _pytest.mark import ParameterSet

from onhand.contracts.cloudevents import decode, decode_batch, decode_binary, decode_structured, encode_structured
from onhand.contracts.envelope import Envelope, InvalidAttribute
from onhand.contracts.registry import packaged
from onhand.domain.errors import InvalidInput

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures" / "cloudevents"
EXAMPLES = FIXTURES / "cloudevents+spec" / "examples-from-spec"
OFFICIAL_SCHEMA = FIXTURES / "cloudevents+spec" / "cloudevents" / "formats" / "cloudevents.json"
FEATURE = FIXTURES / "cloudevents+conformance" / "features" / "http-protocol-binding.feature"

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"the CloudEvents fixtures are not at {FIXTURES}")


def text_of(name: str) -> bytes:
    return (EXAMPLES / name).read_bytes()


def message(text: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body of an HTTP message, or of headers alone, as the examples print them."""
    head, _, body = text.partition("\n\n")
    pairs = [line.split(":", 1) for line in head.splitlines() if re.match(r"[\w-]+:", line)]
    return [(name.strip().encode(), value.strip().encode()) for name, value in pairs], body.strip().encode()


def as_bytes(data: object) -> bytes:
    """Data as a body would carry them."""
    return data if isinstance(data, bytes) else str(data).encode()


@pytest.mark.parametrize("name", ["json-format_02", "json-format_04", "json-format_06", "json-format_08", "spec_00"])
def test_a_structured_example_is_read(name: str) -> None:
    envelope = decode_structured(text_of(f"{name}.json"))
    expected = json.loads(text_of(f"{name}.json"))
    assert (envelope.id, envelope.source, envelope.type) == (expected["id"], expected["source"], expected["type"])
    assert envelope.data == expected["data"]
    assert envelope.subject == expected.get("subject")
    assert envelope.extensions["comexampleothervalue"] == 5
    assert "unsetextension" not in envelope.extensions


@pytest.mark.parametrize(
    ("json_name", "http_name"), [("02", "03"), ("04", "05"), ("06", "07"), ("08", "09"), ("10", "11")]
)
def test_the_binary_form_of_an_example_is_the_same_event_as_its_structured_form(json_name: str, http_name: str) -> None:
    one = decode_structured(text_of(f"json-format_{json_name}.json"))
    other = decode_binary(*message(text_of(f"json-format_{http_name}.txt").decode()))
    for name in ("id", "source", "type", "time"):
        if getattr(one, name) is not None:
            assert getattr(one, name) == getattr(other, name)
    if isinstance(other.data, bytes):
        assert as_bytes(one.data) == other.data
    else:
        assert one.data == other.data


def test_base64_of_an_example_is_decoded() -> None:
    assert decode_structured(text_of("json-format_10.json")).data == base64.b64decode("eyAieHl6IjogMTIzIH0=")


def test_a_placeholder_in_the_place_of_base64_is_refused() -> None:
    with pytest.raises(InvalidAttribute) as caught:
        decode_structured(text_of("json-format_00.json"))
    assert caught.value.facts["pointer"] == "/data_base64"


def test_in_the_example_of_a_batch_only_the_event_with_the_placeholder_is_refused() -> None:
    first, second = decode_batch(text_of("json-format_12.json"))
    assert isinstance(first, InvalidInput)
    assert isinstance(second, Envelope)
    assert second.data == {"appinfoA": "abc", "appinfoB": 123, "appinfoC": True}


@pytest.mark.parametrize("name", ["http-protocol-binding_03", "http-protocol-binding_06"])
def test_examples_with_ellipses_are_malformed_json_and_nothing_worse(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode(*message(text_of(f"{name}.txt").decode().strip()))
    assert caught.value.code == "malformed_json"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.*")), ids=lambda path: path.name)
def test_every_example_gives_events_or_a_typed_error(path: Path) -> None:
    text = path.read_text()
    for read in (lambda: decode_structured(text.encode()), lambda: decode(*message(text))):
        with contextlib.suppress(InvalidInput):
            assert read()


def scenarios() -> list[ParameterSet]:
    """Each scenario outline of the conformance feature, once for each content type of its examples."""
    if not FEATURE.is_file():
        return []
    found = []
    for block in FEATURE.read_text().split("Scenario Outline: ")[1:]:
        request = re.search(r'"""\n(.*?)\n\s*"""', block, re.DOTALL)
        rows = re.findall(r"^\s*\|\s*([^|\n]*?)\s*\|\s*$", block, re.MULTILINE)
        attributes = dict(re.findall(r"^\s*\|\s*(\w+)\s*\|\s*(.*?)\s*\|\s*$", block, re.MULTILINE))
        assert request is not None
        for content_type in rows[1:]:
            text = re.sub(r"^ {8}", "", request[1], flags=re.MULTILINE).replace("<contentType>", content_type)
            expected = {name: value.replace("<contentType>", content_type) for name, value in attributes.items()}
            found.append(pytest.param(text, expected, id=f"{block.split(' (')[0]}-{content_type}"))
    return found


@pytest.mark.parametrize(("request_text", "expected"), scenarios())
def test_the_conformance_scenarios_of_the_http_binding(request_text: str, expected: dict[str, str]) -> None:
    (envelope,) = decode(*message(request_text))
    assert isinstance(envelope, Envelope)
    for name in ("id", "specversion", "type", "source", "datacontenttype"):
        assert getattr(envelope, name) == expected[name]
    assert envelope.time is not None
    assert envelope.time.isoformat().replace("+00:00", "Z") == expected["time"]
    assert envelope.data == {"message": "Hello World!"}


def test_what_onhand_sends_keeps_the_official_schema_of_cloudevents() -> None:
    official = jsonschema_rs.validator_for(json.loads(OFFICIAL_SCHEMA.read_bytes()), validate_formats=True)
    for contract in packaged():
        for data in contract.valid.values():
            sent = Envelope(id="1", source="/onhand", type=contract.type, dataschema=contract.schema["$id"], data=data)
            assert official.is_valid(json.loads(encode_structured(sent))), contract.type
