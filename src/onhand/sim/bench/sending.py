"""Commands out: claimed, sent to a fake in this process, acknowledged; against claiming and acknowledging alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from onhand.app.dispatch import Dispatch
from onhand.app.flow_ports import Call, Command, Report
from onhand.domain.outcome import Delivered, Outcome
from onhand.flow.worker import Worker
from onhand.store.directory import Directory
from onhand.store.flow import PostgresFlow
from onhand.store.postgres.driver import Database

ENDPOINT: Final = "bench-partner"
SENDER: Final = "bench-fake"
BATCH: Final = 100
CALLS: Final = 8
PUT: Final = 1_000

NETWORK: Final = f"""\
endpoints:
  {ENDPOINT}: {{system: bench, sender: {SENDER}, batch: {BATCH}, bulkhead: {CALLS}}}
"""

FLOOR: Final = (
    f"claim and acknowledge alone: Dispatch.claim and Dispatch.settle in turn, {CALLS} calls of {BATCH} commands at a "
    "time, one connection, nothing sent"
)


class Fake:
    """A partner in the same process that takes everything and counts it."""

    def __init__(self) -> None:
        self.taken = 0

    async def send(self, call: Call) -> Sequence[Outcome]:
        """Take a call."""
        self.taken += len(call.commands)
        return [Delivered()]


async def write(hub: Any, *, commands: int, run: int) -> None:
    """Put commands into the outbox, as the transactions of facts do."""
    body = '{"quantity": 7}'
    for start in range(0, commands, PUT):
        await hub.outbox.write(
            [
                Command(endpoint=ENDPOINT, operation="stock.publish", body=body, idempotency_key=f"{run}/{number}")
                for number in range(start, start + PUT)
            ]
        )


async def sent_per_s(database: Database, *, commands: int) -> float:
    """Commands a second that a worker sends and acknowledges."""
    fake = Fake()
    worker = Worker(_dispatch(database), {SENDER: fake})
    start = time.perf_counter()
    while fake.taken < commands:
        await worker.round()
    return commands / (time.perf_counter() - start)


async def floor_per_s(database: Database, *, commands: int) -> float:
    """Commands a second that are claimed and acknowledged with nothing between."""
    dispatch = _dispatch(database)
    network = await dispatch.store.network()
    endpoint = network.endpoints[ENDPOINT]
    done = 0
    start = time.perf_counter()
    while done < commands:
        claimed = await dispatch.claim(network, endpoint, slots=CALLS)
        at = datetime.now(UTC)
        reports = [Report(call=call, outcomes=(Delivered(),), started_at=at) for call in claimed.calls]
        await dispatch.settle(network, endpoint, reports)
        done += sum(len(call.commands) for call in claimed.calls)
    return commands / (time.perf_counter() - start)


def _dispatch(database: Database) -> Dispatch:
    return Dispatch(PostgresFlow(database, Directory(database), worker="bench"))
