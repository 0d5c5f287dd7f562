"""Webhooks: what a partner sends by itself is verified by its connector, stored, and only then acknowledged.

The signature is the credential. What is not signed as it should be, or too old, is refused and leaves nothing behind;
what comes a second time is acknowledged again and changes nothing. What is signed and cannot be taken apart is the
partner's word all the same: it is stored whole, acknowledged, and becomes a dead letter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from onhand.app.inbox_ports import UNREADABLE, Arrived, InboxStore, Put
from onhand.domain.endpoint import Endpoint
from onhand.domain.errors import NotFound, OnhandError, Unavailable
from onhand.domain.feed import Feed
from onhand.domain.network import Network
from onhand.ops import limits, metrics
from onhand.ops.clock import utc_now
from onhand.sdk.connector import Arrival, Connector, Message, NotClaimed, WebhookRefused
from onhand.sdk.registry import ConnectorBroken, SettingsInvalid, UnknownConnector
from onhand.sdk.secrets import SecretMissing

Connectors = Callable[[Endpoint], Connector]
"""Gives the connector of an endpoint."""


class UnknownFeed(NotFound):
    """The network in force has no feed of that code that takes webhooks."""

    code = "unknown_feed"
    title = "There is no such feed"
    remedy = "'onhand feeds list' shows them; a webhook's feed has 'mode: webhook'."


class FeedNotReady(Unavailable):
    """Something on our side keeps a feed from being read: its secret, its connector, its settings."""

    code = "feed_not_ready"
    title = "The feed cannot be read at the moment"
    done = "Nothing was stored."
    remedy = "The operator of this hub has to mend it; sending it again later is right."


class MessageTooLarge(OnhandError):
    """A message is larger than the inbox takes."""

    code = "message_too_large"
    title = "The message is too large"
    done = "Nothing was stored, and the cursor stands where it stood."
    remedy = "Have the partner send it in parts."


class ReceiveWebhook:
    """The use case: call it with what came, get where each message lies."""

    def __init__(
        self, store: InboxStore, connectors: Connectors, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._store = store
        self._connectors = connectors
        self._clock = clock or utc_now

    async def __call__(self, code: str, *, path: str, headers: Mapping[str, str], body: bytes) -> Sequence[Put]:
        """Store what a partner sent. Raises UnknownFeed, WebhookRefused, FeedNotReady, Unavailable."""
        feed, endpoint = _feed(await self._store.network(), code)
        arrival = Arrival(path=path, headers=headers, body=body, received_at=self._clock())
        facts = {"path": path, **without_secrets(headers)}
        try:
            messages = self._verified(feed, endpoint, arrival)
        except WebhookRefused as refused:
            if refused.reason != "malformed":
                metrics.webhook_refused(feed=feed.code, reason=refused.reason)
                raise
            messages = (_whole(arrival),)
            facts[UNREADABLE] = (refused.detail or refused.reason)[: limits.INBOX_FACT_CHARACTERS_MAX]
        puts = await self._store.put(feed.code, feed.mode, [arrived(message, facts) for message in messages])
        for put in puts:
            metrics.message_in(feed=feed.code, outcome=put.outcome)
        return puts

    def _verified(self, feed: Feed, endpoint: Endpoint, arrival: Arrival) -> Sequence[Message]:
        try:
            return self._connectors(endpoint).arrived(feed.stream, arrival)
        except (SecretMissing, NotClaimed, UnknownConnector, ConnectorBroken, SettingsInvalid) as error:
            metrics.webhook_refused(feed=feed.code, reason="not_ready")
            raise FeedNotReady(f"The feed '{feed.code}' cannot be read: {error.code}.", feed=feed.code) from error


def _whole(arrival: Arrival) -> Message:
    """Return a body as one message; it has no name but what is in it."""
    digest = hashlib.sha256(arrival.body).hexdigest()
    return Message(key=f"sha256:{digest}", body=arrival.body, content_type=arrival.headers.get("content-type", ""))


def arrived(message: Message, facts: Mapping[str, str], *, suffix: str = "") -> Arrived:
    """Return a message as it is stored. Raises MessageTooLarge."""
    if len(message.body) > limits.INBOX_BODY_BYTES_MAX:
        raise MessageTooLarge(
            f"{message.key[:100]!r} has {len(message.body)} bytes; the inbox takes {limits.INBOX_BODY_BYTES_MAX}.",
            bytes_max=limits.INBOX_BODY_BYTES_MAX,
        )
    return Arrived(
        key=stored_key(message.key + suffix),
        body=message.body,
        content_type=message.content_type.replace("\0", "")[: limits.INBOX_FACT_CHARACTERS_MAX],
        occurred_at=_kept(message.occurred_at),
        facts=facts,
    )


def _kept(at: datetime | None) -> datetime | None:
    """Return a partner's time as the store can keep it; one without a zone, or beyond the calendar, tells none."""
    try:
        return None if at is None or at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return None


def stored_key(key: str) -> str:
    """Return a key as the store can keep it; one that is too long, or holds what no text column does, as its digest."""
    if len(key) <= limits.INBOX_KEY_CHARACTERS_MAX and key.isprintable() and key:
        return key
    return "sha256:" + hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that may be kept: none that carries a credential or a signature, none that is huge."""
    kept = {
        name: value.replace("\0", "")[: limits.INBOX_FACT_CHARACTERS_MAX]
        for name, value in headers.items()
        if not any(word in name for word in _SECRET_WORDS)
    }
    return dict(list(kept.items())[: limits.INBOX_FACTS_MAX])


_SECRET_WORDS = (
    "auth",
    "cookie",
    "signature",
    "token",
    "secret",
    "hmac",
    "api-key",
    "apikey",
    "password",
    "credential",
)


def _feed(network: Network, code: str) -> tuple[Feed, Endpoint]:
    feed = network.feed(code)
    endpoint = None if feed is None else network.endpoint(feed.endpoint)
    if feed is None or endpoint is None or feed.retired or endpoint.retired or feed.mode != "webhook":
        raise UnknownFeed(f"No feed {code[:64]!r} takes webhooks.")
    return feed, endpoint
