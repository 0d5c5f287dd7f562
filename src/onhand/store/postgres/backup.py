"""A backup in one file, and the way back: a consistent copy of the schema `onhand` with the proof of its completeness.

The file is a ZIP with two members: `dump`, an archive of pg_dump's, and `manifest.json`, which says what made it and
how many rows each table had in the very snapshot that was dumped. A restore goes into a database without that schema,
in one transaction, and counts again.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Final
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from onhand import __version__
from onhand.domain.errors import Conflict, InvalidInput, OnhandError
from onhand.ops import limits
from onhand.store.postgres import provider
from onhand.store.postgres.driver import Database, Session
from onhand.store.postgres.errors import DatabaseFull

FORMAT: Final = 1

_DAMAGED: Final = (OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What reading a ZIP raises that is cut, altered, encrypted or not packed as ours are (NotImplementedError)."""


class BackupFailed(OnhandError):
    """The backup could not be made or read back."""

    code = "backup_failed"
    title = "The backup or restore failed"
    done = "No file and no database was changed."
    remedy = "Mend the cause and run it again."


class BackupToolMissing(OnhandError):
    """No pg_dump or pg_restore of the server's major version is on this machine."""

    code = "backup_tool_missing"
    title = "There is no matching pg_dump"
    remedy = "Install the PostgreSQL client of the server's major version, or set PG_BIN to the directory that has it."


class NotEmpty(Conflict):
    """A restore was asked into a database that has Onhand's schema already."""

    code = "not_empty"
    title = "The database is not empty"
    remedy = "Restore into a new database, or with --data-dir into a new directory."


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says about itself."""

    format: int
    release: str
    taken_at: str
    server: str
    major: int
    migrations: list[int]
    rows: dict[str, int]


async def back_up(database: Database, target: Path) -> Manifest:
    """Write a backup of `database` to `target`; the file appears whole or not at all.

    Raises BackupToolMissing, BackupFailed, and DatabaseFull when the disk of `target` is full.
    """
    _refuse_existing(target)
    async with database.transaction(isolation="repeatable_read", readonly=True) as session:
        await session.script("set local idle_in_transaction_session_timeout = 0; set local statement_timeout = 0")
        manifest = await _manifest(session)
        program = _tool("pg_dump", manifest.major)
        ((snapshot,),) = await session.sql("select pg_export_snapshot()")
        arguments = ["-Fc", "--schema=onhand", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
        with _appearing(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("manifest.json", msgspec.json.format(msgspec.json.encode(manifest), indent=2))
            with archive.open("dump", "w", force_zip64=True) as member:
                await _dump(program, arguments, database.dsn, member)
    return manifest


async def restore(database: Database, source: Path) -> Manifest:
    """Read the backup `source` into `database` and prove that every row is there.

    Raises NotEmpty, InvalidInput for a file that is no backup or is damaged, BackupToolMissing and BackupFailed.
    """
    with _opened(source) as (archive, manifest):
        if await database.sql("select from pg_namespace where nspname = 'onhand'"):
            raise NotEmpty("The database has a schema 'onhand' already.")
        ((major,),) = await database.sql("select current_setting('server_version_num')::int / 10000")
        if major < manifest.major:
            raise BackupFailed(f"A backup of PostgreSQL {manifest.major} cannot go into a server of version {major}.")
        program = _tool("pg_restore", major)
        arguments = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
        with archive.open("dump") as member:
            await _feed(program, arguments, database.dsn, member)
    async with database.acquire() as session:
        found = await _counted(session)
    if found != manifest.rows:
        raise BackupFailed(
            "The restored tables do not have the rows that the backup counted.",
            remedy="Do not use this database; restore another backup into a new one.",
            expected=manifest.rows,
            found=found,
        )
    return manifest


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise BackupFailed(f"{target} exists already.", remedy="Choose another name; a backup is never overwritten.")


async def _manifest(session: Session) -> Manifest:
    (row,) = await session.sql(
        "select current_setting('server_version') as server,"
        " current_setting('server_version_num')::int / 10000 as major,"
        " to_char(now() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') as taken_at,"
        " to_regclass('onhand.schema_migration') is not null as known"
    )
    if not row["known"]:
        raise BackupFailed("The database has no schema of Onhand's to back up.")
    applied = await session.sql("select number from onhand.schema_migration order by number")
    return Manifest(
        format=FORMAT,
        release=__version__,
        taken_at=row["taken_at"],
        server=row["server"],
        major=row["major"],
        migrations=[each["number"] for each in applied],
        rows=await _counted(session),
    )


async def _counted(session: Session) -> dict[str, int]:
    tables = await session.sql(
        "select format('onhand.%I', c.relname) as name, c.relname from pg_class c"
        " where c.relnamespace = 'onhand'::regnamespace and c.relkind = 'r' order by c.relname"
    )
    counts = {}
    for table in tables:
        rows = await session.sql(f'select count(*) from only onhand."{table["relname"]}"')  # noqa: S608 - from the catalogue
        counts[table["relname"]] = rows[0][0]
    return counts


def _tool(name: str, major: int) -> Path:
    """The program of the server's own major version: another one writes what the server cannot read, or refuses."""
    for binaries in provider.candidates(os.environ):
        program = binaries.program(name)
        if program is not None and binaries.major == major:
            return program
    raise BackupToolMissing(f"The server is PostgreSQL {major}, and no {name} of that version was found.")


async def _dump(program: Path, arguments: list[str], dsn: str, member: IO[bytes]) -> None:
    async with _running(program, arguments, dsn, reads=False) as process:
        assert process.stdout is not None
        while block := await process.stdout.read(limits.BACKUP_BLOCK_BYTES):
            member.write(block)


async def _feed(program: Path, arguments: list[str], dsn: str, member: IO[bytes]) -> None:
    async with _running(program, arguments, dsn, reads=True) as process:
        assert process.stdin is not None
        try:
            while block := member.read(limits.BACKUP_BLOCK_BYTES):
                process.stdin.write(block)
                await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the program has given up, and says why on its standard error
        except _DAMAGED as error:
            process.kill()
            raise InvalidInput(f"The backup is damaged: {error}.") from error
        process.stdin.close()


@asynccontextmanager
async def _running(
    program: Path, arguments: list[str], dsn: str, *, reads: bool
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a client program on `dsn`; raises BackupFailed with its last words when it does not end well."""
    password = urlsplit(dsn).password
    environment = {**os.environ, "LC_ALL": "C"} | ({"PGPASSWORD": unquote(password)} if password else {})
    with tempfile.TemporaryFile() as words:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            f"--dbname={without_password(dsn)}",
            stdin=asyncio.subprocess.PIPE if reads else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if not reads else asyncio.subprocess.DEVNULL,
            stderr=words,
            env=environment,
        )
        try:
            yield process
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()  # `wait` alone waits for ever while output is there that nobody reads
        if code != 0:
            words.seek(0)
            said = words.read().decode(errors="replace").strip()[-1_000:]
            raise BackupFailed(f"{program.name} gave up: {said or f'exit code {code}'}.")


def without_password(dsn: str) -> str:
    """The address without its password, fit to be shown: a list of processes shows it to everybody."""
    parts = urlsplit(dsn)
    if not parts.password:
        return dsn
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{host}"))


@contextmanager
def _appearing(target: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name only when it is whole and on the disk."""
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise BackupFailed(f"Nothing can be written to {target.parent}: {error.strerror}.") from error
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(name, target)  # unlike a rename, it never replaces a file that came in between
        _sync_folder(target.parent)
    except OSError as error:
        raise DatabaseFull(f"The backup could not be written to {target}: {error.strerror}.") from error
    finally:
        Path(name).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _opened(source: Path) -> Iterator[tuple[zipfile.ZipFile, Manifest]]:
    try:
        archive = zipfile.ZipFile(source)
        manifest = msgspec.json.decode(archive.read("manifest.json"), type=Manifest)
        archive.open("dump").close()
    except (*_DAMAGED, msgspec.MsgspecError) as error:
        raise InvalidInput(f"{source} is not a backup of Onhand's: {error}.") from error
    with archive:
        if manifest.format != FORMAT:
            raise InvalidInput(f"{source} has the format {manifest.format}; this release reads {FORMAT}.")
        yield archive, manifest
