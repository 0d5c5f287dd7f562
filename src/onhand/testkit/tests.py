"""The suite as tests of pytest: one class for a connector, one test for each check.

pytest is imported here and nowhere else; `pip install onhand[testkit]` brings it along.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onhand.sdk import registry
from onhand.sdk.registry import Package
from onhand.testkit.check import CHECKS, Check
from onhand.testkit.checks.records import recorded
from onhand.testkit.ground import Given, Ground, OwnServer
from onhand.testkit.stage import MakePartner, Stage
from onhand.testkit.suite import run_one, waived
from onhand.testkit.tiers import DEMANDS
from onhand.testkit.verdict import Verdict
from onhand.testkit.waivers import near, of_connector, read_waivers


def conformance(
    connector: str | Package, *, partner: MakePartner | None = None, database: str | None = None
) -> type[object]:
    """Make a class of tests, one for each check, for an installed connector.

    `TestAcme = conformance("acme")` is a whole test file. `partner` makes a real partner with its harness instead of
    the connector's stand-in. `database` names a fixture that gives the address of a fresh database with this release's
    schema, of which copies are made; without it an embedded server is started.
    A file `waivers.toml` beside the test or in one of two folders above holds for it.
    """
    package = registry.installed().get(connector) if isinstance(connector, str) else connector
    caller = inspect.stack()[1]
    file = near(Path(caller.filename))
    waivers = {} if file is None else of_connector(read_waivers(file), package.name)

    tests = {
        f"test_{each.id}_{each.run.__name__}": _test(each, package, partner, database, waivers)
        for each in CHECKS.values()
    }
    doc = f"The connector {package.name!r} under the shared suite."
    return type("Conformance", (), {**tests, "__doc__": doc, "__module__": caller.frame.f_globals.get("__name__")})


def _test(
    each: Check, package: Package, partner: MakePartner | None, database: str | None, waivers: dict[str, str] | Any
) -> Callable[..., None]:
    def test(self: object, request: pytest.FixtureRequest) -> None:
        del self
        ground: Ground = _SHARED if database is None else Given(request.getfixturevalue(database))
        stage = Stage(package, partner, ground)
        verdict = waived(asyncio.run(run_one(each, stage)), waivers)
        _conclude(verdict, package, request)

    test.__doc__ = each.sentence
    test.__name__ = f"test_{each.id}_{each.run.__name__}"
    return test


def _conclude(verdict: Verdict, package: Package, request: pytest.FixtureRequest) -> None:
    """Let the test pass, fail, or say why it could do neither."""
    request.node.user_properties.append((verdict.id, f"{verdict.result} {verdict.detail}".strip()))
    if verdict.result == "not_applicable" and not recorded(package, verdict.id):
        pytest.fail(f"{verdict.id} does not apply any more, and quality.toml knows nothing of it: {verdict.detail}")
    if verdict.result == "not_yet":
        pytest.skip(f"{verdict.id} not yet: {verdict.detail}")
    if verdict.result == "waived":
        pytest.xfail(f"{verdict.id} waived: {verdict.detail}")
    if verdict.result == "failed":
        said = f"{verdict.id} {verdict.sentence}\n{package.name}: {verdict.detail}"
        if verdict.id not in DEMANDS[package.manifest.tier]:
            pytest.xfail(f"beyond the tier {package.manifest.tier}: {said}")
        pytest.fail(said, pytrace=False)


_SHARED = OwnServer()
"""One server for all connectors of a session, started when a check first needs it."""

atexit.register(_SHARED.close)
