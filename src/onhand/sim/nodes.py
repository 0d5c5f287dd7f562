"""Starts, kills and stops real nodes, so that what is simulated around them is the only thing that is not real."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Final

from onhand.domain.errors import Unavailable
from onhand.ops.settings import Settings

START_WAIT_S: Final = 60.0
STOP_WAIT_S: Final = 45.0
LOG_TAIL_BYTES: Final = 2_000


class NodeFailed(Unavailable):
    """A node did not start."""

    code = "node_failed"
    title = "A node did not start"
    remedy = "Read its last words above; a port in use or a database out of reach are usual causes."


class Node:
    """One server process on loopback."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, log: IO[bytes]) -> None:
        self.url = url
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def kill(self) -> None:
        """End it the hard way, as a power failure would."""
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """Let it finish what is in flight; the hard way when it does not."""
        if not self.is_running():
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_WAIT_S)
        except TimeoutError:
            await self.kill()

    def said(self) -> str:
        """The end of its log."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - LOG_TAIL_BYTES))
        return self._log.read().decode("utf-8", "replace")


async def start(settings: Settings, *, port: int = 0, environment: Mapping[str, str] | None = None) -> Node:
    """Start a node on the database of `settings`; port 0 takes a free one. Raises NodeFailed."""
    log = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the node)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "onhand", "serve", "--json",
        env={**_environment(settings, port), **(environment or {})},
        stdout=asyncio.subprocess.PIPE, stderr=log, stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None, "it was asked for a pipe"
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_WAIT_S)
    except TimeoutError:
        line = b""
    node = Node(process, json.loads(line)["url"] if line else "", log)
    if not line:
        if node.is_running():
            await node.kill()
        raise NodeFailed(f"It said: {node.said().strip() or 'nothing'}")
    return node


@asynccontextmanager
async def running(settings: Settings, *, count: int = 1, ports: tuple[int, ...] = ()) -> AsyncIterator[list[Node]]:
    """Some nodes on one database, stopped at the end, those that were put in another's place included."""
    nodes: list[Node] = []
    try:
        for number in range(count):
            nodes.append(await start(settings, port=ports[number] if number < len(ports) else 0))  # noqa: PERF401
        yield nodes
    finally:
        await asyncio.gather(*(node.stop() for node in nodes))


def memory_bytes(pid: int) -> int:
    """The resident memory of a process; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used so far; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _environment(settings: Settings, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ONHAND_")}
    kept |= {"ONHAND_HTTP_PORT": str(port), "ONHAND_HTTP_HOST": "127.0.0.1"}
    kept |= {"ONHAND_HTTP_RATE_PER_S": "0"}  # the simulation is one client and means to be many
    if settings.dsn:
        kept["ONHAND_DSN"] = settings.dsn
    kept["ONHAND_DATA_DIR"] = str(settings.data_folder)
    if settings.pg:
        kept["ONHAND_PG"] = settings.pg
    return kept
