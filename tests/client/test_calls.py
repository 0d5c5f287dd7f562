"""Every call of the client against the API: what goes in, what comes out, and which error is which type."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime

import msgspec
import pytest

from onhand.app import answers
from onhand.client import (
    AsyncClient,
    Client,
    EventsRejected,
    Forbidden,
    InsufficientStock,
    Invalid,
    NotFound,
    RequestIdReused,
    ReservationClosed,
    Unauthorised,
    models,
)
from onhand.client.errors import _BY_CODE
from onhand.http.error_catalogue import catalogue
from onhand.http.events import NothingAccepted
from tests.http.conftest import receipt
from tests.http.stand_in import StandIn

LINES = [{"sku": "TEA-001", "quantity": 3}]


async def test_a_reservation_is_made_read_and_used(client: AsyncClient, hub: StandIn) -> None:
    made = await client.reserve(channel="web", lines=LINES, request_id="o-1", expires_in_s=60)
    assert made.granted
    assert made.lines[0].sources == (models.Source(location="DC", quantity=3),)
    assert made.expires_at == datetime(2026, 11, 23, 8, 1, tzinfo=UTC)
    assert (await client.reserve(channel="web", lines=LINES, request_id="o-1", expires_in_s=60)).replayed
    assert await client.reservation(made.reservation_id) == made
    assert [entry.verb for entry in await client.reservation_log(made.reservation_id)] == ["create"]
    assert (await client.extend(made.reservation_id, expires_in_s=120)).expires_at is not None
    assert (await client.change(made.reservation_id, lines=LINES)).lines[0].requested == 3
    assert (await client.transfer(made.reservation_id, channel="shop")).channel == "shop"
    assert (await client.fulfil(made.reservation_id, lines=[{"line_id": "1", "quantity": 3}])).state == "fulfilled"
    assert [each.request_id async for each in client.reservations()] == ["o-1"]


async def test_a_verb_done_twice_under_one_key_is_done_once(client: AsyncClient) -> None:
    made = await client.reserve(channel="web", lines=LINES)
    await client.release(made.reservation_id, key="k")
    assert (await client.release(made.reservation_id, key="k")).replayed
    with pytest.raises(ReservationClosed):
        await client.release(made.reservation_id)
    with pytest.raises(RequestIdReused):
        await client.extend(made.reservation_id, expires_in_s=5, key="k")


async def test_refusals_are_typed(client: AsyncClient, url: str, hub: StandIn) -> None:
    with pytest.raises(InsufficientStock) as short:
        await client.reserve(channel="web", lines=[{"sku": "TEA-001", "quantity": 50}], request_id="o-2")
    assert short.value.lines == [models.LineShortfall(line_id="1", sku="TEA-001", requested=50, available=10, short=40)]
    assert not short.value.replayed
    with pytest.raises(RequestIdReused):
        await client.reserve(channel="web", lines=LINES, request_id="o-2")
    with pytest.raises(NotFound):
        await client.reservation("res_9")
    with pytest.raises(Invalid) as invalid:
        await client.reserve(channel="web", lines=[{"sku": "TEA-001", "quantity": 0}])
    assert (invalid.value.status, invalid.value.pointer) == (422, "/lines/0/quantity")
    assert invalid.value.request_id.startswith("req_")
    async with AsyncClient(url, key="ohk_wrong") as other:
        with pytest.raises(Unauthorised):
            await other.locations()
    async with AsyncClient(url, key=hub.keys.add("ohk_reader", "stock:read")) as other:
        with pytest.raises(Forbidden):
            await other.reserve(channel="web", lines=LINES)


async def test_events_are_sent_in_parts_and_answered_in_order(
    client: AsyncClient, hub: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onhand.client.limits.EVENTS_PER_CALL", 2)
    events = [receipt("a"), receipt("b"), receipt("a"), receipt("c", sku="NEW"), receipt("d", quantity=0)]
    outcomes = await client.send(iter(events))
    assert [(each.id, each.outcome) for each in outcomes] == [
        ("a", "applied"), ("b", "applied"), ("a", "duplicate"), ("c", "quarantined"), ("d", "rejected"),
    ]  # fmt: skip
    assert hub.calls == ["record"] * 3
    assert await client.send([]) == []
    assert (await client.event("wms", "a")).seq == 1
    assert [event.id async for event in client.events(type="receipt.posted")] == ["a", "b"]


async def test_large_events_are_cut_by_bytes(
    client: AsyncClient, hub: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onhand.client.limits.EVENTS_BYTES_PER_CALL", 400)
    outcomes = await client.send(receipt(str(number)) for number in range(6))
    assert [each.id for each in outcomes] == [str(number) for number in range(6)]
    assert len(hub.calls) > 1


async def test_availability_takes_any_number_of_skus(client: AsyncClient) -> None:
    rows = await client.availability("web", (f"S{number}" for number in range(2_500)))
    assert [row.sku for row in rows] == [f"S{number}" for number in range(2_500)]
    assert not rows[0].known
    assert (await client.availability("web", ["TEA-001"]))[0].quantity == 10


async def test_iterators_go_through_all_pages(
    client: AsyncClient, hub: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onhand.client.limits.PAGE_ROWS", 7)
    hub.stock = {f"S{number:02}": number for number in range(20)}
    assert [row.sku async for row in client.balances()] == sorted(hub.stock)
    assert [row.sku async for row in client.items(query="S1")] == [f"S{number}" for number in range(10, 20)]
    assert [row async for row in client.movements(sku="S01")] == []


@pytest.mark.parametrize("sku", ["🫖 tea/pot", "a//b", "a%2Fb", "a?b#c&d+e", "."])
async def test_any_sku_can_be_asked_for(client: AsyncClient, hub: StandIn, sku: str) -> None:
    hub.stock[sku] = 1
    assert (await client.item(sku)).sku == sku
    assert [row.sku async for row in client.balances(sku=sku)] == [sku]


async def test_the_rest_of_the_calls(client: AsyncClient) -> None:
    assert {row["code"] for row in await client.channels()} == {"web"}
    assert "DC" in {row["code"] for row in await client.locations()}
    assert (await client.network())["version"] == 1
    assert (await client.ready())["status"] == "ready"
    await client.send([receipt("x", sku="NEW"), receipt("y", sku="NEW")])
    assert [fact.event["id"] async for fact in client.quarantine(reason="unknown_item")] == ["x", "y"]
    assert (await client.discard_quarantined(2, note="twice")).state == "discarded"
    assert [each.outcome for each in await client.release_quarantine(ids=[1])] == ["applied"]
    made = await client.create_key(client="shop", scopes=["stock:read"])
    assert (await client.rotate_key(made.key.id)).secret != made.secret
    assert (await client.revoke_key(made.key.id)).revoked_at is not None
    assert len(await client.keys()) == 2


def test_the_sync_client_has_every_call_of_the_async_one() -> None:
    calls = {name for name, _ in inspect.getmembers(AsyncClient, inspect.isfunction) if not name.startswith("_")}
    for name in calls:
        assert hasattr(Client, name), name
        assert getattr(Client, name).__doc__


MODELS = {
    models.Source: answers.Source, models.ReservedLine: answers.LineAnswer,
    models.Reservation: answers.ReservationAnswer, models.LineShortfall: answers.LineShortfall,
    models.ReservationLogEntry: answers.ReservationLogEntry, models.EventOutcome: answers.EventOutcome,
    models.AvailabilityTerm: answers.AvailabilityTerm, models.PromiseOnDate: answers.PromiseOnDate,
    models.Availability: answers.Availability, models.Balance: answers.BalanceRow,
    models.Movement: answers.MovementRow, models.Event: answers.EventRow, models.Item: answers.ItemRow,
    models.QuarantinedFact: answers.QuarantineRow, models.Key: answers.KeyRow,
}  # fmt: skip


@pytest.mark.parametrize(("mine", "theirs"), MODELS.items(), ids=lambda each: each.__name__)
def test_the_models_have_the_members_of_the_answers(mine: type[msgspec.Struct], theirs: type[msgspec.Struct]) -> None:
    def members(kind: type[msgspec.Struct]) -> dict[str, tuple[bool, object]]:
        return {each.name: (each.required, each.default) for each in msgspec.structs.fields(kind)}

    assert members(mine) == members(theirs)


def test_a_newer_servers_members_are_ignored() -> None:
    key = b'{"id": 1, "client": "c", "prefix": "p", "scopes": [], "created_at": "2026-01-01T00:00:00Z", "new": 1}'
    assert msgspec.json.decode(key, type=models.Key).id == 1


def test_codes_with_a_type_of_their_own_are_codes_of_the_server() -> None:
    assert NothingAccepted.code in _BY_CODE
    assert set(_BY_CODE) <= set(catalogue())
    assert _BY_CODE["events_rejected"] is EventsRejected
