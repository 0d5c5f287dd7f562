"""Turning plans into the arrays that `claim_batch` takes: distinct rows sorted, claims pointing at them by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onhand.domain.claiming import Claim
from onhand.domain.item import Item
from onhand.domain.planning import Plan


class ClaimArrays:
    """The claims and backorders of a batch of orders, added in arrival order."""

    def __init__(self) -> None:
        self._claims: list[tuple[int, Claim]] = []
        self._waits: list[tuple[int, int, int, int]] = []

    def add(self, order: int, plan: Plan | None, items: Mapping[str, Item]) -> None:
        """Add one order (its number in the batch, from 1); a refused one claims nothing."""
        if plan is None:
            return
        for claim in plan.claims:
            self._claims.append((order, claim))
        for number, line in enumerate(plan.lines):
            if line.backordered:
                self._waits.append((order, number, items[line.sku].id, line.backordered))

    def arguments(self) -> list[Any]:
        """Return the arguments of `promises.claim` from the pool rows to the backorders."""
        claims = [claim for _, claim in self._claims]
        rows = sorted({(c.item_id, c.location_id) for c in claims})
        lots = sorted({(c.item_id, c.location_id, c.lot_id) for c in claims if c.lot_id})
        fences = sorted({(c.item_id, c.location_id, c.fence_group_id) for c in claims if c.from_fence})
        row_at = {key: number for number, key in enumerate(rows, 1)}
        lot_at = {key: number for number, key in enumerate(lots, 1)}
        fence_at = {key: number for number, key in enumerate(fences, 1)}
        return [
            [key[0] for key in rows], [key[1] for key in rows],
            [key[0] for key in lots], [key[1] for key in lots], [key[2] for key in lots],
            [key[0] for key in fences], [key[1] for key in fences], [key[2] for key in fences],
            [order for order, _ in self._claims],
            [c.line for c in claims],
            [row_at[c.item_id, c.location_id] for c in claims],
            [lot_at[c.item_id, c.location_id, c.lot_id] if c.lot_id else 0 for c in claims],
            [fence_at[c.item_id, c.location_id, c.fence_group_id] if c.from_fence else 0 for c in claims],
            [c.quantity for c in claims], [c.from_fence for c in claims], [c.keep for c in claims],
            [wait[0] for wait in self._waits], [wait[1] for wait in self._waits],
            [wait[2] for wait in self._waits], [wait[3] for wait in self._waits],
        ]  # fmt: skip
