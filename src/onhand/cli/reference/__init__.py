"""The generated half of the documentation: every page that the code itself can write, in one call.

`python -m onhand.cli.reference docs/reference` (or `./dev docs`) writes them; a test holds the committed pages to what
this package gives. It stands in the layer of the command line because it reads all others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from onhand.app import network_reference
from onhand.cli.reference import configuration, connectors, limits, metrics, resiliency, tables, verbs
from onhand.contracts import docs as events
from onhand.contracts.registry import packaged
from onhand.http import reference as api

COMMAND: Final = "./dev docs"


def pages() -> dict[str, str]:
    """Every generated file by its path below `docs/reference`."""
    return {
        "cli.md": verbs.page(),
        "settings.md": configuration.page(),
        "limits.md": limits.page(),
        "metrics.md": metrics.page(),
        "connectors.md": connectors.page(),
        "resiliency.md": resiliency.page(),
        "schema.md": tables.page(),
        network_reference.PAGE: network_reference.reference_page(),
        **api.files(),
        **events.reference(packaged()),
    }


def write(folder: Path) -> list[str]:
    """Write all pages below `folder`, remove those of contracts that are gone; the names of files that changed."""
    before = {path: path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}
    events.write_reference(folder)
    changed = []
    for name, text in pages().items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        if before.get(path) != text:
            changed.append(name)
    return changed
