"""One item at one place through time: when it certainly was oversold, and how much was certainly there.

Each effect takes place at some unknown moment between its earliest and its latest. Two sweeps bound what can be true:

- *the most there can have been*: what adds stock counts from its earliest moment, what takes it from its latest. If
  even then a grant leaves less than nothing, no order of the calls explains the answers: it was oversold.
- *the least there can have been*: the other way round. A refusal while even that was enough is a lost sale.

A loss (a shipment, a correction) is a fact: it may take the stock below what is promised without anybody overselling.
It counts after all grants that were under way when it was answered; that keeps the first sweep free of false alarms.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import Final

import msgspec

NEVER: Final = 2**63 - 1
"""The latest moment of what may never have happened."""

GAIN, GRANT, LOSS = 0, 1, 2
"""Kinds of effects, in the order that counts when moments are equal."""


class Short(msgspec.Struct, frozen=True):
    """A grant that nothing explains: at `at_ns` the pool was at least `by` units below zero."""

    at_ns: int
    by: int
    owner: int


class Pool:
    """The effects on one item at one place. Columns, not objects: a year of a real business has a million of them."""

    __slots__ = ("_certain", "_early", "_kind", "_late", "_owner", "_quantity", "_times")

    def __init__(self) -> None:
        self._kind = array("b")
        self._early = array("q")
        self._late = array("q")
        self._quantity = array("q")
        self._owner = array("q")
        self._times: list[int] | None = None
        self._certain: list[int] = []

    def add(self, kind: int, quantity: int, *, early: int, late: int, owner: int = -1) -> None:
        """Add an effect of `quantity` > 0 that took place in [early, late]; `owner` says whose it is."""
        assert quantity > 0, "an effect has a size, its kind has the sign"
        assert early <= late, "an effect cannot end before it begins"
        self._kind.append(kind)
        self._early.append(early)
        self._late.append(late)
        self._quantity.append(quantity)
        self._owner.append(owner)
        self._times = None

    def oversold(self) -> Short | None:
        """The worst grant that no order of events explains, or None."""
        worst: Short | None = None
        stock = 0
        for at, kind, number in self._most():
            quantity = self._quantity[number]
            stock += quantity if kind == GAIN else -quantity
            if kind == GRANT and stock < 0 and (worst is None or -stock > worst.by):
                worst = Short(at, -stock, self._owner[number])
        return worst

    def certainly_at_least(self, *, start: int, end: int) -> int:
        """The least that can have been free at any moment of [start, end]; may be negative."""
        if self._times is None:
            self._sweep_least()
        times = self._times
        assert times is not None, "the sweep sets it"
        first = bisect_right(times, start)
        last = bisect_right(times, end)
        at_start = self._certain[first - 1] if first else 0
        return min(at_start, min(self._certain[first:last], default=at_start))

    def bounds(self, *, start: int, end: int) -> tuple[int, int]:
        """The least and the most that can lie there in [start, end], grants left aside: they move nothing yet."""
        least = most = 0
        for kind, early, late, quantity in zip(self._kind, self._early, self._late, self._quantity, strict=True):
            if kind == GRANT:
                continue
            sign = 1 if kind == GAIN else -1
            if late < start:
                least += sign * quantity
                most += sign * quantity
            elif early <= end:
                least += min(0, sign * quantity)
                most += max(0, sign * quantity)
        return least, most

    def _most(self) -> list[tuple[int, int, int]]:
        """(moment, kind, number) of each certain effect, at the moment that leaves the most stock."""
        grants = _Spans(
            [
                (e, la)
                for k, e, la in zip(self._kind, self._early, self._late, strict=True)
                if k == GRANT and la != NEVER
            ]
        )
        moments = []
        for number, kind in enumerate(self._kind):
            late = self._late[number]
            if kind == GAIN:
                moments.append((self._early[number], kind, number))
            elif late != NEVER:
                moments.append((late if kind == GRANT else grants.end_of_those_open_at(late), kind, number))
        return sorted(moments)

    def _sweep_least(self) -> None:
        changes: list[tuple[int, int]] = []
        for kind, early, late, quantity in zip(self._kind, self._early, self._late, self._quantity, strict=True):
            if kind != GAIN:
                changes.append((early, -quantity))
            elif late != NEVER:
                changes.append((late, quantity))
        changes.sort()
        self._times = [at for at, _ in changes]
        self._certain = list(accumulate(change for _, change in changes))


class _Spans:
    """Answers until when the latest of the grants lasted that were under way at a moment."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        spans.sort()
        self._starts = [start for start, _ in spans]
        self._ends = list(accumulate((end for _, end in spans), max))

    def end_of_those_open_at(self, moment: int) -> int:
        """The latest end among spans that began by `moment`, or `moment` itself when all had ended."""
        begun = bisect_left(self._starts, moment + 1)
        return max(moment, self._ends[begun - 1]) if begun else moment
