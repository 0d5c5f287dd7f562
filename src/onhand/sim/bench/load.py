"""The load: many connections that keep asking, as cheaply as Python can, in a process of its own.

It shares the machine with what it measures, so its own cost is part of the result. Requests are bytes of one length
put together without a JSON encoder; of an answer only the status and the length are read. `python -m
onhand.sim.bench.load` takes one job as JSON on standard input and writes one result to standard output.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from typing import Final, cast

import msgspec
import uvloop

ID_DIGITS: Final = 12
SKU_DIGITS: Final = 9
QUANTILES: Final = (50.0, 90.0, 99.0, 99.9, 100.0)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. `rate_per_s` spreads calls evenly and measures from the moment that each was due; None: at once.

    Orders have `order_lines` lines, each of one unit of a SKU drawn from the first `skus`.
    """

    host: str
    port: int
    key: str
    prefix: str
    connections: int = 128
    seconds: float = 5.0
    rate_per_s: float | None = None
    skus: int = 1
    order_lines: int = 1
    channel: str = "web"
    seed: int = 0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. Latencies are milliseconds by quantile; `cpu_s` is what the load itself cost."""

    calls: int
    seconds: float
    statuses: dict[str, int]
    latency_ms: dict[str, float]
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds


def sku(number: int) -> str:
    """The SKU of a number; all are of one length."""
    return f"B{number:0{SKU_DIGITS}d}"


def requests(job: Job) -> Iterator[bytes]:
    """Yield requests without end: no two have the same id, all have the same length."""
    line = ",".join(
        f'{{"line_id":"{number}","sku":"B%0{SKU_DIGITS}d","quantity":1}}' for number in range(1, job.order_lines + 1)
    )
    body = f'{{"request_id":"{job.prefix}%0{ID_DIGITS}d","channel":"{job.channel}","lines":[{line}]}}'
    length = len(body % (0, *[0] * job.order_lines))
    head = (
        f"POST /v1/reservations HTTP/1.1\r\nhost: {job.host}:{job.port}\r\nauthorization: Bearer {job.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
    whole = (head.replace("%", "%%") + body).encode()
    draw = random.Random(job.seed)  # noqa: S311  (it spreads load, it guards nothing)
    for number in range(10**ID_DIGITS):
        if job.skus == 1:
            yield whole % (number, *[0] * job.order_lines)
        else:
            yield whole % (number, *draw.sample(range(job.skus), job.order_lines))


class Load:
    """All connections of one job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.statuses: Counter[bytes] = Counter()
        self.latencies = array("d")
        self.next = requests(job).__next__
        self.idle: list[_Connection] = []
        self.due: float = 0.0
        self.stopping = False

    async def run(self) -> Result:
        """Send until the time is over, then wait for what is under way."""
        loop = asyncio.get_running_loop()
        opened = [
            await loop.create_connection(lambda: _Connection(self), self.job.host, self.job.port)
            for _ in range(self.job.connections)
        ]
        before = _cpu_s()
        start = time.perf_counter()
        if self.job.rate_per_s is None:
            for _, connection in opened:
                connection.ask(time.perf_counter())
            await asyncio.sleep(self.job.seconds)
        else:
            self.idle = [connection for _, connection in opened]
            await self._paced(self.job.rate_per_s, start)
        self.stopping = True
        took = time.perf_counter() - start
        calls = len(self.latencies)
        cpu = _cpu_s() - before
        await asyncio.sleep(0.2)
        for transport, _ in opened:
            transport.close()
        statuses = {status.decode(): count for status, count in sorted(self.statuses.items())}
        return Result(calls=calls, seconds=took, statuses=statuses, latency_ms=self._quantiles(), cpu_s=cpu)

    async def _paced(self, rate_per_s: float, start: float) -> None:
        """One call each 1/rate seconds, from the moment it is due, however late a connection becomes free."""
        step = 1 / rate_per_s
        self.due = start
        end = start + self.job.seconds
        while (now := time.perf_counter()) < end:
            while self.due <= now and self.idle:
                self.idle.pop().ask(self.due)
                self.due += step
            await asyncio.sleep(max(0.0, min(self.due - time.perf_counter(), 0.001)))

    def answered(self, connection: _Connection, status: bytes, asked: float) -> None:
        """Take in an answer and go on."""
        now = time.perf_counter()
        self.statuses[status] += 1
        self.latencies.append(now - asked)
        if self.stopping:
            return
        if self.job.rate_per_s is None:
            connection.ask(now)
        elif self.due <= now:
            connection.ask(self.due)
            self.due += 1 / self.job.rate_per_s
        else:
            self.idle.append(connection)

    def _quantiles(self) -> dict[str, float]:
        ordered = sorted(self.latencies)
        if not ordered:
            return {}
        last = len(ordered) - 1
        return {f"p{q:g}": round(1000 * ordered[round(last * q / 100)], 3) for q in QUANTILES}


class _Connection(asyncio.Protocol):
    """One keep-alive connection: one request at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._asked = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by shape, not by class

    def ask(self, asked: float) -> None:
        """Send the next request; its latency counts from `asked`."""
        self._asked = asked
        self._transport.write(self._load.next())

    def data_received(self, data: bytes) -> None:
        self._buffer = data if not self._buffer else self._buffer + data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        place = self._buffer.find(b"content-length: ", 0, end)
        length = int(self._buffer[place + 16 : self._buffer.find(b"\r\n", place)])
        if len(self._buffer) >= end + 4 + length:
            status = self._buffer[9:12]
            self._buffer = b""
            self._load.answered(self, status, self._asked)

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self._load.stopping:
            self._load.statuses[b"lost"] += 1


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run the job on standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(Load(job).run())
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()
