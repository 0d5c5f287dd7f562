"""Which checks each tier demands: one table. A tier demands what those below it do, and more.

draft: it can be installed and does no harm. bronze: what it reads and tells is right while the partner is well. silver:
also while the partner, the network or the hub is not. gold: also proven at load, both ways, and measured.
"""

from __future__ import annotations

from typing import Final

from onhand.sdk.manifest import Tier

MORE: Final[dict[Tier, frozenset[str]]] = {
    "draft": frozenset({"K01", "K02", "K03", "K05", "K06", "K14", "K39", "K41"}),
    "bronze": frozenset(
        {"K04", "K07", "K09", "K10", "K11", "K12", "K15", "K16", "K17", "K20", "K21", "K22", "K25", "K29", "K36", "K40"}
    ),
    "silver": frozenset(
        {"K08", "K18", "K19", "K23", "K24", "K26", "K28", "K30", "K31", "K32", "K33", "K34", "K35", "K37", "K38"}
    ),
    "gold": frozenset({"K13", "K27", "K42"}),
}
"""What each tier demands beyond the one below it."""

_DRAFT = MORE["draft"]
_BRONZE = _DRAFT | MORE["bronze"]
_SILVER = _BRONZE | MORE["silver"]

DEMANDS: Final[dict[Tier, frozenset[str]]] = {
    "draft": _DRAFT,
    "bronze": _BRONZE,
    "silver": _SILVER,
    "gold": _SILVER | MORE["gold"],
}
"""All that each tier demands."""
