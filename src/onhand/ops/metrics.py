"""Every metric of Onhand: name, meaning, labels; and the functions by which they are counted.

Labels have few values by construction: routes are templates from the table of operations, never paths as they came;
outcomes are words from a fixed list. A SKU, a client or an error text never becomes a label. Children are kept in
dictionaries of our own, because `labels()` of prometheus_client costs more than the counting.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

REGISTRY: Final = CollectorRegistry()
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

LATENCY_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Around the objectives: 25 ms for the p99 of a reservation, 1 s for a change to reach a channel."""

REQUESTS: Final = Counter(
    "onhand_http_requests",
    "HTTP requests answered, by route template and class of status.",
    ["method", "route", "outcome"],
    registry=REGISTRY,
)
LATENCY: Final = Histogram(
    "onhand_http_request_seconds",
    "Seconds from the head of a request to the end of its answer, by route template.",
    ["method", "route"],
    buckets=LATENCY_BUCKETS_S,
    registry=REGISTRY,
)
IN_FLIGHT: Final = Gauge(
    "onhand_http_in_flight", "HTTP requests that this node is working on right now.", registry=REGISTRY
)
RESERVATIONS: Final = Counter(
    "onhand_reservations", "Reservation requests answered, by outcome.", ["outcome"], registry=REGISTRY
)
EVENTS: Final = Counter("onhand_events", "Events taken in, by outcome.", ["outcome"], registry=REGISTRY)

ATTEMPTS: Final = Counter(
    "onhand_outbox_attempts", "Attempts to tell partners something, by endpoint and outcome.", ["endpoint", "kind"],
    registry=REGISTRY,
)  # fmt: skip
ATTEMPT_SECONDS: Final = Histogram(
    "onhand_outbox_call_seconds",
    "Seconds that a call to a partner took, by endpoint.",
    ["endpoint"],
    buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    registry=REGISTRY,
)
WAITING: Final = Gauge(
    "onhand_outbox_waiting", "Commands that are neither done nor dead letters, by endpoint.", ["endpoint"],
    registry=REGISTRY,
)  # fmt: skip
WAITING_SECONDS: Final = Gauge(
    "onhand_outbox_oldest_seconds", "For how long the oldest of them has been due; 0 when there is none.",
    ["endpoint"], registry=REGISTRY,
)  # fmt: skip
DEAD: Final = Gauge(
    "onhand_outbox_dead", "Dead letters that wait for a person, by endpoint.", ["endpoint"], registry=REGISTRY
)
BREAKER_OPEN: Final = Gauge(
    "onhand_endpoint_breaker_open", "Whether a partner counts as down: 1 while its breaker is open or probing.",
    ["endpoint"], registry=REGISTRY,
)  # fmt: skip

MESSAGES_IN: Final = Counter(
    "onhand_inbox_messages", "Messages stored, by feed: stored, changed (a known key, another body), repeated.",
    ["feed", "outcome"], registry=REGISTRY,
)  # fmt: skip
MESSAGES_MAPPED: Final = Counter(
    "onhand_inbox_mapped", "Tries to map messages, by feed: mapped, quarantined, dead, again.", ["feed", "outcome"],
    registry=REGISTRY,
)  # fmt: skip
WEBHOOKS_REFUSED: Final = Counter(
    "onhand_inbox_webhooks_refused", "Webhooks refused, by feed and reason.", ["feed", "reason"], registry=REGISTRY
)
POLLS: Final = Counter(
    "onhand_inbox_polls", "Feeds asked for what is new, by feed and outcome; blocked is a limit or a window.",
    ["feed", "outcome"], registry=REGISTRY,
)  # fmt: skip
POLL_SECONDS: Final = Histogram(
    "onhand_inbox_poll_seconds",
    "Seconds that one read of a feed took.",
    ["feed"],
    buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    registry=REGISTRY,
)
UNMAPPED: Final = Gauge(
    "onhand_inbox_waiting", "Messages that are stored and not mapped yet, by feed.", ["feed"], registry=REGISTRY
)
UNMAPPED_SECONDS: Final = Gauge(
    "onhand_inbox_oldest_seconds", "The age of the oldest of them; 0 when there is none.", ["feed"], registry=REGISTRY
)
INBOX_DEAD: Final = Gauge("onhand_inbox_dead", "Messages that are dead letters, by feed.", ["feed"], registry=REGISTRY)
STALE: Final = Gauge(
    "onhand_feed_stale", "Whether a feed was not heard within the time that it is expected in.", ["feed"],
    registry=REGISTRY,
)  # fmt: skip

NUMBERS: Final = Counter(
    "onhand_publication_numbers", "Numbers that were worked out anew and differ from before.", registry=REGISTRY
)
NUMBER_LAG: Final = Histogram(
    "onhand_publication_change_seconds", "Seconds from a change of stock to the numbers that channels should show.",
    buckets=LATENCY_BUCKETS_S, registry=REGISTRY,
)  # fmt: skip
TOLD: Final = Counter(
    "onhand_publication_told", "Listings that a channel was told, by channel and what came of it.", ["channel", "what"],
    registry=REGISTRY,
)  # fmt: skip
LOOKED: Final = Counter(
    "onhand_publication_read_backs", "Listings that were read back, by channel and finding; drift is one.",
    ["channel", "finding"], registry=REGISTRY,
)  # fmt: skip
BEHIND: Final = Gauge(
    "onhand_publication_behind", "Listings of a channel that do not show what they should.", ["channel"],
    registry=REGISTRY,
)  # fmt: skip
FRESHNESS: Final = Gauge(
    "onhand_publication_freshness_seconds", "For how long the oldest of them has not; 0 when there is none.",
    ["channel"], registry=REGISTRY,
)  # fmt: skip
FALLBACK: Final = Gauge(
    "onhand_publication_fallback", "Whether a channel has fallen back because a source is stale, by how.",
    ["channel", "kind"], registry=REGISTRY,
)  # fmt: skip

FALLBACK_KINDS: Final = ("shrink", "velocity", "zero")
RESERVATION_OUTCOMES: Final = (
    "granted", "partly_granted", "backordered", "refused", "replayed", "invalid", "other",
)  # fmt: skip
EVENT_OUTCOMES: Final = ("applied", "duplicate", "quarantined", "discarded", "rejected", "other")

_reservations = {outcome: RESERVATIONS.labels(outcome) for outcome in RESERVATION_OUTCOMES}
_events = {outcome: EVENTS.labels(outcome) for outcome in EVENT_OUTCOMES}
_requests: dict[tuple[str, str, str], Counter] = {}
_latencies: dict[tuple[str, str], Histogram] = {}


def request_done(*, method: str, route: str, outcome: str, took_s: float) -> None:
    """Count one answered request; `route` is a template, `outcome` the class of its status."""
    counter = _requests.get((method, route, outcome))
    if counter is None:
        counter = _requests[method, route, outcome] = REQUESTS.labels(method, route, outcome)
    latency = _latencies.get((method, route))
    if latency is None:
        latency = _latencies[method, route] = LATENCY.labels(method, route)
    counter.inc()
    latency.observe(took_s)


def reservation_done(outcome: str) -> None:
    """Count one answered reservation request."""
    _reservations.get(outcome, _reservations["other"]).inc()


def events_done(outcome: str, count: int) -> None:
    """Count events that ended alike."""
    _events.get(outcome, _events["other"]).inc(count)


def attempt_done(*, endpoint: str, kind: str, took_s: float) -> None:
    """Count one attempt; endpoints are those of the network's files, kinds the six and delivered."""
    ATTEMPTS.labels(endpoint, kind).inc()
    ATTEMPT_SECONDS.labels(endpoint).observe(took_s)


def message_in(*, feed: str, outcome: str) -> None:
    """Count one message that came; feeds are those of the network's files."""
    MESSAGES_IN.labels(feed, outcome).inc()


def message_done(*, feed: str, outcome: str) -> None:
    """Count one try to map a message."""
    MESSAGES_MAPPED.labels(feed, outcome).inc()


def webhook_refused(*, feed: str, reason: str) -> None:
    """Count one webhook that was refused; the reasons are those of `WebhookRefused`, and not_ready."""
    WEBHOOKS_REFUSED.labels(feed, reason).inc()


def poll_done(*, feed: str, outcome: str, took_s: float) -> None:
    """Count one read of a feed; outcomes are delivered, the six kinds of error, and blocked."""
    POLLS.labels(feed, outcome).inc()
    if outcome != "blocked":
        POLL_SECONDS.labels(feed).observe(took_s)


def numbers_worked_out(rows: int, *, lag_s: float) -> None:
    """Count numbers that changed, and how long the oldest change of them had waited."""
    NUMBERS.inc(rows)
    NUMBER_LAG.observe(max(0.0, lag_s))


def backlog_out(endpoint: str, *, waiting: int, oldest_s: float, dead: int, down: bool) -> None:
    """Set what waits for an endpoint, for how long, and whether its partner counts as down."""
    WAITING.labels(endpoint).set(waiting)
    WAITING_SECONDS.labels(endpoint).set(oldest_s)
    DEAD.labels(endpoint).set(dead)
    BREAKER_OPEN.labels(endpoint).set(down)


def backlog_in(feed: str, *, waiting: int, oldest_s: float, dead: int, stale: bool) -> None:
    """Set what of a feed is not mapped yet, its age, and whether the feed is heard as it should be."""
    UNMAPPED.labels(feed).set(waiting)
    UNMAPPED_SECONDS.labels(feed).set(oldest_s)
    INBOX_DEAD.labels(feed).set(dead)
    STALE.labels(feed).set(stale)


def number_told(channel: str, what: str) -> None:
    """Count one listing that a channel was told; channels are those of the network's files."""
    TOLD.labels(channel, what).inc()


def looked_at(channel: str, finding: str) -> None:
    """Count one listing that was read back."""
    LOOKED.labels(channel, finding).inc()


def channel_behind(channel: str, *, behind: int, age_s: float) -> None:
    """Set how many listings of a channel are not in step, and for how long the oldest is not."""
    BEHIND.labels(channel).set(behind)
    FRESHNESS.labels(channel).set(age_s)


def fallen_back(channel: str, kind: str) -> None:
    """Set how a channel has fallen back; `fresh` is not at all."""
    for each in FALLBACK_KINDS:
        FALLBACK.labels(channel, each).set(each == kind)


def exposition() -> bytes:
    """All metrics in the text format that Prometheus reads."""
    return generate_latest(REGISTRY)
