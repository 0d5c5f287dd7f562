"""Mistakes of form: each is told with file, line, column, what was found, what was expected and what was meant."""

from __future__ import annotations

import pytest

from onhand.app.network_files import NetworkInvalid, read_network
from onhand.app.network_files.mistakes import MISTAKES_MAX, nearest
from tests.network.reading import BASE, mistake, mistakes, read

CASES = [
    # what is written, where it is found, what is found, what is expected, what was meant
    ("chanels:\n  x: {}\n", "b.yaml:1:1", "unknown section 'chanels'", "channels", "channels"),
    (
        "locations:\n  N:\n    kind: warehouse\n    regoin: eu\n",
        "b.yaml:4:5",
        "unknown key 'regoin'",
        "region",
        "region",
    ),
    ("locations:\n  N:\n    kind: wharehouse\n", "b.yaml:3:11", "'wharehouse'", "one of", "warehouse"),
    ("locations:\n  N:\n    name: North\n", "b.yaml:2:3", "no 'kind'", "this key", None),
    ("locations:\n  N: warehouse\n", "b.yaml:2:6", "'warehouse'", "keys with values", None),
    ("locations:\n  N:\n", "b.yaml:2:3", "no 'kind'", "this key", None),
    ("locations:\n  N: [warehouse]\n", "b.yaml:2:6", "a list", "keys with values", None),
    ("locations:\n  - N\n", "b.yaml:2:3", "a list", "keys with values", None),
    ("locations:\n  N N: {kind: store}\n", "b.yaml:2:3", "'N N'", "a code of letters", None),
    ("locations:\n  N: {kind: store, country: at}\n", "b.yaml:2:29", "'at'", "two capital letters", None),
    ("locations:\n  N: {kind: store, priority: -1}\n", "b.yaml:2:30", "'-1'", "from 0 to 1000000", None),
    ("locations:\n  N: {kind: store, priority: '5'}\n", "b.yaml:2:30", "quoted text '5'", "a whole number", None),
    ("locations:\n  N: {kind: store, latitude: 91, longitude: 0}\n", "b.yaml:2:30", "'91'", "from -90 to 90", None),
    ("locations:\n  N: {kind: store, latitude: .nan, longitude: 0}\n", "b.yaml:2:30", "'.nan'", "a number", None),
    ("locations:\n  N: {kind: store, retired: yes}\n", "b.yaml:2:29", "'yes'", "true or false", "true"),
    ("locations:\n  N: {kind: store, retired: Off}\n", "b.yaml:2:29", "'Off'", "true or false", "false"),
    ("locations:\n  N: {kind: store, retired: True}\n", "b.yaml:2:29", "'True'", "true or false", "true"),
    ("locations:\n  N: {kind: store, retired: }\n", "b.yaml:2:29", "nothing", "true or false", None),
    ("locations:\n  N: {kind: store, code: M}\n", "b.yaml:2:20", "unknown key 'code'", "kind", None),
    ("channels:\n  c: {kind: desk, sells_from: []}\n", "b.yaml:2:31", "an empty list", "at least one entry", None),
    ("channels:\n  c: {kind: desk, sells_from: EAST}\n", "b.yaml:2:31", "'EAST'", "a list", None),
    ("channels:\n  c: {kind: desk, sells_from: [EAST], safety_stock: 5}\n", "b.yaml:2:53", "'5'", "keys with", None),
    (
        "channels:\n  c: {kind: desk, sells_from: [EAST], safety_stock: {default: 1_000}}\n",
        "b.yaml:2:63",
        "'1_000'",
        "a whole number from 0",
        "1000",
    ),
    (
        "channels:\n  c: {kind: desk, sells_from: [EAST], sourcing: [neerest]}\n",
        "b.yaml:2:50",
        "'neerest'",
        "one of",
        "nearest",
    ),
    ("ring_fences:\n  - {group: web, sku: A, location: EAST, quantity: 0}\n", "b.yaml:2:52", "'0'", "from 1", None),
    ("ring_fences:\n  - {group: web, sku: A, location: EAST}\n", "b.yaml:2:5", "no 'quantity'", "this key", None),
    ("ring_fences:\n  web: {}\n", "b.yaml:2:3", "keys with values", "a list", None),
    ("ring_fences:\n  - {group: web, sku: ' A', location: EAST, quantity: 1}\n", "b.yaml:2:23", "' A'", "a SKU", None),
    ('ring_fences:\n  - {group: web, sku: "A\\0", location: EAST, quantity: 1}\n', "b.yaml:2:23", "A", "a SKU", None),
    ("policies:\n  earliest_date: 2020-02-30\n", "b.yaml:2:18", "'2020-02-30'", "YYYY-MM-DD", None),
    ("policies:\n  earliest_date: 01.02.2020\n", "b.yaml:2:18", "'01.02.2020'", "YYYY-MM-DD", None),
    ("policies: strict\n", "b.yaml:1:11", "'strict'", "keys with values", None),
    ("statuses:\n  x:\n    sellable: true\n    translations:\n      wms: X\n", "b.yaml:5:12", "'X'", "a list", None),
    ("just words\n", "b.yaml:1:1", "a file without sections", "sections", None),
    ("- a\n", "b.yaml:1:1", "a file without sections", "sections", None),
]


@pytest.mark.parametrize(("text", "at", "found", "expected", "meant"), CASES)
def test_a_mistake_of_form_is_told_with_its_place(
    text: str, at: str, found: str, expected: str, meant: str | None
) -> None:
    told = mistake(text)
    assert str(told.at) == at, str(told)
    assert found in told.found
    assert expected in told.expected
    assert told.suggestion == meant


def test_all_mistakes_of_all_files_are_told_at_once_in_the_order_of_the_files() -> None:
    with pytest.raises(NetworkInvalid) as caught:
        read_network(
            {
                "z.yaml": "locations:\n  N: {kind: shop}\n",
                "a.yaml": "channels:\n  web: {kind: storefront, sells_from: [N, M], max_splits: 0}\n",
                "m.yaml": "locations: {\n",
            }
        )
    told = caught.value.mistakes
    assert [(m.at.file, m.at.line) for m in told] == [("a.yaml", 2), ("a.yaml", 2), ("m.yaml", 2), ("z.yaml", 2)]
    assert [m.where for m in told] == ["channels.web.sells_from[1]", "channels.web.max_splits", "", "locations.N.kind"]
    assert "4 mistakes" in str(caught.value)
    assert "stays in force" in str(caught.value)


def test_a_name_whose_entry_cannot_be_read_still_counts_as_declared() -> None:
    told = mistake("locations:\n  N: {kind: shop}\nchannels:\n  c: {kind: desk, sells_from: [N]}\n")
    assert told.where == "locations.N.kind"


def test_the_index_in_a_list_is_that_of_the_file_also_after_an_unreadable_entry() -> None:
    told = mistakes("channels:\n  c: {kind: desk, sells_from: [EAST, '?!', NOWHERE]}\n")
    assert [m.where for m in told] == ["channels.c.sells_from[1]", "channels.c.sells_from[2]"]


def test_a_mistake_is_told_in_one_line_that_an_editor_can_jump_to() -> None:
    told = mistake("locations:\n  N: {kind: wharehouse}\n")
    assert str(told) == (
        "b.yaml:2:13: locations.N.kind: found 'wharehouse', expected one of "
        "adjustment, customer, store, supplier, transit, warehouse. Did you mean 'warehouse'?"
    )


def test_a_folder_full_of_mistakes_tells_the_first_and_counts_the_rest() -> None:
    with pytest.raises(NetworkInvalid) as caught:
        read_network({"a.yaml": "".join(f"wrong{number}: 1\n" for number in range(MISTAKES_MAX + 5))})
    assert len(caught.value.mistakes) == MISTAKES_MAX
    assert "... and 5 more." in str(caught.value)


def test_what_was_found_is_never_repeated_at_length() -> None:
    assert len(mistake(f"locations:\n  N: {{kind: {'x' * 10_000}}}\n").found) < 100


def test_mistakes_are_facts_that_a_program_can_read() -> None:
    with pytest.raises(NetworkInvalid) as caught:
        read("chanels: {}\n")
    (fact,) = caught.value.facts["mistakes"]
    assert fact["at"] == {"file": "b.yaml", "line": 1, "column": 1}
    assert fact["suggestion"] == "channels"


def test_a_section_may_stand_in_several_files() -> None:
    network = read("locations:\n  NORTH: {kind: store}\nring_fences: []\npolicies: {future_tolerance_s: 5}\n")
    assert {"EAST", "NORTH"} <= network.locations.keys()
    assert network.policies.future_tolerance_s == 5


def test_a_code_declared_in_two_files_is_told_with_both_places() -> None:
    told = mistake("locations:\n  EAST: {kind: store}\n")
    assert str(told.at) == "b.yaml:2:3"
    assert "a_base.yaml:5:3" in told.expected


def test_a_single_value_declared_in_two_files_is_refused_too() -> None:
    told = mistake("policies: {future_tolerance_s: 6}\n", base=BASE + "policies: {future_tolerance_s: 5}\n")
    assert str(told.at) == "b.yaml:1:12"


@pytest.mark.parametrize("text", ["", "# only a comment\n", "locations:\n", "policies: ~\n", "---\n...\n"])
def test_nothing_at_all_is_an_empty_section(text: str) -> None:
    assert read(text) == read("")


def test_the_order_of_files_and_sections_does_not_matter() -> None:
    fence = "ring_fences:\n- {group: web, sku: %s, location: EAST, quantity: 1}\n"
    one = read_network({"a": BASE, "b": fence % "A", "c": fence % "B"})
    assert one == read_network({"a": fence % "B", "b": fence % "A", "z": BASE})


@pytest.mark.parametrize(
    ("word", "meant"), [("eas", "EAST"), ("WST", "WEST"), ("nothing-like-it", None), ("", None), ("east", "EAST")]
)
def test_the_nearest_name_is_found_whatever_its_case(word: str, meant: str | None) -> None:
    assert nearest(word, ["EAST", "WEST", "SHOP"]) == meant
