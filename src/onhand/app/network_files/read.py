"""The texts of network files become one checked Network, or one error that names every mistake.

Each file holds sections (`locations:`, `channels:` ...) in any split: a section may stand in several files, which are
put together before anything is read, so that a code declared twice is found across files too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import inspect as types

from onhand.app.network_files import yaml_tree
from onhand.app.network_files.checking import Checking
from onhand.app.network_files.cross_checks import cross_check
from onhand.app.network_files.event_types import event_types
from onhand.app.network_files.mistakes import Mistake, NetworkInvalid, Position, nearest, quoted
from onhand.app.network_files.typed import MISSING, Path, Reading
from onhand.domain.network import CANONICAL_STATUSES, Network
from onhand.sdk.registry import Registry, installed

CHARACTERS_MAX = 10_000_000
"""All files together. They are stored whole with every version."""

_SECTIONS = {field.encode_name: field for field in types.type_info(Network).fields}  # type: ignore[attr-defined]

_DEFAULTS: Mapping[Path, msgspec.Struct] = {("statuses", code): status for code, status in CANONICAL_STATUSES.items()}


def read_network(
    files: Mapping[str, str],
    *,
    known_event_types: Collection[str] | None = None,
    connectors: Registry | None = None,
) -> Network:
    """Return the network that the files ({path: text}) declare.

    `known_event_types` are the types that authority may speak of, those of the contracts when left out; `connectors`
    those that endpoints and feeds may use, the installed ones when left out. Raises NetworkInvalid with all mistakes
    of all files.
    """
    mistakes: list[Mistake] = []
    characters = sum(map(len, files.values()))
    if characters > CHARACTERS_MAX:
        at = Position(min(files))
        expected = f"at most {CHARACTERS_MAX} in all files"
        raise NetworkInvalid([Mistake(at=at, where="", found=f"{characters} characters", expected=expected)])
    trees = {file: _tree(file, files[file], mistakes) for file in sorted(files)}
    reading = Reading(mistakes, _DEFAULTS)
    values: dict[str, Any] = {}
    for section, nodes in _by_section(trees, mistakes).items():
        value = _read_section(section, nodes, reading)
        if value is not MISSING:
            values[section] = value
    network = Network(**values)
    known = event_types() if known_event_types is None else known_event_types
    fences = values.get("ring_fences", ())
    packages = installed() if connectors is None else connectors
    checking = Checking(network, reading, fences=fences, event_types=known, connectors=packages)
    mistakes.extend(cross_check(checking))
    if mistakes:
        raise NetworkInvalid(mistakes)
    return network


def _tree(file: str, text: str, mistakes: list[Mistake]) -> yaml_tree.Node | None:
    """Return the tree of a file; those below `mappings/` may share parts, as a connector's mapping file may."""
    return yaml_tree.parse(file=file, text=text, mistakes=mistakes, shared=file.startswith("mappings/"))


def _by_section(
    trees: Mapping[str, yaml_tree.Node | None], mistakes: list[Mistake]
) -> dict[str, list[tuple[yaml_tree.Scalar, yaml_tree.Node]]]:
    """Return each known section's nodes in all files, with the keys above them."""
    found: dict[str, list[tuple[yaml_tree.Scalar, yaml_tree.Node]]] = {}
    for key, node in _top_level(trees, mistakes):
        if key.text in _SECTIONS:
            found.setdefault(key.text, []).append((key, node))
        else:
            expected = f"one of {', '.join(_SECTIONS)}"
            suggestion = nearest(key.text, _SECTIONS)
            mistakes.append(
                Mistake(
                    at=key.at,
                    where="",
                    found=f"the unknown section {quoted(key.text)}",
                    expected=expected,
                    suggestion=suggestion,
                )
            )
    return found


def _top_level(
    trees: Mapping[str, yaml_tree.Node | None], mistakes: list[Mistake]
) -> Iterator[tuple[yaml_tree.Scalar, yaml_tree.Node]]:
    for tree in trees.values():
        if isinstance(tree, yaml_tree.Mapping):
            yield from tree.entries
        elif tree is not None and not (isinstance(tree, yaml_tree.Scalar) and tree.empty):
            mistakes.append(
                Mistake(at=tree.at, where="", found="a file without sections", expected="sections such as 'channels:'")
            )


def _read_section(section: str, nodes: list[tuple[yaml_tree.Scalar, yaml_tree.Node]], reading: Reading) -> object:
    kind = _SECTIONS[section].type
    shape = yaml_tree.Sequence if isinstance(kind, types.VarTupleType) else yaml_tree.Mapping
    for _, node in nodes:
        if not isinstance(node, shape):
            reading.read(node, kind, (section,))  # reports the wrong shape; nothing at all is an empty section
    parts = [part for part in nodes if isinstance(part[1], shape)]
    if not parts:
        return MISSING
    return reading.read(_put_together(parts, reading.mistakes), kind, (section,))


def _put_together(parts: list[tuple[yaml_tree.Scalar, yaml_tree.Node]], mistakes: list[Mistake]) -> yaml_tree.Node:
    """Make one node of a section's parts; report keys that stand in two of them."""
    at = parts[0][0].at
    items: list[yaml_tree.Node] = []
    entries: dict[str, tuple[yaml_tree.Scalar, yaml_tree.Node]] = {}
    for _, node in parts:
        if isinstance(node, yaml_tree.Sequence):
            items.extend(node.items)
        elif isinstance(node, yaml_tree.Mapping):
            for key, value in node.entries:
                first, _ = entries.setdefault(key.text, (key, value))
                if first is not key:
                    mistakes.append(_declared_twice(key, first))
    if isinstance(parts[0][1], yaml_tree.Sequence):
        return yaml_tree.Sequence(at=at, items=tuple(items))
    return yaml_tree.Mapping(at=at, entries=tuple(entries.values()))


def _declared_twice(again: yaml_tree.Scalar, first: yaml_tree.Scalar) -> Mistake:
    expected = f"each key once; it stands at {first.at} already"
    return Mistake(at=again.at, where="", found=f"the key {quoted(again.text)} again", expected=expected)
