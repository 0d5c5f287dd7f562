"""How long a ten-line order takes: `./dev shell python -m tests.mapping.speed`.

Prints microseconds of processor time an order, the best of several rounds: once with values that only pass through,
once with what a real partner needs (numbers and times as text, codes of items and units, amounts).
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from onhand.domain.mapping import CompiledMapping, Context, compile_mapping

ROUNDS: Final = 7
TURNS: Final = 2_000

PLAIN: Final[dict[str, Any]] = {
    "type": "order.accepted",
    "id": "{number}",
    "time": "created_at",
    "data": {
        "order": "number",
        "channel": {"value": "web"},
        "currency": "currency",
        "lines": {
            "each": "lines",
            "fields": {"line_id": "id", "sku": "sku", "quantity": "qty", "unit_price": {"path": "price", "amount": 2}},
        },
    },
}
REAL: Final[dict[str, Any]] = {
    "type": "order.accepted",
    "id": "{number}",
    "time": {"path": "created_at", "date": "iso"},
    "subject": "{number}",
    "data": {
        "order": "number",
        "channel": {"value": "web"},
        "customer": {"path": "customer.id?", "lookup": {"kind": "customer", "unknown": "keep"}},
        "currency": "currency",
        "lines": {
            "each": "lines",
            "fields": {
                "line_id": {"text": "{id}"},
                "sku": {"path": "sku", "lookup": "item"},
                "quantity": {"path": "qty_text", "number": True, "whole": True},
                "uom": {"path": "unit?", "lookup": {"kind": "unit", "unknown": "keep"}, "default": "each"},
                "unit_price": {"path": "price_text", "number": {"decimal": ","}, "amount": 2},
            },
        },
    },
}
DOCUMENT: Final[dict[str, Any]] = {
    "number": "#1001",
    "created_at": "2026-03-01T09:30:00+01:00",
    "currency": "EUR",
    "customer": {"id": 17},
    "lines": [
        {
            "id": str(n),
            "sku": f"TEA-{n}",
            "qty": 3,
            "qty_text": "3",
            "unit": "CT",
            "price": Decimal("7.95"),
            "price_text": "7,95",
        }
        for n in range(10)
    ],
}


def microseconds(mapping: CompiledMapping) -> float:
    """The best of several rounds, in processor time: a busy machine makes it slower, never faster."""
    codes = {"CT": "carton"}
    context = Context(system="shop", look_up=lambda _, code: codes.get(code, code), received_at=datetime.now(UTC))
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(TURNS):
            mapping.apply(DOCUMENT, context)
        best = min(best, time.process_time() - started)
    return best / TURNS * 1e6


def main() -> None:
    """Print both figures."""
    for name, specification in (("passing through", PLAIN), ("as real partners write", REAL)):
        took = microseconds(compile_mapping(specification, name=name))
        sys.stdout.write(f"a ten-line order, {name}: {took:.0f} µs\n")


if __name__ == "__main__":
    main()
