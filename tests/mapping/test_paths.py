"""Paths: what they lead to, what counts as nothing, and where a document does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mapping.mapped import events, failure, mistake, spec, value

DOCUMENT: dict[str, Any] = {
    "number": "SO-1",
    "head": {"Ship to": "W1", "net.total": 7, "none": None, "empty": "", "zero": 0, "no": False},
    "lines": [{"sku": "a", "serials": ["1", "2"]}, {"sku": "b", "serials": []}, {"sku": "c", "serials": ["3"]}],
    "single": {"sku": "only"},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("number", "SO-1"),
        ("head.Ship to", "W1"),
        ('head."net.total"', 7),
        ("head.zero", 0),
        ("head.no", False),
        ("lines[0].sku", "a"),
        ("lines[-1].sku", "c"),
        ("lines[*].sku", ["a", "b", "c"]),
        ("lines[*].serials[*]", ["1", "2", "3"]),
        ("lines[1].serials", []),
        ("$.number", "SO-1"),
        ("single[0].sku", "only"),
        ("single[*].sku", ["only"]),
        ("head.none?", None),
        ("head.empty?", None),
        ("head.missing?", None),
        ("head.none.deeper?", None),
        ("lines[7].sku?", None),
        ("missing[*].sku?", None),
    ],
)
def test_a_path_leads_to_what_it_says(path: str, expected: object) -> None:
    assert value(path, DOCUMENT) == expected


@pytest.mark.parametrize("path", ["head.none", "head.empty", "head.missing", "lines[7].sku", "nothing.at.all"])
def test_what_is_not_there_fails_unless_the_path_allows_it(path: str) -> None:
    failed = failure(path, DOCUMENT)
    assert failed.code == "mapping_failed"
    assert failed.reason == "nothing stands here"
    assert failed.rule == "data.it"
    assert failed.pointer == "/" + path.replace(".", "/").replace("[", "/").replace("]", "")


def test_a_member_of_what_has_no_members_fails_at_the_very_place_even_when_optional() -> None:
    failed = failure("lines[*].sku.code?", DOCUMENT)
    assert failed.pointer == "/lines/0/sku"
    assert "'a' stands where an object with 'code' was expected" in failed.reason


def test_a_list_where_one_thing_was_expected_fails_rather_than_take_the_first() -> None:
    assert failure("lines.sku", DOCUMENT).pointer == "/lines"


def test_inside_a_loop_paths_begin_at_the_element_and_may_leave_it() -> None:
    rule = {
        "each": "lines",
        "fields": {"sku": "sku", "order": "$.number", "to": "^.head.Ship to", "n": {"each": "serials", "as": "^.sku"}},
    }
    assert value(rule, DOCUMENT) == [
        {"sku": "a", "order": "SO-1", "to": "W1", "n": ["a", "a"]},
        {"sku": "b", "order": "SO-1", "to": "W1", "n": []},
        {"sku": "c", "order": "SO-1", "to": "W1", "n": ["c"]},
    ]


def test_a_failure_in_nested_loops_names_the_element() -> None:
    document = {"orders": [{"lines": [{"q": 1}]}, {"lines": [{"q": 2}, {"q": "x"}]}]}
    rule = {"each": "orders[*].lines[*]", "as": {"path": "q", "number": True}}
    assert failure(rule, document).pointer == "/orders/1/lines/1/q"


def test_a_failure_in_an_outer_scope_names_that_place() -> None:
    document = {"head": "text", "lines": [{"q": 1}]}
    assert failure({"each": "lines", "as": "^.head.warehouse"}, document).pointer == "/head"
    assert failure({"each": "lines", "as": "$.head.warehouse"}, document).pointer == "/head"


def test_the_element_itself_is_a_dot() -> None:
    assert value({"each": "codes", "as": {"path": ".", "case": "upper"}}, {"codes": ["a", "b"]}) == ["A", "B"]


@pytest.mark.parametrize("path", ["", ".a", "a.", "a..b", "a[", "a[x]", "a b .c", 'a."', "a?b", "$a", "{a}", "a\x00"])
def test_what_is_no_path_is_refused_when_the_mapping_is_read(path: str) -> None:
    assert "expected a path such as" in mistake(path)


def test_a_path_cannot_leave_more_loops_than_there_are() -> None:
    assert "no loop lies around" in mistake("^.number")
    assert "1 lie around" in mistake({"each": "lines", "as": "^^.number"})


def test_rows_are_grouped_in_the_order_of_their_first_row() -> None:
    document = [
        {"order": "2", "sku": "a", "q": "1"},
        {"order": "1", "sku": "b", "q": "2"},
        {"order": "2", "sku": "c", "q": "3"},
    ]
    mapping = {
        **spec({"each": "[*]", "as": "sku"}),
        "for_each": "[*]",
        "group_by": "order",
        "id": "{[0].order}",
    }
    assert [(e.id, e.data["it"]) for e in events(mapping, document)] == [("2", ["a", "c"]), ("1", ["b"])]


def test_a_failure_in_a_group_names_the_row_of_the_document() -> None:
    document = [{"order": "2", "q": "1"}, {"order": "1", "q": "2"}, {"order": "2", "q": "x"}]
    mapping = {**spec({"each": "[*]", "as": {"path": "q", "number": True}}), "for_each": "[*]", "group_by": "order"}
    with pytest.raises(Exception, match="'x' is not a number") as caught:
        events(mapping, document)
    assert caught.value.facts["pointer"] == "/2/q"  # type: ignore[attr-defined]
