"""Reading a mapping's specification: what every compiler of rules has at hand.

Mistakes are collected, never raised one by one, so that a person mends a whole file in one go. A reader that has
reported a mistake returns None; what was compiled around it is never run.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from onhand.domain.mapping.errors import MappingFailed, Place, SpecMistake, Unfit, place_text, shown
from onhand.domain.mapping.limits import RULE_DEPTH_MAX
from onhand.domain.mapping.paths import FORM, BadPath, Path, parse
from onhand.domain.mapping.patterns import BadPattern, compile_pattern
from onhand.domain.mapping.scope import Scope
from onhand.domain.mapping.templates import Template, read_template
from onhand.domain.mapping.values import Number, number_of

Origins = dict[str, str]
Value = Callable[[Scope], Any]
Table = Mapping[str, Any]

SCALAR: Final = (str, int, bool)


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule. `value` gives None for nothing; `pointer` and `describe` say where it looks and what it does."""

    where: str
    value: Value
    optional: bool
    pointer: Callable[[Scope], str]
    origins: Callable[[Scope, str, Origins], None]

    def required(self) -> Value:
        """Return the function that fails where there is nothing, unless the rule is optional."""
        if self.optional:
            return self.value
        value = self.value

        def demand(scope: Scope) -> Any:
            found = value(scope)
            if found is None:
                raise self.missing(scope)
            return found

        return demand

    def missing(self, scope: Scope) -> MappingFailed:
        """Return the error of a rule that found nothing."""
        return MappingFailed(self.pointer(scope), self.where, "nothing stands here")


@dataclass(slots=True)
class Compiling:
    """One specification being read: its code tables, the mistakes so far, and how many loops lie around."""

    tables: Mapping[str, Table]
    mistakes: list[SpecMistake] = field(default_factory=list)
    loops: int = 0

    def wrong(self, at: Place, found: str, expected: str, *, word: str = "", known: Collection[str] = ()) -> None:
        """Report a mistake."""
        self.mistakes.append(SpecMistake(path=at, found=found, expected=expected, word=word, known=tuple(known)))

    def keys(self, spec: Any, at: Place, known: Collection[str]) -> dict[str, Any]:
        """Return the entries of a mapping, unknown ones reported and left out; empty for any other shape."""
        if not isinstance(spec, Mapping):
            self.wrong(at, shown(spec), f"keys with values, of {', '.join(known)}")
            return {}
        for key in spec:
            if key not in known:
                expected = f"one of {', '.join(known)}"
                self.wrong((*at, str(key)), f"the key {shown(key)}", expected, word=str(key), known=known)
        return {key: value for key, value in spec.items() if key in known}

    def deep(self, at: Place) -> bool:
        """Report rules that nest too deeply."""
        if len(at) > 2 * RULE_DEPTH_MAX:
            self.wrong(at, f"rules nested more than {RULE_DEPTH_MAX} deep", "fewer")
            return True
        return False

    def text(self, spec: Any, at: Place, expected: str = "a text") -> str | None:
        """Return a text that is not empty."""
        if isinstance(spec, str) and spec:
            return spec
        self.wrong(at, shown(spec), expected)
        return None

    def choice(self, spec: Any, at: Place, among: Collection[str]) -> str | None:
        """Return one of several words."""
        if isinstance(spec, str) and spec in among:
            return spec
        word = spec if isinstance(spec, str) else ""
        self.wrong(at, shown(spec), f"one of {', '.join(among)}", word=word, known=among)
        return None

    def flag(self, spec: Any, at: Place) -> bool:
        """Return true or false."""
        if isinstance(spec, bool):
            return spec
        self.wrong(at, shown(spec), "true or false")
        return False

    def whole(self, spec: Any, at: Place, *, least: int, most: int) -> int | None:
        """Return a whole number."""
        if type(spec) is int and least <= spec <= most:
            return spec
        self.wrong(at, shown(spec), f"a whole number from {least} to {most}")
        return None

    def number(self, spec: Any, at: Place) -> Number | None:
        """Return a number, which may be written as text (YAML has no exact decimals)."""
        try:
            return number_of(spec)
        except Unfit:
            self.wrong(at, shown(spec), "a number")
            return None

    def scalar(self, spec: Any, at: Place) -> Any:
        """Return a constant single value."""
        if isinstance(spec, SCALAR):
            return spec
        self.wrong(at, shown(spec), "a text, a whole number, true or false")
        return None

    def path(self, spec: Any, at: Place, *, many: bool | None = None) -> Path | None:
        """Return a path; `many` False asks for one that leads to a single place."""
        if not isinstance(spec, str):
            self.wrong(at, shown(spec), FORM)
            return None
        try:
            path = parse(spec)
        except BadPath as bad:
            self.wrong(at, str(bad), FORM)
            return None
        if path.ups > self.loops:
            around = "no loop lies around" if not self.loops else f"{self.loops} lie around"
            self.wrong(at, f"{shown(spec)}, which leaves {path.ups} loops where {around}", "fewer '^'")
            return None
        if many is False and path.many:
            self.wrong(at, f"{shown(spec)}, which leads to several values", "a path without [*]")
            return None
        return path

    def template(self, spec: Any, at: Place) -> Template | None:
        """Return a template."""
        text = self.text(spec, at, "a text such as 'order {number}'")
        if text is None:
            return None
        try:
            template = read_template(text)
        except BadPath as bad:
            self.wrong(at, str(bad), "a text such as 'order {number}'")
            return None
        if any(path.ups > self.loops for path in template.paths):
            self.wrong(at, f"{shown(text)}, which leaves more loops than there are", "fewer '^'")
            return None
        return template

    def pattern(self, spec: Any, at: Place) -> Any:
        """Return a pattern that cannot run for ever."""
        text = self.text(spec, at, "a pattern such as '([A-Z]+)-.*'")
        if text is None:
            return None
        try:
            return compile_pattern(text)
        except BadPattern as bad:
            self.wrong(at, str(bad), "a pattern that is quick on every text")
            return None

    def zone(self, spec: Any, at: Place) -> ZoneInfo | None:
        """Return a time zone, None for none at all."""
        if spec is None:
            return None
        if isinstance(spec, str) and spec in _zones():
            return ZoneInfo(spec)
        word = spec if isinstance(spec, str) else ""
        self.wrong(at, shown(spec), "an IANA time zone", word=word, known=sorted(_zones()))
        return None

    def table(self, spec: Any, at: Place) -> Table | None:
        """Return a code table: one of the mapping's by its name, or written in place."""
        if isinstance(spec, str):
            found = self.tables.get(spec)
            if found is None:
                expected = "a table that stands under 'tables:'"
                self.wrong(at, shown(spec), expected, word=spec, known=tuple(self.tables))
            return found
        return self.codes(spec, at)

    def codes(self, spec: Any, at: Place) -> Table | None:
        """Return the entries of a code table."""
        if not isinstance(spec, Mapping) or not spec:
            self.wrong(at, shown(spec), "codes with what each stands for")
            return None
        for key, value in spec.items():
            self.scalar(value, (*at, str(key)))
        return {str(key): value for key, value in spec.items()}


def failing(where: str) -> Rule:
    """Return the rule that stands where a mistake was; it is never run."""

    def never(_: Scope) -> Any:
        raise AssertionError(f"a mapping with a mistake at {where} was run")

    return Rule(where=where, value=never, optional=True, pointer=lambda _: "", origins=lambda _s, _p, _o: None)


def where(at: Place) -> str:
    """Return a place in the specification as errors name it."""
    return place_text(at)


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
