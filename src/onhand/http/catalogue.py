"""What there is: items, locations, channels."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onhand.app.answers import ItemRow
from onhand.domain.errors import NotFound
from onhand.domain.kit import UnknownItem
from onhand.domain.network import Channel, Location
from onhand.http.call import Call, Reply
from onhand.http.fields import Paging, Text, link_next, rows_of
from onhand.http.operation import Answer, answer, operation


class ItemFilter(Paging, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which items to list."""

    query: Annotated[Text, Meta(description="A part of the SKU or the name.")] | None = None


class ItemNotFound(NotFound):
    """No item of that SKU was ever stated; where a body names it, the same is `unknown_item`."""

    code = "item_not_found"
    title = "There is no such item"
    remedy = "Check the SKU, its case included; items are made by the event item.upserted."


class ItemPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of items, by SKU."""

    rows: tuple[ItemRow, ...]
    next: str | None = None


class Locations(msgspec.Struct, frozen=True, kw_only=True):
    """All locations of the network in force, virtual ones included."""

    rows: tuple[Location, ...]


class Channels(msgspec.Struct, frozen=True, kw_only=True):
    """All channels of the network in force, with their policies."""

    rows: tuple[Channel, ...]


ITEM = {"sku": "TEA-001", "name": "Green tea 100 g", "kind": "stock", "status": "active", "base_uom": "each",
        "units": {"each": 1, "carton": 12}, "lot_tracked": True}  # fmt: skip


@operation(
    "GET", "/v1/items", id="list_items", tag="Catalogue", scope="stock:read", lane="reads", query=ItemFilter,
    query_example={"query": "tea"},
    answers={200: Answer(meaning="One page.", type=ItemPage, example={"rows": [ITEM], "next": None})},
)  # fmt: skip
async def items(call: Call, where: ItemFilter, _body: None) -> Reply:
    """List items."""
    page = await call.hub.catalogue.items(after=where.after, limit=where.limit, query=where.query)
    return answer({"rows": rows_of(page), "next": page.next_cursor}, headers=tuple(link_next(call, page.next_cursor)))


@operation(
    "GET", "/v1/items/{sku}", id="get_item", tag="Catalogue", scope="stock:read", lane="reads",
    path_example={"sku": "TEA-001"}, errors=(ItemNotFound,),
    answers={200: Answer(meaning="The item.", type=ItemRow, example=ITEM)},
)  # fmt: skip
async def item(call: Call, _query: Any, _body: None) -> Reply:
    """Show an item.

    A SKU may hold blanks, emoji and slashes; percent-encode them as UTF-8 (a slash may stay as it is).
    """
    sku = call.path["sku"]
    try:
        return answer(await call.hub.catalogue.item(sku))
    except UnknownItem as error:
        raise ItemNotFound(error.detail, sku=sku) from error


@operation(
    "GET", "/v1/locations", id="list_locations", tag="Catalogue", scope="stock:read", lane="reads",
    answers={200: Answer(meaning="All of them.", type=Locations, example={
        "rows": [{"code": "DC-NORTH", "kind": "warehouse", "name": "North", "timezone": "Europe/Vienna"}]})},
)  # fmt: skip
async def locations(call: Call, _query: Any, _body: None) -> Reply:
    """List locations."""
    return answer({"rows": await call.hub.catalogue.locations()})


@operation(
    "GET", "/v1/channels", id="list_channels", tag="Catalogue", scope="stock:read", lane="reads",
    answers={200: Answer(meaning="All of them.", type=Channels, example={
        "rows": [{"code": "web", "kind": "storefront", "name": "Web shop", "sells_from": ["DC-NORTH"]}]})},
)  # fmt: skip
async def channels(call: Call, _query: Any, _body: None) -> Reply:
    """List channels."""
    return answer({"rows": await call.hub.catalogue.channels()})
