"""What the client does with answers that it was not promised."""

from __future__ import annotations

import msgspec
import pytest

from onhand.client import ApiError, AsyncClient, OnhandError, Unavailable
from tests.client.conftest import scripted
from tests.http.stand_in import ADMIN_KEY

UNKNOWN = msgspec.json.encode(
    {
        "type": "/docs/errors#database_unavailable",
        "code": "database_unavailable",
        "status": 503,
        "detail": "The connection was lost.",
        "done": "The call was given up; whether its change was made is not known.",
    }
)


def said(status: int, body: bytes) -> bytes:
    """Return an answer as it goes over the wire."""
    head = b"HTTP/1.1 %d X\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, len(body)) + body


async def test_a_key_that_may_have_been_made_is_not_made_again() -> None:
    bytes_ = said(503, UNKNOWN)
    async with scripted(bytes_, bytes_, bytes_) as (url, script):
        async with AsyncClient(url, key=ADMIN_KEY, attempts_max=3) as client:
            with pytest.raises(Unavailable):
                await client.create_key(client="shop", scopes=["admin"])
        assert len(script.heads) == 1, "whether the first try made a key is not known"


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"[]", b"\xff\xfe", b"{}"])
@pytest.mark.parametrize("what", ["stock", "keys", "item", "reserve", "send"])
async def test_a_page_of_another_server_is_an_error_of_the_client(body: bytes, what: str) -> None:
    bytes_ = said(200, body)
    async with scripted(bytes_, bytes_) as (url, _):
        async with AsyncClient(url, key=ADMIN_KEY, attempts_max=1) as client:
            with pytest.raises(OnhandError):
                if what == "stock":
                    [row async for row in client.balances()]
                elif what == "keys":
                    await client.keys()
                elif what == "item":
                    await client.item("x")
                elif what == "reserve":
                    await client.reserve(channel="web", lines=[{"sku": "x", "quantity": 1}])
                else:
                    await client.send([{"id": "x"}])


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"detail": 3}',
        b'{"retry_after_s": "soon"}',
        b'{"retry_after_s": null}',
        b'{"code": "events_rejected"}',
        b'{"code":"insufficient_stock","lines":3}',
        b'{"a": "\xff"}',
    ],
)
@pytest.mark.parametrize("status", [422, 503])
async def test_an_odd_refusal_is_an_api_error(body: bytes, status: int) -> None:
    bytes_ = said(status, body)
    async with scripted(bytes_, bytes_) as (url, _):
        async with AsyncClient(url, key=ADMIN_KEY, attempts_max=2) as client:
            with pytest.raises(ApiError):
                await client.keys()


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://[::1"])
async def test_an_impossible_url_is_an_error_of_the_client(url: str) -> None:
    async with AsyncClient(url, key=ADMIN_KEY, attempts_max=2) as client:
        with pytest.raises(OnhandError):
            await client.keys()
