"""Examines a database and says what is wrong with it, each finding with what to do about it.

A check looks at one thing, changes nothing, and never fails the examination: what cannot be looked at is said to be so.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from onhand.domain.errors import OnhandError
from onhand.ops import limits
from onhand.store.postgres import migrations, provider
from onhand.store.postgres.driver import Database, Row

Verdict = Literal["ok", "warning", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: `advice` is empty when all is well."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""


async def examine(database: Database, *, data_dir: Path | None) -> list[Finding]:
    """Run every check; `data_dir` is the embedded server's, None for a server of yours."""
    findings = []
    for name, check in _CHECKS:
        try:
            findings.append(await check(database))
        except OnhandError as error:
            findings.append(Finding(name, "warning", f"could not be checked: {error.detail}", error.advice))
    return [*findings, _disk(data_dir)]


async def _version(database: Database) -> Finding:
    (row,) = await database.sql("select current_setting('server_version_num')::int / 10000, version()")
    if provider.OLDEST_MAJOR <= row[0] <= provider.NEWEST_MAJOR:
        return Finding("server version", "ok", row[1].split(" on ")[0])
    advice = f"Onhand is tested with PostgreSQL {provider.OLDEST_MAJOR} to {provider.NEWEST_MAJOR}."
    return Finding("server version", "warning" if row[0] > provider.NEWEST_MAJOR else "bad", row[1], advice)


async def _durability(database: Database) -> Finding:
    names = ("fsync", "synchronous_commit", "full_page_writes")
    off = [name for name in names if (await _setting(database, name)) in {"off", "false"}]
    if not off:
        return Finding("durability", "ok", "fsync, synchronous_commit and full_page_writes are on")
    return Finding("durability", "bad", f"{', '.join(off)} off", "An acknowledged promise can be lost: switch it on.")


async def _checksums(database: Database) -> Finding:
    (row,) = await database.sql(
        "select current_setting('data_checksums'), coalesce(sum(checksum_failures), 0)::bigint from pg_stat_database"
    )
    if row[1]:
        return Finding("checksums", "bad", f"{row[1]} pages did not match", "The disk lies: restore from a backup.")
    if row[0] == "off":
        return Finding("checksums", "warning", "off", "'pg_checksums --enable' on the stopped server finds bad disks.")
    return Finding("checksums", "ok", "on, no page has failed")


async def _clocks(database: Database) -> Finding:
    started = time.time()
    (row,) = await database.sql("select clock_timestamp()")
    middle = datetime.fromtimestamp((started + time.time()) / 2, UTC)
    skew_ms = abs((row[0] - middle).total_seconds()) * 1_000
    verdict: Verdict = "ok" if skew_ms <= limits.CLOCK_SKEW_MS_MAX else "warning"
    advice = "" if verdict == "ok" else "Deadlines follow the database's clock: run NTP on both machines."
    return Finding("clocks", verdict, f"this machine and the server differ by {skew_ms:.0f} ms", advice)


async def _schema(database: Database) -> Finding:
    found = await migrations.status(database)
    if found.edited:
        return Finding("schema", "bad", f"{', '.join(found.edited)} was edited after it ran", "Restore the file.")
    if not found.current:
        missing = len(found.pending) + len(found.functions_changed) + len(found.functions_gone)
        return Finding("schema", "bad", f"{missing} files are not applied", "Run 'onhand db migrate'.")
    newer = f", migrated by the later release {found.newer_release}" if found.newer_release else ""
    return Finding("schema", "ok", f"current at {len(found.applied)} migrations{newer}")


async def _indexes(database: Database) -> Finding:
    rows = await database.sql(
        "select indexrelid::regclass::text from pg_index join pg_class c on c.oid = indrelid"
        " where not indisvalid and c.relnamespace = to_regnamespace('onhand')"
    )
    if not rows:
        return Finding("indexes", "ok", "all valid")
    names = ", ".join(row[0] for row in rows)
    return Finding("indexes", "bad", f"invalid: {names}", "'reindex index concurrently' each of them.")


async def _transactions(database: Database, *, older_than_s: float = 60.0) -> Finding:
    rows = await database.sql(
        "select pid, extract(epoch from clock_timestamp() - xact_start)::int as age_s, state, left(query, 60) as query,"
        " case when datname <> current_database() then ' in ' || datname else '' end as place"
        " from pg_stat_activity where (datname = current_database() or backend_xid is not null)"
        " and pid <> pg_backend_pid() and backend_type = 'client backend'"
        " and xact_start < clock_timestamp() - make_interval(secs => $1) order by xact_start",
        older_than_s,
    )
    if not rows:
        return Finding("long transactions", "ok", "none older than a minute")
    text = "; ".join(
        f"process {row['pid']}{row['place']} for {row['age_s']} s ({row['state']}: {row['query']})" for row in rows[:5]
    )
    # The feed shows nothing from the oldest transaction on that writes, in whichever database of the server it does.
    remedy = "They keep vacuum and the feed of events back: 'select pg_terminate_backend(pid)'."
    return Finding("long transactions", "warning", text, remedy)


async def _waits(database: Database) -> Finding:
    rows = await database.sql(
        "select pid, pg_blocking_pids(pid) as by from pg_stat_activity"
        " where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0"
    )
    if not rows:
        return Finding("lock waits", "ok", "nobody waits")
    text = "; ".join(f"process {row['pid']} waits for {', '.join(map(str, row['by']))}" for row in rows[:5])
    return Finding("lock waits", "warning", text, "If it lasts, end the process that is waited for.")


async def _vacuum(database: Database) -> Finding:
    if await _setting(database, "autovacuum") == "off":
        return Finding("autovacuum", "bad", "off", "Hot rows fill the disk without it: switch autovacuum on.")
    rows = await database.sql(
        "select relname, n_dead_tup, n_live_tup from pg_stat_user_tables"
        " where schemaname = 'onhand' and n_dead_tup > greatest(n_live_tup, 100000) order by n_dead_tup desc limit 5"
    )
    if not rows:
        return Finding("autovacuum", "ok", "keeps up")
    text = ", ".join(f"{row['relname']} ({row['n_dead_tup']} dead of {row['n_live_tup']} live)" for row in rows)
    return Finding("autovacuum", "warning", text, "Look for long transactions, then 'vacuum' these tables.")


async def _connections(database: Database) -> Finding:
    (row,) = await database.sql(
        "select count(*) filter (where backend_type = 'client backend'), current_setting('max_connections')::int"
        " from pg_stat_activity"
    )
    verdict: Verdict = "ok" if row[0] < row[1] * 0.8 else "warning"
    advice = "" if verdict == "ok" else "Fewer nodes, a smaller ONHAND_POOL_MAX, or a higher max_connections."
    return Finding("connections", verdict, f"{row[0]} of {row[1]} in use", advice)


def _disk(data_dir: Path | None) -> Finding:
    if data_dir is None:
        return Finding("disk", "ok", "a server of yours: look there")
    usage = shutil.disk_usage(data_dir)
    free_gb = usage.free / 1e9
    text = f"{free_gb:.1f} GB free of {usage.total / 1e9:.1f} GB at {data_dir}"
    if usage.free < limits.DISK_FREE_BYTES_MIN:
        return Finding("disk", "bad", text, "Make room: PostgreSQL stops when the disk is full.")
    return Finding("disk", "ok", text)


async def _setting(database: Database, name: str) -> str:
    row: Row = (await database.sql("select current_setting($1)", name))[0]
    return str(row[0])


_CHECKS: Final[tuple[tuple[str, Callable[[Database], Awaitable[Finding]]], ...]] = (
    ("server version", _version),
    ("durability", _durability),
    ("checksums", _checksums),
    ("schema", _schema),
    ("indexes", _indexes),
    ("clocks", _clocks),
    ("long transactions", _transactions),
    ("lock waits", _waits),
    ("autovacuum", _vacuum),
    ("connections", _connections),
)
