"""Writes out what a schema refers to, so that comparing and documenting see one plain tree.

Validation does not need this (references are resolved by the validator); a reader of the documentation and the
comparison of two versions do, because a change in a shared piece is a change in every contract that uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onhand.contracts.errors import BrokenContract


def inline(schema: dict[str, Any], shared: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The schema with every `$ref` replaced by what it names; what stands beside a `$ref` adds to it or overrides it.

    `shared` holds the other documents by their `$id`. Raises BrokenContract when a reference leads nowhere or in a
    circle.
    """
    plain = _written_out(schema, schema, shared, ())
    assert isinstance(plain, dict)
    plain.pop("$defs", None)
    return plain


def _written_out(node: Any, root: dict[str, Any], shared: Mapping[str, dict[str, Any]], trail: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_written_out(element, root, shared, trail) for element in node]
    if not isinstance(node, dict):
        return node
    own = {name: _written_out(child, root, shared, trail) for name, child in node.items() if name != "$ref"}
    reference = node.get("$ref")
    if not isinstance(reference, str):
        return own if reference is None else {**own, "$ref": _written_out(reference, root, shared, trail)}
    document, _, fragment = reference.partition("#")
    home = shared.get(document, {}) if document else root
    name = f"{home.get('$id')}#{fragment}"
    if name in trail:
        raise BrokenContract(f"The schema {root.get('$id')} refers to itself: {' -> '.join((*trail, name))}.")
    target = _written_out(_at(home, fragment, reference), home, shared, (*trail, name))
    return _merged(target, own)


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = base | own
    if "properties" in base and "properties" in own:
        merged["properties"] = own["properties"] | base["properties"] | own["properties"]
    if "required" in base and "required" in own:
        merged["required"] = [*own["required"], *(name for name in base["required"] if name not in own["required"])]
    return merged


def _at(document: dict[str, Any], fragment: str, reference: str) -> dict[str, Any]:
    node: Any = document
    for step in fragment.split("/")[1:]:
        node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    if not isinstance(node, dict) or not node:
        raise BrokenContract(f"The reference {reference} leads nowhere.")
    return node
