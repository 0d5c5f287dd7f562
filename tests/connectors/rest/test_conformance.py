"""The connector of REST systems under the shared suite."""

from __future__ import annotations

from onhand.testkit import conformance

TestRest = conformance("rest", database="dsn")
