"""Sets up the logs: one JSON object a line in a pipe, readable on a terminal, secrets never.

Whatever logs (ours through structlog, libraries through `logging`) goes through the same processors, so every line
carries the request it belongs to and none carries a key. Redaction works on names (`secret`, `authorization` ...) and
on values (API keys, passwords inside URLs), because a secret is mostly leaked by a line that did not mean to.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, Final, Literal, TextIO

import structlog

REDACTED: Final = "[redacted]"

request_context: Final[ContextVar[tuple[str, str | None]]] = ContextVar("onhand_request")
"""(request id, trace id or None) of the request that is being worked on; unset outside of one."""

Event = MutableMapping[str, Any]


def configure_logging(
    *,
    level: Literal["debug", "info", "warning", "error"] = "info",
    stream: TextIO | None = None,
    json: bool | None = None,
) -> None:
    """Send all logs of this process to `stream` (standard error), as JSON unless it is a terminal."""
    stream = stream or sys.stderr
    as_json = not stream.isatty() if json is None else json
    shared: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        with_request,
        redact,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )  # fmt: skip
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()], processors=_ending(as_json=as_json)
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel("WARNING")  # its start and stop are told by ours
    logging.getLogger("uvicorn").propagate = True
    logging.getLogger("asyncpg.pool").setLevel("ERROR")  # an outage is told by ours, not by a traceback each try


def with_request(_logger: Any, _name: str, event: Event) -> Event:
    """Add the request and the trace that the line belongs to."""
    context = request_context.get(None)
    if context is not None:
        event.setdefault("request_id", context[0])
        if context[1] is not None:
            event.setdefault("trace_id", context[1])
    return event


def redact(_logger: Any, _name: str, event: Event) -> Event:
    """Replace every secret in the line, however deep it lies."""
    return {name: _clean(name, value) for name, value in event.items()}


_SECRET_NAME = re.compile(
    r"(?:^|[_-])(?:authorization|secret|password|passwd|token|api_?key|cookie|credential|private_key)s?$", re.IGNORECASE
)
_SECRET_VALUES: Final = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 " + REDACTED),
    (re.compile(r"\bohk_[A-Za-z0-9_-]{8,}"), REDACTED),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s:/@]+):[^\s@/]+@"), r"\1:" + REDACTED + "@"),
    # name=value and 'name': 'value', as in query strings and in the repr of a dictionary
    (
        re.compile(
            r"(?i)((?:password|passwd|secret|token|authorization|api_?key)['\"]?\s*[:=]\s*)(['\"]?)[^\s&'\",}]+"
        ),
        r"\1\2" + REDACTED,
    ),
)
_DEPTH_MAX: Final = 6


def _clean(name: str, value: Any, depth: int = 0) -> Any:
    if _SECRET_NAME.search(name) and value is not None and not isinstance(value, bool):
        return REDACTED
    if isinstance(value, (str, bytes)):
        return _without_secrets(value if isinstance(value, str) else value.decode("utf-8", "replace"))
    if isinstance(value, dict) and depth < _DEPTH_MAX:
        return {key: _clean(str(key), inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)) and depth < _DEPTH_MAX:
        return [_clean("", inner, depth + 1) for inner in value]
    return value


def _without_secrets(text: str) -> str:
    for pattern, replacement in _SECRET_VALUES:
        text = pattern.sub(replacement, text)
    return text


def _redact_traceback(_logger: Any, _name: str, event: Event) -> Event:
    """Tracebacks are written last and quote values: they are cleaned once more."""
    if isinstance(event.get("exception"), str):
        event["exception"] = _without_secrets(event["exception"])
    return event


def _ending(*, as_json: bool) -> list[Any]:
    start = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info]
    if as_json:
        return [*start, _redact_traceback, structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]
    return [*start, _redact_traceback, structlog.dev.ConsoleRenderer(colors=True)]
