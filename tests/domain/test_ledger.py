"""What each type of event does to the ledger, and what makes one refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from onhand.domain.admission import Admission
from onhand.domain.effects import Effects, Known
from onhand.domain.fact import REMEDIES, Fact, Refused
from onhand.domain.item import Component, Item
from onhand.domain.ledger import decide, reservation_number
from onhand.domain.network import Location, Network, Policies, Status, System, Unit
from onhand.domain.quantity import Units

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

NETWORK = Network(
    systems={
        "wms": System(code="wms", kind="wms", sources=("/wms/north",)),
        "erp": System(code="erp", kind="erp"),
    },
    locations={
        "A": Location(code="A", kind="warehouse"),
        "B": Location(code="B", kind="store"),
        "ACME": Location(code="ACME", kind="supplier"),
    },
    statuses={
        "hold": Status(code="hold", sellable=False, translations={"wms": ("BLK",)}),
        "open_box": Status(code="open_box", sellable=True),
    },
    authority={"receipt.posted": ("wms",)},
    units={"pair": Unit(code="pair", of="each", factor=2, translations={"wms": ("PR",)})},
    policies=Policies(earliest_date=date(2020, 1, 1)),
)
ITEMS = {
    "X": Item(id=1, sku="X", units=Units("each", {"case": 12, "pair": 2})),
    "LOT": Item(id=2, sku="LOT", lot_tracked=True),
    "SER": Item(id=3, sku="SER", serial_tracked=True),
    "KIT": Item(id=4, sku="KIT", kind="kit", components=(Component("X", 2),)),
    "WORK": Item(id=5, sku="WORK", kind="service"),
}
KNOWN = Known(NETWORK, ITEMS, frozenset({7}))


def fact(event_type: str, data: dict[str, Any]) -> Fact:
    return Fact(
        source="wms",
        id="1",
        type=event_type,
        version=1,
        system="wms",
        occurred_at=NOW,
        data=data,
        fingerprint=b"",
        body="{}",
    )


def effects(event_type: str, **data: Any) -> Effects:
    return decide(KNOWN, fact(event_type, data))


def legs(found: Effects) -> list[tuple[str, int, tuple[str, str], tuple[str, str]]]:
    return [(m.item.sku, m.quantity, m.origin, m.target) for m in found.movements]


def line(sku: str = "X", quantity: int = 5, **more: Any) -> dict[str, Any]:
    return {"sku": sku, "quantity": quantity, **more}


def refusal(event_type: str, **data: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        effects(event_type, **data)
    assert caught.value.reason in REMEDIES
    return caught.value


A, B = ("A", "available"), ("B", "available")


@pytest.mark.parametrize(
    ("event_type", "data", "expected"),
    [
        ("receipt.posted", {"location": "A"}, [("X", 5, ("supplier", "available"), A)]),
        ("receipt.posted", {"location": "A", "from": "ACME"}, [("X", 5, ("ACME", "available"), A)]),
        ("receipt.posted", {"location": "A", "status": "BLK"}, [("X", 5, ("supplier", "available"), ("A", "hold"))]),
        (
            "putaway.confirmed",
            {"location": "A", "from_status": "quality_check", "to_status": "available"},
            [("X", 5, ("A", "quality_check"), A)],
        ),
        (
            "status.changed",
            {"location": "A", "from_status": "available", "to_status": "damaged"},
            [("X", 5, A, ("A", "damaged"))],
        ),
        ("pick.confirmed", {"location": "A"}, [("X", 5, A, ("A", "picked"))]),
        ("shipment.confirmed", {"location": "A"}, [("X", 5, A, ("customer", "available"))]),
        (
            "shipment.confirmed",
            {"location": "A", "status": "picked"},
            [("X", 5, ("A", "picked"), ("customer", "available"))],
        ),
        ("pack.confirmed", {"location": "A"}, []),
        (
            "transfer.shipped",
            {"transfer": "T", "from_location": "A", "to_location": "B"},
            [("X", 5, A, ("transit", "in_transit"))],
        ),
        (
            "transfer.received",
            {"transfer": "T", "to_location": "B"},
            [("X", 5, ("transit", "in_transit"), B)],
        ),
        ("return.received", {"location": "A"}, [("X", 5, ("customer", "available"), ("A", "returned"))]),
        ("order.cancelled", {"order": "O"}, []),
    ],
)
def test_each_type_moves_between_its_two_places(
    event_type: str, data: dict[str, Any], expected: list[tuple[str, int, tuple[str, str], tuple[str, str]]]
) -> None:
    assert legs(effects(event_type, **data, lines=[line()])) == expected


def test_an_adjustment_goes_by_its_sign_and_keeps_the_status_on_both_sides() -> None:
    found = effects("adjustment.posted", location="A", status="damaged", reason="r", lines=[line(quantity=-3), line()])
    assert legs(found) == [
        ("X", 3, ("A", "damaged"), ("adjustment", "damaged")),
        ("X", 5, ("adjustment", "damaged"), ("A", "damaged")),
    ]


def test_a_count_moves_nothing_by_itself_and_adds_up_lines_of_the_same_place() -> None:
    found = effects("count.posted", location="A", lines=[line(quantity=4), line(quantity=0), line(quantity=6)])
    assert not found.movements
    assert [(c.item.sku, c.quantity, c.place) for c in found.counts] == [("X", 10, A)]


def test_kits_are_assembled_from_and_broken_into_what_the_fact_states() -> None:
    parts = [{"sku": "X", "quantity": 2}]
    bench = ("adjustment", "available")
    assembled = effects("kit.assembled", location="A", sku="KIT", quantity=3, components=parts)
    broken = effects("kit.broken", location="A", sku="KIT", quantity=3, components=parts)
    assert legs(assembled) == [("KIT", 3, bench, A), ("X", 6, A, bench)]
    assert legs(broken) == [("KIT", 3, A, bench), ("X", 6, bench, A)]
    assert refusal("kit.assembled", location="A", sku="X", quantity=1, components=parts).reason == "kit_invalid"


def test_units_are_the_items_own_or_the_networks_and_partners_may_name_them_their_way() -> None:
    assert legs(effects("receipt.posted", location="A", lines=[line(uom="case", quantity=2)]))[0][1] == 24
    assert legs(effects("receipt.posted", location="A", lines=[line(uom="PR", quantity=2)]))[0][1] == 4
    assert refusal("receipt.posted", location="A", lines=[line(uom="barrel")]).reason == "unknown_unit"
    assert (
        refusal("receipt.posted", location="A", lines=[line(uom="case", quantity=10**12)]).reason
        == "quantity_out_of_range"
    )


def test_goods_of_a_reservation_use_up_its_claims_only_when_they_leave_a_sellable_status() -> None:
    shipped = effects("shipment.confirmed", location="A", reservation_id="res_7", lines=[line()])
    assert [(c.reservation, c.item.sku, c.location, c.quantity) for c in shipped.consumptions] == [(7, "X", "A", 5)]
    picked = effects("pick.confirmed", location="A", reservation_id="res_7", lines=[line()])
    assert len(picked.consumptions) == 1
    after_pick = effects("shipment.confirmed", location="A", status="picked", reservation_id="res_7", lines=[line()])
    assert not after_pick.consumptions
    assert (
        refusal("shipment.confirmed", location="A", reservation_id="res_8", lines=[line()]).reason
        == "unknown_reservation"
    )


def test_lots_are_needed_where_the_item_is_kept_by_lot_and_set_aside_where_it_is_not() -> None:
    by_lot = effects("receipt.posted", location="A", lines=[line("LOT", lot="L1", expiry="2027-01-31")])
    assert (by_lot.movements[0].lot, by_lot.movements[0].expiry) == ("L1", date(2027, 1, 31))
    assert effects("receipt.posted", location="A", lines=[line(lot="L1")]).movements[0].lot is None
    assert refusal("receipt.posted", location="A", lines=[line("LOT")]).reason == "lot_missing"


def test_serials_move_one_by_one_and_must_be_as_many_as_the_units() -> None:
    found = effects("receipt.posted", location="A", lines=[line("SER", 2, serials=["s1", "s2"])])
    assert [(m.quantity, m.serial) for m in found.movements] == [(1, "s1"), (1, "s2")]
    assert refusal("receipt.posted", location="A", lines=[line("SER", 2, serials=["s1"])]).reason == "serials_mismatch"
    assert (
        refusal("receipt.posted", location="A", lines=[line("SER", 2, serials=["s1", "s1"])]).reason
        == "serials_mismatch"
    )


def test_allocations_harden_a_reservation_or_stand_alone_and_are_taken_back_by_their_opposite() -> None:
    held = effects("allocation.created", location="A", reservation_id="res_7", lines=[line()])
    assert [(a.reservation, a.quantity) for a in held.allocations] == [(7, 5)]
    own = effects("allocation.released", location="A", order="SO-1", lines=[line()])
    assert [(a.reservation, a.reference, a.quantity) for a in own.allocations] == [(None, "SO-1", -5)]


def test_supply_is_stated_by_orders_notices_and_statements_and_taken_off_by_receipts() -> None:
    order = effects(
        "purchase_order.placed", purchase_order="PO", location="A", lines=[line(line_id="1", due_date="2026-07-01")]
    )
    assert [(s.kind, s.reference, s.line_id, s.due_date) for s in order.supplies] == [
        ("purchase_order", "PO", "1", date(2026, 7, 1))
    ]
    notice = effects("asn.received", asn="N", location="A", due_date="2026-07-02", lines=[line()])
    assert [(s.kind, s.line_id, s.due_date) for s in notice.supplies] == [("asn", "1", date(2026, 7, 2))]
    stated = effects(
        "supply.changed",
        reference="S",
        location="A",
        lines=[line(quantity=0, due_date="2026-07-03", reliability_percent=50)],
    )
    assert [(s.quantity, s.reliability_percent) for s in stated.supplies] == [(0, 50)]
    receipt = effects("receipt.posted", location="A", purchase_order="PO", asn="N", lines=[line()])
    assert [(a.kind, a.reference, a.quantity, a.purchase_order) for a in receipt.arrivals] == [("asn", "N", 5, "PO")]
    by_order = effects("receipt.posted", location="A", purchase_order="PO", lines=[line()])
    assert [(a.kind, a.reference, a.quantity) for a in by_order.arrivals] == [("purchase_order", "PO", 5)]


@pytest.mark.parametrize(
    ("event_type", "data", "reason"),
    [
        ("receipt.posted", {"location": "A", "lines": [line("NOPE")]}, "unknown_item"),
        ("receipt.posted", {"location": "NOWHERE", "lines": [line()]}, "unknown_location"),
        ("receipt.posted", {"location": "customer", "lines": [line()]}, "not_physical"),
        ("receipt.posted", {"location": "A", "from": "B", "lines": [line()]}, "not_physical"),
        ("receipt.posted", {"location": "A", "status": "shiny", "lines": [line()]}, "unknown_status"),
        ("receipt.posted", {"location": "A", "lines": [line("WORK")]}, "not_stocked"),
        (
            "status.changed",
            {"location": "A", "from_status": "hold", "to_status": "BLK", "lines": [line()]},
            "nowhere_to_go",
        ),
        ("order.accepted", {"order": "O", "channel": "moon", "lines": [line()]}, "unknown_channel"),
        ("price.changed", {"sku": "NOPE", "price": "1", "currency": "EUR"}, "unknown_item"),
        ("item.status_changed", {"sku": "NOPE", "status": "blocked"}, "unknown_item"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_reason(event_type: str, data: dict[str, Any], reason: str) -> None:
    assert refusal(event_type, **data).reason == reason


def envelope(source: str = "wms", event_type: str = "receipt.posted", at: datetime = NOW) -> str:
    return Admission(NETWORK, NOW).system_of(source, event_type, at)


def test_a_source_speaks_for_the_system_that_declared_it() -> None:
    assert envelope("wms") == envelope("/wms/north") == "wms"
    with pytest.raises(Refused, match="No system declares"):
        envelope("/wms/south")


@pytest.mark.parametrize("event_type", ["shipment.confirmed", "reservation.released"])
def test_nobody_may_speak_in_the_name_of_the_hub(event_type: str) -> None:
    with pytest.raises(Refused, match="is the hub itself") as caught:
        envelope("onhand", event_type)
    assert caught.value.reason == "unauthorised_source"


def test_only_those_who_may_state_a_type_are_heard() -> None:
    with pytest.raises(Refused) as caught:
        envelope("erp")
    assert caught.value.reason == "unauthorised_source"
    assert envelope("erp", "adjustment.posted") == "erp"


@pytest.mark.parametrize(
    "at", [datetime(2026, 6, 3, tzinfo=UTC), datetime(2019, 12, 31, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)]
)
def test_impossible_dates_are_refused(at: datetime) -> None:
    with pytest.raises(Refused) as caught:
        envelope(at=at)
    assert caught.value.reason == "impossible_date"


@pytest.mark.parametrize("external", ["7", "res_", "res_x", "res_-1", "res_١", "res_" + "9" * 19, "RES_7"])
def test_what_is_no_reservation_id_is_refused(external: str) -> None:
    with pytest.raises(Refused):
        reservation_number(external)
