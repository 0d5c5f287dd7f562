"""Facts that were set aside: look at them, try them again after the mend, or let them go.

A release decides the fact anew by today's rules, as if it came now (an event without a time keeps the moment at which
it came first). What is recorded by then, by this release, another one or because it was sent again, leaves quarantine;
what still breaks a rule stays, with today's reason. So releasing is idempotent, and two people may do it at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Sequence
from datetime import datetime
from typing import Final, Protocol

from onhand.app.answers import EventOutcome, QuarantineRow
from onhand.app.paging import PAGE_DEFAULT, Page, decode_cursor, encode_cursor, page_limit, paged
from onhand.app.record_events import Incoming
from onhand.contracts.cloudevents import decode_structured
from onhand.domain.errors import Conflict, InvalidInput, NotFound

RELEASE_MAX: Final = 10_000
"""Facts that one release tries; what is left over is for the next one."""

BATCH_MAX: Final = 500
"""Facts of one transaction: large enough to be quick, small enough that one odd fact holds up few others."""

NOTE_MAX: Final = 2_000


class QuarantineNotFound(NotFound):
    """No fact lies, or lay, in quarantine under that number."""

    code = "quarantine_not_found"
    title = "There is no such fact in quarantine"


class QuarantineClosed(Conflict):
    """The fact was released: it is recorded and cannot be discarded."""

    code = "quarantine_closed"
    title = "The fact has left quarantine"
    remedy = "What was recorded is corrected by another fact, for example an adjustment."


class QuarantineStore(Protocol):
    """What quarantine needs from a store. Lists are in the order in which the facts came."""

    async def page(
        self, *, state: str | None, reason: str | None, source: str | None, type_: str | None, after: int, n: int
    ) -> Sequence[QuarantineRow]:
        """Return up to `n` facts with numbers above `after`."""

    async def some(self, ids: Sequence[int]) -> Sequence[QuarantineRow]:
        """Return those of these numbers that there are."""

    async def tried(self, ids: Sequence[int]) -> None:
        """Note that a release of these was tried in vain."""

    async def discard(self, ids: Sequence[int], *, who: str, note: str) -> Sequence[int]:
        """Discard them all in one transaction, unless some are released: then return those and do nothing."""


class Recording(Protocol):
    """How facts are recorded: `onhand.app.record_events.RecordEvents`."""

    def __call__(
        self, events: Sequence[Incoming], *, received: Sequence[datetime] | None = None, released_by: str = ""
    ) -> Awaitable[list[EventOutcome]]:
        """Record events; one outcome for each, in order."""


class Quarantine:
    """The use cases."""

    def __init__(self, store: QuarantineStore, record: Recording) -> None:
        self._store = store
        self._record = record

    async def page(
        self, *, state: str | None = None, reason: str | None = None, source: str | None = None,
        type: str | None = None, after: str | None = None, limit: int = PAGE_DEFAULT,  # noqa: A002
    ) -> Page[QuarantineRow]:  # fmt: skip
        """Return facts that were set aside, the oldest first."""
        (start,) = (0,) if after is None else decode_cursor(after, "quarantine", int)
        rows = await self._store.page(
            state=state, reason=reason, source=source, type_=type, after=start, n=page_limit(limit) + 1
        )
        return paged(rows, limit, lambda row: encode_cursor("quarantine", row.id))

    async def get(self, quarantine_id: int) -> QuarantineRow:
        """Return one fact. Raises QuarantineNotFound."""
        return (await self._some([quarantine_id]))[0]

    async def release(
        self, ids: Sequence[int] | None = None, *, who: str, reason: str | None = None, source: str | None = None,
        type: str | None = None, limit: int = RELEASE_MAX,  # noqa: A002
    ) -> list[EventOutcome]:  # fmt: skip
        """Try facts again: these, or the oldest open ones that match; one outcome for each, in the order they came.

        Raises QuarantineNotFound for a number that there is not, and Unavailable; repeating it is safe then.
        """
        limit = min(limit, RELEASE_MAX)
        rows: Sequence[QuarantineRow]
        if ids is not None:
            rows = await self._some(ids)
        else:
            rows = await self._store.page(state="open", reason=reason, source=source, type_=type, after=0, n=limit)
        outcomes: dict[int, EventOutcome] = {row.id: _closed(row) for row in rows if row.state != "open"}
        for batch in _batches([row for row in rows if row.state == "open"]):
            outcomes.update(await self._try(batch, who))
        return [outcomes[row.id] for row in rows]

    async def discard(self, ids: Sequence[int], *, who: str, note: str) -> list[QuarantineRow]:
        """Let facts go, all or none: kept and listed, never applied. Discarding again changes nothing.

        Raises QuarantineNotFound, QuarantineClosed, and InvalidInput without a note that says why.
        """
        if not note.strip() or len(note) > NOTE_MAX:
            raise InvalidInput(f"Say why, in up to {NOTE_MAX} characters.", pointer="/note")
        await self._some(ids)
        released = await self._store.discard(ids, who=who, note=note)
        if released:
            raise QuarantineClosed(f"Released already: {', '.join(map(str, released[:10]))}.", ids=list(released))
        return await self._some(ids)

    async def _some(self, ids: Sequence[int]) -> list[QuarantineRow]:
        wanted = {number for number in ids if 0 < number < 2**63}
        rows = list(await self._store.some(sorted(wanted)))
        missing = sorted(set(ids) - {row.id for row in rows})
        if missing:
            raise QuarantineNotFound(
                f"There is no {', '.join(map(str, missing[:10]))} in quarantine.", ids=missing[:100]
            )
        return rows

    async def _try(self, rows: Sequence[QuarantineRow], who: str) -> dict[int, EventOutcome]:
        outcomes = await self._record(
            [_decoded(row) for row in rows], received=[row.received_at for row in rows], released_by=who
        )
        stay = [row.id for row, outcome in zip(rows, outcomes, strict=True) if outcome.outcome == "quarantined"]
        if stay:
            await self._store.tried(stay)
        return {row.id: outcome for row, outcome in zip(rows, outcomes, strict=True)}


def _batches(rows: Sequence[QuarantineRow]) -> Iterator[list[QuarantineRow]]:
    """Yield facts in order, never two of one source and id together: each is to be judged on its own."""
    batch: dict[tuple[str, str], QuarantineRow] = {}
    for row in rows:
        if (row.source, row.event_id) in batch or len(batch) == BATCH_MAX:
            yield list(batch.values())
            batch = {}
        batch[row.source, row.event_id] = row
    if batch:
        yield list(batch.values())


def _decoded(row: QuarantineRow) -> Incoming:
    try:
        return decode_structured(bytes(row.event))
    except InvalidInput as error:  # an older release accepted what this one does not
        return error


def _closed(row: QuarantineRow) -> EventOutcome:
    outcome: EventOutcome = EventOutcome(
        source=row.source,
        id=row.event_id,
        outcome="duplicate" if row.state == "released" else "discarded",
        quarantine_id=row.id,
        reason=None if row.state == "released" else row.reason,
    )
    return outcome
