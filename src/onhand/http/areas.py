"""Loads every area of the API, in the order in which its documentation shows them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Final

from onhand.http.operation import OPERATIONS, Operation

AREAS: Final = (
    "reservations", "amendments", "events", "inbox", "availability", "ledger", "catalogue", "publications",
    "quarantine", "keys", "network", "system",
)  # fmt: skip
"""The modules whose import enters operations in the table."""


def operations() -> Sequence[Operation]:
    """All operations of the API."""
    for area in AREAS:
        importlib.import_module(f"onhand.http.{area}")
    places = {f"onhand.http.{area}": number for number, area in enumerate(AREAS)}
    return tuple(sorted(OPERATIONS, key=lambda each: places[each.run.__module__]))
