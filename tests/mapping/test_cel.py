"""CEL, the escape hatch: what it is good for, and how money and endless loops are kept away from it."""

from __future__ import annotations

import importlib
from decimal import Decimal
from typing import Any

import pytest

from tests.mapping.mapped import failure, mistake, value

pytest.importorskip("cel", reason="the extra 'cel' is not installed")


def test_an_expression_decides_over_named_rules() -> None:
    rule = {
        "cel": 'kind.startsWith("RET") ? "return" : (size(ref) > 3 ? "long" : "short")',
        "with": {"kind": "kind", "ref": {"path": "ref", "trim": True}},
    }
    assert value(rule, {"kind": "RET-1", "ref": "x"}) == "return"
    assert value(rule, {"kind": "SO", "ref": " 1234 "}) == "long"
    assert value({**rule, "case": "upper"}, {"kind": "SO", "ref": "1"}) == "SHORT"


def test_an_expression_is_a_condition_too() -> None:
    condition = {"cel": 'a != null && b in ["x", "y"]', "with": {"a": "a", "b": "b"}}
    assert value({"value": "yes", "when": condition}, {"a": 1, "b": "y"}) == "yes"
    assert value({"value": "yes", "when": condition}, {"b": "y"}) is None


def test_decimals_come_as_text_and_floats_never_come_back() -> None:
    assert value({"cel": 'price == "7.95"', "with": {"price": "p"}}, {"p": Decimal("7.95")}) is True
    assert value({"cel": "n + 1", "with": {"n": "n"}}, {"n": 41}) == 42
    assert value({"cel": "n", "with": {"n": "n"}}, {"n": 2**53 + 1}) == 2**53 + 1, "whole numbers stay exact"
    failed = failure({"cel": "double(n) * 0.1", "with": {"n": "n"}}, {"n": 3})
    assert failed.reason == "the expression gives a binary float, which no quantity or amount may be"
    assert failure({"cel": "n * 2", "with": {"n": "n"}}, {"n": Decimal("1.5")}).pointer == ""


@pytest.mark.parametrize(
    "expression", ["1 / n", "[1][5]", "n.x", "size(n)", "[n]", '{"a": n}', 'timestamp("2026-01-01T00:00:00Z")', 'b"x"']
)
def test_what_fails_or_is_no_single_value_is_an_error_with_its_rule(expression: str) -> None:
    assert failure({"cel": expression, "with": {"n": "n"}}, {"n": 0}).rule == "data.it"


def test_an_expression_takes_single_values_only() -> None:
    assert "single value" in failure({"cel": "size(n)", "with": {"n": "n"}}, {"n": [1, 2]}).reason


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"cel": "[1, 2].map(x, [1, 2].map(y, x * y))"}, "the macro 'map', which loops"),
        ({"cel": "[1].exists(x, x == 1)"}, "the macro 'exists'"),
        ({"cel": "a +"}, "an expression with a mistake"),
        ({"cel": "quantity > 0", "with": {"qty": "q"}}, "the name 'quantity'"),
        ({"cel": "1" + " + 1" * 200}, "an expression of 801 characters"),
        ({"cel": "true", "with": {"1a": "x"}}, "a name of letters"),
        ({"cel": "a", "with": {"a": [None]}}, "data.it.with.a: found a list"),
        ({"cel": ""}, "an expression such as"),
    ],
)
def test_what_is_no_expression_is_told_when_the_mapping_is_read(rule: Any, words: str) -> None:
    assert words in mistake(rule)


def test_without_the_library_a_mapping_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    assert "pip install 'onhand[cel]'" in mistake({"cel": "true"})
