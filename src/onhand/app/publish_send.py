"""What comes of telling a channel: outcomes of calls turned into what is written down, and what follows from it.

Pure: between these rules and the partner stands the sender in `onhand.flow.publishing`. A crash after the call and
before the record says the same thing again later; a number is absolute, so that does no harm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from onhand.app.flow_ports import Command, Outgoing
from onhand.app.publish_ports import TICKET, Body, Listing, Newest, Told, What, encoded
from onhand.domain.endpoint import Endpoint
from onhand.domain.outcome import Delivered, Gone, Outcome, Rejected, Throttled, Transient
from onhand.domain.publication import retry_s

STALE = "stale"
"""The field that a connector names when a compare-and-set found another number than it was given."""


LEFT_ALONE_MAX_S = 86_400
"""A channel's word on when to tell a listing again holds for a day at most."""


class Moment(NamedTuple):
    """When a call began and ended, and how long after it a late effect must be reckoned with."""

    started: datetime
    now: datetime
    settle_s: float


def told(newest: Newest, outcome: Outcome, *, command: Outgoing, key: str, later: bool, at: Moment) -> Told | None:
    """Return what came of one listing's part in a call; None where surely nothing was done.

    `later` tells that the partner answers later. After a call whose outcome was never known the channel is looked at,
    not before the call can have taken its late effect.
    """
    settled = at.now + timedelta(seconds=at.settle_s)
    what: What
    ticket, look_at, detail = None, None, outcome.detail or None
    if isinstance(outcome, Delivered):
        what, detail = "acknowledged", None
        look_at = settled if command.verify or newest.row.look_why == "doubt" else None
        if later and outcome.answer:
            what, ticket = "later", outcome.answer
    elif isinstance(outcome, Rejected) and outcome.field == STALE:
        what, look_at = "stale", at.now
    elif isinstance(outcome, Rejected):
        what, detail = "refused", f"{outcome.field}: {outcome.reason}" if outcome.field else outcome.reason
    elif isinstance(outcome, Gone) and not outcome.endpoint:
        what = "unlisted"
    elif outcome.kind == "unknown":
        what, look_at = "unknown", settled
    else:
        return None
    return Told(
        key=newest.row.key, listing=newest.row.ordering_key, channel=newest.row.channel, what=what,
        quantity=newest.quantity, command=command.id,
        started=at.started, sent_key=key, ticket=ticket, available=newest.available,
        stage=None if newest.stage.fresh else newest.stage, terms=newest.terms, detail=detail, look_at=look_at,
    )  # fmt: skip


def to_outbox(outcome: Outcome) -> Outcome:
    """Return an outcome as the outbox should see it: a compare-and-set that lost is no message to bury."""
    if isinstance(outcome, Rejected) and outcome.field == STALE:
        return Delivered(detail="the channel shows another number; it is read back and told again")
    return outcome


def call_key(commands: Sequence[Outgoing], numbers: Sequence[Newest]) -> str:
    """Return the idempotency key of a call: another number, or another try of it, must never pass for the first."""
    told_all = "|".join(f"{c.idempotency_key}/{c.tries}={n.quantity}" for c, n in zip(commands, numbers, strict=True))
    return "pub_" + hashlib.sha256(told_all.encode()).hexdigest()[:40]


def questions(endpoint: Endpoint, all_told: Iterable[Told], *, at: datetime) -> list[Command]:
    """Return the commands that ask for the answers that a channel gives later: one for each ticket."""
    tickets = dict.fromkeys((each.ticket, each.channel) for each in all_told if each.ticket is not None)
    return [question(endpoint, channel, ticket, at=at, asked=1) for ticket, channel in tickets]


def question(endpoint: Endpoint, channel: str, ticket: str, *, at: datetime, asked: int) -> Command:
    """Return the command that asks a channel, for the so manieth time, how a ticket stands."""
    return Command(
        endpoint=endpoint.code, operation=TICKET, not_before=at, cause="publication ticket",
        body=encoded(Body(channel=channel, ticket=ticket, asked=asked)), ordering_key=f"ticket {ticket}",
    )  # fmt: skip


def answered(rows: Sequence[Listing], results: Mapping[str, Outcome] | None, *, now: datetime) -> list[Told]:
    """Return what a late answer says of the listings that waited for it. None: it was lost, and so is what was told.

    An answer names results by listing (with `@location`), by the key of the call, or none at all: then all is done.
    """
    found = []
    for row in rows:
        names = (row.ordering_key, row.listing, row.sent_key or "")
        outcome: Outcome = Transient(detail="its ticket was never answered")
        if results is not None:
            said = next((results[name] for name in names if name in results), None)
            outcome = said or (Transient(detail="the answer does not speak of it") if results else Delivered())
        what: What = _LATE.get(type(outcome), "lost")
        look_at = None
        if isinstance(outcome, Rejected) and outcome.field == STALE:
            what, look_at = "stale", now
        elif results and what == "lost":
            asked_s = outcome.retry_after_s if isinstance(outcome, Transient | Throttled) else None
            look_at = now + timedelta(seconds=min(asked_s or retry_s(row.failures + 1), LEFT_ALONE_MAX_S))
        reason = outcome.reason if isinstance(outcome, Rejected) else outcome.detail
        found.append(
            Told(
                key=row.key, listing=row.ordering_key, channel=row.channel, what=what, quantity=row.sent,
                started=row.sent_at,
                detail=None if what == "acknowledged" else reason or outcome.kind, look_at=look_at,
            )
        )  # fmt: skip
    return found


_LATE: Mapping[type[Outcome], What] = {Delivered: "acknowledged", Rejected: "refused", Gone: "unlisted"}
