"""The client repeats what is safe to repeat, waits as it should, and never makes one effect into two."""

from __future__ import annotations

import asyncio
import socket

import pytest

from onhand.client import AsyncClient, ConnectionLost, Unavailable
from onhand.client.transport import Transport
from tests.client.conftest import answer, losing_answers, scripted
from tests.http.conftest import receipt
from tests.http.stand_in import ADMIN_KEY, StandIn

LINES = [{"sku": "TEA-001", "quantity": 3}]


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client waited, without waiting."""
    waited: list[float] = []
    real = asyncio.sleep

    async def note(seconds: float) -> None:
        waited.append(seconds)
        await real(0)

    monkeypatch.setattr("onhand.client.transport.asyncio.sleep", note)
    return waited


async def test_a_reservation_whose_answer_was_lost_is_made_once(url: str, hub: StandIn) -> None:
    async with losing_answers(url, lose=lambda number: number < 3) as (proxy, lost):
        async with AsyncClient(proxy, key=ADMIN_KEY) as client:
            made = await client.reserve(channel="web", lines=LINES)
    assert lost == [0, 1, 2]
    assert made.granted
    assert made.replayed
    assert hub.stock["TEA-001"] == 7
    assert len(hub.by_id) == 1


async def test_events_whose_answer_was_lost_count_once(url: str, hub: StandIn) -> None:
    async with losing_answers(url, lose=lambda number: number == 0) as (proxy, _):
        async with AsyncClient(proxy, key=ADMIN_KEY) as client:
            outcomes = await client.send([receipt("a"), receipt("b")])
    assert [each.outcome for each in outcomes] == ["duplicate", "duplicate"]
    assert hub.stock["TEA-001"] == 20


async def test_a_verb_whose_answer_was_lost_is_done_once(url: str, hub: StandIn) -> None:
    async with losing_answers(url, lose=lambda number: number == 1) as (proxy, lost):
        async with AsyncClient(proxy, key=ADMIN_KEY) as client:
            made = await client.reserve(channel="web", lines=LINES)
            released = await client.release(made.reservation_id)
    assert lost == [1]
    assert (released.state, released.replayed) == ("released", True)


async def test_a_key_whose_answer_was_lost_is_not_made_again(url: str, hub: StandIn) -> None:
    async with losing_answers(url, lose=lambda _: True) as (proxy, lost):
        async with AsyncClient(proxy, key=ADMIN_KEY) as client:
            with pytest.raises(ConnectionLost) as caught:
                await client.create_key(client="shop", scopes=["stock:read"])
    assert caught.value.attempts == 1
    assert len(hub.keys.rows) == len(lost) == 1


async def test_a_lost_connection_is_told_after_the_last_attempt() -> None:
    async with scripted(None, None, None) as (url, script), AsyncClient(url, attempts_max=3) as client:
        with pytest.raises(ConnectionLost) as caught:
            await client.availability("web", ["TEA-001"])  # (aiohttp repeats a GET once by itself)
    assert caught.value.attempts == 3
    assert len(script.heads) == 3


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/", ""])
async def test_an_address_that_is_none_is_told_at_once(url: str, waits: list[float]) -> None:
    async with AsyncClient(url) as client:
        with pytest.raises(ConnectionLost):
            await client.availability("web", ["TEA-001"])
    assert waits == []


@pytest.mark.parametrize("status", ["500 x", "502 x", "503 x", "504 x", "429 x", "408 x"])
async def test_what_may_work_later_is_tried_again(status: str) -> None:
    async with scripted(answer(status), answer(status), answer("200 OK", b'{"rows": []}')) as (url, script):
        async with AsyncClient(url) as client:
            assert await client.locations() == []
    assert len(script.heads) == 3


@pytest.mark.parametrize("status", ["400 x", "401 x", "403 x", "404 x", "409 x", "413 x", "422 x"])
async def test_what_will_never_work_is_not_tried_again(status: str) -> None:
    async with scripted(answer(status)) as (url, script), AsyncClient(url) as client:
        with pytest.raises(Exception, match="http_4"):
            await client.locations()
    assert len(script.heads) == 1


async def test_a_key_is_asked_for_again_only_when_it_certainly_was_not_made() -> None:
    key = b'{"key": {"id": 1, "client": "c", "prefix": "p", "scopes": [], "created_at": "2026-01-01T00:00:00Z"},'
    made = answer("201 Created", key + b'"secret": "s"}')
    async with scripted(answer("503 x"), answer("429 x"), made) as (url, _), AsyncClient(url) as client:
        assert (await client.create_key(client="c", scopes=["admin"])).key.client == "c"
    async with scripted(answer("502 x")) as (url, script), AsyncClient(url) as client:
        with pytest.raises(Unavailable):
            await client.create_key(client="c", scopes=["admin"])
    assert len(script.heads) == 1


async def test_retry_after_is_the_least_wait_and_jitter_comes_on_top(waits: list[float]) -> None:
    entries = [answer("503 x", b"{}", "Retry-After: 7")] * 2 + [answer("200 OK", b"{}")]
    async with scripted(*entries) as (url, _):
        transport = Transport(url, key=None, draw=max)
        await transport.send("GET", "/x")
        await transport.close()
    assert waits == [7 + 0.1, 7 + 0.2]


async def test_a_retry_after_of_an_hour_is_told_instead_of_waited_for(waits: list[float]) -> None:
    async with scripted(answer("503 x", b"{}", "Retry-After: 3600")) as (url, _), AsyncClient(url) as client:
        with pytest.raises(Unavailable):
            await client.locations()
    assert waits == []


async def test_waits_double_have_full_jitter_and_a_bound(waits: list[float]) -> None:
    bounds: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        bounds.append((low, high))
        return 0.0

    async with scripted(*[answer("500 x")] * 9) as (url, _):
        transport = Transport(url, key=None, attempts_max=9, draw=draw)
        with pytest.raises(Unavailable):
            await transport.send("GET", "/x")
        await transport.close()
    assert bounds == [(0.0, high) for high in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0)]


async def test_a_server_that_is_not_there_is_tried_again_also_for_what_must_not_be_repeated(
    waits: list[float],
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with AsyncClient(f"http://127.0.0.1:{port}", attempts_max=4) as client:
        with pytest.raises(ConnectionLost) as caught:
            await client.create_key(client="c", scopes=["admin"])
    assert caught.value.attempts == 4
    assert len(waits) == 3


async def test_an_answer_that_does_not_come_is_given_up_in_time() -> None:
    silent = asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with AsyncClient(f"http://127.0.0.1:{port}", timeout_s=0.05, attempts_max=2) as client:
            with pytest.raises(ConnectionLost):
                await client.locations()
        silent.set()


async def test_a_redirect_is_not_followed_with_the_key_in_hand() -> None:
    moved = answer("307 Temporary Redirect", b"", "Location: http://127.0.0.1:1/")
    async with scripted(moved) as (url, script), AsyncClient(url, key="ohk_x") as client:
        with pytest.raises(Exception, match="http_307"):
            await client.locations()
    assert len(script.heads) == 1
