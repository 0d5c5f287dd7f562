"""Lines whose time leaps ahead of the book's: a year that was mistyped must not carry off all lines that follow.

Order books are written as time goes by, and a replay lets the days pass as the file does. One line of next year would
let that year pass at once, with nothing bought on the way. So such a line is set aside, in constant memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from onhand.sim.replay.judging import Line

AHEAD: Final = timedelta(days=31)
"""Books that are kept week by week or month by month run to and fro by less."""

LINES_AHEAD: Final = 200
"""How many lines are read before one that leaps is judged: several invoices, and little memory."""

WITNESSES_MIN: Final = 20
"""Lines of other invoices that must contradict. Towards the end of a book there are fewer, and less to lose."""


def in_step(lines: Iterator[Line]) -> Iterator[Line]:
    """Yield all lines in their order; those that leap ahead are set aside as `time_far_ahead`.

    A line leaps when it is later by more than AHEAD than every line before it and than every one of the next lines
    that belong to other invoices.
    """
    ahead: deque[Line] = deque()
    newest: datetime | None = None
    while True:
        while len(ahead) <= LINES_AHEAD and (line := next(lines, None)) is not None:
            ahead.append(line)
        if not ahead:
            return
        line = ahead.popleft()
        at = line.at
        if at is None:
            yield line
        elif newest is not None and at > newest + AHEAD and _contradicted(line.invoice, at, ahead):
            yield line._replace(kind="aside", at=None, reason="time_far_ahead")
        else:
            newest = at if newest is None else max(newest, at)
            yield line


def _contradicted(invoice: str, at: datetime, ahead: deque[Line]) -> bool:
    others: list[datetime] = [line.at for line in ahead if line.at is not None and line.invoice != invoice]
    return len(others) >= WITNESSES_MIN and max(others) + AHEAD < at
