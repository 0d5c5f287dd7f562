"""What channels can sell: ATS now, ATP on dates, with the terms that add up to each figure.

Reading writes nothing and waits for nobody: one statement of SQL sees everything at one instant, and deadlines that
have come are honoured by arithmetic. The rules are in `onhand.domain.channel_stock`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, Protocol

from onhand.app.answers import Availability, AvailabilityTerm, PromiseOnDate
from onhand.domain.channel_stock import ChannelStock, Figure
from onhand.domain.errors import InvalidInput
from onhand.domain.item import Item
from onhand.domain.resolving import UnknownChannel

SKUS_MAX: Final = 1_000
"""SKUs of one read; a feed of a whole assortment reads page by page."""

DATES_MAX: Final = 366
"""Dates of one read: a year of days."""


class AvailabilityStore(Protocol):
    """What reading availability needs from a store."""

    async def read(self, channel: str, skus: Sequence[str], *, dated: bool) -> ChannelStock | None:
        """Return what is true now, deadlines honoured; None when no such channel sells.

        `dated` adds what is still to come and what waits in backorders.
        """


class ReadAvailability:
    """The use case."""

    def __init__(self, store: AvailabilityStore) -> None:
        self._store = store

    async def read(
        self, channel: str, skus: Sequence[str], *, explain: bool = False, dates: Sequence[date] | None = None
    ) -> list[Availability]:
        """Return one row for each SKU, in order; an unknown SKU has `known` False and quantity 0.

        Raises UnknownChannel, and InvalidInput for more than SKUS_MAX SKUs or DATES_MAX dates.
        """
        if len(skus) > SKUS_MAX or len(dates or ()) > DATES_MAX:
            raise InvalidInput(
                f"One read takes up to {SKUS_MAX} SKUs and {DATES_MAX} dates; split it.", pointer="/skus"
            )
        stock = await self._store.read(channel, skus, dated=bool(dates))
        if stock is None:
            raise UnknownChannel(f"There is no channel {channel!r} that sells.", channel=channel)
        rows: dict[str, Availability] = {}
        for sku in skus:
            if sku not in rows:
                rows[sku] = _row(stock, sku, explain=explain, dates=dates)
        return [rows[sku] for sku in skus]


def _row(stock: ChannelStock, sku: str, *, explain: bool, dates: Sequence[date] | None) -> Availability:
    item = stock.items.get(sku)
    code = stock.seller.code
    if item is None:
        return Availability(sku=sku, channel=code, quantity=0, known=False)
    promise = _promise(stock, item, dates) if dates else None
    if not explain:
        quantity, withheld = stock.quantity(item)
        return Availability(sku=sku, channel=code, quantity=quantity, withheld=withheld, promise=promise)
    figure = stock.figure(item)
    return Availability(
        sku=sku,
        channel=code,
        quantity=figure.quantity,
        withheld=figure.withheld,
        terms=_terms(figure, {site.id: site.code for site in stock.seller.sites}),
        promise=promise,
    )


def _promise(stock: ChannelStock, item: Item, dates: Sequence[date]) -> tuple[PromiseOnDate, ...]:
    return tuple(PromiseOnDate(day=day, quantity=stock.promise(item, day)) for day in dates)


def _terms(figure: Figure, codes: Mapping[int, str]) -> tuple[AvailabilityTerm, ...]:
    return tuple(
        AvailabilityTerm(term=one.why, quantity=one.quantity, location=codes.get(one.location_id))
        for one in figure.summands
    )
