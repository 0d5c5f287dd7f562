-- Putting a network in force: codes get their ids, pool rows follow what is sellable, ring-fences follow the config.

create or replace function store_network(
    p_base integer, p_by text, p_message text, p_files jsonb, p_model jsonb, p_fingerprint text,
    p_system text[], p_source text[], p_source_system text[],
    p_location text[], p_location_kind text[], p_location_retired boolean[],
    p_status text[], p_sellable boolean[], p_channel text[], p_group text[],
    f_sku text[], f_location text[], f_group text[], f_quantity bigint[])
returns integer language plpgsql as $$
declare
    v_version integer;
    v_flipped boolean;
begin
    perform pg_advisory_xact_lock(hashtext('onhand.network'));    -- writers share this lock: see share_network
    v_version := (select network from in_force);
    if v_version <> p_base then
        raise exception 'network version % is in force, not %', v_version, p_base using errcode = 'ON001';
    end if;
    v_version := v_version + 1;
    insert into network_version (version, applied_by, message, files, model, fingerprint)
    values (v_version, p_by, p_message, p_files, p_model, p_fingerprint);
    update in_force set network = v_version;

    insert into system (code) select unnest(p_system) on conflict do nothing;
    update system set retired = (code <> all (p_system)) where retired is distinct from (code <> all (p_system));
    insert into source (uri, system_id)
    select u.uri, s.id from unnest(p_source, p_source_system) u(uri, code) join system s on s.code = u.code
        on conflict (uri) do update set system_id = excluded.system_id;
    insert into location (code, kind, retired)
    select * from unnest(p_location, p_location_kind, p_location_retired)
        on conflict (code) do update set kind = excluded.kind, retired = excluded.retired;
    update location set retired = true where code <> all (p_location) and kind in ('warehouse', 'store') and not retired;
    v_flipped := exists (select 1 from unnest(p_status, p_sellable) u(code, sellable)
                           join status s on s.code = u.code and s.sellable <> u.sellable)
              or exists (select 1 from status s where s.sellable and s.code <> all (p_status));
    insert into status (code, sellable) select * from unnest(p_status, p_sellable)
        on conflict (code) do update set sellable = excluded.sellable;
    update status set sellable = false where code <> all (p_status) and sellable;
    insert into channel (code) select unnest(p_channel) on conflict do nothing;
    update channel set retired = (code <> all (p_channel)) where retired is distinct from (code <> all (p_channel));
    insert into fence_group (code) select unnest(p_group) on conflict do nothing;
    if v_flipped then perform refill_pools(null); end if;
    perform set_fences(f_sku, f_location, f_group, f_quantity);
    -- Every number may be another under another policy.
    update in_force set publishing = exists (
        select from jsonb_each(p_model -> 'channels') c
         where jsonb_typeof(c.value -> 'publish') = 'object' and not coalesce((c.value ->> 'retired')::boolean, false));
    insert into dirty_item (item_id) select id from item where (select publishing from in_force);
    return v_version;
end $$;

-- Make on_hand what the balances say, for some items or (null) for all. Rows are only ever added or corrected.
create or replace function refill_pools(p_items bigint[]) returns bigint language plpgsql as $$
declare
    v_pools bigint;  v_lots bigint;
begin
    with true_sum as (
        select b.item_id, b.location_id, sum(b.quantity) filter (where s.sellable) as on_hand
          from balance b join status s on s.id = b.status_id
          join location l on l.id = b.location_id and l.kind in ('warehouse', 'store')
         where p_items is null or b.item_id = any (p_items)
         group by b.item_id, b.location_id)
    insert into stock as s (item_id, location_id, on_hand)
    select item_id, location_id, coalesce(on_hand, 0) from true_sum order by item_id, location_id
        on conflict (item_id, location_id) do update set on_hand = excluded.on_hand where s.on_hand <> excluded.on_hand;
    get diagnostics v_pools = row_count;
    with true_sum as (
        select b.item_id, b.location_id, b.lot_id, sum(b.quantity) filter (where s.sellable) as on_hand
          from balance b join status s on s.id = b.status_id
          join location l on l.id = b.location_id and l.kind in ('warehouse', 'store')
         where b.lot_id > 0 and (p_items is null or b.item_id = any (p_items))
         group by b.item_id, b.location_id, b.lot_id)
    insert into lot_stock as s (item_id, location_id, lot_id, on_hand)
    select item_id, location_id, lot_id, coalesce(on_hand, 0) from true_sum order by item_id, location_id, lot_id
        on conflict (item_id, location_id, lot_id) do update set on_hand = excluded.on_hand where s.on_hand <> excluded.on_hand;
    get diagnostics v_lots = row_count;
    return v_pools + v_lots;
end $$;

-- Ring-fences as the config states them. What a group has consumed stays; a fence no longer stated is lifted.
-- A fence for a SKU that is not known yet waits in the config until the item comes: see fences_of_new_items.
-- Pool rows are locked first and in key order, as every writer takes them: whoever claims holds its pool row while it
-- uses up a fence, so that the sums below are of fences that nobody is using up.
create or replace function set_fences(f_sku text[], f_location text[], f_group text[], f_quantity bigint[])
returns void language plpgsql as $$
begin
    insert into stock (item_id, location_id)
    select distinct i.id, l.id from unnest(f_sku, f_location) u(sku, location)
      join item i on i.sku = u.sku join location l on l.code = u.location
     order by 1, 2 on conflict do nothing;
    perform 1 from stock s
      where s.fenced <> 0
         or exists (select 1 from ring_fence f where f.item_id = s.item_id and f.location_id = s.location_id)
         or (s.item_id, s.location_id) in (select i.id, l.id from unnest(f_sku, f_location) u(sku, location)
                                             join item i on i.sku = u.sku join location l on l.code = u.location)
      order by s.item_id, s.location_id for update;
    with stated as (
        select i.id as item_id, l.id as location_id, g.id as group_id, u.quantity
          from unnest(f_sku, f_location, f_group, f_quantity) u(sku, location, "group", quantity)
          join item i on i.sku = u.sku join location l on l.code = u.location join fence_group g on g.code = u."group"),
    lifted as (
        delete from ring_fence f where not exists (
            select 1 from stated s where s.item_id = f.item_id and s.location_id = f.location_id and s.group_id = f.group_id))
    insert into ring_fence as f (item_id, location_id, group_id, quantity)
    select item_id, location_id, group_id, quantity from stated order by 1, 2, 3
        on conflict (item_id, location_id, group_id) do update set quantity = excluded.quantity;
    update stock s set fenced = x.fenced
      from (select s2.item_id, s2.location_id,
                   coalesce((select sum(greatest(0, f.quantity - f.consumed)) from ring_fence f
                              where f.item_id = s2.item_id and f.location_id = s2.location_id), 0) as fenced
              from stock s2
             where s2.fenced <> 0 or exists (select 1 from ring_fence f where f.item_id = s2.item_id and f.location_id = s2.location_id)) x
     where s.item_id = x.item_id and s.location_id = x.location_id and s.fenced <> x.fenced;
end $$;

-- New items may be named by fences that were stated before them; fences that stand already are left alone.
create or replace function fences_of_new_items(p_sku text[], f_sku text[], f_location text[], f_group text[], f_quantity bigint[])
returns void language plpgsql as $$
begin
    insert into stock (item_id, location_id)
    select distinct i.id, l.id from unnest(f_sku, f_location) u(sku, location)
      join item i on i.sku = u.sku and i.sku = any (p_sku) join location l on l.code = u.location
     order by 1, 2 on conflict do nothing;
    perform 1 from stock s
      where (s.item_id, s.location_id) in (select i.id, l.id from unnest(f_sku, f_location) u(sku, location)
                                             join item i on i.sku = u.sku and i.sku = any (p_sku)
                                             join location l on l.code = u.location)
      order by s.item_id, s.location_id for update;
    with fresh as (
        insert into ring_fence (item_id, location_id, group_id, quantity)
        select i.id, l.id, g.id, u.quantity
          from unnest(f_sku, f_location, f_group, f_quantity) u(sku, location, "group", quantity)
          join item i on i.sku = u.sku and i.sku = any (p_sku)
          join location l on l.code = u.location join fence_group g on g.code = u."group"
         order by 1, 2, 3 on conflict do nothing returning item_id, location_id, quantity)
    update stock s set fenced = s.fenced + f.quantity
      from (select item_id, location_id, sum(quantity) as quantity from fresh group by 1, 2) f
     where s.item_id = f.item_id and s.location_id = f.location_id;
end $$;
