"""The ground under checks that need a hub: databases with this release's schema, each used once.

`OwnServer` starts the embedded PostgreSQL in a folder of its own, once and only when a check needs it. A test session
that has a server already hands over a `Given` address instead.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from onhand.store.postgres import migrations
from onhand.store.postgres.driver import Database
from onhand.store.postgres.supervisor import Cluster, stop


class Ground(Protocol):
    """Gives databases."""

    def database(self) -> AbstractAsyncContextManager[str]:
        """The address of a fresh database with this release's schema, for as long as the block runs."""


class Server:
    """A server that somebody else runs: `dsn` gives the address of a database by name, `template` is copied."""

    def __init__(self, dsn: Callable[[str], str], template: str) -> None:
        self._dsn = dsn
        self._template = template

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """A copy of the template, gone when the block ends."""
        name = f"kit_{secrets.token_hex(6)}"
        async with await Database.connect(self._dsn("postgres"), pool_max=1) as server:
            await server.sql(f"create database {name} template {self._template} strategy file_copy")
            try:
                yield self._dsn(name)
            finally:
                await server.sql(f"drop database {name} with (force)")


class Given(Server):
    """A fresh database that somebody else made, by its address: a pattern that is copied, so nobody may be using it."""

    def __init__(self, dsn: str) -> None:
        found = re.fullmatch(r"(\w+://[^/]*/)([^?]*)(.*)", dsn)
        assert found is not None, "an address as libpq writes it"
        before, name, after = found.groups()
        super().__init__(lambda other: f"{before}{other}{after}", name)


class OwnServer:
    """The embedded server, started when first needed; `close` stops it and removes all it had."""

    def __init__(self) -> None:
        self._root: Path | None = None
        self._cluster: Cluster | None = None

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """A copy of a database that was migrated once."""
        if self._cluster is None:
            self._cluster = await asyncio.to_thread(self._start)
            await _prepare(self._cluster)
        async with Server(self._cluster.dsn, "kit").database() as dsn:
            yield dsn

    def close(self) -> None:
        """Stop the server, if it was started."""
        if self._cluster is None or self._root is None:
            return
        self._cluster.close()
        stop(self._root)
        shutil.rmtree(self._root, ignore_errors=True)
        self._cluster = self._root = None

    def _start(self) -> Cluster:
        self._root = Path(tempfile.mkdtemp(prefix="onhand-kit-"))
        self._root.chmod(0o755)  # the server's account must pass through
        cluster = Cluster.open(self._root / "data")
        settings = cluster.layout.cluster / "postgresql.conf"
        settings.write_text(settings.read_text() + "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n")
        return cluster


async def _prepare(cluster: Cluster) -> None:
    async with await Database.connect(cluster.dsn("postgres"), pool_max=1) as server:
        await server.sql("select pg_reload_conf()")
        await server.sql("create database kit")
    async with await Database.connect(cluster.dsn("kit")) as fresh:
        await migrations.migrate(fresh)
