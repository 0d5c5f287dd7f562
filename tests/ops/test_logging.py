"""Logs: JSON in a pipe, the request on every line, secrets never."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from onhand.ops.logging import REDACTED, configure_logging, request_context

SECRET = "ohk_0123456789ab_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"  # noqa: S105  (of nobody)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Logs of this test; what was configured before comes back afterwards."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    stream = io.StringIO()
    configure_logging(stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = before[0]
    root.setLevel(before[1])


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_pipe_gets_one_json_object_a_line(stream: io.StringIO) -> None:
    structlog.get_logger("onhand.test").info("reserved", sku="🫖", quantity=3)
    (line,) = lines(stream)
    assert line["event"] == "reserved"
    assert (line["sku"], line["quantity"], line["level"], line["logger"]) == ("🫖", 3, "info", "onhand.test")
    assert str(line["timestamp"]).endswith("Z")


def test_a_terminal_gets_text_to_read() -> None:
    stream = Terminal()
    configure_logging(stream=stream)
    structlog.get_logger("onhand.test").info("reserved", quantity=3)
    assert not stream.getvalue().startswith("{")
    assert "reserved" in stream.getvalue()
    structlog.reset_defaults()


def test_a_pool_that_tries_again_to_connect_is_quiet(stream: io.StringIO) -> None:
    """In each outage asyncpg wrote a traceback a try, beside the one line of ours that says what it means."""
    logging.getLogger("asyncpg.pool").warning("Failed to restore the pool connection floor; retrying")
    assert not stream.getvalue()


def test_each_line_names_the_request_it_belongs_to(stream: io.StringIO) -> None:
    token = request_context.set(("req_1", "4bf92f3577b34da6a3ce929d0e0e4736"))
    structlog.get_logger("onhand.test").info("inside")
    request_context.reset(token)
    structlog.get_logger("onhand.test").info("outside")
    inside, outside = lines(stream)
    assert (inside["request_id"], inside["trace_id"]) == ("req_1", "4bf92f3577b34da6a3ce929d0e0e4736")
    assert "request_id" not in outside


@pytest.mark.parametrize(
    "given",
    [
        {"authorization": f"Bearer {SECRET}"},
        {"secret": "hunter2hunter2"},
        {"client_secret": "hunter2hunter2"},
        {"api_key": "hunter2hunter2"},
        {"password": "hunter2hunter2"},
        {"headers": {"Authorization": "hunter2hunter2"}},
        {"detail": f"the key {SECRET} was used"},
        {"detail": b"Bearer hunter2hunter2"},
        {"dsn": "postgresql://onhand:hunter2hunter2@db/onhand"},
        {"url": "https://x.example/?token=hunter2hunter2&a=1"},
        {"rows": [("x", {"secret": "hunter2hunter2"})]},
    ],
)
def test_a_secret_never_reaches_the_log(stream: io.StringIO, given: dict[str, object]) -> None:
    structlog.get_logger("onhand.test").warning("something", **given)
    logging.getLogger("library").warning("it said %s", given)
    text = stream.getvalue()
    assert "hunter2" not in text
    assert SECRET not in text
    assert REDACTED in text


def fail(text: str) -> None:
    raise RuntimeError(text)


def test_a_secret_in_a_traceback_never_reaches_the_log(stream: io.StringIO) -> None:
    try:
        fail(f"cannot reach postgresql://onhand:hunter2hunter2@db with {SECRET}")
    except RuntimeError as failure:
        structlog.get_logger("onhand.test").error("defect", exc_info=failure)
        logging.getLogger("library").exception("defect")
    assert "hunter2" not in stream.getvalue()
    assert SECRET not in stream.getvalue()
    assert "RuntimeError" in stream.getvalue()


def test_what_only_looks_like_a_secret_is_kept(stream: io.StringIO) -> None:
    structlog.get_logger("onhand.test").info("ok", sku="SECRET-TEA", key_id=3, tokens_left=5, idempotency_key="k")
    (line,) = lines(stream)
    assert (line["sku"], line["key_id"], line["tokens_left"], line["idempotency_key"]) == ("SECRET-TEA", 3, 5, "k")
