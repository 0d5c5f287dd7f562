"""A message whose mapping takes long is not taken away from a node that lives."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from onhand.app.inbox import Filter
from onhand.app.inbox_ports import Held, Made
from onhand.domain.errors import InvalidInput
from onhand.ops import limits
from tests.inbox.world import World, item


async def test_two_nodes_and_a_mapping_that_takes_longer_than_a_lease(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "INBOX_LEASE_S", 0.4)
    monkeypatch.setattr(limits, "INBOX_INLINE_BYTES_MAX", 0)
    await world.apply()
    nodes = [world.another("a"), world.another("b")]
    for node in nodes:
        node.mapping_store._now = lambda: None  # the database's clock
    apply = world.mapping.apply

    def slow(document: Any, message: Held) -> Made:
        threading.Event().wait(0.9)
        return apply(document, message)

    world.mapping.apply = slow  # type: ignore[method-assign]
    number = await world.put({"events": [item("A")]}, key="k")
    await world.database.sql("update inbox set due_at = '2020-01-01'")
    stop = asyncio.Event()
    tasks = [asyncio.create_task(node.mapper.run(stop)) for node in nodes]
    for _ in range(100):
        await world.database.sql("select pg_sleep(0.1)")
        line = (await world.inbox.find(Filter(ids=(number,)), n=1))[0]
        if line.state != "new":
            break
    stop.set()
    await asyncio.gather(*tasks)
    assert (line.state, len(world.mapping.seen)) == ("mapped", 1), (line.state, line.reason, len(world.mapping.seen))


async def test_a_reason_with_half_a_surrogate_costs_neither_its_message_nor_its_neighbours(world: World) -> None:
    await world.apply()
    apply = world.mapping.apply

    class Odd(InvalidInput):
        code = "file_unreadable"

    def odd(document: Any, message: Held) -> Made:
        if message.key == "bad":
            raise Odd("column '\ud800': it is not declared")  # what a workbook's header with _xD800_ gives
        return apply(document, message)

    world.mapping.apply = odd  # type: ignore[method-assign]
    await world.put({"events": [item("A")]}, key="good")
    await world.put({"events": [item("B")]}, key="bad")
    for _ in range(8):
        await world.node.mapper.round()
        world.clock.forward(61)
    found = {line.key: (line.state, line.reason) for line in await world.inbox.find(Filter(), n=9)}
    assert found["good"][0] == "mapped", found
    assert (found["bad"][1] or "").startswith("file_unreadable"), found
