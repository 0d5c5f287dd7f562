"""Builds the ASGI application from a hub: the pipeline, with Litestar as the router of what is not hot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from onhand.bootstrap import Hub
from onhand.domain.errors import OnhandError
from onhand.http import areas
from onhand.http.call import Call, Reply
from onhand.http.errors import MalformedRequest, MethodNotAllowed, RouteNotFound
from onhand.http.operation import Operation
from onhand.http.pipeline import ADMIN, CALL, Pipeline
from onhand.http.settings import HttpSettings


def build_app(hub: Hub, settings: HttpSettings | None = None) -> Pipeline:
    """The API over a hub, as an ASGI application that any server can run; `server.py` runs it with uvicorn."""
    settings = settings or HttpSettings()
    operations = [_as_set(each, settings) for each in areas.operations()]
    pipeline = Pipeline(hub, settings, operations)
    pipeline.inner = _router(pipeline, operations)  # type: ignore[assignment]
    return pipeline


def _as_set(operation: Operation, settings: HttpSettings) -> Operation:
    """The operation as the operator wants it: metrics can be closed."""
    closed = operation.id == "metrics" and not settings.metrics_open
    return replace(operation, scope=ADMIN) if closed else operation


def _router(pipeline: Pipeline, operations: Sequence[Operation]) -> Litestar:
    # Hot operations are registered too, so that the header Allow of a 405 names them.
    return Litestar(
        route_handlers=[_handler(pipeline, each) for each in operations],
        exception_handlers={Exception: _refusal(pipeline)},
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,  # the pipeline bounds bodies itself, by operation
        debug=False,
    )


def _handler(pipeline: Pipeline, operation: Operation) -> HTTPRouteHandler:
    async def handle(request: Request[Any, Any, Any]) -> ASGIApp:
        call = _call(request)
        reply = await pipeline.run(operation, call, request.receive)  # type: ignore[arg-type]
        return _Sent(pipeline, call, reply)

    handle.__name__ = operation.id
    return HTTPRouteHandler(_litestar_path(operation.path), http_method=operation.method)(handle)


class _Sent:
    """A reply in the form in which Litestar lets a handler answer by itself: an ASGI application."""

    def __init__(self, pipeline: Pipeline, call: Call, reply: Reply | None) -> None:
        self._pipeline = pipeline
        self._call = call
        self._reply = reply

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        if self._reply is not None:
            await self._pipeline.send(self._call, self._reply, send)


def _refusal(pipeline: Pipeline) -> Callable[[Request[Any, Any, Any], Exception], Response[Any]]:
    """What Litestar itself refuses (no such path, no such method), told like everything else."""

    def refuse(request: Request[Any, Any, Any], exception: Exception) -> Response[bytes]:
        call = _call(request)
        if isinstance(exception, HTTPException) and exception.status_code < 500:
            reply = pipeline.refuse(call, _error(request, exception))
        else:
            reply = pipeline.broken(call, exception)
        call.status = reply.status
        headers = {name.decode(): value.decode() for name, value in reply.headers}
        return Response(
            content=reply.body,
            status_code=reply.status,
            media_type=reply.content_type.decode(),
            headers={**headers, "x-request-id": call.request_id},
        )

    return refuse


def _error(request: Request[Any, Any, Any], exception: HTTPException) -> OnhandError:
    path = request.scope["path"][:200]
    if exception.status_code == 405:
        allow = (exception.headers or {}).get("allow", "")
        return MethodNotAllowed(f"{request.scope['method']} is not allowed on {path}.", allow=allow)
    if exception.status_code == 404:
        return RouteNotFound(f"Nothing is served at {path}.")
    return MalformedRequest(exception.detail)


def _call(request: Request[Any, Any, Any]) -> Call:
    scope: dict[str, Any] = request.scope  # type: ignore[assignment]
    call: Call = scope[CALL]
    return call


def _litestar_path(path: str) -> str:
    """The path in Litestar's spelling; a SKU may hold slashes."""
    return (
        path.replace("{sku}", "{sku:path}")
        .replace("{id}", "{id:str}")
        .replace("{number}", "{number:str}")
        .replace("{feed}", "{feed:str}")
    )
