"""CEL, the escape hatch: conditions and texts that the rules cannot say. Optional, imported when a mapping needs it.

The Common Expression Language counts with 64-bit whole numbers and binary floats, so money stays away from it: decimals
are handed in as text, and a result that is a float is refused. The library knows no limit of time (a `map` in a `map`
over two thousand numbers ran for minutes), so an expression sees single values only, and macros that loop are refused.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from onhand.domain.mapping.compiling import Compiling, Rule, Value
from onhand.domain.mapping.errors import Place, Unfit, shown
from onhand.domain.mapping.limits import CEL_MAX
from onhand.domain.mapping.scope import Scope
from onhand.domain.mapping.values import clean

_LOOPS: Final = re.compile(r"\.\s*(map|filter|all|exists|exists_one|transformList|transformMap\w*)\s*\(")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_WHOLE_MAX: Final = 2**63


def compile_cel(c: Compiling, spec: Any, at: Place, rules: Mapping[str, Rule]) -> Value | None:
    """Compile an expression over named rules; the function gives a text, whole number, truth or nothing."""
    text = c.text(spec, at, "an expression such as 'qty > 0 && kind == \"sale\"'")
    if text is None:
        return None
    if len(text) > CEL_MAX:
        c.wrong(at, f"an expression of {len(text)} characters", f"at most {CEL_MAX}")
        return None
    if loop := _LOOPS.search(text):
        c.wrong(at, f"the macro {loop[1]!r}, which loops", "single values; loops are for 'each'")
        return None
    program = _program(c, text, at)
    if program is None:
        return None
    unknown = sorted(set(program.variables()) - set(rules))
    for name in unknown:
        c.wrong(at, f"the name {name!r}", "a name that stands under 'with:'", word=name, known=tuple(rules))
    named = [(name, rule.value) for name, rule in rules.items()]

    def evaluate(scope: Scope) -> Any:
        values = {name: _handed(value(scope)) for name, value in named}
        try:
            found = program.execute(values)
        except (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError) as error:
            raise Unfit(f"the expression fails: {str(error)[:120]}") from None
        return _taken(found, scope)

    return None if unknown else evaluate


def names(c: Compiling, spec: Any, at: Place) -> list[str]:
    """Return the names under `with:` that an expression may use."""
    if not isinstance(spec, Mapping):
        c.wrong(at, shown(spec), "names with their rules")
        return []
    for name in spec:
        if not _NAME.fullmatch(name):
            c.wrong((*at, name), shown(name), "a name of letters, digits and '_'")
    return [name for name in spec if _NAME.fullmatch(name)]


def _program(c: Compiling, text: str, at: Place) -> Any:
    try:
        cel = importlib.import_module("cel")
    except ImportError:
        c.wrong(at, "an expression in CEL", "a rule, or the extra that brings CEL: pip install 'onhand[cel]'")
        return None
    try:
        return cel.compile(text)
    except ValueError as error:
        reason = str(error).partition("Syntax error: ")[2].partition("\n")[0] or "it cannot be read"
        c.wrong(at, f"an expression with a mistake ({reason[:120]})", "CEL")
        return None


def _handed(value: Any) -> Any:
    """Return a value as CEL may see it: exact, single."""
    if type(value) is Decimal or (type(value) is int and not -_WHOLE_MAX <= value < _WHOLE_MAX):
        return str(value)
    if isinstance(value, (list, dict)):
        raise Unfit(f"{shown(value)} stands where an expression takes a single value")
    return value


def _taken(found: Any, scope: Scope) -> Any:
    if isinstance(found, float):
        raise Unfit("the expression gives a binary float, which no quantity or amount may be")
    if found is None or isinstance(found, (str, int)):
        return clean(found, scope.run)
    raise Unfit(f"the expression gives a {type(found).__name__}, not a single value")
