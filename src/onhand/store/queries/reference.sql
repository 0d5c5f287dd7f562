-- What every batch starts from: the clock that all nodes share, and whether the node's knowledge is still current.

-- query: now_and_versions
-- out: now timestamptz, network integer, catalogue bigint, set_aside boolean
-- retry: safe
-- One step in a small index each: 'exists' might read the whole table.
select clock_timestamp() as now, network, catalogue,
       coalesce((select min(id) from quarantine where state = 'open'),
                (select min(id) from quarantine where state = 'discarded')) is not null as set_aside
  from in_force;

-- query: network_model
-- in: version integer
-- out: model jsonb
-- retry: safe
select model from network_version where version = $1;

-- query: codes
-- out: kind text, code text, id integer
-- retry: safe
select 'location' as kind, code, id from location
union all select 'status', code, id from status
union all select 'channel', code, id from channel
union all select 'group', code, id from fence_group
union all select 'owner', code, id from owner
union all select 'source', uri, id from source
union all select 'system', code, id from system;

-- query: items_by_sku
-- in: skus text[]
-- out: id bigint, sku text, kind text, status text, base_uom text, selling_uom text, units jsonb, lot_tracked boolean, serial_tracked boolean, shelf_life_days integer, category text, components jsonb
-- retry: safe
select id, sku, kind, status, base_uom, selling_uom, units, lot_tracked, serial_tracked, shelf_life_days, category, components
  from item where sku = any ($1);

-- query: add_sources
-- in: uris text[], systems text[]
-- out: uri text, id integer
-- retry: safe
insert into source (uri, system_id)
select u.uri, s.id from unnest($1::text[], $2::text[]) u(uri, code) join system s on s.code = u.code order by u.uri
    on conflict (uri) do update set uri = excluded.uri returning uri, id;

-- query: add_owners
-- in: codes text[]
-- out: code text, id integer
-- retry: safe
insert into owner (code) select c from unnest($1::text[]) c order by c
    on conflict (code) do update set code = excluded.code returning code, id;

-- query: add_lots
-- in: items bigint[], codes text[], expiries date[]
-- out: item_id bigint, code text, id bigint
-- retry: safe
-- Two statements that differ about a lot's expiry: the earlier is the safe one, and the order of arrival does not matter.
insert into lot as l (item_id, code, expiry)
select u.item, u.code, min(u.expiry) from unnest($1::bigint[], $2::text[], $3::date[]) u(item, code, expiry)
 group by u.item, u.code order by u.item, u.code
    on conflict (item_id, code) do update set expiry = least(l.expiry, excluded.expiry)
returning item_id, code, id;

-- query: known_reservations
-- in: ids bigint[]
-- out: id bigint
-- retry: safe
select id from reservation where id = any ($1);
