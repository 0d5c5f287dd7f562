"""Where mappings and their cases lie on disk: a connector's `mapping.yaml`, an operator's `mappings/*.yaml`.

Cases lie in the folder `cases` beside them. All mapping files of one folder share its cases, and no two of them may
have a mapping of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onhand.app.mapping_files.read import MappingFileInvalid, read_mapping
from onhand.app.network_files.mistakes import Mistake, Position, quoted
from onhand.domain.errors import NotFound
from onhand.domain.mapping import CompiledMapping

FILE = "mapping.yaml"
FOLDER = "mappings"
CASES = "cases"
BYTES_MAX = 2_000_000
"""More than any mapping; checked before reading, so that a wrong path does not fill the memory."""

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class MappingFolder:
    """The mapping files of one folder, compiled, and the files of their cases."""

    files: tuple[Path, ...]
    mappings: Mapping[str, CompiledMapping]
    cases: tuple[Path, ...]


def find_mappings(places: list[Path]) -> list[MappingFolder]:
    """Return the mappings at or below these files and folders. Raises NotFound and MappingFileInvalid."""
    by_folder: dict[Path, list[Path]] = {}
    for place in places:
        if not place.exists():
            raise NotFound(f"There is no '{place}'.", remedy="Name a mapping file, or a folder that holds one.")
        for file in [place] if place.is_file() else _files_below(place):
            by_folder.setdefault(file.parent, []).append(file)
    if not by_folder:
        named = ", ".join(map(str, places))
        raise NotFound(f"No mapping lies below '{named}'.", remedy=f"A mapping is '{FILE}' or lies in '{FOLDER}/'.")
    return [_folder(folder, sorted(set(files))) for folder, files in sorted(by_folder.items())]


def read_text(file: Path) -> str:
    """Return the text of a file. Raises MappingFileInvalid for one that is too large or not UTF-8, NotFound."""
    if not file.is_file():
        raise NotFound(f"There is no file '{file}'.", remedy="Check the path.")
    size = file.stat().st_size
    if size > BYTES_MAX:
        at = Position(str(file))
        mistake = Mistake(at=at, where="", found=f"{size} bytes", expected=f"at most {BYTES_MAX} bytes")
        raise MappingFileInvalid([mistake])
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        found = f"byte {error.start}, which is not UTF-8"
        mistake = Mistake(at=Position(str(file)), where="", found=found, expected="text in UTF-8")
        raise MappingFileInvalid([mistake]) from None


def _files_below(folder: Path) -> list[Path]:
    own = {folder} if folder.name == FOLDER else set()
    found = [path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file()]
    return [
        path
        for path in found
        if (path.name == FILE or path.parent.name == FOLDER or path.parent in own)
        and CASES not in path.relative_to(folder).parts[:-1]
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _folder(folder: Path, files: list[Path]) -> MappingFolder:
    mappings: dict[str, CompiledMapping] = {}
    mistakes: list[Mistake] = []
    for file in files:
        try:
            found = read_mapping(read_text(file), file=str(file))
        except MappingFileInvalid as invalid:
            mistakes += invalid.mistakes
            continue
        for name in found.keys() & mappings.keys():
            at = Position(str(file))
            expected = "each mapping of a folder once"
            mistakes.append(Mistake(at=at, where="", found=f"the mapping {quoted(name)} again", expected=expected))
        mappings |= found
    if mistakes:
        raise MappingFileInvalid(mistakes)
    cases = sorted(path for path in (folder / CASES).glob("*") if path.suffix in _SUFFIXES)
    return MappingFolder(files=tuple(files), mappings=mappings, cases=tuple(cases))
