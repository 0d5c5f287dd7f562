"""What a replay did, as numbers that add up and as a page that people read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from onhand.app.answers import Verification
from onhand.sim import checker
from onhand.sim.replay.engine import Played
from onhand.sim.replay.survey import Survey


class LinesBy(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that ended in one way for one reason."""

    outcome: str
    reason: str
    lines: int


class Detected(msgspec.Struct, frozen=True, kw_only=True):
    """How the file was read."""

    encoding: str
    delimiter: str
    compressed: bool
    byte_order_mark: bool
    line_ends: str
    columns: dict[str, str]
    date_order: str
    date_evidence: str
    first: datetime | None
    last: datetime | None
    items: int
    spellings_folded: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole replay. `adds_up`: the lines by outcome are exactly the lines read, and all of the file was read."""

    file: str
    ok: bool
    adds_up: bool
    lines_in_file: int
    lines_read: int
    lines_accounted: int
    outcomes: dict[str, int]
    reasons: tuple[LinesBy, ...]
    notes: dict[str, int]
    detected: Detected
    requests: dict[str, int]
    events: dict[str, int]
    channels: dict[str, dict[str, int]]
    asked_units: int
    granted_units: int
    took_s: float
    changed: int
    verification: Verification | None
    history: checker.Report
    history_file: str | None


def make(
    file: str, survey: Survey, played: Played, *, verification: Verification | None, history: checker.Report,
    history_file: str | None, whole: bool,
) -> Report:  # fmt: skip
    """The report over what was played. `changed` counts decisions that were new: 0 for a repeated replay."""
    accounts = played.accounts
    adds_up = accounts.total == played.lines_read and (not whole or played.lines_read == survey.lines)
    return Report(
        file=file,
        ok=adds_up and history.ok and (verification is None or verification.ok),
        adds_up=adds_up,
        lines_in_file=survey.lines,
        lines_read=played.lines_read,
        lines_accounted=accounts.total,
        outcomes={str(outcome): count for outcome, count in accounts.by_outcome().items()},
        reasons=tuple(
            LinesBy(outcome=outcome, reason=reason, lines=count)
            for (outcome, reason), count in sorted(accounts.by_reason.items(), key=lambda one: (-one[1], one[0]))
        ),
        notes=dict(sorted(played.notes.items())),
        detected=_detected(survey),
        requests=dict(played.requests),
        events=dict(played.events),
        channels={code: dict(counts) for code, counts in sorted(played.by_channel.items())},
        asked_units=played.asked_units,
        granted_units=played.granted_units,
        took_s=round(played.took_s, 2),
        changed=played.requests["new"] + played.events["applied"],
        verification=verification,
        history=history,
        history_file=history_file,
    )


def text(report: Report) -> str:
    """The report for people."""
    parts = [_lines(report), _reading(report.detected), _traffic(report), _proof(report)]
    return "\n\n".join("\n".join(part) for part in parts)


def _lines(report: Report) -> list[str]:
    rows = [f"{report.lines_read:,} lines read from {report.file}; every line ended in one way:", ""]
    for outcome, count in report.outcomes.items():
        rows.append(f"  {outcome:<17}{count:>9,}  {100 * count / max(report.lines_read, 1):5.1f} %")
        own = [one for one in report.reasons if one.outcome == outcome]
        if len(own) > 1 or own[0].reason not in ("granted", "cancellation"):
            rows += [f"      {one.reason:<29}{one.lines:>9,}" for one in own]
    verdict = "adds up" if report.adds_up else "DOES NOT ADD UP"
    rows.append(f"  {'sum':<17}{report.lines_accounted:>9,}  {verdict}")
    if report.notes:
        rows += ["", "Noticed on the way, without stopping a line:"]
        rows += [f"  {name.replace('_', ' '):<31}{count:>9,}" for name, count in report.notes.items()]
    return rows


def _reading(found: Detected) -> list[str]:
    columns = ", ".join(f"{field} = {heading}" for field, heading in found.columns.items())
    mark = ", byte order mark" if found.byte_order_mark else ""
    delimiter = {"\t": "tab"}.get(found.delimiter, found.delimiter)
    return [
        "How the file was read:",
        f"  {'gzip, ' if found.compressed else ''}{found.encoding}, {found.line_ends}{mark}, separated by {delimiter}",
        f"  {columns}",
        f"  dates: {found.date_order} ({found.date_evidence}); {_day(found.first)} to {_day(found.last)}",
        f"  {found.items:,} items; {found.spellings_folded:,} spellings folded into another",
    ]


def _traffic(report: Report) -> list[str]:
    rate = report.lines_read / max(report.took_s, 0.001)
    share = 100 * report.granted_units / max(report.asked_units, 1)
    rows = [
        f"Orders: {_counts(report.requests)}. Facts: {_counts(report.events)}.",
        f"  {report.took_s:,.1f} s, {rate:,.0f} lines a second",
        f"  {report.asked_units:,} units asked for, {report.granted_units:,} promised ({share:.1f} %)",
    ]
    width = max((len(code) for code in report.channels), default=0)
    for code, counts in report.channels.items():
        known = ("granted", "partly_granted", "backordered", "refused", "failed")
        states = ", ".join(f"{counts[state]:,} {state.replace('_', ' ')}" for state in known if counts.get(state))
        rows.append(f"  {code:<{width}}  {counts.get('orders', 0):>7,} orders: {states}")
    if not report.changed:
        rows.append("  Nothing was new: this file had been replayed into this database before.")
    return rows


def _proof(report: Report) -> list[str]:
    history = report.history
    calls = f"{history.attempts:,} calls and facts, {history.refusals_judged:,} refusals judged"
    units = f"oversold {history.oversold:,}, granted at least {history.granted_min:,}, at most {history.granted_max:,}"
    rows = [f"Independent checker: {'right' if history.ok else 'WRONG'}. {calls}; {units}."]
    rows += [f"  {one.kind}: {one.detail}" for one in history.findings[:10]]
    if report.verification is None:
        rows.append("Verify: not run, the database is not ours. Run 'onhand verify' where it lies.")
    else:
        found = report.verification
        checked = ", ".join(f"{count:,} {what}" for what, count in found.checked.items())
        rows.append(f"Verify: {'right' if found.ok else 'WRONG'}. {checked}; {found.took_s:.1f} s.")
        rows += [f"  {one.check}: {one.sku or ''} {one.where}: {one.explanation}" for one in found.differences[:10]]
    return rows


def _detected(survey: Survey) -> Detected:
    dialect = survey.dialect
    return Detected(
        encoding=dialect.encoding, delimiter=dialect.delimiter, compressed=dialect.compressed,
        byte_order_mark=dialect.byte_order_mark, line_ends=dialect.line_ends,
        columns={str(field): dialect.headings[place] for field, place in dialect.columns.items()},
        date_order=survey.date_order, date_evidence=survey.date_evidence, first=survey.first, last=survey.last,
        items=len(survey.items), spellings_folded=survey.folded,
    )  # fmt: skip


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count) or "no"


def _day(moment: datetime | None) -> str:
    return "nothing" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def as_json(report: Report) -> Any:
    """The report as plain JSON values."""
    return msgspec.to_builtins(report)
