"""An explanation as a person reads it: the number and its terms, what stands behind it, what was told."""

from __future__ import annotations

from datetime import datetime

from onhand.app.explain import Explanation, Line
from onhand.cli import output
from onhand.cli.channels import span
from onhand.cli.endpoints import when


def draw(found: Explanation) -> None:
    """Print an explanation."""
    _head(found)
    for line in found.lines:
        _number(line)
    _behind(found)
    _told(found)


def _head(found: Explanation) -> None:
    output.pairs(
        [
            ("channel", found.channel),
            ("sku", found.sku),
            ("at", when(found.at)),
            ("policy version", str(found.network_version)),
            ("safety stock", found.safety_stock),
            ("max listed", found.max_listed),
            ("fallback", None if found.fallback.fresh else f"{found.fallback.kind}, {found.fallback.source} is stale"),
        ]
    )


def _number(line: Line) -> None:
    output.say("")
    rows: list[tuple[object, ...]] = [
        (term.term.replace("_", " "), term.location, f"{term.quantity:+,}") for term in line.terms
    ]
    rows.append(("number", line.location, None if line.number is None else f"{line.number:,}"))
    output.table(("term", "location", "quantity"), rows)
    listing = line.listing
    if listing is not None:
        output.say("")
        output.pairs(
            [
                ("listing", listing.listing),
                ("state", listing.state),
                ("should show", listing.desired),
                ("sent", _with_time(listing.sent, listing.sent_at)),
                ("acknowledged", _with_time(listing.acknowledged, listing.acknowledged_at)),
                ("read back", _with_time(listing.read_back, listing.read_back_at)),
                ("age", span(line.age_s)),
                ("error", listing.error),
            ]
        )


def _behind(found: Explanation) -> None:
    if found.balances:
        output.say("")
        output.table(
            ("balance at", "status", "lot", "quantity", "moved last by"),
            [(b.location, b.status, b.lot, b.quantity, f"{b.event_source} {b.event_id}") for b in found.balances],
        )
    if found.reservations:
        output.say("")
        output.table(
            ("reservation", "of", "request", "location", "holds", "hard", "until"),
            [
                (str(r.reservation), r.channel, r.request_id, r.location, r.quantity, r.allocated, when(r.expires_at))
                for r in found.reservations
            ],
        )
    if found.ring_fences:
        output.say("")
        rows = [(f.group, f.location, f.quantity, f.consumed) for f in found.ring_fences]
        output.table(("ring-fence", "location", "set aside", "used up"), rows)


def _told(found: Explanation) -> None:
    if found.history:
        output.say("")
        output.table(
            ("at", "what", "number", "location", "command", "after", "detail"),
            [
                (
                    when(s.at), s.what, s.quantity, s.location, None if s.command is None else str(s.command),
                    None if s.lag_ms is None else span(s.lag_ms / 1_000), s.detail,
                )
                for s in found.history
            ],
        )  # fmt: skip
    if found.attempts:
        output.say("")
        rows = [(when(a.at), str(a.command), a.number, a.took_ms, a.kind, a.status, a.detail) for a in found.attempts]
        output.table(("at", "command", "attempt", "ms", "outcome", "status", "detail"), rows)


def _with_time(number: int | None, at: datetime | None) -> str | None:
    return None if number is None else f"{number:,} at {when(at)}"
