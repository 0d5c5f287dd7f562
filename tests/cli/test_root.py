"""The command line itself: exit codes, where output goes, what an error says, and a help that is there at once."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from onhand import __version__, cli
from onhand.cli import output
from onhand.domain.errors import Conflict, Unavailable
from onhand.http.server import listen

ONHAND = Path(sys.executable).parent / "onhand"


def onhand(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ONHAND, *arguments], capture_output=True, text=True, check=False)


def test_the_version_is_the_packages() -> None:
    assert onhand("--version").stdout.strip() == __version__


def test_help_lists_every_verb_without_importing_any() -> None:
    code = (
        "import sys; from onhand import cli; cli.run(['--help'])\n"
        "heavy = {'asyncpg', 'litestar', 'aiohttp', 'onhand.cli.db'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for verb in cli.VERBS:
        assert verb.name in run.stdout


EACH_VERB = """
import os, sys
import aiohttp, asyncpg, structlog, yaml  # what takes long to import and is not ours
from onhand import cli
for verb in cli.VERBS:
    if not (child := os.fork()):
        os._exit(cli.run([verb.name, "--help"]) or sys.stdout.flush() or 0)
    if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit(f"{verb.name}: {code}")
"""


def test_every_verb_can_be_imported_first_and_has_a_help() -> None:
    run = subprocess.run([sys.executable, "-c", EACH_VERB], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("Usage") == len(cli.VERBS)


@pytest.mark.parametrize("tokens", [["nope"], ["db", "nope"], ["db", "status", "--nope"], ["db", "backup"]])
def test_a_wrong_command_line_is_a_usage_error(tokens: list[str]) -> None:
    run = onhand(*tokens)
    assert run.returncode == cli.USAGE
    assert run.stdout == ""
    assert run.stderr != ""


@pytest.mark.parametrize("tokens", [["nope"], ["network", "rollback", "x"], ["serve", "--port", "65536"]])
def test_a_wrong_command_line_is_told_as_json_where_that_was_asked_for(
    tokens: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*tokens, "--json"]) == cli.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    error = json.loads(said.err)["error"]
    assert (error["code"], error["remedy"].count("--help")) == ("invalid_input", 2)
    assert tokens[-1] in error["detail"]


def test_what_the_system_refuses_is_an_error_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file in the way of a folder, and an address that is taken by somebody else."""
    (tmp_path / "file").write_text("")
    assert cli.run(["init", str(tmp_path / "file" / "network")]) == cli.REFUSED
    assert f"{tmp_path}/file" in capsys.readouterr().err
    with pytest.raises(OSError, match=r"127\.0\.0\.1:\d+"), socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen("127.0.0.1", other.getsockname()[1])


def test_a_reader_that_leaves_early_is_no_error() -> None:
    run = subprocess.run(f"'{ONHAND}' --help | true", shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert "Traceback" not in run.stderr


def test_an_error_says_what_happened_what_was_done_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    output.complain(Conflict("Two want it.", remedy="Toss a coin."), as_json=False)
    said = capsys.readouterr()
    assert said.out == ""
    for part in ("[conflict]", "Two want it.", "Nothing was changed.", "Toss a coin."):
        assert part in said.err


def test_an_error_as_json_carries_its_facts(capsys: pytest.CaptureFixture[str]) -> None:
    output.complain(Unavailable("Gone.", since="noon"), as_json=True)
    error = json.loads(capsys.readouterr().err)["error"]
    assert (error["code"], error["detail"], error["since"]) == ("unavailable", "Gone.", "noon")


def test_a_table_in_a_pipe_is_plain_and_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("sku", "on hand"), [("A", 1234), ("LONG", None)])
    assert capsys.readouterr().out == "sku   on hand\nA     1,234\nLONG  -\n"
