"""The registry finds contracts, validates by them, and says in few words what is wrong."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from onhand.contracts import strict_json
from onhand.contracts.envelope import Envelope, event
from onhand.contracts.errors import BrokenContract, UnknownEventType
from onhand.contracts.limits import MESSAGE_LENGTH_MAX, VIOLATIONS_MAX
from onhand.contracts.registry import load, packaged
from onhand.contracts.violations import Violation
from tests.contracts.folders import BOX, registry_of, write_contract


def receipt(**line: Any) -> dict[str, Any]:
    return {"location": "DC", "lines": [{"sku": "A", "quantity": 1, **line}]}


def violations_of(data: Any) -> list[Violation]:
    return packaged().validate("receipt.posted", 1, data)


@pytest.mark.parametrize("quantity", [1, 12, 10**12])
def test_a_quantity_is_a_whole_number_up_to_a_million_million(quantity: int) -> None:
    assert violations_of(receipt(quantity=quantity)) == []


@pytest.mark.parametrize(
    ("quantity", "keyword"),
    [
        (0, "minimum"),
        (-1, "minimum"),
        (10**12 + 1, "maximum"),
        (10**30, "maximum"),
        (Decimal("12.5"), "type"),
        (True, "type"),
        (None, "type"),
        ("12", "type"),
        ([], "type"),
        (float("nan"), "type"),
        (float("inf"), "type"),
    ],
)
def test_a_quantity_is_nothing_else(quantity: object, keyword: str) -> None:
    found = violations_of(receipt(quantity=quantity))
    assert (found[0].pointer, found[0].keyword) == ("/lines/0/quantity", keyword)


def test_twelve_point_nought_is_twelve() -> None:
    data = strict_json.loads(b'{"location":"DC","lines":[{"sku":"A","quantity":12.0}]}')
    assert violations_of(data) == []
    assert data["lines"][0]["quantity"] == 12
    assert type(data["lines"][0]["quantity"]) is int


@pytest.mark.parametrize("sku", ["a", "A", "🍵", "茶-01", "two words", "x" * 200, "a/b~c", "é", "e\u0301"])
def test_a_sku_may_be_any_text(sku: str) -> None:
    assert violations_of(receipt(sku=sku)) == []


@pytest.mark.parametrize(
    "sku", ["", " ", " a", "a ", "a\u00a0", "\u2003a", "a\x00b", "a\tb", "a\n", "\x7f", "a\x85b", "x" * 201]
)
def test_a_sku_has_no_control_characters_no_white_space_at_its_ends_and_at_most_200_characters(sku: str) -> None:
    assert violations_of(receipt(sku=sku))[0].pointer == "/lines/0/sku"


def test_ten_thousand_lines_are_taken_and_one_more_is_not() -> None:
    line = {"sku": "A", "quantity": 1}
    assert violations_of({"location": "DC", "lines": [line] * 10_000}) == []
    assert violations_of({"location": "DC", "lines": [line] * 10_001})[0].keyword == "maxItems"


def test_members_that_the_contract_does_not_name_are_allowed() -> None:
    assert violations_of({**receipt(warmth=20), "dock": {"door": 4}}) == []


@pytest.mark.parametrize("data", [None, 1, "text", [], True, b"bytes", {}])
def test_data_that_are_no_such_object_are_a_violation_and_not_a_failure(data: object) -> None:
    assert violations_of(data)


def test_a_message_never_repeats_what_was_sent_at_length() -> None:
    huge = "x" * 1_000_000
    found = violations_of(
        {"location": huge, "lines": [{"sku": huge, "quantity": huge, "expiry": huge}], "status": huge}
    )
    assert len(found) == 5
    assert all(len(violation.message) <= MESSAGE_LENGTH_MAX for violation in found)
    assert all("xxx" not in violation.message for violation in found)


def test_a_pointer_is_cut_when_the_names_of_the_members_are_huge() -> None:
    found = packaged().validate("item.upserted", 1, {"sku": "A", "attributes": {"n" * 100: []}})
    assert all(len(violation.pointer) <= MESSAGE_LENGTH_MAX for violation in found)
    too_long = packaged().validate("item.upserted", 1, {"sku": "A", "attributes": {"n" * 100_000: "v"}})
    assert (too_long[0].pointer, too_long[0].keyword) == ("/attributes", "propertyNames")


def test_the_first_violations_are_told_not_all_ten_thousand() -> None:
    assert len(violations_of({"location": "DC", "lines": [{}] * 10_000})) == VIOLATIONS_MAX


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"location": "DC"}, "must have the member 'lines'"),
        (receipt(quantity=0), "must be at least 1"),
        (receipt(quantity="1"), "must be integer, is string"),
        (receipt(sku=" A"), "must not begin or end with white space"),
        (receipt(sku="A\tB"), "must not hold control characters"),
        (receipt(expiry="31.3.2027"), "must be a day that exists, YYYY-MM-DD"),
        ({"location": "DC", "lines": []}, "must have at least 1 elements"),
    ],
)
def test_a_message_says_what_to_do(data: object, message: str) -> None:
    assert [violation.message for violation in violations_of(data)] == [message]


def test_an_enumeration_s_message_names_the_values_that_are_allowed() -> None:
    found = packaged().validate("item.status_changed", 1, {"sku": "A", "status": "gone"})
    assert found[0].message == "must be one of active, blocked, discontinued"


def test_an_event_is_checked_by_its_own_type_and_version() -> None:
    good = event(id="1", source="wms", type="receipt.posted", data=receipt())
    assert packaged().check(good) == []
    with pytest.raises(UnknownEventType):
        packaged().check(event(id="1", source="wms", type="receipt.posted", data=receipt(), version=2))
    with pytest.raises(UnknownEventType):
        packaged().check(event(id="1", source="wms", type="receipt.teleported", data=receipt()))


def test_any_data_schema_that_ends_in_type_and_version_names_the_contract() -> None:
    for schema in ("urn:onhand:event/receipt.posted/1", "https://partner.example/schemas/receipt.posted/1"):
        stated = Envelope(id="1", source="wms", type="receipt.posted", dataschema=schema, data=receipt())
        assert packaged().check(stated) == []
    for schema in ("https://partner.example/receipt", "urn:onhand:event/count.posted/1", "/receipt.posted/0", "x/01"):
        stated = Envelope(id="1", source="wms", type="receipt.posted", dataschema=schema, data=receipt())
        with pytest.raises(UnknownEventType):
            packaged().check(stated)


def test_data_whose_content_type_is_not_json_break_every_contract() -> None:
    stated = Envelope(id="1", source="wms", type="receipt.posted", datacontenttype="text/xml", data="<receipt/>")
    assert packaged().check(stated)[0].keyword == "type"
    binary = Envelope(id="1", source="wms", type="receipt.posted", data=b"\x00")
    assert packaged().check(binary)[0].message == "must be JSON, is binary"


def test_another_folder_of_contracts_can_be_used(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, BOX, valid={"one": {"size": 1}})
    assert [(contract.type, contract.version) for contract in registry] == [("box.moved", 1)]
    assert registry.validate("box.moved", 1, {"size": 11})[0].keyword == "maximum"


def test_each_schema_is_read_in_the_draft_that_it_names(tmp_path: Path) -> None:
    # In draft 7 an array of `items` is a tuple; in 2020-12 that is `prefixItems`, and `items` must be one schema.
    pair = {"properties": {"pair": {"items": [{"type": "string"}, {"type": "integer"}]}}}
    registry = registry_of(tmp_path, {"$schema": "http://json-schema.org/draft-07/schema#", **pair})
    assert registry.validate("box.moved", 1, {"pair": ["a", 1]}) == []
    assert registry.validate("box.moved", 1, {"pair": [1, "a"]})


def test_a_reference_is_never_fetched_from_the_network(tmp_path: Path) -> None:
    with pytest.raises(BrokenContract, match=r"127\.0\.0\.1"):
        registry_of(tmp_path, {"$ref": "http://127.0.0.1:9/schema.json"})


def test_a_pattern_that_would_run_for_ever_does_not(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, {"properties": {"label": {"pattern": "^(a+)+$"}}})
    assert registry.validate("box.moved", 1, {"label": "a" * 50_000 + "!"})[0].keyword == "pattern"


def test_an_unknown_format_breaks_the_contract_instead_of_being_ignored(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, {"properties": {"label": {"type": "string", "format": "shoe-size"}}})
    with pytest.raises(BrokenContract, match="shoe-size"):
        registry.validate("box.moved", 1, {"label": "42"})


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("schema.json", "{", "schema.json"),
        ("schema.json", "[]", "schema.json"),
        ("schema.json", json.dumps({"title": "t", "description": "d", "$id": "x"}), r"\$schema"),
        ("contract.toml", "owner = ", "contract.toml"),
        ("contract.toml", 'owner = "me"', "summary"),
        ("examples/invalid/x.json", "{}", "x.json"),
        ("examples/valid/x.json", '{"a":1,"a":2}', "twice"),
    ],
)
def test_a_folder_with_a_broken_file_is_refused_by_the_file_s_name(
    tmp_path: Path, file: str, text: str, says: str
) -> None:
    write_contract(tmp_path, BOX)
    (tmp_path / "box.moved" / "v1" / file).write_text(text)
    with pytest.raises(BrokenContract, match=says):
        load(tmp_path)


def test_a_latency_class_that_is_not_one_of_the_five_is_refused(tmp_path: Path) -> None:
    write_contract(tmp_path, BOX)
    declaration = tmp_path / "box.moved" / "v1" / "contract.toml"
    declaration.write_text(declaration.read_text().replace('"batch"', '"soon"'))
    with pytest.raises(BrokenContract, match="real-time, event-driven"):
        load(tmp_path)


def test_a_version_s_folder_has_a_number(tmp_path: Path) -> None:
    write_contract(tmp_path, BOX)
    (tmp_path / "box.moved" / "v1").rename(tmp_path / "box.moved" / "first")
    with pytest.raises(BrokenContract, match="v1, v2"):
        load(tmp_path)


def test_a_folder_that_is_not_there_or_empty_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BrokenContract):
            load(folder)


def test_a_reference_that_leads_nowhere_or_in_a_circle_is_named_when_schemas_are_written_out(tmp_path: Path) -> None:
    nowhere = registry_of(tmp_path / "a", {"properties": {"x": {"$ref": "#/$defs/missing"}}})
    with pytest.raises(BrokenContract, match="leads nowhere"):
        nowhere.plain_schema(nowhere.get("box.moved", 1))
    circle = {"$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}}}, "$ref": "#/$defs/node"}
    circular = registry_of(tmp_path / "b", circle)
    with pytest.raises(BrokenContract, match="refers to itself"):
        circular.plain_schema(circular.get("box.moved", 1))


def test_a_schema_written_out_accepts_and_refuses_the_same_examples() -> None:
    for contract in packaged():
        plain = jsonschema_rs.validator_for(packaged().plain_schema(contract), validate_formats=True)
        assert all(plain.is_valid(data) for data in contract.valid.values()), contract.type
        assert not any(plain.is_valid(example.data) for example in contract.invalid.values()), contract.type
