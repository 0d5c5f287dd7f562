"""What channels can sell, for one SKU or a thousand."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onhand.app.answers import Availability
from onhand.domain.errors import InvalidInput
from onhand.domain.resolving import UnknownChannel
from onhand.http.call import Call, Reply
from onhand.http.fields import Code, Sku, day
from onhand.http.limits import AVAILABILITY_BYTES_MAX, DATES_PER_READ_MAX, SKUS_PER_READ_MAX
from onhand.http.operation import Answer, answer, operation

Skus = Annotated[
    tuple[Sku, ...],
    Meta(min_length=1, max_length=SKUS_PER_READ_MAX, description="Which SKUs; answered in this order."),
]
Dates = Annotated[
    tuple[date, ...],
    Meta(max_length=DATES_PER_READ_MAX, description="Days for which to say what can be promised (ATP)."),
]
Explain = Annotated[bool, Meta(description="Whether to list the terms that add up to each figure.")]


class AvailabilityQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose availability, of what. `sku` and `date` may be given several times."""

    channel: Code
    sku: Skus
    date: Dates = ()
    explain: Explain = False


class AvailabilityForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose availability, of what."""

    channel: Code
    skus: Skus
    dates: Dates = ()
    explain: Explain = False


class AvailabilityAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One row for each SKU asked for, in that order; an unknown SKU has `known: false` and quantity 0."""

    rows: tuple[Availability, ...]


EXAMPLE: dict[str, Any] = {
    "rows": [{"sku": "TEA-001", "channel": "web", "quantity": 41, "withheld": 2}],
}


@operation(
    "GET", "/v1/availability", id="get_availability", tag="Stock", scope="stock:read", lane="reads",
    query=AvailabilityQuery, query_example={"channel": "web", "sku": ["TEA-001"]}, hot=True,
    errors=(UnknownChannel, InvalidInput),
    answers={200: Answer(meaning="What the channel can sell now.", type=AvailabilityAnswer, example=EXAMPLE)},
)  # fmt: skip
async def get(call: Call, asked: AvailabilityQuery, _body: None) -> Reply:
    """Say what a channel can sell now.

    The number is in base units and takes everything into account: what is on hand in sellable statuses, active
    reservations, allocations, ring-fences, safety stock, the maximum listed, kits.
    """
    return await _read(call, asked.channel, list(asked.sku), explain=asked.explain, dates=asked.date)


@operation(
    "POST", "/v1/availability", id="read_availability", tag="Stock", scope="stock:read", lane="reads",
    body=AvailabilityForm, body_bytes_max=AVAILABILITY_BYTES_MAX, hot=True, errors=(UnknownChannel, InvalidInput),
    body_example={"channel": "web", "skus": ["TEA-001", "CUP-4"], "explain": True},
    answers={200: Answer(meaning="What the channel can sell now.", type=AvailabilityAnswer, example=EXAMPLE)},
)  # fmt: skip
async def read(call: Call, _query: Any, asked: AvailabilityForm) -> Reply:
    """Say what a channel can sell now, for up to 1,000 SKUs.

    The same as the GET, for lists that are too long for a URL. Nothing is changed.
    """
    return await _read(call, asked.channel, list(asked.skus), explain=asked.explain, dates=asked.dates)


async def _read(call: Call, channel: str, skus: list[str], *, explain: bool, dates: tuple[date, ...]) -> Reply:
    rows = await call.hub.availability.read(
        channel, skus, explain=explain, dates=[each for each in dates if day(each, "dates")] or None
    )
    return answer({"rows": list(rows)})
