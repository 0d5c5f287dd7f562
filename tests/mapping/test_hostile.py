"""Documents that were made to hurt, and patterns that would run for ever: an error with a place, in bounded time."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onhand.contracts import strict_json
from onhand.domain.mapping import CompiledMapping, Mapped, MappingFailed, compile_mapping
from onhand.domain.mapping.limits import PATTERN_TEXT_MAX, PATTERN_WAYS_MAX
from onhand.domain.mapping.patterns import BadPattern, compile_pattern
from tests.mapping.mapped import context, events, failure, mistake, spec, value

EVERYTHING: dict[str, Any] = {
    "type": "order.accepted",
    "id": "{number}",
    "time": {"path": "at?", "date": {"form": ["iso", "unix", "%d.%m.%Y"], "zone": "UTC"}},
    "subject": "{number}",
    "when": {"path": "state", "is_not": "draft"},
    "data": {
        "order": "number",
        "customer": {"path": "customer.id?", "lookup": {"kind": "customer", "unknown": "keep"}},
        "extra": "extra?",
        "codes": {"path": "lines[*].codes[*]?", "trim": True, "optional": True},
        "note": {"text": "{number} {customer.name?} {lines[0].sku?}"},
        "lines": {
            "each": "lines?",
            "fields": {
                "sku": {"path": "sku", "lookup": {"kind": "item", "unknown": "keep"}},
                "quantity": {"path": "q", "number": {"decimal": ",", "thousands": "."}, "whole": True},
                "price": {"path": "p?", "number": True, "times": "0.01", "amount": 2},
                "total": {
                    "product": [{"path": "q", "number": {"decimal": ","}}, {"path": "p", "number": True}],
                    "optional": True,
                },
                "ref": {"path": "ref?", "capture": {"pattern": "0*([0-9]+)", "unknown": "keep"}},
                "day": {"path": "day?", "day": "%Y%m%d"},
                "n": {"counter": 1},
                "order": "$.number",
            },
        },
        "sum": {"sum": "lines[*].q", "optional": True},
        "count": {"count": "lines"},
    },
}
MAPPING: CompiledMapping = compile_mapping(EVERYTHING, name="everything")

numbers = st.one_of(
    st.integers(),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.floats(),
    st.sampled_from([Decimal("1e400"), Decimal("-1e-400"), 10**30, 10**400, Decimal("sNaN"), Decimal("0e999999")]),
)
texts = st.one_of(st.text(max_size=8), st.sampled_from(["1.234,5", "12", "\x00", "2026-03-01", "A-1", "007", "\ud800"]))
names = st.sampled_from(
    ["number", "at", "state", "customer", "id", "name", "lines", "sku", "q", "p", "codes", "extra", "day", "ref"]
)
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=6)),
    max_leaves=30,
)
orders = st.fixed_dictionaries(
    {"number": st.one_of(st.just("SO-1"), documents)},
    optional={
        "at": documents,
        "customer": documents,
        "extra": documents,
        "lines": st.one_of(
            documents, st.lists(st.fixed_dictionaries({"sku": st.just("A-1"), "q": documents}), max_size=3)
        ),
    },
)


@given(document=st.one_of(documents, orders))
@example(document={"number": "1", "lines": [{"sku": "A-1", "q": 10**400}]})
@example(document={"number": "1", "at": 10**400})
@example(document={"number": "1", "extra": {"a": {"b": float("nan")}}})
@example(document={"number": ["1"], "customer": "x"})
def test_any_document_becomes_events_or_fails_with_a_place(document: Any) -> None:
    found = outcome(document)
    if isinstance(found, MappingFailed):
        assert found.pointer == "" or found.pointer.startswith("/")
        assert found.rule
        assert len(str(found)) < 1_000
        return
    for event in found:
        assert strict_json.loads(strict_json.dumps(event.data)) == event.data, "what comes out is exact, plain JSON"


def outcome(document: Any) -> list[Mapped] | MappingFailed:
    try:
        return MAPPING.apply(document, context())
    except MappingFailed as failed:
        return failed


@given(document=orders)
def test_a_trace_changes_nothing_and_names_only_what_is_there(document: Any) -> None:
    plain = outcome(document)
    if isinstance(plain, MappingFailed):
        return
    for event, traced in zip(plain, MAPPING.apply(document, context(trace=True)), strict=True):
        assert traced.data == event.data
        for pointer in traced.origins:
            here: Any = traced.data
            for step in pointer.split("/")[1:]:
                here = here[int(step)] if isinstance(here, list) else here[step]
            assert here is not None


def deep(levels: int) -> Any:
    inner: Any = "x"
    for _ in range(levels):
        inner = {"a": [inner]}
    return inner


@pytest.mark.parametrize(
    ("hostile", "words"),
    [
        (deep(40), "nests deeper"),
        (deep(100_000), "nests deeper"),
        ("a\x00b", "NUL"),
        ({"a\x00": 1}, "NUL"),
        (["ok", {"x": "\x00"}], "NUL"),
        ("a\ud800", "surrogate"),
        ({"\udc00": 1}, "surrogate"),
        (1.5, "binary float"),
        ([1, {"x": float("inf")}], "binary float"),
        (10**30, "more than 18 digits"),
        pytest.param(10**5000, "more than 60 digits", id="ten to the 5000th"),
        (Decimal("1e400"), "too large"),
        (Decimal("1e-400"), "too fine"),
        (Decimal("NaN"), "not a number"),
        (Decimal("sNaN"), "too large or too fine"),
        ([Decimal("-Infinity")], "not a number"),
        (b"bytes", "none of JSON's kinds"),
    ],
)
def test_what_may_not_pass_on_is_named(hostile: Any, words: str) -> None:
    failed = failure("v", {"v": hostile})
    assert failed.pointer == "/v"
    assert words in failed.reason


def test_a_hundred_thousand_lines_are_work_not_a_danger() -> None:
    document = {"lines": [{"sku": f"S{n}", "q": "1"} for n in range(100_000)]}
    rule = {"each": "lines", "fields": {"sku": "sku", "q": {"path": "q", "number": True}}}
    started = time.process_time()
    assert len(value(rule, document)) == 100_000
    assert time.process_time() - started < 10


def test_a_loop_in_a_loop_over_everything_ends_by_its_limit() -> None:
    document = {"lines": list(range(10_000))}
    started = time.process_time()
    failed = failure({"each": "lines", "as": {"count": "$.lines[*]"}}, document)
    assert "ask for more than" in failed.reason
    failed = failure({"each": "lines", "as": {"each": "$.lines", "as": "."}}, document)
    assert "ask for more than" in failed.reason
    assert time.process_time() - started < 20


def test_a_text_does_not_grow_without_end() -> None:
    failed = failure({"text": "{v}{v}{v}"}, {"v": "x" * 4_000})
    assert "more than 10000 characters" in failed.reason
    assert "more than 10000 characters" in failure({"path": "v", "join": ", "}, {"v": ["x" * 100] * 100}).reason


def test_more_events_than_a_document_may_become() -> None:
    mapping = {**spec({"value": 1}), "for_each": "[*]"}
    with pytest.raises(MappingFailed, match="more than 200000 events"):
        events(mapping, [1] * 200_001)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+", "(a*)*b", "(a|a)*", "(a|b|ab)*c", "(?:a?){30}a{30}", "a*a*a*a*b", ".*.*.*x", "(a+){10}", "([a-z]+)*",
        "a?" * 30 + "a" * 30, "(a|a)" * 25, r"(a)\1", "(?=a)b", "(?!a)b", "(?<=a)b", "(?P<n>a)", "(?i)a",
        "(" * 11 + "a" + ")" * 11,
        "a{1,", "a{,}", "*a", "(", ")", "[", "a\\", r"\b", "x" * 201, "a{2}{3}", "a**",
    ],
)  # fmt: skip
def test_a_pattern_that_could_run_for_ever_or_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "group"),
    [
        ("0*([0-9]+)", "00042", "42"),
        (r"([A-Z]{2,4})-\d+", "ABC-12", "ABC"),
        (r"(?:SO|PO)-(\d{1,10})(?:/\d+)?", "PO-7/3", "7"),
        (r"[^/]+/(.+)", "a/b", "b"),
        (r"(a|b)c", "bc", "b"),
        (r"([\]\-a]+)", "]-a", "]-a"),
        (r"(?:ab){1,3}(c)", "ababc", "c"),
    ],
)
def test_patterns_that_people_need_are_taken(pattern: str, text: str, group: str) -> None:
    found = compile_pattern(pattern).fullmatch(text)
    assert found is not None
    assert found[1] == group


atoms = st.sampled_from(["a", "b", ".", "[ab]", r"\d", "(?:a|b)", "(?:ab)", "(?:a|ab)", "(?:a+b)"])
quantified = st.builds(
    lambda atom, sign: atom + sign, atoms, st.sampled_from(["", "?", "*", "+", "{1,3}", "{0,40}", "{2}"])
)


@given(parts=st.lists(quantified, min_size=1, max_size=12), text=st.sampled_from(["a", "ab", "aab", "b"]))
def test_every_pattern_that_is_taken_fails_fast(parts: list[str], text: str) -> None:
    pattern = "".join(parts) + "x"
    try:
        compiled = compile_pattern(pattern)
    except BadPattern:
        return
    worst = (text * PATTERN_TEXT_MAX)[: PATTERN_TEXT_MAX - 1] + "y"
    started = time.process_time()
    compiled.fullmatch(worst)
    assert time.process_time() - started < 2, f"{pattern} with at most {PATTERN_WAYS_MAX} ways"


def test_a_pattern_is_not_tried_on_long_texts() -> None:
    rule = {"path": "v", "capture": {"pattern": "(.*)", "unknown": "keep"}}
    assert value(rule, {"v": "a" * 500}) == "a" * 500
    assert "does not fit" in failure({"path": "v", "capture": "(.*)"}, {"v": "a" * 501}).reason
    assert "quick on every text" in mistake({"path": "v", "capture": "(a+)+"})


@given(
    units=st.integers(min_value=0, max_value=10**12),
    cents=st.integers(min_value=0, max_value=10**9),
    form=st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'")]),
)
def test_quantity_times_price_is_exact_however_the_partner_writes_it(
    units: int, cents: int, form: tuple[str, str]
) -> None:
    point, thousands = form
    price = f"{cents // 100:,}".replace(",", thousands) + f"{point}{cents % 100:02d}"
    rule = {"product": [{"path": "p", "number": {"decimal": point, "thousands": thousands}}, "q"]}
    if units * cents >= 10**20:
        assert "too large" in failure(rule, {"p": price, "q": units}).reason
        return
    found = value(rule, {"p": price, "q": units})
    assert found * 100 == units * cents
    assert type(found) in (int, Decimal)


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=6))
def test_a_number_in_json_passes_through_unchanged(number: Decimal) -> None:
    document = strict_json.loads(json.dumps({"v": "#"}).replace('"#"', f"{number:f}").encode())
    assert value({"path": "v", "number": True}, document) == number
