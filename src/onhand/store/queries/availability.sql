-- What availability is worked out from. One statement sees one instant: rows of several kinds come together.

-- query: read
-- in: items bigint[], locations integer[]
-- out: kind text, item_id bigint, location_id integer, key bigint, a bigint, b bigint, c bigint, d bigint, code text, expiry date, now timestamptz
-- retry: safe
-- kind now:   key network, a catalogue, now the shared clock.
-- kind pool:  a on hand, b reserved, c allocated, d fenced.
-- kind fence: key the group, a quantity, b consumed.
-- kind lot:   key the lot, a on hand less held, its code and expiry.
-- kind due:   key the group, a the lot, b quantity, c allocated, d from a ring-fence: claims past their deadline.
with clock as materialized (select clock_timestamp() as now)
select 'now' as kind, null::bigint as item_id, null::integer as location_id, f.network::bigint as key, f.catalogue as a,
       null::bigint as b, null::bigint as c, null::bigint as d, null as code, null::date as expiry, clock.now
  from in_force f, clock
union all
select 'pool', item_id, location_id, null, on_hand, reserved, allocated, fenced, null, null, null
  from stock where item_id = any ($1) and location_id = any ($2)
union all
select 'fence', item_id, location_id, group_id, quantity, consumed, null, null, null, null, null
  from ring_fence where item_id = any ($1) and location_id = any ($2)
union all
select 'lot', s.item_id, s.location_id, s.lot_id, s.on_hand - s.held, null, null, null, l.code, l.expiry, null
  from lot_stock s join lot l on l.item_id = s.item_id and l.id = s.lot_id
 where s.item_id = any ($1) and s.location_id = any ($2) and s.on_hand > 0
union all
select 'due', c.item_id, c.location_id, c.group_id, c.lot_id, sum(c.quantity)::bigint, sum(c.allocated)::bigint,
       sum(c.from_fence)::bigint, null, null, null
  from clock join reservation r on r.open and r.expires_at <= clock.now join claim c on c.reservation_id = r.id
 where c.item_id = any ($1) and c.location_id = any ($2)
 group by c.item_id, c.location_id, c.group_id, c.lot_id;

-- query: supply
-- in: items bigint[]
-- out: item_id bigint, location_id integer, kind text, reference text, line_id text, quantity bigint, due_date date, reliability_percent integer, purchase_order text
-- retry: safe
-- At all locations, because goods may be received elsewhere than they were ordered to.
select item_id, location_id, kind, reference, line_id, quantity, due_date, reliability_percent, purchase_order
  from supply where item_id = any ($1);

-- query: received
-- in: items bigint[]
-- out: item_id bigint, location_id integer, kind text, reference text, quantity bigint, purchase_order text
-- retry: safe
select item_id, location_id, kind, reference, quantity, purchase_order from supply_arrival where item_id = any ($1);

-- query: waiting
-- in: items bigint[]
-- out: item_id bigint, quantity bigint
-- retry: safe
-- What waits for stock in reservations that are open and not past their deadline.
select b.item_id, sum(b.quantity)::bigint as quantity
  from backorder b join reservation r on r.id = b.reservation_id
 where b.item_id = any ($1) and r.open and (r.expires_at is null or r.expires_at > clock_timestamp())
 group by b.item_id;
