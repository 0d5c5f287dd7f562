"""The verbs of config as code, as somebody types them: init, plan, apply, network versions | show | rollback."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from onhand.app.example import example_files, example_network_files
from onhand.cli import OK, REFUSED, USAGE, run
from tests.network.reading import BASE


class Typed:
    """A command line with a database and a network folder; keeps what it printed."""

    def __init__(self, dsn: str, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self._dsn = dsn
        self.folder = folder
        self._capture = capture
        self.out = self.err = ""

    def __call__(self, *words: str, code: int = OK) -> str:
        found = run([*words, "--dsn", self._dsn])
        self.out, self.err = self._capture.readouterr()
        assert found == code, self.err + self.out
        return self.out

    def json(self, *words: str) -> Any:
        return msgspec.json.decode(self(*words, "--json"))

    def write(self, text: str = BASE, *, name: str = "base.yaml") -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_text(text)


@pytest.fixture
def typed(dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.chdir(tmp_path)
    return Typed(dsn, tmp_path / "network", capsys)


def test_init_writes_the_example_and_says_what_to_do_next(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init"]) == OK
    assert "onhand plan network" in capsys.readouterr().out
    assert {path.name for path in typed.folder.iterdir()} == set(example_files())


def test_init_never_overwrites(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    typed.write("mine", name="channels.yaml")
    assert run(["init", "--json"]) == REFUSED
    assert msgspec.json.decode(capsys.readouterr().err)["error"]["code"] == "conflict"
    assert (typed.folder / "channels.yaml").read_text() == "mine"


def test_from_init_to_an_empty_second_plan(typed: Typed) -> None:
    assert run(["init"]) == OK
    assert "+ grocer" in typed("plan")
    assert "Version 1 is in force." in typed("apply", "--yes")
    assert typed("plan") == "No changes: what these files say is in force (version 1).\n"
    assert "Version" not in typed("apply", "--yes").replace("(version 1)", "")
    assert typed.json("plan")["empty"] is True


def test_a_plan_shows_each_value_and_what_it_sets_in_motion_and_changes_nothing(typed: Typed) -> None:
    typed.write()
    typed("apply", "--yes")
    typed.write(
        BASE.replace("[EAST, WEST]}", "[EAST], safety_stock: {by_sku: {A.1: 3}}}")
        + "statuses: {returned: {sellable: true}}\n"
    )
    shown = typed("plan")
    assert "~ web safety_stock.by_sku.A.1: (nothing) -> 3" in shown
    assert "~ web sells_from: [EAST, WEST] -> [EAST]" in shown
    assert "! stock in status returned becomes sellable" in shown
    assert "! the numbers of web can change: it sells from other places; its safety stock changes" in shown
    assert len(typed.json("network", "versions")) == 1


def test_what_is_left_out_is_shown_as_retired_and_brought_back(typed: Typed) -> None:
    typed.write()
    typed("apply", "--yes")
    typed.write(BASE.replace("  market: {kind: marketplace, sells_from: [EAST]}\n", ""))
    assert "- market is retired (kept for history)" in typed("apply", "--yes")
    typed.write()
    assert "+ market is brought back" in typed("plan")


def test_the_same_plan_as_json_names_every_path(typed: Typed) -> None:
    typed.write()
    typed("apply", "--yes")
    typed.write(BASE.replace("SHOP: {kind: store}", "SHOP: {kind: store, priority: 5}"))
    plan = typed.json("plan")
    assert plan["base"] == 1
    assert plan["changes"] == [{"action": "change", "path": ["locations", "SHOP", "priority"], "old": 100, "new": 5}]
    assert plan["effects"] == {"channels": {}, "flips": [], "silenced": []}


def test_mistakes_are_printed_one_a_line_with_their_place(typed: Typed) -> None:
    typed.write("chanels: {}\nlocations:\n  N: {kind: shop}\n")
    typed("plan", code=REFUSED)
    lines = typed.err.splitlines()
    assert any(line.startswith("base.yaml:1:1: found the unknown section 'chanels'") for line in lines)
    assert any(line.startswith("base.yaml:3:13: locations.N.kind: found 'shop'") for line in lines)
    assert typed.out == ""


def test_mistakes_are_told_to_programs_too(typed: Typed) -> None:
    typed.write("chanels: {}\n")
    typed("plan", "--json", code=REFUSED)
    error = msgspec.json.decode(typed.err)["error"]
    assert error["code"] == "network_invalid"
    assert error["mistakes"][0]["at"] == {"file": "base.yaml", "line": 1, "column": 1}


def test_a_wrong_folder_is_refused(typed: Typed) -> None:
    typed("plan", "nowhere", code=REFUSED)
    assert "There is no folder 'nowhere'" in typed.err


def test_apply_asks_and_without_anybody_to_ask_applies_nothing(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    typed.write()
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    typed("apply", code=REFUSED)
    assert "[not_confirmed]" in typed.err
    assert "+ web" in typed.out
    assert typed.json("network", "versions") == []


class Terminal(io.StringIO):
    """Somebody at a keyboard."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "versions"), [("y\n", 1), ("YES\n", 1), ("n\n", 0), ("\n", 0), ("", 0)])
def test_apply_does_what_the_answer_says(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, answer: str, versions: int
) -> None:
    typed.write()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    typed("apply", code=OK if versions else REFUSED)
    assert len(typed.json("network", "versions")) == versions


def test_versions_say_who_when_and_why(typed: Typed) -> None:
    assert typed.json("network", "versions") == []
    typed.write()
    typed("apply", "--yes", "-m", "The beginning", "--by", "ada")
    shown = typed("network", "versions")
    assert "ada" in shown
    assert "The beginning" in shown
    (version,) = typed.json("network", "versions")
    assert version["version"] == 1
    assert version["applied_at"].endswith("Z")


def test_show_gives_the_files_back_byte_for_byte(typed: Typed, tmp_path: Path) -> None:
    run(["init"])
    typed("apply", "--yes")
    assert "# Everything that sells." in typed("network", "show", "1")
    typed("network", "show", "1", "--write", str(tmp_path / "copy"))
    for name, text in example_network_files().items():
        assert (tmp_path / "copy" / name).read_bytes() == text.encode()
    assert typed.json("network", "show", "1")["files"] == example_network_files()


def test_rollback_puts_the_old_content_in_force_as_a_new_version(typed: Typed) -> None:
    typed.write()
    typed("apply", "--yes")
    typed.write(BASE.replace("[EAST, WEST]", "[EAST]"))
    typed("apply", "--yes")
    applied = typed.json("network", "rollback", "1", "--yes")
    assert applied["applied"]["version"] == 3
    assert applied["applied"]["message"] == "Roll back to version 1"
    typed.write()
    assert typed("plan").startswith("No changes")


def test_a_version_that_never_was_is_told(typed: Typed) -> None:
    typed("network", "show", "7", code=REFUSED)
    assert "There is no network version 7" in typed.err
    typed("network", "rollback", "7", "--yes", code=REFUSED)


def test_a_wrong_command_line_is_told_as_such(typed: Typed) -> None:
    typed("network", "show", "seven", code=USAGE)
