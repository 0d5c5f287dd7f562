"""Reads a request's body within its bounds: bytes, seconds, and what gzip may grow to.

A body that declares too much is refused before it is read; one that does not declare is counted while it comes in.
"""

from __future__ import annotations

import asyncio
import types
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from onhand.http.call import Call
from onhand.http.errors import BrokenEncoding, MalformedRequest, MediaTypeNotRead, PayloadTooLarge, RequestTimeout

Receive = Callable[[], Awaitable[dict[str, Any]]]


class ClientGone(Exception):
    """The caller closed the connection before the body was complete."""


async def read_body(call: Call, receive: Receive, *, bytes_max: int, timeout_s: float) -> bytes:
    """The whole body, decompressed. Raises PayloadTooLarge, RequestTimeout, MediaTypeNotRead, ClientGone."""
    encoding = b""
    for name, value in call.scope["headers"]:
        if name == b"content-length":
            declared = _length(value)
            if declared > bytes_max:
                raise _too_large(bytes_max, f"declares {declared} bytes")
        elif name == b"content-encoding":
            encoding = value.strip().lower()
    if encoding not in {b"", b"identity", b"gzip"}:
        raise MediaTypeNotRead(f"The content encoding {encoding[:40].decode('latin-1')!r} is not read.")
    # A timer costs more than all the rest of reading a small body, and nearly every small body has arrived with its
    # head. So reading is begun by hand, and only if it has to wait is it put under a clock.
    reading = _receive_all(receive, bytes_max)
    try:
        waits_for = reading.send(None)
    except StopIteration as done:
        body: bytes = done.value
    else:
        try:
            async with asyncio.timeout(timeout_s):
                body = await _resumed(reading, waits_for)
        except TimeoutError:
            raise RequestTimeout(f"The body was not complete after {timeout_s:g} seconds.") from None
    return _inflate(body, bytes_max) if encoding == b"gzip" else body


def require_json(call: Call) -> None:
    """Raise MediaTypeNotRead unless the body is declared as JSON, or not declared at all."""
    declared = call.header(b"content-type")
    if declared is None or declared == b"application/json":
        return
    media_type, _, parameters = declared.decode("latin-1").lower().partition(";")
    media_type = media_type.strip()
    utf8 = "charset" not in parameters or "utf-8" in parameters or "utf8" in parameters
    if utf8 and media_type.startswith("application/") and media_type.endswith(("/json", "+json")):
        return
    raise MediaTypeNotRead(f"The content type {declared[:100].decode('latin-1')!r} is not read here.")


@types.coroutine
def _resumed(begun: Coroutine[Any, Any, bytes], waits_for: Any) -> Generator[Any, Any, bytes]:
    """The rest of a coroutine that was begun by hand and waits for something."""
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as thrown:  # noqa: BLE001  (it belongs to the coroutine, a cancellation above all)
                waits_for = begun.throw(thrown)
            else:
                waits_for = begun.send(sent)
    except StopIteration as done:
        result: bytes = done.value
        return result


async def _receive_all(receive: Receive, bytes_max: int) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > bytes_max:
            raise _too_large(bytes_max, "is larger")
        return body
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] != "http.request":
            raise ClientGone
        size += len(message.get("body", b""))
        if size > bytes_max:
            raise _too_large(bytes_max, "is larger")
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


def _inflate(body: bytes, bytes_max: int) -> bytes:
    """Undo gzip (RFC 1952, one member) up to the same bound that holds for a plain body."""
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = stream.decompress(body, bytes_max + 1)
    except zlib.error:
        raise BrokenEncoding("The body is not gzip.") from None
    if len(plain) > bytes_max:
        raise _too_large(bytes_max, "is larger once decompressed")
    if not stream.eof or stream.unused_data:
        raise BrokenEncoding("The gzip data end too early, or something follows them.")
    return plain


def _length(value: bytes) -> int:
    if not value.isdigit() or len(value) > 18:
        raise MalformedRequest("The header Content-Length is not a number.")
    return int(value)


def _too_large(bytes_max: int, what: str) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body {what}; this operation takes {bytes_max} bytes.", bytes_max=bytes_max)
