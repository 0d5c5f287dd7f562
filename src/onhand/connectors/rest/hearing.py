"""Webhooks: who signed them, when, and what they say."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta

import msgspec

from onhand.connectors.rest.asking import member
from onhand.connectors.rest.config import Stream, Webhook
from onhand.connectors.rest.documents import instant, text, things
from onhand.connectors.rest.reading import key_of
from onhand.sdk import Arrival, Link, Message, ReadFailed, Secret, WebhookRefused, hmac_fits, verify
from onhand.sdk.signing import key_of as standard_key


def heard(arrival: Arrival, stream: Stream, webhook: Webhook, link: Link) -> list[Message]:
    """Return what a webhook says. Raises WebhookRefused."""
    secret = Secret(member(link, "webhook_secret"))
    if webhook.scheme == "standard":
        _standard(arrival, webhook, secret)
    else:
        _hmac(arrival, webhook, secret)
    try:
        found = things(arrival.body, webhook.items) if webhook.items else [_one(arrival.body)]
        return [
            Message(key=key_of(thing, stream), body=thing, occurred_at=instant(text(thing, stream.occurred_at or "-")))
            for thing in found
        ]
    except ReadFailed as error:
        raise WebhookRefused("malformed", error.detail) from error


def _one(body: bytes) -> bytes:
    try:
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise WebhookRefused("malformed", "the body is no JSON object") from error
    return body


def _standard(arrival: Arrival, webhook: Webhook, secret: Secret) -> None:
    message_id, stamp, signatures = (
        arrival.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not (message_id and stamp and signatures):
        raise WebhookRefused("unsigned", "it has no webhook-id, webhook-timestamp and webhook-signature")
    fits = verify(
        standard_key(secret), message_id=message_id, timestamp=stamp, body=arrival.body, signatures=_ascii(signatures)
    )
    if not fits:
        raise WebhookRefused("bad_signature", "its signature does not fit")
    _fresh(arrival, stamp, webhook)


def _hmac(arrival: Arrival, webhook: Webhook, secret: Secret) -> None:
    written = arrival.headers.get(webhook.header.lower(), "")
    stamp = arrival.headers.get(webhook.timestamp_header.lower(), "") if webhook.timestamp_header else ""
    if not written or (webhook.timestamp_header and not stamp):
        raise WebhookRefused("unsigned", f"it has no header {webhook.header!r}, or none with its time")
    before, _, after = webhook.signed.partition("{body}")
    signed = before.replace("{timestamp}", stamp).encode() + arrival.body + after.replace("{timestamp}", stamp).encode()
    claimed = _decoded(written.removeprefix(webhook.prefix), webhook)
    if claimed is None or not hmac_fits(secret.reveal().encode(), signed, claimed):
        raise WebhookRefused("bad_signature", "its signature does not fit")
    if webhook.timestamp_header:
        _fresh(arrival, stamp, webhook)


def _decoded(written: str, webhook: Webhook) -> bytes | None:
    try:
        raw = _ascii(written)
        return bytes.fromhex(raw) if webhook.encoding == "hex" else base64.b64decode(raw, validate=True)
    except (ValueError, binascii.Error):
        return None


def _ascii(written: str) -> str:
    """Return a header's text if it could be a signature at all; empty otherwise."""
    return written if written.isascii() else ""


def _fresh(arrival: Arrival, stamp: str, webhook: Webhook) -> None:
    """Refuse what was signed too long ago, or for a time to come."""
    try:
        at = datetime.fromtimestamp(int(stamp), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise WebhookRefused("malformed", "its time is no number of seconds") from error
    if abs(arrival.received_at - at) > timedelta(seconds=webhook.tolerance_s):
        raise WebhookRefused("stale", f"its time is more than {webhook.tolerance_s} s away from ours")
