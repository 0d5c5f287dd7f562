"""The independent checker: proves from requests and answers alone that nothing was sold twice and no answer changed.

It is told what was sent and what came back (`history`) and knows nothing of the hub's tables, so a defect of the hub
cannot hide in them. What it proves, and why that is enough, is in docs/concepts/proof.md:

- granted units never exceed supply, in any order of the calls that real time allows;
- the same id got the same answer, however often it was asked;
- a refusal was right at some moment between call and answer;
- what was released or shipped had been granted; what lies on the shelf is what the facts say;
- how many units were granted is known exactly once every id has an answer (`granted_min == granted_max`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from onhand.sim.effects import Effects
from onhand.sim.history import AnyEntry, Extend, Fact, Level, Release, Reserve, read_history
from onhand.sim.merging import Attempts, Contradiction
from onhand.sim.pools import Short

FINDINGS_MAX = 100
"""Findings kept in a report; what is wrong a thousand times is understood after a hundred."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that cannot have been right. `units` is by how much, where that can be said."""

    kind: str
    id: str
    detail: str
    sku: str = ""
    location: str = ""
    units: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict. `oversold` is in units; `unjudged` are refusals whose policy the history does not tell."""

    ok: bool
    attempts: int
    requests: int
    facts: int
    granted_min: int
    granted_max: int
    refused: int
    refusals_judged: int
    unjudged: int
    unresolved: int
    oversold: int
    findings: tuple[Finding, ...]
    findings_total: int


def check_files(*paths: Path, skew_ns: int = 0, must_collapse: bool = True) -> Report:
    """Check recorded files as one history; see `check`."""
    return check(read_history(*paths), skew_ns=skew_ns, must_collapse=must_collapse)


def check(history: Iterable[AnyEntry], *, skew_ns: int = 0, must_collapse: bool = True) -> Report:
    """Judge a history, in whatever order its entries stand.

    `skew_ns` is how far the hub's clock may be from that of the history; it widens the moment of a deadline only. With
    `must_collapse` an id whose outcome is still unknown at the end is itself a finding.
    """
    judge = _Judge(must_collapse=must_collapse)
    attempts = Attempts()
    levels: list[Level] = []
    for entry in history:
        judge.attempts += 1
        match entry:
            case Level():
                levels.append(entry)
            case Fact() | Reserve() | Release() | Extend():
                attempts.add(entry)
    judge.contradictions(attempts.contradictions)
    effects = Effects(attempts, skew_ns=skew_ns)
    judge.contradictions(effects.contradictions)
    judge.collapse(attempts)
    judge.pools(attempts, effects)
    judge.refusals(attempts, effects)
    judge.levels(levels, effects)
    return judge.report(attempts)


class _Judge:
    def __init__(self, *, must_collapse: bool) -> None:
        self.attempts = 0
        self._must_collapse = must_collapse
        self._found: list[Finding] = []
        self._total = 0
        self._oversold = 0
        self._unresolved = 0
        self._refused = self._judged = self._unjudged = 0

    def contradictions(self, found: Iterable[Contradiction]) -> None:
        """Two answers to one question, or an answer that its question does not allow."""
        for one in found:
            self._find(Finding(kind=one.kind, id=one.id, detail=one.detail))

    def collapse(self, attempts: Attempts) -> None:
        """An outcome that nobody knows: asking again with the same id must settle it."""
        for name in attempts.unresolved():
            self._unresolved += 1
            if self._must_collapse:
                self._find(Finding(kind="unresolved", id=name, detail="Its outcome is unknown: ask again."))

    def pools(self, attempts: Attempts, effects: Effects) -> None:
        """Granted beyond supply."""
        for (sku, location), pool in effects.free.items():
            worst = pool.oversold()
            if worst is not None:
                self._oversold += worst.by
                self._find(_oversell(sku, location, worst, attempts))

    def refusals(self, attempts: Attempts, effects: Effects) -> None:
        """Refused although there was enough during the whole call."""
        for request in attempts.short():
            self._refused += 1
            if request.keep is None:
                self._unjudged += 1
                continue
            self._judged += 1
            place = effects.had_enough(request)
            if place is not None:
                detail = f"{request.id} got less than it asked for while {place or 'the stock'} had all of it."
                self._find(Finding(kind="lost_sale", id=request.id, detail=detail, location=place))

    def levels(self, levels: Iterable[Level], effects: Effects) -> None:
        """Readings of the shelf that the facts do not allow."""
        for level in levels:
            assert level.answered_ns is not None, "a reading without an answer reads nothing"
            for sku, location, shown in level.stock:
                pool = effects.shelf.get((sku, location))
                span = pool.bounds(start=level.sent_ns, end=level.answered_ns) if pool else (0, 0)
                if not span[0] <= shown <= span[1]:
                    detail = f"The hub shows {shown}; by the facts it is {_range(span)}."
                    self._find(Finding(kind="level", id=level.id, detail=detail, sku=sku, location=location))

    def report(self, attempts: Attempts) -> Report:
        """The verdict over all of it."""
        least, most = attempts.granted()
        return Report(
            ok=not self._total,
            attempts=self.attempts,
            requests=len(attempts.requests),
            facts=len(attempts.facts),
            granted_min=least,
            granted_max=most,
            refused=self._refused,
            refusals_judged=self._judged,
            unjudged=self._unjudged,
            unresolved=self._unresolved,
            oversold=self._oversold,
            findings=tuple(self._found),
            findings_total=self._total,
        )

    def _find(self, finding: Finding) -> None:
        self._total += 1
        if len(self._found) < FINDINGS_MAX:
            self._found.append(finding)


def _oversell(sku: str, location: str, worst: Short, attempts: Attempts) -> Finding:
    request = attempts.name_of(worst.owner)
    where = f" at {location}" if location else ""
    return Finding(
        kind="oversold",
        id=request,
        sku=sku,
        location=location,
        units=worst.by,
        detail=f"{sku}{where} was oversold by {worst.by} when {request} was granted.",
    )


def _range(span: tuple[int, int]) -> str:
    return str(span[0]) if span[0] == span[1] else f"between {span[0]} and {span[1]}"
