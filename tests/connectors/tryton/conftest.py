"""Tryton twice over: the stand-in, and a real one that is installed and started here. Most tests run against both."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from onhand.connectors.tryton.fake import Fake
from onhand.domain.endpoint import Endpoint
from onhand.flow.link import EndpointLink
from onhand.flow.transport import Transport
from onhand.sdk import Answer, AnswerLost, Connector, Message, Outcome, Outgoing
from onhand.sdk.registry import Package
from tests.connectors.tryton import real
from tests.connectors.tryton.trade import FakeTrade, RealTrade, Trade

FOLDER = Path(__file__).parents[3] / "src" / "onhand" / "connectors" / "tryton"
PACKAGE = Package("tryton", FOLDER, "onhand.connectors.tryton")


@pytest.fixture(scope="session")
def server() -> Iterator[real.Server]:
    """A running Tryton with a small company in it."""
    try:
        running = real.running()
        started = running.__enter__()
    except real.NotInstallable as missing:
        pytest.skip(f"no real Tryton: {missing}")
    try:
        yield started
    finally:
        running.__exit__(None, None, None)


@pytest_asyncio.fixture(params=["fake", pytest.param("real", marks=pytest.mark.slow)])
async def trade(request: pytest.FixtureRequest) -> AsyncIterator[Trade]:
    """The company: in the stand-in, then in the real one, where other tests have left their traces."""
    if request.param == "real":
        yield RealTrade(request.getfixturevalue("server").url)
        return
    async with Fake(seed=7) as fake:
        yield FakeTrade(fake)
        assert fake.broken == []


class TestLink(EndpointLink):
    """A line that loses the answer to one call of a method, or lets something happen right after one."""

    __test__ = False
    lose: str | None = None
    after: Mapping[str, Callable[[], object]] = {}

    async def call(self, *args: Any, **named: Any) -> Answer:
        answer = await super().call(*args, **named)
        method = json.loads(named["body"])["method"]
        self.after.get(method, lambda: None)()
        if method == self.lose:
            self.lose = None
            raise AnswerLost("the line was cut")
        return answer


class Hub:
    """The hub's side: connectors made as the hub makes them, commands, and cursors that are kept."""

    def __init__(self, trade: Trade, secret: Path, transport: Transport) -> None:
        self.trade = trade
        self.secret = secret
        self._transport = transport
        self._cursors: dict[str, str | None] = {}
        self.write_secret(*trade.secret)

    def write_secret(self, user: str, password: str) -> None:
        """Put credentials where the endpoint looks for them."""
        self.secret.write_text(json.dumps({"user": user, "password": password}))

    def connector(
        self, *, lose: str | None = None, after: Mapping[str, Callable[[], object]] | None = None,
        url: str | None = None, **settings: object,
    ) -> Connector:  # fmt: skip
        """Return a new connector, with settings that differ, on a line that does something to single calls."""
        endpoint = Endpoint(
            code="erp", system="erp", base_url=url or self.trade.url, sender="tryton", secret=f"file:{self.secret}",
            settings={"database": real.DATABASE, "warehouse": "WH", **settings}, allow_private_addresses=True,
        )  # fmt: skip
        link = TestLink(endpoint, self._transport)
        link.lose, link.after = lose, after or {}
        return PACKAGE.make(endpoint.settings, link)

    async def news(self, stream: str, *, limit: int = 50) -> list[Message]:
        """Return what a stream tells since the last time."""
        connector = self.connector()
        found: list[Message] = []
        while True:
            page = await connector.read(stream, self._cursors.get(stream), limit=limit)
            found += page.messages
            self._cursors[stream] = page.cursor
            if not page.more:
                return found

    async def bodies(self, stream: str, sku: str) -> list[dict[str, Any]]:
        """Return the news of one product, decoded."""
        found = [json.loads(message.body) for message in await self.news(stream)]
        return [body for body in found if sku in (body.get("sku"), body.get("code"))]

    async def tell(self, operation: str, key: str, **body: object) -> Outcome:
        """Tell one command."""
        (outcome,) = await self.connector().send(operation, [outgoing(operation, key, body)])
        return outcome


def outgoing(operation: str, key: str, body: object, *, verify: bool = False) -> Outgoing:
    """Return a command as the hub hands it to a connector."""
    now = datetime.now(UTC)
    return Outgoing(
        id=1, lane="normal", operation=operation, ordering_key=None, idempotency_key=key, limit_key=None,
        body=json.dumps(body), cause="test", created_at=now, deadline_at=now + timedelta(days=1), tries=0, attempts=0,
        verify=verify,
    )  # fmt: skip


@pytest_asyncio.fixture
async def hub(trade: Trade, tmp_path: Path) -> AsyncIterator[Hub]:
    """The hub's side of the line, which has heard everything that was before."""
    async with Transport() as transport:
        made = Hub(trade, tmp_path / "secret", transport)
        for stream in ("items", "moves"):
            await made.news(stream)
        yield made


@pytest.fixture
def sku() -> str:
    """A product that no other test has."""
    return f"SKU-{uuid.uuid4().hex[:8]}"
