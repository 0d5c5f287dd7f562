"""Heads that compute: sums, products, differences and quotients of rules, exact to the last place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from onhand.domain.mapping.compiling import Compiling, Rule, Value
from onhand.domain.mapping.errors import Place
from onhand.domain.mapping.scope import Scope
from onhand.domain.mapping.values import ROUNDINGS, Number, divided, exactly, number_of

_FOLDED: dict[str, Literal["add", "multiply", "subtract", "divide"]] = {
    "sum": "add",
    "product": "multiply",
    "difference": "subtract",
    "quotient": "divide",
}


def compile_operation(c: Compiling, name: str, rules: list[Rule], keys: dict[str, Any], at: Place) -> Value:
    """Compile one of them. A list among the values counts as its elements; what is optional and missing is left out."""
    values = [rule.required() for rule in rules]
    if "places" in keys or "how" in keys:
        places = c.whole(keys.get("places"), (*at, "places"), least=0, most=18)
        how = c.choice(keys.get("how"), (*at, "how"), tuple(ROUNDINGS))
        if places is not None and how is not None:
            return _rounded_quotient(values, places, ROUNDINGS[how])
    operation = _FOLDED[name]

    def compute(scope: Scope) -> Any:
        result: Number | None = None
        for number in _numbers(values, scope):
            result = number if result is None else exactly(operation, result, number)
        return result

    return compute


def _rounded_quotient(values: list[Value], places: int, how: str) -> Value:
    def compute(scope: Scope) -> Any:
        numbers = list(_numbers(values, scope))
        return divided(numbers[0], numbers[1], places=places, rounding=how) if len(numbers) == 2 else None

    return compute


def _numbers(values: list[Value], scope: Scope) -> Iterator[Number]:
    for value in values:
        found = value(scope)
        for each in found if type(found) is list else (found,):
            if each is not None:
                yield number_of(each)
