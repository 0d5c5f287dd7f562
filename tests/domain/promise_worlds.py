"""Small worlds for promise tests: stock, fences, safety stock and lots in plain words, and requests in one line.

Not a fake: it only builds the product's own snapshot from pools and fences, as the shell does.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from onhand.domain.availability import Fence, Pool
from onhand.domain.item import Item
from onhand.domain.lot import LotPool
from onhand.domain.planning import Plan, Planned, Shortfall
from onhand.domain.reservation import Line, Request
from onhand.domain.snapshot import Seller, Snapshot, free_by_pool, unconsumed_by_fence
from onhand.domain.sourcing import Site

TODAY = datetime.date(2026, 11, 23)
WEB_GROUP = 7
OTHER_GROUP = 8

Stock = Mapping[str, Mapping[str, int]]
"""SKU -> location code -> on hand"""


def world(
    stock: Stock,
    *,
    items: Iterable[Item] = (),
    fences: Mapping[tuple[int, str, str], int] | None = None,
    safety: Mapping[str, int] | None = None,
    lots: Mapping[tuple[str, str], Iterable[tuple[str, datetime.date | None, int]]] | None = None,
    sites: Iterable[Site | str] = (),
    groups: Mapping[str, tuple[str, ...]] | None = None,
    **seller: Any,
) -> Snapshot:
    """Build a snapshot with one channel `web`; items not given are plain, locations not given are declared in order.

    `fences` maps (group, sku, location) to a quantity; `seller` are further fields of the channel.
    """
    by_sku = {item.sku: item for item in items}
    for sku in stock:
        by_sku.setdefault(sku, Item(id=100 + len(by_sku), sku=sku))
    codes = dict.fromkeys(code for places in stock.values() for code in places)
    declared = [site if isinstance(site, Site) else Site(n, site) for n, site in enumerate(sites or codes, start=1)]
    ids = {site.code: site.id for site in declared}
    set_aside = [
        Fence(by_sku[sku].id, ids[code], group, quantity) for (group, sku, code), quantity in (fences or {}).items()
    ]
    pools = [
        Pool(by_sku[sku].id, ids[code], quantity, fenced=_fenced(set_aside, by_sku[sku].id, ids[code]))
        for sku, places in stock.items()
        for code, quantity in places.items()
    ]
    return Snapshot(
        items=by_sku,
        sellers={
            "web": Seller(
                code="web",
                sites=tuple(declared),
                safety={by_sku[sku].id: quantity for sku, quantity in (safety or {}).items()},
                **seller,
            )
        },
        free=free_by_pool(pools),
        unconsumed=unconsumed_by_fence(set_aside),
        lots={
            (by_sku[sku].id, ids[code]): tuple(
                LotPool(100 * n + ids[code], name, expiry, quantity)
                for n, (name, expiry, quantity) in enumerate(found, start=1)
            )
            for (sku, code), found in (lots or {}).items()
        },
        groups={group: tuple(ids[code] for code in members) for group, members in (groups or {}).items()},
        today=TODAY,
    )


def ask(*lines: tuple[Any, ...], request_id: str = "r1", channel: str = "web", **fields: Any) -> Request:
    """Build a request; each line is (sku, quantity) or (sku, quantity, {further fields})."""
    return Request(
        request_id=request_id,
        channel=channel,
        lines=tuple(
            Line(line_id=str(n), sku=sku, quantity=quantity, **(rest[0] if rest else {}))
            for n, (sku, quantity, *rest) in enumerate(lines, start=1)
        ),
        **fields,
    )


def granted(planned: Planned) -> list[int]:
    """Return what each line is granted; nothing for a shortfall."""
    if isinstance(planned, Plan):
        return [line.granted for line in planned.lines]
    assert isinstance(planned, Shortfall)
    return []


def sources(planned: Planned, line: int = 0) -> list[tuple[str, int]]:
    """Return (location, quantity) of one line's sources."""
    assert isinstance(planned, Plan)
    return [(source.location, source.quantity) for source in planned.lines[line].sources]


def parts(planned: Planned, line: int = 0) -> list[tuple[str, str | None, int]]:
    """Return (location, SKU where it is not the line's own, quantity) of one line's sources."""
    assert isinstance(planned, Plan)
    return [(source.location, source.sku, source.quantity) for source in planned.lines[line].sources]


def _fenced(fences: Iterable[Fence], item_id: int, location_id: int) -> int:
    return sum(f.unconsumed for f in fences if (f.item_id, f.location_id) == (item_id, location_id))
