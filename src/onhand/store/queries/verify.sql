-- Everything that is kept, worked out anew from the ledger and the promises. Each check returns up to n differences and,
-- with each, how many there are. All run in one snapshot while the hub goes on working.

-- query: counts
-- out: what text, n bigint
select 'events' as what, count(*) as n from event
union all select 'movements', count(*) from movement
union all select 'balances', count(*) from balance
union all select 'items', count(*) from item
union all select 'pools', count(*) from stock
union all select 'lot_pools', count(*) from lot_stock
union all select 'ring_fences', count(*) from ring_fence
union all select 'count_points', count(*) from count_point
union all select 'reservations', count(*) from reservation
union all select 'claims', count(*) from claim;

-- query: ledger
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, seq bigint, stamped bigint, expected bigint, found bigint
-- Each place's balance against the sum of its movements, and the balance stamped on each movement against the one before
-- it: seq is the first movement whose stamp does not follow.
with leg as (
    select item_id, from_location as location_id, from_status as status_id, lot_id, owner_id, seq, -quantity as quantity,
           from_balance as stamped from movement
    union all
    select item_id, to_location, to_status, lot_id, owner_id, seq, quantity, to_balance from movement),
step as (
    select *, coalesce(lag(stamped) over (partition by item_id, location_id, status_id, lot_id, owner_id order by seq), 0)
              + quantity as expected from leg),
summed as (
    select item_id, location_id, status_id, lot_id, owner_id, sum(quantity)::bigint as quantity,
           min(seq) filter (where stamped <> expected) as seq,
           (array_agg(stamped order by seq) filter (where stamped <> expected))[1] as stamped,
           (array_agg(expected order by seq) filter (where stamped <> expected))[1] as expected
      from step group by item_id, location_id, status_id, lot_id, owner_id),
differs as (
    select item_id, location_id, status_id, lot_id, owner_id, b.quantity as kept, coalesce(x.quantity, 0) as recomputed, x.seq,
           x.stamped, x.expected, count(*) over () as found
      from summed x full join balance b using (item_id, location_id, status_id, lot_id, owner_id)
     where coalesce(b.quantity, 0) <> coalesce(x.quantity, 0) or x.seq is not null
     order by item_id, location_id, status_id, lot_id, owner_id limit $1)
select i.sku, place_text(d.item_id, d.location_id, d.status_id, d.lot_id, d.owner_id) as place, d.kept, d.recomputed, d.seq,
       d.stamped, d.expected, d.found
  from differs d left join item i on i.id = d.item_id order by d.item_id, d.location_id, d.status_id, d.lot_id, d.owner_id;

-- query: conservation
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, found bigint
select i.sku, 'all places' as place, x.kept, 0::bigint as recomputed, count(*) over () as found
  from (select item_id, sum(quantity)::bigint as kept from balance group by item_id having sum(quantity) <> 0) x
  left join item i on i.id = x.item_id order by x.item_id limit $1;

-- query: bookkeeping
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, found bigint
-- Two moments by which a late fact or count is recognised: too early a one here lets it slip through. Seconds since 1970.
with moved as (
    select item_id, location_id, status_id, lot_id, owner_id, max(at) as at
      from (select item_id, from_location as location_id, from_status as status_id, lot_id, owner_id, occurred_at as at from movement
            union all select item_id, to_location, to_status, lot_id, owner_id, occurred_at from movement) x
     group by 1, 2, 3, 4, 5),
counted as (
    select item_id, location_id, status_id, lot_id, owner_id, max(counted_at) as at from count_point group by 1, 2, 3, 4, 5)
select i.sku, place_text(b.item_id, b.location_id, b.status_id, b.lot_id, b.owner_id)
              || case when b.moved_at < m.at then ' moved_at' else ' counted_at' end as place,
       extract(epoch from case when b.moved_at < m.at then b.moved_at else b.counted_at end)::bigint as kept,
       extract(epoch from case when b.moved_at < m.at then m.at else c.at end)::bigint as recomputed, count(*) over () as found
  from balance b left join moved m using (item_id, location_id, status_id, lot_id, owner_id)
  left join counted c using (item_id, location_id, status_id, lot_id, owner_id) left join item i on i.id = b.item_id
 where b.moved_at < m.at or b.counted_at is distinct from c.at
 order by b.item_id, b.location_id, b.status_id, b.lot_id, b.owner_id limit $1;

-- query: pools
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, found bigint
with summed as (
    select b.item_id, b.location_id, sum(b.quantity)::bigint as on_hand
      from balance b join status s on s.id = b.status_id and s.sellable
      join location l on l.id = b.location_id and l.kind in ('warehouse', 'store') group by 1, 2)
select i.sku, l.code as place, s.on_hand as kept, coalesce(x.on_hand, 0) as recomputed, count(*) over () as found
  from stock s full join summed x using (item_id, location_id)
  left join item i on i.id = item_id left join location l on l.id = location_id
 where coalesce(s.on_hand, 0) <> coalesce(x.on_hand, 0) order by item_id, location_id limit $1;

-- query: lot_pools
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, found bigint
with summed as (
    select b.item_id, b.location_id, b.lot_id, sum(b.quantity)::bigint as on_hand
      from balance b join status s on s.id = b.status_id and s.sellable
      join location l on l.id = b.location_id and l.kind in ('warehouse', 'store') where b.lot_id > 0 group by 1, 2, 3)
select i.sku, l.code || ' lot ' || coalesce(t.code, '?') as place, d.kept, d.recomputed, count(*) over () as found
  from (select item_id, location_id, lot_id, coalesce(s.on_hand, 0) as kept, coalesce(x.on_hand, 0) as recomputed
          from lot_stock s full join summed x using (item_id, location_id, lot_id)) d
  left join item i on i.id = d.item_id left join location l on l.id = d.location_id
  left join lot t on t.item_id = d.item_id and t.id = d.lot_id
 where d.kept <> d.recomputed order by d.item_id, d.location_id, d.lot_id limit $1;

-- query: reserved
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, found bigint
with summed as (select item_id, location_id, sum(quantity - allocated)::bigint as held from claim group by 1, 2)
select i.sku, l.code as place, s.reserved as kept, coalesce(x.held, 0) as recomputed, count(*) over () as found
  from stock s full join summed x using (item_id, location_id)
  left join item i on i.id = item_id left join location l on l.id = location_id
 where coalesce(s.reserved, 0) <> coalesce(x.held, 0) order by item_id, location_id limit $1;

-- query: allocated
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, found bigint
with summed as (
    select item_id, location_id, sum(held)::bigint as held
      from (select item_id, location_id, allocated as held from claim
            union all select item_id, location_id, greatest(0, quantity) from allocation) u group by 1, 2)
select i.sku, l.code as place, s.allocated as kept, coalesce(x.held, 0) as recomputed, count(*) over () as found
  from stock s full join summed x using (item_id, location_id)
  left join item i on i.id = item_id left join location l on l.id = location_id
 where coalesce(s.allocated, 0) <> coalesce(x.held, 0) order by item_id, location_id limit $1;

-- query: lots_held
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, found bigint
with summed as (
    select item_id, location_id, lot_id, sum(held)::bigint as held
      from (select item_id, location_id, lot_id, quantity as held from claim where lot_id > 0
            union all select item_id, location_id, lot_id, greatest(0, quantity) from allocation where lot_id > 0) u group by 1, 2, 3)
select i.sku, l.code || ' lot ' || coalesce(t.code, '?') as place, d.kept, d.recomputed, count(*) over () as found
  from (select item_id, location_id, lot_id, coalesce(s.held, 0) as kept, coalesce(x.held, 0) as recomputed
          from lot_stock s full join summed x using (item_id, location_id, lot_id)) d
  left join item i on i.id = d.item_id left join location l on l.id = d.location_id
  left join lot t on t.item_id = d.item_id and t.id = d.lot_id
 where d.kept <> d.recomputed order by d.item_id, d.location_id, d.lot_id limit $1;

-- query: fenced
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, found bigint
with summed as (
    select item_id, location_id, sum(greatest(0, quantity - consumed))::bigint as fenced from ring_fence group by 1, 2)
select i.sku, l.code as place, s.fenced as kept, coalesce(x.fenced, 0) as recomputed, count(*) over () as found
  from stock s full join summed x using (item_id, location_id)
  left join item i on i.id = item_id left join location l on l.id = location_id
 where coalesce(s.fenced, 0) <> coalesce(x.fenced, 0) order by item_id, location_id limit $1;

-- query: empty_handed
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, found bigint
-- Open reservations that hold nothing and wait for nothing, unless all they were granted is services.
select null as sku, 'res_' || r.id as place, 0::bigint as kept, 1::bigint as recomputed, count(*) over () as found
  from reservation r
 where r.open and not exists (select 1 from claim c where c.reservation_id = r.id)
   and not exists (select 1 from backorder b where b.reservation_id = r.id)
   and exists (select 1 from jsonb_array_elements(r.answer::jsonb) x
                where jsonb_array_length(coalesce(x -> 'sources', '[]')) > 0 or (x ->> 'backordered')::bigint > 0)
 order by r.id limit $1;

-- query: left_behind
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, found bigint
-- Claims and backorders whose reservation is closed, or is not there.
select i.sku, x.what || ' of res_' || x.reservation_id as place, x.quantity as kept, 0::bigint as recomputed, count(*) over () as found
  from (select 'claim' as what, item_id, reservation_id, quantity from claim
        union all select 'backorder', item_id, reservation_id, quantity from backorder) x
  left join reservation r on r.id = x.reservation_id left join item i on i.id = x.item_id
 where r.open is distinct from true order by x.reservation_id, x.item_id, x.what limit $1;

-- query: orphans
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, found bigint
-- Movements and counts without their event, balances and movements of no item.
select i.sku, x.what || ' ' || x.number as place, x.number as kept, null::bigint as recomputed, count(*) over () as found
  from (select 'movement without event' as what, m.item_id, m.seq as number from movement m
         where not exists (select 1 from event e where e.id = m.event_id)
        union all
        select 'count without event', c.item_id, c.event_id from count_point c
         where not exists (select 1 from event e where e.id = c.event_id)
        union all
        select 'balances of no item', b.item_id, b.item_id from (select distinct item_id from balance) b
         where not exists (select 1 from item y where y.id = b.item_id)) x
  left join item i on i.id = x.item_id order by x.what, x.number limit $1;

-- query: kept_promises
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, found bigint
-- What was granted is held or has left; what has left never exceeds it. Lines of kits and services, and reservations that
-- were planned anew meanwhile, have no such plain sum.
with granted as (
    select r.id, r.open, r.state, l.n - 1 as line, l.x ->> 'sku' as sku, (l.x ->> 'granted')::bigint as quantity
      from reservation r cross join lateral jsonb_array_elements(r.answer::jsonb) with ordinality l(x, n)
     where r.state <> 'refused' and (l.x ->> 'granted')::bigint = (
           select coalesce(sum((s ->> 'quantity')::bigint), 0) from jsonb_array_elements(coalesce(l.x -> 'sources', '[]')) s
            where s ->> 'sku' is null)       -- of a kit's parts and of services there were none, whatever the item is today
       and not exists (
           select 1 from promise_log p where p.reservation_id = r.id
               and p.verb not in ('create', 'extend', 'allocate', 'fulfil', 'release', 'expire'))),
held as (select reservation_id, line, sum(quantity)::bigint as quantity from claim group by 1, 2),
gone as (select reservation_id, line, sum(quantity)::bigint as quantity from fulfilment group by 1, 2)
select g.sku, 'res_' || g.id || ' line ' || g.line + 1 as place, g.quantity as kept,
       coalesce(h.quantity, 0) + coalesce(f.quantity, 0) as recomputed, count(*) over () as found
  from granted g join item i on i.sku = g.sku and i.kind = 'stock'
  left join held h on h.reservation_id = g.id and h.line = g.line
  left join gone f on f.reservation_id = g.id and f.line = g.line
 where case when g.open or g.state = 'fulfilled' then g.quantity <> coalesce(h.quantity, 0) + coalesce(f.quantity, 0)
            else g.quantity < coalesce(f.quantity, 0) end
 order by g.id, g.line limit $1;

-- query: promised_beyond
-- in: n bigint
-- out: sku text, place text, kept bigint, recomputed bigint, found bigint
-- No fault of ours: stock that was promised and then turned out not to be there.
select i.sku, l.code as place, s.on_hand as kept, s.reserved + s.allocated as recomputed, count(*) over () as found
  from stock s left join item i on i.id = s.item_id left join location l on l.id = s.location_id
 where s.reserved + s.allocated > greatest(0, s.on_hand) order by s.item_id, s.location_id limit $1;

-- query: hold_writers
-- out: last bigint
-- For a moment only: once the lock was had, every movement up to `last` is either committed or never will be.
with held as materialized (select pg_advisory_lock(hashtext('onhand.network')))
select (select case when is_called then last_value else 0 end from movement_seq_seq) as last from held;

-- query: let_writers_go
-- out: pg_advisory_unlock boolean
select pg_advisory_unlock(hashtext('onhand.network'));

-- query: gather
-- in: last bigint
-- out: rebuild_gather bigint
select rebuild_gather($1);

-- query: rebuild
-- in: last bigint
-- out: what text, mended bigint
select what, mended from rebuild_write($1);

-- query: rebuild_stamps
-- out: rebuild_all_stamps bigint
select rebuild_all_stamps();
