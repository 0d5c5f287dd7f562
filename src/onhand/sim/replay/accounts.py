"""Where every line of the file ended: one outcome and one reason each, and the sums must be the lines read."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self, TextIO

from onhand.sim.replay.judging import Line

Outcome = Literal[
    "promised", "partly_promised", "backordered", "refused", "released", "returned", "adjusted", "quarantined",
    "failed", "set_aside",
]  # fmt: skip

ORDER: Final[tuple[Outcome, ...]] = (
    "promised", "partly_promised", "backordered", "refused", "released", "returned", "adjusted", "quarantined",
    "failed", "set_aside",
)  # fmt: skip


class Accounts:
    """Counts lines by outcome and reason, and writes each line's fate to a file when asked to."""

    def __init__(self, ledger: Path | None = None) -> None:
        self.by_reason: Counter[tuple[Outcome, str]] = Counter()
        self.units: Counter[Outcome] = Counter()
        self._file: TextIO | None = None
        if ledger is not None:
            self._file = _open(ledger)
            csv.writer(self._file).writerow(("line", "invoice", "sku", "quantity", "outcome", "reason"))

    @property
    def total(self) -> int:
        """Lines accounted for."""
        return sum(self.by_reason.values())

    def by_outcome(self) -> dict[Outcome, int]:
        """Lines by outcome, in the order of the trade."""
        sums: Counter[Outcome] = Counter()
        for (outcome, _), count in self.by_reason.items():
            sums[outcome] += count
        return {outcome: sums[outcome] for outcome in ORDER if sums[outcome]}

    def settle(self, line: Line, outcome: Outcome, reason: str) -> None:
        """Say where one line ended. Each line is settled once."""
        self.by_reason[outcome, reason] += 1
        self.units[outcome] += abs(line.quantity)
        if self._file is not None:
            csv.writer(self._file).writerow((line.number, line.invoice, line.sku, line.quantity, outcome, reason))

    def settle_all(self, lines: Iterable[Line], outcome: Outcome, reason: str) -> None:
        """Say the same of several lines."""
        for line in lines:
            self.settle(line, outcome, reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path, "wb", compresslevel=1), encoding="utf-8", newline="")
    return path.open("w", encoding="utf-8", newline="")
