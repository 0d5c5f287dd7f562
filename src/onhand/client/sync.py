"""The client for programs without an event loop: every call of `AsyncClient`, run on a loop in a thread of its own."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from onhand.client import limits
from onhand.client.aio import AsyncClient

P = ParamSpec("P")
T = TypeVar("T")


def _waited(call: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Client, P], T]:
    """The same call, waiting for its answer."""

    @functools.wraps(call)
    def wait(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(call(self._client, *args, **kwargs))

    return wait


def _iterated(
    call: Callable[Concatenate[AsyncClient, P], AsyncIterator[T]],
) -> Callable[Concatenate[Client, P], Iterator[T]]:
    """The same rows, one after the other; pages are fetched as they are needed."""

    @functools.wraps(call)
    def iterate(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        rows = call(self._client, *args, **kwargs)
        while True:
            row = self._run(_next(rows))
            if row is None:
                return
            yield row

    return iterate


class Client:
    """Calls one Onhand and waits for the answer. Safe to share between threads.

    Use it as `with Client(url, key=...) as onhand:`, or call `close` at the end. Calls and errors are those of
    `AsyncClient`.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_s: float = limits.TIMEOUT_S,
        attempts_max: int = limits.ATTEMPTS_MAX,
        connections_max: int = limits.CONNECTIONS_MAX,
    ) -> None:
        self._client = AsyncClient(
            url, key=key, timeout_s=timeout_s, attempts_max=attempts_max, connections_max=connections_max
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="onhand client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections and end the thread. Does nothing the second time."""
        if self._loop.is_closed():
            return
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    reserve = _waited(AsyncClient.reserve)
    extend = _waited(AsyncClient.extend)
    change = _waited(AsyncClient.change)
    transfer = _waited(AsyncClient.transfer)
    release = _waited(AsyncClient.release)
    fulfil = _waited(AsyncClient.fulfil)
    reservation = _waited(AsyncClient.reservation)
    reservation_log = _waited(AsyncClient.reservation_log)
    reservations = _iterated(AsyncClient.reservations)
    send = _waited(AsyncClient.send)
    events = _iterated(AsyncClient.events)
    feed = _waited(AsyncClient.feed)
    event = _waited(AsyncClient.event)
    availability = _waited(AsyncClient.availability)
    balances = _iterated(AsyncClient.balances)
    movements = _iterated(AsyncClient.movements)
    items = _iterated(AsyncClient.items)
    item = _waited(AsyncClient.item)
    locations = _waited(AsyncClient.locations)
    channels = _waited(AsyncClient.channels)
    network = _waited(AsyncClient.network)
    quarantine = _iterated(AsyncClient.quarantine)
    quarantined = _waited(AsyncClient.quarantined)
    release_quarantine = _waited(AsyncClient.release_quarantine)
    discard_quarantined = _waited(AsyncClient.discard_quarantined)
    create_key = _waited(AsyncClient.create_key)
    keys = _waited(AsyncClient.keys)
    rotate_key = _waited(AsyncClient.rotate_key)
    revoke_key = _waited(AsyncClient.revoke_key)
    ready = _waited(AsyncClient.ready)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("This client was closed.")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C in the waiting thread must not leave the call running behind its back
            raise


async def _next(rows: AsyncIterator[T]) -> T | None:
    return await anext(rows, None)
