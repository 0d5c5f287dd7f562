"""Several processes behind one address: a worker that dies is replaced, and a stop reaches all of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from onhand.domain.errors import Unavailable
from onhand.http import workers as module
from onhand.http.settings import HttpSettings
from onhand.http.workers import serve_many


@contextmanager
def serving(dsn: str, *, workers: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`onhand serve` on a free port of the loopback interface, and its URL."""
    command = [sys.executable, "-m", "onhand", "serve", "--port", "0", "--workers", str(workers), "--json"]
    environment = os.environ | {"ONHAND_DSN": dsn}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            process.wait(timeout=90)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def answered(url: str) -> int:
    """The status of a request on a connection of its own; repeated while whoever accepted it is being killed."""
    for _ in range(50):
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz") as answer:
                return answer.status
        except aiohttp.ClientError:
            continue
    raise AssertionError("no worker answered")


async def test_a_worker_that_is_killed_is_replaced_and_its_callers_are_served(dsn: str) -> None:
    with serving(dsn, workers=2) as (process, url):
        assert await answered(url) == 200
        before = children(process.pid)
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        for _ in range(20):
            assert await answered(url) == 200
        assert process.poll() is None
        assert before[1] in children(process.pid)


async def test_a_stop_ends_every_worker_and_then_the_parent(dsn: str) -> None:
    with serving(dsn, workers=2) as (process, url):
        assert await answered(url) == 200
        crew = children(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=90) == 0
        assert [pid for pid in crew if Path(f"/proc/{pid}").exists()] == []


async def test_no_password_shows_among_the_arguments_of_a_process(dsn: str) -> None:
    with serving(dsn, workers=2) as (process, url):
        assert await answered(url) == 200
        shown = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children(process.pid)]
        assert len(shown) == 2
        assert not any(dsn.encode() in arguments for arguments in shown)


def test_a_stop_while_workers_are_being_started_is_not_lost(dsn: str) -> None:
    with serving(dsn, workers=2) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=90) == 0


async def test_workers_that_keep_dying_end_in_an_error_instead_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMAND", (sys.executable, "-c", "raise SystemExit(7)"))
    with pytest.raises(Unavailable, match="workers died"):
        await serve_many(HttpSettings(port=0), workers=2)
