"""The machine that the figures came from, and whether its database keeps what it acknowledges."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Final

import msgspec

from onhand.domain.errors import Conflict
from onhand.store.postgres.driver import Database

DURABLE: Final = ("fsync", "synchronous_commit", "full_page_writes")


class NotDurable(Conflict):
    """The database would acknowledge what a power failure takes away."""

    code = "database_not_durable"
    title = "The database is not durable"
    done = "Nothing was measured: figures of such a server would flatter."
    remedy = "Switch these settings on, or say --unsafe to measure all the same."


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run took place. `load_before` is the load average of the minute before: nearly 0 when it is quiet."""

    cores: int
    processor: str
    memory_mb: int
    system: str
    python: str
    postgresql: str
    durable: bool
    load_before: float
    settings: dict[str, str]


async def describe(database: Database) -> Machine:
    """Look at the machine and at the server's settings."""
    names = [*DURABLE, "shared_buffers", "max_wal_size", "wal_compression", "synchronous_standby_names"]
    rows = await database.sql(
        "select name, current_setting(name) as value from pg_settings where name = any($1)", names
    )
    found = {row["name"]: row["value"] for row in rows}
    version = await database.sql("show server_version")
    return Machine(
        cores=len(os.sched_getaffinity(0)), processor=_processor(), memory_mb=_memory_mb(),
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}", postgresql=str(version[0][0]),
        load_before=round(os.getloadavg()[0], 1), settings=found,
        durable=all(found.get(name) == "on" for name in DURABLE),
    )  # fmt: skip


def require_durable(machine: Machine, *, unsafe: bool) -> None:
    """Raise NotDurable unless told to measure all the same."""
    if not machine.durable and not unsafe:
        lax = [f"{name} = {machine.settings.get(name)}" for name in DURABLE if machine.settings.get(name) != "on"]
        raise NotDurable(f"The server has {', '.join(lax)}.")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_048_576
