"""A small real world for tests of the use cases: a hub on a fresh database, a network, items, and facts in one line.

Nothing here is faked: `World` wires the product's own adapters, as `onhand.bootstrap` does, and speaks through them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from onhand.app.answers import Availability, EventOutcome, ReservationAnswer
from onhand.app.identity import Client
from onhand.bootstrap import Hub
from onhand.contracts.envelope import Envelope, event
from onhand.domain.network import Channel, Location, Network, RingFence, Status, System
from onhand.domain.reservation import Line, Request
from onhand.store.network import PostgresNetworkStore
from onhand.store.postgres.driver import Database

NOW = datetime.now(UTC).replace(microsecond=0)
"""One moment of this run; facts happen around it, because a fact from the future would be refused."""

WMS = "wms"

_IDS = itertools.count(1)


def hours(number: float) -> datetime:
    """A moment so many hours after NOW (before it, when negative)."""
    return NOW + timedelta(hours=number)


def days(number: int) -> date:
    """The date so many days after today."""
    return NOW.date() + timedelta(days=number)


def place(code: str, *, priority: int = 100) -> Location:
    """A warehouse."""
    return Location(code=code, kind="warehouse", priority=priority)


def channel(code: str, *sells_from: str, **policy: Any) -> Channel:
    """A shop that sells from these locations."""
    return Channel(code=code, kind="storefront", sells_from=sells_from or ("A",), **policy)


def network(
    *channels: Channel,
    places: Sequence[Location] = (),
    fences: Sequence[RingFence] = (),
    statuses: Sequence[Status] = (),
    **more: Any,
) -> Network:
    """A network with the systems `wms` and `erp`, locations A and B, and a channel `web` that sells from both."""
    sites = places or (place("A", priority=1), place("B", priority=2))
    shops = channels or (channel("web", *(site.code for site in sites)),)
    return Network(
        systems={code: System(code=code, kind="wms") for code in (WMS, "erp")},
        locations={site.code: site for site in sites},
        statuses={status.code: status for status in statuses},
        channels={shop.code: shop for shop in shops},
        ring_fences=tuple(fences),
        **more,
    )


class World:
    """A hub and short ways to tell it things. Make it with `made`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.hub = Hub(database)
        self.client = Client(id=1, name="tests", scopes=frozenset({"admin"}))
        self._version = 0

    @classmethod
    async def made(cls, database: Database, of: Network | None = None) -> World:
        """A world with a network in force and one client."""
        world = cls(database)
        await world.begin(of or network())
        return world

    async def begin(self, of: Network) -> None:
        """Put a network in force on top of whatever the database holds, and make the client known."""
        await self.database.sql("insert into client (name) values ('tests') on conflict do nothing")
        self._version = (await self.database.sql("select network from in_force"))[0][0]
        await self.apply(of)

    async def apply(self, of: Network) -> None:
        """Put a network in force."""
        line = await PostgresNetworkStore(self.database).store_version(
            base=self._version, network=of, files={}, fingerprint="-", who="tests", message=""
        )
        self._version = line.version

    async def send(self, *envelopes: Envelope) -> list[EventOutcome]:
        """Record events, whatever becomes of them."""
        return await self.hub.record(list(envelopes))

    async def tell(self, type_: str, at: datetime | None = None, **data: Any) -> str:
        """Record one event that must be applied; its id."""
        return await self.say(self.fact(type_, at=at, **data))

    async def say(self, fact: Envelope) -> str:
        """Record one event that must be applied; its id."""
        (outcome,) = await self.send(fact)
        assert outcome.outcome == "applied", outcome
        return fact.id

    def fact(
        self, type_: str, *, at: datetime | None = None, id_: str | None = None, source: str = WMS, **data: Any
    ) -> Envelope:
        """An event; `from_` stands for the member `from`."""
        body = {("from" if name == "from_" else name): value for name, value in data.items() if value is not None}
        return event(id=id_ or f"e{next(_IDS)}", source=source, type=type_, data=body, time=at or hours(-1))

    async def item(self, *skus: str, **fields: Any) -> None:
        """State items, all with the same fields."""
        for sku in skus:
            await self.tell("item.upserted", at=hours(-100), sku=sku, **fields)

    async def receive(
        self, sku: str, quantity: int, *, location: str = "A", at: datetime | None = None, status: str | None = None,
        lot: str | None = None, expiry: date | None = None, owner: str | None = None, **more: Any,
    ) -> str:  # fmt: skip
        """Receive one line from a supplier; the event's id."""
        line = {"sku": sku, "quantity": quantity, "lot": lot, "expiry": expiry and expiry.isoformat(), "owner": owner}
        return await self.tell("receipt.posted", at=at, location=location, status=status, lines=[bare(line)], **more)

    async def ship(
        self, sku: str, quantity: int, *, location: str = "A", at: datetime | None = None, **more: Any
    ) -> str:
        """Ship one line to a customer; the event's id."""
        return await self.tell(
            "shipment.confirmed", at=at, location=location, lines=[{"sku": sku, "quantity": quantity}], **more
        )

    async def count(self, sku: str, quantity: int, *, location: str = "A", at: datetime | None = None) -> str:
        """State what was counted; the event's id."""
        return await self.tell("count.posted", at=at, location=location, lines=[{"sku": sku, "quantity": quantity}])

    async def reserve(
        self, sku: str, quantity: int, *, shop: str = "web", expires_in_s: int | None = None, **fields: Any
    ) -> ReservationAnswer:
        """Reserve one line; raises what the hub raises."""
        line = Line(line_id="1", sku=sku, quantity=quantity, location=fields.pop("location", None))
        request = Request(request_id=f"r{next(_IDS)}", channel=shop, lines=(line,), expires_in_s=expires_in_s, **fields)
        return await self.hub.reserve(self.client, request)

    async def overdue(self, reservation: ReservationAnswer) -> None:
        """Let a reservation's deadline have passed, unswept, as if time had gone by."""
        await self.database.sql(
            "update reservation set expires_at = clock_timestamp() - interval '1 second' where id = $1",
            int(reservation.reservation_id.removeprefix("res_")),
        )

    async def available(self, sku: str, shop: str = "web", **how: Any) -> Availability:
        """What a channel can sell of one item."""
        return (await self.hub.availability.read(shop, [sku], **how))[0]

    async def ats(self, sku: str, shop: str = "web") -> int:
        """The figure alone."""
        return (await self.available(sku, shop)).quantity


def bare(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None}
