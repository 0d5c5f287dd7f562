"""Paths into a document: `order.lines[0].sku`, `lines[*].serials[*]`, `$.head.warehouse`, `^.currency`, `email?`.

A path begins where its rule stands; `$` is the top of the document, `^` what lies around a loop (`^^` around two), `.`
the very place. Names are taken as they are, blanks and all; one that holds any of `. [ ] " ? $ ^ { }` stands in double
quotes. A `?` at the end says that nothing may be there. One thing where a list was expected is a list of one: that is
how XML without a schema looks. A missing member, null, the empty text and, on the way, the empty list are all nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from onhand.domain.mapping.errors import Place, Unfit, shown
from onhand.domain.mapping.scope import Run, Scope

Get = Callable[[Scope], Any]

_TOP: Final = -1
_TOKEN: Final = re.compile(r'\[(\*|-?\d{1,6})\]|"([^"\x00-\x1f]{1,200})"|([^.\[\]"?$^{}\x00-\x1f]{1,200})')
FORM: Final = "a path such as order.lines[0].sku"


class BadPath(Exception):
    """A text is no path; the message says why."""


class Path:
    """A path that was read. `ups` counts the loops that it leaves; `_TOP` is the top of the document."""

    __slots__ = ("groups", "optional", "text", "ups")

    def __init__(self, *, ups: int, groups: tuple[Place, ...], optional: bool, text: str) -> None:
        self.ups = ups
        self.groups = groups
        self.optional = optional
        self.text = text

    @property
    def many(self) -> bool:
        """Whether it leads to a list of all that it finds."""
        return len(self.groups) > 1

    @property
    def member(self) -> str | None:
        """The one name that it consists of, None when it is longer."""
        steps = self.groups[0]
        alone = self.ups == 0 and not self.many and len(steps) == 1
        return steps[0] if alone and isinstance(steps[0], str) else None

    def start(self, scope: Scope) -> Scope:
        """Return the scope that it begins at."""
        if self.ups == _TOP:
            while scope.up is not None:
                scope = scope.up
            return scope
        for _ in range(self.ups):
            assert scope.up is not None, "a path leaves no more loops than there are"
            scope = scope.up
        return scope

    def getter(self) -> Get:
        """Return the function that follows it: a value, a list when it is `many`, None for nothing."""
        if self.many:
            return self.elements
        return self._one if self.member is None else _member(self.member)

    def _one(self, scope: Scope) -> Any:
        start = self.start(scope)
        try:
            return walk(start.here, self.groups[0])
        except Unfit as unfit:
            unfit.scope = start
            raise

    def elements(self, scope: Scope) -> list[Any] | None:
        """Return all that it leads to; None when the first list is not there."""
        groups = self.groups
        value = self._one(scope)
        if value is None or value == "":
            return None
        if len(groups) == 1:
            return value if type(value) is list else [value]
        found: list[Any] = []
        try:
            _gather(value, groups[1:], scope.run, found)
        except Unfit as unfit:
            unfit.at = groups[0] + unfit.at
            unfit.scope = self.start(scope)
            raise
        return found

    def trail(self, scope: Scope) -> Place:
        """Return the way from the top of the document to where it leads, to the list when that is several places."""
        return self.start(scope).trail(self.groups[0])

    def element_trail(self, scope: Scope, index: int) -> Place:
        """Return the way to the `index`-th of its `elements`."""
        start = self.start(scope)
        groups = self.groups if self.many else (*self.groups, ())
        for number, trail in enumerate(_trails(start.here, groups)):
            if number == index:
                return start.trail(trail)
        raise AssertionError("an element that was there before")


def parse(text: str) -> Path:
    """Read a path. Raises BadPath."""
    body = text.removesuffix("?")
    optional = body != text
    ups, rest = _anchor(body)
    if rest in ("", "."):
        if not body:
            raise BadPath("an empty path")
        return Path(ups=ups, groups=((),), optional=optional, text=body)
    if ups:
        if rest[0] not in ".[":
            raise BadPath(f"{shown(text)} without a '.' behind its anchor")
        rest = rest.removeprefix(".")
    groups: list[Place] = [()]
    for step in _steps(rest, text):
        if step is None:
            groups.append(())
        else:
            groups[-1] = (*groups[-1], step)
    return Path(ups=ups, groups=tuple(groups), optional=optional, text=body)


def walk(value: Any, steps: Place) -> Any:
    """Follow steps from a value; None when nothing is there. Raises Unfit for a value that cannot hold such a step."""
    for number, step in enumerate(steps):
        kind = type(value)
        if isinstance(step, str):
            if kind is dict:
                value = value.get(step)
            elif value is None or value in ("", []):
                return None
            else:
                raise Unfit(f"{shown(value)} stands where an object with {step!r} was expected", steps[:number])
        elif kind is list:
            value = value[step] if -len(value) <= step < len(value) else None
        elif value is None or value == "" or step not in (0, -1):
            return None
    return value


def _member(name: str) -> Get:
    """Return the getter of one member of what the rule looks at: most paths are of this kind."""

    def get(scope: Scope) -> Any:
        here = scope.here
        return here.get(name) if type(here) is dict else walk(here, (name,))

    return get


def _anchor(body: str) -> tuple[int, str]:
    if body.startswith("$"):
        return _TOP, body[1:]
    rest = body.lstrip("^")
    return len(body) - len(rest), rest


def _steps(rest: str, text: str) -> Iterator[str | int | None]:
    """Yield names, indices, and None for `[*]`."""
    position = 0
    while position < len(rest):
        found = _TOKEN.match(rest, position)
        bare = found[3] if found else None
        if found is None or (bare is not None and bare != bare.strip()):
            raise BadPath(f"{shown(text)}, which breaks off at {shown(rest[position : position + 10])}")
        position = found.end()
        if found[1] is None:
            yield found[2] if bare is None else bare
        else:
            yield None if found[1] == "*" else int(found[1])
        if position < len(rest) and rest[position] != "[":
            if rest[position] != "." or position + 1 == len(rest):
                raise BadPath(f"{shown(text)}, which breaks off at {shown(rest[position : position + 10])}")
            position += 1


def _gather(value: Any, groups: tuple[Place, ...], run: Run, found: list[Any]) -> None:
    several = type(value) is list
    elements = value if several else [value]
    run.spend(len(elements))
    steps, rest = groups[0], groups[1:]
    if not steps and not rest:
        found += elements
        return
    for index, element in enumerate(elements):
        way: Place = (index,) if several else ()
        try:
            inner = walk(element, steps)
            if not rest:
                found.append(inner)
                continue
            way += steps
            if inner is not None and inner != "":
                _gather(inner, rest, run, found)
        except Unfit as unfit:
            unfit.at = way + unfit.at
            raise


def _trails(value: Any, groups: tuple[Place, ...]) -> Iterator[Place]:
    """Yield the way to each element, in the order of `elements`."""
    steps, rest = groups[0], groups[1:]
    inner = walk(value, steps)
    if not rest:
        yield steps
    elif inner is not None and inner != "":
        several = type(inner) is list
        for index, element in enumerate(inner if several else [inner]):
            for trail in _trails(element, rest):
                yield (*steps, index, *trail) if several else (*steps, *trail)
