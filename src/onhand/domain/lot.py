"""Lots: which may be shipped to whom, and which goes first (first expired, first out).

A lot is eligible when it still lives long enough on the day it is shipped: `expiry >= ship date + minimum
remaining life`. Among the eligible the earliest expiry goes first, ties by lot code, lots without expiry last.

Source of the order: Odoo 17, "FEFO removal strategy"; SAP EWM, "Stock removal strategy: shelf life expiration
date". The remaining-life condition is that of SAP's minimum remaining shelf life (MARA-MHDRZ).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

import msgspec


class LotPool(msgspec.Struct, frozen=True):
    """What of one lot of an item can still be promised at one location: `free` = on hand less held (base units)."""

    lot_id: int
    code: str
    expiry: datetime.date | None
    free: int


def last_unfit_day(
    *, ship_date: datetime.date, min_remaining_life_days: int = 0, min_expiry: datetime.date | None = None
) -> int:
    """Return the ordinal of the latest expiry that is just too early.

    Both conditions must hold: the remaining life on the ship date and an expiry asked for by the order. An
    ordinal, because a date near year 9999 plus a remaining life is no date any more.
    """
    needed = ship_date.toordinal() + min_remaining_life_days
    if min_expiry is not None:
        needed = max(needed, min_expiry.toordinal())
    return needed - 1


def eligible(lot: LotPool, unfit: int) -> bool:
    """Tell whether a lot lives beyond the day `unfit` (see `last_unfit_day`); without expiry it always does."""
    return lot.expiry is None or lot.expiry.toordinal() > unfit


def fefo(lots: Iterable[LotPool]) -> list[LotPool]:
    """Return lots in the order in which they are to leave: first expired first, undated last, ties by code."""
    return sorted(lots, key=lambda lot: (lot.expiry is None, lot.expiry or datetime.date.max, lot.code))


def eligible_free(lots: Iterable[LotPool], unfit: int) -> int:
    """Return the sum of what the eligible lots can still give (base units); an overdrawn lot counts as none."""
    return sum(max(lot.free, 0) for lot in lots if eligible(lot, unfit))


def pick(lots: Sequence[LotPool], *, quantity: int, unfit: int) -> list[tuple[LotPool, int]]:
    """Return (lot, quantity) in FEFO order until `quantity` base units are found or the eligible lots end."""
    picked = []
    for lot in fefo(lots):
        if quantity <= 0:
            break
        if lot.free > 0 and eligible(lot, unfit):
            picked.append((lot, min(lot.free, quantity)))
            quantity -= picked[-1][1]
    return picked
