"""The connector for Vendure: each method one conversation of few requests; the rules stand in the modules beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from onhand.connectors.vendure import documents
from onhand.connectors.vendure.checking import check, discover
from onhand.connectors.vendure.orders import cancel, fulfil
from onhand.connectors.vendure.publishing import Shelf
from onhand.connectors.vendure.session import Session, outcome_of_status
from onhand.connectors.vendure.snapshot import read_stock
from onhand.connectors.vendure.sweep import page_of, read_cursor
from onhand.sdk import (
    Answer,
    Checked,
    Connector,
    Found,
    Link,
    NotClaimed,
    Outcome,
    Outgoing,
    Page,
    ReadFailed,
    Shown,
    StockUpdate,
)

PAGE_MAX = 200
"""New orders in one page: each brings its lines, and Vendure resolves every line for itself."""


class _OrderItems(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw]


class _Orders(msgspec.Struct, frozen=True):
    orders: _OrderItems


class Vendure(Connector):
    """Vendure 3, one channel of it."""

    def __init__(self, config: Mapping[str, Any], link: Link) -> None:
        super().__init__(config, link)
        self._session = Session(link, channel_token=config.get("channel_token"))
        self._shelf = Shelf(self._session, config)

    async def check(self) -> Checked:
        """Tell whether Vendure is there, accepts the account, and lets it do all that is needed in the channel."""
        return await check(self._session)

    async def discover(self) -> Sequence[Found]:
        """Return the account's channels, the channel's stock locations and its variants."""
        return await discover(self._session, listing_by=self.config.get("listing_by", "sku"))

    async def read(self, stream: str, cursor: str | None, *, limit: int) -> Page:
        """Return orders that changed, or a page of a snapshot of stock."""
        if stream == "orders":
            return await self._read_orders(cursor, limit=min(limit, PAGE_MAX))
        if stream == "stock":
            return await read_stock(self._session, cursor, take=limit, now=self.link.now())
        return await super().read(stream, cursor, limit=limit)

    async def _read_orders(self, cursor: str | None, *, limit: int) -> Page:
        begun = read_cursor(cursor)
        take = begun.take(limit)
        data = await self._session.ask(documents.ORDERS, {"options": begun.options(take)})
        orders = msgspec.json.decode(data, type=_Orders).orders.items
        return page_of(begun, orders, take=take, overlap_s=self.config.get("overlap_s", 60), now=self.link.now())

    async def send(self, operation: str, commands: Sequence[Outgoing]) -> Sequence[Outcome]:
        """Carry out one command: the manifest claims no batches."""
        act = {"order.fulfil": fulfil, "order.cancel": cancel}.get(operation)
        if act is None:
            raise NotClaimed(f"This connector has no operation {operation!r}.")
        outcomes = []
        for command in commands:
            try:
                outcomes.append(await act(self._session, self.config, command))
            except ReadFailed as failed:
                outcomes.append(failed.outcome)
        return outcomes

    async def publish(self, updates: Sequence[StockUpdate], *, key: str) -> Sequence[Outcome]:
        """Make variants show these numbers; a repetition finds them shown and changes nothing."""
        del key  # the numbers are absolute: a state, not an act
        try:
            return await self._shelf.publish(updates)
        except ReadFailed as failed:
            return [failed.outcome]

    async def read_back(self, listings: Sequence[tuple[str, str | None]]) -> Sequence[Shown]:
        """Return what a buyer can order, reckoned from Vendure's own counts."""
        return await self._shelf.read_back(listings)

    def outcome(self, answer: Answer) -> Outcome:
        """Return what an answer's status stands for; 200 and 400 are told apart by their bodies, elsewhere."""
        return outcome_of_status(answer, self.link) or super().outcome(answer)
