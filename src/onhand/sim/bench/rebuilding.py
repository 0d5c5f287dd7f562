"""Balances made anew from the ledger, against the bare aggregate over the same movements."""

from __future__ import annotations

import time
from typing import Any, Final

from onhand.store.postgres.driver import Database

STATUSES: Final = 5
PLACES: Final = 2
"""Balances of one item: so many statuses at so many places."""

_FILL: Final = """
insert into movement (item_id, event_id, line, quantity, from_location, from_status, to_location, to_status,
                      occurred_at, recorded_at, from_balance, to_balance)
select i.ids[1 + (n - 1) % {items}], 0, 0, 1, f.id, s.ids[1 + (n - 1) / {items} % {statuses}],
       t.id, s.ids[1 + (n - 1) / {items} % {statuses}], now(), now(),
       -(1 + (n - 1) / ({items} * {statuses})), 1 + (n - 1) / ({items} * {statuses})
  from (select array_agg(id order by id) as ids from item) i,
       (select array_agg(id order by id) as ids from status) s,
       location f, location t, generate_series(1, {movements}) n
 where f.code = 'customer' and t.code = 'transit'
"""

_FORGET: Final = (
    "delete from balance where location_id in (select id from location where code in ('customer', 'transit'))"
)

_AGGREGATE: Final = """
create unlogged table bench_balance as
select item_id, location_id, status_id, lot_id, owner_id, sum(quantity) as quantity, max(occurred_at) as moved_at
  from (select item_id, from_location as location_id, from_status as status_id, lot_id, owner_id, -quantity as quantity,
               occurred_at from movement
        union all
        select item_id, to_location, to_status, lot_id, owner_id, quantity, occurred_at from movement) m
 group by item_id, location_id, status_id, lot_id, owner_id
"""


async def fill(database: Database, *, balances: int, movements: int) -> None:
    """Put movements that never happened into the ledger of the run's own database, rightly stamped."""
    async with database.transaction() as session:
        await session.script("set local statement_timeout = 0")
        await session.script(_FILL.format(items=balances // STATUSES // PLACES, statuses=STATUSES, movements=movements))
    await database.sql("analyze movement")


async def aggregate_s(database: Database) -> float:
    """Seconds of the bare aggregate."""
    await database.sql("drop table if exists bench_balance")
    start = time.perf_counter()
    async with database.transaction() as session:
        await session.script("set local statement_timeout = 0")
        await session.script(_AGGREGATE)
    return time.perf_counter() - start


async def rebuild_s(hub: Any, database: Database) -> float:
    """Seconds of the hub's own rebuild, which finds the balances of those movements gone; its proof not included."""
    async with database.transaction() as session:
        await session.script("set local statement_timeout = 0")
        await session.script(_FORGET)
    rebuilt = await hub.rebuild()
    return float(rebuilt.took_s)
