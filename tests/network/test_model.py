"""The lookups of a network: who is meant, who may speak, where a channel sells from, what is withheld."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from onhand.domain.network import (
    EMPTY,
    HUB,
    Channel,
    ChannelGroup,
    Location,
    LocationGroup,
    Network,
    QuantityRules,
    RingFence,
    Status,
    System,
    Unit,
)


def place(code: str, **more: object) -> Location:
    return msgspec.convert({"code": code, "kind": "warehouse", **more}, Location)


def channel(code: str, *sells_from: str, **more: object) -> Channel:
    return msgspec.convert({"code": code, "kind": "desk", "sells_from": sells_from, **more}, Channel)


def network(**parts: Any) -> Network:
    by_code: dict[str, Any] = {k: {p.code: p for p in v} if isinstance(v, list) else v for k, v in parts.items()}
    return Network(**by_code)


def test_virtual_locations_and_canonical_statuses_are_in_every_network() -> None:
    assert set(EMPTY.locations) == {"supplier", "customer", "transit", "adjustment"}
    assert not any(each.physical for each in EMPTY.locations.values())
    assert [code for code, status in EMPTY.statuses.items() if status.sellable] == ["available"]
    assert "picked" in EMPTY.statuses


def test_what_the_network_says_of_a_canonical_status_wins() -> None:
    changed = network(statuses=[Status(code="returned", sellable=True)])
    assert changed.statuses["returned"].sellable
    assert changed.statuses["available"].sellable


def test_a_source_means_the_system_with_that_code_or_that_address() -> None:
    net = network(systems=[System(code="erp", kind="erp", sources=("urn:erp",))])
    assert net.system_of("erp") is net.system_of("urn:erp") is net.system("erp")
    assert net.system_of("ERP") is None
    assert net.system_of(HUB) is None


def test_an_address_follows_the_system_that_is_in_use() -> None:
    net = network(
        systems=[
            System(code="new", kind="erp", sources=("urn:erp",)),
            System(code="old", kind="erp", sources=("urn:erp",), retired=True),
        ]
    )
    found = net.system_of("urn:erp")
    assert found is not None
    assert found.code == "new"


@pytest.mark.parametrize(
    ("authority", "system", "event_type", "may"),
    [
        ({}, "erp", "receipt.posted", True),
        ({}, "nobody", "receipt.posted", False),
        ({}, "old", "receipt.posted", False),
        ({"*": ("erp",)}, "wms", "receipt.posted", False),
        ({"*": ("erp",)}, "erp", "receipt.posted", True),
        ({"receipt.posted": ("wms",)}, "erp", "receipt.posted", False),
        ({"receipt.posted": ("wms",)}, "erp", "count.posted", True),
        ({"receipt.posted": ("wms",), "*": ()}, "wms", "count.posted", False),
        ({"order.*": ("wms",), "*": ("erp",)}, "wms", "order.accepted", True),
        ({"order.*": ("wms",), "*": ("erp",)}, "erp", "order.accepted", False),
        ({"order.*": ("wms",), "order.accepted": ("erp",)}, "wms", "order.accepted", False),
        ({"*": ("erp",)}, "erp", "reservation.created", False),
        ({}, HUB, "reservation.created", True),
        ({"*": ()}, HUB, "receipt.posted", True),
    ],
)
def test_the_most_exact_entry_decides_who_may_state_a_type(
    authority: dict[str, tuple[str, ...]], system: str, event_type: str, *, may: bool
) -> None:
    systems = [
        System(code="erp", kind="erp"),
        System(code="wms", kind="wms"),
        System(code="old", kind="wms", retired=True),
    ]
    assert network(systems=systems, authority=authority).may_state(system, event_type) is may


def test_a_translation_wins_over_the_canonical_code_and_both_are_understood() -> None:
    net = network(
        statuses=[
            Status(code="hold", sellable=False, translations={"wms": ("available", "B")}),
            Status(code="gone", sellable=False, translations={"wms": ("G",)}, retired=True),
        ]
    )

    def code(system: str, partner: str) -> str | None:
        found = net.status_from(system, partner)
        return None if found is None else found.code

    assert code("wms", "B") == "hold"
    assert code("wms", "available") == "hold"
    assert code("erp", "available") == "available"
    assert code("erp", "B") is None
    assert code("wms", "G") is None


def test_units_are_translated_or_passed_on() -> None:
    net = network(units=[Unit(code="each", translations={"erp": ("ST",)})])
    assert net.unit_from("erp", "ST") == "each"
    assert net.unit_from("wms", "ST") == "ST"
    assert net.unit("each") is not None


@pytest.mark.parametrize(
    ("sourcing", "order"),
    [
        (["single_location"], ["C", "A", "B"]),
        (["single_location", "priority"], ["A", "C", "B"]),
        (["cost"], ["B", "C", "A"]),
        (["priority", "cost"], ["A", "C", "B"]),
        (["nearest", "cost"], ["B", "C", "A"]),
    ],
)
def test_locations_come_in_sourcing_order_and_ties_as_declared(sourcing: list[str], order: list[str]) -> None:
    net = network(
        locations=[place("A", priority=1), place("B", priority=9, cost=1), place("C", priority=9, cost=1)],
        location_groups=[LocationGroup(code="g", locations=("A", "B"))],
        channels=[channel("c", "C", "g", sourcing=sourcing)],
    )
    expected = {"priority": ["A", "C", "B"], "cost": ["C", "B", "A"]}
    leading = next((rule for rule in sourcing if rule in expected), None)
    assert [each.code for each in net.locations_of("c")] == (expected[leading] if leading else order)


def test_a_channel_sells_from_nowhere_that_is_retired_and_not_at_all_when_retired_itself() -> None:
    net = network(
        locations=[place("A"), place("B", retired=True)],
        channels=[channel("c", "A", "B"), channel("d", "A", retired=True)],
    )
    assert [each.code for each in net.locations_of("c")] == ["A"]
    assert net.locations_of("d") == net.locations_of("unknown") == ()
    assert net.locations_in("B") == ()


@pytest.mark.parametrize(
    ("sku", "category", "quantity"), [("A", "fragile", 9), ("B", "fragile", 4), ("B", "solid", 2), ("B", None, 2)]
)
def test_the_sku_decides_before_the_category_and_the_category_before_the_default(
    sku: str, category: str | None, quantity: int
) -> None:
    rules = QuantityRules(default=2, by_category={"fragile": 4}, by_sku={"A": 9})
    net = network(channels=[msgspec.structs.replace(channel("c", "X"), safety_stock=rules, max_listed=rules)])
    assert net.safety_stock("c", sku, category) == quantity
    assert net.max_listed("c", sku, category) == quantity


def test_a_rule_of_nought_for_a_sku_is_a_rule() -> None:
    rules = QuantityRules(default=5, by_sku={"A": 0})
    net = network(channels=[msgspec.structs.replace(channel("c", "X"), safety_stock=rules)])
    assert net.safety_stock("c", "A") == 0


def test_without_rules_nothing_is_withheld_and_nothing_capped() -> None:
    net = network(channels=[channel("c", "X")])
    assert net.safety_stock("c", "A", "x") == net.safety_stock("unknown", "A") == 0
    assert net.max_listed("c", "A") is net.max_listed("unknown", "A") is None


def test_ring_fences_belong_to_the_channel_or_to_its_group() -> None:
    net = network(
        channels=[channel(code, "X") for code in ("a", "b", "c")],
        channel_groups=[ChannelGroup(code="g", channels=("a", "b"))],
        ring_fences=(
            RingFence(group="g", sku="S", location="X", quantity=1),
            RingFence(group="c", sku="S", location="X", quantity=1),
        ),
    )
    assert [net.fence_group_of(code) for code in ("a", "b", "c", "d")] == ["g", "g", "c", None]
    assert net.channel_group_of("a") is net.channel_groups["g"]
    assert net.channel_group_of("c") is None


def test_a_name_is_the_code_where_none_is_given() -> None:
    assert place("A").name == channel("c", "A").name.upper().replace("C", "A") == "A"
