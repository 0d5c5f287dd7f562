"""Typing commands in tests: in this process, on a database or at a server that `onhand serve` runs on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from onhand import cli

ONHAND = Path(sys.executable).parent / "onhand"

NETWORK = {
    "systems.yaml": "systems:\n  wms: {kind: wms}\n",
    "locations.yaml": "locations:\n  A: {kind: warehouse}\n  B: {kind: warehouse}\n",
    "channels.yaml": "channels:\n  web: {kind: storefront, sells_from: [A, B]}\n",
}


class Typed(NamedTuple):
    """What a command line printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output as one JSON document."""
        return json.loads(self.out)


class Terminal:
    """Types commands with the same last words each time: where they work."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *where: str) -> None:
        self._capsys = capsys
        self._where = where

    def __call__(self, *tokens: object, code: int = cli.OK) -> Typed:
        """Run one command line, which must end with that exit code."""
        self._capsys.readouterr()
        found = cli.run([*map(str, tokens), *self._where])
        out, err = self._capsys.readouterr()
        assert found == code, (found, out, err)
        return Typed(found, out, err)


@contextmanager
def server(dsn: str, *options: str) -> Iterator[str]:
    """`onhand serve` on a database, on a free port; its URL."""
    process = subprocess.Popen(
        [ONHAND, "serve", "--port", "0", "--json", "--log-level", "error", "--dsn", dsn, *options],
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("ONHAND_")},
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        assert process.wait(timeout=90) == 0
