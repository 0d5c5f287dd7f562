"""Writes the folder of a new connector from the template: a small whole that passes the suite as a draft at once."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from importlib import resources, util
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from onhand.domain.errors import Conflict, InvalidInput
from onhand.sdk import registry

NAME: Final = re.compile(r"^[a-z][a-z0-9_]{0,39}\Z")


class NameUnfit(InvalidInput):
    """A connector cannot be called that."""

    code = "connector_name_unfit"
    title = "A connector cannot be called that"
    remedy = "Use lower-case letters, digits and underscores, a letter first, forty at most."


class FolderThere(Conflict):
    """The folder of a new connector exists already."""

    code = "connector_folder_there"
    title = "There is such a folder already"
    done = "Nothing was written."
    remedy = "Choose another name, or another --folder."


def write_connector(name: str, folder: Path) -> list[Path]:
    """Write the files of a new connector below a folder; return them. Raises NameUnfit, FolderThere."""
    if not NAME.match(name):
        raise NameUnfit(f"{name!r} is no name for a connector.")
    if keyword.iskeyword(name) or util.find_spec(name) is not None or name in registry.installed():
        # A folder of that name would stand before the module it shares it with, or never be found behind the connector.
        raise NameUnfit(
            f"{name!r} is a word of Python, or a module or connector that is installed.", remedy="Choose another name."
        )
    home = folder / name
    if home.exists():
        raise FolderThere(f"{home} is there already.")
    written = []
    for path, text in files(name):
        target = home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        written.append(target)
    return written


def files(name: str) -> Iterator[tuple[str, str]]:
    """Give each file of a new connector: its path within the folder, and its text."""
    words = name.split("_")
    values = {
        "{{name}}": name,
        "{{NAME}}": name.upper(),
        "{{Name}}": "".join(word.capitalize() for word in words),
        "{{Title}}": " ".join(words).capitalize(),
    }
    for path, text in _below(resources.files("onhand.sdk") / "template", ""):
        for mark, value in values.items():
            text = text.replace(mark, value)  # noqa: PLW2901 - mark by mark
        yield path.removesuffix(".txt"), text


def _below(folder: Traversable, before: str) -> Iterator[tuple[str, str]]:
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if each.is_dir():
            yield from _below(each, f"{before}{each.name}/")
        elif not each.name.endswith((".pyc", ".pyi")):
            yield f"{before}{each.name}", each.read_text(encoding="utf-8")
