"""One request on its way through the API, and the reply that it ends with."""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from onhand.app.identity import Client
from onhand.http.limits import REQUEST_ID_LENGTH_MAX

if TYPE_CHECKING:
    from onhand.bootstrap import Hub
    from onhand.http.lanes import Lanes
    from onhand.http.operation import Operation

Scope = dict[str, Any]
Headers = list[tuple[bytes, bytes]]

JSON: Final = b"application/json"


class Reply:
    """An answer ready to be sent: status, content type, body and further headers."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self, status: int, body: bytes, *, content_type: bytes = JSON, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers


class Call:
    """One request: who asks for what, under which id, and what is known so far of how it ends.

    `client` is None until the key has been checked (and stays so for open operations); `operation` is None until the
    request has been routed. `path` holds the values of the path's parameters, decoded.
    """

    __slots__ = ("client", "held_bytes", "hub", "lanes", "operation", "path", "rate_headers", "request_id", "scope",
                 "started", "status", "trace")  # fmt: skip

    def __init__(self, scope: Scope, hub: Hub, lanes: Lanes) -> None:
        self.scope = scope
        self.hub = hub
        self.lanes = lanes
        self.started = time.perf_counter()
        self.client: Client | None = None
        self.operation: Operation | None = None
        self.path: dict[str, str] = {}
        self.rate_headers: Headers = []
        self.status = 0
        self.held_bytes = 0
        self.request_id, self.trace = _identify(scope["headers"])

    @property
    def caller(self) -> Client:
        """The client whose key came with the request; operations that need no key must not ask."""
        assert self.client is not None, "an operation without a scope has no caller"
        return self.client

    def header(self, name: bytes) -> bytes | None:
        """The value of a header (its name in lower case), None when absent, the first one when repeated."""
        for key, value in self.scope["headers"]:
            if key == name:
                return value if isinstance(value, bytes) else None
        return None

    @property
    def outcome(self) -> Literal["2xx", "3xx", "4xx", "5xx"]:
        """The class of the status, as metrics count it."""
        return _CLASSES[self.status // 100]


_CLASSES: Final[dict[int, Literal["2xx", "3xx", "4xx", "5xx"]]] = {
    0: "5xx", 1: "2xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx",
}  # fmt: skip
_SANE_ID = re.compile(rb"[A-Za-z0-9._:@/+=-]{1,%d}" % REQUEST_ID_LENGTH_MAX)
_TRACE = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_PROCESS = f"req_{secrets.token_hex(6)}"
_numbers = itertools.count(1)


def _identify(headers: Headers) -> tuple[str, str | None]:
    """The request's id and, when it takes part in one, its trace (W3C Trace Context), as its caller gave them."""
    request_id: str | None = None
    trace: str | None = None
    for name, value in headers:
        if name == b"x-request-id":
            if request_id is None and _SANE_ID.fullmatch(value):
                request_id = value.decode("ascii")
        elif name == b"traceparent" and (found := _TRACE.fullmatch(value)):
            trace = found[1].decode("ascii")
    return request_id or f"{_PROCESS}{next(_numbers):x}", trace
