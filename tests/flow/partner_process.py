"""A partner on a socket of its own: keeps each effect once by its webhook-id, counts calls, can be slow or sick."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class HttpPartner:
    def __init__(self) -> None:
        self.url = ""
        self.effects: dict[str, int] = {}
        self.heard: dict[str, int] = {}
        self.times: list[float] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.sick: int | None = None
        self.answer_headers: dict[str, str] = {}
        self.hold: asyncio.Event | None = None
        self.working = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        self.times.append(time.monotonic())
        body = await request.read()
        key = request.headers["webhook-id"]
        self.heard[key] = self.heard.get(key, 0) + 1
        if self.sick is not None:
            return web.Response(status=self.sick, headers=self.answer_headers)
        if key not in self.effects:
            self.effects[key] = 1  # the effect, once a key: what an idempotent partner does
            self.bodies.append(body)
            self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.working.set()
        if self.hold is not None:
            await self.hold.wait()
        return web.json_response({"ok": True})


@asynccontextmanager
async def partner_on_a_socket() -> AsyncIterator[HttpPartner]:
    partner = HttpPartner()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", partner.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    partner.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield partner
    finally:
        await runner.cleanup()
