"""Fixtures of the inbox's tests: the shelf's connector installed as another distribution, a clock, a world."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from onhand.store.postgres.driver import Database
from tests.flow.world import Clock
from tests.inbox.world import SITE, World

KEY = b"0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _shelf_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SITE))
    monkeypatch.setenv("SHELF_SECRET", "whsec_" + base64.b64encode(KEY).decode())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(database: Database, clock: Clock, tmp_path: Path) -> World:
    return World(database, clock, tmp_path)
