"""`onhand init`: a commented example network to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from onhand.app.example import example_files
from onhand.app.network_files.folder import write_folder
from onhand.cli import output
from onhand.cli.options import Json

FOLDER = Path("network")

Folder: TypeAlias = Annotated[Path, Parameter(name="DIR", help="The folder of network files.")]


def init(folder: Folder = FOLDER, /, *, as_json: Json = False) -> None:
    """Write a commented example network into DIR: two warehouses, a store, four channels, every kind of policy.

    Files that are there already are never overwritten.
    """
    files = example_files()
    write_folder(folder, files)
    if as_json:
        output.emit_json({"folder": str(folder), "files": sorted(files)})
    else:
        output.say(f"Wrote {len(files)} files to {folder}. Look at them, then run 'onhand plan {folder}'.")
