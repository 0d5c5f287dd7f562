"""Who the hub is at Vendure: checks that tell causes apart, sessions that end, passwords that change."""

from __future__ import annotations

import pytest

from onhand.connectors.vendure.connector import Vendure
from onhand.sdk import AnswerLost, Delivered, ReadFailed, StockUpdate, Transient, Unauthorised, Unreachable
from tests.connectors.vendure.conftest import Hub, Shop


async def test_a_check_finds_all_in_order(shop: Shop, vendure: Vendure) -> None:
    checked = await vendure.check()
    assert (checked.state, checked.missing) == ("ok", ())
    assert checked.partner.startswith("Vendure, channel ")


async def test_a_check_tells_unreachable_unauthorised_and_under_privileged_apart(shop: Shop, hub: Hub) -> None:
    vendure = hub.connector()
    await shop.under_privilege()
    checked = await vendure.check()
    assert (checked.state, set(checked.missing)) == (
        "under_privileged",
        {"UpdateOrder", "UpdateCatalog|UpdateProduct"},
    )
    await shop.under_privilege(False)
    assert (await vendure.check()).state == "ok"
    hub.secret.write_text('{"username": "onhand@example.com", "password": "wrong"}')
    assert (await vendure.check()).state == "unauthorised"
    hub.secret.unlink()
    assert (await vendure.check()).state == "unauthorised"
    hub.secret.write_text(shop.credentials())
    await shop.stop()
    assert (await vendure.check()).state == "unreachable"


async def test_a_wrong_channel_or_address_is_a_matter_of_configuration(shop: Shop, hub: Hub) -> None:
    wrong = hub.connector(channel_token="nobody")  # noqa: S106
    assert (await wrong.check()).state == "unauthorised"
    shop.url = shop.url.replace("admin-api", "elsewhere")
    checked = await hub.connector().check()
    assert (checked.state, "base_url" in checked.detail) == ("unreachable", True)
    with pytest.raises(ReadFailed) as failed:
        await hub.connector().read("orders", None, limit=1)
    assert isinstance(failed.value.outcome, Transient)


async def test_what_the_account_may_not_do_is_not_the_messages_fault(shop: Shop, hub: Hub) -> None:
    sku = shop.add_goods(on_hand=0)
    vendure = hub.connector()
    await shop.under_privilege()
    (outcome,) = await vendure.publish([StockUpdate(listing=sku, sku=sku, quantity=1)], key="k")
    assert isinstance(outcome, Unauthorised)


async def test_a_password_that_changes_is_used_with_the_next_call(shop: Shop, hub: Hub) -> None:
    vendure = hub.connector()
    await vendure.read("orders", None, limit=1)
    await shop.rotate_secret()
    hub.secret.write_text(shop.credentials())
    await vendure.read("orders", None, limit=1)


async def test_a_session_that_has_ended_is_begun_anew(shop: Shop, hub: Hub) -> None:
    sku = shop.add_goods(on_hand=0)
    vendure = hub.connector()
    await vendure.read("orders", None, limit=1)
    await shop.end_sessions()
    (outcome,) = await vendure.publish([StockUpdate(listing=sku, sku=sku, quantity=1)], key="k")
    assert isinstance(outcome, Delivered)


async def test_no_password_and_no_token_shows_anywhere(shop: Shop, hub: Hub) -> None:
    vendure = hub.connector()
    await vendure.read("orders", None, limit=1)
    secret = hub.secret.read_text()
    await shop.stop()
    with pytest.raises((Unreachable, AnswerLost)) as caught:
        await vendure.read("orders", None, limit=1)
    for text in (str(caught.value), repr(caught.value), repr(vendure)):
        assert "password" not in text
        assert secret not in text


async def test_discovery_names_channels_locations_and_goods(shop: Shop, vendure: Vendure) -> None:
    sku = shop.add_goods(on_hand=1)
    found = await vendure.discover()
    assert {one.kind for one in found} == {"channel", "location", "item"}
    assert [one.code for one in found if one.kind == "item"] == [sku]
    assert [one.code for one in found if one.kind == "location"] == [shop.location]
