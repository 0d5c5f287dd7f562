"""`onhand mapping` and `onhand xref`, typed as people type them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from onhand import cli
from tests.cli.desk import NETWORK, Terminal
from tests.mapping.test_files import CASE, ORDERS


@pytest.fixture
def onhand(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


@pytest.fixture
def hub(dsn: str, tmp_path: Path, onhand: Terminal, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """A terminal at a database with a small network in force."""
    folder = tmp_path / "network"
    folder.mkdir()
    for name, text in NETWORK.items():
        (folder / name).write_text(text)
    terminal = Terminal(capsys, "--dsn", dsn)
    terminal("apply", folder, "--yes")
    return terminal


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "cases").mkdir(parents=True)
    (folder / "mapping.yaml").write_text(ORDERS)
    (folder / "cases" / "good.yaml").write_text(CASE)
    return folder


@pytest.fixture
def order(tmp_path: Path) -> Path:
    path = tmp_path / "order.json"
    path.write_text(json.dumps({"name": "1001", "items": [{"id": 1, "sku": "A-1", "qty": 3}]}))
    return path


def test_cases_pass_and_what_has_none_is_named(onhand: Terminal, shop: Path) -> None:
    typed = onhand("mapping", "test", shop)
    assert typed.out == f"pass  {shop}/cases/good.yaml\n1 passed, 0 failed.\n"
    assert f"No case for {shop}: stock.publish." in typed.err


def test_a_failing_case_says_what_differs_and_ends_with_1(onhand: Terminal, shop: Path) -> None:
    (shop / "cases" / "bad.yaml").write_text(CASE.replace("quantity: 3", "quantity: 4"))
    (shop / "cases" / "broken.yaml").write_text("mapping: orders\nexpct: []\n")
    (shop / "cases" / "gone.yaml").write_text("mapping: orders\nexpect: []\ndocument_file: gone.json\n")
    typed = onhand("mapping", "test", shop, code=cli.NO)
    assert "        event 0: data/lines/0/quantity: expected 4, is 3" in typed.out
    assert f"FAIL  {shop}/cases/broken.yaml" in typed.out
    assert "Did you mean 'expect'?" in typed.out
    assert "There is no file" in typed.out
    assert typed.out.endswith("1 passed, 3 failed.\n")
    found = onhand("mapping", "test", shop, "--json", code=cli.NO).json
    assert (found["failed"], len(found["results"]), len(found["untested"])) == (3, 4, 1)


def test_a_mapping_with_mistakes_is_refused_with_its_lines(onhand: Terminal, shop: Path) -> None:
    (shop / "mapping.yaml").write_text(ORDERS.replace("lookup: item", "lokup: item", 1))
    typed = onhand("mapping", "test", shop, code=cli.REFUSED)
    assert "mapping_file_invalid" in typed.err
    assert f"{shop}/mapping.yaml:12:" in typed.err


def test_trying_shows_the_document_the_event_and_where_each_value_came_from(
    onhand: Terminal, shop: Path, order: Path
) -> None:
    typed = onhand("mapping", "try", shop / "mapping.yaml", order, "--name", "orders")
    lines = [" ".join(line.split()) for line in typed.out.splitlines()]
    assert '"name": "1001",' in lines
    assert "event 0: order.accepted id 1001 no time of its own subject -" in lines
    assert "/lines/0/sku A-1 items[0].sku, lookup item" in lines
    assert "/channel web constant" in lines
    found = onhand("mapping", "try", shop / "mapping.yaml", order, "--name", "orders", "--json").json
    assert found["events"][0]["origins"]["/order"] == "name"
    assert found["document"]["items"][0]["qty"] == 3
    assert found["violations"] == []


def test_trying_tells_what_breaks_a_contract_and_what_does_not_fit(onhand: Terminal, shop: Path, order: Path) -> None:
    order.write_text(order.read_text().replace('"qty": 3', '"qty": 0'))
    typed = onhand("mapping", "try", shop / "mapping.yaml", order, "--name", "orders", code=cli.NO)
    assert "breaks its contract: event 0: data/lines/0/quantity must be at least 1" in typed.out
    order.write_text(order.read_text().replace('"qty": 0', '"qty": "few"'))
    typed = onhand("mapping", "try", shop / "mapping.yaml", order, "--name", "orders", code=cli.REFUSED)
    assert "At /items/0/qty of the document: 'few' is not a number." in typed.err
    assert "mapping_failed" in typed.err


def test_trying_needs_files(onhand: Terminal, shop: Path, order: Path) -> None:
    assert "There is no file" in onhand("mapping", "try", shop, order, code=cli.REFUSED).err
    assert "There is no file" in onhand("mapping", "try", shop / "mapping.yaml", shop, "--name", "orders", code=3).err


def test_trying_needs_a_name_where_there_are_several(onhand: Terminal, shop: Path, order: Path) -> None:
    typed = onhand("mapping", "try", shop / "mapping.yaml", order, code=cli.REFUSED)
    assert "orders, stock.publish" in typed.err
    assert "no mapping 'oders'" in onhand("mapping", "try", shop / "mapping.yaml", order, "--name", "oders", code=3).err


def test_codes_are_set_listed_changed_and_removed(hub: Terminal) -> None:
    assert hub("xref", "set", "wms", "item", "A-1", "TEA").out == "item A-1 of wms means TEA.\n"
    assert hub("xref", "set", "wms", "item", "A-1", "TEA").out == "It says so already.\n"
    hub("xref", "set", "wms", "item", "A-2", "TEA", "--main")
    hub("xref", "set", "wms", "location", "0001", "A")
    found = hub("xref", "list", "--json").json
    assert [(r["kind"], r["theirs"], r["ours"], r["main"]) for r in found] == [
        ("item", "A-1", "TEA", False),
        ("item", "A-2", "TEA", True),
        ("location", "0001", "A", False),
    ]
    assert "A-1" not in hub("xref", "list", "--kind", "location").out
    assert "means nothing any more" in hub("xref", "remove", "wms", "item", "A-1").out
    assert hub("xref", "remove", "wms", "item", "A-1", code=cli.NO).out == "There is no such code.\n"
    assert [r["theirs"] for r in hub("xref", "list", "--json").json] == ["A-2", "0001"]
    assert "more than 1" in hub("xref", "list", "--limit", "1").err


def test_codes_that_mean_nothing_here_are_refused(hub: Terminal) -> None:
    assert "no system 'wsm'" in hub("xref", "set", "wsm", "item", "A", "B", code=cli.REFUSED).err
    assert "no system 'wsm'" in hub("xref", "list", "--system", "wsm", code=cli.REFUSED).err
    assert "no system 'wsm'" in hub("xref", "remove", "wsm", "item", "A", code=cli.REFUSED).err
    assert "no location 'Z'" in hub("xref", "set", "wms", "location", "1", "Z", code=cli.REFUSED).err
    assert "control character" in hub("xref", "set", "wms", "item", "a\tb", "B", code=cli.REFUSED).err


def test_a_file_is_imported_whole_or_not_at_all(hub: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "codes.csv"
    file.write_text("kind;theirs;ours;main\nitem;A-1;TEA;\nitem;A-2;TEA;yes\ncustomer;17;C-17;\n", encoding="utf-8-sig")
    assert hub("xref", "import", "wms", file).out == "3 read, 3 new or changed.\n"
    assert hub("xref", "import", "wms", file).out == "3 read, 0 new or changed.\n"
    file.write_text("kind,theirs,ours\nitem,B-1,CUP\nitm,B-2,CUP\nitem,,CUP\nitem,B-3\n")
    typed = hub("xref", "import", "wms", file, code=cli.REFUSED)
    assert "Line 3: 'itm' is none of item, location, customer." in typed.err
    assert "Line 4:" in typed.err
    assert "Line 5:" in typed.err
    assert len(hub("xref", "list", "--json").json) == 3
    monkeypatch.setattr("sys.stdin", io.StringIO("kind,theirs,ours\nitem,B-1,CUP\n"))
    assert hub("xref", "import", "wms", "-").out == "1 read, 1 new or changed.\n"
    file.write_bytes(b"kind,theirs,ours\nitem,\xe4,CUP\n")
    assert "not UTF-8" in hub("xref", "import", "wms", file, code=cli.REFUSED).err
    file.write_text("theirs,ours\n")
    assert "no column kind" in hub("xref", "import", "wms", file, code=cli.REFUSED).err


def test_trying_with_the_hub_translates_as_the_hub_does(hub: Terminal, shop: Path, order: Path) -> None:
    slip = (shop / "mapping.yaml", order, "--name", "orders", "--hub")
    assert "no system 'partner'; it has" in hub("mapping", "try", *slip, code=cli.REFUSED).err
    at = (shop / "mapping.yaml", order, "--name", "orders", "--system", "wms", "--hub", "--json")
    assert "no item is known for the code 'A-1' of system wms" in hub("mapping", "try", *at, code=cli.REFUSED).err
    hub("xref", "set", "wms", "item", "A-1", "TEA")
    assert hub("mapping", "try", *at).json["events"][0]["data"]["lines"][0]["sku"] == "TEA"
