"""Telling a partner: operations one by one, numbers one by one or in batches, and what its answers mean."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from onhand.connectors.rest.asking import Asker
from onhand.connectors.rest.config import Grammar, Meant, Operation, Publication
from onhand.connectors.rest.documents import Values, fill_document, present, text, things
from onhand.sdk import (
    Answer,
    Delivered,
    Gone,
    Outcome,
    Outgoing,
    ReadFailed,
    Rejected,
    StockUpdate,
    Throttled,
    Transient,
    Unauthorised,
    Unknown,
    outcome_of_answer,
)

_KINDS: dict[Meant, type[Outcome]] = {
    "delivered": Delivered,
    "transient": Transient,
    "throttled": Throttled,
    "unauthorised": Unauthorised,
    "gone": Gone,
    "unknown": Unknown,
}


def outcome_of(answer: Answer, grammar: Grammar, *, now: datetime) -> Outcome:
    """Return what an answer means to this partner."""
    plain = outcome_of_answer(answer, now=now)
    meant = grammar.statuses.get(str(answer.status))
    if meant is not None and meant != plain.kind:
        return _meant(meant, plain, answer, grammar)
    if isinstance(plain, Delivered):
        if not _is_json(answer.body):
            return Unknown(status=answer.status, detail="it answers success with a body that is no JSON")
        if grammar.error and present(answer.body, grammar.error):
            return _refused(plain, answer, grammar)
    if isinstance(plain, Rejected):
        return _refused(plain, answer, grammar)
    return plain


def _is_json(body: bytes) -> bool:
    """Tell whether a body is JSON, or nothing at all: an error page with 200 is no answer of the partner's."""
    if not body.strip():
        return True
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.MsgspecError:
        return False
    return True


def _meant(meant: Meant, plain: Outcome, answer: Answer, grammar: Grammar) -> Outcome:
    if meant == "rejected":
        return _refused(plain, answer, grammar)
    wait_s = getattr(plain, "retry_after_s", None)
    kind = _KINDS[meant]
    if kind is Transient or kind is Throttled:
        return kind(status=answer.status, detail=plain.detail, retry_after_s=wait_s)
    return kind(status=answer.status, detail=plain.detail)


def _refused(plain: Outcome, answer: Answer, grammar: Grammar) -> Rejected:
    reason = text(answer.body, grammar.reason or grammar.error) if grammar.reason or grammar.error else None
    known = plain.reason if isinstance(plain, Rejected) else plain.detail
    field = plain.field if isinstance(plain, Rejected) else None
    return Rejected(status=answer.status, detail=plain.detail, reason=(reason or known)[:300], field=field)


async def carry_out(asker: Asker, operation: Operation, command: Outgoing, *, now: datetime) -> Outcome:
    """Carry out one command; one whose answer was lost is looked up first, where the settings say how."""
    body = command.body.encode()
    values = Values({"key": command.idempotency_key}, body)
    if command.verify and operation.lookup is not None:
        looked = await asker.ask(operation.lookup, values)
        outcome = outcome_of_answer(looked, now=now)
        if isinstance(outcome, Delivered) and (not operation.found or present(looked.body, operation.found)):
            return Delivered(status=looked.status, detail="it was done already")
        if not isinstance(outcome, Delivered | Gone):
            return (
                outcome if not isinstance(outcome, Rejected) else Unknown(status=looked.status, detail=outcome.detail)
            )
    return outcome_of(await asker.ask(operation.request, values, body), operation.grammar, now=now)


async def publish(
    asker: Asker, publication: Publication, updates: Sequence[StockUpdate], *, key: str, now: datetime
) -> list[Outcome]:
    """Say what listings should show; one outcome for each."""
    if publication.line is None:
        return [await _one(asker, publication, each, key=key, now=now) for each in updates]
    lines = [fill_document(publication.line, _values(each, key)) for each in updates]
    answer = await asker.ask(publication.request, Values({"lines": lines, "key": key}))
    outcome = outcome_of(answer, publication.grammar, now=now)
    if not isinstance(outcome, Delivered) or not publication.results:
        return [outcome] * len(updates)
    return _told_apart(answer, publication, updates)


async def _one(asker: Asker, publication: Publication, update: StockUpdate, *, key: str, now: datetime) -> Outcome:
    return outcome_of(await asker.ask(publication.request, _values(update, key)), publication.grammar, now=now)


def _values(update: StockUpdate, key: str) -> Values:
    return Values(
        {
            "listing": update.listing,
            "sku": update.sku,
            "location": update.location,
            "quantity": update.quantity,
            "last_shown": update.last_shown,
            "key": key,
        }
    )


def _told_apart(answer: Answer, publication: Publication, updates: Sequence[StockUpdate]) -> list[Outcome]:
    """Return an outcome for each line; what the answer does not speak of is not known to be done."""
    try:
        results = things(answer.body, publication.results)
    except ReadFailed as error:
        return [Unknown(status=answer.status, detail=error.detail)] * len(updates)
    found: dict[str, Outcome] = {}
    for result in results:
        wrong = text(result, publication.result_error) if present(result, publication.result_error) else None
        name = text(result, publication.result_listing) or ""
        found[name] = Rejected(reason=wrong[:300], status=answer.status) if wrong else Delivered(status=answer.status)
    missing = Unknown(status=answer.status, detail="the answer does not speak of this listing")
    return [found.get(each.listing, missing) for each in updates]
