"""One reservation opened for change: the adapter behind `onhand.app.amend`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec

from onhand.app.amend_ports import Held, Holding, Kept, Opened, ShippingPlace
from onhand.app.answers import LineAnswer
from onhand.app.ports import Decided, StockMoved
from onhand.app.promise_ports import Reading
from onhand.app.reserve import lines_of
from onhand.domain.claiming import Claim
from onhand.domain.effects import Known
from onhand.domain.planning import Plan
from onhand.domain.reservation import Request, State, outcome
from onhand.store.directory import NO_LOT, Directory
from onhand.store.intake import PostgresFacts
from onhand.store.postgres.driver import Database, Row, Session
from onhand.store.postgres.errors import ConstraintBroken, DatabaseBusy
from onhand.store.promises import PostgresPromises


class PostgresAmend:
    """The AmendStore of `onhand.app.amend_ports`."""

    def __init__(
        self, database: Database, directory: Directory, facts: PostgresFacts, promises: PostgresPromises
    ) -> None:
        self._database = database
        self._directory = directory
        self._facts = facts
        self._promises = promises

    @asynccontextmanager
    async def open(self, number: int) -> AsyncIterator[Opened | None]:
        """Lock a reservation; None when there is none of that number."""
        situation = await self._directory.situation()
        assert situation.version == self._directory.version
        try:
            async with self._database.transaction() as session:
                row = await session.fetchrow("promises.lock_reservation", number)
                yield None if row is None else _Opened(self, session, held_of(row, self._directory))
        except (DatabaseBusy, ConstraintBroken) as error:
            # A deadlock with another order, or the same key answered by another node at this moment: look again.
            raise StockMoved(error.detail) from error

    async def answered(self, client: int, key: str) -> Kept | None:
        """Return what was answered under an idempotency key."""
        row = await self._database.fetchrow("promises.answered", client, key)
        return None if row is None else Kept(row["fingerprint"], row["body"].encode())

    @property
    def directory(self) -> Directory:
        """What this node remembers of codes and items."""
        return self._directory

    @property
    def facts(self) -> PostgresFacts:
        """Where shipments are recorded."""
        return self._facts

    @property
    def promises(self) -> PostgresPromises:
        """Where planning reads."""
        return self._promises


class _Opened:
    """The Opened of `onhand.app.amend_ports`, bound to one transaction."""

    def __init__(self, store: PostgresAmend, session: Session, held: Held) -> None:
        self._store = store
        self._session = session
        self._directory = store.directory
        self.held = held

    async def holdings(self) -> Sequence[Holding]:
        """Return what it holds and what has left, by line and place."""
        return [holding_of(row) for row in await self._session.fetch("promises.holdings", [self.held.number])]

    async def waiting(self) -> dict[int, int]:
        """Return line number -> base units that wait for stock."""
        rows = await self._session.fetch("promises.backorders", [self.held.number])
        return {row["line"]: row["quantity"] for row in rows}

    async def extend(self, until: datetime) -> None:
        """Set its deadline."""
        await self._session.execute("promises.extend", self.held.number, until, self.held.now)
        await self._session.fetchval("promises.settle_deadline", self.held.number, self.held.now)

    async def end(self, *, state: State, verb: str) -> None:
        """End it and give back all that it holds."""
        await self._session.fetch("promises.end", [self.held.number], state, verb, self.held.now)

    async def put_back(self) -> None:
        """Give back all that it holds for the rest of this block."""
        await self._session.fetchval("promises.put_back", self.held.number)

    async def read(self, request: Request) -> Reading:
        """Read what planning needs, as this transaction sees it."""
        return await self._store.promises.read_within(self._session, [request], amended=self.held.number)

    async def retake(self, plan: Plan, request: Request, reading: Reading, *, verb: str) -> None:
        """Take what was planned, and make the reservation what was asked for."""
        await self._take(plan.claims, lines_of(plan), request, reading, verb=verb)

    async def add(self, claims: Sequence[Claim], lines: Sequence[LineAnswer], reading: Reading) -> None:
        """Take more for what waits; `lines` is the whole answer then."""
        await self._session.execute("promises.stop_waiting", self.held.number)
        await self._take(claims, lines, self.held.request, reading, verb="fill")

    async def _take(
        self, claims: Sequence[Claim], lines: Sequence[LineAnswer], request: Request, reading: Reading, *, verb: str
    ) -> None:
        items = await self._directory.known_items([line.sku for line in lines])
        waits = [(n, items[line.sku].id, line.backordered) for n, line in enumerate(lines) if line.backordered]
        await self._session.fetchval(
            "promises.retake",
            self.held.now,
            self.held.number,
            verb,
            outcome(
                requested=sum(line.requested for line in lines),
                granted=sum(line.granted for line in lines),
                backordered=sum(line.backordered for line in lines),
            ),
            self._directory.channels[request.channel],
            reading.version,
            msgspec.json.encode(lines).decode(),
            msgspec.json.encode(request).decode(),
            [claim.line for claim in claims],
            [claim.item_id for claim in claims],
            [claim.location_id for claim in claims],
            [claim.lot_id for claim in claims],
            [claim.quantity for claim in claims],
            [claim.fence_group_id if claim.from_fence else 0 for claim in claims],
            [claim.from_fence for claim in claims],
            [claim.keep for claim in claims],
            [wait[0] for wait in waits],
            [wait[1] for wait in waits],
            [wait[2] for wait in waits],
        )

    async def shipping_places(self, holdings: Sequence[Holding]) -> Sequence[ShippingPlace]:
        """Return the balances behind holdings, own goods first."""
        by_id = {h.item_id: h.sku for h in holdings}
        lots = {(h.item_id, h.lot): self._lot(h) for h in holdings}
        codes = {number: lot for (_, lot), number in lots.items()}
        rows = await self._session.fetch(
            "promises.places_to_ship_from",
            [h.item_id for h in holdings],
            [self._directory.locations[h.location] for h in holdings],
            [self._lot(h) for h in holdings],
        )
        return [
            ShippingPlace(
                by_id[row["item_id"]],
                self._directory.location_codes[row["location_id"]],
                codes[row["lot_id"]],
                row["status"],
                row["owner"],
                row["quantity"],
            )
            for row in rows
        ]

    async def fulfilments(self) -> int:
        """Return in how many events parts of it have left."""
        return int(await self._session.fetchval("promises.fulfilments_so_far", self.held.number))

    async def known(self, skus: Sequence[str]) -> tuple[Known, int]:
        """Return what ledger rules may know, and the network version."""
        items = await self._directory.known_items(skus)
        return Known(self._directory.network, items, frozenset((self.held.number,))), self._directory.version

    async def record(self, decided: Sequence[Decided], *, version: int) -> None:
        """Record facts in this transaction."""
        batch = await self._store.facts.batch_of(decided)
        await self._store.facts.record_within(self._session, batch, version=version, now=self.held.now)

    async def note_answer(self, *, client: int, key: str, fingerprint: bytes, body: bytes) -> None:
        """Keep what is answered under an idempotency key."""
        await self._session.execute("promises.note_answer", client, key, fingerprint, 200, body.decode())

    async def again(self) -> Held:
        """Return its row as it is now."""
        row = await self._session.fetchrow("promises.reservation", self.held.number)
        assert row is not None, "the row is locked by this transaction"
        return held_of(row, self._directory)

    def _lot(self, holding: Holding) -> int:
        return NO_LOT if holding.lot is None else holding.lot_id


def held_of(row: Row, directory: Directory) -> Held:
    """Build a reservation from its row."""
    state: State = row["state"]
    return Held(
        number=row["id"],
        client_id=row["client_id"],
        request=msgspec.json.decode(row["request"], type=Request),
        channel=directory.channel_codes[row["channel_id"]],
        state=state,
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        lines=() if state == "refused" else msgspec.json.decode(row["answer"], type=tuple[LineAnswer, ...]),
        now=row["now"],
    )


def holding_of(row: Row) -> Holding:
    """Build a holding from its row."""
    return Holding(
        line=row["line"],
        item_id=row["item_id"],
        lot_id=row["lot_id"],
        sku=row["sku"],
        location=row["location"],
        lot=row["lot"],
        held=row["held"],
        fulfilled=row["fulfilled"],
    )
