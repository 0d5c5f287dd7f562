"""Mistakes between the parts of a network: names that refer to nothing, and parts that do not fit together."""

from __future__ import annotations

import pytest

from tests.network.reading import BASE, mistake, mistakes, read

FENCE = "ring_fences:\n- {{group: {group}, sku: A, location: {location}, quantity: 1}}\n"
GROUPED = (
    BASE + "location_groups:\n  all: {locations: [EAST, WEST]}\nchannel_groups:\n  online: {channels: [web, market]}\n"
)

CASES = [
    # systems
    ("systems:\n  onhand: {kind: erp}\n", "b.yaml:2:3", "'onhand'", "hub's own", None),
    (
        "systems:\n  crm: {kind: other, sources: [urn:x]}\n  tms: {kind: carrier, sources: [urn:x]}\n",
        "b.yaml:3:34",
        "'urn:x'",
        "system 'crm'",
        None,
    ),
    ("systems:\n  crm: {kind: other, sources: [erp]}\n", "b.yaml:2:32", "'erp'", "system 'erp'", None),
    ("systems:\n  crm: {kind: other, sources: [u, u]}\n", "b.yaml:2:35", "'u' again", "each entry once", None),
    # locations
    ("locations:\n  transit: {kind: transit}\n", "b.yaml:2:3", "'transit'", "by itself", None),
    (
        "locations:\n  N: {kind: store, timezone: Europe/Viena}\n",
        "b.yaml:2:30",
        "'Europe/Viena'",
        "IANA",
        "Europe/Vienna",
    ),
    ("locations:\n  N: {kind: store, latitude: 5}\n", "b.yaml:2:30", "latitude alone", "longitude as well", None),
    ("locations:\n  N: {kind: store, longitude: 5}\n", "b.yaml:2:31", "longitude alone", "latitude as well", None),
    # location groups
    ("location_groups:\n  g: {locations: [EAST, WSET]}\n", "b.yaml:2:25", "'WSET'", "warehouse or store", "WEST"),
    ("location_groups:\n  g: {locations: [EAST, EAST]}\n", "b.yaml:2:25", "'EAST' again", "once", None),
    ("location_groups:\n  g: {locations: [supplier]}\n", "b.yaml:2:19", "virtual", "warehouse or store", None),
    ("location_groups:\n  EAST: {locations: [WEST]}\n", "b.yaml:2:3", "'EAST'", "a_base.yaml:5:3", None),
    ("location_groups:\n  supplier: {locations: [WEST]}\n", "b.yaml:2:3", "'supplier'", "by itself", None),
    # statuses and units
    (
        "statuses:\n  hold: {translations: {wmz: [B]}}\n",
        "b.yaml:2:25",
        "'wmz'",
        "system that is declared",
        "wms",
    ),
    (
        "statuses:\n  hold: {translations: {wms: [B]}}\n  damaged: {translations: {wms: [D, B]}}\n",
        "b.yaml:3:37",
        "'B'",
        "it means 'hold' already",
        None,
    ),
    (
        "units:\n  each: {translations: {wms: [EA]}}\n  pack: {translations: {wms: [EA]}}\n",
        "b.yaml:3:31",
        "'EA'",
        "it means 'each' already",
        None,
    ),
    ("units:\n  dozen: {of: each}\n", "b.yaml:2:15", "of alone", "factor as well", None),
    ("units:\n  dozen: {factor: 12}\n", "b.yaml:2:19", "factor alone", "of as well", None),
    ("units:\n  dozen: {of: eech, factor: 12}\n", "b.yaml:2:15", "'eech'", "a unit that is declared", "each"),
    ("units:\n  loop: {of: loop, factor: 2}\n", "b.yaml:2:14", "'loop'", "does not consist of this", None),
    # channels
    (
        "channels:\n  c: {kind: desk, sells_from: [EST]}\n",
        "b.yaml:2:32",
        "'EST'",
        "location or location group",
        "WEST",
    ),
    ("channels:\n  c: {kind: desk, sells_from: [customer]}\n", "b.yaml:2:32", "virtual", "warehouse or store", None),
    ("channels:\n  c: {kind: desk, sells_from: [EAST, EAST]}\n", "b.yaml:2:38", "'EAST' again", "as itself", None),
    (
        "channels:\n  c: {kind: desk, sells_from: [EAST], system: epr}\n",
        "b.yaml:2:47",
        "'epr'",
        "system that is declared",
        "erp",
    ),
    (
        "channels:\n  c: {kind: desk, sells_from: [EAST], sourcing: [priority, priority]}\n",
        "b.yaml:2:60",
        "'priority' again",
        "once",
        None,
    ),
    (
        "channels:\n  c: {kind: desk, sells_from: [EAST], sourcing: [nearest]}\n",
        "b.yaml:2:50",
        "'nearest'",
        "none is known of EAST",
        None,
    ),
    (
        "channels:\n  c: {kind: desk, sells_from: [EAST], sourcing: [cost]}\n",
        "b.yaml:2:50",
        "'cost'",
        "a cost of",
        None,
    ),
    ("channels:\n  c: {kind: desk, sells_from: [EAST], latitude: 1}\n", "b.yaml:2:49", "alone", "as well", None),
    (
        "channels:\n  c: {kind: desk, sells_from: [EAST], reservation_max_s: 60}\n",
        "b.yaml:2:3",
        "900 seconds",
        "which is 60",
        None,
    ),
    (
        "channels:\n  c: {kind: desk, sells_from: [EAST], reservation_default_s: 61, reservation_max_s: 60}\n",
        "b.yaml:2:62",
        "61 seconds",
        "which is 60",
        None,
    ),
    # channel groups
    ("channel_groups:\n  g: {channels: [web, markt]}\n", "b.yaml:2:23", "'markt'", "channel that is", "market"),
    ("channel_groups:\n  web: {channels: [market]}\n", "b.yaml:2:3", "'web'", "a_base.yaml:9:3", None),
    (
        "channel_groups:\n  g: {channels: [web]}\n  h: {channels: [market, web]}\n",
        "b.yaml:3:26",
        "'web'",
        "belongs to 'g' already",
        None,
    ),
    # ring-fences
    (FENCE.format(group="wbe", location="EAST"), "b.yaml:2:11", "'wbe'", "channel or channel group", "web"),
    (FENCE.format(group="web", location="ESAT"), "b.yaml:2:34", "'ESAT'", "warehouse or store", "EAST"),
    (FENCE.format(group="web", location="transit"), "b.yaml:2:34", "virtual", "warehouse or store", None),
    (FENCE.format(group="market", location="WEST"), "b.yaml:2:37", "'WEST'", "that 'market' sells from: EAST", None),
    (
        FENCE.format(group="web", location="EAST") + "- {group: web, sku: A, location: EAST, quantity: 2}\n",
        "b.yaml:3:3",
        "same ring-fence",
        "b.yaml:2:3",
        None,
    ),
    # authority
    ("authority:\n  recepit.posted: [erp]\n", "b.yaml:2:3", "'recepit.posted'", "an event type", "receipt.posted"),
    ("authority:\n  stock.*: [erp]\n", "b.yaml:2:3", "'stock.*'", "a family", "pick.*"),
    ("authority:\n  reservation.created: [erp]\n", "b.yaml:2:3", "'reservation.created'", "hub's own", None),
    ("authority:\n  reservation.*: [erp]\n", "b.yaml:2:3", "'reservation.*'", "hub's own", None),
    ("authority:\n  order.*: [erp, wmss]\n", "b.yaml:2:18", "'wmss'", "system that is declared", "wms"),
    ("authority:\n  '*': [erp, erp]\n", "b.yaml:2:14", "'erp' again", "once", None),
]


@pytest.mark.parametrize(("text", "at", "found", "expected", "meant"), CASES)
def test_a_mistake_between_parts_is_told_with_its_place(
    text: str, at: str, found: str, expected: str, meant: str | None
) -> None:
    told = mistakes(text)[0]
    assert str(told.at) == at, str(told)
    assert found in told.found
    assert expected in told.expected
    assert told.suggestion == meant


@pytest.mark.parametrize(("text", "at", "found", "expected", "meant"), CASES)
def test_one_mistake_is_told_once(text: str, at: str, found: str, expected: str, meant: str | None) -> None:
    mistake(text)


def test_a_place_that_a_channel_sells_from_through_two_names_is_refused() -> None:
    told = mistake("channels:\n  c: {kind: desk, sells_from: [all, WEST]}\n", base=GROUPED)
    assert str(told.at) == "b.yaml:2:37"
    assert "through 'all'" in told.expected


def test_two_groups_that_overlap_cannot_both_be_sold_from() -> None:
    text = "location_groups:\n  east: {locations: [EAST]}\nchannels:\n  c: {kind: desk, sells_from: [all, east]}\n"
    assert "'EAST' again" in mistake(text, base=GROUPED).found


def test_groups_may_overlap_when_no_channel_sells_from_both() -> None:
    read("location_groups:\n  east: {locations: [EAST]}\n", base=GROUPED)


def test_a_channel_and_its_group_cannot_both_have_ring_fences() -> None:
    text = FENCE.format(group="online", location="EAST") + "- {group: web, sku: B, location: WEST, quantity: 1}\n"
    told = mistake(text, base=GROUPED)
    assert str(told.at) == "b.yaml:3:11"
    assert "'online'" in told.expected


def test_a_group_may_fence_where_only_one_of_its_channels_sells() -> None:
    assert read(FENCE.format(group="online", location="WEST"), base=GROUPED).fence_group_of("market") == "online"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("location_groups:\n  g: {locations: [OLD]}\n", "location_groups.g.locations[0]"),
        ("channels:\n  c: {kind: desk, sells_from: [OLD]}\n", "channels.c.sells_from[0]"),
        (FENCE.format(group="web", location="OLD"), "ring_fences[0].location"),
        (FENCE.format(group="past", location="EAST"), "ring_fences[0].group"),
        ("channel_groups:\n  g: {channels: [past]}\n", "channel_groups.g.channels[0]"),
        ("authority:\n  '*': [gone]\n", "authority.*[0]"),
        ("channels:\n  c: {kind: desk, sells_from: [EAST], system: gone}\n", "channels.c.system"),
    ],
)
def test_what_is_retired_cannot_be_used(text: str, where: str) -> None:
    base = BASE.replace("locations:\n", "locations:\n  OLD: {kind: store, retired: true}\n")
    base = base.replace("channels:\n", "channels:\n  past: {kind: desk, sells_from: [OLD], retired: true}\n")
    base = base.replace("systems:\n", "systems:\n  gone: {kind: erp, retired: true}\n")
    told = mistakes(text, base=base)[0]
    assert told.where == where
    assert "retired" in told.found


def test_a_circle_of_units_is_refused_at_each_of_its_units() -> None:
    told = mistakes("units:\n  a: {of: b, factor: 2}\n  b: {of: c, factor: 2}\n  c: {of: a, factor: 2}\n")
    assert [m.where for m in told] == ["units.a.of", "units.b.of", "units.c.of"]


def test_units_that_lead_into_a_circle_are_not_blamed_for_it() -> None:
    told = mistakes("units:\n  a: {of: b, factor: 2}\n  b: {of: b, factor: 2}\n")
    assert [m.where for m in told] == ["units.b.of"]


def test_a_family_and_the_wildcard_are_names_that_authority_knows() -> None:
    network = read("authority:\n  '*': []\n  order.*: [erp]\n  order.accepted: [wms]\n")
    assert network.may_state("wms", "order.accepted")
    assert not network.may_state("erp", "order.accepted")
    assert network.may_state("erp", "order.changed")
    assert not network.may_state("erp", "receipt.posted")


def test_a_field_that_cannot_be_read_is_not_reported_as_absent_too() -> None:
    mistake("locations:\n  N: {kind: store, latitude: 91, longitude: 0}\n")
    mistake("units:\n  dozen: {of: each, factor: 0}\n")
