"""Rules: how one value of the result comes about. A text is a path; keys with values are a head, steps and what else.

Each rule has one head (`heads.HEADS`), which finds or makes a value; then come its steps (`steps.STEPS`), then
`default`. Compiled, a rule is a closure: reading the specification happens once, running it is a few calls.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple

from onhand.domain.mapping.compiling import Compiling, Origins, Rule, Value, failing, where
from onhand.domain.mapping.errors import MappingFailed, Place, Unfit, place_text
from onhand.domain.mapping.scope import Scope
from onhand.domain.mapping.steps import STEPS, Step, apply_step, compile_steps

COMMON: Final = ("when", "optional", "default", "then", "note")
"""Keys that any rule may have besides its head and its steps; `note` is for people."""


class Head(NamedTuple):
    """A compiled head. `describe` says for a trace where the value comes from, `pointer` where it looks.

    `origins` is there for what builds objects and lists: it traces each part by itself. `member` is set by the most
    common head of all, a path of one name.
    """

    value: Value
    describe: Callable[[Scope], str]
    pointer: Callable[[Scope], str]
    origins: Callable[[Scope, str, Origins], None] | None = None
    optional: bool = False
    member: str | None = None


def compile_rule(c: Compiling, spec: Any, at: Place, *, extra: Collection[str] = ()) -> Rule:
    """Compile a rule; `extra` are keys that the caller reads himself."""
    from onhand.domain.mapping.heads import COMPANIONS, HEADS  # noqa: PLC0415 - heads hold rules, and rules heads

    if c.deep(at):
        return failing(where(at))
    if isinstance(spec, str):
        spec = {"path": spec}
    known = (*HEADS, *STEPS, *COMMON, *COMPANIONS, *extra)
    keys = c.keys(spec, at, known)
    heads = [key for key in HEADS if key in keys]
    if "each" in heads and "fields" in heads:
        heads.remove("fields")  # what each element becomes
    if len(heads) != 1:
        if isinstance(spec, dict) and (keys or not spec):
            found = " and ".join(map(repr, heads)) or "no head"
            c.wrong(at, found, f"one of {', '.join(HEADS)}")
        return failing(where(at))
    for key, of in COMPANIONS.items():
        if key in keys and heads[0] != of:
            c.wrong((*at, key), f"{key!r} beside {heads[0]!r}", f"it beside {of!r} only")
    head = HEADS[heads[0]](c, keys, at)
    steps = compile_steps(c, keys, at)
    return failing(where(at)) if head is None else _assembled(c, keys, at, head=head, steps=steps)


def _assembled(c: Compiling, keys: dict[str, Any], at: Place, *, head: Head, steps: list[Step]) -> Rule:
    from onhand.domain.mapping.conditions import compile_condition  # noqa: PLC0415 - conditions hold rules

    place = where(at)
    holds = compile_condition(c, keys["when"], (*at, "when")) if "when" in keys else None
    default = c.scalar(keys["default"], (*at, "default")) if "default" in keys else None
    optional = (
        head.optional or holds is not None or ("optional" in keys and c.flag(keys["optional"], (*at, "optional")))
    )
    value = _guarded(_running(head.value, steps, default), place, head.pointer)
    if head.member is not None and not steps:
        value = _quick(head.member, value)
    found = _guarded(_running(head.value, steps, None), place, head.pointer)
    if holds is not None:
        inner, condition = value, _guarded(holds, f"{place}.when", head.pointer)
        value = lambda scope: inner(scope) if condition(scope) else None  # noqa: E731

    def origins(scope: Scope, pointer: str, out: Origins) -> None:
        if value(scope) is None:
            return
        if found(scope) is None:
            out[pointer] = "default"
        elif head.origins is not None and not steps:
            head.origins(scope, pointer, out)
        else:
            out[pointer] = ", ".join([head.describe(scope), *(step.told for step in steps)])

    if "when" in keys and not optional:
        raise AssertionError("a rule with a condition is optional")
    return Rule(where=place, value=value, optional=optional, pointer=head.pointer, origins=origins)


def _running(head: Value, steps: list[Step], default: Any) -> Value:
    """Return head, steps and default as one function; the common short cases without a loop."""
    if not steps and default is None:
        return head
    if len(steps) == 1 and default is None:
        only, do = steps[0], steps[0].do

        def run_one(scope: Scope) -> Any:
            value = head(scope)
            if value is None:
                return None
            return apply_step(only, scope, value) if type(value) is list else do(scope, value)

        return run_one

    def run(scope: Scope) -> Any:
        value = head(scope)
        for step in steps:
            if value is None:
                break
            value = apply_step(step, scope, value) if type(value) is list else step.do(scope, value)
        return default if value is None else value

    return run


def _guarded(run: Callable[[Scope], Any], place: str, pointer: Callable[[Scope], str]) -> Callable[[Scope], Any]:
    """Return the function with what does not fit turned into the error that names both places."""

    def guarded(scope: Scope) -> Any:
        try:
            return run(scope)
        except Unfit as unfit:
            at = (unfit.scope or scope).pointer(unfit.at) if unfit.at else pointer(scope)
            raise MappingFailed(at, place, unfit.detail) from None

    return guarded


def _quick(name: str, value: Value) -> Value:
    """Return the same function with the most common case first: a member that is a plain text."""

    def quick(scope: Scope) -> Any:
        here = scope.here
        if type(here) is dict:
            found = here.get(name)
            if type(found) is str and found and found.isascii() and "\x00" not in found:
                return found
        return value(scope)

    return quick


def told(place: Place) -> str:
    """Return a place in the document as a trace names it."""
    return place_text(place) or "the document"
