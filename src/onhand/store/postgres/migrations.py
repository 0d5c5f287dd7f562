"""Brings a database to the schema of this release: numbered migrations first, then the repeatable functions.

`migrations/NNNN_name.sql` run once each, in order, one transaction a file, and never change after that: their
checksum is kept and compared. `functions/*.sql` are applied again whenever their text changed, all in one
transaction, so that the bodies in use are always the ones in the files. One advisory lock makes nodes that
start together take turns; whoever comes second finds nothing left to do.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from onhand import __version__
from onhand.domain.errors import OnhandError
from onhand.ops import limits
from onhand.store.postgres.driver import Database, Session
from onhand.store.postgres.errors import (
    DatabaseBusy,
    MigrationEdited,
    MigrationFailed,
    SchemaBehind,
    StoreFault,
)

STORE: Final = Path(__file__).parent.parent
TURN: Final = 0x6F6E68616E64  # "onhand" in ASCII: the advisory lock under which a database is migrated

_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_OWN_TRANSACTION = re.compile(r"^\s*(begin|commit|rollback|start\s+transaction)\s*;", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class File:
    """One SQL file: `number` is None for a repeatable one."""

    number: int | None
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Source:
    """What a release wants the database to look like."""

    migrations: tuple[File, ...]
    functions: tuple[File, ...]
    release: str = __version__


@dataclass(frozen=True, slots=True)
class Status:
    """Where a database stands; every field but `applied` and `ahead` lists what `migrate` would do or refuse."""

    applied: tuple[int, ...] = ()
    pending: tuple[str, ...] = ()
    functions_changed: tuple[str, ...] = ()
    functions_gone: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    ahead: tuple[int, ...] = ()
    newer_release: str | None = None

    @property
    def current(self) -> bool:
        """True when this release can work on the database as it is."""
        return not (self.pending or self.functions_changed or self.functions_gone or self.edited)


@dataclass(slots=True)
class Report:
    """What one run of `migrate` did."""

    applied: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    duration_ms: int = 0


def shipped() -> Source:
    """The migrations and functions that this release carries."""
    return load(STORE / "migrations", STORE / "functions")


def load(migrations: Path, functions: Path | None = None, *, release: str = __version__) -> Source:
    """Read the two folders; raises StoreFault for a name, number or statement that breaks the form."""
    numbered = []
    for position, path in enumerate(sorted(migrations.glob("*.sql")), 1):
        match = _NAME.match(path.name)
        if not match or int(match[1]) != position:
            raise StoreFault(f"{path.name}: migrations are named NNNN_name.sql and numbered from 0001 without a gap.")
        numbered.append(_read(path, number=position))
    paths = sorted(functions.glob("*.sql")) if functions else []
    return Source(tuple(numbered), tuple(_read(path, number=None) for path in paths), release)


async def status(database: Database, source: Source | None = None) -> Status:
    """Compare the database with `source` (default: this release) and change nothing."""
    async with database.acquire() as session:
        return await _status(session, source or shipped())


async def require_current(database: Database) -> None:
    """Raise SchemaBehind or MigrationEdited unless this release can work on the database as it is."""
    found = await status(database)
    _refuse_edited(found)
    if not found.current:
        wanted = [*found.pending, *found.functions_changed, *found.functions_gone]
        raise SchemaBehind(f"The database lacks {', '.join(wanted)}.", missing=wanted)


async def migrate(
    database: Database,
    source: Source | None = None,
    *,
    lock_timeout_ms: int = limits.MIGRATION_LOCK_TIMEOUT_MS,
    statement_timeout_ms: int = limits.MIGRATION_STATEMENT_TIMEOUT_MS,
    turn_wait_ms: int = limits.MIGRATION_TURN_WAIT_MS,
) -> Report:
    """Apply what is missing and tell what was done.

    Raises MigrationEdited before anything is changed, MigrationFailed (the file is rolled back) and DatabaseBusy
    (another node has been migrating for longer than `turn_wait_ms`). A database that a later release has migrated is
    left alone: this release then runs on the newer schema, which every release's predecessor can.
    """
    source = source or shipped()
    started = time.monotonic()
    report = Report()
    bounds = f"set local lock_timeout = {lock_timeout_ms}; set local statement_timeout = {statement_timeout_ms}"
    async with database.acquire() as session:
        await _take_turn(session, turn_wait_ms)
        try:
            await session.script(_BOOKKEEPING)
            found = await _status(session, source)
            _refuse_edited(found)
            for file in source.migrations:
                if file.number not in found.applied:
                    await _apply(session, file, source.release, bounds)
                    report.applied.append(file.name)
            changed = [file for file in source.functions if file.name in found.functions_changed]
            if changed or found.functions_gone:
                await _apply_functions(session, changed, found.functions_gone, source.release, bounds)
                report.functions += [file.name for file in changed]
        finally:
            await _end_turn(session)
    report.duration_ms = round((time.monotonic() - started) * 1000)
    return report


_BOOKKEEPING = """
create schema if not exists onhand;
create table if not exists onhand.schema_migration (
    number int primary key,
    name text not null,
    checksum text not null,
    release text not null,
    duration_ms int not null,
    applied_at timestamptz not null default clock_timestamp()
);
create table if not exists onhand.schema_function (
    file text primary key,
    checksum text not null,
    release text not null,
    signatures text[] not null,
    applied_at timestamptz not null default clock_timestamp()
);
"""


def _read(path: Path, *, number: int | None) -> File:
    sql = path.read_text(encoding="utf-8")
    if _OWN_TRANSACTION.search(sql):
        raise StoreFault(f"{path.name}: a file runs in one transaction of the engine's; remove its begin or commit.")
    return File(number, path.name, sql)


async def _status(session: Session, source: Source) -> Status:
    (known,) = await session.sql("select to_regclass('onhand.schema_function') is not null")
    if not known[0]:
        return Status(
            pending=tuple(file.name for file in source.migrations),
            functions_changed=tuple(file.name for file in source.functions),
        )
    applied = {row["number"]: row for row in await session.sql("select * from onhand.schema_migration")}
    functions = {row["file"]: row for row in await session.sql("select * from onhand.schema_function")}
    carried = {file.number: file for file in source.migrations}
    releases = [row["release"] for row in (*applied.values(), *functions.values())]
    newest = max(releases, key=_order, default=source.release)
    ahead = tuple(sorted(number for number in applied if number not in carried))
    newer = newest if ahead or _order(newest) > _order(source.release) else None
    changed = [f.name for f in source.functions if functions.get(f.name, {}).get("checksum") != f.checksum]
    return Status(
        applied=tuple(sorted(applied)),
        pending=tuple(file.name for number, file in carried.items() if number not in applied),
        functions_changed=() if newer else tuple(changed),
        functions_gone=() if newer else tuple(sorted(functions.keys() - {f.name for f in source.functions})),
        edited=tuple(f.name for n, f in carried.items() if n in applied and applied[n]["checksum"] != f.checksum),
        ahead=ahead,
        newer_release=newer,
    )


def _refuse_edited(found: Status) -> None:
    if found.edited:
        raise MigrationEdited(
            f"{', '.join(found.edited)} differs from what was applied to this database.",
            edited=list(found.edited),
        )


async def _apply(session: Session, file: File, release: str, bounds: str) -> None:
    started = time.monotonic()
    try:
        async with session.transaction():
            await session.script(f"{bounds};\nset local search_path = onhand")
            await session.script(file.sql)
            await session.sql(
                "insert into onhand.schema_migration (number, name, checksum, release, duration_ms)"
                " values ($1, $2, $3, $4, $5)",
                file.number,
                file.name,
                file.checksum,
                release,
                round((time.monotonic() - started) * 1000),
            )
    except OnhandError as error:
        raise _failed(file.name, error) from error


async def _apply_functions(
    session: Session, files: Sequence[File], gone: Sequence[str], release: str, bounds: str
) -> None:
    name = ", ".join(gone)
    try:
        async with session.transaction():
            # Bodies are checked at the end, when all functions exist, so that files may call each other's.
            await session.script(f"{bounds};\nset local search_path = onhand; set local check_function_bodies = off")
            for file in gone:
                await _drop(session, await _recorded(session, file))
                await session.sql("delete from onhand.schema_function where file = $1", file)
            touched: list[str] = []
            for file_ in files:
                name = file_.name
                touched += await _replace(session, file_, release)
            name = "the functions together"
            await session.script("set local check_function_bodies = on")
            for signature in touched:
                name = signature
                await _validate(session, signature)
    except OnhandError as error:
        raise _failed(name, error) from error


async def _replace(session: Session, file: File, release: str) -> list[str]:
    """Apply one file; the signatures it defines now. Those it defined before and no longer does are dropped."""
    before = await _recorded(session, file.name)
    state = await _functions(session)
    try:
        async with session.transaction():
            await session.script(file.sql)
    except StoreFault:
        if not before:
            raise
        # 'create or replace' cannot change a result type or rename an argument: make room and try again.
        await _drop(session, before)
        state = await _functions(session)
        await session.script(file.sql)
    now = [signature for signature, version in (await _functions(session)).items() if state.get(signature) != version]
    await _drop(session, [signature for signature in before if signature not in now])
    await session.sql(
        "insert into onhand.schema_function (file, checksum, release, signatures) values ($1, $2, $3, $4)"
        " on conflict (file) do update set checksum = excluded.checksum, release = excluded.release,"
        " signatures = excluded.signatures, applied_at = clock_timestamp()",
        file.name,
        file.checksum,
        release,
        now,
    )
    return now


async def _functions(session: Session) -> dict[str, str]:
    """Each function of the schema with the version of its catalogue row, which every replacement changes."""
    rows = await session.sql(
        "select oid::regprocedure::text as signature, oid || ' ' || ctid::text as version from pg_proc"
        " where pronamespace = 'onhand'::regnamespace"
    )
    return {row["signature"]: row["version"] for row in rows}


async def _recorded(session: Session, file: str) -> list[str]:
    rows = await session.sql("select signatures from onhand.schema_function where file = $1", file)
    return list(rows[0]["signatures"]) if rows else []


async def _drop(session: Session, signatures: Sequence[str]) -> None:
    for signature in signatures:
        try:
            async with session.transaction():
                await session.script(f"drop routine if exists {signature}")
        except StoreFault:
            continue  # a trigger or a default needs it: the statement after this one says so, or replaces it in place


async def _validate(session: Session, signature: str) -> None:
    rows = await session.sql(
        "select p.oid, l.lanvalidator::regproc::text as checker from pg_proc p join pg_language l on l.oid = p.prolang"
        " where p.oid = to_regprocedure($1) and l.lanvalidator <> 0",
        signature,
    )
    for row in rows:
        await session.sql(f"select {row['checker']}($1)", row["oid"])


async def _take_turn(session: Session, wait_ms: int) -> None:
    await session.script(f"set lock_timeout = {wait_ms}; set statement_timeout = {wait_ms + 1_000}")
    try:
        await session.sql("select pg_advisory_lock($1)", TURN)
    except DatabaseBusy as error:
        raise DatabaseBusy(
            f"Another process has been migrating this database for {wait_ms / 1000:g} s.",
            remedy="Wait until it is done; 'onhand db doctor' shows what it runs.",
        ) from error
    finally:
        await session.script("set lock_timeout to default; set statement_timeout to default")


async def _end_turn(session: Session) -> None:
    await session.sql("select pg_advisory_unlock($1)", TURN)


def _failed(name: str, error: OnhandError) -> OnhandError:
    return MigrationFailed(f"{name}: {error.detail}", file=name, cause=error.code)


def _order(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", release))
