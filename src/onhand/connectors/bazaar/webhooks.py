"""The marketplace's own signature: `v1=` and the hex of HMAC-SHA256 over its time, a dot and the body.

While its key is being changed a header holds two signatures; one that fits is enough.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

from onhand.sdk import Arrival, WebhookRefused, hmac_fits

TIME = "x-bazaar-time"
SIGNATURE = "x-bazaar-signature"


def sign(key: bytes, timestamp: str, body: bytes) -> str:
    """Return the signature of a body at a time (seconds since 1970)."""
    return "v1=" + hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def check(key: bytes, arrival: Arrival, *, tolerance_s: int) -> None:
    """Raise WebhookRefused unless the marketplace signed this, and not long ago."""
    timestamp, signatures = arrival.headers.get(TIME, ""), arrival.headers.get(SIGNATURE, "")
    if not timestamp or not signatures:
        raise WebhookRefused("unsigned", f"The webhook has no {SIGNATURE} or no {TIME}.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise WebhookRefused("bad_signature", f"{TIME} is no time.")
    signed = timestamp.encode() + b"." + arrival.body
    if not any([hmac_fits(key, signed, each) for each in _claims(signatures)]):  # noqa: C419 - every one
        raise WebhookRefused("bad_signature", "No signature fits the body.")
    age_s = (arrival.received_at - datetime.fromtimestamp(int(timestamp), tz=UTC)).total_seconds()
    if abs(age_s) > tolerance_s:
        raise WebhookRefused("stale", f"The webhook was signed {age_s:.0f} s ago; {tolerance_s} s are allowed.")


def _claims(header: str) -> list[bytes]:
    found = []
    for part in header.split(",")[:5]:
        version, _, text = part.strip().partition("=")
        try:
            found += [bytes.fromhex(text)] if version == "v1" else []
        except ValueError:
            continue
    return found
