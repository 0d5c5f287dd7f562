"""The client for programs without an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from onhand.client import Client, InsufficientStock
from tests.http.conftest import receipt
from tests.http.stand_in import ADMIN_KEY, StandIn

T = TypeVar("T")


async def off_the_loop(work: Callable[[], T]) -> T:
    """Run blocking work in a thread while the server goes on in this loop."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


async def test_calls_wait_for_their_answers(url: str, hub: StandIn) -> None:
    def work() -> list[str]:
        with Client(url, key=ADMIN_KEY) as onhand:
            made = onhand.reserve(channel="web", lines=[{"sku": "TEA-001", "quantity": 3}])
            onhand.send([receipt("a")])
            assert onhand.availability("web", ["TEA-001"])[0].quantity == 12
            with pytest.raises(InsufficientStock):
                onhand.reserve(channel="web", lines=[{"sku": "TEA-001", "quantity": 50}])
            return [each.reservation_id for each in onhand.reservations()] + [made.state]

    assert await off_the_loop(work) == ["res_1", "granted"]


async def test_one_client_serves_many_threads(url: str, hub: StandIn) -> None:
    def work() -> int:
        lines = [{"sku": "TEA-001", "quantity": 1}]
        states: list[str] = []
        with Client(url, key=ADMIN_KEY) as onhand:
            threads = [
                threading.Thread(target=lambda: states.append(onhand.reserve(channel="web", lines=lines).state))
                for _ in range(10)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return states.count("granted")

    assert await off_the_loop(work) == 10
    assert hub.stock["TEA-001"] == 0


def test_a_closed_client_says_so_and_leaves_no_thread() -> None:
    onhand = Client("http://127.0.0.1:1", key="k")
    onhand.close()
    onhand.close()
    with pytest.raises(RuntimeError, match="closed"):
        onhand.locations()
    assert "onhand client" not in {thread.name for thread in threading.enumerate()}


async def test_an_iterator_that_is_left_early_does_no_harm(url: str, hub: StandIn) -> None:
    hub.stock = {f"S{number}": 1 for number in range(5)}

    def work() -> str:
        with Client(url, key=ADMIN_KEY) as onhand:
            return next(iter(onhand.items())).sku

    assert await off_the_loop(work) == "S0"
