"""Objects and lists: the parts of a result that are built of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onhand.domain.mapping.compiling import Compiling, Origins, Rule, Value
from onhand.domain.mapping.errors import Place, pointer_text, shown
from onhand.domain.mapping.paths import Path
from onhand.domain.mapping.rules import compile_rule
from onhand.domain.mapping.scope import Scope


class Fields:
    """An object, field by field; one that finds nothing is left out, or fails where it is not optional."""

    __slots__ = ("_plan", "_rules", "weight")

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = rules
        self._plan: list[tuple[str, Value, Rule | None]] = [
            (name, rule.value, None if rule.optional else rule) for name, rule in rules.items()
        ]
        self.weight = max(len(rules), 1)

    def build(self, scope: Scope) -> dict[str, Any]:
        """Return the object."""
        built = {}
        for name, value, demanded in self._plan:
            found = value(scope)
            if found is not None:
                built[name] = found
            elif demanded is not None:
                raise demanded.missing(scope)
        return built

    def or_nothing(self, scope: Scope) -> dict[str, Any] | None:
        """Return the object, None when nothing is in it."""
        return self.build(scope) or None

    value = build

    def origins(self, scope: Scope, pointer: str, out: Origins) -> None:
        """Say where each field came from."""
        for name, rule in self._rules.items():
            rule.origins(scope, pointer + pointer_text((name,)), out)


class Each:
    """A list: one object or value for each element that a path leads to."""

    __slots__ = ("_part", "_path", "_value", "_weight")

    def __init__(self, path: Path, part: Fields | Rule) -> None:
        self._path = path
        self._part = part
        self._value: Value = part.build if isinstance(part, Fields) else part.required()
        self._weight = part.weight if isinstance(part, Fields) else 1

    def value(self, scope: Scope) -> list[Any] | None:
        """Return the list; None when there is nothing to go through."""
        elements = self._path.elements(scope)
        if elements is None:
            return None
        run, path, value = scope.run, self._path, self._value
        run.spend(len(elements) * self._weight)
        found = []
        for index, element in enumerate(elements):
            one = value(Scope(element, run, scope, path, index))
            if one is not None:
                found.append(one)
        return found

    def origins(self, scope: Scope, pointer: str, out: Origins) -> None:
        """Say where each part of each element came from."""
        place = 0
        for index, element in enumerate(self._path.elements(scope) or ()):
            inner = Scope(element, scope.run, scope, self._path, index)
            if self._value(inner) is None:
                continue
            self._part.origins(inner, f"{pointer}/{place}", out)
            place += 1


def compile_fields(c: Compiling, spec: Any, at: Place) -> Fields:
    """Compile the fields of an object."""
    if not isinstance(spec, Mapping) or not spec:
        c.wrong(at, shown(spec), "fields with their rules")
        return Fields({})
    rules = {}
    for name, rule in spec.items():
        if not isinstance(name, str) or not name or len(name) > 200 or "\x00" in name:
            c.wrong((*at, str(name)), shown(name), "a field's name")
        else:
            rules[name] = compile_rule(c, rule, (*at, name))
    return Fields(rules)
