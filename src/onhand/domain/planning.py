"""Planning: turns reservation requests into claims on concrete stock, or says line by line what is missing.

Pure and deterministic: a snapshot and requests in, plans out, in arrival order, later requests seeing what
earlier ones took. A plan promises nothing by itself; its claims do once the store has taken them. Requests
with one plain line, which are most, take a shortcut that a property test holds equal to the general way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from onhand.domain.availability import attribute_safety, reach
from onhand.domain.claiming import Claim
from onhand.domain.errors import OnhandError
from onhand.domain.filling import Filling, Grant, Source
from onhand.domain.quantity import QUANTITY_MAX
from onhand.domain.reservation import Request, State, outcome
from onhand.domain.resolving import Order, Want, resolve
from onhand.domain.snapshot import Book, Seller, Snapshot
from onhand.domain.sourcing import Site, splits


class LineOutcome(msgspec.Struct, frozen=True):
    """What one line gets, in base units, where from, and why from there."""

    line_id: str
    sku: str
    requested: int
    granted: int
    backordered: int
    sources: tuple[Source, ...]
    why: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True):
    """The claims that make the promise, what to answer for each line, and the state the reservation gets."""

    claims: tuple[Claim, ...]
    lines: tuple[LineOutcome, ...]
    state: State


class ShortLine(msgspec.Struct, frozen=True):
    """A line that cannot be granted whole: `available` is what could be, `short` what is missing (base units)."""

    line_id: str
    sku: str
    requested: int
    available: int
    short: int


class Shortfall(msgspec.Struct, frozen=True):
    """Nothing is granted; every line that falls short is named, not only the first."""

    lines: tuple[ShortLine, ...]


Planned = Plan | Shortfall | OnhandError
"""The answer to one request of a batch; an error is the answer to a request that makes no sense."""


def plan_batch(snapshot: Snapshot, requests: Iterable[Request], *, shortcuts: bool = True) -> list[Planned]:
    """Return one answer for each request, in arrival order; each sees what the plans before it took.

    `shortcuts=False` sends plain requests the general way too; the answers are the same.
    """
    book = Book(snapshot)
    return [_plan_one(request, snapshot, book, shortcuts=shortcuts) for request in requests]


def plan(snapshot: Snapshot, request: Request) -> Plan | Shortfall:
    """Return the plan for one request, or what is missing; raises what `resolve` raises."""
    planned = plan_batch(snapshot, (request,))[0]
    if isinstance(planned, OnhandError):
        raise planned
    return planned


def _plan_one(request: Request, snapshot: Snapshot, book: Book, *, shortcuts: bool) -> Planned:
    try:
        return (_plain(request, snapshot, book) if shortcuts else None) or _general(
            resolve(request, snapshot), snapshot, book
        )
    except OnhandError as error:
        return error


def _plain(request: Request, snapshot: Snapshot, book: Book) -> Plan | None:
    """Plan one plain line from one location, or return None where the general way must decide."""
    line = request.lines[0]
    item = snapshot.items.get(line.sku)
    seller = snapshot.sellers.get(request.channel)
    if (
        item is None
        or seller is None
        or not item.plain
        or not seller.whole_first
        or seller.floor_to_selling_unit
        or not _asks_plainly(request)
    ):
        return None
    keeps = _plain_keeps(item.id, seller, book) if request.commitment == "cart" and seller.safety else None
    quantity, group = line.quantity, seller.group_id
    for index, site in enumerate(seller.standing):
        free = book.free.get((item.id, site.id), 0)
        own = book.unconsumed.get((group, item.id, site.id), 0) if group else 0
        keep = keeps[index] if keeps else 0
        if free < 0 < own:
            return None
        if free >= 0 and free + own - keep >= quantity:
            from_fence = min(own, quantity)
            claim = Claim(item.id, site.id, 0, quantity, group if from_fence else 0, from_fence, min(keep, free))
            book.free[item.id, site.id] = free - quantity + from_fence
            if from_fence:
                book.unconsumed[group, item.id, site.id] = own - from_fence
            return _plain_plan(request, claim, site, len(seller.sites))
    return None


def _plain_keeps(item_id: int, seller: Seller, book: Book) -> list[int] | None:
    safety = seller.safety.get(item_id, 0)
    if not safety:
        return None
    group, free, unconsumed = seller.group_id, book.free, book.unconsumed
    return attribute_safety(
        [
            reach(free.get((item_id, site.id), 0), unconsumed.get((group, item_id, site.id), 0))
            for site in seller.standing
        ],
        safety,
    )


def _plain_plan(request: Request, claim: Claim, site: Site, choices: int) -> Plan:
    line, quantity = request.lines[0], claim.quantity
    source = Source(site.code, quantity)
    why = _why_whole(site, choices)
    granted = LineOutcome(line.line_id, line.sku, quantity, quantity, 0, (source,), why)
    return Plan((claim,), (granted,), "granted")


def _asks_plainly(request: Request) -> bool:
    line = request.lines[0]
    return (
        len(request.lines) == 1
        and line.uom is None
        and line.location is None
        and line.group is None
        and line.lot is None
        and request.ship_to is None
        and (request.expires_at is None or request.expires_in_s is None)
        and 1 <= line.quantity <= QUANTITY_MAX
    )


def _general(order: Order, snapshot: Snapshot, book: Book) -> Plan | Shortfall:
    filling = Filling(order, snapshot, book)
    whole = _from_one_site(order, filling, book)
    if whole is not None:
        return whole
    return _from_several(order, filling, book)


def _from_one_site(order: Order, filling: Filling, book: Book) -> Plan | None:
    """Plan the whole order from the first location in order of preference that can serve it alone."""
    for site in order.sites if order.seller.whole_first else ():
        mark = book.mark()
        grants = filling.fill_whole((site,))
        if grants is not None:
            return _answer(order, filling, grants, _why_whole(site, len(order.seller.sites)))
        book.undo_to(mark)
    return None


def _from_several(order: Order, filling: Filling, book: Book) -> Plan | Shortfall:
    """Plan from the first set of locations that serves the whole order, else from the set that serves most."""
    best: Sequence[Site] = ()
    most = -1
    mark = book.mark()
    for sites in splits(order.sites, order.seller.max_splits, lines=len(order.wants)):
        grants = filling.fill(sites)
        if _is_whole(order, grants):
            return _answer(order, filling, grants, _why_split(order, sites))
        book.undo_to(mark)
        total = sum(grant.granted for grant in grants)
        if total > most:
            best, most = sites, total
    grants = filling.fill(best)
    if _refuses(order, grants):
        book.undo_to(mark)
        return Shortfall(_short_lines(order, grants))
    return _answer(order, filling, grants, _why_split(order, best))


def _is_whole(order: Order, grants: Sequence[Grant]) -> bool:
    return all(grant.granted == want.quantity for want, grant in zip(order.wants, grants, strict=True))


def _refuses(order: Order, grants: Sequence[Grant]) -> bool:
    request = order.request
    if request.mode == "all":
        return True
    if request.mode == "partial" and (request.ship_complete or order.seller.ship_complete):
        return True
    waits = any(_backordered(order, want, grant) for want, grant in zip(order.wants, grants, strict=True))
    return not waits and not any(grant.granted for grant in grants)


def _backordered(order: Order, want: Want, grant: Grant) -> int:
    """Return what of a line waits for stock; what is discontinued will not come again, so it does not wait."""
    if order.request.mode != "backorder" or want.item.status == "discontinued":
        return 0
    return want.quantity - grant.granted


def _short_lines(order: Order, grants: Sequence[Grant]) -> tuple[ShortLine, ...]:
    return tuple(
        ShortLine(want.line.line_id, want.line.sku, want.quantity, grant.granted, want.quantity - grant.granted)
        for want, grant in zip(order.wants, grants, strict=True)
        if grant.granted < want.quantity
    )


def _answer(order: Order, filling: Filling, grants: Sequence[Grant], why: tuple[str, ...]) -> Plan:
    lines = tuple(
        LineOutcome(
            want.line.line_id,
            want.line.sku,
            want.quantity,
            grant.granted,
            _backordered(order, want, grant),
            grant.sources,
            why + _why_line(filling, want, grant),
        )
        for want, grant in zip(order.wants, grants, strict=True)
    )
    state = outcome(
        requested=sum(line.requested for line in lines),
        granted=sum(line.granted for line in lines),
        backordered=sum(line.backordered for line in lines),
    )
    return Plan(tuple(filling.claims), lines, state)


def _why_whole(site: Site, choices: int) -> tuple[str, ...]:
    if choices == 1:
        return (f"only_location: the channel sells from {site.code} alone",)
    return (f"single_location: {site.code} is the first in order that serves the whole order",)


def _why_split(order: Order, sites: Sequence[Site]) -> tuple[str, ...]:
    tried = ", ".join(site.code for site in sites)
    limit = order.seller.max_splits
    if limit is not None and limit < len(order.sites):
        return (f"max_splits: at most {limit} locations, chosen: {tried}",)
    rules = " then ".join(rule for rule in order.seller.sourcing if rule != "single_location")
    return (f"{rules or 'declared order'}: taken in the order {tried}",)


def _why_line(filling: Filling, want: Want, grant: Grant) -> tuple[str, ...]:
    named = want.line.location or want.line.group
    why: tuple[str, ...] = (f"named: the line asks for {named}",) if named else ()
    if any(source.lot for source in grant.sources):
        why += ("fefo: first expired lots first",)
    if grant.granted < want.quantity:
        why += (f"short: {want.quantity - grant.granted} of {want.quantity} are not there",)
        kept = filling.kept(want.item)
        if kept:
            why += (f"safety_stock: {kept} withheld from carts",)
    return why
