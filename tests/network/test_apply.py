"""Versions of the network in a real database: applied whole or not at all, shown again, rolled back."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

import msgspec
import pytest

from onhand.app import apply_network as use
from onhand.app.example import example_network_files
from onhand.app.network_files import NetworkInvalid
from onhand.domain.errors import InvalidInput, NotFound
from onhand.store.network import PostgresNetworkStore
from onhand.store.postgres.driver import Database
from tests.network.reading import BASE

FILES = {"base.yaml": BASE}
CHANGED = {"base.yaml": BASE.replace("[EAST, WEST]", "[EAST]")}
FENCED = {**FILES, "f.yaml": "ring_fences:\n- {group: web, sku: A, location: EAST, quantity: 7}\n"}


@pytest.fixture
def store(database: Database) -> PostgresNetworkStore:
    return PostgresNetworkStore(database)


async def apply(store: PostgresNetworkStore, files: dict[str, str], message: str = "") -> int:
    version = await use.apply_network(store, await use.plan_network(store, files), who="ada", message=message)
    assert version is not None
    return version.version


async def codes(database: Database, table: str, *, where: str = "true") -> set[str]:
    return {row[0] for row in await database.sql(f"select code from {table} where {where}")}  # noqa: S608


async def test_before_the_first_version_nothing_is_in_force(store: PostgresNetworkStore) -> None:
    assert await store.current() is None
    assert await use.list_versions(store) == []
    assert (await use.plan_network(store, FILES)).base == 0


async def test_a_version_is_shown_again_byte_for_byte(store: PostgresNetworkStore) -> None:
    files = {"ä/ß.yaml": '\ufeff# 🫖 \\u0041 "quoted"\t\r\n' + BASE, "z.yaml": "# only a comment, no line end"}
    before = datetime.now(UTC)
    assert await apply(store, files, message="The first — with ü") == 1
    version = await use.show_version(store, 1)
    assert version.files == files
    assert (version.applied_by, version.message) == ("ada", "The first — with ü")
    assert before <= version.applied_at <= datetime.now(UTC)
    assert version.network == (await use.plan_network(store, files)).network
    assert re.fullmatch("[0-9a-f]{64}", version.fingerprint)


async def test_a_second_plan_after_applying_is_empty_and_applies_nothing(store: PostgresNetworkStore) -> None:
    await apply(store, example_network_files())
    again = await use.plan_network(store, example_network_files())
    assert again.empty
    assert await use.apply_network(store, again, who="ada") is None
    assert [line.version for line in await use.list_versions(store)] == [1]


async def test_files_with_a_mistake_change_nothing(store: PostgresNetworkStore) -> None:
    with pytest.raises(NetworkInvalid):
        await use.plan_network(store, {"a.yaml": BASE + "chanels: {}\n"})
    assert await store.current() is None


async def test_a_plan_is_refused_once_another_version_came_into_force(store: PostgresNetworkStore) -> None:
    stale = await use.plan_network(store, FENCED)
    await apply(store, FILES)
    with pytest.raises(use.PlanOutOfDate) as caught:
        await use.apply_network(store, stale, who="bob")
    assert caught.value.facts == {"base": 0}
    assert [line.version for line in await use.list_versions(store)] == [1]


async def test_of_many_who_apply_at_once_one_wins_and_the_others_are_told(store: PostgresNetworkStore) -> None:
    plans = [await use.plan_network(store, files) for files in (FILES, CHANGED, FENCED, FILES)]
    results = await asyncio.gather(
        *(use.apply_network(store, plan, who="ada") for plan in plans), return_exceptions=True
    )
    assert sum(isinstance(result, use.PlanOutOfDate) for result in results) == 3
    assert [line.version for line in await use.list_versions(store)] == [1]


async def test_codes_get_ids_that_stay_theirs_over_every_version(
    store: PostgresNetworkStore, database: Database
) -> None:
    await apply(store, FILES)
    ids = {table: await database.sql(f"select code, id from {table} order by 1") for table in ("location", "channel")}  # noqa: S608
    shrunk = BASE.replace("  market: {kind: marketplace, sells_from: [EAST]}\n", "").replace(
        "  SHOP: {kind: store}\n", ""
    )
    await apply(store, {"base.yaml": shrunk})
    assert await codes(database, "channel", where="retired") == {"market"}
    assert await codes(database, "location", where="retired") == {"SHOP"}
    await apply(store, FILES)
    for table, known in ids.items():
        assert await database.sql(f"select code, id from {table} order by 1") == known  # noqa: S608
        assert await codes(database, table, where="retired") == set()


async def test_what_is_no_longer_declared_is_retired_and_stays_known(store: PostgresNetworkStore) -> None:
    await apply(store, FILES)
    await apply(store, {"base.yaml": BASE.replace("  wms: {kind: wms}\n", "")})
    current = await store.current()
    assert current is not None
    assert current.network.systems["wms"].retired
    assert not current.network.may_state("wms", "receipt.posted")


async def test_rolling_back_is_a_new_version_with_the_old_files(store: PostgresNetworkStore) -> None:
    await apply(store, FILES)
    await apply(store, CHANGED)
    version = await use.rollback(store, 1, who="bob")
    assert version is not None
    assert (version.version, version.message, version.applied_by) == (3, "Roll back to version 1", "bob")
    assert (await use.show_version(store, 3)).files == FILES
    assert version.fingerprint == (await use.show_version(store, 1)).fingerprint
    assert [line.version for line in await use.list_versions(store)] == [3, 2, 1]


async def test_rolling_back_past_an_addition_retires_what_was_added(store: PostgresNetworkStore) -> None:
    await apply(store, FILES)
    await apply(store, {**FILES, "n.yaml": "locations:\n  NORTH: {kind: store}\n"})
    plan = await use.plan_rollback(store, 1)
    assert [(change.code, change.action) for change in plan.changes] == [("NORTH", "retire")]
    await use.apply_network(store, plan, who="ada")
    assert (await use.plan_network(store, FILES)).empty


async def test_rolling_back_to_what_is_in_force_does_nothing(store: PostgresNetworkStore) -> None:
    await apply(store, FILES)
    assert await use.rollback(store, 1, who="ada") is None


@pytest.mark.parametrize("number", [0, -1, 2, 2**31, 10**30])
async def test_a_version_that_never_was_is_not_found(store: PostgresNetworkStore, number: int) -> None:
    await apply(store, FILES)
    with pytest.raises(NotFound):
        await use.show_version(store, number)
    with pytest.raises(NotFound):
        await use.rollback(store, number, who="ada")


async def test_versions_come_in_pages_the_newest_first(store: PostgresNetworkStore) -> None:
    for files in (FILES, CHANGED, FILES, CHANGED, FILES):
        await apply(store, files)
    first = await use.list_versions(store, limit=2)
    rest = await use.list_versions(store, before=first[-1].version, limit=10)
    assert [line.version for line in (*first, *rest)] == [5, 4, 3, 2, 1]
    assert await use.list_versions(store, before=-5) == []
    assert len(await use.list_versions(store, before=10**20)) == 5
    for limit in (0, 1001):
        with pytest.raises(InvalidInput):
            await use.list_versions(store, limit=limit)


@pytest.mark.parametrize(("who", "message"), [("ada", "x" * 501), ("ada", "a\0b"), ("a\0", "")])
async def test_a_message_that_cannot_be_kept_is_refused(store: PostgresNetworkStore, who: str, message: str) -> None:
    plan = await use.plan_network(store, FILES)
    with pytest.raises(InvalidInput):
        await use.apply_network(store, plan, who=who, message=message)


async def test_a_place_cannot_change_what_it_is(store: PostgresNetworkStore) -> None:
    await apply(store, FILES)
    with pytest.raises(use.ChangeRefused, match="'SHOP' is a store"):
        await use.plan_network(store, {"base.yaml": BASE.replace("SHOP: {kind: store}", "SHOP: {kind: supplier}")})


async def add_item(database: Database, sku: str) -> int:
    rows = await database.sql(
        "insert into item (sku, kind, base_uom, stated_at, stated_by, status_at, status_by)"
        " values ($1, 'stock', 'each', now(), 't', now(), 't') returning id",
        sku,
    )
    return int(rows[0][0])


async def pool(database: Database, item: int) -> list[tuple[int, int]]:
    rows = await database.sql("select on_hand, fenced from stock where item_id = $1 order by location_id", item)
    return [tuple(row) for row in rows]


async def test_ring_fences_come_and_go_with_the_network(store: PostgresNetworkStore, database: Database) -> None:
    item = await add_item(database, "A")
    await apply(store, FENCED)
    assert await pool(database, item) == [(0, 7)]
    await apply(store, {**FENCED, "f.yaml": FENCED["f.yaml"].replace("7", "9")})
    assert await pool(database, item) == [(0, 9)]
    await apply(store, FILES)
    assert await pool(database, item) == [(0, 0)]


async def test_stock_becomes_sellable_and_unsellable_with_its_status(
    store: PostgresNetworkStore, database: Database
) -> None:
    await apply(store, FILES)
    item = await add_item(database, "A")
    await database.sql(
        "insert into balance (item_id, location_id, status_id, quantity, moved_at)"
        " select $1, l.id, s.id, case s.code when 'available' then 5 else 3 end, now() from location l, status s"
        " where l.code = 'EAST' and s.code in ('available', 'returned')",
        item,
    )
    await database.sql("select refill_pools(null)")
    assert await pool(database, item) == [(5, 0)]
    await apply(store, {**FILES, "s.yaml": "statuses:\n  returned: {sellable: true}\n"})
    assert await pool(database, item) == [(8, 0)]
    await apply(store, {**FILES, "s.yaml": "statuses:\n  available: {sellable: false}\n"})
    assert await pool(database, item) == [(0, 0)]
    await use.rollback(store, 1, who="ada")
    assert await pool(database, item) == [(5, 0)]


async def test_an_older_release_reads_a_model_with_fields_that_it_does_not_know(store: PostgresNetworkStore) -> None:
    await apply(store, FILES)
    current = await store.current()
    assert current is not None
    newer = msgspec.to_builtins(current.network)
    newer["channels"]["web"]["something_new"] = 1
    newer["a_new_section"] = {}
    assert msgspec.convert(newer, type(current.network)) == current.network
