"""The one way out: every request of the hub to a partner goes through here.

What it guarantees: a time limit on the whole and on connecting, a limit on what an answer may hold, no redirects
followed, certificates verified, no proxy and no cookies from the surroundings, no connection to a private address that
the endpoint's policy does not allow. A fault says whether anything can have been done: that decides what comes next.

Nothing else in the package opens connections; a test holds all of `src/` to that.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp import hdrs
from yarl import URL

from onhand import __version__
from onhand.flow.addresses import PinnedResolver, Resolve, check_literal
from onhand.ops import limits
from onhand.sdk.http import AddressRefused, Answer, AnswerLost, NotTrusted, Request, Unreachable, shown

USER_AGENT = f"onhand/{__version__}"


class Transport:
    """Makes requests over kept connections. Use as a context manager; safe for many requests at once."""

    def __init__(self, *, resolve: Resolve | None = None, trust: ssl.SSLContext | None = None) -> None:
        """`resolve` and `trust` stand in for the system's resolver and its certificates."""
        self._resolve = resolve or _system_resolve
        self._trust = trust
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def call(self, request: Request) -> Answer:
        """Make one request and read its answer, whatever its status.

        Raises Unreachable and NotTrusted (surely not done), AnswerLost (may have been done), AddressRefused.
        """
        check_literal(urlsplit(request.url).hostname or "", allow_private=request.allow_private_addresses)
        sent = _Sent()
        async with _faults(request, sent):
            session = self._session(private=request.allow_private_addresses)
            async with session.request(
                request.method,
                URL(request.url, encoded=True),
                headers={hdrs.USER_AGENT: USER_AGENT, **request.headers},
                data=request.body or None,
                allow_redirects=False,
                timeout=_timeout(request.timeout_s),
                trace_request_ctx=sent,
            ) as response:
                body, cut = await _read(response, request.answer_bytes_max)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(status=response.status, headers=headers, body=body, cut=cut)

    def _session(self, *, private: bool) -> aiohttp.ClientSession:
        """Return the session for endpoints that may be private, or for those that may not: they share no connection."""
        found = self._sessions.get(private)
        if found is None:
            connector = aiohttp.TCPConnector(
                resolver=PinnedResolver(self._resolve, allow_private=private),
                use_dns_cache=False,
                limit=limits.TRANSPORT_CONNECTIONS_MAX,
                limit_per_host=0,
                ssl=self._trust or ssl.create_default_context(),
            )
            found = self._sessions[private] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=True,
                max_field_size=limits.ANSWER_HEAD_BYTES_MAX,
                trace_configs=[_tracing()],
            )
            # aiohttp sends GET, PUT and DELETE a second time by itself when the partner hangs up: a call that no limit
            # counted and no attempt tells of. There is no public switch; a test notices if this one goes.
            found._retry_connection = False
        return found


class _Sent:
    """Whether anything of a request has left this process."""

    def __init__(self) -> None:
        self.began = False


def _tracing() -> aiohttp.TraceConfig:
    """Note when the headers leave: a fault before that is harmless to repeat, one after it is not."""
    config = aiohttp.TraceConfig()

    async def leaving(_session: object, context: object, _params: object) -> None:
        sent = getattr(context, "trace_request_ctx", None)
        if isinstance(sent, _Sent):
            sent.began = True

    config.on_request_headers_sent.append(leaving)
    return config


def _timeout(timeout_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(timeout_s, limits.TRANSPORT_CONNECT_S_MAX))


@asynccontextmanager
async def _faults(request: Request, sent: _Sent) -> AsyncIterator[None]:
    """Turn what aiohttp raises into our three kinds of fault."""
    where = shown(request.url)
    try:
        yield
    except AddressRefused:
        raise
    except aiohttp.ClientSSLError as error:
        raise NotTrusted(f"{where} could not prove who it is ({_say(error)}).") from error
    except aiohttp.InvalidURL as error:
        raise Unreachable(f"{where} is not an address.") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        if isinstance(error, aiohttp.ClientConnectorError) or not sent.began:
            refused = _refused_within(error)
            if refused is not None:
                raise refused from error
            raise Unreachable(f"{where} cannot be reached ({_say(error)}).") from error
        raise AnswerLost(f"{where} gave no whole answer ({_say(error)}).") from error


def _refused_within(error: BaseException) -> AddressRefused | None:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, AddressRefused):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _say(error: BaseException) -> str:
    return type(error).__name__ if isinstance(error, TimeoutError) else (str(error) or type(error).__name__)


async def _read(response: aiohttp.ClientResponse, bytes_max: int) -> tuple[bytes, bool]:
    """Return the body up to a limit; what lies beyond is not read, and its connection not used again."""
    parts, size = [], 0
    async for part in response.content.iter_chunked(65_536):
        parts.append(part)
        size += len(part)
        if size > bytes_max:
            response.close()
            return b"".join(parts)[:bytes_max], True
    return b"".join(parts), False


async def _system_resolve(host: str, port: int) -> list[tuple[str, int]]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(str(address[0]), family) for family, _, _, _, address in found]
