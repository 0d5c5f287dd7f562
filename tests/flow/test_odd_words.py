"""Whatever characters a partner answers with, its answer is written down."""

from __future__ import annotations

import pytest
from aiohttp import web

from onhand.domain.outcome import Delivered, Outcome, Rejected, Transient
from onhand.flow.transport import Transport
from onhand.flow.webhook import WebhookSender
from onhand.sdk.fake import FakePartner
from tests.flow.world import Partner, World, endpoints

ODD = [
    (Delivered(answer="GIF89a\x01\x00\x01"), "done"),
    (Rejected(reason="no \x00 such", detail="x"), "dead"),
    (Rejected(reason="r", field="a\x00"), "dead"),
    (Rejected(reason="half \ud800", detail="half \ud800"), "dead"),
    (Transient(detail="busy \x00"), "ready"),
    (Delivered(answer="half \ud800"), "done"),
]


@pytest.mark.parametrize(("outcome", "state"), ODD)
async def test_odd_characters_of_an_answer_are_kept_out(
    world: World, partner: Partner, outcome: Outcome, state: str
) -> None:
    await world.apply(endpoints("retry: {attempts_max: 9, first_s: 1}"))
    await world.put("m")
    partner.behave = lambda _: outcome
    worker = world.worker(fake=partner)
    for _ in range(2):
        await worker.round()
        world.clock.forward(0.5)
    assert (await world.row("m"))["state"] == state


async def test_a_delivered_command_is_delivered_once_whatever_the_answer_holds(world: World, partner: Partner) -> None:
    """The partner took it and answered with a picture; and its neighbours, that were answered well."""
    await world.apply(endpoints("bulkhead: 8, retry: {attempts_max: 9, first_s: 1}"))
    await world.put("m", "n1", "n2")
    partner.behave = lambda call: Delivered(answer="GIF89a\x01\x00" if call.commands[0].body == "m" else "ok")
    worker = world.worker(fake=partner)
    for _ in range(40):
        await worker.round()
        world.clock.forward(60)
    states = await world.states()
    assert set(partner.effects.values()) == {1}
    assert set(states.values()) == {"done"}


async def test_a_webhook_that_is_answered_with_a_picture_is_sent_once(world: World) -> None:
    class Pixel(FakePartner):
        async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
            return web.Response(body=b"GIF89a\x01\x00\x01\x00", content_type="image/gif")

    async with Pixel() as pixel, Transport() as transport:
        await world.apply(
            "endpoints:\n  hook: {system: shop, sender: webhook, base_url: '"
            + pixel.url
            + "', allow_private_addresses: true, retry: {attempts_max: 9, first_s: 1}}\n"
        )
        await world.put("{}")
        worker = world.worker(webhook=WebhookSender(transport, clock=world.clock))
        for _ in range(10):
            await worker.round()
            world.clock.forward(60)
        assert len(pixel.heard) == 1
        assert (await world.row("{}"))["state"] == "done"
