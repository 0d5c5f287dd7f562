"""Promises in PostgreSQL: the adapter behind `onhand.app.reserve` and `onhand.app.amend`.

Reading is one round trip for ordinary items; ring-fences and lots are read only where the first answer shows that
there are any. Claiming is one call of `claim_batch` (onhand/store/functions/claim.sql).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from onhand.app.ports import StockMoved
from onhand.app.promise_ports import Decision, Reading, RequestKey, Stored, Verdict
from onhand.domain.item import Item
from onhand.domain.lot import LotPool
from onhand.domain.reservation import Request
from onhand.domain.snapshot import FenceKey, PoolKey, Snapshot
from onhand.store.claims import ClaimArrays
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database, Row, Session
from onhand.store.postgres.errors import ConstraintBroken, DatabaseBusy
from onhand.store.sellers import Sellers

EXPIRE_MAX: Final = 1_000
"""Reservations expired in one go on the way to a promise; the rest follow on the next round."""

DECIDED, KNOWN, REFUSED = 1, 2, 3


class PostgresPromises:
    """The PromiseStore of `onhand.app.promise_ports`."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory
        self._sellers = Sellers(directory)

    async def read(self, requests: Sequence[Request]) -> Reading:
        """Read what planning needs; deadlines that have come are honoured first."""
        async with self._database.acquire() as session:
            return await self.read_within(session, requests)

    async def read_within(
        self, session: Session, requests: Sequence[Request], *, amended: int | None = None
    ) -> Reading:
        """Read in the caller's session, so that it sees what the caller's transaction has changed.

        `amended` is the reservation that the caller has open: its own deadline is for its own verb to judge.
        """
        directory = self._directory
        before = directory.versions
        items = await self._items({line.sku for request in requests for line in request.lines})
        wanted = [item.id for item in items.values()]
        rows = await session.fetch("promises.pools", wanted)
        more = True
        while more and rows[0]["due"]:
            more = bool(await session.fetchval("promises.expire_due", None, EXPIRE_MAX, amended))
            if not more and amended is None:
                # Somebody works on what is left. Where it holds what is asked for here, a refusal would be untrue.
                more = bool(await session.fetch("promises.wait_for_due", wanted))
            rows = await session.fetch("promises.pools", wanted)
        head = rows[0]
        unconsumed = await _fences(session, {row["item_id"] for row in rows if row["fenced"]})
        lots = await _lots(session, [item.id for item in items.values() if item.lot_tracked])
        await directory.refresh(network=head["network"], catalogue=head["catalogue"])
        if directory.versions != before:
            # By this reading or by another task of this node: the items above may be those of yesterday.
            return await self.read_within(session, requests, amended=amended)
        snapshot = Snapshot(
            items=items,
            sellers=self._sellers.of({request.channel for request in requests}, items),
            free={(row["item_id"], row["location_id"]): row["free"] for row in rows if row["item_id"] is not None},
            unconsumed=unconsumed,
            lots=lots,
            groups=self._sellers.groups(),
            today=head["now"].date(),
        )
        return Reading(head["now"], directory.version, directory.network, snapshot)

    async def claim(self, decisions: Sequence[Decision], reading: Reading, *, lock: bool) -> Sequence[Verdict]:
        """Take the stock of planned orders and record the decisions."""
        try:
            rows = await self._database.fetch("promises.claim", *self._arguments(decisions, reading), lock)
        except (DatabaseBusy, ConstraintBroken) as error:
            # A deadlock, or the same request decided by another node this very moment: either way, look again.
            raise StockMoved(error.detail) from error
        return [
            Verdict(None if row["outcome"] == REFUSED else row["reservation_id"], row["outcome"] == KNOWN)
            for row in rows
        ]

    async def expire_due(self) -> int:
        """Sweep some of what has expired; how many. House-keeping: no decision waits for it."""
        return int(await self._database.fetchval("promises.expire_due", None, EXPIRE_MAX, None))

    def _arguments(self, decisions: Sequence[Decision], reading: Reading) -> list[Any]:
        arrays = ClaimArrays()
        for number, decision in enumerate(decisions, 1):
            arrays.add(number, decision.plan, reading.snapshot.items)
        return [
            reading.now,
            reading.version,
            [decision.key[0] for decision in decisions],
            [decision.key[1] for decision in decisions],
            [decision.fingerprint for decision in decisions],
            [self._directory.channels[decision.request.channel] for decision in decisions],
            ["refused" if decision.plan is None else decision.plan.state for decision in decisions],
            [decision.expires_at for decision in decisions],
            [_text(decision.request) for decision in decisions],
            [_text(d.short if d.plan is None else d.lines) for d in decisions],
            *arrays.arguments(),
        ]

    async def decided(self, keys: Sequence[RequestKey]) -> Mapping[RequestKey, Stored]:
        """Return those requests that were decided before."""
        rows = await self._database.fetch("promises.decided", [key[0] for key in keys], [key[1] for key in keys])
        return {(row["client_id"], row["request_id"]): self._stored(row) for row in rows}

    def _stored(self, row: Row) -> Stored:
        lines, expires_at = row["answer"].encode(), row["expires_at"]
        if row["first_answer"] is not None:
            first = msgspec.json.decode(row["first_answer"], type=_FirstAnswer)
            lines, expires_at = bytes(first.lines), first.expires_at
        return Stored(
            number=row["id"],
            fingerprint=row["fingerprint"],
            refused=row["state"] == "refused",
            created_at=row["created_at"],
            expires_at=expires_at,
            lines=lines,
        )

    async def _items(self, skus: Collection[str]) -> Mapping[str, Item]:
        """Return the items named, and the parts of those that are kits, however deep."""
        known = await self._directory.known_items(skus)
        found = {sku: known[sku] for sku in skus if sku in known}
        asked: set[str] = set()  # a part that there is not is asked for once
        while missing := _parts(found) - asked:
            asked |= missing
            known = await self._directory.known_items(missing)
            found |= {sku: known[sku] for sku in missing if sku in known}
        return found


class _FirstAnswer(msgspec.Struct):
    expires_at: datetime | None
    lines: msgspec.Raw


def _parts(items: Mapping[str, Item]) -> set[str]:
    return {part.sku for item in items.values() for part in item.components if part.sku not in items}


async def _fences(session: Session, items: set[int]) -> dict[FenceKey, int]:
    rows = await session.fetch("promises.fences", sorted(items)) if items else []
    return {(row["group_id"], row["item_id"], row["location_id"]): row["unconsumed"] for row in rows}


async def _lots(session: Session, items: Sequence[int]) -> dict[PoolKey, tuple[LotPool, ...]]:
    lots: dict[PoolKey, list[LotPool]] = {}
    for row in await session.fetch("promises.lots", items) if items else []:
        pool = LotPool(row["lot_id"], row["code"], row["expiry"], row["free"])
        lots.setdefault((row["item_id"], row["location_id"]), []).append(pool)
    return {key: tuple(found) for key, found in lots.items()}


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
