"""Opens the database that the settings ask for: yours at a DSN, or an embedded one that is made on first use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from onhand.domain.errors import OnhandError
from onhand.ops.settings import Settings
from onhand.store.postgres import migrations
from onhand.store.postgres.driver import Database
from onhand.store.postgres.layout import USER
from onhand.store.postgres.supervisor import Cluster


@asynccontextmanager
async def opened(settings: Settings, *, migrate: bool = True, application: str = "onhand") -> AsyncIterator[Database]:
    """A connected Database for as long as the block runs; brought to this release's schema unless told not to.

    Without a DSN the embedded server is started or joined, and stopped at the end by its last user. Raises the
    errors of `store.postgres.errors`; with `migrate=False` the schema is not looked at.
    """
    async with address(settings) as dsn:
        database = await Database.connect(dsn, pool_max=settings.pool_max, application=application)
        async with database:
            if migrate:
                await migrations.migrate(database)
            yield database


@asynccontextmanager
async def address(settings: Settings) -> AsyncIterator[str]:
    """The DSN to connect to. Where it is the embedded server's, that server runs at least as long as the block."""
    if settings.dsn:
        yield settings.dsn
        return
    cluster = await _joined(settings)
    try:
        await _have_database(cluster)
        yield cluster.dsn(USER)
    finally:
        await asyncio.to_thread(cluster.close)


async def _joined(settings: Settings) -> Cluster:
    """Have the server running. Who is told to end meanwhile leaves it again: a thread starts what it has begun to."""
    joining = asyncio.ensure_future(
        asyncio.to_thread(
            Cluster.open,
            settings.data_folder,
            environment=os.environ,
            choice=settings.pg,
            keep_running=settings.keep_database,
        )
    )
    try:
        return await asyncio.shield(joining)
    except asyncio.CancelledError:
        with suppress(OnhandError):  # Ctrl-C on a terminal also ends the programs that make a cluster
            cluster = await joining
            await asyncio.to_thread(cluster.close)
        raise


async def _have_database(cluster: Cluster) -> None:
    async with (
        await Database.connect(cluster.dsn("postgres"), pool_max=1) as maintenance,
        maintenance.acquire() as session,
    ):
        # Two processes may come here at once, and 'create database' has no 'if not exists': take turns.
        await session.sql("select pg_advisory_lock($1)", migrations.TURN)
        try:
            if not await session.sql("select from pg_database where datname = $1", USER):
                await session.script(f"create database {USER}")
        finally:
            await session.sql("select pg_advisory_unlock($1)", migrations.TURN)
