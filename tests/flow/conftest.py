"""Fixtures of the flow's tests: a clock and a world on a fresh database."""

from __future__ import annotations

import pytest

from onhand.store.postgres.driver import Database
from tests.flow.world import Clock, Partner, World


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(database: Database, clock: Clock) -> World:
    return World(database, clock)


@pytest.fixture
def partner(clock: Clock) -> Partner:
    return Partner(clock)
