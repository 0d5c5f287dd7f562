"""What Almond & Reed sell: teas in lots and cartons, tableware, a gift set, and the mug of the flash sale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

CARTON: Final = 12

FLASH_SKU: Final = "MUG-ANNIVERSARY"
KIT_SKU: Final = "GIFT-TEA-FOR-TWO"
LATE_SKU: Final = "TEA-JASMINE"
AWAITED_SKU: Final = "KETTLE-COPPER"
COUNTED_SKU: Final = "SPOON-OLIVE"
FENCED_SKU: Final = "TEA-EARL-GREY"


class Product(NamedTuple):
    """One product: what it is called, its category, and what lies where on Monday morning."""

    sku: str
    name: str
    category: str
    east: int
    west: int
    lots: bool = False


PRODUCTS: Final = (
    Product("TEA-EARL-GREY", "Earl Grey, 100 g", "tea", 960, 240, lots=True),
    Product("TEA-ASSAM", "Assam, 100 g", "tea", 720, 360, lots=True),
    Product("TEA-MINT", "Peppermint, 50 g", "tea", 600, 240, lots=True),
    Product("TEAPOT-BLUE", "Teapot, blue", "fragile", 60, 180),
    Product("TEAPOT-WHITE", "Teapot, white", "fragile", 120, 80),
    Product("MUG-WHITE", "Mug, white", "fragile", 400, 300),
    Product("MUG-GREEN", "Mug, green", "fragile", 240, 160),
    Product("CUP-ESPRESSO", "Espresso cup", "fragile", 300, 0),
    Product("TIN-ROUND", "Tea tin, round", "kitchen", 260, 140),
    Product("STRAINER-FINE", "Tea strainer, fine", "kitchen", 200, 200),
    Product("SPOON-OLIVE", "Spoon of olive wood", "kitchen", 300, 0),
    Product("BOARD-OAK", "Board, oak", "kitchen", 90, 60),
    Product("TOWEL-LINEN", "Tea towel, linen", "kitchen", 220, 180),
    Product("LANTERN-STAR", "Star lantern", "seasonal", 150, 150),
    Product("GIFT-CARD", "Gift card", "paper", 1000, 1000),
    Product("KETTLE-COPPER", "Copper kettle", "kitchen", 4, 0),
)

SOLD: Final = tuple(product.sku for product in PRODUCTS if product.sku not in (AWAITED_SKU, COUNTED_SKU))
"""What the everyday orders are made of; the other two have stories of their own."""

LISTED: Final = tuple(sku for sku in SOLD if not sku.startswith("TEA-"))
"""What is on sale at the marketplace: no food there."""

KIT: Final = ((FENCED_SKU, 1), ("MUG-WHITE", 2))
KITS_BUILT: Final = 90


def statements() -> list[dict[str, Any]]:
    """The data of `item.upserted` for everything that is known on Monday."""
    stated = [statement(product) for product in PRODUCTS]
    stated.append({"sku": FLASH_SKU, "name": "Anniversary mug, signed", "category": "limited"})
    stated.append(
        {
            "sku": KIT_SKU, "name": "Tea for two", "kind": "kit", "category": "gift",
            "components": [{"sku": sku, "quantity": quantity} for sku, quantity in KIT],
        }
    )  # fmt: skip
    return stated


def statement(product: Product) -> dict[str, Any]:
    """The data of `item.upserted` for one product."""
    data: dict[str, Any] = {"sku": product.sku, "name": product.name, "category": product.category}
    if product.lots:
        data |= {
            "lot_tracked": True, "shelf_life_days": 540,
            "uoms": [{"code": "carton", "factor": CARTON}],
        }  # fmt: skip
    return data


SAFETY: Final[Mapping[str, int]] = {"web": 4, "market": 5, "grocer": 0, "desk": 0}
"""The most that each channel of the example network keeps back of any item: what a refusal may be due to."""

PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "web": ("EAST", "WEST"),
    "market": ("EAST", "WEST"),
    "grocer": ("EAST",),
    "desk": ("EAST", "WEST", "STORE-1"),
}
"""Where each channel of the example network sells from."""

FENCES: Final[Mapping[str, int]] = {FENCED_SKU: 240, "TEAPOT-BLUE": 60}
"""What is set aside for others."""
