"""Mapping files: every mistake with its line, and the cases beside them."""

from __future__ import annotations

import time
from pathlib import Path
from textwrap import dedent

import pytest

from onhand.app.inbox_bodies import BodyNotRead
from onhand.app.mapping_files import (
    CasesInvalid,
    MappingFileInvalid,
    find_mappings,
    read_case,
    read_mapping,
    run_case,
)
from onhand.domain.errors import NotFound
from tests.mapping.mapped import context

ORDERS = """\
mappings:
  orders:
    type: order.accepted
    id: "{name}"
    data:
      order: name
      channel: {value: web}
      lines:
        each: items
        fields:
          line_id: {text: "{id}"}
          sku: {path: sku, lookup: item}
          quantity: {path: qty, number: true}
  stock.publish:
    direction: out
    type: stock.publish
    data:
      sku: {path: sku, lookup: item}
      qty: quantity
"""

CASE = """\
mapping: orders
look_up: {item: {A-1: TEA-001}}
document: {name: "1001", items: [{id: 1, sku: A-1, qty: "3"}]}
expect:
  - type: order.accepted
    id: "1001"
    data:
      order: "1001"
      channel: web
      lines: [{line_id: "1", sku: TEA-001, quantity: 3}]
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(MappingFileInvalid) as caught:
        read_mapping(dedent(text), file="m.yaml")
    return [str(each) for each in caught.value.mistakes]


def outcome(case: str, folder: Path) -> tuple[str, ...]:
    mappings = read_mapping(ORDERS, file="mapping.yaml")
    return run_case(read_case(case, file="case.yaml"), mappings, file=folder / "case.yaml").differences


def test_one_file_holds_several_mappings_in_and_out() -> None:
    found = read_mapping(ORDERS, file="m.yaml")
    assert [(name, each.outbound) for name, each in found.items()] == [("orders", False), ("stock.publish", True)]
    (payload,) = found["stock.publish"].apply({"sku": "A-1", "quantity": 4}, context())
    assert payload.data == {"sku": "TEA-001", "qty": 4}


def test_all_mistakes_are_told_with_file_line_and_what_was_probably_meant() -> None:
    found = mistakes("""\
        mappings:
          orders:
            type: order.accepted
            id: "{name}"
            data:
              order: {path: name, lokup: item}
              lines:
                each: items
                fields:
                  sku: "a..b"
                  day: {path: d, date: {form: iso, zone: Europe/Wien}}
          stock:
            direction: inn
        tables: {}
        """)
    assert [each.split(":")[1] for each in found] == ["6", "10", "11", "12", "12", "12", "13", "14"]
    assert found[0].startswith("m.yaml:6:27: mappings.orders.data.order.lokup: found the key 'lokup', expected one of ")
    assert "Did you mean 'lookup'?" in found[0]
    assert "mappings.orders.data.order.lokup" in found[0]
    assert "expected an IANA time zone" in found[2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected 'mappings:'"),
        ("- a\n", "a file without sections"),
        ("mapings: {}\n", "Did you mean 'mappings'?"),
        ("mappings: {a: {type: x}\n", "mistake of syntax"),
        ("mappings: 3\n", "expected keys with values"),
        ("mappings:\n  a: *x\n  b: &x {}\n", "expected '&x' further up"),
        ("mappings:\n  a: &x {type: x, data: *x}\n", "expected '&x' further up"),
        ("mappings:\n  a: {<<: {type: x}}\n", "a merge key"),
        ("mappings:\n  'a b': {}\n", "expected a code"),
    ],
)
def test_what_is_no_mapping_file_is_refused_with_a_place(text: str, words: str) -> None:
    found = mistakes(text)
    assert any(words in each for each in found), found
    assert all(each.startswith("m.yaml:") for each in found)


def test_a_part_may_be_named_and_used_again() -> None:
    found = read_mapping(
        dedent("""\
        mappings:
          a: {direction: out, type: x, data: &both {n: {path: n, number: true}}}
          b: {direction: out, type: y, data: *both}
        """),
        file="m.yaml",
    )
    assert [each.apply({"n": "1"}, context())[0].data for each in found.values()] == [{"n": 1}, {"n": 1}]


def test_aliases_of_aliases_end_by_their_number() -> None:
    lines = ["mappings:", "  a: &p0 {x: 1}", *(f"  a{n}: &p{n + 1} [*p{n}, *p{n}]" for n in range(40))]
    started = time.process_time()
    assert any("more than 100000 values" in each for each in mistakes("\n".join(lines)))
    assert time.process_time() - started < 10


def test_a_case_passes_when_everything_is_as_it_says(tmp_path: Path) -> None:
    assert outcome(CASE, tmp_path) == ()


def test_a_case_says_place_by_place_what_is_different(tmp_path: Path) -> None:
    found = outcome(CASE.replace("quantity: 3", "quantity: 4").replace('id: "1001"', 'id: "1"'), tmp_path)
    assert found == (
        "event 0: id: expected '1', is '1001'",
        "event 0: data/lines/0/quantity: expected 4, is 3",
    )
    assert outcome(CASE.partition("expect:")[0] + "expect: []\n", tmp_path) == ("expected 0 events, became 1",)


def test_a_case_may_expect_a_failure_and_says_when_it_is_another(tmp_path: Path) -> None:
    fails = CASE.partition("expect:")[0].replace("A-1: TEA", "A-2: TEA") + "fails: {pointer: /items/0/sku, says: A-1}\n"
    assert outcome(fails, tmp_path) == ()
    other = fails.replace("/items/0/sku", "/items/0/qty")
    assert outcome(other, tmp_path) == ("fails.pointer: expected '/items/0/qty', is '/items/0/sku'",)
    assert outcome(CASE.replace("A-1: TEA", "A-2: TEA"), tmp_path)[0].startswith("it failed at /items/0/sku: no item")
    assert outcome(fails.replace("A-2: TEA", "A-1: TEA"), tmp_path) == ("expected it to fail, it became 1 events",)


def test_an_event_that_breaks_its_contract_fails_the_case_unless_it_says_otherwise(tmp_path: Path) -> None:
    case = CASE.replace('qty: "3"', 'qty: "0"').replace("quantity: 3", "quantity: 0")
    (found,) = outcome(case, tmp_path)
    assert found == "event 0: data/lines/0/quantity must be at least 1 (contract order.accepted)"
    assert outcome(case + "contract: false\n", tmp_path) == ()


def test_a_document_may_lie_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text('{"name": "1001", "items": [{"id": 1, "sku": "A-1", "qty": 3.0}]}')
    lines = [line for line in CASE.splitlines() if not line.startswith("document:")]
    assert outcome("\n".join([*lines, "document_file: order.json"]), tmp_path) == ()
    with pytest.raises(NotFound):
        outcome("\n".join([*lines, "document_file: other.json"]), tmp_path)


def test_rows_of_csv_are_a_document(tmp_path: Path) -> None:
    (tmp_path / "stock.csv").write_text("sku;qty\nA-1;1,5\nA-2;\n")
    mappings = read_mapping(
        dedent("""\
        mappings:
          rows:
            direction: out
            for_each: rows
            type: row
            data: {sku: sku, qty: {path: qty?, number: {decimal: ","}}}
        """),
        file="m.yaml",
    )
    case = "mapping: rows\ndocument_file: stock.csv\nexpect:\n- data: {sku: A-1, qty: '1.5'}\n- data: {sku: A-2}\n"
    assert run_case(read_case(case, file="c.yaml"), mappings, file=tmp_path / "c.yaml").differences == ()
    (tmp_path / "stock.csv").write_text('sku;qty\nA-1;"1\n')
    with pytest.raises(BodyNotRead, match="no CSV"):
        run_case(read_case(case, file="c.yaml"), mappings, file=tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty file"),
        ("mapping: a\n", "one of them"),
        ("mapping: a\nexpect: []\nfails: {}\n", "one of them"),
        ("mapping: a\nexpect: []\nreceived_at: noon\n", "received_at"),
        ("mapping: a\nexpect: [{tipe: x}]\n", "an event with"),
        ("mapping: a\nexpct: []\n", "Did you mean 'expect'?"),
        ("mapping: a\nexpect: []\ndocument: 1\ndocument_file: x\n", "document_file"),
    ],
)
def test_a_case_that_is_written_wrongly_is_refused(text: str, words: str) -> None:
    with pytest.raises(CasesInvalid, match=words):
        read_case(text, file="case.yaml")


def test_mappings_are_found_in_connectors_and_networks_and_their_cases_beside_them(tmp_path: Path) -> None:
    for name in (
        "shop/mapping.yaml",
        "network/mappings/a.yaml",
        "network/places.yaml",
        "network/mappings/cases/x.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(ORDERS if "mapping" in name else "locations: {}\n")
    found = find_mappings([tmp_path])
    assert [[f.relative_to(tmp_path).as_posix() for f in each.files] for each in found] == [
        ["network/mappings/a.yaml"],
        ["shop/mapping.yaml"],
    ]
    assert [each.name for each in found[0].cases] == ["x.yaml"]
    assert [f.name for f in find_mappings([tmp_path / "network" / "mappings"])[0].files] == ["a.yaml"]
    with pytest.raises(NotFound):
        find_mappings([tmp_path / "nowhere"])
    (tmp_path / "network/mappings/b.yaml").write_text(ORDERS)
    with pytest.raises(MappingFileInvalid, match="the mapping 'orders' again"):
        find_mappings([tmp_path])
