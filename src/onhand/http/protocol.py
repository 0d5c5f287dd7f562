"""Reads HTTP/1.1 off a socket, within bounds that uvicorn leaves to others: the size and the pace of a request's head.

What is refused here has not reached the application; it is told as a problem document all the same.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from onhand.domain.errors import OnhandError
from onhand.http import problems
from onhand.http.errors import HeadersTooLarge, MalformedRequest, RequestTimeout, UriTooLong
from onhand.http.limits import DISCARD_BYTES_MAX, HEAD_BYTES_MAX, URL_BYTES_MAX

_BEFORE_THE_APPLICATION: Final = "unread"


class _Refused(Exception):
    """Raised inside a callback of the parser, which then gives up."""


class _OneWrite:
    """A transport that sends the head of an answer together with its body.

    uvicorn writes them one after the other, and each write is a system call: a fifth of the cost of a small answer.
    """

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """Hold a head until the body comes, or until this turn of the loop is over."""
        if self._head is not None:
            data, self._head = self._head + data, None
        elif data.startswith(b"HTTP/1."):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Send what is held, then close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head)


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with limits. `head_timeout_s` is set by `server.py` before the first connection."""

    head_timeout_s: float = 15.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = False
        self._discarded_bytes = 0
        self._refusal: OnhandError | None = None
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock: a connection that never says anything is closed like one that says it slowly."""
        super().connection_made(_OneWrite(transport, self.loop))  # type: ignore[arg-type]
        self._in_head = True
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and keep the clock running while a head is incomplete."""
        super().data_received(data)
        if self._in_head:
            self._start_timer()
            return
        self._stop_timer()
        # uvicorn stops its clock for any byte, also for a blank line or the rest of a refused body: nobody is served
        # before more comes.
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.response_complete and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_message_begin(self) -> None:
        """A new request begins."""
        super().on_message_begin()
        self._head_bytes = 0
        self._discarded_bytes = 0
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        """Count the URL."""
        super().on_url(url)
        self._head_bytes += len(url)
        if len(self.url) > URL_BYTES_MAX:
            self._refuse(UriTooLong(f"The URL is longer than {URL_BYTES_MAX} bytes.", bytes_max=URL_BYTES_MAX))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header line."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(HeadersTooLarge(f"The head is larger than {HEAD_BYTES_MAX} bytes.", bytes_max=HEAD_BYTES_MAX))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; what nobody reads any more is thrown away, up to a bound."""
        if self.cycle.response_complete:
            self._discarded_bytes += len(body)
            if self._discarded_bytes > DISCARD_BYTES_MAX:
                self.transport.close()
            return
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Tell why the request was refused, and close."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            self.transport.close()  # an answer is under way: another one cannot be put in between
            return
        error = self._refusal or MalformedRequest(msg)
        body = problems.encode(error, request_id=_BEFORE_THE_APPLICATION)
        lines = [STATUS_LINE[problems.status_of(type(error))]]
        for name, value in self.server_state.default_headers:
            lines += [name, b": ", value, b"\r\n"]
        lines += [
            b"content-type: ", problems.MEDIA_TYPE, b"\r\ncontent-length: ", str(len(body)).encode(),
            b"\r\nconnection: close\r\n\r\n", body,
        ]  # fmt: skip
        self.transport.write(b"".join(lines))
        self.transport.close()

    def _refuse(self, error: OnhandError) -> None:
        self._refusal = error
        raise _Refused

    def _start_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self._head_bytes:
            self._refusal = RequestTimeout(f"The head was not complete after {self.head_timeout_s:g} seconds.")
            self.send_400_response("")
        else:
            self.transport.close()
