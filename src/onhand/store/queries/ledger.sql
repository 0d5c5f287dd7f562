-- Reading the ledger: what it sums to, now or as of a moment in either time axis, and the movements and events behind it.

-- query: balances
-- in: sku_from text, sku_to text, location text, status text, lot text, owner text, after_location text, after_status text, after_lot text, after_owner text, n bigint
-- out: sku text, location text, status text, lot text, expiry date, owner text, quantity bigint, item_id bigint, location_id integer, status_id integer, lot_id bigint, owner_id integer
-- retry: safe
-- In the order of the SKU's index, so that a page costs a page; the rest of the key is sorted within one item. The
-- after_* belong to the item sku_from; a lot of '' is no lot.
select i.sku, l.code as location, s.code as status, coalesce(t.code, '') as lot, t.expiry, o.code as owner, b.quantity,
       b.item_id, b.location_id, b.status_id, b.lot_id, b.owner_id
  from item i join balance b on b.item_id = i.id
  join location l on l.id = b.location_id join status s on s.id = b.status_id join owner o on o.id = b.owner_id
  left join lot t on t.item_id = b.item_id and t.id = b.lot_id
 where i.sku >= $1 and i.sku <= $2 and b.quantity <> 0
   and ($3::text is null or l.code = $3) and ($4::text is null or s.code = $4)
   and ($5::text is null or coalesce(t.code, '') = $5) and ($6::text is null or o.code = $6)
   and ($7::text is null or i.sku > $1 or (l.code, s.code, coalesce(t.code, ''), o.code) > ($7, $8, $9, $10))
 order by i.sku, l.code, s.code, coalesce(t.code, ''), o.code limit $11;

-- query: balances_as_of
-- in: sku_from text, sku_to text, location text, status text, lot text, owner text, after_location text, after_status text, after_lot text, after_owner text, n bigint, occurred timestamptz, recorded timestamptz
-- out: sku text, location text, status text, lot text, expiry date, owner text, quantity bigint, item_id bigint, location_id integer, status_id integer, lot_id bigint, owner_id integer
-- retry: safe
-- The same from the movements that had happened, and were known, by then.
select i.sku, l.code as location, s.code as status, coalesce(t.code, '') as lot, t.expiry, o.code as owner, b.quantity,
       i.id as item_id, b.location_id, b.status_id, b.lot_id, b.owner_id
  from item i cross join lateral (
       select v.location_id, v.status_id, m.lot_id, m.owner_id, sum(v.quantity)::bigint as quantity
         from movement m cross join lateral (values (m.from_location, m.from_status, -m.quantity),
                                                    (m.to_location, m.to_status, m.quantity)) v(location_id, status_id, quantity)
        where m.item_id = i.id and ($12::timestamptz is null or m.occurred_at <= $12)
          and ($13::timestamptz is null or m.recorded_at <= $13)
        group by 1, 2, 3, 4) b
  join location l on l.id = b.location_id join status s on s.id = b.status_id join owner o on o.id = b.owner_id
  left join lot t on t.item_id = i.id and t.id = b.lot_id
 where i.sku >= $1 and i.sku <= $2 and b.quantity <> 0
   and ($3::text is null or l.code = $3) and ($4::text is null or s.code = $4)
   and ($5::text is null or coalesce(t.code, '') = $5) and ($6::text is null or o.code = $6)
   and ($7::text is null or i.sku > $1 or (l.code, s.code, coalesce(t.code, ''), o.code) > ($7, $8, $9, $10))
 order by i.sku, l.code, s.code, coalesce(t.code, ''), o.code limit $11;

-- query: newest_events
-- in: items bigint[], locations integer[], statuses integer[], lots bigint[], owners integer[], occurred timestamptz, recorded timestamptz, look_back bigint
-- out: place bigint, source text, event_id text
-- retry: safe
-- The event that last moved each place, among the item's last so many movements.
select u.place, s.uri as source, e.event_id
  from unnest($1::bigint[], $2::integer[], $3::integer[], $4::bigint[], $5::integer[])
       with ordinality u(item, location, status, lot, owner, place)
 cross join lateral (
       select m.event_id from (select * from movement where item_id = u.item order by seq desc limit $8) m
        where m.lot_id = u.lot and m.owner_id = u.owner
          and ((m.to_location = u.location and m.to_status = u.status) or (m.from_location = u.location and m.from_status = u.status))
          and ($6::timestamptz is null or m.occurred_at <= $6) and ($7::timestamptz is null or m.recorded_at <= $7)
        order by m.seq desc limit 1) m
  join event e on e.id = m.event_id join source s on s.id = e.source_id;

-- query: movements_of_item
-- in: item bigint, location text, status text, lot text, owner text, occurred_from timestamptz, occurred_before timestamptz, after bigint, n bigint
-- out: seq bigint, event bigint, sku text, quantity bigint, from_location text, from_status text, to_location text, to_status text, occurred_at timestamptz, recorded_at timestamptz, kind text, source text, event_id text, event_type text, from_balance bigint, to_balance bigint, lot text, owner text, serial text
-- retry: safe
select seq, event, sku, quantity, from_location, from_status, to_location, to_status, occurred_at, recorded_at, kind, source,
       event_id, event_type, from_balance, to_balance, lot, owner, serial
  from movement_line
 where item_id = $1 and seq > $8
   and ((from_location = coalesce($2, from_location) and from_status = coalesce($3, from_status))
     or (to_location = coalesce($2, to_location) and to_status = coalesce($3, to_status)))
   and ($4::text is null or coalesce(lot, '') = $4) and ($5::text is null or owner = $5)
   and ($6::timestamptz is null or occurred_at >= $6) and ($7::timestamptz is null or occurred_at < $7)
 order by seq limit $9;

-- query: movements
-- in: location text, occurred_from timestamptz, occurred_before timestamptz, after_event bigint, after bigint, n bigint
-- out: seq bigint, event bigint, sku text, quantity bigint, from_location text, from_status text, to_location text, to_status text, occurred_at timestamptz, recorded_at timestamptz, kind text, source text, event_id text, event_type text, from_balance bigint, to_balance bigint, lot text, owner text, serial text
-- retry: safe
-- Of all items, event by event.
select seq, event, sku, quantity, from_location, from_status, to_location, to_status, occurred_at, recorded_at, kind, source,
       event_id, event_type, from_balance, to_balance, lot, owner, serial
  from movement_line
 where event >= $4 and (event > $4 or seq > $5)
   and ($1::text is null or from_location = $1 or to_location = $1)
   and ($2::timestamptz is null or occurred_at >= $2) and ($3::timestamptz is null or occurred_at < $3)
 order by event, seq limit $6;

-- query: movements_of_event
-- in: event bigint
-- out: seq bigint, event bigint, sku text, quantity bigint, from_location text, from_status text, to_location text, to_status text, occurred_at timestamptz, recorded_at timestamptz, kind text, source text, event_id text, event_type text, from_balance bigint, to_balance bigint, lot text, owner text, serial text
-- retry: safe
select seq, event, sku, quantity, from_location, from_status, to_location, to_status, occurred_at, recorded_at, kind, source,
       event_id, event_type, from_balance, to_balance, lot, owner, serial
  from movement_line
 where event = $1 order by seq;

-- query: feed
-- in: type text, source text, after_tx bigint, after_id bigint, n bigint
-- out: tx bigint, id bigint, source text, event_id text, type text, occurred_at timestamptz, recorded_at timestamptz, body text
-- retry: safe
-- Nothing is shown from the oldest transaction under way on: what it commits will come before what is shown later.
select e.tx, e.id, s.uri as source, e.event_id, e.type, e.occurred_at, e.recorded_at, e.body
  from event e join source s on s.id = e.source_id
 where (e.tx, e.id) > ($3, $4)
   and e.tx < (select pg_snapshot_xmin(pg_current_snapshot())::text::bigint + feed_offset from in_force)
   and ($1::text is null or e.type = $1) and ($2::text is null or s.uri = $2)
 order by e.tx, e.id limit $5;

-- query: feed_end
-- out: barrier bigint
-- retry: safe
select pg_snapshot_xmin(pg_current_snapshot())::text::bigint + feed_offset as barrier from in_force;

-- query: event
-- in: source text, event_id text
-- out: tx bigint, id bigint, source text, event_id text, type text, occurred_at timestamptz, recorded_at timestamptz, body text
-- retry: safe
select e.tx, e.id, s.uri as source, e.event_id, e.type, e.occurred_at, e.recorded_at, e.body
  from event e join source s on s.id = e.source_id where s.uri = $1 and e.event_id = $2;

-- query: item_id
-- in: sku text
-- out: id bigint
-- retry: safe
select id from item where sku = $1;

-- query: continue_feed
-- out: continue_feed boolean
-- retry: safe
select continue_feed();
