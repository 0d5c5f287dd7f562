"""Health, metrics and the API's own description. None of these needs a key, unless metrics are closed."""

from __future__ import annotations

from typing import Any

import structlog

from onhand.domain.errors import Forbidden, OnhandError, Unauthorised
from onhand.http import openapi, pages
from onhand.http.call import Call, Reply
from onhand.http.operation import Answer, answer, operation
from onhand.ops import metrics

HTML = b"text/html; charset=utf-8"
_PAGE_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; form-action 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)

log = structlog.get_logger("onhand.http")


@operation(
    "GET", "/healthz", id="health", tag="System", scope=None, lane="system",
    answers={200: Answer(meaning="The process runs.", type=dict, example={"status": "ok"})},
)  # fmt: skip
async def health(_call: Call, _query: Any, _body: None) -> Reply:
    """Tell whether the process runs.

    Says nothing about the database: a node that has lost it must not be restarted for that.
    """
    return answer({"status": "ok"})


@operation(
    "GET", "/readyz", id="readiness", tag="System", scope=None, lane="system",
    answers={
        200: Answer(meaning="This node can serve.", type=dict, example={"status": "ready", "network_version": 4}),
        503: Answer(meaning="This node cannot serve now; the members say why.", type=dict,
                    example={"status": "not_ready", "database": "unreachable"}),
    },
)  # fmt: skip
async def readiness(call: Call, _query: Any, _body: None) -> Reply:
    """Tell whether this node can serve.

    For load balancers: not ready while the database is away, while migrations are missing, and while the node stops.
    """
    if call.lanes.stopping:
        return answer({"status": "stopping"}, status=503)
    try:
        facts = dict(await call.hub.ready())
    except OnhandError as error:
        return answer({"status": "not_ready", "code": error.code}, status=503)
    ready = bool(facts.pop("ready", True))
    return answer({"status": "ready" if ready else "not_ready", **facts}, status=200 if ready else 503)


@operation(
    "GET", "/metrics", id="metrics", tag="System", scope=None, lane="system", errors=(Unauthorised, Forbidden),
    answers={200: Answer(meaning="Prometheus text format.", media_type="text/plain")},
)  # fmt: skip
async def read_metrics(call: Call, _query: Any, _body: None) -> Reply:
    """Read the metrics of this node.

    Open unless ONHAND_HTTP_METRICS_OPEN is 0; then it needs a key with the scope `admin`.
    """
    metrics.IN_FLIGHT.set(call.lanes.in_flight)
    return Reply(200, metrics.exposition(), content_type=metrics.CONTENT_TYPE.encode())


@operation(
    "GET", "/docs", id="docs", tag="System", scope=None, lane="system",
    answers={200: Answer(meaning="A page to read.", media_type="text/html")},
)  # fmt: skip
async def docs(_call: Call, _query: Any, _body: None) -> Reply:
    """Read the description of this API as a page.

    Made from the OpenAPI document; needs no network besides this node, and no script.
    """
    return Reply(200, pages.api_page(), content_type=HTML, headers=_PAGE_HEADERS)


@operation(
    "GET", "/docs/errors", id="docs_errors", tag="System", scope=None, lane="system",
    answers={200: Answer(meaning="A page to read.", media_type="text/html")},
)  # fmt: skip
async def docs_errors(_call: Call, _query: Any, _body: None) -> Reply:
    """Read what each error code means.

    The `type` of every problem document leads to its place on this page.
    """
    return Reply(200, pages.errors_page(), content_type=HTML, headers=_PAGE_HEADERS)


@operation(
    "GET", "/openapi.json", id="openapi", tag="System", scope=None, lane="system",
    answers={200: Answer(meaning="OpenAPI 3.1.", type=dict)},
)  # fmt: skip
async def read_openapi(_call: Call, _query: Any, _body: None) -> Reply:
    """Read this description as OpenAPI 3.1."""
    return Reply(200, openapi.encoded())


@operation(
    "GET", "/asyncapi.json", id="asyncapi", tag="System", scope=None, lane="system",
    answers={200: Answer(meaning="AsyncAPI 3.", type=dict)},
)  # fmt: skip
async def read_asyncapi(_call: Call, _query: Any, _body: None) -> Reply:
    """Read the contracts of all events as AsyncAPI 3."""
    return Reply(200, pages.asyncapi())
