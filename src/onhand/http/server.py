"""Runs the API with uvicorn, and stops it without dropping anything.

On SIGTERM or SIGINT the node first says so (/readyz, and 503 with Retry-After to new requests), finishes what is in
flight, and only then closes. A second signal stops at once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

import structlog
import uvicorn

from onhand.http.pipeline import Pipeline
from onhand.http.protocol import BoundedProtocol
from onhand.http.settings import HttpSettings

log = structlog.get_logger("onhand.http")

POLL_S = 0.02
"""How often a stopping node looks whether the last request is done."""

KEEP_ALIVE_S = 75
"""Longer than the idle time of common load balancers (60 s), so that it is they who close, not we under a request."""

BACKLOG = 2048
"""Connections that wait to be accepted: a burst of that many callers is not refused by the kernel."""


async def serve(
    app: Pipeline,
    settings: HttpSettings,
    *,
    started: Callable[[str], None] | None = None,
    listener: socket.socket | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; `started` is told the URL once requests are answered.

    With `listener`, a socket that listens already and is shared with other processes, no address is bound.
    """
    async with serving(app, settings, signals=True, listener=listener) as running:
        log.info("serving", url=running.url)
        if started is not None:
            started(running.url)
        await running.stopped()
    log.info("stopped")


class Running:
    """A server that runs: its URL, and how to stop it."""

    def __init__(self, url: str, server: _Server, task: asyncio.Task[None]) -> None:
        self.url = url
        self._server = server
        self._task = task

    def stop(self) -> None:
        """Begin to stop: refuse what is new, finish what is in flight."""
        self._server.begin_to_stop()

    async def stopped(self) -> None:
        """Wait until the server has stopped."""
        await asyncio.shield(self._task)


@asynccontextmanager
async def serving(
    app: Pipeline,
    settings: HttpSettings | None = None,
    *,
    signals: bool = False,
    listener: socket.socket | None = None,
) -> AsyncIterator[Running]:
    """A server in this event loop, for as long as the block lasts; port 0 takes a free one."""
    settings = settings or HttpSettings(port=0)
    listener = listener or listen(settings.host, settings.port)
    server = _Server(_config(app, settings), app, settings, signals=signals)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http server")
    try:
        while not server.started and not task.done():  # noqa: ASYNC110  (uvicorn offers no event to wait for)
            await asyncio.sleep(0.001)
        if task.done():
            task.result()
        yield Running(url_of(listener), server, task)
    finally:
        server.begin_to_stop()
        await task
        listener.close()


class _Server(uvicorn.Server):
    """uvicorn's server, whose stop begins with a drain."""

    def __init__(self, config: uvicorn.Config, app: Pipeline, settings: HttpSettings, *, signals: bool) -> None:
        super().__init__(config)
        self._pipeline = app
        self._drain_s = settings.drain_s
        self._signals = signals
        self._loop = asyncio.get_running_loop()
        self._drain: asyncio.Task[None] | None = None

    def capture_signals(self) -> Any:
        """Take signals over only where this server is the process's purpose."""
        return super().capture_signals() if self._signals else _no_signals()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  (uvicorn calls it)
        """The first signal drains, the second stops at once. Called in a signal handler: only hand over."""
        if self._pipeline.lanes.stopping:
            self.force_exit = self.should_exit = True
        else:
            self._loop.call_soon_threadsafe(self.begin_to_stop)

    def begin_to_stop(self) -> None:
        """Refuse what is new and stop when what is in flight is done."""
        if self._drain is None:
            self._pipeline.lanes.stopping = True
            self._drain = self._loop.create_task(self._drained(), name="http drain")

    async def _drained(self) -> None:
        try:
            async with asyncio.timeout(self._drain_s):
                while self._pipeline.lanes.in_flight and not self.should_exit:  # noqa: ASYNC110  (rarely, and briefly)
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            log.warning("gave up waiting", in_flight=self._pipeline.lanes.in_flight, waited_s=self._drain_s)
        self.should_exit = True


def _config(app: Pipeline, settings: HttpSettings) -> uvicorn.Config:
    protocol = type("Protocol", (BoundedProtocol,), {"head_timeout_s": settings.head_timeout_s})
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,  # the drain has waited already; what is left now is stuck
        backlog=BACKLOG,
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at that address. Raises OSError when it is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise type(error)(error.errno, error.strerror, f"{host}:{port}") from None
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL at which a listening socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _no_signals:  # noqa: N801  (a context manager in the place of a function)
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass
