"""Runs what a page shows in a terminal, and compares what comes out with what the page says.

A line that begins with `$ ` is a command, one with `> ` goes on with it; what follows is what it prints. `...` stands
for anything. All commands of a page run in one folder and one environment, one after the other, like in one terminal.
A command that ends with `&` stays in the background until the page ends; the next one waits until all that the page
shows of its output has come. The port 8480 is replaced by a free one.
"""

from __future__ import annotations

import doctest
import os
import random
import re
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

LOOSE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PORT = "8480"
TIMEOUT_S = 180


@dataclass(frozen=True)
class Command:
    """A command with what the page says that it prints; nothing said, nothing compared."""

    text: str
    expected: str


def commands(text: str) -> list[Command]:
    """The commands of one block."""
    found: list[tuple[list[str], list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1][0].append(line[2:])
        elif found:
            found[-1][1].append(line)
    return [Command("\n".join(said), "\n".join(shown).strip("\n")) for said, shown in found]


def agrees(expected: str, got: str) -> bool:
    """Whether an output is what the page says, white space and `...` aside."""
    return not expected.strip() or doctest.OutputChecker().check_output(expected + "\n", got.strip("\n") + "\n", LOOSE)


def free_port() -> int:
    """A port that nobody uses right now, and none of those that the system gives to whoever asks for any port."""
    for port in random.Random().sample(range(20_000, 32_000), 100):
        with socket.socket() as found, suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


@dataclass
class Terminal:
    """One reader's terminal: a folder, an environment, what runs in the background."""

    folder: Path
    environment: dict[str, str]
    port: str = field(default_factory=lambda: str(free_port()))
    background: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, command: Command, *, code: int | None = 0) -> str:
        """Run one command; what it printed.

        Raises AssertionError when it does not end with `code` (None: any will do) or prints what the page does not say.
        """
        text = command.text.replace(PORT, self.port)
        if text.endswith("&"):
            return self._stay(text.removesuffix("&").strip(), command.expected)
        state = self.folder.parent / "state"
        script = f". {state}\n{text}\ncode=$?\n{{ export -p; echo cd \"'$PWD'\"; }} >{state}\nexit $code\n"
        run = subprocess.run(
            ["sh", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
        got = run.stdout.decode().replace(self.port, PORT)
        if code is not None and run.returncode != code:
            raise AssertionError(f"exit code {run.returncode} of: {command.text}\n{got}")
        if not agrees(command.expected, got):
            raise AssertionError(f"$ {command.text}\n--- the page says\n{command.expected}\n--- it prints\n{got}")
        return got

    def variables(self) -> dict[str, str]:
        """What has been exported so far."""
        state = self.folder.parent / "state"
        shown = subprocess.run(
            ["sh", "-c", f". {state}; env -0"], env=self.environment, capture_output=True, check=True
        ).stdout.decode()
        return dict(pair.split("=", 1) for pair in shown.split("\0") if "=" in pair)

    def _stay(self, text: str, expected: str) -> str:
        state = self.folder.parent / "state"
        process = subprocess.Popen(
            ["sh", "-c", f". {state}\nexec {text}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.background.append(process)
        return self._until(process, expected)

    def _until(self, process: subprocess.Popen[bytes], expected: str) -> str:
        """Read until what the page shows has come."""
        assert process.stdout is not None
        got = b""
        until = time.monotonic() + TIMEOUT_S
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while time.monotonic() < until:
                text = got.decode(errors="replace").replace(self.port, PORT)
                if got and (agrees(expected, text) or agrees(expected.rstrip() + "\n...", text)):
                    return text
                if not ready.select(timeout=1):
                    continue
                piece = os.read(process.stdout.fileno(), 65_536)
                if not piece:
                    break
                got += piece
        raise AssertionError(f"it did not print what the page says:\n{expected}\n--- but\n{got.decode()}")


@contextmanager
def terminal(folder: Path, **variables: str) -> Iterator[Terminal]:
    """A fresh terminal in an empty folder, with `onhand` and `python` on the path and none of this run's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ONHAND_", "PG"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    place = folder / "here"
    place.mkdir()
    opened = Terminal(place, {**kept, "PATH": path, "COLUMNS": "160", **variables})
    opened.environment["ONHAND_HTTP_PORT"] = opened.port
    (folder / "state").touch()
    try:
        yield opened
    finally:
        for process in opened.background:
            process.terminate()
        for process in opened.background:
            process.wait(timeout=TIMEOUT_S)
            if process.stdout is not None:
                process.stdout.close()


def missing(tools: str) -> list[str]:
    """The programs among those named that this machine does not have."""
    return [tool for tool in re.split(r"[, ]+", tools) if shutil.which(tool) is None]
