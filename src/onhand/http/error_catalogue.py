"""Finds every error that Onhand can tell, by its code: for the reference page, for /docs/errors, and for the tests."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from onhand.domain.errors import OnhandError
from onhand.http import problems

LAYERS = ("domain", "contracts", "ops", "sdk", "app", "store", "flow", "connectors", "http")
"""The packages whose errors a node can tell."""

ALL_LAYERS = (*LAYERS, "console", "sim", "testkit", "cli")
"""Those, and the packages whose errors only the command line tells. Nothing that serves imports these."""


INTRODUCTION = """\
Every error has a stable code. The API tells it as a problem document (RFC 9457) with the members `type`, `title`,
`status`, `detail`, `instance` (the id of the request), `code`, `done` (what Onhand did about it) and `remedy` (what you
can do); an error may add facts of its own, such as `pointer` (a JSON pointer into the body). The CLI prints the same
words. Codes are never renamed and never given another meaning."""


@cache
def catalogue(layers: tuple[str, ...] = LAYERS) -> dict[str, type[OnhandError]]:
    """Every code that these layers tell, with its error class, in the order of the codes."""
    by_code: dict[str, type[OnhandError]] = {}
    for error in every(layers):
        by_code.setdefault(error.code, error)
    return dict(sorted(by_code.items()))


def every(layers: tuple[str, ...] = LAYERS) -> list[type[OnhandError]]:
    """Every error class of these layers, those that share a code included; a base comes before what it is a base of."""
    for layer in layers:
        package = importlib.import_module(f"onhand.{layer}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith(".__main__"):
                importlib.import_module(found.name)
    return [error for error in _below(OnhandError) if error.__module__.split(".")[:2] in _homes(layers)]


def _homes(layers: tuple[str, ...]) -> list[list[str]]:
    return [["onhand", layer] for layer in layers]


def meaning(error: type[OnhandError]) -> str:
    """What an error means, in a sentence or two."""
    return " ".join((error.__doc__ or error.title).split())


def markdown() -> str:
    """The reference page of all errors."""
    parts = [
        "# Errors",
        "<!-- Written by `python -m onhand.http.reference docs/reference`; do not edit by hand. -->",
        INTRODUCTION,
    ]
    for code, error in catalogue(ALL_LAYERS).items():
        remedy = f" {error.remedy}" if error.remedy else ""
        parts.append(
            f"## {code}\n\n**{error.title}.** HTTP status {problems.status_of(error)}.\n\n"
            f"{meaning(error)}\n\n{error.done}{remedy}"
        )
    return "\n\n".join(parts) + "\n"


def _below(error: type[OnhandError]) -> list[type[OnhandError]]:
    found = [error]
    for each in error.__subclasses__():
        found += _below(each)
    return found
