"""What a caller can do to the node's sockets."""

from __future__ import annotations

import asyncio

import pytest

from tests.http.conftest import Serving


async def let_go(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read until the node closes the connection; fail where it holds it."""
    try:
        async with asyncio.timeout(2):
            await reader.read()
    except TimeoutError:
        pytest.fail("the connection is held for nothing, for ever")
    finally:
        writer.close()


@pytest.mark.parametrize("begun", [b"G", b"POST ", b"\r\n"])
async def test_a_head_that_ends_in_its_first_word_is_not_waited_for(server: Serving, begun: bytes) -> None:
    async with server(head_timeout_s=0.05) as call:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(call.url.rpartition(":")[2]))
        writer.write(begun)
        await let_go(reader, writer)


async def test_the_same_after_an_answer(server: Serving) -> None:
    async with server(head_timeout_s=0.05) as call:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(call.url.rpartition(":")[2]))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"G")
        await let_go(reader, writer)


REFUSED = (
    b"POST /v1/reservations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ohk_admin_key_for_tests\r\n"
    b"Content-Length: 99999999\r\n\r\n"
)


@pytest.mark.parametrize(("asked", "then"), [(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n"), (REFUSED, b"x")])
async def test_a_line_that_was_answered_and_says_nothing_more_is_closed(
    server: Serving, monkeypatch: pytest.MonkeyPatch, asked: bytes, then: bytes
) -> None:
    monkeypatch.setattr("onhand.http.server.KEEP_ALIVE_S", 0.3)
    async with server() as call:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(call.url.rpartition(":")[2]))
        writer.write(asked)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(then)
        await let_go(reader, writer)
