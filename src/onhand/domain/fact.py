"""A fact: one accepted statement of a system about the world, and the ways in which one can be refused.

A fact that breaks a rule of the business is not an error of its sender's request: it is kept in quarantine with
its reason until somebody mends the cause. `Refused` is that reason on its way there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

Reason = Literal[
    "unknown_source",
    "unauthorised_source",
    "impossible_date",
    "body_changed",
    "unknown_item",
    "unknown_location",
    "unknown_status",
    "unknown_channel",
    "unknown_reservation",
    "unknown_unit",
    "inexact_unit",
    "quantity_out_of_range",
    "not_stocked",
    "not_physical",
    "nowhere_to_go",
    "lot_missing",
    "serials_mismatch",
    "kit_invalid",
    "item_invalid",
    "item_in_use",
]

REMEDIES: Final[dict[Reason, str]] = {
    "unknown_source": "Declare the source under a system in systems.yaml, apply, and release the fact.",
    "unauthorised_source": "Allow the system to state this type in authority.yaml, or discard the fact.",
    "impossible_date": "Correct the time at its source and send it under a new id, or widen policies and release.",
    "body_changed": "Compare both bodies: discard this one, or send the correction under a new id.",
    "unknown_item": "Send the item (item.upserted), then release the fact.",
    "unknown_location": "Declare the location in locations.yaml, apply, and release the fact.",
    "unknown_status": "Declare or translate the status in statuses.yaml, apply, and release the fact.",
    "unknown_channel": "Declare the channel in channels.yaml, apply, and release the fact.",
    "unknown_reservation": "Check the reservation id at its source; discard, or send it without the reservation.",
    "unknown_unit": "Add the unit to the item (item.upserted), then release the fact.",
    "inexact_unit": "Correct the unit's factor on the item, then release; or send it in a smaller unit.",
    "quantity_out_of_range": "Check the quantity and its unit at the source.",
    "not_stocked": "A service is never stocked: correct the item's kind or discard the fact.",
    "not_physical": "Stock stands in warehouses and stores only: correct the location at the source.",
    "nowhere_to_go": "The places it comes from and goes to are the same: correct it at the source.",
    "lot_missing": "The item is kept by lot: send it again with its lot, or change the item and release.",
    "serials_mismatch": "The item is kept by serial: state one serial per unit.",
    "kit_invalid": "Correct the kit's components.",
    "item_invalid": "Correct the item's master data and send it again under a new id.",
    "item_in_use": "Bring its stock and promises to nought and release the fact, or state it as another SKU.",
}


class Refused(Exception):
    """The fact breaks a rule; `facts` are JSON values that belong to the reason."""

    def __init__(self, reason: Reason, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail
        self.facts: dict[str, Any] = facts


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One statement, valid by its contract.

    `occurred_at` is when it was true in the world; `data` the contract's body; `body` the envelope as it came, JSON.
    """

    source: str
    id: str
    type: str
    version: int
    system: str
    occurred_at: datetime
    data: dict[str, Any]
    fingerprint: bytes
    body: str

    @property
    def tie(self) -> str:
        """What orders facts of one instant, whatever order they arrived in."""
        return f"{self.source} {self.id}"
