"""The bad networks are as bad as they say, and good again when they are told to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from onhand.flow.transport import Transport
from onhand.sdk.fake import FakePartner
from onhand.sdk.http import AnswerLost, Request, Unreachable
from onhand.testkit.toxics import TOXICS, Proxy, Toxic

BODY = b"x" * 5_000
COMES_THROUGH = {"latency", "bandwidth", "slow_close", "slicer"}


class Plain(FakePartner):
    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(body=BODY)


@pytest_asyncio.fixture
async def partner() -> AsyncIterator[Plain]:
    async with Plain() as found:
        yield found


async def ask(transport: Transport, url: str) -> bytes:
    request = Request(method="POST", url=url, body=b"hello", timeout_s=0.5, allow_private_addresses=True)
    return (await transport.call(request)).body


@pytest.mark.parametrize("toxic", TOXICS)
async def test_each_is_as_bad_as_it_says_and_good_again_afterwards(toxic: Toxic, partner: Plain) -> None:
    async with Proxy(partner.url) as proxy, Transport() as transport:
        assert await ask(transport, proxy.url) == BODY
        await proxy.be(toxic)
        before = partner.calls
        if toxic in COMES_THROUGH:
            assert await ask(transport, proxy.url) == BODY
        else:
            with pytest.raises(Unreachable if toxic == "down" else AnswerLost):
                await ask(transport, proxy.url)
        # What loses the answer has let the request through: the effect happens, which is what makes it bad.
        assert partner.calls - before == (0 if toxic == "down" else 1)
        await proxy.be(None)
        assert await ask(transport, proxy.url) == BODY
