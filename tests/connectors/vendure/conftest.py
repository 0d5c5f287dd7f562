"""Vendure twice over: the stand-in, and the real one in a channel of its own. Most tests run against both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from onhand.connectors.vendure.connector import Vendure
from onhand.connectors.vendure.fake import Fake
from onhand.domain.endpoint import Endpoint
from onhand.flow.link import EndpointLink
from onhand.flow.transport import Transport
from onhand.sdk import Connector, Outgoing
from onhand.sdk.registry import Package
from tests.connectors.vendure.real import Country, RealVendure
from tests.connectors.vendure.server import Missing, Server

FOLDER = Path(__file__).parents[3] / "src" / "onhand" / "connectors" / "vendure"
PACKAGE = Package("vendure", FOLDER, "onhand.connectors.vendure")
Shop = Fake | RealVendure


@pytest.fixture(scope="session")
def country() -> Iterator[Country]:
    """A running Vendure with taxes, a post and a bank."""
    try:
        server = Server.start()
    except Missing as missing:
        pytest.skip(f"no real Vendure: {missing}")
    try:
        yield Country(server)
    finally:
        server.stop()


@pytest_asyncio.fixture(params=["fake", pytest.param("real", marks=pytest.mark.slow)])
async def shop(request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """A shop without goods: the stand-in, then the real one."""
    made: Shop = Fake(seed=7) if request.param == "fake" else RealVendure(request.getfixturevalue("country"))
    async with made:
        yield made
    assert made.broken == []


class Hub:
    """Makes connectors for a shop, as the hub does."""

    def __init__(self, shop: Shop, secret: Path, transport: Transport) -> None:
        self.shop = shop
        self.secret = secret
        self._transport = transport

    def connector(self, **settings: object) -> Connector:
        """Return a new connector, with settings that differ."""
        self.secret.write_text(self.shop.credentials())
        endpoint = Endpoint(
            code="shop", system="shop", base_url=self.shop.url, sender="vendure", secret=f"file:{self.secret}",
            allow_private_addresses=True,
        )  # fmt: skip
        link = EndpointLink(endpoint, self._transport)
        return PACKAGE.make({**self.shop.settings(), **settings}, link)


@pytest_asyncio.fixture
async def hub(shop: Shop, tmp_path: Path) -> AsyncIterator[Hub]:
    """What makes connectors for the shop."""
    async with Transport() as transport:
        yield Hub(shop, tmp_path / "secret", transport)


@pytest.fixture
def vendure(hub: Hub) -> Vendure:
    """A connector for the shop."""
    made = hub.connector()
    assert isinstance(made, Vendure)
    return made


def outgoing(operation: str, body: str, *, key: str = "key-1", verify: bool = False) -> Outgoing:
    """Return a command as the hub hands it over."""
    now = datetime.now(UTC)
    return Outgoing(
        id=1, lane="normal", operation=operation, ordering_key=None, idempotency_key=key, limit_key=None, body=body,
        cause="", created_at=now, deadline_at=now + timedelta(days=1), tries=1, attempts=1, verify=verify,
    )  # fmt: skip
