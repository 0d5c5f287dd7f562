"""The carts of the week: what people want, where, and what will become of it. All chance is taken here, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final, NamedTuple

from onhand.sim.demo.catalogue import FENCED_SKU, KIT_SKU, LISTED, PRODUCTS, SOLD
from onhand.sim.demo.sales import SOLD_AT

LOTS: Final = frozenset(product.sku for product in PRODUCTS if product.lots)
KIT_SHARE: Final = 0.06
KITS_AT_ONCE: Final = 2

BY_ITSELF_SHARE: Final = {"web": 0.25, "market": 1.0}
"""How many of a channel's orders its partner takes by itself, by the number that it shows, and tells us afterwards."""


class Cart(NamedTuple):
    """What somebody wants: at a channel, of which `partner` takes the order by itself; `fate`: what becomes of it."""

    channel: str
    lines: tuple[Mapping[str, Any], ...]
    fate: str
    partner: str | None

    @property
    def simple(self) -> bool:
        """Whether the policy is so simple that a refusal can be judged from outside."""
        return len(self.lines) == 1 and self.lines[0]["sku"] not in LOTS | {KIT_SKU, FENCED_SKU}


class Carts:
    """Fills carts. `kits` are the gift sets that are packed and not yet wanted by anybody."""

    def __init__(self, random: Random) -> None:
        self.kits = 0
        self._random = random

    def fill(self) -> Cart:
        """Return the next cart."""
        random = self._random
        channel = random.choices(("web", "market", "grocer", "desk"), (12, 6, 1, 2))[0]
        fate = random.choices(("order", "release", "forget"), (15, 3, 2))[0]
        if channel == "grocer":
            skus = random.sample(sorted(LOTS), random.randint(1, 2))
            lines = [{"sku": sku, "quantity": random.randint(1, 2), "uom": "carton"} for sku in skus]
        else:
            skus = random.sample(SOLD, random.choices((1, 2, 3), (6, 3, 1))[0])
            lines = [{"sku": sku, "quantity": random.choices((1, 2, 4), (7, 3, 1))[0]} for sku in skus]
            if random.random() < KIT_SHARE and self.kits >= KITS_AT_ONCE:
                # Only what is packed: a warehouse picks gift sets from the shelf, it does not pack them on demand.
                quantity = random.randint(1, KITS_AT_ONCE)
                self.kits -= quantity
                lines = [{"sku": KIT_SKU, "quantity": quantity}]
        by_itself = fate == "order" and random.random() < BY_ITSELF_SHARE.get(channel, 0.0)
        numbered = tuple({"line_id": str(n), **line} for n, line in enumerate(lines, 1))
        return Cart(channel, numbered, fate, SOLD_AT[channel] if by_itself and _is_listed(channel, lines) else None)


def _is_listed(channel: str, lines: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a partner sells all of it: the marketplace lists no food, and nobody sells gift sets by itself."""
    return all(line["sku"] in (LISTED if channel == "market" else SOLD) for line in lines)
