"""How a channel's numbers are published: the part of a channel's policy that says what it is told, when, and how often.

Everything here is a value of config as code; what was told and acknowledged lies in the store. The rules that read it
are in `publication`, `risk` and `fallback`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from onhand.domain.codes import NO_CONTROLS, Code, PartnerCode, Seconds, Text

_Sku = Annotated[
    str,
    Meta(
        title="a SKU: up to 200 characters, none of them a control character, no blank at either end",
        min_length=1,
        max_length=200,
        pattern=rf"^(?!\s){NO_CONTROLS}+(?<!\s)\Z",
    ),
]
_Amount = Annotated[int, Meta(ge=0, le=1_000_000_000_000)]
Percent = Annotated[int, Meta(ge=0, le=100)]


class Margins(msgspec.Struct, frozen=True, kw_only=True):
    """What a unit of an item is worth to a channel, in any one unit of money: the SKU decides first, then its category.

    It only puts numbers in order: where a quota does not suffice for all, the dearest risk is spent on first.
    """

    default: Annotated[_Amount, Meta(description="For items that no other rule names.")] = 100
    by_category: Annotated[dict[Text, _Amount], Meta(description="For all items of a category.")] = {}
    by_sku: Annotated[dict[_Sku, _Amount], Meta(description="For single items; wins over the category.")] = {}

    def of(self, *, sku: str, category: str | None) -> int:
        """Return the margin of one unit of an item."""
        found = self.by_sku.get(sku)
        if found is None and category is not None:
            found = self.by_category.get(category)
        return self.default if found is None else found


class Fallback(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel is told while a feed that its numbers rest on is stale."""

    sources: Annotated[
        tuple[Code, ...], Meta(min_length=1, description="The feeds that its numbers rest on; the stalest decides.")
    ]
    mode: Annotated[
        Literal["shrink", "last_known_minus_velocity", "zero"],
        Meta(
            description="`shrink`: only `factor_percent` of the number is shown. `last_known_minus_velocity`: the "
            "number less what usually sells in the time since the feed was last heard. `zero`: nothing changes until "
            "`zero_after_s`."
        ),
    ] = "shrink"
    shrink_after_s: Annotated[Seconds, Meta(description="How long a feed is stale before the number is lessened.")] = (
        900
    )
    factor_percent: Annotated[Percent, Meta(description="What `shrink` leaves of the number.")] = 50
    zero_after_s: Annotated[
        Seconds | None, Meta(description="How long a feed is stale before nothing is shown at all; never by default.")
    ] = None


class Publishing(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel is told of stock: through which endpoint, under which names, how often, and in which steps."""

    endpoint: Annotated[Code, Meta(description="The endpoint through which it is told; its limits hold.")]
    items: Annotated[
        Literal["all", "listed"],
        Meta(description="Which items it lists: every item under its SKU, or only those that `listings` names."),
    ] = "all"
    listings: Annotated[
        dict[_Sku, PartnerCode], Meta(description="The channel's own names of items, where they are not the SKU.")
    ] = {}
    locations: Annotated[
        dict[Code, PartnerCode],
        Meta(
            description="For a channel that is told a number for each location: its names of our locations. It is "
            "told one number for all of them when this is left out."
        ),
    ] = {}
    min_change: Annotated[
        int, Meta(ge=1, le=1_000_000_000, description="A smaller difference is not told, unless the item is scarce.")
    ] = 1
    interval_s: Annotated[
        int,
        Meta(ge=0, le=86_400, description="The least time between two numbers of a listing, unless it is scarce."),
    ] = 0
    scarce_below: Annotated[
        int,
        Meta(ge=0, le=1_000_000_000, description="An item is scarce below this number: it is told at once, and first."),
    ] = 10
    round_to: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Numbers are rounded down to whole packs of so many base units.")
    ] = 1
    reserve_percent: Annotated[
        Percent,
        Meta(
            description="Of a daily cap for each listing, what is kept for scarce items at the day's start; "
            "it shrinks to nothing towards the day's end."
        ),
    ] = 30
    full_refresh_s: Annotated[
        Seconds | None,
        Meta(description="Every number that was not told for so long is told again; never by default."),
    ] = None
    read_back_percent: Annotated[
        float,
        Meta(ge=0.0, le=10_000.0, description="What share of its listings is read back in 24 hours; 100 is each once."),
    ] = 5.0
    visible_after_s: Annotated[
        int,
        Meta(
            ge=0,
            le=86_400,
            description="How long a change that it acknowledged may not be seen there yet; it is not read back sooner.",
        ),
    ] = 0
    order_lag_s: Annotated[
        int,
        Meta(
            ge=0,
            le=7 * 86_400,
            description="For a channel that lowers its number by itself when it sells: how long its orders take to "
            "reach us. A number that is too low is a drift only when it still is after that time.",
        ),
    ] = 0
    answers_within_s: Annotated[
        Seconds, Meta(description="A channel that answers later has lost what it has not answered after so long.")
    ] = 21_600
    margin: Annotated[Margins, Meta(description="What a unit is worth, to tell which risk is the dearest.")] = Margins()
    fallback: Annotated[
        Fallback | None, Meta(description="What it is told while its sources are stale; nothing else by default.")
    ] = None

    def listing(self, sku: str) -> str | None:
        """Return the channel's name of an item, None where it is not listed."""
        found = self.listings.get(sku)
        return sku if found is None and self.items == "all" else found
