"""The event types that the contracts know, so that authority over a misspelt type is found."""

from __future__ import annotations

from functools import cache

from onhand.contracts.registry import packaged


@cache
def event_types() -> frozenset[str]:
    """Return the names of all canonical event types."""
    return frozenset(contract.type for contract in packaged())
