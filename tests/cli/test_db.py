"""`onhand db` as its operator types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from onhand import cli

ONHAND = Path(sys.executable).parent / "onhand"


def onhand(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ONHAND, *arguments], capture_output=True, text=True, check=False)


def answer(*arguments: str | Path, code: int = cli.OK) -> Any:
    run = onhand(*arguments, "--json")
    assert run.returncode == code, run.stderr
    return json.loads(run.stdout)


def test_an_embedded_database_from_nothing_to_a_restored_copy(data_root: Path) -> None:
    data: list[str | Path] = ["--data-dir", data_root / "data"]
    assert answer("db", "status", *data, code=cli.NO)["state"] == "down"
    assert not (data_root / "data").exists()
    assert answer("db", "migrate", *data)["applied"]
    assert answer("db", "migrate", *data)["applied"] == []
    assert {finding["verdict"] for finding in answer("db", "doctor", *data)} == {"ok"}
    taken = answer("db", "backup", data_root / "copy", *data)
    assert answer("db", "restore", data_root / "copy", "--data-dir", data_root / "other") == taken
    refused = onhand("db", "restore", data_root / "copy", *data)
    assert refused.returncode == cli.REFUSED
    assert "[not_empty]" in refused.stderr
    assert answer("db", "stop", *data, code=cli.NO) == {"stopped": False}


def test_a_server_that_was_left_running_is_seen_and_stopped(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONHAND_KEEP_DATABASE", "1")
    data: list[str | Path] = ["--data-dir", data_root / "data"]
    answer("db", "migrate", *data)
    found = answer("db", "status", *data)
    assert (found["state"], found["current"], found["pending"]) == ("ready", True, [])
    assert answer("db", "stop", *data) == {"stopped": True}
    assert answer("db", "status", *data, code=cli.NO)["state"] == "down"


def test_a_server_of_yours_is_used_by_its_address(dsn: str) -> None:
    found = answer("db", "status", "--dsn", dsn)
    assert (found["kind"], found["current"]) == ("your server", True)


def test_an_address_where_nobody_answers_is_unavailable(tmp_path: Path) -> None:
    run = onhand("db", "status", "--dsn", f"postgresql://onhand@/onhand?host={tmp_path}")
    assert run.returncode == cli.UNAVAILABLE
    assert "[database_unavailable]" in run.stderr


def test_a_slip_in_a_variable_is_warned_of(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONHAND_DATADIR", "/tmp")
    assert "did you mean ONHAND_DATA_DIR" in onhand("db", "status", "--data-dir", data_root / "data").stderr


def test_people_read_tables_and_sentences(data_root: Path) -> None:
    data: list[str | Path] = ["--data-dir", data_root / "data"]
    assert onhand("db", "migrate", *data).stdout.startswith("Applied 0001_")
    assert onhand("db", "migrate", *data).stdout == "The schema is current.\n"
    assert "durability" in onhand("db", "doctor", *data).stdout
