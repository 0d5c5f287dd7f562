"""Starting nodes as processes, letting them begin together, and collecting what they were answered."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
LINE_BYTES_MAX = 16 * 1024 * 1024


class Node:
    """One node in a process of its own."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.told: list[dict[str, Any]] = []

    async def begin(self, **work: Any) -> None:
        """Hand it a round of work."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(work).encode() + b"\n")
        await self.process.stdin.drain()

    async def answers(self) -> list[dict[str, Any]]:
        """Return what it tells until the round is done or it is gone."""
        found = []
        async for answer in self:
            if "done" in answer:
                break
            found.append(answer)
        self.told += found
        return found

    async def ready(self) -> None:
        """Wait until its hub is open."""
        async for answer in self:
            assert answer == {"ready": True}
            return
        message = "the node went away before it was ready"
        raise AssertionError(message)

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            if line.endswith(b"\n"):
                yield json.loads(line)


@asynccontextmanager
async def nodes(dsn: str, *, number: int) -> AsyncIterator[list[Node]]:
    """Run this many nodes on one database; those still there at the end are stopped."""
    running = [await _start(dsn, seed) for seed in range(number)]
    try:
        await asyncio.gather(*(node.ready() for node in running))
        yield running
    finally:
        for node in running:
            if node.process.returncode is None:
                node.process.kill()
            await node.process.wait()


async def together(running: Sequence[Node], work: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Give each node its round at the same moment and return the answers of each."""
    await asyncio.gather(*(node.begin(**round_) for node, round_ in zip(running, work, strict=True)))
    return list(await asyncio.gather(*(node.answers() for node in running)))


async def _start(dsn: str, seed: int) -> Node:
    return Node(
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.proof.worker", dsn, str(seed),
            stdin=PIPE, stdout=PIPE, cwd=REPOSITORY, limit=LINE_BYTES_MAX,
        )
    )  # fmt: skip
