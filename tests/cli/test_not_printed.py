"""What a verb did stands, also where nobody could read its answer: it says so, and never that nothing was changed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from onhand import cli
from onhand.store.postgres.driver import Database
from tests.cli.desk import ONHAND

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def run_into_nothing(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONHAND_")}
    with FULL.open("w") as full:
        return subprocess.run(
            [str(ONHAND), *words], stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False
        )


async def test_a_key_that_was_made_and_could_not_be_shown_is_no_lie(dsn: str, database: Database) -> None:
    found = run_into_nothing("keys", "create", "bob", "--scope", "admin", "--dsn", dsn)
    assert found.returncode == cli.REFUSED
    assert "not_printed" in found.stderr
    assert "Nothing was changed" not in found.stderr
    assert "Traceback" not in found.stderr
    assert [row["name"] for row in await database.sql("select name from client where name = 'bob'")] == ["bob"]


@pytest.mark.parametrize("words", ["contracts list", "--help", "contracts list --json"])
def test_every_kind_of_answer_says_it(words: str) -> None:
    found = run_into_nothing(*words.split())
    assert found.returncode == cli.REFUSED
    assert "Traceback" not in found.stderr
    if "--json" in words:
        assert json.loads(found.stderr)["error"]["code"] == "not_printed"
    else:
        assert "No space left on device" in found.stderr


def test_who_has_no_standard_output_is_served_all_the_same() -> None:
    found = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", str(ONHAND), "contracts", "list"],
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (cli.OK, "")
