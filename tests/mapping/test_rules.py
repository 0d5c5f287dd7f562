"""Heads: where a value comes from."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from onhand.domain.mapping import MappingFailed
from tests.mapping.mapped import events, failure, mistake, mistakes, spec, value

DOCUMENT: dict[str, Any] = {
    "id": 7,
    "first": "Ada",
    "last": "",
    "price": Decimal("7.95"),
    "gift": True,
    "lines": [{"q": 2, "p": Decimal("1.10")}, {"q": 3, "p": Decimal("0.20")}],
}


def test_a_constant_stays_what_it_is() -> None:
    assert [value({"value": each}, {}) for each in ("web", 3, True, ["a", "b"])] == ["web", 3, True, ["a", "b"]]


def test_a_template_is_filled_with_single_values() -> None:
    assert value({"text": "no {id} at {price}, {gift}"}, DOCUMENT) == "no 7 at 7.95, true"
    assert value({"text": "{{{id}}}"}, DOCUMENT) == "{7}"
    assert value({"text": "{first} {last?}"}, DOCUMENT) == "Ada "


def test_a_template_with_a_hole_is_nothing_and_the_failure_names_the_hole() -> None:
    assert value({"text": "{first} {last}", "optional": True}, DOCUMENT) is None
    assert failure({"text": "{first} {last}"}, DOCUMENT).pointer == "/last"


def test_a_template_takes_no_lists() -> None:
    assert "a list stands where a single value" in failure({"text": "{lines}"}, DOCUMENT).reason
    assert "leads to several values" in mistake({"text": "{lines[*].q}"})


@pytest.mark.parametrize("text", ["{a", "a}", "{}", "{a b}}"])
def test_a_template_that_breaks_off_is_refused(text: str) -> None:
    assert "expected a text such as" in mistake({"text": text})


def test_the_first_that_is_there_wins() -> None:
    rule = {"first_of": ["last", "nick", {"text": "{first}!"}, {"value": "nobody"}]}
    assert value(rule, DOCUMENT) == "Ada!"
    assert value(rule, {}) == "nobody"
    assert failure({"first_of": ["last", "nick"]}, DOCUMENT).reason == "nothing stands here"


def test_an_object_without_any_field_is_left_out() -> None:
    rule = {"fields": {"city": "address.city?", "zip": "address.zip?"}}
    assert value(rule, {}) is None
    assert value(rule, {"address": {"city": "Wien"}}) == {"city": "Wien"}


def test_a_list_is_made_of_what_is_there() -> None:
    assert value({"list": ["first", {"path": "last?"}, {"value": "x"}]}, DOCUMENT) == ["Ada", "x"]


def test_numbers_are_computed_exactly() -> None:
    assert value({"sum": "lines[*].p"}, DOCUMENT) == Decimal("1.3")
    assert value({"sum": ["id", "price", {"path": "rebate?"}]}, DOCUMENT) == Decimal("14.95")
    assert value({"sum": {"each": "lines", "as": {"product": ["q", "p"]}}}, DOCUMENT) == Decimal("2.8")
    assert value({"difference": ["price", "id"]}, DOCUMENT) == Decimal("0.95")
    assert value({"quotient": [{"value": 1}, {"value": 8}]}, DOCUMENT) == Decimal("0.125")


def test_a_hole_among_what_is_summed_fails_rather_than_make_the_sum_too_small() -> None:
    document = {"orders": [{"lines": [{"q": 1}]}, {"lines": [{"q": 2}, {"p": 3}]}]}
    failed = failure({"sum": "orders[*].lines[*].q"}, document)
    assert (failed.pointer, failed.reason) == ("/orders/1/lines/1/q", "nothing stands here")
    assert failure({"each": "orders", "as": {"sum": "lines[*].q"}}, document).pointer == "/orders/1/lines/1/q"
    assert value({"sum": "orders[*].lines[*].q?"}, document) == 3
    assert value({"sum": {"path": "orders[*].lines[*].q", "optional": True}}, document) == 3


def test_a_quotient_without_end_needs_a_way_to_round() -> None:
    thirds = {"quotient": [{"value": 1}, {"value": 3}]}
    assert "cannot be written down exactly" in failure(thirds, {}).reason
    assert value({**thirds, "places": 4, "how": "half_up"}, {}) == Decimal("0.3333")
    assert "divides by nought" in failure({"quotient": [{"value": 1}, {"value": 0}]}, {}).reason
    assert (
        "divides by nought"
        in failure({**thirds, "quotient": ["id", {"value": 0}], "places": 1, "how": "up"}, DOCUMENT).reason
    )


def test_how_many_and_which_one() -> None:
    assert value({"count": "lines"}, DOCUMENT) == 2
    assert value({"count": "nothing"}, DOCUMENT) == 0
    assert value({"each": "lines", "as": {"counter": 1}}, DOCUMENT) == [1, 2]
    assert "outside of every loop" in mistake({"counter": 1})


def test_facts_of_the_transport_can_be_taken() -> None:
    assert value({"fact": "file"}, {}, file="stock_0301.csv") == "stock_0301.csv"
    assert value({"fact": "headers.x-topic"}, {}, headers={"x-topic": "orders"}) == "orders"
    assert value({"fact": "system"}, {}) == "shop"
    assert value({"fact": "received_at"}, {}) == "2026-03-01T12:00:00+00:00"
    assert value({"fact": "other?"}, {}) is None
    assert failure({"fact": "other"}, {}).reason == "nothing stands here"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("gift", True),
        ("last", False),
        ({"path": "gift", "is": False}, False),
        ({"path": "gift", "is": True}, True),
        ({"path": "id", "is": 7}, True),
        ({"path": "id", "is": "7"}, True),
        ({"path": "id", "is": ["8", "7"]}, True),
        ({"path": "id", "is_not": 7}, False),
        ({"path": "nothing", "is": 7}, False),
        ({"path": "nothing", "is_not": 7}, True),
        ({"path": "nothing", "present": False}, True),
        ({"path": "price", "above": 7, "below": 8}, True),
        ({"path": "price", "at_least": "7.95", "at_most": "7.94"}, False),
        ({"path": "nothing", "above": 0}, False),
        ({"path": "first", "matches": "A[a-z]+"}, True),
        ({"path": "first", "case": "lower", "is": "ada"}, True),
        ({"count": "lines", "at_least": 2}, True),
        ({"all": ["gift", {"path": "id", "is": 8}]}, False),
        ({"any": ["last", {"path": "id", "is": 7}]}, True),
        ({"not": "gift"}, False),
    ],
)
def test_a_rule_with_a_condition_gives_its_value_only_when_it_holds(condition: Any, holds: bool) -> None:
    assert value({"value": "yes", "when": condition}, DOCUMENT) == ("yes" if holds else None)


def test_a_condition_that_cannot_be_judged_fails_at_its_place() -> None:
    failed = failure({"value": "yes", "when": {"path": "first", "above": 3}}, DOCUMENT)
    assert failed.rule == "data.it.when"
    assert failed.reason == "'Ada' is not a number"


def test_one_document_becomes_several_kinds_of_events_by_their_conditions() -> None:
    mapping = {
        "events": [
            {
                "type": "order.accepted",
                "id": "{number}",
                "when": {"path": "state", "is": "paid"},
                "data": {"order": "number"},
            },
            {
                "type": "order.cancelled",
                "id": "{number} cancelled",
                "when": {"path": "state", "is": "void"},
                "data": {"order": "number"},
            },
        ]
    }
    assert [e.type for e in events(mapping, {"number": "1", "state": "paid"})] == ["order.accepted"]
    assert [e.id for e in events(mapping, {"number": "1", "state": "void"})] == ["1 cancelled"]
    assert events(mapping, {"number": "1", "state": "open"}) == []


def test_an_event_has_a_time_a_subject_and_a_type_that_may_depend_on_the_document() -> None:
    mapping = {
        "type": {"path": "kind", "table": {"codes": {"R": "receipt.posted", "C": "count.posted"}}},
        "id": "{n}",
        "time": {"path": "at", "date": {"form": "%d.%m.%Y %H:%M", "zone": "Europe/Vienna"}},
        "subject": "{n}",
        "data": {"n": "n"},
    }
    (event,) = events(mapping, {"kind": "C", "n": "9", "at": "01.07.2026 10:00"})
    assert (event.type, event.id, event.subject) == ("count.posted", "9", "9")
    assert event.time == datetime(2026, 7, 1, 8, tzinfo=UTC)


def test_an_id_must_be_there_on_one_line_and_not_too_long() -> None:
    mapping = {"type": "x", "id": "{n?}", "data": {"n": {"value": 1}}}
    bad: list[object] = ["", "a\nb", "a" * 201, "\ud800", [], None]
    for each in bad:
        with pytest.raises(MappingFailed) as caught:
            events(mapping, {"n": each})
        assert caught.value.rule == "id"


@pytest.mark.parametrize("identity", ["order", "{{n}}", {"value": "1"}, {"fact": "received_at"}, {"counter": 1}])
def test_an_id_that_does_not_come_from_the_document_is_refused(identity: Any) -> None:
    found = mistakes({"type": "x", "id": identity, "data": {"n": "n"}})
    assert found[0].path == ("id",)


def test_a_trace_says_where_each_value_came_from() -> None:
    mapping = {
        "type": "x",
        "id": "{number}",
        "data": {
            "order": "number",
            "channel": {"value": "web"},
            "currency": {"path": "currency?", "default": "EUR"},
            "lines": {
                "each": "items",
                "fields": {
                    "sku": {"path": "code", "lookup": "item"},
                    "note": {"first_of": ["a", "b"], "optional": True},
                },
            },
            "name": {"text": "{first} {last}"},
            "total": {"sum": "items[*].q"},
            "gone": "gone?",
            "codes": "items[*].code",
        },
    }
    document: dict[str, Any] = {
        "number": "1",
        "first": "A",
        "last": "B",
        "items": [{"code": "A-1", "q": 1, "b": "x"}, {"code": "A-2", "q": 2}],
    }
    assert events(mapping, document)[0].origins == {}
    assert events(mapping, document, trace=True)[0].origins == {
        "/order": "number",
        "/channel": "constant",
        "/currency": "default",
        "/lines/0/sku": "items[0].code, lookup item",
        "/lines/0/note": "items[0].b",
        "/lines/1/sku": "items[1].code, lookup item",
        "/name": "text of first, last",
        "/total": "sum",
        "/codes": "items[*].code",
    }


def test_an_empty_mapping_waits_for_the_operators_own() -> None:
    with pytest.raises(MappingFailed, match="the network's own"):
        events({}, {"any": "thing"})


def test_a_payload_may_go_without_an_id() -> None:
    (payload,) = events({"direction": "out", "type": "stock.publish", "data": {"q": "quantity"}}, {"quantity": 3})
    assert (payload.type, payload.id, payload.data) == ("stock.publish", "", {"q": 3})


def test_mistakes_are_told_all_at_once_each_with_its_place() -> None:
    found = mistakes(
        {
            "typ": "x",
            "data": {
                "a": {"pth": "x"},
                "b": {"path": "x", "trimm": True},
                "c": {"path": "x", "value": 1},
                "d": 3,
                "e": {"each": "x"},
                "f": {"fields": {"g": {"lookup": "itm", "path": "x"}}},
                "h": {"path": "x", "as": "y"},
                "i": {},
                "j": {"path": "t", "date": "%d.%m.%Y"},
                "k": {"path": "t", "date": {"form": "%Q"}},
                "l": {"path": "t", "date": {"form": "%d", "zone": "Europe/Wien"}},
                "m": {"path": "t", "table": "none"},
                "n": {"path": "t", "capture": "a"},
                "o": {"path": "t", "over": 0},
                "p": {"path": "t", "then": [{"trim": True}, "case"]},
                "q": {"path": "t", "when": {"path": "x", "iss": 1}},
                "r": {"path": "t", "when": {"all": []}},
                "s": {"path": "t", "round": {"places": 2}},
            },
        }
    )
    assert [".".join(map(str, each.path)) for each in found] == [
        "typ", "", "", "data.a.pth", "data.b.trimm", "data.c", "data.d", "data.e", "data.f.fields.g.lookup",
        "data.h.as", "data.i", "data.j.date", "data.k.date.form", "data.l.date.zone", "data.m.table", "data.n.capture",
        "data.o.over", "data.p.then.1", "data.q.when.iss", "data.r.when.all", "data.s.round.how",
    ]  # fmt: skip
    assert (found[0].word, found[4].word) == ("typ", "trimm")
    assert "trim" in found[4].known


@pytest.mark.parametrize(
    "specification", [None, [], "text", {"events": []}, {"events": [3]}, {"data": {}}, {"tables": 3}]
)
def test_what_is_no_mapping_is_refused(specification: Any) -> None:
    assert mistakes(specification)


def test_a_template_without_quotes_is_recognised_for_what_it_is() -> None:
    (found,) = mistakes({"type": "x", "id": {"order_no": None}, "data": {"a": "b"}})
    assert str(found) == 'id: found {order_no} without quotes, which YAML reads as a key, expected "{order_no}".'


def test_rules_that_nest_without_end_are_refused() -> None:
    rule: Any = "x"
    for _ in range(200):
        rule = {"first_of": [rule]}
    assert "nested more than" in mistake(rule)


def test_a_default_stands_in_and_is_not_changed_by_steps() -> None:
    assert value({"path": "unit", "lookup": "unit", "default": "each"}, {}) == "each"
    assert value({"path": "unit", "lookup": "unit", "default": "each"}, {"unit": "CT"}) == "carton"


def test_the_whole_document_may_be_a_list_or_a_text() -> None:
    assert value("[1]", ["a", "b"]) == "b"
    assert value(".", "just text") == "just text"
    assert spec("x")
