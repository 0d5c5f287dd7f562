"""Who we are at Tryton: what a check tells apart, what discovery finds, and sessions that end."""

from __future__ import annotations

import pytest

from onhand.connectors.tryton.fake import Fake
from onhand.sdk import ReadFailed, Unauthorised
from tests.connectors.tryton import seed
from tests.connectors.tryton.conftest import Hub
from tests.connectors.tryton.trade import FakeTrade, Trade


async def test_a_user_of_sales_and_stock_can_do_all_that_is_claimed(hub: Hub) -> None:
    found = await hub.connector().check()
    assert (found.state, found.partner) == ("ok", "Tryton 8.2")


async def test_a_wrong_password_is_told_from_a_server_that_is_not_there(hub: Hub) -> None:
    hub.write_secret(hub.trade.secret[0], "not-the-password")
    assert (await hub.connector().check()).state == "unauthorised"
    assert (await hub.connector(url="http://127.0.0.1:9").check()).state == "unreachable"
    assert (await hub.connector(database="no_such_database").check()).state == "unreachable"


async def test_a_user_without_groups_is_under_privileged_and_the_check_names_what_is_missing(hub: Hub) -> None:
    if isinstance(hub.trade, FakeTrade):
        await hub.trade.fake.under_privilege()
    else:
        hub.write_secret(*seed.CLERK)
    found = await hub.connector().check()
    assert found.state == "under_privileged"
    assert "read stock.move" in found.missing
    assert "create sale.sale" in found.missing
    assert "read product.product" not in found.missing
    with pytest.raises(ReadFailed) as failed:
        await hub.connector().read("moves", None, limit=10)
    assert isinstance(failed.value.outcome, Unauthorised)


async def test_discovery_finds_warehouses_units_and_items(hub: Hub, sku: str) -> None:
    await hub.trade.item(sku, "Assam")
    found = await hub.connector().discover()
    assert {each.code for each in found if each.kind == "location"} >= {"WH", "WEST"}
    assert "u" in {each.code for each in found if each.kind == "unit"}
    assert (sku, "Assam") in {(each.code, each.name) for each in found if each.kind == "item"}


async def test_a_session_that_has_ended_is_opened_anew_within_the_same_call(hub: Hub, sku: str) -> None:
    connector = hub.connector()
    await connector.read("items", None, limit=1)
    await hub.trade.end_sessions()
    await hub.trade.item(sku, "Darjeeling")
    page = await connector.read("items", None, limit=500)
    assert sku.encode() in b"".join(message.body for message in page.messages)


async def test_what_a_connector_shows_of_itself_holds_no_secret(trade: Trade, hub: Hub) -> None:
    connector = hub.connector()
    await connector.check()
    session = vars(vars(connector)["_client"])["_session"]
    assert trade.secret[1] not in repr(session)
    assert "Session(***)" in repr(session)


async def test_a_fake_forgets_nothing_when_it_stops() -> None:
    async with Fake(seed=1) as fake:
        fake.trade.item("KEPT", "Kept")
    async with fake:
        assert fake.trade.product("KEPT")["code"] == "KEPT"
