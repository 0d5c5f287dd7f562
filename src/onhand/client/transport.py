"""Sends one call until it has an answer: attempts, waits, and what may be repeated.

A call is repeated when no answer came, and when the answer says that it may work later (408, 429, 5xx). Waits have
full jitter (a random time from zero to a bound that doubles), so that many clients of a node that comes back do not
arrive at the same instant; `Retry-After` sets a floor under them. Calls that are not safe to repeat are repeated only
when it is certain that they have not begun.
"""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from onhand.client import limits
from onhand.client.errors import ApiError, ConnectionLost, from_answer

NOT_BEGUN: Final = frozenset({429, 503})
"""Statuses by which a server refuses before it begins."""

MAYBE_DONE: Final = "database_unavailable"
"""The code of the one 503 that comes after the beginning: the node lost its database, perhaps with the change made."""

LATER: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same call may work."""

NO_ADDRESS: Final = (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)
"""Slips in the URL, which no waiting mends."""


class Transport:
    """One server, one key, any number of calls at a time. Belongs to the event loop in which it was first used."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None,
        timeout_s: float = limits.TIMEOUT_S,
        attempts_max: int = limits.ATTEMPTS_MAX,
        connections_max: int = limits.CONNECTIONS_MAX,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._base = url.rstrip("/")
        self._headers = {"Accept": "application/json", "User-Agent": "onhand-python"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=min(timeout_s, limits.CONNECT_TIMEOUT_S))
        self._attempts_max = attempts_max
        self._connections_max = connections_max
        self._draw = draw
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> bytes:
        """The body of the successful answer. Raises ApiError as answered, or ConnectionLost after the last attempt."""
        try:
            url = URL(self._base + path + _query(query), encoded=True)
            _ = url.port  # is judged only when it is asked for
        except ValueError as error:
            raise ConnectionLost(f"{self._base} is no address: {error}.", attempts=0) from error
        failure: ApiError | ConnectionLost | None = None
        for attempt in range(self._attempts_max):
            if attempt:
                await asyncio.sleep(self._wait_s(attempt, failure))
            try:
                return await self._attempt(method, url, body=body, headers=headers)
            except ApiError as error:
                failure = error
                if error.status not in (LATER if repeatable else NOT_BEGUN) or _too_long(error):
                    raise
                if not repeatable and error.code == MAYBE_DONE:
                    raise
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                failure = ConnectionLost(what, attempts=attempt + 1)
                may_work_later = repeatable or isinstance(error, aiohttp.ClientConnectorError)
                if isinstance(error, NO_ADDRESS) or not may_work_later:
                    raise failure from error
        assert failure is not None, "at least one attempt was made"
        raise failure

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _attempt(self, method: str, url: URL, *, body: bytes | None, headers: Mapping[str, str] | None) -> bytes:
        data = None if body is None else io.BytesIO(body)
        session = self._open()
        async with session.request(method, url, data=data, headers=headers, allow_redirects=False) as response:
            answer = await response.read()
            if 200 <= response.status < 300:
                return answer
            error = from_answer(response.status, answer, request_id=response.headers.get("X-Request-Id", ""))
            if not isinstance(error.facts.get("retry_after_s"), (int, float)):
                error.facts["retry_after_s"] = _seconds(response.headers.get("Retry-After"))
            raise error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections_max),
                headers=self._headers,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _wait_s(self, attempt: int, failure: ApiError | ConnectionLost | None) -> float:
        bound = min(limits.WAIT_MAX_S, limits.WAIT_S * 2 ** (attempt - 1))
        floor = (failure.facts.get("retry_after_s") or 0.0) if isinstance(failure, ApiError) else 0.0
        return float(floor) + self._draw(0.0, bound)


def segment(value: object) -> str:
    """A value as one part of a path, every special character encoded."""
    return quote(str(value), safe="")


def _query(pairs: Iterable[tuple[str, str]]) -> str:
    encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    return f"?{encoded}" if encoded else ""


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after is not None and retry_after.isdigit() else None


def _too_long(error: ApiError) -> bool:
    wait: Any = error.facts.get("retry_after_s")
    return isinstance(wait, (int, float)) and wait > limits.RETRY_AFTER_MAX_S
