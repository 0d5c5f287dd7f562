"""The public API as the simulated world calls it: plain JSON over HTTP, every call answered in the end or given up.

A lost connection, a killed node or a busy one leads to another try of the very same request, on the next node if there
are several. That is safe because every request here carries an id. The moment of the first try and that of the answer
are told, because the checker needs to know when the effect can have taken place.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote

import aiohttp
import msgspec

from onhand.domain.errors import Unavailable
from onhand.sim.history import now_ns

TRY_FOR_S: Final = 60.0
"""How long a call is tried again: a node that was killed is back, or another one answers, long before."""

CALL_TIMEOUT_S: Final = 60.0
"""A thousand events take well below a second; a call that takes this long is lost."""

WAIT_S: Final = 0.05
"""The pause before the next try; it doubles up to a second."""

SICK_NS: Final = 500_000_000
"""How long a node that failed is left alone while others answer."""

AGAIN: Final = frozenset({429, 502, 503, 504})
"""Statuses that say 'not now'."""


class Reply(NamedTuple):
    """An answer: HTTP status, decoded body, when the call was first sent and when it was answered, and the tries."""

    status: int
    body: Any
    sent_ns: int
    answered_ns: int
    tries: int = 1

    @property
    def code(self) -> str:
        """The stable code of an error, empty for anything else."""
        return str(self.body.get("code", "")) if self.status >= 400 and isinstance(self.body, Mapping) else ""


class Api:
    """Calls one or several nodes of one hub, taking turns."""

    def __init__(self, urls: Sequence[str], key: str, *, connections: int = 64) -> None:
        self._urls = [url.rstrip("/") for url in urls]
        self._turn = itertools.count()
        self._sick_until = dict.fromkeys(self._urls, 0)
        self._key = key
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=300),
            headers={"authorization": f"Bearer {self._key}"},
            timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT_S),
            auto_decompress=True,
        )
        return self

    async def __aexit__(
        self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def greet(self) -> None:
        """Ask once whether anybody is there, instead of a minute long. Raises Unavailable."""
        assert self._session is not None, "use it as 'async with'"
        url = self._next_node() + "/healthz"
        try:
            async with self._session.get(url) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(
                f"{url} does not answer: {type(error).__name__}: {error}.", remedy="Check that a node serves at --url."
            ) from None

    async def send_events(self, events: Sequence[Mapping[str, Any]]) -> Reply:
        """POST /v1/events with a batch."""
        return await self.post("/v1/events", list(events), media="application/cloudevents-batch+json")

    async def reserve(self, request: Mapping[str, Any]) -> Reply:
        """POST /v1/reservations."""
        return await self.post("/v1/reservations", request)

    async def release(self, reservation: str, *, key: str) -> Reply:
        """POST /v1/reservations/{id}/release."""
        return await self.post(f"/v1/reservations/{quote(reservation)}/release", None, key=key)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """GET any resource."""
        return await self._call("GET", path, body=None, headers={}, query=query)

    async def post(self, path: str, body: Any, *, key: str | None = None, media: str = "application/json") -> Reply:
        """POST a JSON body, or none; `key` is the Idempotency-Key of verbs without an id of their own."""
        headers = {"content-type": media} if body is not None else {}
        if key is not None:
            headers["idempotency-key"] = key
        return await self._call("POST", path, body=None if body is None else msgspec.json.encode(body), headers=headers)

    def _next_node(self) -> str:
        """The next node in turn that did not fail a moment ago; any when all did."""
        now = now_ns()
        for _ in self._urls:
            node = self._urls[next(self._turn) % len(self._urls)]
            if self._sick_until[node] <= now:
                break
        return node

    async def _call(
        self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
    ) -> Reply:  # fmt: skip
        assert self._session is not None, "use it as 'async with'"
        sent = now_ns()
        wait_s = WAIT_S
        for tried in itertools.count(1):
            node = self._next_node()
            url = node + path
            try:
                async with self._session.request(method, url, data=body, headers=headers, params=query) as answer:
                    raw = await answer.read()
                    if answer.status not in AGAIN:
                        return Reply(answer.status, _decoded(raw), sent, now_ns(), tried)
                    trouble = f"{answer.status} {raw[:200]!r}"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                trouble = f"{type(error).__name__}: {error}"
                self._sick_until[node] = now_ns() + SICK_NS
            if now_ns() - sent > TRY_FOR_S * 1e9:
                raise Unavailable(f"{method} {url} did not answer for {TRY_FOR_S:.0f} s; last: {trouble}.")
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, 1.0)
        raise AssertionError("the loop above does not end")


def _decoded(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw) if raw else None
    except msgspec.DecodeError:
        return raw.decode("utf-8", "replace")
