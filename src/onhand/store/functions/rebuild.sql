-- Working out anew, from the ledger and the promises, everything that is kept beside them. Online: the long part runs beside
-- the writers, then they wait while the rest is added up and what differs is written.
--
-- Locks, always in this order: the network's advisory lock alone (facts and network versions wait), then the table stock in
-- exclusive mode (claims, releases and expiry wait: each of them begins at its pool rows). Readers never wait.

create or replace function place_text(p_item bigint, p_location integer, p_status integer, p_lot bigint, p_owner integer)
returns text language sql stable as $$
    select coalesce((select code from location where id = p_location), '?') || ' '
        || coalesce((select code from status where id = p_status), '?')
        || case when p_lot > 0 then ' lot ' || coalesce((select code from lot where item_id = p_item and id = p_lot), '?') else '' end
        || coalesce((select ' owner ' || code from owner where id = p_owner and code <> 'own'), '')
$$;

-- What the movements up to p_last sum to at each place.
create or replace function rebuild_gather(p_last bigint) returns bigint language plpgsql as $$
begin
    create temp table ledger_sum on commit drop as
    select item_id, location_id, status_id, lot_id, owner_id, sum(quantity)::bigint as quantity, max(at) as moved_at
      from (select item_id, from_location as location_id, from_status as status_id, lot_id, owner_id, -quantity as quantity,
                   occurred_at as at from movement where seq <= p_last
            union all
            select item_id, to_location, to_status, lot_id, owner_id, quantity, occurred_at from movement where seq <= p_last) leg
     group by 1, 2, 3, 4, 5;
    analyze ledger_sum;
    return (select count(*) from ledger_sum);
end $$;

-- Take the locks, add what came since, and correct every row that differs. Returns how many were corrected, by kind.
create or replace function rebuild_write(p_last bigint) returns table (what text, mended bigint) language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtext('onhand.network'));
    lock table stock in exclusive mode;
    perform rebuild_catch_up(p_last);
    create temp table mended_item (item_id bigint) on commit drop;
    what := 'balances';  mended := rebuild_balances();  return next;
    analyze mended_item;
    what := 'stamps';  mended := rebuild_stamps();  return next;
    what := 'pools';  mended := rebuild_pools();  return next;
    what := 'lot_pools';  mended := rebuild_lot_pools();  return next;
end $$;

create or replace function rebuild_catch_up(p_last bigint) returns void language plpgsql as $$
begin
    create temp table since on commit drop as
    select item_id, v.location_id, v.status_id, lot_id, owner_id, sum(v.quantity)::bigint as quantity, max(occurred_at) as moved_at
      from movement m cross join lateral (values (from_location, from_status, -quantity), (to_location, to_status, quantity))
                                         v(location_id, status_id, quantity)
     where seq > p_last group by 1, 2, 3, 4, 5;
    update ledger_sum s set quantity = s.quantity + d.quantity, moved_at = greatest(s.moved_at, d.moved_at) from since d
     where (s.item_id, s.location_id, s.status_id, s.lot_id, s.owner_id) = (d.item_id, d.location_id, d.status_id, d.lot_id, d.owner_id);
    insert into ledger_sum
    select d.* from since d left join ledger_sum s using (item_id, location_id, status_id, lot_id, owner_id) where s.item_id is null;
end $$;

-- Where a wrong balance was stamped on what came after it, and where verify found a break. Needs no lock: what is recorded
-- from now on is stamped from a balance that is right.
create or replace function rebuild_all_stamps() returns bigint language plpgsql as $$
begin
    create temp table mended_item on commit drop as
    select distinct item_id
      from (select item_id, stamped, quantity, lag(stamped) over (
                   partition by item_id, location_id, status_id, lot_id, owner_id order by seq) as before
              from (select item_id, from_location as location_id, from_status as status_id, lot_id, owner_id, seq,
                           -quantity as quantity, from_balance as stamped from movement
                    union all
                    select item_id, to_location, to_status, lot_id, owner_id, seq, quantity, to_balance from movement) leg) x
     where stamped <> coalesce(before, 0) + quantity;
    return rebuild_stamps();
end $$;

-- The balances stamped on movements are worked out, not stated: they may be corrected, nothing else of a movement may.
-- Only the items in mended_item are looked at.
create or replace function rebuild_stamps() returns bigint language plpgsql as $$
declare
    v_mended bigint;
begin
    create temp table wrong_stamp on commit drop as
    select item_id, seq, at_origin, running::bigint as running
      from (select *, sum(quantity) over (partition by item_id, location_id, status_id, lot_id, owner_id order by seq) as running
              from (select item_id, from_location as location_id, from_status as status_id, lot_id, owner_id, seq,
                           -quantity as quantity, from_balance as stamped, true as at_origin
                      from movement where item_id in (select item_id from mended_item)
                    union all
                    select item_id, to_location, to_status, lot_id, owner_id, seq, quantity, to_balance, false
                      from movement where item_id in (select item_id from mended_item)) leg) x
     where stamped <> running;
    get diagnostics v_mended = row_count;
    if v_mended > 0 then
        alter table movement disable trigger movement_is_append_only;
        update movement m set from_balance = w.running from wrong_stamp w
         where w.at_origin and m.item_id = w.item_id and m.seq = w.seq;
        update movement m set to_balance = w.running from wrong_stamp w
         where not w.at_origin and m.item_id = w.item_id and m.seq = w.seq;
        alter table movement enable trigger movement_is_append_only;
    end if;
    return v_mended;
end $$;

create or replace function rebuild_balances() returns bigint language plpgsql as $$
declare
    v_mended bigint;
begin
    with counted as (
        select item_id, location_id, status_id, lot_id, owner_id, max(counted_at) as at from count_point group by 1, 2, 3, 4, 5),
    true_row as (
        select item_id, location_id, status_id, lot_id, owner_id, coalesce(m.quantity, 0) as quantity,
               coalesce(greatest(m.moved_at, c.at), '-infinity') as moved_at, c.at as counted_at,
               b.quantity as was, b.moved_at as was_moved_at, b.counted_at as was_counted_at
          from ledger_sum m full join counted c using (item_id, location_id, status_id, lot_id, owner_id)
          full join balance b using (item_id, location_id, status_id, lot_id, owner_id)),
    written as (
        insert into balance as b (item_id, location_id, status_id, lot_id, owner_id, quantity, moved_at, counted_at)
        select item_id, location_id, status_id, lot_id, owner_id, quantity, moved_at, counted_at from true_row
         where was is distinct from quantity or was_moved_at < moved_at or was_counted_at is distinct from counted_at
         order by 1, 2, 3, 4, 5
            on conflict (item_id, location_id, status_id, lot_id, owner_id)
            do update set quantity = excluded.quantity, moved_at = greatest(b.moved_at, excluded.moved_at),
                          counted_at = excluded.counted_at
        returning item_id),
    noted as (insert into mended_item select distinct item_id from written)
    select count(*) into v_mended from written;
    return v_mended;
end $$;

create or replace function rebuild_pools() returns bigint language plpgsql as $$
declare
    v_mended bigint;
begin
    with stands as (
        select b.item_id, b.location_id, sum(b.quantity)::bigint as on_hand
          from balance b join status s on s.id = b.status_id and s.sellable
          join location l on l.id = b.location_id and l.kind in ('warehouse', 'store') group by 1, 2),
    held as (
        select item_id, location_id, sum(soft)::bigint as reserved, sum(hard)::bigint as allocated
          from (select item_id, location_id, quantity - allocated as soft, allocated as hard from claim
                union all select item_id, location_id, 0, greatest(0, quantity) from allocation) u group by 1, 2),
    aside as (
        select item_id, location_id, sum(greatest(0, quantity - consumed))::bigint as fenced from ring_fence group by 1, 2),
    true_row as (
        select item_id, location_id, coalesce(b.on_hand, 0) as on_hand, coalesce(h.reserved, 0) as reserved,
               coalesce(h.allocated, 0) as allocated, coalesce(f.fenced, 0) as fenced,
               s.on_hand as was_on_hand, s.reserved as was_reserved, s.allocated as was_allocated, s.fenced as was_fenced
          from stock s full join stands b using (item_id, location_id) full join held h using (item_id, location_id)
          full join aside f using (item_id, location_id))
    -- Only rows that differ are written at all: even an update that its condition refuses would lock its row.
    insert into stock (item_id, location_id, on_hand, reserved, allocated, fenced)
    select item_id, location_id, on_hand, reserved, allocated, fenced from true_row
     where was_on_hand is distinct from on_hand or was_reserved is distinct from reserved
        or was_allocated is distinct from allocated or was_fenced is distinct from fenced order by 1, 2
        on conflict (item_id, location_id)
        do update set on_hand = excluded.on_hand, reserved = excluded.reserved, allocated = excluded.allocated, fenced = excluded.fenced;
    get diagnostics v_mended = row_count;
    if v_mended > 0 then
        insert into dirty_item (item_id) select id from item where (select publishing from in_force);
    end if;
    return v_mended;
end $$;

create or replace function rebuild_lot_pools() returns bigint language plpgsql as $$
declare
    v_mended bigint;
begin
    with stands as (
        select b.item_id, b.location_id, b.lot_id, sum(b.quantity)::bigint as on_hand
          from balance b join status s on s.id = b.status_id and s.sellable
          join location l on l.id = b.location_id and l.kind in ('warehouse', 'store') where b.lot_id > 0 group by 1, 2, 3),
    taken as (
        select item_id, location_id, lot_id, sum(quantity)::bigint as held
          from (select item_id, location_id, lot_id, quantity from claim where lot_id > 0
                union all select item_id, location_id, lot_id, greatest(0, quantity) from allocation where lot_id > 0) u group by 1, 2, 3),
    true_row as (
        select item_id, location_id, lot_id, coalesce(b.on_hand, 0) as on_hand, coalesce(h.held, 0) as held,
               s.on_hand as was_on_hand, s.held as was_held
          from lot_stock s full join stands b using (item_id, location_id, lot_id)
          full join taken h using (item_id, location_id, lot_id))
    insert into lot_stock (item_id, location_id, lot_id, on_hand, held)
    select item_id, location_id, lot_id, on_hand, held from true_row
     where was_on_hand is distinct from on_hand or was_held is distinct from held order by 1, 2, 3
        on conflict (item_id, location_id, lot_id) do update set on_hand = excluded.on_hand, held = excluded.held;
    get diagnostics v_mended = row_count;
    return v_mended;
end $$;
