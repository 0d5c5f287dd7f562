"""What must be known of the whole file before its first order is sent: two quick passes in constant memory.

The first settles how to read it (encoding, order of day and month, spelling of codes), the second what stock each item
has to start with. Memory grows with the number of items, not with the number of lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec

from onhand.sim.replay import values
from onhand.sim.replay.dialect import Dialect, detect
from onhand.sim.replay.judging import Judge
from onhand.sim.replay.leaps import in_step
from onhand.sim.replay.policy import Policy
from onhand.sim.replay.source import records
from onhand.sim.replay.values import DateOrder

Progress = Callable[[int], None]


class Item(msgspec.Struct):
    """An item as the file shows it: the name it mostly has, when it is first sold, and its demand from then on."""

    name: str
    first_day: date
    opening_demand: int = 0


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """The file as a whole. `lines` are records, the heading left out; `items` are goods under their final spelling."""

    dialect: Dialect
    lines: int
    date_order: DateOrder
    date_evidence: str
    first: datetime | None
    last: datetime | None
    spellings: dict[str, str]
    folded: int
    items: dict[str, Item]


def survey(path: Path, policy: Policy) -> Survey:
    """Read a file twice and say what it is. Raises UnreadableFile."""
    dialect = detect(path, policy)
    form = _form(path, dialect)
    if form.replaced and policy.encoding == "auto" and dialect.encoding == "utf-8-sig":
        dialect = msgspec.structs.replace(dialect, encoding="cp1252")  # the stray byte came late
        form = _form(path, dialect)
    order, evidence = _date_order(form, policy)
    spellings = form.folded() if policy.sku_case == "fold" else {}
    judge = Judge(policy, order=order, spellings=spellings if policy.sku_case == "fold" else None)
    items, first, last = _items(path, dialect, judge, policy)
    return Survey(
        dialect=dialect, lines=form.lines, date_order=order, date_evidence=evidence, first=first, last=last,
        spellings=spellings, folded=len(form.spellings) - len({sku.casefold() for sku in form.spellings}), items=items,
    )  # fmt: skip


class _Form:
    def __init__(self) -> None:
        self.lines = 0
        self.replaced = 0
        self.spellings: Counter[str] = Counter()
        self.day_first = self.month_first = self.undecided = 0
        self.backward: dict[DateOrder, int] = {"day_first": 0, "month_first": 0}

    def folded(self) -> dict[str, str]:
        """The most frequent spelling of each code; the first in code point order where two are equally frequent."""
        best: dict[str, str] = {}
        for sku, count in sorted(self.spellings.items()):
            known = best.get(sku.casefold())
            if known is None or count > self.spellings[known]:
                best[sku.casefold()] = sku
        return best


def _form(path: Path, dialect: Dialect) -> _Form:
    form = _Form()
    last = ""
    before: dict[DateOrder, tuple[int, int]] = {}
    for raw in records(path, dialect):
        form.lines += 1
        form.replaced += "\ufffd" in raw.description or "\ufffd" in raw.sku
        form.spellings[values.code(raw.sku)] += 1
        if raw.time != last:
            last = raw.time
            parts = values.ambiguous_parts(last)
            if parts:
                _weigh(form, parts, before)
    return form


def _weigh(form: _Form, parts: tuple[int, int], before: dict[DateOrder, tuple[int, int]]) -> None:
    first, second = parts
    form.day_first += first > 12
    form.month_first += second > 12
    form.undecided += 1
    readings: dict[DateOrder, tuple[int, int]] = {"day_first": (second, first), "month_first": (first, second)}
    for order, reading in readings.items():
        # Order books are written day by day: the wrong reading jumps to and fro.
        form.backward[order] += reading < before.get(order, reading)
        before[order] = reading


def _date_order(form: _Form, policy: Policy) -> tuple[DateOrder, str]:
    if policy.date_order != "auto":
        return policy.date_order, "said by the policy"
    if not form.undecided:
        return "day_first", "every date says its own order"
    if form.day_first != form.month_first:
        order: DateOrder = "day_first" if form.day_first > form.month_first else "month_first"
        most, least = max(form.day_first, form.month_first), min(form.day_first, form.month_first)
        return order, f"{most:,} dates can only be read so, {least:,} only the other way"
    order = "day_first" if form.backward["day_first"] <= form.backward["month_first"] else "month_first"
    return order, f"the dates run backwards {form.backward[order]:,} times when read so, more often otherwise"


def _items(
    path: Path, dialect: Dialect, judge: Judge, policy: Policy
) -> tuple[dict[str, Item], datetime | None, datetime | None]:
    items: dict[str, Item] = {}
    names: dict[str, Counter[str]] = {}
    span = timedelta(days=policy.stock.opening_days)
    first: datetime | None = None
    last: datetime | None = None
    for line in in_step(judge.judge(raw) for raw in records(path, dialect)):
        if line.at is None:
            continue
        first = line.at if first is None else min(first, line.at)
        last = line.at if last is None else max(last, line.at)
        day = line.at.date()
        item = items.get(line.sku)
        if item is None:
            item = items[line.sku] = Item(line.sku, day)
            names[line.sku] = Counter()
        if line.kind == "order":
            names[line.sku][line.description] += 1
            if day - item.first_day < span:
                item.opening_demand += line.quantity
    for sku, seen in names.items():
        best = sorted(((count, name) for name, count in seen.items() if name), key=lambda one: (-one[0], one[1]))
        items[sku].name = best[0][1][:200] if best else sku
    return items, first, last
