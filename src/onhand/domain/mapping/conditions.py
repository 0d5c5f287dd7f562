"""Conditions: `when: paid`, `when: {path: state, is: [PAID, SHIPPED]}`, put together with `all`, `any` and `not`."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from onhand.domain.mapping.compiling import Compiling
from onhand.domain.mapping.errors import Place, shown
from onhand.domain.mapping.limits import PATTERN_TEXT_MAX
from onhand.domain.mapping.rules import compile_rule
from onhand.domain.mapping.scope import Scope
from onhand.domain.mapping.values import Number, number_of, text_of

Holds = Callable[[Scope], bool]
Test = Callable[[Any], bool]

COMPARISONS: Final = ("is", "is_not", "present", "above", "at_least", "below", "at_most", "matches")
CONNECTIVES: Final = ("all", "any", "not")


def compile_condition(c: Compiling, spec: Any, at: Place) -> Holds:
    """Compile a condition; a path alone holds when something is there that is not false."""
    if c.deep(at):
        return _never
    if isinstance(spec, dict) and (found := [key for key in CONNECTIVES if key in spec]):
        c.keys(spec, at, (found[0],))
        return _connected(c, found[0], spec[found[0]], (*at, found[0]))
    if not isinstance(spec, dict):
        spec = {"path": spec}
    tests = [test for key in COMPARISONS if key in spec and (test := _test(c, key, spec[key], (*at, key)))]
    rest = {key: value for key, value in spec.items() if key not in COMPARISONS}
    rule = compile_rule(c, {**rest, "optional": True}, at, extra=COMPARISONS)
    return _holding(rule.value, tests or [_is_there])


def _holding(value: Callable[[Scope], Any], tests: list[Test]) -> Holds:
    if len(tests) == 1:
        test = tests[0]
        return lambda scope: test(value(scope))

    def holds(scope: Scope) -> bool:
        found = value(scope)
        return all(test(found) for test in tests)

    return holds


def _connected(c: Compiling, word: str, spec: Any, at: Place) -> Holds:
    if word == "not":
        inner = compile_condition(c, spec, at)
        return lambda scope: not inner(scope)
    if not isinstance(spec, list) or not spec:
        c.wrong(at, shown(spec), "a list of conditions")
        return _never
    each = [compile_condition(c, part, (*at, index)) for index, part in enumerate(spec)]
    if word == "all":
        return lambda scope: all(holds(scope) for holds in each)
    return lambda scope: any(holds(scope) for holds in each)


def _test(c: Compiling, key: str, spec: Any, at: Place) -> Test | None:
    if key in ("is", "is_not"):
        constants = [c.scalar(each, at) for each in (spec if isinstance(spec, list) and spec else [spec])]
        among = _among(constants)
        return among if key == "is" else lambda value: not among(value)
    if key == "present":
        wanted = c.flag(spec, at)
        return lambda value: (value is not None) == wanted
    if key == "matches":
        return _matching(c.pattern(spec, at))
    number = c.number(spec, at)
    return None if number is None else _compared(key, number)


def _among(constants: list[Any]) -> Test:
    texts = frozenset(text_of(each) for each in constants if each is not None)
    numbers = frozenset(each for each in constants if type(each) is int)

    def test(value: Any) -> bool:
        if value is None:
            return False
        if type(value) is Decimal or type(value) is int:
            return value in numbers or text_of(value) in texts
        return text_of(value) in texts

    return test


def _matching(pattern: Any) -> Test | None:
    if pattern is None:
        return None

    def test(value: Any) -> bool:
        text = "" if value is None else text_of(value)
        return len(text) <= PATTERN_TEXT_MAX and pattern.fullmatch(text) is not None

    return test


def _compared(key: str, bound: Number) -> Test:
    compare: dict[str, Callable[[Number], bool]] = {
        "above": lambda found: found > bound,
        "at_least": lambda found: found >= bound,
        "below": lambda found: found < bound,
        "at_most": lambda found: found <= bound,
    }
    holds = compare[key]
    return lambda value: value is not None and holds(number_of(value))


def _is_there(value: Any) -> bool:
    return value is not None and value is not False


def _never(_: Scope) -> bool:
    return False
