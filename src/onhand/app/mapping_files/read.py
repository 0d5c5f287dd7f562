"""The text of a mapping file becomes compiled mappings, or one error that names every mistake with its line.

A mapping file has one section, `mappings:`, as the network's files have it too. Here a part that is needed twice may be
named by an anchor (`&lines`) and stand again where its alias (`*lines`) does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from msgspec import inspect as types

from onhand.app.network_files import yaml_tree
from onhand.app.network_files.mistakes import FileInvalid, Mistake, Position, nearest, path_text, quoted
from onhand.app.network_files.typed import Path, Reading
from onhand.domain.mapping import CompiledMapping, SpecMistake, read_spec
from onhand.domain.network import Network

SECTION: Final = "mappings"

_CODE: Final = {field.name: field for field in types.type_info(Network).fields}[SECTION].type  # type: ignore[attr-defined]


class MappingFileInvalid(FileInvalid):
    """A mapping file holds mistakes."""

    code: ClassVar[str] = "mapping_file_invalid"
    title: ClassVar[str] = "The mapping file holds mistakes"
    done: ClassVar[str] = "Nothing was mapped with it."
    remedy: ClassVar[str] = "Mend the places named and run 'onhand mapping test' again."
    what: ClassVar[str] = "The mapping file holds"


def read_mapping(text: str, *, file: str) -> dict[str, CompiledMapping]:
    """Return the compiled mappings of a file by their names. Raises MappingFileInvalid with all of its mistakes."""
    mistakes: list[Mistake] = []
    tree = yaml_tree.parse(file=file, text=text, mistakes=mistakes, shared=True)
    reading = Reading(mistakes, {})
    compiled: dict[str, CompiledMapping] = {}
    for name, spec in _specs(tree, reading, file).items():
        compiled[name], wrong = read_spec(spec, name=name)
        mistakes += located(wrong, (SECTION, name), reading)
    if mistakes:
        raise MappingFileInvalid(mistakes)
    return compiled


def located(wrong: Iterable[SpecMistake], path: Path, reading: Reading) -> list[Mistake]:
    """Return mistakes of a specification that was read at a path, with their lines."""
    return [
        Mistake(
            at=reading.at((*path, *each.path)),
            where=path_text((*path, *each.path)),
            found=each.found,
            expected=each.expected,
            suggestion=reading.suggestion(each.word, each.known) if each.word and each.known else None,
        )
        for each in wrong
    ]


def _specs(tree: yaml_tree.Node | None, reading: Reading, file: str) -> dict[str, Any]:
    """Return what stands under `mappings:`, by name."""
    if tree is None:
        if not reading.mistakes:
            reading.mistakes.append(Mistake(at=Position(file), where="", found="an empty file", expected="'mappings:'"))
        return {}
    if not isinstance(tree, yaml_tree.Mapping):
        expected = f"the section '{SECTION}:'"
        reading.mistakes.append(Mistake(at=tree.at, where="", found="a file without sections", expected=expected))
        return {}
    specs: dict[str, Any] = {}
    for key, node in tree.entries:
        if key.text == SECTION:
            found = reading.read(node, _CODE, (SECTION,))
            specs = found if isinstance(found, dict) else {}
            continue
        reading.mistakes.append(
            Mistake(
                at=key.at,
                where="",
                found=f"the unknown section {quoted(key.text)}",
                expected=f"'{SECTION}'",
                suggestion=nearest(key.text, (SECTION,)),
            )
        )
    return specs
