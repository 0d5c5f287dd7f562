"""Several serving processes behind one address: what `onhand serve --workers N` runs.

The parent holds the listening socket and nothing else; each worker is a whole node that accepts from it. Nodes share
the database only, so a worker that dies takes nothing with it: another one is started in its place, and its callers
repeat what was not answered.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import structlog

from onhand.domain.errors import Unavailable
from onhand.http.server import listen, url_of
from onhand.http.settings import HttpSettings

log = structlog.get_logger("onhand.workers")

RESTARTS_MAX: Final = 5
"""Workers that died within RESTARTS_WITHIN_S before the parent gives up: then it is the cause that must be mended."""

RESTARTS_WITHIN_S: Final = 30.0

COMMAND: Final = (sys.executable, "-m", "onhand", "serve")


async def serve_many(
    settings: HttpSettings,
    *,
    workers: int,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    started: Callable[[str], None] | None = None,
) -> None:
    """Run `workers` processes until SIGTERM or SIGINT, each `onhand serve` with these arguments and environment.

    What is secret (a DSN with its password) belongs into the environment: arguments are seen by everybody on the
    machine. Raises Unavailable when workers keep dying.
    """
    listener = listen(settings.host, settings.port)
    crew = _Crew(listener, arguments, environment)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, crew.stop, signum)
    try:
        if started is not None:
            started(url_of(listener))
        await crew.keep(workers)
    finally:
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(signum)
        listener.close()


class _Crew:
    """The workers that run, and how often one had to be replaced."""

    def __init__(
        self, listener: socket.socket, arguments: Sequence[str], environment: Mapping[str, str] | None
    ) -> None:
        self._listener = listener
        self._arguments = arguments
        self._environment = environment
        self._running: set[asyncio.subprocess.Process] = set()
        self._deaths: list[float] = []
        self._stopping = False

    def stop(self, signum: int) -> None:
        """Pass a signal on; each worker finishes what it has in flight."""
        self._stopping = True
        for process in self._running:
            with suppress(ProcessLookupError):
                process.send_signal(signum)

    async def keep(self, workers: int) -> None:
        """Keep so many workers running until the crew stops. Raises Unavailable, after all of them have ended."""
        outcomes = await asyncio.gather(*(self._keep_one() for _ in range(workers)), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _keep_one(self) -> None:
        while not self._stopping:
            number = self._listener.fileno()
            process = await asyncio.create_subprocess_exec(
                *COMMAND, *self._arguments, "--listen-fd", str(number), pass_fds=(number,), env=self._environment
            )
            self._running.add(process)
            if self._stopping:  # the signal came while this one was being started
                self.stop(signal.SIGTERM)
            code = await process.wait()
            self._running.discard(process)
            if not self._stopping:
                log.error("worker_died", pid=process.pid, code=code)
                self._count_death()

    def _count_death(self) -> None:
        now = asyncio.get_running_loop().time()
        self._deaths = [at for at in self._deaths if now - at < RESTARTS_WITHIN_S] + [now]
        if len(self._deaths) > RESTARTS_MAX:
            self.stop(signal.SIGTERM)
            raise Unavailable(
                f"{len(self._deaths)} workers died within {RESTARTS_WITHIN_S:g} s.",
                remedy="Their own messages above tell the cause.",
            )
