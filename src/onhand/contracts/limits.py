"""The limits of what a single event may hold, each with its reason.

They stand here and not in `onhand.ops.limits` because contracts depend on nothing but the domain; limits of the
transport (body size, requests a second) belong there.
"""

from __future__ import annotations

from typing import Final

JSON_DEPTH_MAX: Final = 32
"""The deepest canonical fact is six levels deep; what nests deeper was made to hurt recursive code further down."""

JSON_NUMBER_DIGITS_MAX: Final = 18
"""Digits before the point, and places behind it: every whole number fits a 64-bit column, every sum a numeric."""

EVENTS_PER_BATCH_MAX: Final = 10_000
"""A batch is decided in one transaction; a larger one would hold its locks for seconds."""

EVENT_ID_LENGTH_MAX: Final = 200
"""An id is part of an index key on every event: 200 characters of any script stay below PostgreSQL's page limit."""

EVENT_SOURCE_LENGTH_MAX: Final = 500
"""Long enough for a URI with a path, short enough for the same index key."""

EVENT_TYPE_LENGTH_MAX: Final = 200
"""Types are dotted names; the longest of ours has 27 characters."""

EVENT_ATTRIBUTE_LENGTH_MAX: Final = 2_000
"""Subject, data schema, content type and extensions; `tracestate` alone may be 512."""

EVENT_ATTRIBUTE_NAME_LENGTH_MAX: Final = 50
"""CloudEvents recommends 20; partners stretch it."""

EVENT_EXTENSIONS_MAX: Final = 32
"""A handful is usual; hundreds are an attempt to use the envelope as a body."""

VIOLATIONS_MAX: Final = 20
"""A person mends the first few and sends again; 10,000 wrong lines need not be told one by one."""

MESSAGE_LENGTH_MAX: Final = 200
"""A message about a violation never repeats what was sent at length."""
