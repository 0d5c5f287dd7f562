"""Compares two plain JSON Schemas keyword by keyword and names each change that is no pure addition.

Keywords whose effect cannot be ordered (a pattern, a combination of schemas) count as broken for both sides when they
change: saying "cannot be shown to be harmless" is right, guessing is not. Sources of the rules: the compatibility
types of schema registries for JSON Schema (R. Yokota, 2021 and 2025), with an open object's new optional member
allowed, which is the "lenient" policy there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from onhand.contracts import strict_json


class SchemaChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change: where (a pointer into the schema), the rule it breaks, what it is, why it breaks, and whom."""

    pointer: str
    rule: str
    what: str
    why: str
    breaks: tuple[str, ...]


def schema_changes(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterator[SchemaChange]:
    """What in `new` breaks a promise of `old`; both with their references written out."""
    old, new = _as_object(old), _as_object(new)
    if _same(old, new):
        return
    for rule in _RULES:
        yield from rule(old, new, path)


_SENDERS = ("senders",)
_READERS = ("readers",)
_BOTH = ("senders", "readers")
_REFUSED = "Data that were valid are refused."
_UNEXPECTED = "Data that could not come may come now."
_TYPES = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
_UNORDERED = (
    *("$schema", "format", "pattern", "contentEncoding", "contentMediaType", "multipleOf"),
    *("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"),
    *("patternProperties", "prefixItems", "contains", "unevaluatedProperties", "unevaluatedItems"),
)


def _types(old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...]) -> Iterator[SchemaChange]:
    before, after = _allowed_types(old), _allowed_types(new)
    if before - after:
        yield _change((*path, "type"), "type_narrowed", f"no longer {_list(before - after)}", _REFUSED, _SENDERS)
    if after - before:
        yield _change((*path, "type"), "type_widened", f"now also {_list(after - before)}", _UNEXPECTED, _READERS)


def _enums(old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...]) -> Iterator[SchemaChange]:
    before, after = _allowed_values(old), _allowed_values(new)
    if before == after:
        return
    at = (*path, "const" if "const" in old or "const" in new else "enum")
    if before is None:
        yield _change(at, "enum_narrowed", f"only {_list(after or ())} from now on", _REFUSED, _SENDERS)
    elif after is None:
        yield _change(at, "enum_widened", "any value from now on", _UNEXPECTED, _READERS)
    else:
        if before - after:
            yield _change(at, "enum_narrowed", f"no longer {_list(before - after)}", _REFUSED, _SENDERS)
        if after - before:
            why = "A reader that knows all values by name does not know the new one."
            yield _change(at, "enum_widened", f"now also {_list(after - before)}", why, _READERS)


def _required(old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...]) -> Iterator[SchemaChange]:
    before, after = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(after - before):
        why = "Senders that leave it out, as they may, are refused."
        yield _change((*path, "required"), "required_added", f"'{name}' must be there now", why, _SENDERS)
    for name in sorted(before - after):
        why = "Readers that rely on it find it missing."
        yield _change((*path, "required"), "required_removed", f"'{name}' may be missing now", why, _READERS)


def _properties(old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...]) -> Iterator[SchemaChange]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name, schema in before.items():
        at = (*path, "properties", name)
        if name in after:
            yield from schema_changes(schema, after[name], at)
        else:
            closed = new.get("additionalProperties") is False
            why = "What is sent under this name is refused." if closed else "Nothing is promised for it any more."
            yield _change(at, "property_removed", f"'{name}' is gone", why, _BOTH if closed else _READERS)


def _additional(old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...]) -> Iterator[SchemaChange]:
    before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
    at = (*path, "additionalProperties")
    if before is not False and after is False:
        why = "Senders may have added members of their own; they are refused."
        yield _change(at, "additional_properties_closed", "no other members from now on", why, _SENDERS)
    elif before is False and after is not False:
        yield _change(at, "additional_properties_opened", "other members may come now", _UNEXPECTED, _READERS)
    else:
        yield from schema_changes(before, after, at)


def _nested(old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...]) -> Iterator[SchemaChange]:
    for keyword in ("items", "propertyNames"):
        yield from schema_changes(old.get(keyword, True), new.get(keyword, True), (*path, keyword))


def _bounds(old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...]) -> Iterator[SchemaChange]:
    for keyword, upper in [(keyword, False) for keyword in _LOWER] + [(keyword, True) for keyword in _UPPER]:
        before, after = old.get(keyword), new.get(keyword)
        if before == after:
            continue
        what = f"{keyword} was {_shown(before)}, is {_shown(after)}"
        tightened = before is None or (after is not None and (after < before if upper else after > before))
        if tightened:
            yield _change((*path, keyword), "bound_tightened", what, _REFUSED, _SENDERS)
        else:
            yield _change((*path, keyword), "bound_loosened", what, _UNEXPECTED, _READERS)
    if bool(old.get("uniqueItems")) != bool(new.get("uniqueItems")):
        tightened = bool(new.get("uniqueItems"))
        rule, why, whom = (
            ("bound_tightened", _REFUSED, _SENDERS) if tightened else ("bound_loosened", _UNEXPECTED, _READERS)
        )
        what = f"equal elements are {'no longer' if tightened else 'now'} allowed"
        yield _change((*path, "uniqueItems"), rule, what, why, whom)


def _unordered(old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...]) -> Iterator[SchemaChange]:
    for keyword in _UNORDERED:
        before, after = old.get(keyword), new.get(keyword)
        if _same(before, after):
            continue
        at, name = (*path, keyword), keyword.removeprefix("$")
        if before is None:
            yield _change(at, f"{name}_added", f"{keyword} {_shown(after)} is asked for now", _REFUSED, _SENDERS)
        elif after is None:
            yield _change(at, f"{name}_removed", f"{keyword} is no longer asked for", _UNEXPECTED, _READERS)
        else:
            what = f"{keyword} was {_shown(before)}, is {_shown(after)}"
            yield _change(at, f"{name}_changed", what, "It cannot be shown that the same data pass.", _BOTH)


def _defaults(old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...]) -> Iterator[SchemaChange]:
    if "default" in old and not _same(old["default"], new.get("default")):
        what = f"the default was {_shown(old['default'])}, is {_shown(new.get('default'))}"
        why = "The same data mean something else when the member is left out."
        yield _change((*path, "default"), "default_changed", what, why, _BOTH)


_RULES = (_types, _enums, _required, _properties, _additional, _nested, _bounds, _unordered, _defaults)


def _change(path: tuple[str, ...], rule: str, what: str, why: str, breaks: tuple[str, ...]) -> SchemaChange:
    return SchemaChange(pointer=strict_json.pointer(path), rule=rule, what=what, why=why, breaks=breaks)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON; Python alone would take true for 1."""
    return strict_json.canonical(one) == strict_json.canonical(other)


def _as_object(schema: Any) -> dict[str, Any]:
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    assert isinstance(schema, dict)
    return schema


def _allowed_types(schema: dict[str, Any]) -> frozenset[str]:
    stated = schema.get("type", _TYPES)
    names = {stated} if isinstance(stated, str) else set(stated)
    return frozenset(names | {"integer"}) if "number" in names else frozenset(names)


def _allowed_values(schema: dict[str, Any]) -> frozenset[str] | None:
    """The values of `enum` or `const` as JSON texts, so that true and 1 differ; None when any value will do."""
    if "const" in schema:
        return frozenset({_text(schema["const"])})
    return frozenset(map(_text, schema["enum"])) if "enum" in schema else None


def _text(value: Any) -> str:
    return strict_json.canonical(value).decode()


def _shown(value: Any) -> str:
    text = "absent" if value is None else _text(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _list(values: Any) -> str:
    return ", ".join(sorted(values))
