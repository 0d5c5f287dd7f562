"""Which PostgreSQL servers this machine can offer to tests, and visible skips for those it cannot."""

from __future__ import annotations

import os

import pytest

from onhand.store.postgres import provider
from onhand.store.postgres.errors import ServerMissing


def require_server(choice: str) -> provider.Binaries:
    """The binaries behind `choice`, or a skip that says how to get them."""
    try:
        return provider.find(os.environ, choice=choice)
    except ServerMissing as missing:
        pytest.skip(f"no {choice} PostgreSQL here ('apt-get install postgresql' brings one): {missing.detail}")
