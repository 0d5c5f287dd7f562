"""The migration engine on folders made up for the purpose, and the shipped schema on a fresh database."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from onhand.store.postgres import migrations, schema
from onhand.store.postgres.driver import Database
from onhand.store.postgres.errors import DatabaseBusy, MigrationEdited, MigrationFailed, SchemaBehind, StoreFault
from tests.store.servers import require_server

ONE = "create table thing (id int primary key);"
TWO = "alter table thing add word text;"
TWICE = "create or replace function twice(n int) returns int language sql as 'select n * 2';"


class Folders:
    """A release in the making: two folders of SQL."""

    def __init__(self, root: Path) -> None:
        self.migrations = root / "migrations"
        self.functions = root / "functions"
        self.migrations.mkdir()
        self.functions.mkdir()

    def write(self, name: str, sql: str) -> None:
        folder = self.migrations if name[0].isdigit() else self.functions
        (folder / name).write_text(sql)

    def load(self, release: str = "1.0.0") -> migrations.Source:
        return migrations.load(self.migrations, self.functions, release=release)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path)
    made.write("0001_thing.sql", ONE)
    made.write("twice.sql", TWICE)
    return made


async def columns(database: Database) -> list[str]:
    rows = await database.sql(
        "select attname::text from pg_attribute where attrelid = to_regclass('onhand.thing') and attnum > 0"
    )
    return [row[0] for row in rows]


async def test_a_second_run_finds_nothing_to_do(empty_database: Database, folders: Folders) -> None:
    first = await migrations.migrate(empty_database, folders.load())
    second = await migrations.migrate(empty_database, folders.load())
    assert (first.applied, first.functions) == (["0001_thing.sql"], ["twice.sql"])
    assert (second.applied, second.functions) == ([], [])
    assert (await migrations.status(empty_database, folders.load())).current


async def test_status_of_an_empty_database_lists_everything_and_creates_nothing(
    empty_database: Database, folders: Folders
) -> None:
    found = await migrations.status(empty_database, folders.load())
    assert (found.pending, found.functions_changed) == (("0001_thing.sql",), ("twice.sql",))
    assert not await empty_database.sql("select from pg_namespace where nspname = 'onhand'")


async def test_only_what_is_new_is_applied(empty_database: Database, folders: Folders) -> None:
    await migrations.migrate(empty_database, folders.load())
    folders.write("0002_word.sql", TWO)
    report = await migrations.migrate(empty_database, folders.load())
    assert report.applied == ["0002_word.sql"]
    assert await columns(empty_database) == ["id", "word"]


async def test_a_failing_migration_is_rolled_back_whole_and_earlier_ones_stay(
    empty_database: Database, folders: Folders
) -> None:
    folders.write("0002_word.sql", TWO + "select 1 / 0;")
    with pytest.raises(MigrationFailed, match=r"0002_word\.sql"):
        await migrations.migrate(empty_database, folders.load())
    assert await columns(empty_database) == ["id"]
    folders.write("0002_word.sql", TWO)
    assert (await migrations.migrate(empty_database, folders.load())).applied == ["0002_word.sql"]


async def test_an_edited_migration_is_refused_before_anything_is_changed(
    empty_database: Database, folders: Folders
) -> None:
    await migrations.migrate(empty_database, folders.load())
    folders.write("0001_thing.sql", ONE + "-- a harmless word")
    folders.write("0002_word.sql", TWO)
    with pytest.raises(MigrationEdited, match=r"0001_thing\.sql"):
        await migrations.migrate(empty_database, folders.load())
    assert await columns(empty_database) == ["id"]


async def test_a_changed_function_is_replaced(empty_database: Database, folders: Folders) -> None:
    await migrations.migrate(empty_database, folders.load())
    folders.write("twice.sql", TWICE.replace("* 2", "* 20"))
    assert (await migrations.migrate(empty_database, folders.load())).functions == ["twice.sql"]
    assert (await empty_database.sql("select onhand.twice(2)"))[0][0] == 40


@pytest.mark.parametrize(
    "changed",
    [TWICE.replace("returns int", "returns bigint"), TWICE.replace("n int", "m int").replace("n *", "m *")],
    ids=["another result type", "another argument name"],
)
async def test_a_function_may_change_what_create_or_replace_cannot(
    empty_database: Database, folders: Folders, changed: str
) -> None:
    await migrations.migrate(empty_database, folders.load())
    folders.write("twice.sql", changed)
    await migrations.migrate(empty_database, folders.load())
    assert (await empty_database.sql("select onhand.twice(2)::int"))[0][0] == 4


async def test_a_signature_that_a_file_no_longer_has_is_dropped(empty_database: Database, folders: Folders) -> None:
    await migrations.migrate(empty_database, folders.load())
    folders.write("twice.sql", TWICE.replace("n int", "n bigint").replace("returns int", "returns bigint"))
    await migrations.migrate(empty_database, folders.load())
    rows = await empty_database.sql("select oid::regprocedure::text from pg_proc where proname = 'twice'")
    assert [row[0] for row in rows] == ["twice(bigint)"]


async def test_a_function_file_that_is_gone_takes_its_functions_with_it(
    empty_database: Database, folders: Folders
) -> None:
    await migrations.migrate(empty_database, folders.load())
    (folders.functions / "twice.sql").unlink()
    assert (await migrations.status(empty_database, folders.load())).functions_gone == ("twice.sql",)
    await migrations.migrate(empty_database, folders.load())
    assert not await empty_database.sql("select from pg_proc where proname = 'twice'")
    assert (await migrations.status(empty_database, folders.load())).current


async def test_a_trigger_function_in_use_can_be_replaced(empty_database: Database, folders: Folders) -> None:
    body = "create or replace function guard() returns trigger language plpgsql as $$begin {} end$$;"
    folders.write("0002_word.sql", body.format("return new;") + "create trigger t before insert on thing"
                  " for each row execute function guard();")  # fmt: skip
    folders.write("guard.sql", body.format("return new;"))
    await migrations.migrate(empty_database, folders.load())
    folders.write("guard.sql", body.format("raise exception 'no';"))
    await migrations.migrate(empty_database, folders.load())
    with pytest.raises(StoreFault, match="no"):
        await empty_database.sql("insert into thing values (1)")


async def test_functions_may_call_each_other_across_files_but_not_what_does_not_exist(
    empty_database: Database, folders: Folders
) -> None:
    folders.write("first.sql", "create function four(n int) returns int language sql as 'select twice(twice(n))';")
    await migrations.migrate(empty_database, folders.load())
    folders.write("first.sql", "create or replace function four(n int) returns int language sql as 'select thrice(n)';")
    with pytest.raises(MigrationFailed, match=r"four\(integer\)"):
        await migrations.migrate(empty_database, folders.load())
    assert (await empty_database.sql("select onhand.four(1)"))[0][0] == 4


async def test_nodes_that_start_together_take_turns(empty_database: Database, folders: Folders) -> None:
    reports = await asyncio.gather(*(migrations.migrate(empty_database, folders.load()) for _ in range(5)))
    assert sorted(len(report.applied) for report in reports) == [0, 0, 0, 0, 1]


async def test_a_node_that_migrates_for_too_long_is_reported(empty_database: Database, folders: Folders) -> None:
    async with empty_database.acquire() as other:
        await other.sql("select pg_advisory_lock($1)", migrations.TURN)
        with pytest.raises(DatabaseBusy, match="Another process"):
            await migrations.migrate(empty_database, folders.load(), turn_wait_ms=100)
        await other.sql("select pg_advisory_unlock($1)", migrations.TURN)
    assert (await migrations.migrate(empty_database, folders.load())).applied == ["0001_thing.sql"]


async def test_a_table_in_use_makes_a_migration_give_up_instead_of_stopping_everybody(
    empty_database: Database, folders: Folders
) -> None:
    await migrations.migrate(empty_database, folders.load())
    folders.write("0002_word.sql", TWO)
    async with empty_database.transaction() as reader:
        await reader.script("select * from thing")
        with pytest.raises(MigrationFailed, match="lock"):
            await migrations.migrate(empty_database, folders.load(), lock_timeout_ms=100)
    assert await columns(empty_database) == ["id"]


async def test_a_statement_that_takes_too_long_is_given_up(empty_database: Database, folders: Folders) -> None:
    folders.write("0001_thing.sql", ONE + "select pg_sleep(30);")
    with pytest.raises(MigrationFailed, match="time limit"):
        await migrations.migrate(empty_database, folders.load(), statement_timeout_ms=100)
    assert await columns(empty_database) == []


async def test_limits_of_a_migration_do_not_stay_with_the_connection(
    empty_database: Database, folders: Folders
) -> None:
    await migrations.migrate(empty_database, folders.load(), lock_timeout_ms=100, statement_timeout_ms=5_000)
    shown = [(await empty_database.sql(f"show {name}"))[0][0] for name in ("lock_timeout", "statement_timeout")]
    assert shown == ["10s", "1min"]


async def test_an_older_release_leaves_a_newer_schema_alone(empty_database: Database, folders: Folders) -> None:
    older = folders.load("1.0.0")
    folders.write("0002_word.sql", TWO)
    folders.write("twice.sql", TWICE.replace("* 2", "* 3 - n"))
    await migrations.migrate(empty_database, folders.load("1.1.0"))
    found = await migrations.status(empty_database, older)
    assert (found.ahead, found.newer_release, found.current) == ((2,), "1.1.0", True)
    report = await migrations.migrate(empty_database, older)
    assert (report.applied, report.functions) == ([], [])
    assert await columns(empty_database) == ["id", "word"]


async def test_a_node_that_does_not_migrate_refuses_a_database_that_is_behind(empty_database: Database) -> None:
    with pytest.raises(SchemaBehind, match="onhand db migrate"):
        await migrations.require_current(empty_database)


@pytest.mark.parametrize(
    ("name", "sql"),
    [("0003_gap.sql", ONE), ("0002-dash.sql", ONE), ("0002_own.sql", "BEGIN;\nselect 1;\nCOMMIT;")],
)
def test_a_file_that_breaks_the_form_is_refused(folders: Folders, name: str, sql: str) -> None:
    folders.write(name, sql)
    with pytest.raises(StoreFault, match=name):
        folders.load()


async def test_the_shipped_migrations_make_the_schema_that_is_written_down(database: Database) -> None:
    """When this fails after a change of yours: './dev schema' writes schema.txt anew; commit it with the change."""
    assert await schema.described(database) == schema.PATH.read_text()


@pytest.mark.parametrize("choice", ["wheel", "system"])
async def test_every_supported_server_makes_the_same_schema(data_root: Path, choice: str) -> None:
    require_server(choice)
    assert await schema.regenerated(data_root / "data", choice=choice) == schema.PATH.read_text()


async def test_the_text_of_a_schema_shows_each_kind_of_change(empty_database: Database, folders: Folders) -> None:
    await migrations.migrate(empty_database, folders.load())
    before = await schema.described(empty_database)
    changes = [
        "alter table onhand.thing add n int not null default 1",
        "alter table onhand.thing add constraint small check (n < 10)",
        "create index thing_n on onhand.thing (n) where n > 1",
        "create or replace function onhand.twice(n int) returns int language sql as 'select n + n'",
        "create type onhand.colour as enum ('red')",
        "create domain onhand.whole as int check (value >= 0)",
        "alter table onhand.thing alter n type bigint",
    ]
    for change in changes:
        await empty_database.sql(change)
        after = await schema.described(empty_database)
        assert after != before, change
        before = after


def test_copies_of_the_shipped_folders_load(tmp_path: Path) -> None:
    shutil.copytree(migrations.STORE / "migrations", tmp_path / "m")
    assert migrations.load(tmp_path / "m").migrations == migrations.shipped().migrations
