"""The client's bounds, each with its reason."""

from __future__ import annotations

from typing import Final

TIMEOUT_S: Final = 10.0
"""One attempt: a hundred times the slowest reservation that is still healthy."""

CONNECT_TIMEOUT_S: Final = 3.0
"""A node that does not take a connection in this time is gone; the next attempt may find another."""

ATTEMPTS_MAX: Final = 12
"""The first one included: with the waits below they outlast the restart of a node."""

WAIT_S: Final = 0.1
"""The first wait is drawn from zero to this; each next bound is twice as long (full jitter)."""

WAIT_MAX_S: Final = 5.0
"""No bound grows beyond this, and no Retry-After is believed beyond RETRY_AFTER_MAX_S."""

RETRY_AFTER_MAX_S: Final = 60.0
"""A server that says "come back in an hour" is told to the caller instead of being waited for."""

CONNECTIONS_MAX: Final = 100
"""Connections to one node; more callers than that wait inside the process."""

EVENTS_PER_CALL: Final = 1_000
"""Events are sent in parts of this size: large enough to be cheap, small enough to be repeated without regret."""

EVENTS_BYTES_PER_CALL: Final = 8 * 1024 * 1024
"""Half of what a node takes: a part of very large events is cut earlier."""

SKUS_PER_CALL: Final = 1_000
"""What a node answers in one read of availability."""

PAGE_ROWS: Final = 500
"""Rows of a page that iterators ask for."""
