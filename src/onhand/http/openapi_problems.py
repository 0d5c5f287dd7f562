"""How problems look in the documentation: an example for each error, and the types of those that carry more."""

from __future__ import annotations

from typing import Any

import msgspec

from onhand.app.answers import EventOutcome, LineShortfall
from onhand.app.promise_errors import InsufficientStock
from onhand.domain.errors import OnhandError
from onhand.http import problems
from onhand.http.events import NothingAccepted
from onhand.http.problems import Problem


class ShortfallProblem(Problem, frozen=True, kw_only=True):
    """The refusal of a reservation: `lines` tells the shortfall of each line."""

    lines: tuple[LineShortfall, ...]
    replayed: bool = False
    reservation_id: str | None = None


class RejectionProblem(Problem, frozen=True, kw_only=True):
    """The refusal of events: `results` tells what is wrong with each."""

    results: tuple[EventOutcome, ...]
    counts: dict[str, int]


SPECIAL: dict[type[OnhandError], type[msgspec.Struct]] = {
    InsufficientStock: ShortfallProblem,
    NothingAccepted: RejectionProblem,
}

_FACTS: dict[str, dict[str, Any]] = {
    "insufficient_stock": {
        "lines": [{"line_id": "1", "sku": "TEA-001", "requested": 50, "available": 41, "short": 9}],
        "replayed": False,
    },
    "events_rejected": {
        "results": [
            {"source": "wms-north", "id": "GR-5520-2", "outcome": "rejected", "reason": "contract_violation",
             "errors": [{"pointer": "/data/lines/0/quantity", "keyword": "minimum", "message": "must be at least 1"}]}
        ],
        "counts": {"rejected": 1},
    },
    "invalid_input": {"pointer": "/lines/0/quantity"},
    "invalid_parameter": {"parameter": "limit"},
    "payload_too_large": {"bytes_max": 1048576},
    "rate_limited": {"retry_after_s": 1},
    "overloaded": {"retry_after_s": 1, "lane": "reads"},
    "forbidden": {"scope": "promises:write"},
    "number_out_of_range": {"pointer": "/lines/0/quantity"},
}  # fmt: skip

_DETAILS = {
    "insufficient_stock": "Available is TEA-001: 41 of 50.",
    "invalid_input": "Expected int >= 1 (at /lines/0/quantity).",
    "invalid_parameter": "The parameter 'limit': Expected int <= 1000.",
    "forbidden": "This needs the scope 'promises:write', which the key does not carry.",
    "unauthorised": "No key came with the request.",
}


def example_of(error: type[OnhandError]) -> dict[str, Any]:
    """A problem document as this error would give it."""
    detail = _DETAILS.get(error.code) or (error.__doc__ or error.title).strip().partition("\n")[0]
    facts = _FACTS.get(error.code, {})
    told = OnhandError(detail, **facts)
    return {
        **problems.document(told, request_id="req_7c1f0a2b9d3e1"),
        "type": problems.type_of(error.code),
        "title": error.title,
        "status": problems.status_of(error),
        "code": error.code,
        "done": error.done,
        "remedy": error.remedy,
    }
