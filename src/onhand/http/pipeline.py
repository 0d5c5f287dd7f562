"""The way of every request: count it, identify the caller, keep the limits, read it, run it, answer it.

All operations go through `Pipeline.run`. The hot ones are found by one dictionary lookup before any framework sees
them, which is what keeps the cost of a reservation at tens of microseconds; for the others Litestar does the routing
(`app.py`) and then calls the same function. Whatever goes wrong on the way ends as a problem document.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import structlog

from onhand.bootstrap import Hub
from onhand.domain.errors import Forbidden, OnhandError, Unauthorised
from onhand.http import form, problems, query
from onhand.http.body import ClientGone, Receive, read_body, require_json
from onhand.http.call import Call, Headers, Reply, Scope
from onhand.http.errors import InternalError
from onhand.http.lanes import Lanes
from onhand.http.limits import FAILED_AUTH_BURST, FAILED_AUTH_PER_S, SLOW_REQUEST_S
from onhand.http.operation import NoQuery, Operation
from onhand.http.rate import Buckets
from onhand.http.settings import HttpSettings
from onhand.ops import metrics
from onhand.ops.logging import request_context
from onhand.sdk.connector import WebhookRefused

Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ADMIN: Final = "admin"
CALL: Final = "onhand.call"
"""Where a request's `Call` stands in the ASGI scope, for whoever routes in between."""

log = structlog.get_logger("onhand.http")


class Pipeline:
    """The ASGI application: hot operations directly, everything else through `inner` (see `app.py`)."""

    def __init__(self, hub: Hub, settings: HttpSettings, operations: Iterable[Operation]) -> None:
        self._hub = hub
        self._settings = settings
        self._hot = {(each.method, each.path): each for each in operations if each.hot}
        self._rates = Buckets(per_s=settings.rate_per_s, burst=settings.rate_burst)
        self._failures = Buckets(per_s=FAILED_AUTH_PER_S, burst=FAILED_AUTH_BURST)
        self.lanes = Lanes(settings)
        self.inner: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._lifespan(receive, send)
            return
        call = Call(scope, self._hub, self.lanes)
        request_context.set((call.request_id, call.trace))
        lanes = self.lanes
        lanes.in_flight += 1
        try:
            hot = self._hot.get((scope["method"], scope["path"]))
            if hot is not None:
                reply = await self.run(hot, call, receive)
                if reply is not None:
                    await self.send(call, reply, send)
            else:
                await self._route(call, receive, send)
        finally:
            lanes.in_flight -= 1
            if call.held_bytes:
                lanes.give_back(call.held_bytes)
            self._account(call)

    async def run(self, operation: Operation, call: Call, receive: Receive) -> Reply | None:
        """Run an operation to its reply, an error's included; None when the caller has gone."""
        call.operation = operation
        try:
            return await self._run(operation, call, receive)
        except OnhandError as error:
            return self.refuse(call, error)
        except ClientGone:
            return None
        except Exception as defect:  # noqa: BLE001  (the last line of defence: a defect must not leak its insides)
            return self.broken(call, defect)

    async def _run(self, operation: Operation, call: Call, receive: Receive) -> Reply:
        self.lanes.enter(operation.lane)
        if operation.scope is not None:
            await self._authenticate(call, operation.scope)
        if operation.takes_path:
            call.path = query.path_values(operation.path, call.scope["raw_path"])
        asked: Any = None
        query_string = call.scope["query_string"]
        if query_string or operation.query is not NoQuery:
            asked = query.read(query_string, operation.query)
        if operation.rated_by is not None:
            return await self._signed(operation, call, receive, asked)
        body = await self._body(operation, call, receive) if operation.body is not None else None
        return await operation.run(call, asked, body)

    async def _authenticate(self, call: Call, scope: str) -> None:
        secret = call.header(b"authorization")
        address = str((call.scope.get("client") or ("", 0))[0])
        if secret is None:
            raise Unauthorised("No key came with the request.")
        scheme, _, token = secret.partition(b" ")
        if scheme.lower() != b"bearer":
            raise Unauthorised("The header Authorization does not carry a bearer key.")
        try:
            client = await self._hub.keys.authenticate(token.strip().decode("latin-1"))
        except Unauthorised:
            self._failures.check(address)
            self._failures.spend(address)
            raise
        call.client = client
        call.rate_headers = self._rates.take(client.id)
        if scope not in client.scopes and ADMIN not in client.scopes:
            raise Forbidden(f"This needs the scope {scope!r}, which the key does not carry.", scope=scope)

    async def _signed(self, operation: Operation, call: Call, receive: Receive, asked: Any) -> Reply:
        """Run an operation whose caller shows no key but signs the body: the rate is that of the feed named."""
        name = call.path[operation.rated_by or ""]
        call.rate_headers = self._rates.take(f"feed {name}" if name in self._hub.network.feeds else "feed ?")
        body = await self._body(operation, call, receive)
        try:
            return await operation.run(call, asked, body)
        except WebhookRefused:
            address = str((call.scope.get("client") or ("", 0))[0])
            self._failures.check(address)
            self._failures.spend(address)
            raise

    async def _body(self, operation: Operation, call: Call, receive: Receive) -> Any:
        body = await read_body(
            call, receive, bytes_max=operation.body_bytes_max, timeout_s=self._settings.body_timeout_s
        )
        if operation.lane == "feeds":
            self.lanes.hold(len(body))
            call.held_bytes = len(body)
        if operation.body is bytes:
            return body
        if body:
            require_json(call)
        assert operation.body is not None
        return form.read(body, operation.body)

    def refuse(self, call: Call, error: OnhandError) -> Reply:
        """The reply that tells an error."""
        status = problems.status_of(type(error))
        headers: Headers = []
        if "retry_after_s" in error.facts:
            headers.append((b"retry-after", str(error.facts["retry_after_s"]).encode()))
        elif status == 503:
            headers.append((b"retry-after", b"1"))
        if status == 401:
            headers.append((b"www-authenticate", b'Bearer realm="onhand"'))
        elif status == 405 and "allow" in error.facts:
            headers.append((b"allow", str(error.facts["allow"]).encode()))
        elif status == 415:
            headers.append((b"accept-encoding", b"gzip"))
        if error.facts.get("replayed"):
            headers.append((b"idempotency-replayed", b"true"))
        if status >= 500 and not isinstance(error, InternalError):
            log.warning("refused", code=error.code, detail=error.detail)
        body = problems.encode(error, request_id=call.request_id)
        return Reply(status, body, content_type=problems.MEDIA_TYPE, headers=headers)

    def broken(self, call: Call, defect: Exception) -> Reply:
        """The reply to a defect of ours: the log gets the details, the caller the id to ask for."""
        operation = call.operation.id if call.operation else None
        log.error("defect", operation=operation, exc_info=defect)
        return self.refuse(call, InternalError("Something unexpected went wrong inside Onhand."))

    async def send(self, call: Call, reply: Reply, send: Send) -> None:
        """Send a reply, with the headers that every answer carries."""
        call.status = reply.status
        headers = [
            (b"content-type", reply.content_type),
            (b"content-length", b"%d" % len(reply.body)),
            (b"x-request-id", call.request_id.encode("ascii")),
            *call.rate_headers,
            *reply.headers,
        ]
        if self.lanes.stopping:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _route(self, call: Call, receive: Receive, send: Send) -> None:
        assert self.inner is not None, "app.build_app sets what routes the operations that are not hot"
        scope = call.scope
        scope[CALL] = call
        if scope["method"] == "HEAD":  # uvicorn, which keeps the original, leaves the body out by itself
            scope = {**scope, "method": "GET"}
        await self.inner(scope, receive, send)

    def _account(self, call: Call) -> None:
        took_s = time.perf_counter() - call.started
        operation = call.operation
        metrics.request_done(
            method=operation.method if operation else "other",
            route=operation.path if operation else "(none)",
            outcome=call.outcome,
            took_s=took_s,
        )
        mode = self._settings.access_log
        if mode == "all" or (mode == "errors" and (call.status >= 500 or took_s >= SLOW_REQUEST_S)):
            log.info(
                "request",
                method=call.scope["method"],
                path=call.scope["raw_path"].decode("latin-1"),
                status=call.status or None,
                took_ms=round(took_s * 1000, 2),
                client=call.client.name if call.client else None,
            )

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """The hub is opened and closed around the server, not by it; so there is nothing to do but to say so."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await send({"type": "lifespan.shutdown.complete"})
                return
