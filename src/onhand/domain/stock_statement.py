"""What a system's numbers mean: from rows of its stock to the facts that our ledger understands.

Every number is taken as of its cut-off, so that what happened here since is not undone by it, and what a feed states as
of an older cut-off than it has stated before says nothing more. A number that the ledger had at that moment as well
makes no fact.

A source that has taken off demand states less than stands there. What it took off is added again: our open promises
that were made by the cut-off. Those that ended in between are no longer known as they were then; leaving them out
states too little rather than too much, and the next statement makes up for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from onhand.domain.errors import InvalidInput
from onhand.domain.feed import Statement
from onhand.domain.inbox import Trouble
from onhand.domain.item import Item
from onhand.domain.network import Network
from onhand.domain.quantity import DIGITS_MAX

CODE_MAX: Final = 200
"""Longer codes no contract takes, and no index."""

STATED: Final = "stock.stated"
"""The type that a mapping gives rows of stock. It is never recorded itself."""

Place = tuple[str, str, str, str]
"""(sku, location, status, lot): where a number belongs; '' is no lot."""


class RowInvalid(Exception):
    """A row cannot be understood; `field` names what is wrong with it."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.detail = detail


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One number of a statement, with all that it leaves open filled in."""

    sku: str
    location: str
    status: str
    lot: str
    quantity: int | Decimal
    uom: str | None
    as_of: datetime
    origin: str = ""
    """Where in its message it stands."""

    @property
    def place(self) -> Place:
        """Where the number belongs."""
        return (self.sku, self.location, self.status, self.lot)


Standings = Mapping[tuple[Place, datetime], "Standing"]
"""What stood at each place at each cut-off."""


class Standing(msgspec.Struct, frozen=True):
    """What the ledger says was at a place at the cut-off, and our open demand there that was made by then."""

    balance: int = 0
    reserved: int = 0
    allocated: int = 0
    backordered: int = 0
    stated_at: datetime | None = None
    """As of when the feed has stated the place already."""


NOTHING: Final = Standing()


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that follows from a row."""

    type: str
    time: datetime
    data: dict[str, Any]
    row: Row


def cut_off(
    statement: Statement, *, snapshot: datetime | None, occurred: datetime | None, received: datetime
) -> datetime:
    """Return the cut-off of rows that state none: the snapshot's, the message's own, or its arrival less the lag."""
    return snapshot or occurred or received - timedelta(seconds=statement.lag_s)


def row_of(data: Mapping[str, Any], statement: Statement, *, as_of: datetime, origin: str = "") -> Row:
    """Return what a mapped row says. Raises RowInvalid."""
    location = data.get("location") or statement.location
    if not isinstance(location, str):
        raise RowInvalid("location", "the row names no location, and the feed declares none")
    lot, uom, stated = data.get("lot"), data.get("uom"), data.get("as_of")
    for field in ("sku", "location", "status", "lot"):
        if len(str(data.get(field) or "")) > CODE_MAX:
            raise RowInvalid(field, f"the row's {field} has more than {CODE_MAX} characters")
    return Row(
        sku=_text(data, "sku"),
        location=location,
        status=str(data.get("status") or statement.status),
        lot="" if lot is None else str(lot),
        quantity=_number(data.get("quantity")),
        uom=None if uom in (None, "") else str(uom),
        as_of=as_of if stated is None else _instant(stated),
        origin=origin,
    )


def in_base(rows: Iterable[Row], items: Mapping[str, Item]) -> tuple[list[Row], list[Trouble]]:
    """Return rows in base units, and what is wrong with those that are no whole number of them.

    A row of an item or unit that is not known stays as it is: the ledger sets it aside with its own reason.
    """
    found: list[Row] = []
    troubles: list[Trouble] = []
    for row in rows:
        quantity = _to_base(row, items.get(row.sku))
        if quantity is not None:
            found.append(msgspec.structs.replace(row, quantity=quantity, uom=None))
        elif isinstance(row.quantity, int):
            found.append(row)
        else:
            unit = f" {row.uom}" if row.uom else ""
            detail = f"{row.quantity}{unit} of {row.sku} is no whole number of units"
            troubles.append(Trouble(code="row_invalid", detail=detail, place=row.origin))
    return found, troubles


def settled(rows: Iterable[Row], statement: Statement) -> list[Row]:
    """Return rows so that each place is spoken of once: what one moment says is added up, and the newest moment counts.

    Changes are added up as well, and all of them count.
    """
    summed: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = (row.place, row.uom, row.as_of)
        first = summed.get(key)
        summed[key] = row if first is None else msgspec.structs.replace(first, quantity=first.quantity + row.quantity)
    if statement.means == "relative":
        return list(summed.values())
    newest: dict[Place, datetime] = {}
    for row in summed.values():
        newest[row.place] = max(newest.get(row.place, row.as_of), row.as_of)
    return [row for row in summed.values() if row.as_of == newest[row.place]]


def derive(
    rows: Iterable[Row], standings: Standings, statement: Statement, *, feed: str, network: Network
) -> Iterator[Derived]:
    """Yield the facts that follow from settled rows.

    `standings` says what stood at each place at each cut-off; a feed that states changes needs none.
    """
    for row in rows:
        if statement.means == "relative":
            if row.quantity:
                yield _adjustment(row, feed)
            continue
        standing = standings.get((row.place, row.as_of), NOTHING)
        if standing.stated_at is not None and standing.stated_at > row.as_of:
            continue
        counted = max(0, int(row.quantity) + _subtracted(row, standing, statement, network))
        if counted != standing.balance or row.uom is not None:
            yield _count(row, counted)


def zero(sku: str, location: str, status: str, lot: str, *, as_of: datetime) -> Derived:
    """Return the fact that nothing stands at a place that a whole snapshot does not name."""
    row = Row(sku=sku, location=location, status=status, lot=lot, quantity=0, uom=None, as_of=as_of)
    return _count(row, 0)


def floored(rows: Iterable[Row], statement: Statement) -> int:
    """Return how many rows state less than nothing, which is counted as nothing where a number is no change."""
    return 0 if statement.means == "relative" else sum(row.quantity < 0 for row in rows)


def _to_base(row: Row, item: Item | None) -> int | None:
    """Return the quantity in base units, None where that cannot be told."""
    try:
        exact: int | None = None if item is None else item.units.to_base(row.quantity, row.uom)
    except InvalidInput:
        return None
    return exact


def _subtracted(row: Row, standing: Standing, statement: Statement, network: Network) -> int:
    """Return the demand that the source has taken off its number. Demand is for what can be sold only."""
    if statement.means not in ("available", "unshipped"):
        return 0
    status = network.statuses.get(row.status)
    if status is None or not status.sellable:
        return 0
    taken = statement.subtracted
    demand: int = sum(getattr(standing, kind) for kind in taken if kind != "backordered")
    # A backorder is of an item, not of a place: it is added only where the feed speaks of one place.
    if "backordered" in taken and statement.location is not None:
        demand += standing.backordered
    return demand


def _count(row: Row, quantity: int) -> Derived:
    data = {"location": row.location, "status": row.status, "lines": [_line(row, quantity)]}
    return Derived(type="count.posted", time=row.as_of, data=data, row=row)


def _adjustment(row: Row, feed: str) -> Derived:
    data = {
        "location": row.location,
        "status": row.status,
        "reason": f"stated by {feed}",
        "lines": [_line(row, int(row.quantity))],
    }
    return Derived(type="adjustment.posted", time=row.as_of, data=data, row=row)


def _line(row: Row, quantity: int) -> dict[str, Any]:
    line: dict[str, Any] = {"sku": row.sku, "quantity": quantity}
    if row.uom is not None:
        line["uom"] = row.uom
    if row.lot:
        line["lot"] = row.lot
    return line


def _text(data: Mapping[str, Any], field: str) -> str:
    value = data.get(field)
    if not isinstance(value, str) or not value:
        raise RowInvalid(field, f"the row has no {field}")
    return value


def _number(value: Any) -> int | Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise RowInvalid("quantity", "the row has no quantity that is a number")
    if isinstance(value, int):
        return value
    if not value.is_finite() or value.adjusted() > DIGITS_MAX:
        raise RowInvalid("quantity", f"the quantity has more than {DIGITS_MAX} digits")
    return int(value) if value == value.to_integral_value() else value


def _instant(value: Any) -> datetime:
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise RowInvalid("as_of", "the cut-off is no time") from None
    if found.tzinfo is None:
        raise RowInvalid("as_of", "the cut-off has no time zone")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise RowInvalid("as_of", "the cut-off is beyond the calendar") from None
