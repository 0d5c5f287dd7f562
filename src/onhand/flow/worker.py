"""The worker: sends the commands that are due as each endpoint's policy allows, and writes down what became of them.

Each endpoint with something due has a task of its own with its own number of calls in flight, so that a partner that is
slow or down holds up nobody else. The database's lock on an endpoint is held for a moment before and after a call,
never during one. A worker may be killed at any instant: its leases run out and others say the same again under the same
idempotency keys.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from onhand.app.dispatch import Claimed, Dispatch
from onhand.app.flow_ports import Call, Report, Sender
from onhand.domain.endpoint import Endpoint, Quota
from onhand.domain.errors import OnhandError, Unavailable
from onhand.domain.network import Network
from onhand.domain.outcome import Outcome, Unknown
from onhand.ops import limits, metrics
from onhand.sdk.answers import outcome_of_fault

log = structlog.get_logger("onhand.worker")

SETTLE_ATTEMPTS_MAX = 5


class Worker:
    """Works for all endpoints whose senders it has. `clock` None is the database's, which all nodes share."""

    def __init__(
        self, dispatch: Dispatch, senders: Mapping[str, Sender], *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._dispatch = dispatch
        self._senders = senders
        self._clock = clock
        self._stopping = False

    async def round(self) -> Mapping[str, Claimed]:
        """Do everything that can be done now; return, for each endpoint that had work, why it is at its end."""
        network = await self._dispatch.store.network()
        codes = await self._with_work(network)
        ends = await asyncio.gather(*(self._work_off(network, network.endpoints[code]) for code in codes))
        return dict(zip(codes, ends, strict=True))

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then wait for calls in flight, a limited time."""
        posts: dict[str, _Post] = {}
        pause_s = limits.OUTBOX_POLL_S
        while not stop.is_set():
            found = False
            try:
                found = await self._staff(posts)
            except Unavailable as error:
                log.warning("outbox_unavailable", code=error.code, detail=error.detail)
                pause_s = limits.OUTBOX_BLOCKED_RECHECK_S
            else:
                pause_s = limits.OUTBOX_POLL_S if found else min(pause_s * 1.5, limits.OUTBOX_POLL_IDLE_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)
        self._stopping = True
        await self._leave(posts)

    async def _staff(self, posts: dict[str, _Post]) -> bool:
        """Give each endpoint that has something due a task, or word where it has one. True when one was given."""
        network = await self._dispatch.store.network()
        for code, post in posts.items():
            post.outdated = post.outdated or not post.keeps(network, code)
        given = False
        for code in await self._with_work(network):
            post = posts.setdefault(code, _Post())
            if post.task is not None and not post.task.done():
                post.news.set()
            elif post.rested():
                post.take(network, code)
                post.task = asyncio.create_task(self._at_post(post, network, network.endpoints[code]))
                given = True
        return given

    async def _at_post(self, post: _Post, network: Network, endpoint: Endpoint) -> None:
        try:
            post.rest(await self._work_off(network, endpoint, post=post))
        except OnhandError as error:
            # Nothing is lost: what was claimed comes back when its lease has run out.
            log.warning("endpoint_failed", endpoint=endpoint.code, code=error.code, detail=error.detail)
            post.rest_for(limits.OUTBOX_BLOCKED_RECHECK_S)

    async def _leave(self, posts: Mapping[str, _Post]) -> None:
        tasks = [post.task for post in posts.values() if post.task is not None and not post.task.done()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=limits.OUTBOX_STOP_WAIT_S)
        for task in late:
            task.cancel()
        if late:
            log.warning("worker_left_calls", endpoints=len(late))
            await asyncio.wait(late)

    async def _with_work(self, network: Network) -> Sequence[str]:
        codes = [code for code, each in network.endpoints.items() if each.sender in self._senders]
        return await self._dispatch.store.with_work(codes, now=self._now()) if codes else []

    async def _work_off(self, network: Network, endpoint: Endpoint, *, post: _Post | None = None) -> Claimed:
        """Claim, send and settle until nothing can be claimed and nothing is in flight; return the last claim."""
        calls: set[asyncio.Task[Report]] = set()
        claimed = None
        try:
            while True:
                slots = endpoint.bulkhead - len(calls)
                if post is not None and post.outdated:
                    slots = 0  # another policy is in force: whoever comes next keeps that one
                if slots > 0 and not self._stopping:
                    if post is not None:
                        post.news.clear()
                    try:
                        claimed = await self._dispatch.claim(network, endpoint, slots=slots, now=self._now())
                    except OnhandError:
                        await self._see_off(network, endpoint, calls)
                        raise
                    calls |= {asyncio.create_task(self._call(call)) for call in claimed.calls}
                if not calls:
                    return claimed or Claimed(now=datetime.now(UTC))
                done = await _first(calls, post.news if post is not None and slots > 0 else None)
                calls -= done
                if done:
                    await self._settle(network, endpoint, [task.result() for task in done])
        finally:
            for task in calls:
                task.cancel()

    async def _see_off(self, network: Network, endpoint: Endpoint, calls: set[asyncio.Task[Report]]) -> None:
        """Let calls under way end and write them down: whoever broke them off would have them made again."""
        if calls:
            done, _ = await asyncio.wait(calls)
            calls -= done
            await self._settle(network, endpoint, [task.result() for task in done])

    async def _call(self, call: Call) -> Report:
        """Make one call; whatever happens becomes an outcome."""
        started_at, started = self._now() or datetime.now(UTC), time.monotonic()
        outcomes = await self._outcomes(call)
        took_s = time.monotonic() - started
        for outcome in outcomes:
            metrics.attempt_done(endpoint=call.endpoint.code, kind=outcome.kind, took_s=took_s)
        return Report(call=call, outcomes=outcomes, started_at=started_at, took_ms=int(took_s * 1000))

    async def _outcomes(self, call: Call) -> tuple[Outcome, ...]:
        sender = self._senders[call.endpoint.sender]
        try:
            # Twice the time of a call, because a sender may look first whether it was done.
            async with asyncio.timeout(2 * call.endpoint.timeout_s):
                outcomes = tuple(await sender.send(call))
        except TimeoutError:
            return (Unknown(detail=f"no answer within {2 * call.endpoint.timeout_s:g} s"),)
        except OnhandError as fault:
            return (outcome_of_fault(fault),)
        except Exception as error:  # a third party's sender may raise anything; no command is lost by that
            log.exception("sender_failed", sender=call.endpoint.sender, error=type(error).__name__)
            return (Unknown(detail=f"the sender failed ({type(error).__name__})"),)
        if len(outcomes) not in (1, len(call.commands)):
            return (Unknown(detail=f"the sender gave {len(outcomes)} outcomes for {len(call.commands)} commands"),)
        return outcomes

    async def _settle(self, network: Network, endpoint: Endpoint, reports: Sequence[Report]) -> None:
        """Write down outcomes, trying again while the database does not answer: they are worth more than time."""
        for attempt in range(SETTLE_ATTEMPTS_MAX):
            try:
                await self._dispatch.settle(network, endpoint, reports, now=self._now())
            except Unavailable:
                if attempt == SETTLE_ATTEMPTS_MAX - 1:
                    raise
                await asyncio.sleep(limits.DATABASE_RETRY_WAIT_S * 2**attempt)
            else:
                return

    def _now(self) -> datetime | None:
        return None if self._clock is None else self._clock()


class _Post:
    """One endpoint's place with this worker: the task at it, and how long it rests when there is nothing to do."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.news = asyncio.Event()
        self.outdated = False
        self._policy: tuple[Endpoint | None, Quota | None] = (None, None)
        self._until = 0.0

    def take(self, network: Network, code: str) -> None:
        """Begin to work by the policy of this network."""
        self.outdated, self._policy = False, _policy(network, code)

    def keeps(self, network: Network, code: str) -> bool:
        """Whether what it works by is the policy of this network."""
        return self._policy == _policy(network, code)

    def rested(self) -> bool:
        return time.monotonic() >= self._until

    def rest(self, end: Claimed) -> None:
        """Rest until the claim says, at most so long that a person's change is soon seen."""
        if end.reason:
            wait_s = limits.OUTBOX_BLOCKED_RECHECK_S
            if end.back_at is not None:
                wait_s = min(wait_s, max(0.0, (end.back_at - end.now).total_seconds()))
            self.rest_for(wait_s)

    def rest_for(self, wait_s: float) -> None:
        self._until = time.monotonic() + wait_s


def _policy(network: Network, code: str) -> tuple[Endpoint | None, Quota | None]:
    endpoint = network.endpoint(code)
    return endpoint, None if endpoint is None else network.quota_of(endpoint)


async def _first(calls: set[asyncio.Task[Report]], news: asyncio.Event | None) -> set[asyncio.Task[Report]]:
    """Wait until a call is done, or there is news; return the calls that are done."""
    if news is None:
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        return done
    waiting = asyncio.create_task(news.wait())
    try:
        await asyncio.wait([*calls, waiting], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    return {task for task in calls if task.done()}
