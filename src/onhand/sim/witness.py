"""Writes down what was asked and answered: the one place that knows both the API's forms and the history's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec

from onhand.sim.api import Reply
from onhand.sim.history import INSUFFICIENT, Fact, Granted, Refused, Release, Reserve, Stock


def reserve_entry(
    request: Mapping[str, Any], reply: Reply, *, keep: int | None = None, places: Sequence[str] = ()
) -> Reserve:
    """A request for a promise with what came back. Quantities must be stated in base units."""
    lines = tuple(
        (str(line.get("line_id", number)), line["sku"], line["quantity"])
        for number, line in enumerate(request["lines"], 1)
    )
    return Reserve(
        id=f"reserve {request['request_id']}",
        body=digest(request),
        lines=lines,
        keep=keep,
        places=tuple(places),
        sent_ns=reply.sent_ns,
        answered_ns=reply.answered_ns,
        answer=answer_of(reply),
    )


def answer_of(reply: Reply) -> Granted | Refused:
    """What a reservation's answer means to the checker."""
    if reply.status >= 300:
        return Refused(code=INSUFFICIENT if reply.code == INSUFFICIENT else reply.code or f"http_{reply.status}")
    body = reply.body
    return Granted(
        reservation=body["reservation_id"],
        state=body["state"],
        lines=tuple((line["line_id"], line["granted"]) for line in body["lines"]),
        sources=tuple(
            (source.get("sku") or line["sku"], source["location"], source["quantity"])
            for line in body["lines"]
            for source in line.get("sources", ())
        ),
        expires_ns=_ns(body["expires_at"]) if body.get("expires_at") else None,
    )


def fact_entry(
    event: Mapping[str, Any], outcome: str, reply: Reply, *, stock: Sequence[Stock] = (), reservation: str | None = None
) -> Fact:
    """A fact with its outcome; `stock` is what it adds to and takes from sellable places."""
    return Fact(
        id=f"{event['source']} {event['id']}",
        stock=tuple(stock),
        outcome=outcome,
        reservation=reservation,
        sent_ns=reply.sent_ns,
        answered_ns=reply.answered_ns,
    )


def release_entry(key: str, reservation: str, reply: Reply) -> Release:
    """A release with its outcome."""
    outcome = "released" if reply.status < 300 else reply.code or f"http_{reply.status}"
    return Release(
        id=f"release {key}", reservation=reservation, outcome=outcome, sent_ns=reply.sent_ns,
        answered_ns=reply.answered_ns,
    )  # fmt: skip


def digest(body: Any) -> str:
    """Equal for equal JSON values, whatever the order of their members."""
    return blake2b(msgspec.json.encode(body, order="deterministic"), digest_size=12).hexdigest()


def _ns(instant: str) -> int:
    moment = datetime.fromisoformat(instant)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1_000
