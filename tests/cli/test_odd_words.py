"""Odd words on the command line end as errors, not as tracebacks; a start that is interrupted leaves nothing behind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from onhand import cli
from onhand.app.network_files.mistakes import Mistake
from onhand.app.network_files.yaml_tree import parse
from onhand.store.postgres import supervisor
from onhand.store.postgres.driver import Database
from onhand.store.postgres.process import State
from tests.cli.desk import ONHAND, Terminal


@pytest.mark.parametrize("days", [9_999_999, 99_999_999_999])
def test_a_key_cannot_outlive_the_calendar(capsys: pytest.CaptureFixture[str], dsn: str, days: int) -> None:
    lasts = ("--expires-in-days", days)
    Terminal(capsys, "--dsn", dsn)("keys", "create", "x", "--scope", "admin", *lasts, code=cli.REFUSED)


@pytest.mark.parametrize("dsn", ["postgres://u@[::1/x", "postgres://u@127.0.0.1:99999/x"])
def test_an_impossible_address_is_refused(capsys: pytest.CaptureFixture[str], dsn: str) -> None:
    Terminal(capsys, "--dsn", dsn)("db", "status", "--json", code=cli.REFUSED)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://[::1"])
def test_an_impossible_url_is_told(capsys: pytest.CaptureFixture[str], url: str) -> None:
    Terminal(capsys, "--url", url)("stock", "--json", code=cli.UNAVAILABLE)


def test_a_backup_without_its_dump_is_refused(capsys: pytest.CaptureFixture[str], dsn: str, tmp_path: Path) -> None:
    type_ = Terminal(capsys, "--dsn", dsn)
    type_("db", "migrate")
    type_("db", "backup", tmp_path / "whole")
    with zipfile.ZipFile(tmp_path / "whole") as whole, zipfile.ZipFile(tmp_path / "half", "w") as half:
        half.writestr("manifest.json", whole.read("manifest.json"))
        at = whole.getinfo("dump").header_offset
    asyncio.run(emptied(dsn))
    type_("db", "restore", tmp_path / "half", code=cli.REFUSED)
    damaged = bytearray((tmp_path / "whole").read_bytes())
    damaged[at] ^= 0xFF
    (tmp_path / "damaged").write_bytes(damaged)
    type_("db", "restore", tmp_path / "damaged", code=cli.REFUSED)


async def emptied(dsn: str) -> None:
    async with await Database.connect(dsn, pool_max=1) as database, database.acquire() as session:
        await session.script("drop schema onhand cascade")


def test_events_from_a_closed_standard_input_are_an_error(
    capsys: pytest.CaptureFixture[str], dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    Terminal(capsys, "--dsn", dsn)("events", "send", "-", code=cli.REFUSED)


@pytest.mark.parametrize("character", ["\x81", "\ufffe", "\uffff"])
def test_a_character_that_yaml_refuses_is_told_with_its_line(character: str) -> None:
    mistakes: list[Mistake] = []
    assert parse(file="f", text=f"a: x\nb: y{character}z\n", mistakes=mistakes) is None
    assert [(one.at.line, one.at.column) for one in mistakes] == [(2, 5)]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("db migrate", cli.INTERRUPTED),
        ("work --once", cli.INTERRUPTED),
        ("work", cli.OK),
        ("serve --port 0", cli.OK),
        ("serve --port 0 --workers 2", cli.OK),
    ],
)
def test_a_start_that_is_interrupted_leaves_no_server_running(
    data_root: Path, number: signal.Signals, words: str, code: int
) -> None:
    """For what runs until it is told to end, being told is no failure, not even this early."""
    data = data_root / "data"
    with subprocess.Popen([ONHAND, *words.split(), "--data-dir", data]) as run:
        deadline = time.monotonic() + 60
        while not (data / "cluster.new").exists() and time.monotonic() < deadline:
            with suppress(subprocess.TimeoutExpired):
                run.wait(0.01)
        run.send_signal(number)
        assert run.wait(timeout=60) == code
    assert supervisor.state(data) is State.DOWN
