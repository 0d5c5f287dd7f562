-- Facts on their way into the ledger.

-- query: record
-- in: now timestamptz, network integer, e_source integer[], e_id text[], e_type text[], e_version integer[], e_at timestamptz[], e_fingerprint bytea[], e_body text[], m_event integer[], m_line integer[], m_quantity bigint[], m_from integer[], m_to integer[], m_serial text[], m_from_run bigint[], m_to_run bigint[], b_item bigint[], b_location integer[], b_status integer[], b_lot bigint[], b_owner integer[], b_delta bigint[], b_first timestamptz[], b_last timestamptz[], s_item bigint[], s_location integer[], s_delta bigint[], l_item bigint[], l_location integer[], l_lot bigint[], l_delta bigint[]
-- out: record_events bigint[]
select record_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                     $23, $24, $25, $26, $27, $28, $29, $30, $31, $32);

-- query: known_events
-- in: sources text[], ids text[]
-- out: source text, id text, fingerprint bytea
-- retry: safe
select s.uri as source, e.event_id as id, e.fingerprint
  from unnest($1::text[], $2::text[]) u(source, id)
  join source s on s.uri = u.source
  join event e on e.source_id = s.id and e.event_id = u.id;

-- query: post_counts
-- in: now timestamptz, events bigint[], lines integer[], at timestamptz[], ties text[], items bigint[], locations integer[], statuses integer[], lots bigint[], owners integer[], quantities bigint[]
-- out: post_counts void
select post_counts($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- query: lock_reservations
-- in: ids bigint[]
-- out: id bigint
select id from reservation where id = any ($1) order by id for update;

-- query: consume_claims
-- in: now timestamptz, events bigint[], reservations bigint[], items bigint[], locations integer[], lots bigint[], quantities bigint[], promise_lines integer[]
-- out: consume_claims void
select consume_claims($1, $2, $3, $4, $5, $6, $7, $8);

-- query: allocate_claims
-- in: now timestamptz, reservations bigint[], items bigint[], locations integer[], quantities bigint[]
-- out: allocate_claims void
select allocate_claims($1, $2, $3, $4, $5);

-- query: allocate_stock
-- in: items bigint[], locations integer[], refs text[], lots bigint[], quantities bigint[]
-- out: allocate_stock void
select allocate_stock($1, $2, $3, $4, $5);

-- query: state_supply
-- in: items bigint[], locations integer[], kinds text[], refs text[], lines text[], quantities bigint[], due date[], reliabilities integer[], orders text[], at timestamptz[], ties text[]
-- out:
-- The newest statement by time in the world stands, whatever order statements arrive in.
insert into supply as s (item_id, location_id, kind, reference, line_id, quantity, due_date, reliability_percent, purchase_order,
                         stated_at, stated_by)
select distinct on (u.item, u.location, u.kind, u.reference, u.line)
       u.item, u.location, u.kind, u.reference, u.line, u.quantity, u.due, u.reliability, u.purchase_order, u.at, u.tie
  from unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::date[], $8::integer[],
              $9::text[], $10::timestamptz[], $11::text[])
       u(item, location, kind, reference, line, quantity, due, reliability, purchase_order, at, tie)
 order by u.item, u.location, u.kind, u.reference, u.line, u.at desc, u.tie collate "C" desc
    on conflict (item_id, location_id, kind, reference, line_id)
    do update set quantity = excluded.quantity, due_date = excluded.due_date,
                  reliability_percent = excluded.reliability_percent, purchase_order = excluded.purchase_order,
                  stated_at = excluded.stated_at, stated_by = excluded.stated_by
     where (s.stated_at, s.stated_by collate "C") < (excluded.stated_at, excluded.stated_by collate "C");

-- query: note_arrivals
-- in: items bigint[], locations integer[], kinds text[], refs text[], orders text[], quantities bigint[]
-- out:
-- What came is kept by reference, apart from what was stated, so that it does not matter which is known first.
insert into supply_arrival as a (item_id, location_id, kind, reference, purchase_order, quantity)
select u.item, u.location, u.kind, u.reference, u.purchase_order, sum(u.quantity)
  from unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::bigint[])
       u(item, location, kind, reference, purchase_order, quantity)
 group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
    on conflict (item_id, location_id, kind, reference, purchase_order) do update set quantity = a.quantity + excluded.quantity;

-- query: quarantine
-- in: sources text[], ids text[], types text[], fingerprints bytea[], reasons text[], details text[], facts jsonb[], bodies text[]
-- out: id bigint, source text, event_id text, fingerprint bytea, state text, reason text
-- retry: safe
insert into quarantine as q (source, event_id, type, fingerprint, reason, detail, facts, body)
select * from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::jsonb[], $8::text[]) u
 order by 1, 2
    on conflict (source, event_id, fingerprint)
    do update set times = q.times + 1,
                  reason = case when q.state = 'open' then excluded.reason else q.reason end,
                  detail = case when q.state = 'open' then excluded.detail else q.detail end,
                  facts = case when q.state = 'open' then excluded.facts else q.facts end
returning id, source, event_id, fingerprint, state, reason;

-- query: items_in_use
-- in: skus text[], base_uoms text[], lot_tracked boolean[], services boolean[], at timestamptz[], ties text[]
-- out: sku text
-- Those that would mean something else from now on (counted in another unit, kept by lot or no longer, no goods at all)
-- although there are goods or promises of them. Older statements than the one that stands change nothing.
select i.sku
  from unnest($1::text[], $2::text[], $3::boolean[], $4::boolean[], $5::timestamptz[], $6::text[])
       u(sku, base_uom, lot_tracked, service, at, tie)
  join item i on i.sku = u.sku and (i.base_uom, i.lot_tracked, i.kind = 'service') <> (u.base_uom, u.lot_tracked, u.service)
             and (i.stated_at, i.stated_by collate "C") < (u.at, u.tie collate "C")
 where exists (select 1 from balance b join location l on l.id = b.location_id and l.kind in ('warehouse', 'store', 'transit')
                where b.item_id = i.id and b.quantity <> 0)
    or exists (select 1 from claim c where c.item_id = i.id)
    or exists (select 1 from backorder w where w.item_id = i.id)
    or exists (select 1 from allocation a where a.item_id = i.id and a.quantity > 0);

-- query: upsert_items
-- in: skus text[], names text[], kinds text[], statuses text[], base_uoms text[], selling_uoms text[], units jsonb[], lot_tracked boolean[], serial_tracked boolean[], shelf_life_days integer[], categories text[], components jsonb[], attributes jsonb[], at timestamptz[], ties text[]
-- out: sku text, id bigint
insert into item as i (sku, name, kind, status, base_uom, selling_uom, units, lot_tracked, serial_tracked, shelf_life_days,
                       category, components, attributes, stated_at, stated_by, status_at, status_by)
select u.sku, u.name, u.kind, coalesce(u.status, 'active'), u.base_uom, u.selling_uom, u.units, u.lot_tracked, u.serial_tracked,
       u.shelf_life_days, u.category, u.components, u.attributes, u.at, u.tie,
       case when u.status is null then '-infinity' else u.at end, u.tie
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::boolean[], $9::boolean[],
              $10::integer[], $11::text[], $12::jsonb[], $13::jsonb[], $14::timestamptz[], $15::text[])
       u(sku, name, kind, status, base_uom, selling_uom, units, lot_tracked, serial_tracked, shelf_life_days, category,
         components, attributes, at, tie)
 order by u.sku
    on conflict (sku) do update set
       name = excluded.name, kind = excluded.kind, base_uom = excluded.base_uom, selling_uom = excluded.selling_uom,
       units = excluded.units, lot_tracked = excluded.lot_tracked, serial_tracked = excluded.serial_tracked,
       shelf_life_days = excluded.shelf_life_days, category = excluded.category, components = excluded.components,
       attributes = excluded.attributes, stated_at = excluded.stated_at, stated_by = excluded.stated_by
     where (i.stated_at, i.stated_by collate "C") < (excluded.stated_at, excluded.stated_by collate "C")
returning sku, id;

-- query: item_status
-- in: skus text[], statuses text[], at timestamptz[], ties text[]
-- out: sku text
update item i set status = u.status, status_at = u.at, status_by = u.tie
  from (select distinct on (sku) * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[]) x(sku, status, at, tie)
         order by sku, at desc, tie collate "C" desc) u
 where i.sku = u.sku and (i.status_at, i.status_by collate "C") < (u.at, u.tie collate "C")
returning i.sku;

-- query: catalogue_changed
-- out:
update in_force set catalogue = catalogue + 1;

-- query: fences_of_new_items
-- in: skus text[], f_skus text[], f_locations text[], f_groups text[], f_quantities bigint[]
-- out: fences_of_new_items void
select fences_of_new_items($1, $2, $3, $4, $5);
