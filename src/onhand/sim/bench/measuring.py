"""One measurement: the load in its own process, and what the node and the database spent on it."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from onhand.domain.errors import Unavailable
from onhand.sim import nodes
from onhand.sim.api import Api
from onhand.sim.bench.load import Job, Result, sku
from onhand.sim.bench.world import EVENTS, SOURCE
from onhand.sim.nodes import Node


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A load's result and the processor time that others spent meanwhile, in microseconds a call."""

    result: Result
    node_us: float
    database_us: float
    load_us: float


async def load(node: Node, job: Job, *, postmaster: int | None) -> Measured:
    """Run a job against a node."""
    parts = urlsplit(node.url)
    job = msgspec.structs.replace(job, host=parts.hostname or "127.0.0.1", port=parts.port or 0)
    before = nodes.cpu_s(node.pid), database_cpu_s(postmaster)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "onhand.sim.bench.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate(msgspec.json.encode(job))
    if process.returncode:
        raise Unavailable(f"The load ended with {process.returncode}: {err.decode('utf-8', 'replace')[-1000:]}")
    after = nodes.cpu_s(node.pid), database_cpu_s(postmaster)
    result = msgspec.json.decode(out, type=Result)
    calls = max(result.calls, 1) / 1e6
    return Measured(
        result=result, node_us=(after[0] - before[0]) / calls, database_us=(after[1] - before[1]) / calls,
        load_us=result.cpu_s / calls,
    )  # fmt: skip


async def intake_per_s(node: Node, key: str, *, run: int, seconds: float, skus: int, connections: int = 2) -> float:
    """Events a second that a node takes in: receipts of one line, in batches over HTTP, one at a time a connection."""
    prepared = iter(range(10**6))
    applied = 0
    end = time.perf_counter() + seconds

    async def send(api: Api) -> None:
        nonlocal applied
        while time.perf_counter() < end:
            batch = next(prepared)
            reply = await api.post("/v1/events", _batch(run, batch, skus), media="application/cloudevents-batch+json")
            assert reply.status == 200, f"the bench's own facts are right: {reply.body}"
            applied += reply.body["counts"].get("applied", 0)

    start = time.perf_counter()
    async with Api([node.url], key, connections=connections) as api:
        await asyncio.gather(*(send(api) for _ in range(connections)))
    return applied / (time.perf_counter() - start)


def _batch(run: int, batch: int, skus: int) -> msgspec.Raw:
    first = batch * EVENTS
    events = ",".join(
        f'{{"specversion":"1.0","id":"in/{run}/{one}","source":"{SOURCE}","type":"receipt.posted",'
        f'"data":{{"location":"MAIN","lines":[{{"sku":"{sku(one % skus)}","quantity":1}}]}}}}'
        for one in range(first, first + EVENTS)
    )
    return msgspec.Raw(f"[{events}]".encode())


def database_cpu_s(postmaster: int | None) -> float:
    """Processor seconds of all processes of an embedded server so far; those that have ended are left out."""
    if postmaster is None:
        return 0.0
    total = nodes.cpu_s(postmaster)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _parent(entry) == postmaster:
            total += nodes.cpu_s(int(entry.name))
    return total


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
