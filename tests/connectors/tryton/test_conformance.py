"""The shared suite, against the stand-in and, as far as a real Tryton can play its parts, against that one too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from onhand.testkit import conformance
from tests.connectors.tryton import real
from tests.connectors.tryton.conftest import PACKAGE
from tests.connectors.tryton.partner import RealTryton

TestFake = conformance(PACKAGE)

PLAYED = ("K07", "K08", "K25")
"""What the real one is asked here. The others need it to be sick, are about our side alone, or let so much happen that
a real ERP takes minutes; how it is read, test_reading.py shows."""
STAGES = 3
"""How many companies these take."""


@pytest.fixture(scope="module")
def companies() -> Iterator[None]:
    """A server with a company for each stage."""
    try:
        with real.running([f"kit{number}" for number in range(STAGES)]) as server:
            RealTryton.server, RealTryton.unused = server, iter(server.databases)
            yield
    except real.NotInstallable as missing:
        pytest.skip(f"no real Tryton: {missing}")


_ALL = conformance(PACKAGE, partner=RealTryton)
TestReal = pytest.mark.slow(
    pytest.mark.usefixtures("companies")(
        type(
            "TestReal",
            (),
            {name: test for name, test in vars(_ALL).items() if name.removeprefix("test_").startswith(PLAYED)},
        )
    )
)
