"""What all proofs stand on: a small network, facts and requests in one line, a database whose clock can be set.

The clock needs no door in the product: every query says `clock_timestamp()` without a schema, so that a session whose
search path puts `onhand` before `pg_catalog` finds the function that `clocked` puts there. It adds an offset to the
real clock, and the product cannot tell.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from onhand.app.answers import EventOutcome, ReservationAnswer
from onhand.app.identity import Client
from onhand.bootstrap import Hub
from onhand.contracts.envelope import Envelope, event
from onhand.domain.reservation import Line, Request
from onhand.store.postgres.driver import Database

NETWORK = """
systems:
  erp: {kind: erp}
  wms: {kind: wms, sources: ['urn:proof:wms']}
locations:
  EAST: {kind: warehouse, priority: 10}
  WEST: {kind: warehouse, priority: 20}
  SHOP: {kind: store, priority: 30}
location_groups:
  warehouses: {locations: [EAST, WEST]}
statuses:
  available: {sellable: true}
  returned: {sellable: false}
channels:
  web: {kind: storefront, sells_from: [warehouses, SHOP], reservation_default_s: 900, reservation_max_s: 86400}
  bazaar: {kind: marketplace, sells_from: [EAST], reservation_default_s: 900, reservation_max_s: 86400}
  careful: {kind: storefront, sells_from: [warehouses], safety_stock: {default: 2}}
"""
"""Two warehouses, a store, a channel over all of it, one over a part of it, and one with safety stock."""

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
"""When the facts of these stories begin; `at(3)` is three minutes later."""


def at(minutes: float) -> datetime:
    """Return an instant of the story."""
    return START + timedelta(minutes=minutes)


def fact(
    type_: str, data: Mapping[str, Any], *, id_: str, time: datetime | None = None, source: str = "erp"
) -> Envelope:
    """Return one event as a partner would send it."""
    return event(id=id_, source=source, type=type_, time=time or START, data=dict(data))


def item(sku: str, *, id_: str | None = None, time: datetime | None = None, **data: Any) -> Envelope:
    """Return the statement that an item exists."""
    return fact("item.upserted", {"sku": sku, **data}, id_=id_ or f"item/{sku}", time=time)


def lines(*, sku: str, quantity: int, **more: Any) -> list[dict[str, Any]]:
    """Return the one line that most facts here have."""
    return [{"sku": sku, "quantity": quantity, **more}]


def receipt(
    sku: str, quantity: int, *, id_: str, location: str = "EAST", time: datetime | None = None, **more: Any
) -> Envelope:
    """Return the fact that goods came."""
    data = {"location": location, "lines": lines(sku=sku, quantity=quantity, **more)}
    return fact("receipt.posted", data, id_=id_, time=time)


def ask(
    request_id: str, *wants: tuple[str, int] | Line, channel: str = "web", mode: Any = "all", **fields: Any
) -> Request:
    """Return a reservation request; each want is a (sku, quantity) or a line of its own."""
    asked = tuple(
        want if isinstance(want, Line) else Line(line_id=str(number), sku=want[0], quantity=want[1])
        for number, want in enumerate(wants, 1)
    )
    return Request(request_id=request_id, channel=channel, lines=asked, mode=mode, **fields)


async def client(database: Database, name: str = "shop") -> Client:
    """Return a caller that may do everything with promises."""
    rows = await database.sql(
        "insert into client (name) values ($1) on conflict (name) do update set name = excluded.name returning id", name
    )
    return Client(id=rows[0]["id"], name=name, scopes=frozenset({"promises:write", "promises:read"}))


async def apply(hub: Hub, text: str = NETWORK) -> None:
    """Put a network in force."""
    await hub.networks.apply(await hub.networks.plan({"network.yaml": text}), who="proof")


async def applied(hub: Hub, events: Sequence[Envelope]) -> list[EventOutcome]:
    """Record facts that must all be applied."""
    outcomes = await hub.record(events)
    assert [o.outcome for o in outcomes] == ["applied"] * len(events), outcomes
    return outcomes


def granted(answers: Iterable[object]) -> int:
    """Return the units granted in all, over answers and refusals alike."""
    return sum(line.granted for a in answers if isinstance(a, ReservationAnswer) for line in a.lines)


@asynccontextmanager
async def hub_on(database: Database, *, network: str | None = NETWORK) -> AsyncIterator[Hub]:
    """A hub on a connected database, with a network in force."""
    hub = Hub(database)
    try:
        if network is not None:
            await apply(hub, network)
        yield hub
    finally:
        await hub.close()


CLOCK = """
create table test_clock (ahead interval not null);
insert into test_clock values ('0');
create function clock_timestamp() returns timestamptz language sql volatile as
    $$ select pg_catalog.clock_timestamp() + ahead from onhand.test_clock $$;
"""


@asynccontextmanager
async def clocked(dsn: str) -> AsyncIterator[Database]:
    """A database whose clock `wait` moves."""
    async with await Database.connect(dsn, settings={"search_path": "onhand, pg_catalog"}) as database:
        async with database.acquire() as session:
            await session.script(CLOCK)
        yield database


async def wait(database: Database, seconds: float) -> None:
    """Let time pass, without waiting for it."""
    await database.sql("update test_clock set ahead = ahead + make_interval(secs => $1)", seconds)
