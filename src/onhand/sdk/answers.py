"""The grammar of HTTP answers: which of the six kinds a status is, how long to wait, which field is objected to.

What every sender over HTTP needs and nobody should write twice. A connector overrides single statuses where its partner
means something else by them.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from onhand.domain.errors import OnhandError
from onhand.domain.outcome import Delivered, Gone, Outcome, Rejected, Throttled, Transient, Unauthorised, Unknown
from onhand.sdk.http import AddressRefused, Answer, NotTrusted, Unreachable

_WORDS_MAX = 300


def outcome_of_answer(answer: Answer, *, now: datetime) -> Outcome:
    """Return the outcome that an answer stands for.

    A server's error after the request was read (500, 502, 504) may hide an effect, so it is unknown. 3xx is not
    followed: the address in the network's files is what counts.
    """
    status, detail = answer.status, f"{answer.status} {_words(answer)}".strip()
    wait_s = retry_after_s(answer.header("retry-after"), now=now)
    if 200 <= status < 300:
        return Delivered(status=status, detail=str(status), answer=answer.body[:2_000].decode(errors="replace"))
    if status == 429:
        return Throttled(status=status, detail=detail, retry_after_s=wait_s)
    plain = _PLAIN.get(status)
    if plain is not None:
        return plain(status=status, detail=detail)
    if status in (408, 409, 423, 425) or status >= 500 or status < 400:
        return Transient(status=status, detail=detail, retry_after_s=wait_s)
    reason, field = _objection(answer)
    return Rejected(status=status, detail=detail, reason=reason or detail, field=field)


_PLAIN: Final[dict[int, type[Unauthorised | Gone | Unknown]]] = {
    401: Unauthorised,
    403: Unauthorised,
    407: Unauthorised,
    404: Gone,
    410: Gone,
    500: Unknown,
    502: Unknown,
    504: Unknown,
}


def outcome_of_fault(fault: OnhandError) -> Outcome:
    """Return the outcome that a fault of the transport stands for."""
    if isinstance(fault, Unreachable):
        return Transient(detail=fault.detail)
    if isinstance(fault, NotTrusted | AddressRefused):
        return Unauthorised(detail=fault.detail)
    return Unknown(detail=fault.detail)


def retry_after_s(value: str | None, *, now: datetime) -> float | None:
    """Return the seconds that a Retry-After asks for (RFC 9110, 10.2.3: seconds or a date); None for anything else."""
    if value is None:
        return None
    text = value.strip()
    try:
        seconds = float(text)
    except ValueError:
        return _until(text, now)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(text: str, now: datetime) -> float | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def _words(answer: Answer) -> str:
    """Return the first words of a body for a person, control characters left out."""
    text = answer.body[: _WORDS_MAX * 2].decode(errors="replace")
    return "".join(c if c.isprintable() else " " for c in text).strip()[:_WORDS_MAX]


def _objection(answer: Answer) -> tuple[str, str | None]:
    """Return reason and field of a refusal, where the body is a problem (RFC 9457) or looks like one."""
    try:
        body: Any = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", None
    if not isinstance(body, dict):
        return "", None
    reason = next((body[key] for key in ("detail", "message", "title", "error") if isinstance(body.get(key), str)), "")
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else body
    field = next((first[key] for key in ("pointer", "field", "path") if isinstance(first.get(key), str)), None)
    return reason[:_WORDS_MAX], field
