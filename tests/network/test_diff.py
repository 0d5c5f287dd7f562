"""Differences between networks: exact, complete, and enough to get from one to the other."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.domain.endpoint import Endpoint
from onhand.domain.feed import Feed, Statement
from onhand.domain.network import (
    EMPTY,
    Channel,
    ChannelGroup,
    ItemsPolicy,
    Location,
    LocationGroup,
    Network,
    Policies,
    QuantityRules,
    RingFence,
    Status,
    System,
    Unit,
)
from onhand.domain.network_diff import Change, changed, differences, impossible, successor
from onhand.domain.network_effects import Effects, Flip, Silenced, effects

CODES = st.sampled_from(["A", "B", "c.1", "d-2"])
SKUS = st.sampled_from(["SKU", "sku", "a b", "x/y.z", "茶"])
QUANTITIES = st.integers(0, 5)
ANYTHING = st.recursive(
    st.none() | st.booleans() | QUANTITIES | SKUS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(SKUS, inner, max_size=2),
    max_leaves=4,
)
RULES = st.builds(
    QuantityRules,
    default=st.none() | QUANTITIES,
    by_sku=st.dictionaries(SKUS, QUANTITIES, max_size=2),
    by_category=st.dictionaries(SKUS, QUANTITIES, max_size=2),
)
TRANSLATIONS = st.dictionaries(CODES, st.tuples(SKUS), max_size=2)


def by_code(part: Any, **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Dicts of a part of the network under its own code."""
    parts = st.builds(part, code=CODES, **fields)
    return st.lists(parts, max_size=3).map(lambda found: {each.code: each for each in found})


NETWORKS = st.builds(
    Network,
    systems=by_code(System, kind=st.sampled_from(["erp", "wms"]), sources=st.tuples(SKUS), retired=st.booleans()),
    locations=by_code(
        Location,
        kind=st.sampled_from(["warehouse", "store"]),
        latitude=st.none() | st.just(1.5),
        priority=QUANTITIES,
        retired=st.booleans(),
    ),
    location_groups=by_code(LocationGroup, locations=st.tuples(CODES)),
    statuses=by_code(Status, sellable=st.booleans(), translations=TRANSLATIONS),
    channels=by_code(
        Channel,
        kind=st.sampled_from(["desk", "edi"]),
        sells_from=st.lists(CODES, min_size=1, max_size=3, unique=True).map(tuple),
        safety_stock=RULES,
        max_listed=RULES,
        retired=st.booleans(),
    ),
    channel_groups=by_code(ChannelGroup, channels=st.tuples(CODES)),
    ring_fences=st.lists(
        st.builds(RingFence, group=CODES, sku=SKUS, location=CODES, quantity=st.integers(1, 5)),
        max_size=4,
        unique_by=lambda fence: fence.key,
    ).map(tuple),
    authority=st.dictionaries(st.sampled_from(["*", "order.*", "receipt.posted"]), st.tuples(CODES), max_size=2),
    units=by_code(Unit, translations=TRANSLATIONS),
    items_policy=st.builds(ItemsPolicy, base_uom=CODES),
    endpoints=by_code(Endpoint, system=CODES, settings=st.dictionaries(CODES, ANYTHING, max_size=2)),
    feeds=by_code(Feed, endpoint=CODES, stream=CODES, statement=st.builds(Statement, lag_s=QUANTITIES)),
    mappings=st.dictionaries(CODES, ANYTHING, max_size=2),
    policies=st.builds(Policies, earliest_date=st.sampled_from([datetime.date(2000, 1, 1), datetime.date(2020, 5, 1)])),
)


@given(old=NETWORKS, new=NETWORKS)
def test_the_differences_carried_out_on_the_old_give_the_new(old: Network, new: Network) -> None:
    assert changed(old, differences(old, new)) == new


@given(network=NETWORKS)
def test_a_network_does_not_differ_from_itself(network: Network) -> None:
    assert differences(network, network) == ()
    assert effects(network, network) == Effects()


@given(old=NETWORKS, new=NETWORKS)
def test_there_and_back_again_changes_nothing(old: Network, new: Network) -> None:
    there = changed(old, differences(old, new))
    assert changed(there, differences(new, old)) == old


@given(old=NETWORKS, new=NETWORKS)
def test_differences_survive_the_way_through_json(old: Network, new: Network) -> None:
    changes = differences(old, new)
    carried = msgspec.json.decode(msgspec.json.encode(changes), type=tuple[Change, ...])
    assert changed(old, carried) == new


@given(running=NETWORKS, declared=NETWORKS)
def test_a_second_application_of_the_same_files_finds_nothing_to_do(running: Network, declared: Network) -> None:
    applied = successor(running, declared)
    assert differences(applied, successor(applied, declared)) == ()


@given(running=NETWORKS, declared=NETWORKS)
def test_nothing_that_was_in_use_is_ever_deleted(running: Network, declared: Network) -> None:
    applied = successor(running, declared)
    for section in ("systems", "locations", "statuses", "channels"):
        before, after, stated = (getattr(network, section) for network in (running, applied, declared))
        assert before.keys() | stated.keys() == after.keys()
        for code, part in after.items():
            assert part == stated[code] if code in stated else part.retired
    assert not any(status.sellable for code, status in applied.statuses.items() if code not in declared.statuses)


def shop(**more: Any) -> Network:
    """A network with one channel that sells from two places."""
    places = {code: Location(code=code, kind="warehouse") for code in ("E", "W")}
    web = Channel(code="web", kind="storefront", sells_from=("E", "W"))
    desk = Channel(code="desk", kind="desk", sells_from=("E",))
    parts: dict[str, Any] = {"locations": places, "channels": {"web": web, "desk": desk}}
    return Network(**(parts | more))


def with_channel(network: Network, code: str, **fields: Any) -> Network:
    channel = msgspec.structs.replace(network.channels[code], **fields)
    return msgspec.structs.replace(network, channels={**network.channels, code: channel})


def test_a_change_names_the_very_value_and_no_more() -> None:
    old = with_channel(shop(), "web", safety_stock=QuantityRules(default=1, by_sku={"A": 1, "B.2": 2}))
    new = with_channel(shop(), "web", safety_stock=QuantityRules(default=1, by_sku={"A": 1, "B.2": 3}))
    (change,) = differences(old, new)
    assert change.path == ("channels", "web", "safety_stock", "by_sku", "B.2")
    assert (change.old, change.new, change.action) == (2, 3, "change")


@pytest.mark.parametrize(
    ("old", "new", "action"),
    [
        (Network(), shop(channels={}, locations={"E": Location(code="E", kind="store")}), "add"),
        (Network(units={"each": Unit(code="each")}), Network(), "remove"),
        (shop(), successor(shop(), shop(channels={"web": shop().channels["web"]})), "retire"),
        (successor(shop(), shop(channels={"web": shop().channels["web"]})), shop(), "bring_back"),
        (Network(), Network(policies=Policies(future_tolerance_s=5)), "change"),
        (Network(), Network(authority={"*": ("erp",)}), "add"),
        (Network(authority={"*": ("erp",)}), Network(authority={"*": ()}), "change"),
    ],
)
def test_a_change_says_what_it_is_to_a_person(old: Network, new: Network, action: str) -> None:
    (change,) = differences(old, new)
    assert change.action == action


def test_a_ring_fence_is_the_same_one_when_only_its_quantity_changes() -> None:
    def fenced(quantity: int) -> Network:
        return shop(ring_fences=(RingFence(group="web", sku="a b/c", location="E", quantity=quantity),))

    (change,) = differences(fenced(3), fenced(4))
    assert change.field == ("quantity",)
    assert (change.old, change.new) == (3, 4)


def test_a_status_that_is_no_longer_declared_stops_being_sellable() -> None:
    old = shop(statuses={"outlet": Status(code="outlet", sellable=True)})
    new = successor(old, shop())
    assert effects(old, new).flips == (Flip(status="outlet", sellable=False),)
    assert set(effects(old, new).channels) == {"web", "desk"}


@pytest.mark.parametrize(
    ("new", "concerned"),
    [
        (with_channel(shop(), "web", safety_stock=QuantityRules(default=1)), {"web"}),
        (with_channel(shop(), "web", max_listed=QuantityRules(default=1)), {"web"}),
        (with_channel(shop(), "web", floor_to_selling_unit=True), {"web"}),
        (with_channel(shop(), "web", min_remaining_life_days=1), {"web"}),
        (with_channel(shop(), "web", sells_from=("E",)), {"web"}),
        (with_channel(shop(), "web", sells_from=("W", "E")), set()),
        (with_channel(shop(), "web", name="Other"), set()),
        (with_channel(shop(), "web", retired=True), {"web"}),
        (shop(ring_fences=(RingFence(group="web", sku="A", location="E", quantity=1),)), {"web", "desk"}),
        (shop(ring_fences=(RingFence(group="web", sku="A", location="W", quantity=1),)), {"web"}),
        (shop(statuses={"returned": Status(code="returned", sellable=True)}), {"web", "desk"}),
        (shop(statuses={"new": Status(code="new", sellable=False)}), set()),
    ],
)
def test_the_blast_radius_names_the_channels_whose_numbers_can_change(new: Network, concerned: set[str]) -> None:
    assert set(effects(shop(), new).channels) == concerned


def test_a_channel_that_opens_or_closes_is_named_with_that_reason() -> None:
    assert effects(EMPTY, shop()).channels["web"] == ("it begins to sell",)
    assert effects(shop(), successor(shop(), EMPTY)).channels["web"] == ("it sells no more",)


def test_systems_that_lose_their_say_are_named() -> None:
    systems = {code: System(code=code, kind="wms") for code in ("a", "b")}
    old, new = Network(systems=systems), Network(systems=systems, authority={"receipt.posted": ("b",)})
    assert effects(old, new).silenced == (Silenced(event_type="receipt.posted", systems=("a",)),)
    assert effects(new, old).silenced == ()


def test_a_place_cannot_turn_from_physical_to_virtual_or_back() -> None:
    store, supplier = (Network(locations={"X": Location(code="X", kind=kind)}) for kind in ("store", "supplier"))
    warehouse = Network(locations={"X": Location(code="X", kind="warehouse")})
    assert impossible(store, supplier) == ("Location 'X' is a store and cannot become a supplier.",)
    assert len(impossible(supplier, store)) == 1
    assert impossible(store, warehouse) == ()


def test_a_group_cannot_take_the_code_of_something_that_was_in_use() -> None:
    declared = shop(
        channels={},
        channel_groups={"web": ChannelGroup(code="web", channels=("x",))},
        location_groups={"N": LocationGroup(code="N", locations=("E",))},
    )
    running = shop(locations={**shop().locations, "N": Location(code="N", kind="store")})
    assert len(impossible(running, successor(running, declared))) == 2
    assert impossible(EMPTY, successor(EMPTY, declared)) == ()
