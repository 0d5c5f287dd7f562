"""SIGTERM to a real process: what is in flight is finished, what is new is refused, the process ends with 0."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.http.conftest import order
from tests.http.stand_in import ADMIN_KEY

ROOT = Path(__file__).parents[2]
HEADERS = {"Authorization": f"Bearer {ADMIN_KEY}"}


@asynccontextmanager
async def node(gate: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.http.lonely_node", str(gate), cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process, await line(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 90)).decode().strip()


async def test_sigterm_finishes_what_is_in_flight_and_ends_with_0(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with node(gate) as (process, url), aiohttp.ClientSession(url, headers=HEADERS) as session:
        held = asyncio.create_task(session.post("/v1/reservations", json=order("held")))
        assert await line(process) == "held"
        process.send_signal(signal.SIGTERM)
        while (await session.get("/readyz")).status != 503:
            await asyncio.sleep(0)
        refused = await session.post("/v1/reservations", json=order("late"))
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        gate.touch()
        answered = await held
        assert (answered.status, (await answered.json())["state"]) == (201, "granted")
        assert await asyncio.wait_for(process.wait(), 60) == 0


async def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    async with node(tmp_path / "never") as (process, url), aiohttp.ClientSession(url, headers=HEADERS) as session:
        held = asyncio.create_task(session.post("/v1/reservations", json=order("held")))
        assert await line(process) == "held"
        process.send_signal(signal.SIGTERM)
        while (await session.get("/readyz")).status != 503:
            await asyncio.sleep(0)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 60)
        await asyncio.gather(held, return_exceptions=True)
