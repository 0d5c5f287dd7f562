"""Query files: their form, and every shipped query held to what PostgreSQL says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from onhand.store.postgres import queries
from onhand.store.postgres.driver import Database, Session
from onhand.store.postgres.queries import BadQueryFile, Column, Query


def parsed(text: str) -> list[Query]:
    return list(queries.parse(text, area="area", origin="area.sql"))


def test_a_header_declares_name_inputs_outputs_and_safety() -> None:
    (query,) = parsed(
        "-- query: one\n-- in: a numeric(12,2),\n-- in: b bigint[]\n-- out: c text\n-- retry: safe\nselect 1;\n"
    )
    assert query.name == "area.one"
    assert query.inputs == (Column("a", "numeric(12,2)"), Column("b", "bigint[]"))
    assert query.outputs == (Column("c", "text"),)
    assert query.retry_safe
    assert query.sql == "-- area.one\nselect 1"


def test_a_comment_inside_a_statement_stays_there() -> None:
    (query,) = parsed("-- query: one\nselect 1\n-- in: this is prose\n, 2")
    assert query.inputs == ()
    assert "prose" in query.sql


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("select 1", "before the first"),
        ("-- query: one\n-- in: a int", "a statement"),
        ("-- query: One\nselect 1", "snake_case"),
        ("-- query: one\n-- in: a\nselect 1", "a name and a type"),
        ("-- query: one\n-- retry: maybe\nselect 1", "only be 'safe'"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(BadQueryFile, match=reason) as caught:
        parsed(text)
    assert str(caught.value).startswith("area.sql:1")


def test_a_name_declared_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "area.sql").write_text("-- query: one\nselect 1\n-- query: one\nselect 2\n")
    with pytest.raises(BadQueryFile, match="twice"):
        queries.load(tmp_path)


async def differences(session: Session, query: Query) -> list[str]:
    """What the header of `query` says differently from PostgreSQL."""
    statement = await session.prepare(query.sql)
    said: dict[str, list[tuple[str | None, str]]] = {
        "in": [(None, column.type) for column in query.inputs],
        "out": [(column.name, column.type) for column in query.outputs],
    }
    real: dict[str, list[tuple[str | None, int]]] = {
        "in": [(None, kind.oid) for kind in statement.get_parameters()],
        "out": [(attribute.name, attribute.type.oid) for attribute in statement.get_attributes()],
    }
    found = []
    for side, declared in said.items():
        oids = [(name, (await session.sql("select to_regtype($1)::oid", kind))[0][0]) for name, kind in declared]
        if oids != real[side]:
            names = [(n, (await session.sql("select format_type($1, null)", oid))[0][0]) for n, oid in real[side]]
            found.append(f"{query.origin} {query.name}: '{side}' says {declared}, PostgreSQL says {names}")
    return found


async def test_every_shipped_query_declares_what_postgresql_says(database: Database) -> None:
    async with database.acquire() as session:
        found = [problem for query in queries.shipped() for problem in await differences(session, query)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "header",
    ["-- in: a text\n-- out: n int", "-- in: a int\n-- out: n bigint", "-- in: a int\n-- out: m int", "-- out: n int"],
)
async def test_a_header_that_lies_is_found(empty_database: Database, header: str) -> None:
    (query,) = parsed(f"-- query: one\n{header}\nselect $1::int as n")
    async with empty_database.acquire() as session:
        assert await differences(session, query) != []
