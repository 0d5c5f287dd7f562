"""Messages become facts: hold some, decode and map each, record what they say, write down what became of it.

Any step may be the last before a power cut: what was recorded is recognised by its ids, what was not written down is
done again. A message that is bad is a dead letter, with its good part applied; a database that is down costs a message
nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import structlog

from onhand.app.answers import EventOutcome
from onhand.app.inbox_defects import Defect, told
from onhand.app.inbox_documents import Reading, reading_of
from onhand.app.inbox_ports import UNREADABLE, Choice, Choose, Ended, Held, Lineage, Mapped, MapStore, Recording
from onhand.app.inbox_receive import Connectors
from onhand.app.inbox_statements import Statement, Statements, source_of
from onhand.contracts.envelope import Envelope, event
from onhand.contracts.limits import EVENT_ID_LENGTH_MAX
from onhand.domain import inbox
from onhand.domain.errors import InvalidInput, OnhandError, Unavailable
from onhand.domain.feed import Feed
from onhand.domain.inbox import End, Trouble
from onhand.domain.network import Network
from onhand.domain.stock_statement import STATED
from onhand.ops import limits, metrics
from onhand.ops.clock import utc_now

log = structlog.get_logger("onhand.inbox")

LEFT_BEHIND = "left_behind: the node that had it did not come back"


class _Work:
    """One message while it is worked on: what it gave, what is wrong with it, how it ends."""

    def __init__(self, message: Held) -> None:
        self.message = message
        self.events: list[Envelope] = []
        self.rows: list[Mapped] = []
        self.troubles: list[Trouble] = []
        self.notes: list[str] = []
        self.quarantined = 0
        self.end: End | None = None
        self._started = time.monotonic()

    def ended(self, fingerprint: str) -> Ended:
        """Return how it ended, as it is written down."""
        end = self.end or inbox.mapped(
            self.troubles, quarantined=self.quarantined, attempts=self.message.attempts, notes=self.notes
        )
        took_ms = int((time.monotonic() - self._started) * 1000)
        return Ended(message=self.message, end=end, fingerprint=fingerprint, took_ms=took_ms)

    def again(self) -> _Work:
        """Return the same message, untouched."""
        return _Work(self.message)


class MapMessages:
    """The use case: works off some messages of one feed at each call."""

    def __init__(
        self,
        store: MapStore,
        record: Recording,
        choose: Choose,
        *,
        connectors: Connectors | None = None,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """`connectors` finds the connector of an endpoint, which may read what its partner sends in its own way."""
        self.store = store
        self._record = record
        self._choose = choose
        self._connectors = connectors
        self._statements = Statements(store)
        self._draw = draw
        self._clock = clock or utc_now

    async def __call__(self, network: Network, feed: Feed) -> int:
        """Map some messages of a feed, or close its snapshots; return how many messages were worked on."""
        alone = feed.statement.means != "events"
        held = await self.store.claim(
            feed.code,
            n=limits.INBOX_CLAIM_MAX,
            bytes_max=limits.INBOX_CLAIM_BYTES_MAX,
            lease_s=limits.INBOX_LEASE_S,
            alone=alone,
        )
        if not held:
            await self._close(network, feed)
            return 0
        works = [_Work(message) for message in held]
        async with self._kept(held):
            fingerprint = await self._work_off(network, feed, works)
        await self.store.finish([work.ended(fingerprint) for work in works])
        for work in works:
            metrics.message_done(feed=feed.code, outcome=work.ended("").end.outcome)
        return len(held)

    @asynccontextmanager
    async def _kept(self, held: Sequence[Held]) -> AsyncIterator[None]:
        """Hold messages for as long as this node lives: a large file is mapped for longer than a lease."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(limits.INBOX_LEASE_S / 3)
                with suppress(OnhandError):
                    await self.store.renew(held, lease_s=limits.INBOX_LEASE_S)

        task = asyncio.create_task(renew())
        try:
            yield
        finally:
            task.cancel()

    async def _work_off(self, network: Network, feed: Feed, works: list[_Work]) -> str:
        """Work on messages; every one has an end then, or has gone through. Return the mapping's fingerprint."""
        alive = [work for work in works if not self._given_up(feed, work)]
        try:
            with told(f"the mapping or connector of {feed.code}"):
                choice = await self._choose(network, feed)
                reads = reading_of(network, feed, self._connectors)
        except OnhandError as error:
            for work in alive:
                self._fail(feed, work, error)
            return ""
        for work in alive:
            await self._map(feed, source_of(network, feed), choice, reads, work)
        ready = [work for work in alive if work.end is None]
        if feed.statement.means != "events":
            for work in ready:
                await self._guarded(feed, [work], lambda one=work: self._state(network, feed, one))  # type: ignore[misc]
        elif not await self._guarded(feed, ready, lambda: self._record_all(ready)):
            for number, work in enumerate(works):
                if work in ready:
                    works[number] = await self._alone(feed, source_of(network, feed), choice, reads, work.again())
        return choice.fingerprint

    async def _alone(self, feed: Feed, source: str, choice: Choice, reads: Reading, work: _Work) -> _Work:
        """Work on one message of several that failed together: the fault is one message's, most likely."""
        await self._map(feed, source, choice, reads, work)
        if work.end is None:
            await self._guarded(feed, [work], lambda: self._record_all([work]))
        return work

    async def _guarded(self, feed: Feed, works: Sequence[_Work], step: Callable[[], Any]) -> bool:
        """Take a step; its failure ends the one message it was for. False when it failed for several."""
        try:
            with told("recording"):
                await step()
        except Defect as defect:
            if len(works) > 1:
                return False
            for work in works:
                self._fail(feed, work, defect)
        except OnhandError as error:
            for work in works:
                self._fail(feed, work, error)
        return True

    def _given_up(self, feed: Feed, work: _Work) -> bool:
        """Give up a message that took so many nodes down with it, or seems to have."""
        message = work.message
        if not message.lost or message.attempts < feed.attempts_max:
            return False
        work.end = End(state="dead", attempts=message.attempts, outcome="dead", counted=True, reason=LEFT_BEHIND)
        return True

    def _fail(self, feed: Feed, work: _Work, error: OnhandError) -> None:
        now, attempts = self._clock(), work.message.attempts
        reason = f"{error.code}: {error.detail}"
        if isinstance(error, Unavailable):
            work.end = inbox.waits(reason, attempts=attempts, now=now, seconds=limits.INBOX_UNAVAILABLE_WAIT_S)
        else:
            work.end = inbox.failed(
                reason, attempts=attempts, attempts_max=feed.attempts_max, now=now, draw=self._draw()
            )

    async def _map(self, feed: Feed, source: str, choice: Choice, reads: Reading, work: _Work) -> None:
        """Decode and map a body; a large one beside the loop, so that whoever reserves meanwhile is answered.

        What its connector could not take apart waits for a person, who may have it mapped as it lies.
        """
        if UNREADABLE in work.message.facts and not work.message.replays:
            work.troubles.append(Trouble(code="webhook_malformed", detail=work.message.facts[UNREADABLE]))
            return
        try:
            with told(f"the mapping of {feed.code}"):
                if reads.beside_the_loop or len(work.message.body) > limits.INBOX_INLINE_BYTES_MAX:
                    await asyncio.to_thread(_mapped, feed, source, choice, reads, work)
                else:
                    _mapped(feed, source, choice, reads, work)
        except InvalidInput as error:
            place = str(error.facts.get("pointer", ""))
            work.troubles.append(Trouble(code=error.code, detail=error.detail, place=place))
        except OnhandError as error:
            self._fail(feed, work, error)

    async def _record_all(self, works: Sequence[_Work]) -> None:
        """Record the events of messages, together as far as one transaction holds them."""
        events = [(work, each) for work in works for each in work.events]
        size = limits.EVENTS_IN_TRANSACTION_MAX
        for start in range(0, len(events), size):
            if start:
                await self.store.renew([work.message for work in works], lease_s=limits.INBOX_LEASE_S)
            await self._record_some(events[start : start + size])

    async def _record_some(self, events: Sequence[tuple[_Work, Envelope]]) -> None:
        received = [work.message.received_at for work, _ in events]
        outcomes = await self._record([each for _, each in events], received=received)
        for (work, _), outcome in zip(events, outcomes, strict=True):
            _note(work, outcome)
        rows = [_lineage(work.message.id, outcome) for (work, _), outcome in zip(events, outcomes, strict=True)]
        await self.store.lineage(rows)

    async def _state(self, network: Network, feed: Feed, work: _Work) -> None:
        """Record what a statement of stock says, part by part, and the events beside it."""
        statement: Statement = await self._statements.read(network, feed, work.message, work.rows)
        work.troubles += statement.troubles
        work.notes += statement.notes
        await self._record_all([work])
        async for part in self._statements.parts(network, feed, work.message, statement):
            if part.events:
                await self._record_some([(work, each) for each in part.events])
            await self.store.stated(feed.code, part.places)
            await self.store.renew([work.message], lease_s=limits.INBOX_LEASE_S)

    async def _close(self, network: Network, feed: Feed) -> None:
        """Zero what whole snapshots do not name. Two nodes may do it at once: the facts are the same."""
        if feed.statement.means != "full_with_zeroing":
            return
        for whole in await self.store.to_close(feed.code):
            zeroed = 0
            async for part in self._statements.zeroes(network, feed, whole):
                outcomes = await self._record(part.events) if part.events else []
                await self.store.lineage([_lineage(whole.message_id, outcome) for outcome in outcomes])
                await self.store.stated(feed.code, part.places)
                zeroed += len(outcomes)
            await self.store.close_snapshot(whole.id, zeroed=zeroed)
            log.info("snapshot_closed", feed=feed.code, as_of=whole.as_of.isoformat(), zeroed=zeroed)


def _mapped(feed: Feed, source: str, choice: Choice, reads: Reading, work: _Work) -> None:
    """Decode and map a message. Raises InvalidInput for one that is bad as a whole."""
    message = work.message
    made = choice.apply(reads(message), message)
    work.troubles += made.troubles
    for number, each in enumerate(made.mapped):
        if each.type != STATED:
            _add_event(work, source, each, number)
        elif feed.statement.means == "events":
            detail = "the mapping gives rows of stock, and the feed does not say what its numbers mean"
            work.troubles.append(Trouble(code="statement_undeclared", detail=detail))
            return
        else:
            work.rows.append(each)


def _add_event(work: _Work, source: str, each: Mapped, number: int) -> None:
    message = work.message
    try:
        work.events.append(
            event(
                id=each.id or _numbered(message.key, number),
                source=source,
                type=each.type,
                time=each.time or message.occurred_at,
                subject=each.subject,
                data=each.data,
            )
        )
    except InvalidInput as error:
        work.troubles.append(Trouble(code=error.code, detail=f"event {number}: {error.detail}"))


def _numbered(key: str, number: int) -> str:
    """Return the id of an event that its mapping gives none."""
    name = f"{key}#{number}"
    return name if len(name) <= EVENT_ID_LENGTH_MAX else f"{hashlib.sha256(key.encode()).hexdigest()}#{number}"


def _note(work: _Work, outcome: EventOutcome) -> None:
    if outcome.outcome == "quarantined":
        work.quarantined += 1
    elif outcome.outcome == "rejected":
        errors = outcome.errors or ()
        place = str(errors[0].get("pointer", "")) if errors else ""
        detail = f"event {outcome.id!r}: {outcome.detail or 'it breaks its contract'}"
        work.troubles.append(Trouble(code=outcome.reason or "rejected", detail=detail, place=place))


def _lineage(message_id: int, outcome: EventOutcome) -> Lineage:
    return Lineage(
        message_id=message_id,
        source=outcome.source,
        event_id=outcome.id,
        outcome=outcome.outcome,
        quarantine_id=outcome.quarantine_id,
        reason=outcome.reason or "",
    )
