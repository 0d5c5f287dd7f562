"""Commands through a connector: mapped when they are sent, in one request, each refused for itself alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from onhand.app.flow_ports import Call, Outgoing
from onhand.app.mapping_book import MappingBook
from onhand.app.outbound import Outbound
from onhand.domain.endpoint import Endpoint
from onhand.domain.network import Network, System
from onhand.domain.outcome import Delivered, Outcome, Rejected
from onhand.flow.connected import Connected, ConnectorSender
from onhand.flow.transport import Transport
from onhand.sdk.registry import Registry, at, installed
from onhand.store.cross_references import PostgresCrossReferences
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database
from tests.flow.pipe.connector import REQUESTS

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PIPE = at(Path(__file__).parent / "pipe", module="tests.flow.pipe")
ENDPOINT = Endpoint(code="pipe", system="shop", sender="pipe", batch=10)


class Counting(PostgresCrossReferences):
    """Counts how often it was asked whether anything changed: each time is a question to the database."""

    asked = 0

    async def refresh(self) -> bool:
        self.asked += 1
        return await super().refresh()


class Desk:
    """A sender over the pipe, and a network whose mappings may be changed."""

    def __init__(self, database: Database, transport: Transport) -> None:
        self.network = Network(systems={"shop": System(code="shop", kind="storefront")})
        self.references = Counting(database, Directory(database))
        self.connected = Connected(Registry({"pipe": PIPE}), transport, clock=lambda: NOW)
        bodies = Outbound(MappingBook(), self.connected.registry, self.references, self._in_force, clock=lambda: NOW)
        self._sender = ConnectorSender(self.connected, bodies)

    async def _in_force(self) -> Network:
        return self.network

    async def send(self, *bodies: Any, operation: str = "order.create") -> list[Outcome]:
        commands = tuple(
            Outgoing(
                id=number, lane="normal", operation=operation, ordering_key=None, idempotency_key=f"k{number}",
                limit_key=None, body=body if isinstance(body, str) else msgspec.json.encode(body).decode(), cause="",
                created_at=NOW, deadline_at=NOW, tries=1, attempts=0, verify=False,
            )
            for number, body in enumerate(bodies)
        )  # fmt: skip
        return list(await self._sender.send(Call(id=1, endpoint=ENDPOINT, probe=False, commands=commands)))


@pytest_asyncio.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    REQUESTS.clear()
    async with Transport() as transport:
        yield Desk(database, transport)


async def test_a_call_is_one_request_in_the_partner_s_words_under_the_commands_keys(desk: Desk) -> None:
    outcomes = await desk.send({"number": "A-1"}, {"number": "A-2"}, {"number": "A-3"})
    assert [type(outcome) for outcome in outcomes] == [Delivered] * 3
    assert REQUESTS == [['{"ref":"k0","no":"A-1"}', '{"ref":"k1","no":"A-2"}', '{"ref":"k2","no":"A-3"}']]


async def test_what_a_call_needs_to_know_is_asked_once_however_many_commands_it_carries(desk: Desk) -> None:
    await desk.send(*({"number": f"A-{n}"} for n in range(10)))
    assert desk.references.asked == 1


@pytest.mark.parametrize("bad", [{"nummer": "A-2"}, "[]", "no JSON", '{"number": NaN}'])
async def test_a_body_that_cannot_be_made_is_refused_alone_and_the_others_go(desk: Desk, bad: Any) -> None:
    first, second, third = await desk.send({"number": "A-1"}, bad, {"number": "A-3"})
    assert (first.kind, third.kind) == ("delivered", "delivered")
    assert isinstance(second, Rejected)
    assert REQUESTS == [['{"ref":"k0","no":"A-1"}', '{"ref":"k2","no":"A-3"}']]
    assert isinstance(first, Delivered)
    assert isinstance(third, Delivered)
    assert (first.answer, third.answer) == (REQUESTS[0][0], REQUESTS[0][1]), "each has its own answer"


async def test_a_mended_mapping_holds_for_what_waits_already(desk: Desk) -> None:
    (before,) = await desk.send({"nummer": "A-1"})
    assert before.kind == "rejected"
    mended = {"direction": "out", "type": "order.create", "data": {"no": "nummer"}}
    desk.network = msgspec.structs.replace(desk.network, mappings={"order.create": mended})
    (after,) = await desk.send({"nummer": "A-1"})
    assert (after.kind, REQUESTS) == ("delivered", [['{"no":"A-1"}']])


async def test_where_nothing_can_be_made_the_call_is_refused_and_nobody_is_called(desk: Desk) -> None:
    broken = {"direction": "out", "type": "order.create", "data": {"no": {"no_such_rule": 1}}}
    desk.network = msgspec.structs.replace(desk.network, mappings={"order.create": broken})
    outcomes = await desk.send({"number": "A-1"}, {"number": "A-2"})
    assert {outcome.kind for outcome in outcomes} == {"rejected"}
    unknown = await desk.send({"number": "A-1"}, operation="order.paint")
    assert {outcome.kind for outcome in unknown} == {"rejected"}
    assert REQUESTS == []


async def test_a_request_carries_no_more_than_the_connector_says_and_one_ticket(desk: Desk) -> None:
    """Several tickets in one call were as many requests as the limits knew of one."""
    assert desk.connected.batches(ENDPOINT) == {"order.create": 10, "stock.ticket": 1, "stock.read_back": 1}
    market = Connected(installed(), Transport()).batches(msgspec.structs.replace(ENDPOINT, sender="bazaar"))
    assert (market["stock.publish"], market["stock.ticket"], market["stock.read_back"]) == (1_000, 1, 50)
    assert desk.connected.batches(msgspec.structs.replace(ENDPOINT, sender="nobody")) == {}
