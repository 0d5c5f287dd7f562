"""Backup and restore: whole or not at all, consistent under load, proven by counting."""

from __future__ import annotations

import asyncio
import errno
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from onhand.domain.errors import InvalidInput
from onhand.store.postgres import backup, migrations
from onhand.store.postgres.backup import BackupFailed, BackupToolMissing, NotEmpty
from onhand.store.postgres.driver import Database


async def filled(database: Database, rows: int = 500) -> None:
    await database.sql("create table onhand.letter (id int primary key, words text)")
    await database.sql(
        "insert into onhand.letter select n, repeat('ä', n % 50) from generate_series(1, $1::int) n", rows
    )


async def letters(database: Database) -> list[tuple[int, str]]:
    return [tuple(row) for row in await database.sql("select id, words from onhand.letter order by id")]


async def test_what_is_restored_is_what_was_there(database: Database, empty_other: Database, tmp_path: Path) -> None:
    await filled(database)
    taken = await backup.back_up(database, tmp_path / "b")
    restored = await backup.restore(empty_other, tmp_path / "b")
    assert restored == taken
    assert taken.rows["letter"] == 500
    assert await letters(empty_other) == await letters(database)
    assert (await migrations.status(empty_other)).current


async def test_a_backup_under_load_is_one_moment(database: Database, empty_other: Database, tmp_path: Path) -> None:
    """Every transaction writes a pair: a copy with half a pair would not be of one moment."""
    await database.sql("create table onhand.pair (id int, side text)")
    stop = asyncio.Event()

    async def write() -> int:
        number = 0
        while not stop.is_set():
            number += 1
            async with database.transaction() as session:
                await session.sql("insert into onhand.pair values ($1, 'left')", number)
                await session.sql("insert into onhand.pair values ($1, 'right')", number)
        return number

    writer = asyncio.create_task(write())
    await backup.back_up(database, tmp_path / "b")
    stop.set()
    assert await writer > 1
    await backup.restore(empty_other, tmp_path / "b")
    assert not await empty_other.sql("select id from onhand.pair group by id having count(*) <> 2")


async def test_a_database_in_use_is_not_overwritten(database: Database, tmp_path: Path) -> None:
    await backup.back_up(database, tmp_path / "b")
    with pytest.raises(NotEmpty):
        await backup.restore(database, tmp_path / "b")


async def test_a_backup_is_never_overwritten(database: Database, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("precious")
    with pytest.raises(BackupFailed, match="exists already"):
        await backup.back_up(database, tmp_path / "b")
    assert (tmp_path / "b").read_text() == "precious"


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "absent"])
async def test_a_damaged_file_changes_nothing(
    database: Database, empty_other: Database, tmp_path: Path, damage: str
) -> None:
    await filled(database, rows=5_000)
    file = tmp_path / "b"
    await backup.back_up(database, file)
    whole = file.read_bytes()
    middle = len(whole) // 2
    damaged = {
        "cut": whole[:middle],
        "flip": whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :],
        "text": b"not a backup",
    }
    file.unlink()
    if damage in damaged:
        file.write_bytes(damaged[damage])
    with pytest.raises((InvalidInput, BackupFailed)):
        await backup.restore(empty_other, file)
    assert not await empty_other.sql("select from pg_namespace where nspname = 'onhand'")


async def test_rows_that_are_missing_after_a_restore_are_noticed(
    database: Database, empty_other: Database, tmp_path: Path
) -> None:
    await filled(database)
    taken = await backup.back_up(database, tmp_path / "b")
    with zipfile.ZipFile(tmp_path / "b") as archive:
        dump, text = archive.read("dump"), archive.read("manifest.json").decode()
    with zipfile.ZipFile(tmp_path / "c", "w") as archive:
        archive.writestr("manifest.json", text.replace('"letter": 500', '"letter": 501'))
        archive.writestr("dump", dump)
    with pytest.raises(BackupFailed, match="do not have the rows") as caught:
        await backup.restore(empty_other, tmp_path / "c")
    assert caught.value.facts["found"] == taken.rows


async def test_a_folder_that_does_not_exist_is_told(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="Nothing can be written"):
        await backup.back_up(database, tmp_path / "nowhere" / "b")


def test_a_full_disk_leaves_no_file(dsn: str, tmp_path: Path) -> None:
    """A limit on the size of files fails a write as a full disk does."""
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from onhand.store.postgres import backup; from onhand.store.postgres.driver import Database\n"
        "async def main():\n"
        "    async with await Database.connect(sys.argv[1]) as database:\n"
        "        await backup.back_up(database, Path(sys.argv[2]))\n"
        "asyncio.run(main())\n"
    )

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, dsn, str(tmp_path / "b")],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        preexec_fn=small_files,
    )
    assert "DatabaseFull" in run.stderr
    assert list(tmp_path.iterdir()) == []


async def test_output_that_nobody_reads_any_more_holds_nobody_up(dsn: str, tmp_path: Path) -> None:
    """A backup whose disk was full hung for ever, its snapshot with it, where more was on its way than buffers hold."""
    talker = tmp_path / "talker"
    talker.write_text("#!/bin/sh\nexec yes\n")
    talker.chmod(0o755)
    with pytest.raises(OSError, match="full"):
        async with asyncio.timeout(60), backup._running(talker, [], dsn, reads=False) as process:
            while not process.stdout._paused:  # type: ignore[union-attr]  # until the buffers are full
                await asyncio.sleep(0)
            raise OSError(errno.ENOSPC, "full")


async def test_a_missing_pg_dump_is_told_with_the_version_that_is_needed(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BackupToolMissing, match="PostgreSQL 99"):
        backup._tool("pg_dump", 99)


def test_a_password_is_not_shown() -> None:
    assert backup.without_password("postgresql://u:s%40cret@h:1/d?x=y") == "postgresql://u@h:1/d?x=y"
    assert backup.without_password("postgresql://u@/d?host=%2Ftmp") == "postgresql://u@/d?host=%2Ftmp"


def test_nobody_else_may_read_a_backup(dsn: str, tmp_path: Path) -> None:
    async def taken() -> None:
        async with await Database.connect(dsn) as database:
            await backup.back_up(database, tmp_path / "b")

    asyncio.run(taken())
    assert (tmp_path / "b").stat().st_mode & 0o077 == 0
