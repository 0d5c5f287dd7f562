"""The base of stand-ins for partners: a real server on loopback that keeps count, asserts its limits and can be sick.

A fake is stateful and seedable. It speaks the partner's dialect, keeps what it is told, refuses what the partner
refuses, and itself notices when it is called too often or in its maintenance window: `broken` names each promise that
was broken towards it, and a test ends by asserting that there is none. Faults are set by tests, the simulator and the
demo alike; each says whether the effect happens.
"""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

from aiohttp import web

from onhand.sdk.partner import Partner

FaultKind = Literal["status", "lose_answer", "refuse", "slow", "garbage", "cut"]

FAULTS: dict[FaultKind, str] = {
    "status": "answers with a status and does nothing",
    "lose_answer": "does the work, then hangs up before it answers",
    "refuse": "hangs up before it does anything",
    "slow": "answers, but only after `delay_s`",
    "garbage": "does the work and answers 200 with a body that is no document",
    "cut": "does the work and hangs up in the middle of the answer",
}
"""Every fault, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way of being sick; `times` None: until it is cured. `only`: for paths that begin so."""

    kind: FaultKind
    times: int | None = 1
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0.0
    only: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A request as the fake heard it, in monotonic seconds."""

    at_s: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class FakePartner(Partner):
    """A partner on a loopback socket. Subclass it as `Fake`: override `answer`, keep the state in the instance.

    Override also the parts of `Partner` that the connector's streams and operations need: the suite asks for them.

    `rate` (calls, seconds) is a sliding window that it asserts; `window_open` False means maintenance: any call at all
    is a broken promise then. `clock` gives monotonic seconds.
    """

    heard_max: ClassVar[int] = 100_000
    """Requests remembered; the counts go on."""

    def __init__(
        self, *, seed: int = 0, secret: str = "", rate: tuple[int, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.seed = seed
        self.secret = secret
        self.rate = rate
        self.window_open = True
        self.broken: list[str] = []
        self.heard: deque[Heard] = deque(maxlen=self.heard_max)
        self.calls = 0
        self._clock = clock
        self._faults: list[Fault] = []
        self._recent: deque[float] = deque()
        self._news = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Do what the partner does with a request, and answer it."""
        raise NotImplementedError

    def sicken(self, fault: Fault) -> None:
        """Be sick in a way, after the ways set before."""
        self._faults.append(fault)

    def heal(self) -> None:
        """Be well."""
        self._faults.clear()

    async def until(self, holds: Callable[[], bool], *, within_s: float = 30.0) -> None:
        """Wait until something holds, looking after each request. Raises TimeoutError."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(holds)

    async def start(self, *, port: int = 0) -> Self:
        """Listen on loopback; `url` is the base address then. Port 0 takes one that is still free after a pause."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.SockSite(self._runner, _listening(port)).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def stop(self) -> None:
        """Stop listening; the state stays, and `start` goes on with it."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self._note(request, body)
        fault = self._fault(request.path)
        try:
            return await self._faulty(fault, request, body) if fault else await self.answer(request, body)
        finally:
            async with self._news:
                self._news.notify_all()

    async def _faulty(self, fault: Fault, request: web.Request, body: bytes) -> web.StreamResponse:
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault.kind == "status":
            return web.Response(status=fault.status, headers=dict(fault.headers), body=fault.body)
        if fault.kind == "refuse":
            return _hang_up(request)
        whole = await self.answer(request, body)
        return await _SPOILT.get(fault.kind, _as_it_is)(request, whole)

    def _note(self, request: web.Request, body: bytes) -> None:
        now = self._clock()
        self.calls += 1
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.heard.append(Heard(at_s=now, method=request.method, path=request.path_qs, headers=headers, body=body))
        if not self.window_open:
            self.broken.append(f"called in its maintenance window: {request.method} {request.path}")
        if self.rate is not None:
            calls, seconds = self.rate
            self._recent.append(now)
            while self._recent[0] <= now - seconds:
                self._recent.popleft()
            if len(self._recent) > calls:
                self.broken.append(f"{len(self._recent)} calls in {seconds:g} s, at most {calls} are allowed")

    def _fault(self, path: str) -> Fault | None:
        for number, fault in enumerate(self._faults):
            if path.startswith(fault.only):
                if fault.times is not None:
                    left = fault.times - 1
                    self._faults[number : number + 1] = [_with_times(fault, left)] if left else []
                return fault
        return None


def _with_times(fault: Fault, times: int) -> Fault:
    return Fault(
        kind=fault.kind, times=times, status=fault.status, headers=fault.headers, body=fault.body,
        delay_s=fault.delay_s, only=fault.only,
    )  # fmt: skip


def _listening(port: int) -> socket.socket:
    """Return a socket that listens. Ports that the system gives to whoever asks may be another's after a pause."""
    for each in [port] if port else random.SystemRandom().sample(range(20_000, 32_000), 100):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", each))
            listener.listen(128)
        except OSError:
            listener.close()
            if port:
                raise
        else:
            return listener
    raise OSError(errno.EADDRINUSE, "no port is free")


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _lost(request: web.Request, _whole: web.StreamResponse) -> web.StreamResponse:
    return _hang_up(request)


async def _garbage(_request: web.Request, _whole: web.StreamResponse) -> web.StreamResponse:
    return web.Response(body=b"<html>\x00{[not a document")


async def _cut(request: web.Request, whole: web.StreamResponse) -> web.StreamResponse:
    body = whole.body if isinstance(whole, web.Response) and isinstance(whole.body, bytes) else b"{}"
    response = web.StreamResponse(status=whole.status, headers={"content-length": str(len(body) + 1_000)})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    return _hang_up(request)


async def _as_it_is(_request: web.Request, whole: web.StreamResponse) -> web.StreamResponse:
    return whole


_SPOILT: dict[FaultKind, Callable[[web.Request, web.StreamResponse], Awaitable[web.StreamResponse]]] = {
    "lose_answer": _lost,
    "garbage": _garbage,
    "cut": _cut,
}
