"""Reading a network folder from disk, and writing one: the only part of this package that touches files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onhand.app.network_files.mistakes import Mistake, NetworkInvalid, Position
from onhand.domain.errors import Conflict, NotFound

FILES_MAX = 1_000
"""A folder with more YAML files is some other folder."""

BYTES_MAX = 10_000_000
"""More than any network file; checked before reading, so that a wrong path does not fill the memory."""

SUFFIXES = (".yaml", ".yml")


def load_folder(folder: Path) -> dict[str, str]:
    """Return the text of every YAML file below the folder, by its path inside it with forward slashes.

    Hidden files and folders are passed over, and so are the cases of mappings (`mappings/cases`). Raises NotFound when
    there is no such folder or nothing in it, and NetworkInvalid for a file that is too large or not UTF-8.
    """
    if not folder.is_dir():
        remedy = "Name the network folder; 'onhand init' writes an example."
        raise NotFound(f"There is no folder '{folder}'.", remedy=remedy)
    paths = sorted(path for path in folder.rglob("*") if _is_network_file(path.relative_to(folder)))
    if not paths:
        remedy = "Name the network folder; 'onhand init' writes an example."
        raise NotFound(f"The folder '{folder}' holds no YAML files.", remedy=remedy)
    if len(paths) > FILES_MAX:
        raise NotFound(
            f"The folder '{folder}' holds {len(paths)} YAML files, more than the {FILES_MAX} of any network."
        )
    return {path.relative_to(folder).as_posix(): _text(path, folder) for path in paths}


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write files into a folder, made if need be. Raises Conflict when one of them is there already."""
    present = [name for name in files if (folder / name).exists()]
    if present:
        raise Conflict(
            f"The folder '{folder}' already holds {', '.join(sorted(present))}.",
            remedy="Choose another folder, or move the files away first.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


def _is_network_file(path: Path) -> bool:
    if path.parts[:2] == ("mappings", "cases"):
        return False  # what tests mappings changes nothing that runs
    return path.suffix in SUFFIXES and not any(part.startswith(".") for part in path.parts)


def _text(path: Path, folder: Path) -> str:
    name = path.relative_to(folder).as_posix()
    size = path.stat().st_size
    if size > BYTES_MAX:
        expected = f"at most {BYTES_MAX} bytes"
        raise NetworkInvalid([Mistake(at=Position(name), where="", found=f"{size} bytes", expected=expected)])
    raw = path.read_bytes()
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        good = raw[: error.start]
        line, column = good.count(b"\n") + 1, len(good.rpartition(b"\n")[2].decode()) + 1
        found = f"the byte 0x{raw[error.start]:02X}, which is not UTF-8"
        at = Position(name, line, column)
        raise NetworkInvalid([Mistake(at=at, where="", found=found, expected="text in UTF-8")]) from error
