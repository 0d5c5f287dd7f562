"""The example network that `onhand init` writes and the demo runs: the files of an invented distributor."""

from __future__ import annotations

from importlib import resources


def example_files() -> dict[str, str]:
    """Return the example's files ({path: text}), its README included."""
    folder = resources.files("onhand.app").joinpath("example_network")
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if file.is_file()}


def example_network_files() -> dict[str, str]:
    """Return the example's network files alone, as `plan_network` takes them."""
    return {name: text for name, text in example_files().items() if name.endswith(".yaml")}
