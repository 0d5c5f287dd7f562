"""Every limit of the HTTP API in one place, each with its reason.

They stand here and not in `onhand.ops.limits` because nothing below this layer knows that HTTP exists. What a single
event or a reservation may hold is the business of `onhand.contracts.limits` and `onhand.domain.reservation`.
"""

from __future__ import annotations

from typing import Final

# --- the head of a request --------------------------------------------------------------------------------------

URL_BYTES_MAX: Final = 65_536
"""A GET for availability names up to 1,000 SKUs; what is longer belongs into the body of the POST."""

HEAD_BYTES_MAX: Final = 98_304
"""All header lines together with the URL; an honest head has 2 kB, the rest is room for binary CloudEvents."""

HEAD_TIMEOUT_S: Final = 15.0
"""A head that trickles in for longer holds a connection for nothing (slowloris)."""

REQUEST_ID_LENGTH_MAX: Final = 128
"""A caller's X-Request-Id is copied into every log line; what is longer is replaced by one of ours."""

IDEMPOTENCY_KEY_LENGTH_MAX: Final = 200
"""The same bound as a request id, for which it may stand in."""

# --- the body of a request --------------------------------------------------------------------------------------

BODY_BYTES_MAX: Final = 64 * 1024
"""What no other limit names: an amendment, a key, a filter. Hundreds of bytes are usual."""

RESERVATION_BYTES_MAX: Final = 1024 * 1024
"""1,000 lines with every member filled in take 250 kB."""

AVAILABILITY_BYTES_MAX: Final = 1024 * 1024
"""1,000 SKUs of 200 characters, each of which may take six bytes in JSON, fill a bit more than this at worst."""

EVENTS_BYTES_MAX: Final = 16 * 1024 * 1024
"""10,000 events of 1.6 kB; partners with larger facts send smaller batches."""

WEBHOOK_BYTES_MAX: Final = 5 * 1024 * 1024
"""Nobody has shown a key when the body is read, so it is less than a batch of facts; vendors stay below 2 MB."""

BODIES_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bodies of feeds that one node holds at a time: with four full batches decoded a node stays below 250 MB."""

BODY_TIMEOUT_S: Final = 30.0
"""16 MiB in this time are 4.5 Mbit/s; who is slower sends smaller batches."""

DISCARD_BYTES_MAX: Final = 256 * 1024 * 1024
"""A refused body is read and thrown away, so that its sender sees the refusal; beyond this the line is cut."""

# --- lists --------------------------------------------------------------------------------------------------------

PAGE_DEFAULT: Final = 100
"""Rows of a page when the caller does not say: about a screen and a half, 30 kB."""

PAGE_MAX: Final = 1_000
"""Rows of a page: one query of milliseconds and an answer below a megabyte."""

SKUS_PER_READ_MAX: Final = 1_000
"""SKUs of one availability read: one set-based query; more are read in several calls."""

DATES_PER_READ_MAX: Final = 31
"""Dates for which promises are computed at once; each costs a pass over the projected supply of each SKU."""

IDS_PER_RELEASE_MAX: Final = 1_000
"""Quarantined facts released in one call: each is one event to be decided, all in one transaction."""

# --- the node -----------------------------------------------------------------------------------------------------

ANALYTICS_IN_FLIGHT_MAX: Final = 64
"""Requests in flight on the node at which listings and logs are the first to be refused."""

FEEDS_IN_FLIGHT_MAX: Final = 256
"""Requests in flight at which facts are refused: partners keep them and send them again."""

READS_IN_FLIGHT_MAX: Final = 512
"""Requests in flight at which reads of stock are refused: a shop can show a number that is a second old."""

SHED_RETRY_AFTER_S: Final = 1
"""How soon a refused caller may come back: a burst is over in about that time."""

DRAIN_S_MAX: Final = 30.0
"""How long a stopping node waits for what is in flight; no request takes half as long."""

FAILED_AUTH_PER_S: Final = 10.0
"""Wrong keys a second from one address before it is told to wait; right keys from there are served all the same."""

FAILED_AUTH_BURST: Final = 50
"""Wrong keys at once: a fleet that was deployed with an expired key does not need to be locked out."""

BUCKETS_MAX: Final = 10_000
"""Addresses remembered for wrong keys; beyond it the memory starts afresh rather than grow."""

SLOW_REQUEST_S: Final = 1.0
"""A request that took this long is logged even if requests are not."""
