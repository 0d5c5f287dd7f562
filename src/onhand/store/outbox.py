"""Writing commands: the port that any transaction of the store uses to say something to a partner.

The command commits with the fact that causes it or not at all, so that nothing is told that did not happen and nothing
that happened goes untold.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from onhand.app.flow_ports import BufferFull, Command, UnknownEndpoint, Written
from onhand.domain.endpoint import Endpoint
from onhand.domain.network import Network
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database, Session

_NO_LIMIT: Final = 2**31 - 1


class PostgresOutbox:
    """Puts commands into the outbox."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory

    async def put(
        self, session: Session, commands: Sequence[Command], *, now: datetime | None = None, beyond: bool = False
    ) -> list[Written]:
        """Write commands in the caller's transaction; where each lies, in order.

        A command whose idempotency key its endpoint knows already is not written again, whatever it says. Raises
        BufferFull, UnknownEndpoint. Commands of one ordering key are sent in the order in which they are written; who
        needs that order over several transactions holds a lock on what they speak of while writing. `beyond`: also
        where the buffer is full, for what follows from a call that was made.
        """
        if not commands:
            return []
        at = now if now is not None else await session.fetchval("flow.clock")
        network = self._directory.network
        endpoints = {code: _endpoint(network, code) for code in sorted({each.endpoint for each in commands})}
        rows = [_row(each, endpoints[each.endpoint], network, at) for each in commands]
        buffers = [
            [code, _NO_LIMIT if beyond else each.buffer.limit, each.buffer.at_limit] for code, each in endpoints.items()
        ]
        found = await session.fetch(
            "flow.put", at, *map(list, zip(*rows, strict=True)), *map(list, zip(*buffers, strict=True))
        )
        full = sorted({commands[row["place"] - 1].endpoint for row in found if row["outcome"] == "full"})
        if full:
            most = ", ".join(f"{code} (at most {endpoints[code].buffer.limit})" for code in full)
            raise BufferFull(f"Too many commands wait for {most}.", endpoints=full)
        places = {row["place"]: Written(row["id"], row["outcome"]) for row in found}
        return [places[number] for number in range(1, len(commands) + 1)]

    async def write(self, commands: Sequence[Command], *, now: datetime | None = None) -> list[Written]:
        """Write commands in a transaction of their own. Raises as `put`."""
        await self._directory.situation()
        async with self._database.transaction() as session:
            return await self.put(session, commands, now=now)


def _endpoint(network: Network, code: str) -> Endpoint:
    found = network.endpoint(code)
    if found is None or found.retired:
        raise UnknownEndpoint(f"The network in force has no endpoint '{code}' in use.", endpoint=code)
    return found


def _row(command: Command, endpoint: Endpoint, network: Network, now: datetime) -> list[Any]:
    if endpoint.lane(command.lane) is None:
        raise UnknownEndpoint(f"The endpoint '{endpoint.code}' has no lane '{command.lane}'.", lane=command.lane)
    return [
        command.endpoint, command.operation, command.lane, command.ordering_key, command.idempotency_key,
        command.limit_key, command.body, command.cause, command.not_before,
        command.deadline_at or (command.not_before or now) + timedelta(seconds=endpoint.deadline_s),
        owner_of(endpoint, network),
    ]  # fmt: skip


def owner_of(endpoint: Endpoint, network: Network) -> str | None:
    """Return who looks after an endpoint's dead letters."""
    system = network.system(endpoint.system)
    return endpoint.owner or (system.owner if system is not None else None)
