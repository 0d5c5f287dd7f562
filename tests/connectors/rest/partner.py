"""A partner whose answers a test writes, and the connector that faces it with the settings of the test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from onhand.app.flow_ports import Outgoing
from onhand.domain.endpoint import Endpoint
from onhand.flow.link import EndpointLink
from onhand.flow.transport import Transport
from onhand.sdk.connector import Connector
from onhand.sdk.fake import FakePartner, Heard
from onhand.sdk.registry import installed

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)

Answers = Callable[[web.Request, bytes], Any]


class Scripted(FakePartner):
    """Answers as a function says: a document, or a whole response."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self._answers = answers

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        found = self._answers(request, body)
        if isinstance(found, web.StreamResponse):
            return found
        return web.Response(body=found if isinstance(found, bytes) else json.dumps(found).encode())

    @property
    def last(self) -> Heard:
        return self.heard[-1]


class Clock:
    """The time of the link."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def facing(
    answers: Answers,
    settings: Mapping[str, Any],
    *,
    secret: object = "a-token",  # noqa: S107
    folder: Path,
    clock: Clock | None = None,
) -> AsyncIterator[tuple[Scripted, Connector]]:
    """A partner and a connector that face each other."""
    write_secret(folder, secret)
    async with Scripted(answers) as partner, Transport() as transport:
        endpoint = Endpoint(
            code="shop", system="shop", sender="rest", base_url=f"{partner.url}/api", settings=dict(settings),
            secret=f"file:{folder}/secret", allow_private_addresses=True, timeout_s=5,
        )  # fmt: skip
        link = EndpointLink(endpoint, transport, clock=clock or Clock())
        yield partner, installed().get("rest").make(settings, link)


def write_secret(folder: Path, secret: object) -> None:
    (folder / "secret").write_text(secret if isinstance(secret, str) else json.dumps(secret))


def command(body: object, *, key: str = "k-1", verify: bool = False, operation: str = "order.create") -> Outgoing:
    return Outgoing(
        id=1, lane="normal", operation=operation, ordering_key=None, idempotency_key=key, limit_key=None,
        body=json.dumps(body), cause="", created_at=NOW, deadline_at=NOW, tries=0, attempts=0, verify=verify,
    )  # fmt: skip
