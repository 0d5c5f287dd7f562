"""A node of its own in a process of its own: does what it is told on standard input and tells every answer at once.

Started by the proofs with a DSN. Each line in is one round of work, each line out one answer, written and flushed when
it is known: what stands there was acknowledged, whatever happens to the process next.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from typing import Any

from onhand.app.promise_errors import InsufficientStock
from onhand.bootstrap import Hub, open_hub
from onhand.contracts.envelope import event
from onhand.domain.errors import OnhandError
from onhand.domain.reservation import Line, Request
from onhand.ops.settings import Settings
from onhand.store.postgres.driver import Database
from tests.proof.ground import START, client


def tell(**answer: Any) -> None:
    """Write one answer."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def reserve(hub: Hub, caller: Any, request: Any) -> None:
    """Ask for one promise and tell what became of it."""
    lines = tuple(
        Line(line_id=str(n), sku=sku, quantity=quantity) for n, (sku, quantity) in enumerate(request["lines"])
    )
    wanted = Request(
        request_id=request["id"], channel=request.get("channel", "web"), lines=lines, mode=request.get("mode", "all")
    )
    try:
        answer = await hub.reserve(caller, wanted)
    except InsufficientStock as refused:
        tell(id=request["id"], reservation=refused.facts["reservation_id"], granted=[], replayed=refused.replayed)
    except OnhandError as error:
        tell(id=request["id"], error=error.code)
    else:
        granted = [[line.sku, line.granted] for line in answer.lines]
        tell(id=request["id"], reservation=answer.reservation_id, granted=granted, replayed=answer.replayed)


async def record(hub: Hub, events: Any) -> None:
    """Record one delivery of facts and tell each outcome."""
    made = [event(id=e["id"], source="erp", type=e["type"], time=START, data=e["data"]) for e in events]
    try:
        outcomes = await hub.record(made)
    except OnhandError as error:
        tell(id=events[0]["id"], error=error.code)
    else:
        for outcome in outcomes:
            tell(id=outcome.id, outcome=outcome.outcome)


async def work(dsn: str, *, seed: int) -> None:
    """Do one round after another until the input ends."""
    async with await Database.connect(dsn, pool_max=1) as database:
        caller = await client(database)
    loop = asyncio.get_running_loop()
    async with open_hub(Settings(dsn=dsn), migrate=False) as hub:
        tell(ready=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            told = json.loads(line)
            calls = [reserve(hub, caller, request) for request in told.get("reserve", ())]
            calls += [record(hub, events) for events in told.get("record", ())]
            random.Random(seed).shuffle(calls)
            await asyncio.gather(*calls)
            tell(done=True)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], seed=int(sys.argv[2])))
