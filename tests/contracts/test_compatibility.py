"""Each way of breaking a promise is found and named, and additions raise no alarm."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from onhand.contracts.compatibility import BreakingChange, breaking_changes
from onhand.contracts.registry import load, packaged
from tests.contracts.folders import BOX, registry_of, write_contract

SENDERS, READERS, BOTH = ("senders",), ("readers",), ("senders", "readers")
ABSENT = object()


def changed(path: str, value: object) -> dict[str, Any]:
    """The box contract with the value at a path of the schema set, or taken away."""
    schema = copy.deepcopy(BOX)
    *way, last = path.split("/")
    node = schema
    for step in way:
        node = node[step]
    if value is ABSENT:
        del node[last]
    else:
        node[last] = value
    return schema


def compared(folder: Path, old: dict[str, Any], new: dict[str, Any]) -> list[BreakingChange]:
    return breaking_changes(registry_of(folder / "old", old), registry_of(folder / "new", new))


RULES = [
    ("required", ["size", "label"], "required_added", "/required", SENDERS),
    ("required", [], "required_removed", "/required", READERS),
    ("properties/label", ABSENT, "property_removed", "/properties/label", READERS),
    ("properties/maker/properties/name", ABSENT, "property_removed", "/properties/maker/properties/name", BOTH),
    ("properties/colour/enum", ["red"], "enum_narrowed", "/properties/colour/enum", SENDERS),
    ("properties/colour/enum", ["red", "blue", "green"], "enum_widened", "/properties/colour/enum", READERS),
    ("properties/colour/enum", ABSENT, "enum_widened", "/properties/colour/enum", READERS),
    ("properties/label/enum", ["a"], "enum_narrowed", "/properties/label/enum", SENDERS),
    ("properties/label/const", "a", "enum_narrowed", "/properties/label/const", SENDERS),
    ("properties/size/type", ["integer", "null"], "type_widened", "/properties/size/type", READERS),
    ("properties/size/type", "number", "type_widened", "/properties/size/type", READERS),
    ("properties/label/type", ABSENT, "type_widened", "/properties/label/type", READERS),
    ("properties/tags/items/type", ["string", "null"], "type_widened", "/properties/tags/items/type", READERS),
    ("properties/size/minimum", 2, "bound_tightened", "/properties/size/minimum", SENDERS),
    ("properties/size/maximum", 9, "bound_tightened", "/properties/size/maximum", SENDERS),
    ("properties/size/exclusiveMaximum", 99, "bound_tightened", "/properties/size/exclusiveMaximum", SENDERS),
    ("properties/label/maxLength", 4, "bound_tightened", "/properties/label/maxLength", SENDERS),
    ("properties/label/minLength", 2, "bound_tightened", "/properties/label/minLength", SENDERS),
    ("properties/tags/maxItems", 2, "bound_tightened", "/properties/tags/maxItems", SENDERS),
    ("properties/tags/minItems", 1, "bound_tightened", "/properties/tags/minItems", SENDERS),
    ("properties/tags/uniqueItems", True, "bound_tightened", "/properties/tags/uniqueItems", SENDERS),
    ("minProperties", 2, "bound_tightened", "/minProperties", SENDERS),
    ("properties/size/minimum", 0, "bound_loosened", "/properties/size/minimum", READERS),
    ("properties/size/maximum", 11, "bound_loosened", "/properties/size/maximum", READERS),
    ("properties/label/maxLength", ABSENT, "bound_loosened", "/properties/label/maxLength", READERS),
    ("properties/size/multipleOf", 2, "multipleOf_added", "/properties/size/multipleOf", SENDERS),
    ("properties/label/pattern", "^[a-z]*$", "pattern_changed", "/properties/label/pattern", BOTH),
    ("properties/label/pattern", ABSENT, "pattern_removed", "/properties/label/pattern", READERS),
    ("properties/tags/items/pattern", "^a", "pattern_added", "/properties/tags/items/pattern", SENDERS),
    ("properties/made/format", "date-time", "format_changed", "/properties/made/format", BOTH),
    ("properties/made/format", ABSENT, "format_removed", "/properties/made/format", READERS),
    ("properties/label/format", "email", "format_added", "/properties/label/format", SENDERS),
    ("additionalProperties", False, "additional_properties_closed", "/additionalProperties", SENDERS),
    ("additionalProperties", {"type": "string"}, "type_narrowed", "/additionalProperties/type", SENDERS),
    (
        "properties/maker/additionalProperties",
        True,
        "additional_properties_opened",
        "/properties/maker/additionalProperties",
        READERS,
    ),
    ("propertyNames", {"pattern": "^[a-z]+$"}, "pattern_added", "/propertyNames/pattern", SENDERS),
    ("properties/colour/default", "blue", "default_changed", "/properties/colour/default", BOTH),
    ("properties/colour/default", ABSENT, "default_changed", "/properties/colour/default", BOTH),
    ("properties/label/not", {"const": "no"}, "not_added", "/properties/label/not", SENDERS),
    ("anyOf", [{"required": ["label"]}, {"required": ["made"]}], "anyOf_added", "/anyOf", SENDERS),
    ("dependentRequired", {"label": ["made"]}, "dependentRequired_added", "/dependentRequired", SENDERS),
    ("properties/label", False, "not_added", "/properties/label/not", SENDERS),
]


@pytest.mark.parametrize(("path", "value", "rule", "pointer", "breaks"), RULES)
def test_a_change_is_named_with_its_place_its_rule_and_whom_it_breaks(
    tmp_path: Path, path: str, value: object, rule: str, pointer: str, breaks: tuple[str, ...]
) -> None:
    found = compared(tmp_path, BOX, changed(path, value))
    assert (rule, pointer, breaks) in {(change.rule, change.pointer, change.breaks) for change in found}
    assert {(change.type, change.version) for change in found} == {("box.moved", 1)}
    assert all(change.what and change.why.endswith(".") for change in found)


@pytest.mark.parametrize(("path", "value", "rule", "pointer", "breaks"), RULES)
def test_one_cause_is_told_once(
    tmp_path: Path, path: str, value: object, rule: str, pointer: str, breaks: tuple[str, ...]
) -> None:
    # A schema that becomes `false` loses all its keywords at once; everything else is one change, one line.
    found = compared(tmp_path, BOX, changed(path, value))
    assert len(found) == 1 or value is False


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (["integer", "null"], "integer", "type_narrowed"),
        ("number", "integer", "type_narrowed"),
        ("integer", "string", "type_narrowed"),
    ],
)
def test_a_narrower_type_is_named(tmp_path: Path, old: object, new: object, rule: str) -> None:
    found = compared(tmp_path, {"properties": {"x": {"type": old}}}, {"properties": {"x": {"type": new}}})
    assert rule in {change.rule for change in found}


def test_a_type_list_in_another_order_or_with_a_part_of_itself_is_the_same(tmp_path: Path) -> None:
    old = {"properties": {"x": {"type": ["integer", "number", "null"]}}}
    assert compared(tmp_path, old, {"properties": {"x": {"type": ["null", "number"]}}}) == []


def test_true_and_1_are_different_values_of_an_enumeration(tmp_path: Path) -> None:
    found = compared(tmp_path, {"properties": {"x": {"enum": [1]}}}, {"properties": {"x": {"enum": [True]}}})
    assert {change.rule for change in found} == {"enum_narrowed", "enum_widened"}


ADDITIONS = [
    ("properties/weight", {"type": "integer", "minimum": 1}),
    ("properties/maker/properties/city", {"type": "string"}),
    ("properties/tags/items/description", "A tag."),
    ("title", "Carton"),
    ("description", "A carton."),
    ("properties/label/description", "What is written on it."),
    ("properties/label/examples", ["abc"]),
    ("properties/label/deprecated", True),
    ("properties/label/$comment", "for maintainers"),
    ("properties/label/default", "abc"),
    ("properties/label/x-note", {"any": "thing"}),
    ("properties/size/type", ["integer"]),
    ("additionalProperties", True),
    ("properties/tags/uniqueItems", False),
    ("$defs", {"spare": {"type": "string"}}),
]


@pytest.mark.parametrize(("path", "value"), ADDITIONS)
def test_an_addition_raises_no_alarm(tmp_path: Path, path: str, value: object) -> None:
    assert compared(tmp_path, BOX, changed(path, value)) == []


def test_the_same_folder_keeps_every_promise() -> None:
    assert breaking_changes(packaged(), packaged()) == []


def test_a_piece_moved_into_a_shared_definition_is_no_change(tmp_path: Path) -> None:
    moved = copy.deepcopy(BOX)
    moved["$defs"] = {"size": moved["properties"]["size"]}
    moved["properties"]["size"] = {"$ref": "#/$defs/size", "description": "In litres."}
    assert compared(tmp_path, BOX, moved) == []


def test_a_change_in_a_shared_schema_is_a_change_of_every_contract_that_uses_it(tmp_path: Path) -> None:
    for name, maximum in (("old", 10), ("new", 9)):
        shared = tmp_path / name / "common" / "v1"
        shared.mkdir(parents=True)
        (shared / "schema.json").write_text(
            '{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:test:common/1", "title": "t",'
            f' "description": "d", "$defs": {{"size": {{"type": "integer", "maximum": {maximum}}}}}}}'
        )
        for event_type in ("box.moved", "box.opened"):
            schema = {"properties": {"size": {"$ref": "urn:test:common/1#/$defs/size"}}}
            write_contract(tmp_path / name, schema, event_type=event_type)
    found = breaking_changes(load(tmp_path / "old"), load(tmp_path / "new"))
    assert [(change.type, change.pointer) for change in found] == [
        ("box.moved", "/properties/size/maximum"),
        ("box.opened", "/properties/size/maximum"),
    ]


def test_a_contract_that_is_gone_is_named_and_one_that_is_new_is_not(tmp_path: Path) -> None:
    write_contract(tmp_path / "old", BOX, event_type="box.moved")
    write_contract(tmp_path / "new", BOX, event_type="box.opened")
    (found,) = breaking_changes(load(tmp_path / "old"), load(tmp_path / "new"))
    assert (found.type, found.rule, found.pointer, found.breaks) == ("box.moved", "contract_removed", "", BOTH)


def test_a_version_that_is_gone_is_named_and_one_that_is_new_may_be_quite_different(tmp_path: Path) -> None:
    write_contract(tmp_path / "one", BOX)
    write_contract(tmp_path / "both", BOX)
    write_contract(tmp_path / "both", {"type": "string"}, version=2)
    write_contract(tmp_path / "two", {"type": "string"}, version=2)
    one, both, two = (load(tmp_path / name) for name in ("one", "both", "two"))
    assert breaking_changes(one, both) == []
    assert [(change.rule, change.version) for change in breaking_changes(both, two)] == [("version_removed", 1)]


def test_a_service_level_may_become_better_but_not_worse(tmp_path: Path) -> None:
    slow = registry_of(tmp_path / "slow", BOX, latency_p99_ms=2000)
    fast = registry_of(tmp_path / "fast", BOX, latency_p99_ms=1000)
    assert breaking_changes(slow, fast) == []
    (found,) = breaking_changes(fast, slow)
    assert (found.rule, found.breaks, found.what) == (
        "service_level_loosened",
        READERS,
        "latency_p99_ms rose from 1000 to 2000",
    )


REFUSED = {"why": {"pointer": "/size", "keyword": "maximum"}, "data": {"size": 11}}


def test_an_example_that_is_gone_is_named(tmp_path: Path) -> None:
    old = registry_of(tmp_path / "old", BOX, valid={"a": {"size": 1}, "b": {"size": 2}}, invalid={"x": REFUSED})
    new = registry_of(tmp_path / "new", BOX, valid={"a": {"size": 1}})
    found = breaking_changes(old, new)
    assert [(change.rule, change.what) for change in found] == [
        ("example_removed", "the example valid/b is gone"),
        ("example_removed", "the example invalid/x is gone"),
    ]


def test_an_example_may_be_renamed_filled_out_or_joined_by_another(tmp_path: Path) -> None:
    old = registry_of(tmp_path / "old", BOX, valid={"a": {"size": 1}, "b": {"size": 2}}, invalid={"x": REFUSED})
    valid = {"one": {"size": 1}, "b": {"size": 2, "label": "abc"}, "c": {"size": 3}}
    new = registry_of(tmp_path / "new", BOX, valid=valid, invalid={"too-large": REFUSED})
    assert breaking_changes(old, new) == []


def test_the_old_examples_find_what_the_comparison_of_schemas_cannot_see(tmp_path: Path) -> None:
    # The comparison does not look behind a keyword it does not know; the examples do not care how it came about.
    old = registry_of(tmp_path / "old", BOX, valid={"a": {"size": 1}}, invalid={"x": REFUSED})
    new = registry_of(tmp_path / "new", BOX, valid={"a": {"size": 1}}, invalid={"x": REFUSED})
    stricter = registry_of(tmp_path / "stricter", changed("properties/size/minimum", 2))
    looser = registry_of(tmp_path / "looser", changed("properties/size/maximum", 11))
    new._validators["box.moved", 1] = stricter._compile("box.moved", 1)
    (refused,) = breaking_changes(old, new)
    assert (refused.rule, refused.breaks) == ("example_refused", SENDERS)
    assert refused.what == "the example valid/a is refused at '/size' (minimum)"
    new._validators["box.moved", 1] = looser._compile("box.moved", 1)
    (accepted,) = breaking_changes(old, new)
    assert (accepted.rule, accepted.breaks) == ("example_accepted", READERS)


def test_several_changes_of_one_contract_are_all_named(tmp_path: Path) -> None:
    new = copy.deepcopy(BOX)
    new["required"] = ["size", "made"]
    new["properties"]["size"]["maximum"] = 5
    del new["properties"]["tags"]
    found = compared(tmp_path, BOX, new)
    assert sorted(change.rule for change in found) == ["bound_tightened", "property_removed", "required_added"]
