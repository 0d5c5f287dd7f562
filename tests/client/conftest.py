"""Servers for the client: the API over a hub in memory, a proxy that loses answers, and scripted misbehaviour."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from onhand.client import AsyncClient
from onhand.http.app import build_app
from onhand.http.server import serving
from tests.http.stand_in import ADMIN_KEY, StandIn


@pytest.fixture
def hub() -> StandIn:
    """The hub behind the server."""
    return StandIn()


@pytest_asyncio.fixture
async def url(hub: StandIn) -> AsyncIterator[str]:
    """The address of a server over the hub."""
    behind: Any = hub
    async with serving(build_app(behind)) as running:
        yield running.url


@pytest_asyncio.fixture
async def client(url: str) -> AsyncIterator[AsyncClient]:
    """A client of that server."""
    async with AsyncClient(url, key=ADMIN_KEY) as made:
        yield made


class Script:
    """A server that answers each connection's request with the next entry of its script, and notes what was asked.

    An entry is the bytes of an answer, or None to close the connection without one.
    """

    def __init__(self, *entries: bytes | None) -> None:
        self.entries = deque(entries)
        self.heads: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        entry = self.entries.popleft()
        if entry is not None:
            writer.write(entry)
            await writer.drain()
        writer.close()


def answer(status: str, body: bytes = b"{}", *headers: str) -> bytes:
    """The bytes of an answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def scripted(*entries: bytes | None) -> AsyncIterator[tuple[str, Script]]:
    """A scripted server on a loopback port."""
    script = Script(*entries)
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    async with server:
        yield f"http://{host}:{port}", script


@asynccontextmanager
async def losing_answers(url: str, *, lose: Callable[[int], bool]) -> AsyncIterator[tuple[str, list[int]]]:
    """A proxy that lets every request through, and closes the connection instead of giving back some answers.

    `lose` is asked with the number of the request, from 0. Yields its address, and the numbers that it lost.
    """
    host, port = url.removeprefix("http://").split(":")
    lost: list[int] = []
    numbers = iter(range(1_000_000))

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                try:
                    head = await reader.readuntil(b"\r\n\r\n")
                except asyncio.IncompleteReadError:
                    return
                body = await reader.readexactly(_length(head))
                up_reader, up_writer = await asyncio.open_connection(host, int(port))
                up_writer.write(head + body)
                answered = await up_reader.readuntil(b"\r\n\r\n")
                answered += await up_reader.readexactly(_length(answered))
                up_writer.close()
                number = next(numbers)
                if lose(number):
                    lost.append(number)
                    return
                writer.write(answered)
                await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    bound = server.sockets[0].getsockname()
    async with server:
        yield f"http://{bound[0]}:{bound[1]}", lost


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
