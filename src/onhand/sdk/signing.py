"""Signatures of webhooks: those of the Standard Webhooks specification, 1.0, made and checked.

https://www.standardwebhooks.com. Vendors with schemes of their own do the like in their connectors, with `hmac_fits`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from onhand.sdk.secrets import Secret, SecretMissing

PREFIX = "whsec_"
KEY_BYTES = range(24, 65)
"""How long a secret's key may be, says the specification."""


def sign(key: bytes, *, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature: `v1,` and the base64 of HMAC-SHA256 over id, timestamp and body."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def verify(key: bytes, *, message_id: str, timestamp: str, body: bytes, signatures: str) -> bool:
    """Tell whether one of the signatures of a header fits; takes the same time whether it does or not."""
    expected = sign(key, message_id=message_id, timestamp=timestamp, body=body).encode()
    return any([hmac.compare_digest(expected, one.encode()) for one in signatures.split()])  # noqa: C419 - every one


def key_of(secret: Secret) -> bytes:
    """Return the key of a `whsec_` secret. Raises SecretMissing for anything that is none."""
    text = secret.reveal()
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise SecretMissing("The secret is not 'whsec_' and base64, as Standard Webhooks has it.") from error
    if not text.startswith(PREFIX) or len(key) not in KEY_BYTES:
        raise SecretMissing("The secret is not 'whsec_' and the base64 of 24 to 64 bytes.")
    return key


def hmac_fits(key: bytes, body: bytes, claimed: bytes, *, digest: str = "sha256") -> bool:
    """Tell whether a vendor's HMAC (its bytes, decoded) fits a body; takes the same time whether it does or not."""
    return hmac.compare_digest(hmac.new(key, body, digest).digest(), claimed)
