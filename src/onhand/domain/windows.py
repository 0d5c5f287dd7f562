"""When a partner must not be called: maintenance windows by the clock on its wall, through every change of that clock.

A window is closed from its start to its end as the partner's clock shows them. Where the clock jumps over the start,
the window begins with the jump; where an hour comes twice, it lasts from the first start to the last end. So whenever
the clock on the wall shows a time inside the window, the window is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from onhand.domain.endpoint import DAYS, Window

_MERGES_MAX = 1_000
"""Windows that follow one another without a gap are walked through at most so often: about three years of days."""


def closed_until(windows: Sequence[Window], *, now: datetime, lead_s: float = 0) -> datetime | None:
    """Return when calls may be made again, None when they may be made now.

    A call takes time: one that could still be under way when a window begins is not begun, so a window also counts
    `lead_s` seconds before its start. Windows that touch or overlap are one.
    """
    until = None
    at = now
    for _ in range(_MERGES_MAX):
        end = _end_at(windows, at, timedelta(seconds=lead_s))
        if end is None:
            break
        until = at = end
    return until


def next_start(windows: Sequence[Window], *, now: datetime, days: int = 8) -> datetime | None:
    """Return when the next window begins within so many days, None when none does."""
    starts = (start for window in windows for start, _ in _spans(window, now, days_after=days) if start > now)
    return min(starts, default=None)


def day_of(now: datetime, *, timezone: str) -> date:
    """Return the calendar day at a place."""
    return now.astimezone(ZoneInfo(timezone)).date()


def day_after(now: datetime, *, timezone: str) -> datetime:
    """Return the instant at which the next calendar day of a place begins."""
    tomorrow = day_of(now, timezone=timezone) + timedelta(days=1)
    return _instant(tomorrow, time(), ZoneInfo(timezone), last=False)


def _end_at(windows: Iterable[Window], at: datetime, lead: timedelta) -> datetime | None:
    """Return the latest end of the windows that cover an instant."""
    ends = (
        end
        for window in windows
        for start, end in _spans(window, at, days_after=2 + lead.days)
        if start - lead <= at < end
    )
    return max(ends, default=None)


def _spans(window: Window, around: datetime, *, days_after: int) -> Iterator[tuple[datetime, datetime]]:
    """Yield start and end of a window on the days around an instant, in UTC."""
    zone = ZoneInfo(window.timezone)
    today = around.astimezone(zone).date()
    begins, ends = time.fromisoformat(window.start), time.fromisoformat(window.end)
    for offset in range(-2, days_after + 1):
        day = today + timedelta(days=offset)
        if _begins_on(window, day):
            last_day = day if ends > begins else day + timedelta(days=1)
            start, end = _instant(day, begins, zone, last=False), _instant(last_day, ends, zone, last=True)
            if start < end:
                yield start, end


def _begins_on(window: Window, day: date) -> bool:
    if not window.days and not window.dates:
        return True
    return day in window.dates or DAYS[day.weekday()] in window.days


def _instant(day: date, wall: time, zone: ZoneInfo, *, last: bool) -> datetime:
    """Return the instant at which a clock on the wall reaches a time: the first, or the last one where it comes twice.

    A time that the clock jumps over is reached with the jump.
    """
    early, late = (datetime.combine(day, wall, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if early <= late:
        return late if last else early
    return _jump(late, early, zone)


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant between two at which a zone's offset changes, to the second."""
    offset = before.astimezone(zone).utcoffset()
    seconds_low, seconds_high = 0, int((after - before).total_seconds())
    while seconds_high - seconds_low > 1:
        middle = (seconds_low + seconds_high) // 2
        same = (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset
        seconds_low, seconds_high = (middle, seconds_high) if same else (seconds_low, middle)
    return before + timedelta(seconds=seconds_high)
