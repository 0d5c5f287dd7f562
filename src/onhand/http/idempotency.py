"""Reads the Idempotency-Key header: a string of RFC 8941, or the bare key that most clients send instead.

Source: draft-ietf-httpapi-idempotency-key-header (structured-field string); the bare form is a courtesy.
"""

from __future__ import annotations

import re

from onhand.http.call import Call
from onhand.http.errors import InvalidIdempotencyKey, RequestIdMismatch
from onhand.http.limits import IDEMPOTENCY_KEY_LENGTH_MAX

HEADER = b"idempotency-key"

_QUOTED = re.compile(rb'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(rb"[!#-\[\]-~]+")


def key_of(call: Call) -> str | None:
    """The key that came with the request, None when there is none. Raises InvalidIdempotencyKey."""
    raw = call.header(HEADER)
    return None if raw is None else parse(raw)


def parse(raw: bytes) -> str:
    """The key in a header's value. Raises InvalidIdempotencyKey."""
    value = raw.strip(b" \t")
    if quoted := _QUOTED.fullmatch(value):
        value = re.sub(rb"\\(.)", rb"\1", quoted[1])
    elif not _BARE.fullmatch(value):
        raise InvalidIdempotencyKey("The header is neither a quoted string nor a bare key.")
    if not 1 <= len(value) <= IDEMPOTENCY_KEY_LENGTH_MAX:
        raise InvalidIdempotencyKey(f"The key has {len(value)} characters; 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} are read.")
    return value.decode("ascii")


def agree(*, header: str | None, member: str | None) -> str | None:
    """The one request id that header and body state. Raises RequestIdMismatch when they state two."""
    if header is not None and member is not None and header != member:
        raise RequestIdMismatch("The Idempotency-Key header and the member request_id differ.", pointer="/request_id")
    return member if header is None else header
