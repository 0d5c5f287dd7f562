"""Whether Vendure is there and lets the account do what is needed, and what is there that configuration may name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from onhand.connectors.vendure import documents
from onhand.connectors.vendure.publishing import TAKE_MAX, Shelves
from onhand.connectors.vendure.session import Forbidden, Session
from onhand.sdk import AnswerLost, Checked, Found, NotTrusted, ReadFailed, SecretMissing, Unauthorised, Unreachable

NEEDED: Final[tuple[tuple[str, ...], ...]] = (
    ("ReadOrder",),
    ("UpdateOrder",),
    ("ReadCatalog", "ReadProduct"),
    ("UpdateCatalog", "UpdateProduct"),
    ("ReadStockLocation", "ReadCatalog"),
)
"""Permissions that the account's role must hold in the channel; of each group one is enough."""

VARIANTS_MAX: Final = 100_000
"""Variants that discovery lists: what nobody reads further."""


async def check(session: Session) -> Checked:
    """Log in anew and compare the account's permissions with what is needed."""
    try:
        await session.log_in()
        data = await session.ask(documents.RIGHTS)
    except (Unreachable, AnswerLost, NotTrusted) as fault:
        return Checked(state="unreachable", detail=fault.detail)
    except SecretMissing as missing:
        return Checked(state="unauthorised", detail=missing.detail)
    except Forbidden as refused:
        return Checked(state="under_privileged", detail=refused.outcome.detail, missing=("Authenticated",))
    except ReadFailed as failed:
        known = isinstance(failed.outcome, Unauthorised)
        return Checked(state="unauthorised" if known else "unreachable", detail=failed.outcome.detail)
    rights: dict[str, Any] = msgspec.json.decode(data)
    channel = rights["activeChannel"]
    return _judge(channel, rights["me"]["channels"])


def _judge(channel: dict[str, str], channels: Sequence[dict[str, Any]]) -> Checked:
    held = {right for each in channels if each["id"] == channel["id"] for right in each["permissions"]}
    missing = tuple("|".join(group) for group in NEEDED if held.isdisjoint(group))
    partner = f"Vendure, channel {channel['code']}"
    if missing:
        detail = f"The account's roles do not hold {', '.join(missing)} in channel {channel['code']}."
        return Checked(state="under_privileged", detail=detail, missing=missing, partner=partner)
    return Checked(state="ok", detail=f"All permissions are there in channel {channel['code']}.", partner=partner)


async def discover(session: Session, *, listing_by: str) -> list[Found]:
    """Return the account's channels, the channel's stock locations, and its variants. Raises ReadFailed."""
    places: dict[str, Any] = msgspec.json.decode(await session.ask(documents.PLACES))
    found = [Found(kind="channel", code=each["code"], facts={"id": each["id"]}) for each in places["me"]["channels"]]
    locations = places["stockLocations"]["items"]
    found += [Found(kind="location", code=each["id"], name=each["name"]) for each in locations]
    for skip in range(0, VARIANTS_MAX, TAKE_MAX):
        options = {"sort": {"id": "ASC"}, "take": TAKE_MAX, "skip": skip}
        shelves = msgspec.json.decode(await session.ask(documents.STOCK, {"options": options}), type=Shelves)
        for variant in shelves.product_variants.items:
            code = variant.sku if listing_by == "sku" else variant.id
            facts = {"id": variant.id, "sku": variant.sku}
            found.append(Found(kind="item", code=code, name=variant.name, facts=facts))
        if skip + TAKE_MAX >= shelves.product_variants.total_items:
            break
    return found
