"""What recorded messages of a real Tryton become, and what the hub's words become for Tryton."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from onhand.connectors.tryton.sales import Cancellation, Order, Return
from onhand.domain.mapping import MappingFailed
from tests.connectors.tryton.conftest import FOLDER
from tests.connectors.tryton.facts import mapped

SAMPLES = FOLDER / "samples"
TYPES = {
    "receipt": "receipt.posted", "putaway": "putaway.confirmed", "pick": "pick.confirmed",
    "shipment": "shipment.confirmed", "return": "return.received", "transfer-out": "transfer.shipped",
    "transfer-in": "transfer.received", "loss": "adjustment.posted", "loss-cancelled": "adjustment.posted",
    "rezone": "status.changed",
}  # fmt: skip


def sample(name: str, **changes: Any) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode((SAMPLES / f"{name}.json").read_bytes()), **changes})


@pytest.mark.parametrize("path", sorted((SAMPLES / "moves").glob("*.json")), ids=lambda path: path.stem)
def test_each_recorded_move_is_one_event_that_keeps_its_contract(path: Path) -> None:
    (event,) = mapped("moves", path.read_bytes())
    assert event.type == TYPES[path.stem]
    assert event.data["lines"] == [
        {"sku": "TEA-001", "quantity": event.data["lines"][0]["quantity"], "uom": "u"},
    ]
    assert event.id == f"move-{msgspec.json.decode(path.read_bytes())['key']}"


def test_every_meaning_of_a_move_has_a_rule() -> None:
    within = {"type": "storage", "code": "X", "name": "X", "warehouse": "WH", "zone": "storage"}
    for means in (
        "receipt", "return", "shipment", "putaway", "pick", "rezone", "transfer_out", "transfer_in", "gain", "loss",
        "output", "consumption", "supplier_return",
    ):  # fmt: skip
        body = sample("moves/receipt", means=means, to=within, way={"from": "WH", "to": "WEST"}, **{"from": within})
        (event,) = mapped("moves", body)
        assert event.type


def test_a_move_that_nobody_can_explain_fails_with_its_place() -> None:
    with pytest.raises(MappingFailed) as failed:
        mapped("moves", sample("moves/receipt", means="unexplained"))
    assert "means" in str(failed.value)


def test_what_is_cancelled_goes_back_with_a_reason_of_its_own() -> None:
    (lost,), (found) = mapped("moves", sample("moves/loss")), mapped("moves", sample("moves/loss-cancelled"))
    assert (lost.data["reason"], lost.data["lines"][0]["quantity"]) == ("Counted less or lost", -2)
    assert (found[0].data["reason"], found[0].data["lines"][0]["quantity"]) == ("Cancelled in Tryton", 2)
    assert found[0].id != lost.id


def test_an_item_states_its_units_where_they_are_whole() -> None:
    (tea,), (cup,) = mapped("items", sample("items/tea")), mapped("items", sample("items/sold-by-the-dozen"))
    assert tea.data["sku"] == "TEA-001"
    assert tea.data.get("uoms", []) == []
    assert (cup.data["uoms"], cup.data["selling_uom"]) == ([{"code": "dz", "factor": 12}], "dz")


def test_an_item_that_is_not_active_is_discontinued_and_a_new_version_is_another_event() -> None:
    (now,), (then,) = (
        mapped("items", sample("items/tea")),
        mapped("items", sample("items/tea", active=False, version="2")),
    )
    assert (now.data["status"], then.data["status"]) == ("active", "discontinued")
    assert now.id != then.id


def test_an_item_without_a_code_fails_and_says_where() -> None:
    with pytest.raises(MappingFailed) as failed:
        mapped("items", sample("items/tea", code=None))
    assert "code" in str(failed.value)


def test_a_snapshot_is_rows_by_warehouse_and_zone() -> None:
    (row,) = mapped("stock", sample("stock/sto"))
    assert row.type == "stock.stated"
    assert (row.data["sku"], row.data["location"], row.data["status"]) == ("TEA-001", "WH", "available")


def test_our_words_become_bodies_that_the_connector_reads() -> None:
    lines = [{"line_id": "1", "sku": "TEA-001", "quantity": 2, "uom": "u", "unit_price": "9.50"}]
    ours = {"order": "SO-1", "channel": "desk", "customer": "C-1", "location": "WH", "currency": "EUR", "lines": lines}
    (told,) = mapped("order_create", msgspec.json.encode(ours))
    order = msgspec.convert(told.data, Order)
    assert (order.order, order.customer, order.warehouse, order.currency) == ("SO-1", "C-1", "WH", "EUR")
    assert (order.lines[0].sku, order.lines[0].unit, order.lines[0].unit_price) == ("TEA-001", "u", "9.50")
    (told,) = mapped("return_create", msgspec.json.encode({"return": "R-1", "order": "SO-1", "lines": lines}))
    assert msgspec.convert(told.data, Return).reference == "R-1"
    (told,) = mapped("order_cancel", msgspec.json.encode({"order": "SO-1", "channel": "desk", "lines": lines}))
    assert msgspec.convert(told.data, Cancellation).order == "SO-1"
