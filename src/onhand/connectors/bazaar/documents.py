"""What the marketplace's documents look like, as far as this connector reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from onhand.domain.outcome import Delivered, Gone, Outcome, Rejected, Throttled, Unknown
from onhand.sdk import Answer, ReadFailed, Told

_T = TypeVar("_T")


class Order(msgspec.Struct, frozen=True):
    """As much of an order as makes its message one and the same."""

    id: str
    version: int
    updated_at: Annotated[datetime, msgspec.Meta(tz=True)]


class Orders(msgspec.Struct, frozen=True):
    """A page of orders, each kept as it stands there."""

    orders: list[msgspec.Raw]
    more: bool


class Hook(msgspec.Struct, frozen=True):
    """What a webhook says."""

    event: Literal["order.updated"]
    order: msgspec.Raw


class Me(msgspec.Struct, frozen=True):
    """Who we are there."""

    seller: str
    scopes: list[str]
    product: str


class Listing(msgspec.Struct, frozen=True):
    """A listing as buyers see it, after a while."""

    id: str
    sku: str
    quantity: int
    title: str = ""


class Listings(msgspec.Struct, frozen=True):
    """Listings; `next` is the cursor of the next page."""

    listings: list[Listing]
    next: str | None = None


class Accepted(msgspec.Struct, frozen=True):
    """A feed that was taken; nothing in it has been looked at."""

    feed: str


class Row(msgspec.Struct, frozen=True):
    """What became of one listing of a feed."""

    listing: str
    status: Literal["applied", "rejected"]
    reason: str = ""
    retry_at: datetime | None = None


class Feed(msgspec.Struct, frozen=True):
    """How a feed stands."""

    status: Literal["processing", "done"]
    ready_in_s: float = 60.0
    results: list[Row] = []


def read(answer: Answer, kind: type[_T], refused: Outcome) -> _T:
    """Return a document. Raises ReadFailed: with what the answer stands for, or because it is no document."""
    if not 200 <= answer.status < 300:
        raise ReadFailed(refused)
    try:
        if not answer.cut:
            return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeError):
        pass
    raise ReadFailed(Unknown(status=answer.status, detail=f"{answer.status}, and no document that we know"))


def outcome_of_row(row: Row, now: datetime) -> Outcome:
    """Return what the marketplace's verdict on one listing stands for."""
    if row.status == "applied":
        return Delivered(detail="applied")
    if row.reason == "unknown_listing":
        return Gone(detail=row.reason)
    if row.reason == "daily_cap":
        at = row.retry_at if row.retry_at is None or row.retry_at.tzinfo else row.retry_at.replace(tzinfo=UTC)
        wait_s = None if at is None else max(0.0, (at - now).total_seconds())
        return Throttled(detail=row.reason, retry_after_s=wait_s)
    return Rejected(reason=row.reason or "rejected", detail=row.reason)


def told_of(answer: Answer) -> Told | None:
    """Return what an answer says of the calls that all sellers of the application share: `left=12, limit=300`."""
    fields: dict[str, Any] = {}
    for part in (answer.header("x-bazaar-calls") or "").split(","):
        name, _, value = part.strip().partition("=")
        if name in ("left", "limit") and value.isascii() and value.isdigit() and len(value) < 10:
            fields[name] = int(value)
    return Told(available=fields.get("left"), capacity=fields.get("limit")) if fields else None
