"""Natural batching: calls that arrive while another call runs are done together by the next one.

There is no timer. A worker that becomes free takes all that waits, so an idle node answers a single call at once and
a busy one does hundreds in one round trip. Two workers keep the database busy while this process plans the next batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Merged(Generic[T, R]):
    """Calls of one kind, merged. `work` gets what waits, in order of arrival, and answers in the same order.

    An answer that is an exception is raised to its caller alone; an exception of `work` itself goes to every caller.
    """

    def __init__(
        self, work: Callable[[Sequence[T]], Awaitable[Sequence[R | BaseException]]], *, workers: int, batch_max: int
    ) -> None:
        self._work = work
        self._batch_max = batch_max
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._idle = workers
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def depth(self) -> int:
        """How many calls wait right now."""
        return len(self._waiting)

    def submit(self, call: T) -> asyncio.Future[R]:
        """Hand in one call; await the result."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, answer))
        if self._idle:
            self._idle -= 1
            task = asyncio.create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return answer

    async def close(self) -> None:
        """Wait until everything that was handed in has its answer."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_max))]
                await self._do(batch)
        finally:
            self._idle += 1

    async def _do(self, batch: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            answers = await self._work([call for call, _ in batch])
        except BaseException as error:  # whatever it is, every caller that waits must hear of it
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue  # the caller went away; what it asked for stands and will be found by its id
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
