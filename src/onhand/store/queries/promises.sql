-- Promises: what planning reads, the claim, and the verbs on one reservation.

-- query: pools
-- in: items bigint[]
-- out: now timestamptz, network integer, catalogue bigint, due boolean, item_id bigint, location_id integer, free bigint, fenced bigint
-- retry: safe
-- One row at least, because the versions come with it. The earliest deadline is one step into an index; asked with
-- `exists` the planner hopes to meet an expired row soon and reads the whole table.
select clock_timestamp() as now, f.network, f.catalogue,
       coalesce((select min(expires_at) from reservation where open) <= clock_timestamp(), false) as due,
       s.item_id, s.location_id, s.on_hand - s.reserved - s.allocated - s.fenced as free, s.fenced
  from in_force f left join stock s on s.item_id = any ($1);

-- query: fences
-- in: items bigint[]
-- out: item_id bigint, location_id integer, group_id integer, unconsumed bigint
-- retry: safe
select item_id, location_id, group_id, quantity - consumed as unconsumed
  from ring_fence where item_id = any ($1) and quantity > consumed;

-- query: lots
-- in: items bigint[]
-- out: item_id bigint, location_id integer, lot_id bigint, code text, expiry date, free bigint
-- retry: safe
select s.item_id, s.location_id, s.lot_id, l.code, l.expiry, s.on_hand - s.held as free
  from lot_stock s join lot l on l.item_id = s.item_id and l.id = s.lot_id
 where s.item_id = any ($1) and s.on_hand > s.held;

-- query: claim
-- in: now timestamptz, network integer, clients integer[], requests text[], fingerprints bytea[], channels integer[], states text[], expires timestamptz[], bodies text[], answers text[], items bigint[], locations integer[], l_items bigint[], l_locations integer[], l_lots bigint[], f_items bigint[], f_locations integer[], f_groups integer[], c_order integer[], c_line integer[], c_key integer[], c_lot_key integer[], c_fence_key integer[], c_quantity bigint[], c_from_fence bigint[], c_keep bigint[], w_order integer[], w_line integer[], w_item bigint[], w_quantity bigint[], lock boolean
-- out: reservation_id bigint, outcome smallint
-- retry: safe
select reservation_id, outcome
  from claim_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                   $23, $24, $25, $26, $27, $28, $29, $30, $31);

-- query: expire_due
-- in: now timestamptz, n integer, but bigint
-- out: expire_due integer
-- retry: safe
select expire_due($1, $2, $3);

-- query: wait_for_due
-- in: items bigint[]
-- out: id bigint
-- What is past its deadline and holds one of these items, once whoever works on it is done.
select r.id from reservation r
 where r.open and r.expires_at <= clock_timestamp()
   and exists (select 1 from claim c where c.reservation_id = r.id and c.item_id = any ($1))
 order by r.id limit 1 for update of r;

-- query: decided
-- in: clients integer[], requests text[]
-- out: id bigint, client_id integer, request_id text, fingerprint bytea, state text, created_at timestamptz, expires_at timestamptz, answer text, first_answer text
-- retry: safe
select r.id, r.client_id, r.request_id, r.fingerprint, r.state, r.created_at, r.expires_at, r.answer, r.first_answer
  from unnest($1::integer[], $2::text[]) u(client, request)
  join reservation r on r.client_id = u.client and r.request_id = u.request;

-- query: reservation
-- in: id bigint
-- out: id bigint, client_id integer, request_id text, channel_id integer, state text, created_at timestamptz, expires_at timestamptz, request text, answer text, now timestamptz
-- retry: safe
select id, client_id, request_id, channel_id, state, created_at, expires_at, request, answer, clock_timestamp() as now
  from reservation where id = $1;

-- query: lock_reservation
-- in: id bigint
-- out: id bigint, client_id integer, request_id text, channel_id integer, state text, created_at timestamptz, expires_at timestamptz, request text, answer text, now timestamptz
-- The clock is read once the lock was had: a deadline that came while this waited has come.
with held as materialized (
    select id, client_id, request_id, channel_id, state, created_at, expires_at, request, answer
      from reservation where id = $1 for update)
select id, client_id, request_id, channel_id, state, created_at, expires_at, request, answer, clock_timestamp() as now from held;

-- query: page
-- in: channel text, state text, sku text, client text, before bigint, n bigint
-- out: id bigint, client_id integer, request_id text, channel_id integer, state text, created_at timestamptz, expires_at timestamptz, request text, answer text, now timestamptz
-- retry: safe
-- Newest first. A state asked for is the state true now: an open reservation past its deadline is expired.
select r.id, r.client_id, r.request_id, r.channel_id, r.state, r.created_at, r.expires_at, r.request, r.answer, clock_timestamp() as now
  from reservation r join channel c on c.id = r.channel_id join client k on k.id = r.client_id
 where ($1::text is null or c.code = $1)
   and ($2::text is null or case when r.open and r.expires_at <= clock_timestamp() then 'expired' else r.state end = $2)
   and ($3::text is null or r.id in (select q.reservation_id from claim q join item i on i.id = q.item_id where i.sku = $3))
   and ($4::text is null or k.name = $4)
   and ($5::bigint is null or r.id < $5)
 order by r.id desc limit $6;

-- query: holdings
-- in: ids bigint[]
-- out: reservation_id bigint, line integer, item_id bigint, lot_id bigint, sku text, location text, lot text, held bigint, allocated bigint, fulfilled bigint
-- retry: safe
select x.reservation_id, x.line, x.item_id, x.lot_id, i.sku, l.code as location, t.code as lot, x.held, x.allocated, x.fulfilled
  from (select reservation_id, line, item_id, location_id, lot_id, sum(held)::bigint as held, sum(allocated)::bigint as allocated,
               sum(fulfilled)::bigint as fulfilled
          from (select reservation_id, line, item_id, location_id, lot_id, quantity as held, allocated, 0 as fulfilled
                  from claim where reservation_id = any ($1)
                union all
                select reservation_id, line, item_id, location_id, lot_id, 0, 0, quantity
                  from fulfilment where reservation_id = any ($1)) u
         group by 1, 2, 3, 4, 5) x
  join item i on i.id = x.item_id join location l on l.id = x.location_id
  left join lot t on t.item_id = x.item_id and t.id = x.lot_id
 order by 1, 2, 3, l.code, t.code;

-- query: backorders
-- in: ids bigint[]
-- out: reservation_id bigint, line integer, item_id bigint, quantity bigint
-- retry: safe
select reservation_id, line, item_id, quantity from backorder where reservation_id = any ($1) order by 1, 2, 3;

-- query: log
-- in: id bigint
-- out: seq bigint, verb text, state text, at timestamptz, expires_at timestamptz, detail text
-- retry: safe
select seq, verb, state, at, expires_at, detail from promise_log where reservation_id = $1 order by seq;

-- query: end
-- in: ids bigint[], state text, verb text, now timestamptz
-- out: end_reservations bigint
select end_reservations($1, $2, $3, $4);

-- query: extend
-- in: id bigint, expires timestamptz, now timestamptz
-- out:
with changed as (
    update reservation r
       set expires_at = $2, first_answer = coalesce(r.first_answer, first_answer_of(r.expires_at, r.answer))
     where r.id = $1 returning id, state, expires_at)
insert into promise_log (reservation_id, verb, state, at, expires_at) select id, 'extend', state, $3, expires_at from changed;

-- query: settle_deadline
-- in: id bigint, now timestamptz
-- out: settle_deadlines void
select settle_deadlines($2, array[$1]::bigint[]);

-- query: put_back
-- in: id bigint
-- out: put_back void
select put_back($1);

-- query: retake
-- in: now timestamptz, id bigint, verb text, state text, channel integer, network integer, answer text, request text, c_line integer[], c_item bigint[], c_location integer[], c_lot bigint[], c_quantity bigint[], c_group integer[], c_from_fence bigint[], c_keep bigint[], w_line integer[], w_item bigint[], w_quantity bigint[]
-- out: retake void
select retake($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19);

-- query: answered
-- in: client integer, key text
-- out: fingerprint bytea, status smallint, body text
-- retry: safe
select fingerprint, status, body from answered_request where client_id = $1 and key = $2;

-- query: note_answer
-- in: client integer, key text, fingerprint bytea, status smallint, body text
-- out:
insert into answered_request (client_id, key, fingerprint, status, body) values ($1, $2, $3, $4, $5);

-- query: places_to_ship_from
-- in: items bigint[], locations integer[], lots bigint[]
-- out: item_id bigint, location_id integer, lot_id bigint, status text, owner text, quantity bigint
-- retry: safe
-- The balances behind a pool row, own goods first.
select b.item_id, b.location_id, b.lot_id, s.code as status, o.code as owner, b.quantity
  from (select distinct * from unnest($1::bigint[], $2::integer[], $3::bigint[]) x(item, location, lot)) u
  join balance b on b.item_id = u.item and b.location_id = u.location and b.lot_id = u.lot and b.quantity > 0
  join status s on s.id = b.status_id and s.sellable join owner o on o.id = b.owner_id
 order by b.item_id, b.location_id, b.lot_id, b.owner_id, s.code;

-- query: fulfilments_so_far
-- in: id bigint
-- out: n bigint
select count(distinct event_id) as n from fulfilment where reservation_id = $1;

-- query: stop_waiting
-- in: id bigint
-- out:
delete from backorder where reservation_id = $1;

-- query: waiting
-- in: skip bigint, n bigint
-- out: reservation_id bigint
-- retry: safe
-- Reservations with a backorder whose item has something free somewhere, if only for one group, the longest waiting first.
select b.reservation_id
  from backorder b join reservation r on r.id = b.reservation_id and r.open
 where exists (select 1 from stock s where s.item_id = b.item_id and s.on_hand - s.reserved - s.allocated - s.fenced > 0)
    or exists (select 1 from ring_fence f join stock s on s.item_id = f.item_id and s.location_id = f.location_id
                where f.item_id = b.item_id and f.quantity > f.consumed
                  and s.on_hand - s.reserved - s.allocated - s.fenced + f.quantity - f.consumed > 0)
    or exists (select 1 from item i where i.id = b.item_id and i.kind = 'kit')
 group by b.reservation_id order by min(b.created_at), b.reservation_id offset $1 limit $2;
