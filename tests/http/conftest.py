"""A real server on a loopback socket, in this event loop, and a plain HTTP client for it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from yarl import URL

from onhand.http.app import build_app
from onhand.http.pipeline import Pipeline
from onhand.http.server import Running, serving
from onhand.http.settings import HttpSettings
from tests.http.stand_in import ADMIN_KEY, StandIn


class Answered:
    """An answer: its status, headers, and body read as JSON."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = body

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.body)

    @property
    def problem(self) -> str:
        """The code of the problem document that this answer is."""
        assert self.headers["content-type"] == "application/problem+json", self.body[:300]
        document = self.json
        assert document["status"] == self.status
        assert {"type", "title", "detail", "instance", "done", "remedy"} <= document.keys()
        assert document["type"] == f"/docs/errors#{document['code']}"
        return str(document["code"])


class Caller:
    """Calls one server, with `key` unless a call says otherwise; None sends none."""

    def __init__(self, session: aiohttp.ClientSession, url: str, pipeline: Pipeline, running: Running) -> None:
        self.session = session
        self.url = url
        self.pipeline = pipeline
        self.running = running
        self.key = ADMIN_KEY

    async def __call__(self, method: str, path: str, *, key: str | None = "", **given: Any) -> Answered:
        """Send one request; the path goes out exactly as written."""
        headers = dict(given.pop("headers", {}))
        if key is not None:
            headers.setdefault("Authorization", f"Bearer {key or self.key}")
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, headers=headers, **given) as response:
            return Answered(response, await response.read())

    async def get(self, path: str, **given: Any) -> Answered:
        """GET."""
        return await self("GET", path, **given)

    async def post(self, path: str, body: Any = None, **given: Any) -> Answered:
        """POST a value as JSON, or bytes as they are."""
        if body is None:
            return await self("POST", path, **given)
        headers = {"Content-Type": "application/json", **given.pop("headers", {})}
        data = io.BytesIO(body if isinstance(body, bytes) else msgspec.json.encode(body))
        return await self("POST", path, data=data, headers=headers, **given)


class Serving(Protocol):
    """Starts a server with other settings."""

    def __call__(self, hub_: Any = None, **settings: Any) -> AbstractAsyncContextManager[Caller]:
        """A server for as long as the block lasts."""


@pytest.fixture
def hub() -> StandIn:
    """The hub behind the server."""
    return StandIn()


@pytest.fixture
def server(hub: StandIn) -> Serving:
    """Start servers with settings of the test's own."""

    @asynccontextmanager
    async def start(hub_: Any = None, **settings: Any) -> AsyncIterator[Caller]:
        chosen = HttpSettings(**{"port": 0, **settings})
        behind: Any = hub_ or hub
        pipeline = build_app(behind, chosen)
        async with (
            serving(pipeline, chosen) as running,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
        ):
            yield Caller(session, running.url, pipeline, running)

    return start


@pytest_asyncio.fixture
async def call(server: Serving) -> AsyncIterator[Caller]:
    """A server with the default settings."""
    async with server() as caller:
        yield caller


def order(request_id: str = "order-1", *, sku: str = "TEA-001", quantity: int = 3, **more: Any) -> dict[str, Any]:
    """A reservation request of one line."""
    return {"request_id": request_id, "channel": "web", "lines": [{"sku": sku, "quantity": quantity}], **more}


def receipt(event_id: str = "GR-1", *, sku: str = "TEA-001", quantity: Any = 5, **more: Any) -> dict[str, Any]:
    """A fact: goods came in."""
    lines = [{"sku": sku, "quantity": quantity}]
    return {"specversion": "1.0", "id": event_id, "source": "wms", "type": "receipt.posted",
            "data": {"location": "DC", "lines": lines}, **more}  # fmt: skip
