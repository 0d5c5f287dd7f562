"""`verify`: everything that is kept, worked out anew, and every difference named. `rebuild`: mends them.

Verifying reads one snapshot and disturbs nobody. What differs is a defect of Onhand or the work of somebody who wrote
to the database by hand; facts that took away what was promised are no difference, they are told as notes. Rebuilding
corrects what is worked out (balances, pools, holds, stamps), never what was stated (events, movements), and verifies
afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import msgspec

from onhand.app.answers import Difference, Verification

Progress = Callable[[str], None]
"""Told what is done next."""

DIFFERENCES_MAX: Final = 100
"""Differences listed by one check; each check says how many it found."""

CHECKS: Final[Mapping[str, str]] = {
    "conservation": "The balances of an item do not sum to zero over all places.",
    "bookkeeping": "The moment by which late facts and counts are recognised here is not that of the ledger.",
    "pools": "On hand is not the sum of the sellable balances.",
    "lot_pools": "On hand of the lot is not the sum of its sellable balances.",
    "reserved": "Reserved is not the sum of what reservations hold softly.",
    "allocated": "Allocated is not the sum of what reservations and systems hold hard.",
    "lots_held": "Held of the lot is not the sum of what is reserved and allocated of it.",
    "fenced": "Fenced is not the sum of what the ring-fences still set aside.",
    "empty_handed": "The reservation is open, but holds nothing and waits for nothing.",
    "left_behind": "The reservation is closed or not there, but something of it is held.",
    "orphans": "The row refers to something that is not there.",
    "kept_promises": "What was granted is not what is held and what has left.",
}
"""Each check that compares one figure with another, and what a difference means."""

BALANCE: Final = "The balance is not the sum of the movements."
CHAIN: Final = "The balance stamped on this movement does not follow from the one before it."
BEYOND: Final = "More is promised here than stands here: facts took stock away after it was promised."


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a check: the figure kept against the one worked out, and how many such rows there are (`found`)."""

    sku: str | None
    place: str
    kept: int | None
    recomputed: int | None
    found: int


class FoundInLedger(Found, frozen=True, kw_only=True):
    """A place whose balance or chain of stamps differs: at movement `seq` it says `stamped`, not `expected`."""

    seq: int | None
    stamped: int | None
    expected: int | None


class Snapshot(Protocol):
    """The database at one instant."""

    async def counts(self) -> Mapping[str, int]:
        """Return how many rows of each kind there are."""

    async def ledger(self, n: int) -> Sequence[FoundInLedger]:
        """Return up to `n` places whose balance or chain differs."""

    async def found(self, check: str, n: int) -> Sequence[Found]:
        """Return up to `n` differences of one check."""


class VerifyStore(Protocol):
    """What verifying and rebuilding need from a store."""

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """Open a snapshot for as long as the block runs."""

    async def rebuild(self, progress: Progress) -> Mapping[str, int]:
        """Correct what differs from the ledger; returns how many rows of each kind were."""

    async def restamp(self) -> int:
        """Correct the balances stamped on movements wherever their chain breaks; returns how many were."""


class Verify:
    """The use case: call it."""

    def __init__(self, store: VerifyStore) -> None:
        self._store = store

    async def __call__(self, progress: Progress | None = None) -> Verification:
        """Return what was checked and every difference, up to DIFFERENCES_MAX of a check."""
        tell = progress or _nobody
        start = time.perf_counter()
        checked: dict[str, int] = {}
        differences: list[Difference] = []
        async with self._store.snapshot() as snapshot:
            tell("counting")
            checked.update(await snapshot.counts())
            tell("ledger")
            places = await snapshot.ledger(DIFFERENCES_MAX)
            differences += [one for place in places for one in _of_ledger(place)]
            totals = {"ledger": _total(places)}
            for check, meaning in CHECKS.items():
                tell(check)
                rows = await snapshot.found(check, DIFFERENCES_MAX)
                differences += [_difference(check, row, meaning) for row in rows]
                totals[check] = _total(rows)
            beyond = await snapshot.found("promised_beyond", DIFFERENCES_MAX)
        return Verification(
            ok=not differences,
            checked=checked,
            differences=tuple(differences),
            notes=tuple(_difference("promised_beyond", row, BEYOND) for row in beyond),
            found={name: total for name, total in {**totals, "promised_beyond": _total(beyond)}.items() if total},
            took_s=round(time.perf_counter() - start, 3),
        )


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """What a rebuild corrected, how long that took, and the proof (which took `verification.took_s`)."""

    mended: dict[str, int]
    took_s: float
    verification: Verification


class Rebuild:
    """The use case: call it."""

    def __init__(self, store: VerifyStore) -> None:
        self._store = store
        self._verify = Verify(store)

    async def __call__(self, progress: Progress | None = None) -> Rebuilt:
        """Correct what differs from the ledger, then verify. Raises Unavailable; nothing was changed then."""
        tell = progress or _nobody
        start = time.perf_counter()
        mended = dict(await self._store.rebuild(tell))
        took_s = time.perf_counter() - start
        verification = await self._verify(progress)
        if any(one.check == "chain" for one in verification.differences):
            tell("stamping movements anew")
            mended["stamps"] += await self._store.restamp()
            verification = await self._verify(progress)
        return Rebuilt(mended=mended, took_s=round(took_s, 3), verification=verification)


def _of_ledger(place: FoundInLedger) -> list[Difference]:
    found = []
    if place.kept != place.recomputed and (place.kept or place.recomputed):
        found.append(_difference("balance", place, BALANCE, first_at_seq=place.seq))
    if place.seq is not None:
        stamp = msgspec.structs.replace(place, kept=place.stamped, recomputed=place.expected)
        found.append(_difference("chain", stamp, CHAIN, first_at_seq=place.seq))
    return found


def _difference(check: str, row: Found, explanation: str, *, first_at_seq: int | None = None) -> Difference:
    return Difference(
        check=check,
        sku=row.sku,
        where=row.place,
        kept=row.kept,
        recomputed=row.recomputed,
        first_at_seq=first_at_seq,
        explanation=explanation,
    )


def _total(rows: Sequence[Found]) -> int:
    return rows[0].found if rows else 0


def _nobody(_: str) -> None:
    """Nobody wants to know."""
