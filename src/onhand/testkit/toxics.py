"""Eight ways in which a network is bad, on loopback: a proxy between the hub and a partner.

Each toxic works on bytes, below HTTP, in one direction or both. The names are those that Toxiproxy made known; the
proxy itself is a few lines of asyncio, so that no other program is needed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import urlsplit, urlunsplit

Toxic = Literal["latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data", "down"]

TOXICS: Final[dict[Toxic, str]] = {
    "latency": "each piece comes later, one more than another",
    "bandwidth": "a trickle of bytes",
    "slow_close": "the connection is closed late",
    "timeout": "nothing comes through, and the connection stays open",
    "reset_peer": "the connection is reset as soon as an answer begins",
    "slicer": "everything comes in pieces of a few bytes",
    "limit_data": "the connection is cut after some hundred bytes of the answer",
    "down": "nobody listens",
}
"""Every toxic, in words."""

LATENCY_S: Final = 0.03
BANDWIDTH_BYTES_PER_S: Final = 200_000
LIMIT_BYTES: Final = 120
SLOW_CLOSE_S: Final = 0.2


@dataclass(slots=True)
class _Pipe:
    """One direction of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answering: bool
    passed: int = 0


class Proxy:
    """Stands before a partner. `toxic` None lets everything through; it may be changed at any moment."""

    def __init__(self, target: str, *, seed: int = 1) -> None:
        parts = urlsplit(target)
        self._parts = parts
        self._to = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._draw = random.Random(seed)  # noqa: S311 - bad weather, not cryptography
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._toxic: Toxic | None = None
        self._port = 0
        self.connections = 0

    @property
    def url(self) -> str:
        """The partner's address through this proxy."""
        return urlunsplit(self._parts._replace(netloc=f"127.0.0.1:{self._port}"))

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._deaf()

    async def be(self, toxic: Toxic | None) -> None:
        """Be bad in a way from now on, or good again. Connections that are open are cut."""
        self._toxic = toxic
        await self._deaf()
        await asyncio.sleep(0.01)  # so that the other side hears of it before it sends anything more
        if toxic != "down":
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._come, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _deaf(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        beyond: asyncio.StreamWriter | None = None
        try:
            beyond_reader, beyond = await asyncio.open_connection(*self._to)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(_Pipe(reader, beyond, answering=False)))
                both.create_task(self._pump(_Pipe(beyond_reader, writer, answering=True)))
        except* (OSError, EOFError):
            pass
        finally:
            writer.close()
            if beyond is not None:
                beyond.close()

    async def _pump(self, pipe: _Pipe) -> None:
        while chunk := await pipe.reader.read(65_536):
            await _WAYS.get(self._toxic or "down", _as_it_is)(self, pipe, chunk)
        if self._toxic == "slow_close":
            await asyncio.sleep(SLOW_CLOSE_S)
        with suppress(OSError):
            pipe.writer.write_eof()
        if pipe.answering:
            raise EOFError

    async def write(self, pipe: _Pipe, chunk: bytes) -> None:
        """Let bytes through."""
        pipe.passed += len(chunk)
        pipe.writer.write(chunk)
        await pipe.writer.drain()

    def jitter(self) -> float:
        """Return a number from 0 to 1, the same sequence for the same seed."""
        return self._draw.random()


async def _as_it_is(proxy: Proxy, pipe: _Pipe, chunk: bytes) -> None:
    await proxy.write(pipe, chunk)


async def _latency(proxy: Proxy, pipe: _Pipe, chunk: bytes) -> None:
    await asyncio.sleep(LATENCY_S * (0.5 + proxy.jitter()))
    await proxy.write(pipe, chunk)


async def _bandwidth(proxy: Proxy, pipe: _Pipe, chunk: bytes) -> None:
    step = 4_096
    for start in range(0, len(chunk), step):
        await asyncio.sleep(step / BANDWIDTH_BYTES_PER_S)
        await proxy.write(pipe, chunk[start : start + step])


async def _timeout(_proxy: Proxy, pipe: _Pipe, _chunk: bytes) -> None:
    """Swallow the answer; the request has got through, so that its effect happens."""
    if not pipe.answering:
        await _proxy.write(pipe, _chunk)


async def _reset(proxy: Proxy, pipe: _Pipe, chunk: bytes) -> None:
    if pipe.answering:
        pipe.writer.transport.abort()
        raise ConnectionResetError
    await proxy.write(pipe, chunk)


async def _slicer(proxy: Proxy, pipe: _Pipe, chunk: bytes) -> None:
    start = 0
    while start < len(chunk):
        size = 1 + int(proxy.jitter() * 200)
        await proxy.write(pipe, chunk[start : start + size])
        await asyncio.sleep(0)
        start += size


async def _limit(proxy: Proxy, pipe: _Pipe, chunk: bytes) -> None:
    if not pipe.answering:
        await proxy.write(pipe, chunk)
        return
    left = LIMIT_BYTES - pipe.passed
    await proxy.write(pipe, chunk[: max(0, left)])
    if len(chunk) > left:
        pipe.writer.transport.abort()
        raise ConnectionResetError


_WAYS: Final[dict[str, Callable[[Proxy, _Pipe, bytes], Awaitable[None]]]] = {
    "latency": _latency,
    "bandwidth": _bandwidth,
    "timeout": _timeout,
    "reset_peer": _reset,
    "slicer": _slicer,
    "limit_data": _limit,
}
