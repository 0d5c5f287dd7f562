"""The flash sale: five thousand buyers, five hundred mugs, two nodes, and one of them is killed in the middle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from onhand.sim.demo.catalogue import FLASH_SKU
from onhand.sim.demo.desk import Desk

Kill = Callable[[], Awaitable[None]]


async def flash_sale(desk: Desk, *, buyers: int, connections: int, kill: Kill) -> None:
    """Let everybody buy one, at full speed. `kill` is called once when 40 % of the stock is sold.

    A buyer whose call is lost asks again with the same request id: that is what makes it one sale.
    """
    flash = desk.tally.flash
    flash.buyers = buyers
    flash.running = True
    line = asyncio.Semaphore(connections)
    killing: asyncio.Task[None] | None = None
    start = time.perf_counter()

    async def buy(number: int) -> None:
        nonlocal killing
        async with line:
            reply = await desk.reserve(
                "web", [{"line_id": "1", "sku": FLASH_SKU, "quantity": 1}], request_id=f"flash-{number}",
                commitment="order", expires_in_s=900,
            )  # fmt: skip
        flash.asked += 1
        flash.retried += reply.tries > 1
        flash.slowest_ms = max(flash.slowest_ms, (reply.answered_ns - reply.sent_ns) / 1e6)
        if reply.status < 300:
            flash.sold += 1
        else:
            flash.refused += 1
        if killing is None and flash.sold >= flash.stock * 0.4:
            flash.killed_after = flash.sold
            killing = asyncio.create_task(_as_coroutine(kill))

    await asyncio.gather(*(buy(number) for number in range(buyers)))
    flash.took_s = time.perf_counter() - start
    if killing is not None:
        await killing
    flash.running = False


async def _as_coroutine(kill: Kill) -> None:
    await kill()
