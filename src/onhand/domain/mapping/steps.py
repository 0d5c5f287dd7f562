"""Steps: what is done with a single value after it was found, in the order of `STEPS`.

A step that is given a list is done with each of its elements, `join` excepted. One that gives nothing ends the rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from onhand.domain.mapping import number_steps, text_steps, time_steps
from onhand.domain.mapping.compiling import Compiling
from onhand.domain.mapping.errors import Place, shown
from onhand.domain.mapping.scope import Scope
from onhand.domain.mapping.unknown import Do, ask_unknown, read_unknown
from onhand.domain.mapping.values import text_of

KINDS: Final = ("item", "status", "unit", "location", "customer")
"""What codes can be looked up for: statuses and units in the network, the others in the cross references."""


class Step(NamedTuple):
    """A compiled step; `told` is what a trace says of it."""

    do: Do
    told: str
    whole_list: bool = False


def compile_steps(c: Compiling, spec: dict[str, Any], at: Place) -> list[Step]:
    """Compile the steps among a rule's keys: in the order of STEPS, those of `then` last and as they stand there."""
    steps = [step for name in STEPS if name in spec and (step := _step(c, name, spec[name], (*at, name)))]
    then = spec.get("then", [])
    if not isinstance(then, list):
        c.wrong((*at, "then"), shown(then), "a list of steps, each a key with its value")
        return steps
    for index, each in enumerate(then):
        place = (*at, "then", index)
        for name, value in c.keys(each, place, tuple(STEPS)).items():
            if (step := _step(c, name, value, (*place, name))) is not None:
                steps.append(step)
    return steps


def apply_step(step: Step, scope: Scope, value: Any) -> Any:
    """Do a step, with each element of a list."""
    if type(value) is not list or step.whole_list:
        return step.do(scope, value)
    return [found for each in value if each is not None and (found := step.do(scope, each)) is not None]


def _step(c: Compiling, name: str, spec: Any, at: Place) -> Step | None:
    do = STEPS[name](c, spec, at)
    if do is None:
        return None
    detail = spec.get("kind") if name == "lookup" and isinstance(spec, dict) else spec
    told = f"{name} {detail}" if isinstance(detail, str) and name in ("lookup", "table") else name
    return Step(do, told, whole_list=name == "join")


def _table(c: Compiling, spec: Any, at: Place) -> Do | None:
    if isinstance(spec, dict):
        known = c.keys(spec, at, ("name", "codes", "unknown"))
        if ("name" in known) == ("codes" in known):
            c.wrong(at, "both 'name' and 'codes'" if known.get("name") else "neither 'name' nor 'codes'", "one of them")
            return None
        key = "name" if "name" in known else "codes"
        table = c.table(known[key], (*at, key)) if key == "name" else c.codes(known[key], (*at, key))
        unknown = read_unknown(c, known, at)
    else:
        table, unknown = c.table(c.text(spec, at), at) if isinstance(spec, str) else c.table(spec, at), "fail"
    if table is None:
        return None
    codes = table

    def do(_: Scope, value: Any) -> Any:
        code = text_of(value)
        found = codes.get(code)
        return ask_unknown(unknown, value, "the table has no code {}", code) if found is None else found

    return do


def _lookup(c: Compiling, spec: Any, at: Place) -> Do | None:
    known = c.keys(spec, at, ("kind", "unknown")) if isinstance(spec, dict) else {"kind": spec}
    kind = c.choice(known.get("kind"), (*at, "kind") if isinstance(spec, dict) else at, KINDS)
    unknown = read_unknown(c, known, at)
    if kind is None:
        return None
    of = kind

    def do(scope: Scope, value: Any) -> Any:
        code = text_of(value)
        found = scope.run.look_up(of, code)
        if found is not None:
            return found
        system = scope.run.context.system
        return ask_unknown(unknown, code, f"no {of} is known for the code {{}} of system {system}", code)

    return do


STEPS: Final[dict[str, Callable[[Compiling, Any, Place], Do | None]]] = {
    "split": text_steps.split,
    "capture": text_steps.capture,
    "trim": text_steps.trim,
    "case": text_steps.case,
    "replace": text_steps.replace,
    "table": _table,
    "lookup": _lookup,
    "number": number_steps.number,
    "convert": number_steps.convert,
    "times": number_steps.times,
    "over": number_steps.over,
    "plus": number_steps.plus,
    "round": number_steps.rounding,
    "whole": number_steps.whole,
    "date": time_steps.instant,
    "day": time_steps.day,
    "format": time_steps.formatted,
    "amount": number_steps.amount,
    "join": text_steps.join,
}
"""Every step, in the order in which the steps of one rule are done."""
