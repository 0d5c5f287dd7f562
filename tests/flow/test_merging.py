"""Merging: calls that wait are done together, each gets its own answer, nobody waits for a timer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from onhand.flow.merging import Merged


class Gate:
    """Work that waits until it is let through, and remembers the batches it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()

    async def __call__(self, batch: Sequence[int]) -> list[int | BaseException]:
        self.batches.append(list(batch))
        await self.open.wait()
        return [ValueError(f"{n} is odd") if n % 2 else n * 10 for n in batch]


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_single_call_starts_at_once_and_those_that_come_meanwhile_go_together() -> None:
    gate = Gate()
    merged: Merged[int, int] = Merged(gate, workers=1, batch_max=100)
    answers = [merged.submit(0)]
    await settle()
    answers += [merged.submit(n) for n in (2, 4, 6)]
    await settle()
    assert gate.batches == [[0]]
    assert merged.depth == 3
    gate.open.set()
    assert await asyncio.gather(*answers) == [0, 20, 40, 60]
    assert gate.batches == [[0], [2, 4, 6]]


async def test_no_batch_is_larger_than_allowed_and_order_of_arrival_is_kept() -> None:
    gate = Gate()
    merged: Merged[int, int] = Merged(gate, workers=1, batch_max=2)
    answers = [merged.submit(n) for n in (2, 4, 6, 8, 10)]
    gate.open.set()
    await asyncio.gather(*answers)
    assert gate.batches == [[2, 4], [6, 8], [10]]


async def test_two_workers_take_what_waits_side_by_side() -> None:
    gate = Gate()
    merged: Merged[int, int] = Merged(gate, workers=2, batch_max=1)
    answers = [merged.submit(n) for n in (2, 4, 6)]
    await settle()
    assert gate.batches == [[2], [4]]
    gate.open.set()
    assert await asyncio.gather(*answers) == [20, 40, 60]


async def test_an_answer_that_is_an_error_reaches_its_own_caller_only() -> None:
    gate = Gate()
    gate.open.set()
    merged: Merged[int, int] = Merged(gate, workers=1, batch_max=10)
    good, bad = merged.submit(2), merged.submit(3)
    assert await good == 20
    with pytest.raises(ValueError, match="3 is odd"):
        await bad


async def test_a_failure_of_the_work_reaches_every_caller_and_the_next_batch_goes_on() -> None:
    broken = [True]

    async def work(batch: Sequence[int]) -> list[int | BaseException]:
        if broken:
            broken.clear()
            raise ConnectionError("gone")
        return list(batch)

    merged: Merged[int, int] = Merged(work, workers=1, batch_max=10)
    first = [merged.submit(1), merged.submit(2)]
    for call in first:
        with pytest.raises(ConnectionError):
            await call
    assert await merged.submit(3) == 3


async def test_a_caller_that_went_away_does_not_disturb_the_others() -> None:
    gate = Gate()
    merged: Merged[int, int] = Merged(gate, workers=1, batch_max=10)
    leaver, stayer = merged.submit(2), merged.submit(4)
    await settle()
    leaver.cancel()
    gate.open.set()
    assert await stayer == 40


async def test_closing_waits_for_everything_that_was_handed_in() -> None:
    gate = Gate()
    merged: Merged[int, int] = Merged(gate, workers=2, batch_max=1)
    answers = [merged.submit(n) for n in (2, 4, 6, 8)]
    closing = asyncio.create_task(merged.close())
    await settle()
    assert not closing.done()
    gate.open.set()
    await closing
    assert all(answer.done() for answer in answers)
