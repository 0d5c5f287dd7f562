"""The auditor: reads the tables and says, in words, every way in which they contradict each other.

It shares no code with the product. Each check is one query whose rows are contradictions; an empty list is the proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from onhand.store.postgres.driver import Database, Session

CHECKS: Final[Mapping[str, str]] = {
    "P2: the movements of an item do not cancel out over all places": """
        select i.sku, sum(b.quantity) as off from balance b join item i on i.id = b.item_id
         group by i.sku having sum(b.quantity) <> 0""",
    "P2: a balance is not the sum of its movements": """
        with leg as (
            select item_id, to_location as l, to_status as s, lot_id, owner_id, quantity as q from movement
            union all select item_id, from_location, from_status, lot_id, owner_id, -quantity from movement),
        summed as (select item_id, l, s, lot_id, owner_id, sum(q) as q from leg group by 1, 2, 3, 4, 5)
        select coalesce(b.item_id, m.item_id) as item, coalesce(b.location_id, m.l) as location,
               coalesce(b.status_id, m.s) as status, b.quantity as kept, m.q as summed
          from balance b full join summed m
            on (b.item_id, b.location_id, b.status_id, b.lot_id, b.owner_id)
             = (m.item_id, m.l, m.s, m.lot_id, m.owner_id)
         where coalesce(b.quantity, 0) <> coalesce(m.q, 0)""",
    "the running balances stamped on movements do not follow each other": """
        with leg as (
            select seq, item_id, to_location as l, to_status as s, lot_id, owner_id, quantity as q,
                   to_balance as stamp from movement
            union all
            select seq, item_id, from_location, from_status, lot_id, owner_id, -quantity, from_balance from movement),
        run as (select *, sum(q) over (partition by item_id, l, s, lot_id, owner_id order by seq) as summed from leg)
        select item_id, l, s, seq, stamp, summed from run where stamp <> summed""",
    "P10: a movement's event does not exist": """
        select seq from movement m where not exists (select 1 from event e where e.id = m.event_id)""",
    "a pool row does not show what the ledger holds": """
        with summed as (
            select b.item_id, b.location_id, sum(b.quantity) as q from balance b
              join status s on s.id = b.status_id and s.sellable
              join location l on l.id = b.location_id and l.kind in ('warehouse', 'store') group by 1, 2)
        select coalesce(s.item_id, x.item_id) as item, coalesce(s.location_id, x.location_id) as location,
               s.on_hand, x.q
          from stock s full join summed x on (s.item_id, s.location_id) = (x.item_id, x.location_id)
         where coalesce(s.on_hand, 0) <> coalesce(x.q, 0)""",
    "a lot row does not show what the ledger holds": """
        with summed as (
            select b.item_id, b.location_id, b.lot_id, sum(b.quantity) as q from balance b
              join status s on s.id = b.status_id and s.sellable
              join location l on l.id = b.location_id and l.kind in ('warehouse', 'store')
             where b.lot_id > 0 group by 1, 2, 3)
        select coalesce(s.item_id, x.item_id) as item, coalesce(s.lot_id, x.lot_id) as lot, s.on_hand, x.q
          from lot_stock s full join summed x
            on (s.item_id, s.location_id, s.lot_id) = (x.item_id, x.location_id, x.lot_id)
         where coalesce(s.on_hand, 0) <> coalesce(x.q, 0)""",
    "a pool row's holds are not its claims and allocations": """
        with held as (
            select item_id, location_id, sum(quantity - allocated) as reserved, sum(allocated) as allocated
              from (select item_id, location_id, quantity, allocated from claim
                    union all
                    select item_id, location_id, greatest(0, quantity), greatest(0, quantity) from allocation) u
             group by 1, 2)
        select coalesce(s.item_id, h.item_id) as item, s.reserved, h.reserved as held_reserved, s.allocated,
               h.allocated as held_allocated
          from stock s full join held h on (s.item_id, s.location_id) = (h.item_id, h.location_id)
         where (coalesce(s.reserved, 0), coalesce(s.allocated, 0))
            <> (coalesce(h.reserved, 0), coalesce(h.allocated, 0))""",
    "a lot row's holds are not its claims and allocations": """
        with held as (
            select item_id, location_id, lot_id, sum(quantity) as q
              from (select item_id, location_id, lot_id, quantity from claim where lot_id > 0
                    union all
                    select item_id, location_id, lot_id, greatest(0, quantity) from allocation where lot_id > 0) u
             group by 1, 2, 3)
        select coalesce(s.item_id, h.item_id) as item, s.held, h.q
          from lot_stock s full join held h
            on (s.item_id, s.location_id, s.lot_id) = (h.item_id, h.location_id, h.lot_id)
         where coalesce(s.held, 0) <> coalesce(h.q, 0)""",
    "a pool row's fenced is not what its ring-fences still set aside": """
        with fence as (
            select item_id, location_id, sum(greatest(0, quantity - consumed)) as q from ring_fence group by 1, 2)
        select coalesce(s.item_id, f.item_id) as item, s.fenced, f.q
          from stock s full join fence f on (s.item_id, s.location_id) = (f.item_id, f.location_id)
         where coalesce(s.fenced, 0) <> coalesce(f.q, 0)""",
    "an ended reservation still holds or waits": """
        select r.id, r.state from reservation r
         where not r.open and (exists (select 1 from claim c where c.reservation_id = r.id)
                            or exists (select 1 from backorder b where b.reservation_id = r.id))""",
    "a reservation's state and its being open contradict each other": """
        select id, state, open from reservation
         where open <> (state in ('granted', 'partly_granted', 'backordered'))""",
    "a claim or backorder belongs to no reservation": """
        select reservation_id from (select reservation_id from claim union select reservation_id from backorder) u
         where not exists (select 1 from reservation r where r.id = u.reservation_id)""",
    "what left against a promise names no event": """
        select f.reservation_id, f.event_id from fulfilment f
         where not exists (select 1 from event e where e.id = f.event_id)""",
    "a count and the ledger of its moment disagree": """
        select c.item_id, c.location_id, c.counted_at, c.quantity, x.q
          from count_point c
          left join lateral (
            select coalesce(sum(case when m.to_location = c.location_id and m.to_status = c.status_id then m.quantity
                                     else -m.quantity end), 0) as q
              from movement m
             where m.item_id = c.item_id and m.lot_id = c.lot_id and m.owner_id = c.owner_id
               and m.occurred_at <= c.counted_at
               and ((m.to_location, m.to_status) = (c.location_id, c.status_id)
                 or (m.from_location, m.from_status) = (c.location_id, c.status_id))) x on true
         where c.quantity <> x.q
           and not exists (select 1 from count_point o
                            where (o.item_id, o.location_id, o.status_id, o.lot_id, o.owner_id, o.counted_at)
                                = (c.item_id, c.location_id, c.status_id, c.lot_id, c.owner_id, c.counted_at)
                              and o.tie > c.tie)""",
}
"""What is contradicted -> the query whose rows are the contradictions."""


async def contradictions(database: Database) -> list[str]:
    """Return every contradiction in the database, each as a sentence with the row that shows it."""
    async with database.transaction(isolation="repeatable_read", readonly=True) as session:
        return await contradictions_within(session)


async def contradictions_within(session: Session) -> list[str]:
    """Return what `contradictions` does, as the session's open transaction sees it."""
    return [f"{what}: {dict(row)}" for what, query in CHECKS.items() for row in await session.sql(query)]


async def oversold(database: Database) -> list[str]:
    """Return every pool row on which more is promised than is there. Right only where no fact has taken stock away."""
    rows = await database.sql(
        "select i.sku, l.code, s.on_hand, s.reserved, s.allocated from stock s join item i on i.id = s.item_id"
        " join location l on l.id = s.location_id where s.on_hand < s.reserved + s.allocated"
    )
    return [f"oversold: {dict(row)}" for row in rows]
