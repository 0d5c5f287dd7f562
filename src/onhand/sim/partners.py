"""Partners as processes of their own: a connector's stand-in on a loopback port, told what to do over its input.

The hub under test meets them as it meets real ones, over sockets; only their owner, the simulation, can make them sick
or ask what they show. Each line of input is a JSON object `{"do": NAME, ...}`, each line of output its answer. What a
partner is told to do while it is busy with something else waits for its turn.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from onhand.domain.errors import Unavailable
from onhand.sdk.fake import FakePartner, Fault
from onhand.sdk.partner import Listing
from onhand.sdk.registry import installed
from onhand.sim.api import Api, Reply

START_WAIT_S: Final = 30.0
LINE_BYTES_MAX: Final = 16 * 1024 * 1024
DELIVER_AT_ONCE_MAX: Final = 8
"""Webhooks that a partner sends at a time, as a small system would."""


class PartnerProcess:
    """One partner. `url`, `settings` and `credentials` are what an endpoint needs to reach it."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, hello: Mapping[str, Any]) -> None:
        self.name = name
        self.url: str = hello["url"]
        self.settings: dict[str, Any] = hello["settings"]
        self.credentials: str = hello["credentials"]
        self._process = process
        self._turn = asyncio.Lock()

    async def do(self, name: str, **arguments: Any) -> Any:
        """Have the partner do something and return what it answers. Raises Unavailable when it is gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = b""
        async with self._turn:
            with suppress(ConnectionError):
                self._process.stdin.write(msgspec.json.encode({"do": name, **arguments}) + b"\n")
                await self._process.stdin.drain()
                line = await self._process.stdout.readline()
        if not line:
            raise Unavailable(f"The simulated partner {self.name!r} has ended.")
        return msgspec.json.decode(line)["answer"]

    async def sicken(self, fault: Fault) -> None:
        """Make it sick in a way."""
        await self.do("sicken", fault=fault)

    async def heal(self) -> None:
        """Make it well."""
        await self.do("heal")

    async def go_down(self) -> None:
        """Have it refuse connections, until `come_back`."""
        await self.do("go_down")

    async def come_back(self) -> None:
        """Have it listen again, at the address that it had."""
        await self.do("come_back")

    async def maintenance(self, on: bool) -> None:
        """Begin or end its maintenance window: whoever calls it then breaks a promise."""
        await self.do("maintenance", on=on)

    async def shown(self, listing: str, location: str | None = None) -> int | None:
        """Return the number that its buyers see."""
        found: int | None = await self.do("shown", listing=listing, location=location)
        return found

    async def shelves(self, listings: Sequence[str]) -> dict[str, int | None]:
        """Return the numbers that its buyers see of many listings."""
        found: dict[str, int | None] = await self.do("shelves", listings=listings)
        return found

    async def deliver(
        self, urls: Sequence[str], feed: str, things: Sequence[Mapping[str, Any]], *, copies: Sequence[int] = (1,),
        seed: int = 0,
    ) -> dict[str, int]:  # fmt: skip
        """Have it send webhooks to nodes of the hub, one a thing; return how often the hub said what.

        `copies`: how often each is sent, in turn; more than one of them, and all are sent in another order.
        """
        said: dict[str, int] = await self.do(
            "deliver", urls=urls, feed=feed, things=things, copies=copies, seed=seed
        )  # fmt: skip
        return said

    async def broken(self) -> list[str]:
        """Return the promises that were broken towards it."""
        found: list[str] = await self.do("broken")
        return found

    async def stop(self) -> None:
        """End it."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()


@asynccontextmanager
async def partner(name: str, *, seed: int = 0) -> AsyncIterator[PartnerProcess]:
    """Run the stand-in of a connector for as long as the block runs. Raises Unavailable when it does not start."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "onhand.sim.partners", name, str(seed),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES_MAX, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_WAIT_S):
            line = await process.stdout.readline()
        if not line:
            raise Unavailable(f"The stand-in of {name!r} did not start.")
        yield PartnerProcess(name, process, msgspec.json.decode(line))
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def play(name: str, *, seed: int) -> None:
    """Be a partner until the input ends: what runs in the process."""
    package = installed().get(name)
    fake: FakePartner = importlib.import_module(f"{package.module}.fake").Fake(seed=seed)
    async with fake:
        _say({"url": fake.url, "settings": fake.settings(), "credentials": fake.credentials()})
        reader = await _input()
        while line := await reader.readline():
            asked = msgspec.json.decode(line)
            _say({"answer": await _DOINGS[asked.pop("do")](fake, **asked)})


async def _sicken(fake: FakePartner, *, fault: dict[str, Any]) -> None:
    fake.sicken(msgspec.convert(fault, Fault))


async def _heal(fake: FakePartner) -> None:
    fake.heal()


async def _faults(fake: FakePartner, *, kind: str) -> int:
    """How many faults of a kind are still to come."""
    return sum(fault.times or 0 for fault in fake._faults if fault.kind == kind)


async def _go_down(fake: FakePartner) -> None:
    await fake.stop()


async def _come_back(fake: FakePartner) -> None:
    await fake.start(port=urlsplit(fake.url).port or 0)


async def _maintenance(fake: FakePartner, *, on: bool) -> None:
    fake.window_open = not on


async def _shown(fake: FakePartner, *, listing: str, location: str | None) -> int | None:
    return await fake.shown(Listing(listing=listing, sku=listing, location=location))


async def _shelves(fake: FakePartner, *, listings: Sequence[str]) -> dict[str, int | None]:
    return {each: await fake.shown(Listing(listing=each, sku=each)) for each in listings}


async def _deliver(
    fake: FakePartner, *, urls: Sequence[str], feed: str, things: Sequence[Mapping[str, Any]], copies: Sequence[int],
    seed: int,
) -> dict[str, int]:  # fmt: skip
    """Send webhooks, each until a node has taken it: whoever gets no answer sends the same again."""
    outgoing = [thing for n, thing in enumerate(things) for _ in range(copies[n % len(copies)])]
    if max(copies) > 1:
        Random(seed).shuffle(outgoing)  # noqa: S311 - an order of sending, no secret
    said: Counter[str] = Counter()
    async with _Hooks(urls, "", connections=DELIVER_AT_ONCE_MAX) as hooks:
        for answer in await asyncio.gather(*(hooks.send(fake, feed, thing) for thing in outgoing)):
            said.update(answer.body if answer.status < 300 else {f"refused_{answer.status}": 1})
    return dict(said)


class _Hooks(Api):
    """What sends webhooks: the signature is the credential."""

    async def send(self, fake: Any, feed: str, thing: Mapping[str, Any]) -> Reply:
        """Send one, signed by the partner."""
        body = msgspec.json.encode(thing)
        head = fake.signed(body, message_id=f"msg_{thing['number']}", now=datetime.now(UTC))
        return await self._call(
            "POST", f"/v1/inbox/{feed}", body=body, headers={"content-type": "application/json", **head}
        )


async def _drift(fake: FakePartner, *, listing: str, location: str | None, quantity: int) -> None:
    await fake.drift(Listing(listing=listing, sku=listing, location=location), quantity)


async def _populate(fake: FakePartner, *, stream: str, count: int) -> list[str]:
    return list(await fake.populate(stream, count))


async def _listings(fake: FakePartner, *, count: int) -> list[Listing]:
    return list(await fake.listings(count))


async def _settle(fake: FakePartner) -> None:
    await fake.settle()


async def _broken(fake: FakePartner) -> list[str]:
    return list(fake.broken)


async def _calls(fake: FakePartner) -> int:
    return fake.calls


async def _simulate(fake: FakePartner, **arguments: Any) -> Any:
    """Whatever else a stand-in lets the simulation do: its method `simulate`."""
    return await fake.simulate(**arguments)  # type: ignore[attr-defined]


_DOINGS: Final[Mapping[str, Callable[..., Awaitable[Any]]]] = {
    "sicken": _sicken, "faults": _faults, "heal": _heal, "go_down": _go_down, "come_back": _come_back,
    "maintenance": _maintenance,
    "shown": _shown, "shelves": _shelves, "drift": _drift, "populate": _populate, "listings": _listings,
    "settle": _settle, "broken": _broken, "calls": _calls, "simulate": _simulate, "deliver": _deliver,
}  # fmt: skip


def _say(what: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


async def _input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


if __name__ == "__main__":
    asyncio.run(play(sys.argv[1], seed=int(sys.argv[2])))
