"""Heads: what finds or makes a value. One compiler each, listed in `HEADS`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from onhand.domain.mapping import arithmetic
from onhand.domain.mapping.building import Each, Fields, compile_fields
from onhand.domain.mapping.compiling import Compiling, Rule, Value
from onhand.domain.mapping.errors import Place, Unfit, shown
from onhand.domain.mapping.expressions import compile_cel, names
from onhand.domain.mapping.paths import BadPath, Path, parse, walk
from onhand.domain.mapping.rules import Head, compile_rule, told
from onhand.domain.mapping.scope import Scope
from onhand.domain.mapping.values import clean, read_clean


def _path(c: Compiling, keys: dict[str, Any], at: Place) -> Head | None:
    path = c.path(keys["path"], at)
    if path is None:
        return None
    optional = path.optional or keys.get("optional") is True
    value = _all_of(path, optional=optional) if path.many else read_clean(path)
    describe: Callable[[Scope], str] = lambda scope: _told(path, scope)  # noqa: E731
    pointer: Callable[[Scope], str] = lambda scope: _pointer(path, scope)  # noqa: E731
    return Head(value, describe, pointer, optional=path.optional, member=path.member)


def _all_of(path: Path, *, optional: bool) -> Value:
    """Return the function that gives all that a path leads to; a hole fails, or a sum would be silently too small."""

    def value(scope: Scope) -> Any:
        found = path.elements(scope)
        if found is None:
            return None
        run = scope.run
        values = [clean(each, run) for each in found]
        if None not in values:
            return values
        if not optional:
            raise _hole(path, scope, values.index(None))
        return [each for each in values if each is not None]

    return value


def _hole(path: Path, scope: Scope, index: int) -> Unfit:
    unfit = Unfit("nothing stands here", path.element_trail(scope, index))
    while scope.up is not None:
        scope = scope.up
    unfit.scope = scope
    return unfit


def _value(c: Compiling, keys: dict[str, Any], at: Place) -> Head | None:
    constant = keys["value"]
    for each in constant if isinstance(constant, list) else [constant]:
        c.scalar(each, (*at, "value"))
    return _here(lambda _: constant, "constant")


def _text(c: Compiling, keys: dict[str, Any], at: Place) -> Head | None:
    template = c.template(keys["text"], (*at, "text"))
    if template is None:
        return None

    def pointer(scope: Scope) -> str:
        missing = template.missing(scope)
        return scope.pointer() if missing is None else _pointer(missing, scope)

    def describe(scope: Scope) -> str:
        return "text of " + ", ".join(_told(path, scope) for path in template.paths) if template.paths else "constant"

    return Head(template.renderer(), describe, pointer)


def _fact(c: Compiling, keys: dict[str, Any], at: Place) -> Head | None:
    text = c.text(keys["fact"], (*at, "fact"), "the name of a fact, such as 'system'")
    try:
        path = None if text is None else parse(text)
    except BadPath as bad:
        c.wrong((*at, "fact"), str(bad), "the name of a fact, such as 'system'")
        return None
    if path is None:
        return None
    steps = path.groups[0]

    def value(scope: Scope) -> Any:
        context = scope.run.context
        if steps == ("system",):
            return context.system
        if steps == ("received_at",):
            return context.received_at.isoformat()
        found = walk(dict(context.facts), steps)
        return found.isoformat() if isinstance(found, datetime) else clean(found, scope.run)

    return _here(value, f"fact {path.text}", optional=path.optional)


def _counter(c: Compiling, keys: dict[str, Any], at: Place) -> Head | None:
    first = c.whole(keys["counter"], (*at, "counter"), least=0, most=1_000_000)
    if first is None:
        return None
    if not c.loops:
        c.wrong((*at, "counter"), "a counter outside of every loop", "it inside 'each' or 'for_each'")
    return _here(lambda scope: first + scope.index, "counter")


def _cel(c: Compiling, keys: dict[str, Any], at: Place) -> Head | None:
    spec = keys.get("with", {})
    rules = {
        name: compile_rule(c, _optional(spec[name]), (*at, "with", name)) for name in names(c, spec, (*at, "with"))
    }
    value = compile_cel(c, keys["cel"], (*at, "cel"), rules)
    return None if value is None else _here(value, "expression")


def _optional(spec: Any) -> Any:
    """Return a rule with what is missing allowed: an expression sees it as null."""
    if isinstance(spec, str):
        return {"path": spec, "optional": True}
    return {**spec, "optional": True} if spec and isinstance(spec, dict) else spec


def _first_of(c: Compiling, keys: dict[str, Any], at: Place) -> Head | None:
    rules = _rules(c, keys["first_of"], (*at, "first_of"))
    if rules is None:
        return None
    values = [rule.value for rule in rules]

    def value(scope: Scope) -> Any:
        for each in values:
            found = each(scope)
            if found is not None:
                return found
        return None

    def origins(scope: Scope, pointer: str, out: dict[str, str]) -> None:
        for rule in rules:
            if rule.value(scope) is not None:
                rule.origins(scope, pointer, out)
                return

    def describe(scope: Scope) -> str:
        out: dict[str, str] = {}
        origins(scope, "", out)
        return out.get("", "first of several")

    return Head(value, describe, rules[0].pointer, origins)


def _list(c: Compiling, keys: dict[str, Any], at: Place) -> Head | None:
    rules = _rules(c, keys["list"], (*at, "list"))
    if rules is None:
        return None
    values = [rule.required() for rule in rules]

    def value(scope: Scope) -> Any:
        return [found for each in values if (found := each(scope)) is not None]

    def origins(scope: Scope, pointer: str, out: dict[str, str]) -> None:
        present = [rule for rule in rules if rule.value(scope) is not None]
        for index, rule in enumerate(present):
            rule.origins(scope, f"{pointer}/{index}", out)

    return Head(value, lambda _: "list", lambda scope: scope.pointer(), origins)


def _count(c: Compiling, keys: dict[str, Any], at: Place) -> Head | None:
    path = c.path(keys["count"], (*at, "count"))
    if path is None:
        return None
    get = path.elements
    return Head(
        lambda scope: len(get(scope) or ()),
        lambda scope: f"count of {_told(path, scope)}",
        lambda scope: _pointer(path, scope),
    )


def _fields(c: Compiling, keys: dict[str, Any], at: Place) -> Head | None:
    fields = compile_fields(c, keys["fields"], (*at, "fields"))
    return Head(fields.or_nothing, lambda _: "object", lambda scope: scope.pointer(), fields.origins, optional=True)


def _each(c: Compiling, keys: dict[str, Any], at: Place) -> Head | None:
    path = c.path(keys["each"], (*at, "each"))
    if ("fields" in keys) == ("as" in keys):
        found = "both 'fields' and 'as'" if "as" in keys else "neither 'fields' nor 'as'"
        c.wrong(at, found, "'fields' for objects, or 'as' with a rule for single values")
        return None
    c.loops += 1
    part: Fields | Rule
    if "fields" in keys:
        part = compile_fields(c, keys["fields"], (*at, "fields"))
    else:
        part = compile_rule(c, keys["as"], (*at, "as"))
    c.loops -= 1
    if path is None:
        return None
    each = Each(path, part)
    pointer: Callable[[Scope], str] = lambda scope: _pointer(path, scope)  # noqa: E731
    return Head(
        each.value, lambda scope: f"each of {_told(path, scope)}", pointer, each.origins, optional=path.optional
    )


def _rules(c: Compiling, spec: Any, at: Place) -> list[Rule] | None:
    if not isinstance(spec, list) or not spec:
        c.wrong(at, shown(spec), "a list of rules")
        return None
    return [compile_rule(c, each, (*at, index)) for index, each in enumerate(spec)]


def _here(value: Callable[[Scope], Any], what: str, *, optional: bool = False) -> Head:
    return Head(value, lambda _: what, lambda scope: scope.pointer(), optional=optional)


def _told(path: Path, scope: Scope) -> str:
    rest = "".join(f"[*]{told(group) if group == () else '.' + told(group)}" for group in path.groups[1:])
    return told(path.trail(scope)) + rest.replace("the document", "")


def _pointer(path: Path, scope: Scope) -> str:
    return path.start(scope).pointer(path.groups[0])


def _computed(operation: str) -> Callable[[Compiling, dict[str, Any], Place], Head | None]:
    def compile_head(c: Compiling, keys: dict[str, Any], at: Place) -> Head | None:
        spec = keys[operation]
        if isinstance(spec, (str, dict)) and operation in ("sum", "product"):
            spec = [spec]
        rules = _rules(c, spec, (*at, operation))
        if rules is None:
            return None
        if operation in ("difference", "quotient") and len(rules) != 2:
            c.wrong((*at, operation), f"{len(rules)} rules", "two")
            return None
        value = arithmetic.compile_operation(c, operation, rules, keys, at)
        return _here(value, operation)

    return compile_head


HEADS: Final[dict[str, Callable[[Compiling, dict[str, Any], Place], Head | None]]] = {
    "path": _path,
    "value": _value,
    "text": _text,
    "first_of": _first_of,
    "each": _each,
    "fields": _fields,
    "list": _list,
    "count": _count,
    "sum": _computed("sum"),
    "product": _computed("product"),
    "difference": _computed("difference"),
    "quotient": _computed("quotient"),
    "counter": _counter,
    "fact": _fact,
    "cel": _cel,
}
"""Every head by its key."""

COMPANIONS: Final = {"as": "each", "with": "cel", "places": "quotient", "how": "quotient"}
"""Keys that stand beside one head only."""
