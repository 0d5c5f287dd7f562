"""Mappings of an operator: part of the network's files, checked with them, in force with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from onhand.app.network_files import NetworkInvalid, load_folder, read_network
from onhand.domain.mapping import compile_mapping
from tests.cli.desk import NETWORK
from tests.mapping.mapped import context
from tests.mapping.test_files import CASE, ORDERS


def test_a_mapping_in_the_network_is_checked_line_by_line() -> None:
    text = ORDERS.replace("lookup: item", "lokup: item", 1).replace("each: items", "each: ''")
    with pytest.raises(NetworkInvalid) as caught:
        read_network({**NETWORK, "mappings/shop.yaml": text})
    assert [str(each).split(": ")[:2] for each in caught.value.mistakes] == [
        ["mappings/shop.yaml:9:9", "mappings.orders.data.lines.each"],
        ["mappings/shop.yaml:12:28", "mappings.orders.data.lines.fields.sku.lokup"],
    ]
    assert caught.value.mistakes[1].suggestion == "lookup"


def test_a_mapping_file_of_a_connector_may_lie_in_the_network_as_it_is() -> None:
    shared = "mappings:\n  a: {direction: out, type: x, data: &n {n: n}}\n  b: {direction: out, type: y, data: *n}\n"
    network = read_network({**NETWORK, "mappings/shop.yaml": shared, "mappings/orders.yaml": ORDERS})
    (event,) = compile_mapping(network.mappings["b"], name="b").apply({"n": 1}, context())
    assert event.data == {"n": 1}
    assert set(network.mappings) == {"a", "b", "orders", "stock.publish"}


def test_parts_are_shared_nowhere_else() -> None:
    with pytest.raises(NetworkInvalid, match="an anchor"):
        read_network({"systems.yaml": "systems:\n  wms: &x {kind: wms}\n"})


def test_cases_beside_mappings_are_no_part_of_the_network(tmp_path: Path) -> None:
    for name, text in {**NETWORK, "mappings/shop.yaml": ORDERS, "mappings/cases/one.yaml": CASE}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    files = load_folder(tmp_path)
    assert "mappings/shop.yaml" in files
    assert "mappings/cases/one.yaml" not in files
    assert read_network(files).mappings
