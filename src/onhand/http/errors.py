"""What only HTTP can refuse: sizes, methods, media types, rates, a node that stops."""

from __future__ import annotations

from onhand.domain.errors import InvalidInput, NotFound, OnhandError, Unavailable


class PayloadTooLarge(OnhandError):
    """The body is larger than this operation takes; `bytes_max` says how large it may be."""

    code = "payload_too_large"
    title = "The body is too large"
    remedy = "Send it in several smaller requests."


class UriTooLong(OnhandError):
    """The URL is longer than the server reads; `bytes_max` says how long it may be."""

    code = "uri_too_long"
    title = "The URL is too long"
    remedy = "Send the values in the body of the POST that answers the same question."


class HeadersTooLarge(OnhandError):
    """The header lines are larger than the server reads."""

    code = "headers_too_large"
    title = "The headers are too large"
    remedy = "Send fewer or shorter headers."


class MalformedRequest(OnhandError):
    """The bytes are not an HTTP/1.1 request, or a header that frames the request contradicts itself."""

    code = "malformed_request"
    title = "This is not a valid HTTP request"
    remedy = "Check the client or the proxy in between."


class InvalidParameter(InvalidInput):
    """A query or path parameter is unknown, is given twice or has a value that it cannot have; `parameter` names it."""

    code = "invalid_parameter"
    title = "A parameter is not valid"
    remedy = "Correct the parameter named; /docs lists what each operation takes."


class InvalidIdempotencyKey(InvalidInput):
    """The Idempotency-Key header is not a string of 1 to 200 printable ASCII characters."""

    code = "invalid_idempotency_key"
    title = "The Idempotency-Key is not valid"
    remedy = 'Send one key, for example: Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324".'


class RequestIdMismatch(InvalidInput):
    """The Idempotency-Key header and the member request_id are both there and differ."""

    code = "request_id_mismatch"
    title = "Two different request ids"
    remedy = "Send the request id once, or the same in both places."


class RequestTimeout(OnhandError):
    """The body did not arrive in time."""

    code = "request_timeout"
    title = "The body did not arrive in time"
    remedy = "Send it again, in smaller requests if the line is slow."


class MethodNotAllowed(OnhandError):
    """There is something at this URL, but not for this method; the header Allow lists those there are."""

    code = "method_not_allowed"
    title = "This method is not allowed here"
    remedy = "Use one of the methods in the header Allow."


class RouteNotFound(NotFound):
    """Nothing is served at this URL."""

    code = "route_not_found"
    title = "Nothing is served at this URL"
    remedy = "Check the URL; /docs lists what there is."


class MediaTypeNotRead(InvalidInput):
    """The content type or encoding of the body is none that this operation reads."""

    code = "media_type_not_read"
    title = "The body's type is not read here"
    remedy = "Send JSON in UTF-8 with Content-Type: application/json, plain or with Content-Encoding: gzip."


class BrokenEncoding(InvalidInput):
    """The body says that it is gzip and is not."""

    code = "broken_encoding"
    title = "The body cannot be decompressed"
    remedy = "Send intact gzip data, or leave the header Content-Encoding out."


class RateLimited(Unavailable):
    """The client made more requests than its share; `retry_after_s` says when the next will be served."""

    code = "rate_limited"
    title = "Too many requests"
    remedy = "Wait for as long as the header Retry-After says; the header RateLimit shows what is left."


class Overloaded(Unavailable):
    """The node has its hands full and refuses what can wait; reservations go on."""

    code = "overloaded"
    title = "The node is busy"
    remedy = "Try again after the seconds in the header Retry-After; the same request id or event id makes that safe."


class Stopping(Unavailable):
    """The node is about to stop: it finishes what it has begun and takes nothing new."""

    code = "stopping"
    title = "The node is stopping"
    remedy = "Send it again: another node, or this one after its restart, will answer."


class InternalError(OnhandError):
    """A defect of Onhand. The log has the details under the request id; the answer has none on purpose."""

    code = "internal_error"
    title = "Onhand made a mistake"
    done = "Whether anything was changed is not known."
    remedy = "Send it again with the same request id or event id, and report the id of this request."
