"""The shared suite: all of it against the stand-in, and what is about Vendure's own words against the real one too."""

from __future__ import annotations

import asyncio

import pytest

from onhand.testkit import conformance
from onhand.testkit.check import CHECKS
from onhand.testkit.ground import Given
from onhand.testkit.stage import Stage
from onhand.testkit.suite import run_one
from tests.connectors.vendure.conftest import PACKAGE
from tests.connectors.vendure.real import Country, RealVendure

TestVendure = conformance(PACKAGE)


@pytest.mark.slow
@pytest.mark.parametrize("number", ["K07", "K09", "K10", "K15", "K24", "K25"])
def test_the_real_vendure_passes_as_well(country: Country, dsn: str, number: str) -> None:
    """The other checks ask what our own side does, which the stand-in shows sooner, or what no real server can play."""
    stage = Stage(PACKAGE, lambda **_: RealVendure(country), Given(dsn))
    verdict = asyncio.run(run_one(CHECKS[number], stage))
    assert (verdict.result, verdict.detail) == ("passed", "")
