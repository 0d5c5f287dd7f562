"""`onhand contracts` lists, shows and checks, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onhand import cli
from onhand.contracts.registry import packaged
from tests.contracts.folders import BOX, write_contract

RED_ONLY = {**BOX, "properties": {**BOX["properties"], "colour": {"type": "string", "enum": ["red"], "default": "red"}}}
GOOD: dict[str, Any] = {
    "valid": {"one": {"size": 1}},
    "invalid": {"none": {"why": {"pointer": "", "keyword": "required"}, "data": {}}},
}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code and what was printed, complaints included."""
    code = cli.run(["contracts", *arguments])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_the_list_names_every_contract(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "list")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()[1:]] == [contract.type for contract in packaged()]


def test_the_list_for_programs_holds_owner_and_service_level(capsys: pytest.CaptureFixture[str]) -> None:
    _, text = run(capsys, "list", "--json")
    entries = json.loads(text)
    assert len(entries) == len(packaged().contracts)
    assert entries[0]["owner"]
    assert entries[0]["service_level"]["latency_p99_ms"] > 0


def test_a_contract_is_shown_with_schema_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    _, text = run(capsys, "show", "receipt.posted")
    assert "quality_check" in text
    assert "$ref" not in text
    _, text = run(capsys, "show", "receipt.posted", "--json")
    shown = json.loads(text)
    assert shown["schema"]["properties"]["lines"]["items"]["properties"]["sku"]["maxLength"] == 200
    assert set(shown["examples"]) == {"minimal", "full"}


@pytest.mark.parametrize("arguments", [["receipt.teleported"], ["receipt.posted", "--version", "9"]])
def test_a_contract_that_is_not_there_is_refused_with_what_to_do(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    code, text = run(capsys, "show", *arguments)
    assert code == cli.REFUSED
    assert "unknown_event_type" in text
    assert "onhand contracts list" in text


def test_the_release_s_own_contracts_are_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "check") == (0, f"{len(packaged().contracts)} contracts, every promise kept.\n")


@pytest.mark.parametrize("spelling", [[], ["--against"]])
def test_a_broken_promise_is_named_and_the_exit_code_is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spelling: list[str]
) -> None:
    old, new = write_contract(tmp_path / "old", BOX, **GOOD), write_contract(tmp_path / "new", RED_ONLY, **GOOD)
    code, text = run(capsys, "check", *spelling, str(old), "--folder", str(new))
    assert code == 1
    assert 'box.moved v1 /properties/colour/enum: no longer "blue"' in text
    assert "enum_narrowed, breaks senders" in text


def test_a_broken_promise_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = write_contract(tmp_path / "old", BOX, **GOOD), write_contract(tmp_path / "new", RED_ONLY, **GOOD)
    code, text = run(capsys, "check", str(old), "--folder", str(new), "--json")
    assert code == 1
    (change,) = json.loads(text)["breaking"]
    assert change == {
        "type": "box.moved",
        "version": 1,
        "pointer": "/properties/colour/enum",
        "rule": "enum_narrowed",
        "what": 'no longer "blue"',
        "why": "Data that were valid are refused.",
        "breaks": ["senders"],
    }


def test_an_addition_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = write_contract(tmp_path / "old", BOX, **GOOD)
    wider = {**BOX, "properties": {**BOX["properties"], "weight": {"type": "integer"}}}
    new = write_contract(tmp_path / "new", wider, **GOOD)
    code, text = run(capsys, "check", str(old), "--folder", str(new), "--json")
    assert (code, json.loads(text)) == (0, {"breaking": [], "examples": [], "contracts": 1})


@pytest.mark.parametrize(
    ("examples", "says"),
    [
        ({}, "needs at least one valid and one invalid example"),
        ({**GOOD, "valid": {"one": {"size": 11}}}, "valid/one is refused at '/size': must be at most 10"),
        (
            {**GOOD, "invalid": {"x": {"why": {"pointer": "", "keyword": "type"}, "data": {"size": 1}}}},
            "invalid/x is accepted",
        ),
        (
            {**GOOD, "invalid": {"x": {"why": {"pointer": "", "keyword": "type"}, "data": {}}}},
            "invalid/x should fail on type at ''",
        ),
    ],
)
def test_examples_that_do_not_do_what_they_say_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], examples: dict[str, Any], says: str
) -> None:
    folder = write_contract(tmp_path, BOX, **examples)
    code, text = run(capsys, "check", "--folder", str(folder))
    assert code == 1
    assert f"box.moved v1: {says}" in text


def test_a_folder_that_is_no_folder_of_contracts_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "check", str(tmp_path))
    assert code == cli.REFUSED
    assert "broken_contract" in text
    assert "holds no contract" in text
