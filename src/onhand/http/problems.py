"""Turns an error into its HTTP answer: the status, and the problem document of RFC 9457.

`STATUS` is the one table. An error that is not in it takes the status of the nearest base class that is, so that a new
error in a lower layer is answered sensibly on the day it is written.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from onhand.app.inbox_receive import MessageTooLarge
from onhand.contracts import cloudevents, strict_json
from onhand.domain import errors
from onhand.http import errors as http_errors
from onhand.sdk.connector import WebhookRefused

MEDIA_TYPE: Final = b"application/problem+json"

STATUS: Final[dict[type[errors.OnhandError], int]] = {
    errors.OnhandError: 500,
    errors.InvalidInput: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unauthorised: 401,
    errors.Forbidden: 403,
    errors.Unavailable: 503,
    # What cannot be read at all is 400; what can be read but breaks a rule is 422.
    strict_json.MalformedJson: 400,
    strict_json.InvalidUtf8: 400,
    strict_json.DuplicateKey: 400,
    strict_json.TooDeep: 400,
    cloudevents.UnsupportedMediaType: 415,
    WebhookRefused: 401,
    MessageTooLarge: 413,
    http_errors.MediaTypeNotRead: 415,
    http_errors.BrokenEncoding: 400,
    http_errors.MalformedRequest: 400,
    http_errors.InvalidParameter: 400,
    http_errors.InvalidIdempotencyKey: 400,
    http_errors.PayloadTooLarge: 413,
    http_errors.UriTooLong: 414,
    http_errors.HeadersTooLarge: 431,
    http_errors.RequestTimeout: 408,
    http_errors.MethodNotAllowed: 405,
    http_errors.RateLimited: 429,
}

STATUS_BY_CODE: Final[dict[str, int]] = {
    "request_id_reused": 422,
    "idempotency_key_reused": 422,
    "unknown_item": 422,
    "unknown_channel": 422,
    "unknown_location": 422,
    "unknown_unit": 422,
}
"""For errors whose class would say otherwise: a body that names what does not exist is wrong, its URL is not."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, after RFC 9457. Members besides these are facts of the occurrence, named with the code."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    done: str
    remedy: str


def status_of(error: type[errors.OnhandError]) -> int:
    """The HTTP status of a class of errors."""
    if error.code in STATUS_BY_CODE:
        return STATUS_BY_CODE[error.code]
    return next(STATUS[base] for base in error.__mro__ if base in STATUS)


def type_of(code: str) -> str:
    """The `type` of a problem: the place in the documentation where its code is explained."""
    return f"/docs/errors#{code}"


def document(error: errors.OnhandError, *, request_id: str) -> dict[str, Any]:
    """The members of the problem document; facts never hide the standard members."""
    return {
        **error.facts,
        "type": type_of(error.code),
        "title": error.title,
        "status": status_of(type(error)),
        "detail": error.detail,
        "instance": f"urn:onhand:request:{request_id}",
        "code": error.code,
        "done": error.done,
        "remedy": error.advice,
    }


def encode(error: errors.OnhandError, *, request_id: str) -> bytes:
    """The problem document as JSON."""
    return _encode(document(error, request_id=request_id))


def _plain(value: Any) -> Any:
    """Facts are JSON values by contract; one that is not becomes its text rather than a second error."""
    return str(value)


_encode = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number").encode
