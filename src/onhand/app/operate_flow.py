"""What people do with endpoints and commands: look, pause, resume, reset a breaker, replay, discard.

Everything here is safe to say twice: what is paused stays paused by whoever was first, and what is not a dead letter is
not replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from onhand.app.asked import missing
from onhand.domain import throttle
from onhand.domain.breaker import CLOSED, Circuit
from onhand.domain.endpoint import Endpoint, Limits
from onhand.domain.errors import InvalidInput, NotFound
from onhand.domain.network import Network
from onhand.domain.throttle import Throttle
from onhand.domain.windows import closed_until, next_start

PAGE_MAX = 1_000


class ScopeState(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of an endpoint or quota."""

    code: str
    now: datetime
    paused_at: datetime | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    circuit: Circuit = CLOSED
    used: Throttle = Throttle()
    unfinished: int = 0
    in_flight: int = 0
    dead: int = 0
    oldest_at: datetime | None = None
    blocked_by: str = ""
    blocked_till: datetime | None = None


class LimitLeft(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of the limits of an endpoint or quota: calls that may be made now, and when again if none."""

    calls: int
    back_at: datetime | None = None
    limit: str | None = None


class EndpointView(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint as people see it. `status` is the first of what keeps it from being called, or `open`.

    `oldest_s`: for how long the oldest of what waits has been due.
    """

    code: str
    system: str
    status: Literal["open", "retired", "paused", "window", "breaker", "limited"]
    until: datetime | None
    why: str
    unfinished: int
    in_flight: int
    dead: int
    oldest_at: datetime | None
    oldest_s: float | None
    breaker: Literal["closed", "open", "probing"]
    left: LimitLeft
    quota: str | None
    quota_left: LimitLeft | None
    next_window: datetime | None
    paused_by: str | None
    paused_at: datetime | None


class CommandLine(msgspec.Struct, frozen=True, kw_only=True):
    """A command as it stands in a list."""

    id: int
    endpoint: str
    state: str
    lane: str
    operation: str
    ordering_key: str | None
    idempotency_key: str
    limit_key: str | None
    cause: str
    created_at: datetime
    due_at: datetime
    deadline_at: datetime
    finished_at: datetime | None
    tries: int
    attempts: int
    replays: int
    kind: str | None
    reason: str | None
    owner: str | None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try of a command. `counted` tells whether it was one of the attempts that its policy allows."""

    number: int
    at: datetime
    took_ms: int
    worker: str
    kind: str
    counted: bool
    status: int | None
    detail: str


class CommandView(msgspec.Struct, frozen=True, kw_only=True):
    """A command whole, with its lineage and every attempt."""

    command: CommandLine
    body: str
    answer: str | None
    attempts: tuple[Attempt, ...]


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did."""

    at: datetime
    who: str
    action: str
    subject: str
    commands: int
    reason: str


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which commands are meant; what is None does not matter. Times are when they ended, or else were written."""

    ids: tuple[int, ...] | None = None
    endpoint: str | None = None
    states: tuple[str, ...] = ("new", "ready", "waiting", "sending", "done", "dead", "discarded")
    operation: str | None = None
    ordering_key: str | None = None
    cause: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def narrow(self) -> bool:
        """Whether anything but the state is said."""
        return any(getattr(self, name) is not None for name in self.__struct_fields__ if name != "states")


class FlowReads(Protocol):
    """Where endpoints and commands are looked up and changed by people."""

    async def network(self) -> Network:
        """Return the network in force."""

    async def scopes(self, kind: str) -> Sequence[ScopeState]:
        """Return what is stored of every endpoint or quota."""

    async def pause(self, endpoint: str, *, who: str, reason: str) -> bool:
        """Pause; False when it was paused already."""

    async def resume(self, endpoint: str, *, who: str) -> bool:
        """Resume; False when it was not paused."""

    async def reset_breaker(self, endpoint: Endpoint, *, who: str) -> bool:
        """Close the breaker and forget what was counted; False when it was closed."""

    async def actions(self, subject: str | None, *, n: int) -> Sequence[Action]:
        """Return the newest things that people did."""

    async def find(self, wanted: Filter, *, before: int | None, n: int) -> Sequence[CommandLine]:
        """Return commands, the newest first."""

    async def content(self, number: int) -> tuple[str, str | None]:
        """Return body and answer of a command."""

    async def attempts(self, number: int) -> Sequence[Attempt]:
        """Return the attempts of a command, the first first."""

    async def replay(self, deadlines: dict[int, int], *, who: str, reason: str) -> Sequence[int]:
        """Put dead letters back, with so many seconds until their deadline; return which were."""

    async def discard(self, ids: Sequence[int], *, who: str, reason: str) -> Sequence[int]:
        """Discard what is not on its way or done; return which were."""


class OperateFlow:
    """The use cases, bound to one store."""

    def __init__(self, reads: FlowReads) -> None:
        self._reads = reads

    async def endpoints(self) -> list[EndpointView]:
        """Return every endpoint of the network in force, and what it can do right now."""
        network = await self._reads.network()
        states = {state.code: state for state in await self._reads.scopes("endpoint")}
        quotas = {state.code: state for state in await self._reads.scopes("quota")}
        return [view(network, endpoint, states, quotas) for endpoint in network.endpoints.values()]

    async def endpoint(self, code: str) -> EndpointView:
        """Return one endpoint. Raises NotFound."""
        for found in await self.endpoints():
            if found.code == code:
                return found
        raise _no_endpoint(code)

    async def pause(self, code: str, *, who: str, reason: str = "") -> bool:
        """Send nothing to an endpoint until somebody resumes it; False when it was paused already."""
        return await self._reads.pause((await self.endpoint(code)).code, who=who, reason=reason)

    async def resume(self, code: str, *, who: str) -> bool:
        """Send again; False when it was not paused."""
        return await self._reads.resume((await self.endpoint(code)).code, who=who)

    async def reset_breaker(self, code: str, *, who: str) -> bool:
        """Close an endpoint's breaker; False when it was closed."""
        found = (await self._reads.network()).endpoint(code)
        if found is None:
            raise _no_endpoint(code)
        return await self._reads.reset_breaker(found, who=who)

    async def actions(self, subject: str | None = None, *, n: int = 20) -> Sequence[Action]:
        """Return what people did lately."""
        return await self._reads.actions(subject, n=n)

    async def find(self, wanted: Filter, *, before: int | None = None, n: int = 50) -> Sequence[CommandLine]:
        """Return commands, the newest first. Raises NotFound for numbers and endpoints that never were."""
        await self._must_be_known(wanted)
        return await self._reads.find(wanted, before=before, n=min(n, PAGE_MAX))

    async def show(self, number: int) -> CommandView:
        """Return one command whole. Raises NotFound."""
        found = await self.find(Filter(ids=(number,)), n=1)
        body, answer = await self._reads.content(number)
        return CommandView(
            command=found[0], body=body, answer=answer, attempts=tuple(await self._reads.attempts(number))
        )

    async def replay(self, wanted: Filter, *, who: str, reason: str = "") -> list[int]:
        """Put every dead letter that is meant back into its queue, under its old key; return which were.

        Saying it twice replays nothing twice. Raises InvalidInput where nothing narrows down what is meant.
        """
        network = await self._reads.network()
        done: list[int] = []
        async for page in self._pages(wanted, ("dead",)):
            deadlines = {line.id: _deadline_s(network, line.endpoint) for line in page}
            done += await self._reads.replay(deadlines, who=who, reason=reason)
        return sorted(done)

    async def discard(self, wanted: Filter, *, who: str, reason: str = "", dead_only: bool = False) -> list[int]:
        """Give up every command that is meant and not on its way or done; return which. Raises as `replay`."""
        done: list[int] = []
        states = ("dead",) if dead_only else ("new", "ready", "waiting", "dead")
        async for page in self._pages(wanted, states):
            done += await self._reads.discard([line.id for line in page], who=who, reason=reason)
        return sorted(done)

    async def _named(self, numbers: tuple[int, ...]) -> Sequence[CommandLine]:
        return await self._reads.find(Filter(ids=numbers), before=None, n=len(numbers))

    async def _must_be_known(self, wanted: Filter) -> None:
        """Raise for what nobody knows: a slip of the pen must not look like nothing to do."""
        if named := await missing(wanted.ids, self._named):
            raise NotFound(f"There is no command {named}.", remedy="'onhand outbox list' shows those there are.")
        if (
            wanted.endpoint is not None
            and (await self._reads.network()).endpoint(wanted.endpoint) is None
            and not await self._reads.find(Filter(endpoint=wanted.endpoint), before=None, n=1)
        ):
            raise _no_endpoint(wanted.endpoint)

    async def _pages(self, wanted: Filter, states: tuple[str, ...]) -> Any:
        if not wanted.narrow:
            raise InvalidInput(
                "Which commands are meant was not said.",
                remedy="Name numbers, or an endpoint, an operation, a key, a cause or a time.",
            )
        await self._must_be_known(wanted)
        before, meant = None, msgspec.structs.replace(wanted, states=states)
        while page := await self._reads.find(meant, before=before, n=PAGE_MAX):
            before = page[-1].id
            yield page


def _no_endpoint(code: str) -> NotFound:
    return NotFound(f"The network in force has no endpoint '{code}'.", endpoint=code)


def view(
    network: Network, endpoint: Endpoint, states: dict[str, ScopeState], quotas: dict[str, ScopeState]
) -> EndpointView:
    """Return an endpoint as people see it, from its policy and what is stored."""
    state = states.get(endpoint.code) or _untouched(states, quotas, endpoint.code)
    now = state.now
    quota = network.quota_of(endpoint)
    left = _left(endpoint.limits, state, now)
    shared = None if quota is None else quotas.get(quota.code)
    quota_left = None if quota is None or shared is None else _left(quota.limits, shared, now)
    status, until, why = _status(endpoint, state, [each for each in (left, quota_left) if each is not None], now)
    return EndpointView(
        code=endpoint.code,
        system=endpoint.system,
        status=status,
        until=until,
        why=why,
        unfinished=state.unfinished,
        in_flight=state.in_flight,
        dead=state.dead,
        oldest_at=state.oldest_at,
        oldest_s=None if state.oldest_at is None else max(0.0, (now - state.oldest_at).total_seconds()),
        breaker=state.circuit.status(now),
        left=left,
        quota=endpoint.quota,
        quota_left=quota_left,
        next_window=next_start(endpoint.windows, now=now),
        paused_by=state.paused_by,
        paused_at=state.paused_at,
    )


def _untouched(states: dict[str, ScopeState], quotas: dict[str, ScopeState], code: str) -> ScopeState:
    known = next(iter([*states.values(), *quotas.values()]), None)
    return ScopeState(code=code, now=throttle.instant(0) if known is None else known.now)


def _status(
    endpoint: Endpoint, state: ScopeState, left: Sequence[LimitLeft], now: datetime
) -> tuple[Literal["open", "retired", "paused", "window", "breaker", "limited"], datetime | None, str]:
    if endpoint.retired:
        return "retired", None, ""
    if state.paused_at is not None:
        return "paused", None, state.pause_reason or ""
    closed = closed_until(endpoint.windows, now=now, lead_s=endpoint.timeout_s)
    if closed is not None:
        return "window", closed, ""
    if state.circuit.status(now) == "open":
        return "breaker", state.circuit.until, state.circuit.reason
    for each in left:
        if each.calls < 1:
            return "limited", each.back_at, each.limit or ""
    return "open", None, state.circuit.reason if not state.circuit.closed else ""


def _left(limits: Limits, state: ScopeState, now: datetime) -> LimitLeft:
    most = 1_000_000 if limits.concurrency is None else limits.concurrency - state.in_flight
    if most < 1:
        return LimitLeft(calls=0, limit=f"{limits.concurrency} calls in flight")
    room = throttle.room(limits, state.used, now=now, wanted=most)
    return LimitLeft(calls=room.calls, back_at=room.back_at, limit=room.limit)


def _deadline_s(network: Network, endpoint: str) -> int:
    found = network.endpoint(endpoint)
    return 259_200 if found is None else found.deadline_s
