"""Endpoints and commands as people see and change them: the adapter behind `onhand.app.operate_flow`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from onhand.app.operate_flow import Action, Attempt, CommandLine, Filter, ScopeState
from onhand.domain.breaker import CLOSED
from onhand.domain.endpoint import Endpoint
from onhand.domain.network import Network
from onhand.store.directory import Directory
from onhand.store.flow import kept
from onhand.store.postgres.driver import Database, Row

_S = TypeVar("_S", bound=msgspec.Struct)


class PostgresFlowReads:
    """The FlowReads of `onhand.app.operate_flow`. `now` stands in for the database's clock in tests."""

    def __init__(self, database: Database, directory: Directory, *, now: datetime | None = None) -> None:
        self._database = database
        self._directory = directory
        self.now = now

    async def network(self) -> Network:
        """Return the network in force."""
        return (await self._directory.situation()).network

    async def scopes(self, kind: str) -> Sequence[ScopeState]:
        """Return what is stored of every endpoint or quota that was ever used or is declared."""
        network = await self.network()
        codes = network.endpoints if kind == "endpoint" else network.quotas
        await self._database.execute("flow.ensure", kind, list(codes))
        return [_scope(row) for row in await self._database.fetch("flow.scopes", kind, self.now)]

    async def pause(self, endpoint: str, *, who: str, reason: str) -> bool:
        """Pause; False when it was paused already."""
        await self._database.execute("flow.ensure", "endpoint", [endpoint])
        return await self._database.fetchval("flow.pause", endpoint, who, reason) is not None

    async def resume(self, endpoint: str, *, who: str) -> bool:
        """Resume; False when it was not paused."""
        return await self._database.fetchval("flow.resume", endpoint, who) is not None

    async def reset_breaker(self, endpoint: Endpoint, *, who: str) -> bool:
        """Close the breaker and forget what was counted."""
        async with self._database.transaction() as session:
            row = await session.fetchrow("flow.open", self.now, endpoint.code, None, 0, 0)
            assert row is not None, "flow_open makes the row that it opens"
            before = kept(row["state"])
            if before.circuit == CLOSED:
                return False
            state = msgspec.json.encode(msgspec.structs.replace(before, circuit=CLOSED)).decode()
            await session.execute("flow.save", row["endpoint_id"], state, None, None, "", None, None)
            await session.execute("flow.note", who, "reset-breaker", endpoint.code, before.circuit.reason)
            return not before.circuit.closed

    async def actions(self, subject: str | None, *, n: int) -> Sequence[Action]:
        """Return the newest things that people did."""
        return [_struct(Action, row) for row in await self._database.fetch("flow.actions", subject, n)]

    async def find(self, wanted: Filter, *, before: int | None, n: int) -> Sequence[CommandLine]:
        """Return commands, the newest first."""
        rows = await self._database.fetch(
            "flow.find",
            None if wanted.ids is None else list(wanted.ids),
            wanted.endpoint,
            list(wanted.states),
            wanted.operation,
            wanted.ordering_key,
            wanted.cause,
            wanted.since,
            wanted.until,
            before,
            n,
        )
        return [_struct(CommandLine, row) for row in rows]

    async def content(self, number: int) -> tuple[str, str | None]:
        """Return body and answer of a command."""
        row = await self._database.fetchrow("flow.content", number)
        return ("", None) if row is None else (row["body"], row["answer"])

    async def attempts(self, number: int) -> Sequence[Attempt]:
        """Return the attempts of a command."""
        return [_struct(Attempt, row) for row in await self._database.fetch("flow.attempts", number)]

    async def replay(self, deadlines: dict[int, int], *, who: str, reason: str) -> Sequence[int]:
        """Put dead letters back; return which were."""
        found = await self._database.fetchval(
            "flow.replay", self.now, list(deadlines), list(deadlines.values()), who, reason
        )
        return list(found)

    async def discard(self, ids: Sequence[int], *, who: str, reason: str) -> Sequence[int]:
        """Discard what is not on its way or done; return which were."""
        return list(await self._database.fetchval("flow.discard", self.now, list(ids), who, reason))


def _scope(row: Row) -> ScopeState:
    state = kept(row["state"])
    columns = {name: row[name] for name in ScopeState.__struct_fields__ if name not in ("circuit", "used")}
    return ScopeState(circuit=state.circuit, used=state.used, **columns)


def _struct(cls: type[_S], row: Row) -> _S:
    return cls(**{name: row[name] for name in cls.__struct_fields__})
