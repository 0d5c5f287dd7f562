"""The suite that every connector must pass, public so that third parties can run it too.

A connector's whole test file:

    from onhand.testkit import conformance

    TestAcme = conformance("acme")

`onhand connector check acme` runs the same without pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onhand.testkit.tests import conformance

__all__ = ["conformance"]


def __getattr__(name: str) -> Any:
    """Give `conformance`, importing pytest only for whoever asks for it."""
    if name == "conformance":
        from onhand.testkit.tests import conformance  # noqa: PLC0415 - pytest is no run-time dependency

        return conformance
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
