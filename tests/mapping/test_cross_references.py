"""Cross references in the database, what nodes remember of them, and the one function that mappings ask."""

from __future__ import annotations

import asyncio

import pytest

from onhand.app.cross_references import CrossReference, CrossReferences, CrossReferencesInvalid, Kind, lookups
from onhand.domain.network import Location, Network, Status, System, Unit
from onhand.store.cross_references import PostgresCrossReferences
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database


def row(theirs: str, ours: str, *, kind: Kind = "item", main: bool = False) -> CrossReference:
    return CrossReference(system="shop", kind=kind, theirs=theirs, ours=ours, main=main)


@pytest.fixture
def one(database: Database) -> PostgresCrossReferences:
    return PostgresCrossReferences(database, Directory(database))


@pytest.fixture
def other(database: Database) -> PostgresCrossReferences:
    """The memory of another node on the same database."""
    return PostgresCrossReferences(database, Directory(database))


async def test_another_node_learns_of_each_change_at_its_next_refresh(
    one: PostgresCrossReferences, other: PostgresCrossReferences
) -> None:
    await one.put("shop", [row("A", "TEA"), row("B", "TEA")], who="t")
    assert other.look_up("shop")("item", "A") is None
    assert await other.refresh()
    assert other.look_up("shop")("item", "A") == "TEA"
    assert not await other.refresh()
    await one.put("shop", [row("A", "CUP")], who="t")
    await one.remove("shop", [("item", "B")], who="t")
    assert await other.refresh()
    assert [other.look_up("shop")("item", code) for code in ("A", "B")] == ["CUP", None]
    assert other.look_up("erp")("item", "A") is None


async def test_the_main_code_is_sent_and_else_the_first_by_its_letters(
    one: PostgresCrossReferences, other: PostgresCrossReferences
) -> None:
    async def sent() -> str | None:
        await other.refresh()
        return other.look_up_theirs("shop")("item", "TEA")

    await one.put("shop", [row("B", "TEA"), row("A", "TEA")], who="t")
    assert await sent() == "A"
    await one.put("shop", [row("B", "TEA", main=True)], who="t")
    assert await sent() == "B"
    await one.put("shop", [row("C", "TEA", main=True)], who="t")
    assert await sent() == "C", "one main code at most"
    await one.remove("shop", [("item", "C")], who="t")
    assert await sent() == "A"
    await one.put("shop", [row("A", "CUP"), row("B", "CUP")], who="t")
    assert await sent() is None
    await one.put("shop", [row("X", "TEA", main=True), row("Y", "TEA", main=True)], who="t")
    assert await sent() == "Y", "of two in one go the later one"


async def test_what_is_there_already_is_not_written_again(database: Database, one: PostgresCrossReferences) -> None:
    rows = [row(f"{n:05}", f"SKU-{n}") for n in range(2_000)]
    assert await one.put("shop", rows, who="t") == 2_000
    assert await one.put("shop", rows, who="t") == 0
    assert await one.put("shop", [*rows[:10], row("00000", "OTHER")], who="t") == 1
    assert len([each async for each in CrossReferences(one).rows(system="shop")]) == 2_000


async def test_nodes_that_write_at_once_lose_nothing_and_every_reader_sees_it_all(
    one: PostgresCrossReferences, other: PostgresCrossReferences, database: Database
) -> None:
    reader = PostgresCrossReferences(database, Directory(database))

    async def write(node: PostgresCrossReferences, name: str) -> None:
        for number in range(20):
            await node.put("shop", [row(f"{name}{number}", "TEA")], who=name)
            await reader.refresh()

    await asyncio.gather(write(one, "a"), write(other, "b"))
    await reader.refresh()
    known = reader.look_up("shop")
    assert all(known("item", f"{name}{number}") == "TEA" for name in "ab" for number in range(20))


async def test_too_many_are_refused_and_nothing_is_kept(
    one: PostgresCrossReferences, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onhand.store.cross_references.ROWS_MAX", 3)
    await one.put("shop", [row("A", "X"), row("B", "X")], who="t")
    with pytest.raises(CrossReferencesInvalid, match="more than 3"):
        await one.put("shop", [row("C", "X"), row("D", "X")], who="t")
    await one.refresh()
    assert one.look_up("shop")("item", "C") is None


NETWORK = Network(
    systems={"shop": System(code="shop", kind="storefront")},
    locations={"vienna": Location(code="vienna", kind="warehouse")},
    statuses={
        "hold": Status(code="hold", sellable=False, translations={"shop": ("BLOCKED", "LOCKED")}),
    },
    units={"carton": Unit(code="carton", translations={"shop": ("CT", "KRT")}), "each": Unit(code="each")},
)


async def test_one_function_answers_for_statuses_units_and_cross_references(one: PostgresCrossReferences) -> None:
    await one.put(
        "shop", [row("A-1", "TEA"), row("0001", "vienna", kind="location"), row("17", "C", kind="customer")], who="t"
    )
    await one.refresh()
    ours = lookups(NETWORK, one, "shop")
    asked = [
        ("status", "BLOCKED"), ("status", "hold"), ("status", "NEW"), ("unit", "KRT"), ("unit", "each"),
        ("unit", "PAL"),
        ("item", "A-1"), ("item", "A-9"), ("location", "0001"), ("location", "vienna"), ("location", "9"),
        ("customer", "17"), ("customer", "C"),
    ]  # fmt: skip
    assert [ours(*each) for each in asked] == [
        "hold", "hold", None, "carton", "each", None, "TEA", None, "vienna", "vienna", None, "C", None,
    ]  # fmt: skip
    theirs = lookups(NETWORK, one, "shop", outbound=True)
    asked = [
        ("status", "hold"),
        ("status", "available"),
        ("unit", "carton"),
        ("unit", "each"),
        ("item", "TEA"),
        ("location", "vienna"),
    ]
    assert [theirs(*each) for each in asked] == ["BLOCKED", None, "CT", None, "A-1", "0001"]
