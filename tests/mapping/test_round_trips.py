"""Out and back: what a mapping out writes, the mapping in reads as the same object."""

from __future__ import annotations

from datetime import date, time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from onhand.domain.mapping import CompiledMapping, Context, compile_mapping, round_trips
from tests.mapping import speed
from tests.mapping.mapped import CODES, RECEIVED

BACK = {kind: {ours: theirs for theirs, ours in codes.items()} for kind, codes in CODES.items()}
BOTH = Context(
    system="shop",
    look_up=lambda kind, code: CODES[kind].get(code),
    look_up_theirs=lambda kind, code: BACK[kind].get(code),
    received_at=RECEIVED,
)

OUT = {
    "direction": "out",
    "type": "order.create",
    "data": {
        "number": "order",
        "cents": {"each": "lines", "as": {"path": "unit_price", "number": True, "times": 100, "whole": True}},
        "items": {
            "each": "lines",
            "fields": {
                "code": {"path": "sku", "lookup": "item"},
                "dozens": {"path": "quantity", "over": 12},
                "price": {"path": "unit_price", "replace": {".": ","}},
                "due": {"path": "due", "format": {"form": "%d.%m.%Y %H:%M", "zone": "Europe/Vienna"}},
            },
        },
    },
}
IN: dict[str, Any] = {
    "type": "order.accepted",
    "id": "{number}",
    "data": {
        "order": "number",
        "lines": {
            "each": "items",
            "fields": {
                "sku": {"path": "code", "lookup": "item"},
                "quantity": {"path": "dozens", "times": 12},
                "unit_price": {"path": "price", "number": {"decimal": ","}, "amount": 2},
                "due": {
                    "path": "due",
                    "date": {"form": "%d.%m.%Y %H:%M", "zone": "Europe/Vienna"},
                    "format": {"form": "iso", "zone": "UTC"},
                },
            },
        },
    },
}


def both(inbound: dict[str, Any] = IN) -> tuple[CompiledMapping, CompiledMapping]:
    return compile_mapping(inbound, name="in"), compile_mapping(OUT, name="out")


lines = st.fixed_dictionaries(
    {
        "sku": st.sampled_from(["TEA-001", "TEA-002"]),
        "quantity": st.integers(min_value=0, max_value=10**9).map(lambda dozens: dozens * 3),
        "unit_price": st.integers(min_value=0, max_value=10**9).map(lambda cents: f"{cents // 100}.{cents % 100:02d}"),
        # From four in the morning on, no clock of the zone jumps.
        "due": st.tuples(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.times(time(4), time(23))).map(
            lambda at: f"{at[0]}T{at[1]:%H:%M}:00+00:00"
        ),
    }
)


@given(st.fixed_dictionaries({"order": st.just("SO-1"), "lines": st.lists(lines, min_size=1, max_size=4)}))
def test_an_order_that_goes_out_comes_back_the_same(order: dict[str, Any]) -> None:
    assert round_trips(*both(), order, BOTH) == []


def test_differences_are_told_place_by_place() -> None:
    order = {
        "order": "SO-1",
        "note": "fragile",
        "lines": [{"sku": "TEA-001", "quantity": 24, "unit_price": "1.00", "due": "2026-03-01T08:00:00+00:00"}],
    }
    forgetful = {
        **IN,
        "data": {**IN["data"], "lines": {"each": "items", "fields": {"sku": "code", "extra": {"value": 1}}}},
    }
    found = round_trips(*both(forgetful), order, BOTH)
    assert found == [
        "/note: expected 'fragile', is not there",
        "/lines/0/sku: expected 'TEA-001', is 'A-1'",
        "/lines/0/quantity: expected 24, is not there",
        "/lines/0/unit_price: expected '1.00', is not there",
        "/lines/0/due: expected '2026-03-01T08:00:00+00:00', is not there",
        "/lines/0/extra: is 1, was not expected",
    ]


def test_what_cannot_go_out_or_come_back_is_a_difference() -> None:
    assert "nothing stands here" in round_trips(*both(), {"order": "SO-1"}, BOTH)[0]
    silent = {**IN, "when": {"path": "number", "is": "other"}}
    order = {"order": "SO-1", "lines": []}
    assert round_trips(*both(silent), order, BOTH) == ["/: one document went out, 0 came back"]


def test_the_speed_is_measured_with_mappings_that_work() -> None:
    context = Context(system="shop", look_up=lambda _, code: code, received_at=RECEIVED)
    for specification in (speed.PLAIN, speed.REAL):
        (event,) = compile_mapping(specification, name="speed").apply(speed.DOCUMENT, context)
        assert [line["unit_price"] for line in event.data["lines"]] == ["7.95"] * 10
        assert [line["quantity"] for line in event.data["lines"]] == [3] * 10
