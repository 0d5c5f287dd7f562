"""The whole API against its own description: no generated request gets a 500 or an answer that is not described."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck

from onhand.http import openapi
from onhand.http.app import build_app
from onhand.http.server import serving
from onhand.http.settings import HttpSettings
from tests.http.worlds import world

SCHEMA = schemathesis.openapi.from_dict(openapi.document())
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
]
"""A 405 for a method that a generator made up has no place in the description, so methods are not fuzzed here."""


@contextmanager
def served(dsn: str) -> Iterator[tuple[str, str]]:
    """A real server over a real hub in a thread of its own, for a tool that calls it without an event loop."""
    ready = threading.Event()
    told: dict[str, Any] = {}

    async def run() -> None:
        async with AsyncExitStack() as stack:
            here = await stack.enter_async_context(world(dsn, {"TEA-001": 1_000_000, "CUP-4": 10}))
            settings = HttpSettings(port=0)
            running = await stack.enter_async_context(serving(build_app(here.hub, settings), settings))
            told.update(url=running.url, key=here.key, loop=asyncio.get_running_loop(), stop=asyncio.Event())
            ready.set()
            await told["stop"].wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(120), "the server did not start"
    try:
        yield told["url"], told["key"]
    finally:
        told["loop"].call_soon_threadsafe(told["stop"].set)
        thread.join()


@pytest.fixture
def api(dsn: str) -> Iterator[tuple[str, str]]:
    """The URL of a server, and a key of everything."""
    with served(dsn) as found:
        yield found


def operations() -> list[Any]:
    found = []
    for result in SCHEMA.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        found.append(pytest.param(operation, id=f"{operation.method} {operation.path}"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("operation", operations())
def test_the_api_does_what_its_description_says(api: tuple[str, str], operation: Any) -> None:
    url, key = api
    valid = operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE)
    other = operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

    @hypothesis.settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @hypothesis.given(case=valid | other)
    def check(case: Any) -> None:
        response = case.call(base_url=url, headers={"Authorization": f"Bearer {key}"})
        case.validate_response(response, checks=CHECKS)

    check()
