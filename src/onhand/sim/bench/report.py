"""The figures as a table for people, as JSON, and as the page docs/reference/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from onhand.sim.bench.machine import Machine

BUSY: Final = 0.5
"""Load above which a machine was not quiet."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure: the median of its samples, the floor measured between them, and the target of the design.

    `ratio` is value/floor (floor/value where less is better); `met` is None where a run of this size does not count.
    """

    key: str
    what: str
    value: float
    unit: str
    samples: tuple[float, ...] = ()
    floor: float | None = None
    floor_what: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None
    note: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the bench."""

    machine: Machine
    quick: bool
    command: str
    rows: tuple[Row, ...]
    costs: dict[str, float]
    left_out: dict[str, str]
    took_s: float


def figure(value: float, unit: str) -> str:
    """A figure as it is written: no more digits than it is worth."""
    if value >= 1000:
        return f"{value:,.0f} {unit}"
    return f"{value:.2f} {unit}" if value < 10 else f"{value:.1f} {unit}"


def table(report: Report) -> tuple[Sequence[str], list[tuple[str, str, str, str, str]]]:
    """Titles and rows for a terminal."""
    rows = []
    for row in report.rows:
        floor = figure(row.floor, row.unit) if row.floor is not None else ""
        ratio = f"{row.ratio:.2f}" if row.ratio is not None else ""
        rows.append((row.what, figure(row.value, row.unit), floor, ratio, f"{row.target} {_mark(row.met)}".strip()))
    return ("what", "measured", "floor", "ratio", "target"), rows


def footer(report: Report) -> list[str]:
    """What must be known to read the table."""
    machine = report.machine
    lines = [
        f"{machine.cores} cores of {machine.processor}, {machine.memory_mb:,} MB, {machine.system}",
        f"PostgreSQL {machine.postgresql} ({'durable' if machine.durable else 'NOT DURABLE'}), {machine.python}",
        f"load of the machine before the run: {machine.load_before}{_busy(machine)}",
        "processor time an order, microseconds: "
        + ", ".join(f"{name} {value:.0f}" for name, value in report.costs.items()),
    ]
    lines += [f"floor of '{row.what}': {row.floor_what}" for row in report.rows if row.floor_what]
    lines += [f"left out: {what} ({why})" for what, why in report.left_out.items()]
    return lines


def page(report: Report, *, day: date) -> str:
    """The documentation page: the figures, where they came from, how to get them again."""
    machine = report.machine
    rows = [f"| {' | '.join(cells)} |" for cells in table(report)[1]]
    floors = [f"- **{row.what}**: {row.floor_what}." for row in report.rows if row.floor_what]
    notes = [f"- **{row.what}**: {row.note}." for row in report.rows if row.note]
    costs = ", ".join(f"{name} {value:.0f} µs" for name, value in report.costs.items())
    left = [f"- {what}: {why}." for what, why in report.left_out.items()]
    return "\n".join(
        [
            "# Benchmarks",
            "",
            f"Written by `{report.command} --write-docs` on {day:%Y-%m-%d}. Run it yourself: figures of another",
            "machine say little, ratios to a floor measured in the same run say more.",
            "",
            f"Machine: {machine.cores} cores of {machine.processor}, {machine.memory_mb:,} MB, {machine.system},",
            f"PostgreSQL {machine.postgresql} with {_settings(machine)}, {machine.python}. The load, the node and the",
            f"database share these cores. Load of the machine before the run: {machine.load_before}{_busy(machine)}.",
            "",
            "| What | Measured | Floor | Ratio | Target |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"Processor time an order of one line: {costs}. `load` is what the load generator itself cost.",
            "",
            "## The floors",
            "",
            *floors,
            *(["", "## Notes", "", *notes] if notes else []),
            *(["", "## Not measured in this run", "", *left] if left else []),
            "",
        ]
    )


def write_page(report: Report, folder: Path, *, day: date) -> Path:
    """Write the page below a docs folder."""
    path = folder / "reference" / "benchmarks.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(report, day=day), encoding="utf-8")
    return path


def _mark(met: bool | None) -> str:
    return "" if met is None else "(met)" if met else "(missed)"


def _busy(machine: Machine) -> str:
    """A warning where others used the machine at the same time: ratios stand that better than figures do."""
    return " (others were using it: figures are too low)" if machine.load_before > BUSY else ""


def _settings(machine: Machine) -> str:
    return ", ".join(f"{name} {machine.settings[name]}" for name in ("fsync", "synchronous_commit"))
