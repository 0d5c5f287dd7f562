"""Waits until something holds, looking now and then, for a limited time: the demo never sleeps and hopes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from onhand.domain.errors import Unavailable

T = TypeVar("T")


async def until(
    look: Callable[[], Awaitable[T]], holds: Callable[[T], bool], *, within_s: float, every_s: float, what: str
) -> T:
    """Return what was seen once it holds. Raises Unavailable, which names what was waited for."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                seen = await look()
                if holds(seen):
                    return seen
                await asyncio.sleep(every_s)
    except TimeoutError:
        raise Unavailable(f"{what} did not come about within {within_s:.0f} s.") from None
