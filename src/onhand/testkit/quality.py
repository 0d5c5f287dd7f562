"""`quality.toml` in a connector's folder: what the suite last found, and the figures it measured.

Written by `onhand connector check NAME --write`, committed with the connector, shown by `onhand connector list`.
Whoever changes the connector runs the suite again: the record names the version that it is about.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from onhand.sdk.manifest import Tier
from onhand.sdk.registry import Package
from onhand.testkit.verdict import Report

FILE: Final = "quality.toml"


class Quality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `quality.toml` says."""

    version: str
    earned: Tier
    partner: str
    checked_on: date
    passed: int
    not_applicable: Mapping[str, str] = {}
    not_yet: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()
    figures: Mapping[str, int] = {}
    """Messages read and commands told in a second, on the machine that wrote this, against the stand-in."""


def read_quality(package: Package) -> Quality | None:
    """Return a connector's record; None where it has none, or one that cannot be read."""
    try:
        text = (package.folder / FILE).read_text(encoding="utf-8")
        return msgspec.convert(tomllib.loads(text), Quality)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError):
        return None


def write_quality(package: Package, report: Report, *, on: date) -> None:
    """Write down what the suite found, next to the connector."""
    (package.folder / FILE).write_text(written(report, on=on), encoding="utf-8")


def written(report: Report, *, on: date) -> str:
    """Return the record of a report as TOML."""
    by_result: dict[str, list[str]] = {}
    for verdict in report.verdicts:
        by_result.setdefault(verdict.result, []).append(verdict.id)
    lines = [
        "# Written by 'onhand connector check NAME --write'. Do not edit: run it again.",
        f'version = "{report.version}"',
        f'earned = "{report.earned or "draft"}"',
        f'partner = "{report.partner}"',
        f"checked_on = {on.isoformat()}",
        f"passed = {len(by_result.get('passed', ()))}",
    ]
    lines += [
        f"{result} = [{', '.join(_text(name) for name in by_result[result])}]"
        for result in ("not_yet", "failed", "waived")
        if by_result.get(result)
    ]
    lines += ["", "[not_applicable]"]
    lines += [f"{each.id} = {_text(each.detail)}" for each in report.verdicts if each.result == "not_applicable"]
    lines += ["", "[figures]"]
    lines += [f"{_text(name)} = {value}" for name, value in sorted(report.figures.items())]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """Return a text as TOML writes it: JSON's strings are such."""
    return msgspec.json.encode(value).decode()
