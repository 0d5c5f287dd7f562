"""Facts on their way: gathered, sent a thousand at a time, each settled by what the hub said about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from onhand.domain.errors import OnhandError
from onhand.sim import witness
from onhand.sim.api import Api, Reply
from onhand.sim.history import Recorder, Stock
from onhand.sim.replay.accounts import Accounts, Outcome
from onhand.sim.replay.judging import Line

BATCH_MAX: Final = 1_000
"""Events a call: beyond it the cost of an event stays the same and the wait of everybody else grows."""

SOURCE: Final = "replay"
"""The system that states all facts of a replay."""


class UnexpectedAnswer(OnhandError):
    """The hub answered something that a replay cannot go on from."""

    code = "unexpected_answer"
    title = "The hub gave an unexpected answer"
    done = "What was sent before stays; running the replay again goes on from there."
    remedy = "Read the answer; a key without the scope or a network without the channels are usual causes."


class Pending(NamedTuple):
    """One fact and what hangs on it: the lines that it settles and what it does to the sellable stock."""

    event: dict[str, Any]
    stock: tuple[Stock, ...]
    reservation: str | None
    lines: Sequence[Line]
    outcome: Outcome
    reason: str


class Outbox:
    """Gathers facts. `urgent` is set when orders that follow should see them."""

    def __init__(self, api: Api, recorder: Recorder, accounts: Accounts) -> None:
        self.outcomes: Counter[str] = Counter()
        self.calls = 0
        self.urgent = False
        self._api = api
        self._recorder = recorder
        self._accounts = accounts
        self._pending: list[Pending] = []

    def __len__(self) -> int:
        return len(self._pending)

    def add(
        self,
        event: dict[str, Any],
        *,
        stock: Sequence[Stock] = (),
        reservation: str | None = None,
        lines: Sequence[Line] = (),
        outcome: Outcome = "set_aside",
        reason: str = "",
        urgent: bool = False,
    ) -> None:
        """Put a fact into the box; `outcome` and `reason` are what its lines end as once it is applied."""
        self._pending.append(Pending(event, tuple(stock), reservation, lines, outcome, reason))
        self.urgent = self.urgent or urgent

    async def flush(self) -> None:
        """Send all of it. Raises UnexpectedAnswer, Unavailable."""
        pending, self._pending, self.urgent = self._pending, [], False
        for start in range(0, len(pending), BATCH_MAX):
            batch = pending[start : start + BATCH_MAX]
            reply = await self._api.send_events([one.event for one in batch])
            self.calls += 1
            for one, result in zip(batch, _results(reply, len(batch)), strict=True):
                self._settle(one, result, reply)

    def _settle(self, one: Pending, result: Mapping[str, Any], reply: Reply) -> None:
        outcome = result["outcome"]
        self.outcomes[outcome] += 1
        self._recorder.write(
            witness.fact_entry(one.event, outcome, reply, stock=one.stock, reservation=one.reservation)
        )
        if outcome in ("applied", "duplicate"):
            self._accounts.settle_all(one.lines, one.outcome, one.reason)
        elif outcome in ("quarantined", "discarded"):
            self._accounts.settle_all(one.lines, "quarantined", str(result.get("reason", outcome)))
        else:
            self._accounts.settle_all(one.lines, "failed", str(result.get("reason", outcome)))


def fact(type_: str, id_: str, at: datetime, data: Mapping[str, Any]) -> dict[str, Any]:
    """An event of the replay, stated for the moment at which the file says that it happened."""
    return {
        "specversion": "1.0", "source": SOURCE, "type": type_, "id": id_, "time": at.isoformat(), "data": dict(data),
    }  # fmt: skip


def _results(reply: Reply, count: int) -> Sequence[Mapping[str, Any]]:
    results = reply.body.get("results") if isinstance(reply.body, Mapping) else None
    if not isinstance(results, Sequence) or len(results) != count:
        raise UnexpectedAnswer(f"{count} events were answered with {reply.status}: {str(reply.body)[:500]}")
    return results
