-- Recording facts: the event rows, the movements they cause, and what those sum to, in one transaction.
-- The caller brings places aggregated and sorted, and running sums inside the batch; nothing is joined here.

-- The network must not change under a batch that was decided against it (a status that stops being sellable changes
-- what counts as on hand). Applying a network takes this lock alone; writers share it.
create or replace function share_network(p_network integer) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(hashtext('onhand.network'));
    if p_network is distinct from (select network from in_force) then
        raise exception 'the network changed' using errcode = 'ON001';
    end if;
end $$;

create or replace function record_events(
    p_now timestamptz,
    p_network integer,
    -- events, sorted by (source, id)
    e_source integer[], e_id text[], e_type text[], e_version integer[], e_at timestamptz[], e_fingerprint bytea[],
    e_body text[],
    -- movements; m_event, m_from, m_to index into the events and the places; *_run = sum of earlier deltas in this
    -- batch at that place, this movement included
    m_event integer[], m_line integer[], m_quantity bigint[], m_from integer[], m_to integer[], m_serial text[],
    m_from_run bigint[], m_to_run bigint[],
    -- places touched, sorted, with the sum of deltas and the first and last occurred_at there; places that counts of this
    -- batch will correct come along with a delta of nought, so that every writer takes its rows once and in key order
    b_item bigint[], b_location integer[], b_status integer[], b_lot bigint[], b_owner integer[], b_delta bigint[],
    b_first timestamptz[], b_last timestamptz[],
    -- pool rows and lot rows touched (sellable statuses at physical locations), sorted
    s_item bigint[], s_location integer[], s_delta bigint[],
    l_item bigint[], l_location integer[], l_lot bigint[], l_delta bigint[])
returns bigint[]                                         -- the events' ids, in the order given
language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
#variable_conflict use_column
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_id bigint[];
    v_base bigint[];  v_counted timestamptz[];
    v_tx bigint := feed_tx();
    got integer;  late boolean := false;
    r record;
begin
    perform share_network(p_network);
    select array_agg(nextval('event_id_seq')) into v_id from generate_series(1, cardinality(e_id));
    insert into event (id, source_id, event_id, type, version, occurred_at, recorded_at, fingerprint, body, tx)
        overriding system value
    select u.id, u.source, u.event, u.type, u.version, u.at, v_now, u.fingerprint, u.body, v_tx
      from unnest(v_id, e_source, e_id, e_type, e_version, e_at, e_fingerprint, e_body)
           u(id, source, event, type, version, at, fingerprint, body)
        on conflict (source_id, event_id) do nothing;
    get diagnostics got = row_count;
    if got <> cardinality(e_id) then
        raise exception 'some events are known' using errcode = 'ON002';
    end if;
    if cardinality(b_item) = 0 then return v_id; end if;

    with changed as (
        insert into balance as b (item_id, location_id, status_id, lot_id, owner_id, quantity, moved_at)
        select u.* from unnest(b_item, b_location, b_status, b_lot, b_owner, b_delta, b_last) u
            on conflict (item_id, location_id, status_id, lot_id, owner_id)
            do update set quantity = b.quantity + excluded.quantity, moved_at = greatest(b.moved_at, excluded.moved_at)
        returning quantity, counted_at)
    select array_agg(quantity), array_agg(counted_at) into v_base, v_counted from changed;
    for x in 1 .. cardinality(b_item) loop
        v_base[x] := v_base[x] - b_delta[x];
        if v_counted[x] >= b_first[x] then late := true; end if;
    end loop;
    -- Its places are locked by now: what is known as of a moment never has a movement without those it was decided on.
    v_now := greatest(v_now, clock_timestamp());

    insert into movement (item_id, event_id, line, quantity, from_location, from_status, to_location, to_status,
                          lot_id, owner_id, serial, occurred_at, recorded_at, from_balance, to_balance)
    select b_item[u.f], v_id[u.e], u.line, u.quantity, b_location[u.f], b_status[u.f], b_location[u.t], b_status[u.t],
           b_lot[u.f], b_owner[u.f], u.serial, e_at[u.e], v_now, v_base[u.f] + u.f_run, v_base[u.t] + u.t_run
      from unnest(m_event, m_line, m_quantity, m_from, m_to, m_serial, m_from_run, m_to_run)
           u(e, line, quantity, f, t, serial, f_run, t_run);

    insert into stock as s (item_id, location_id, on_hand)
    select u.* from unnest(s_item, s_location, s_delta) u
        on conflict (item_id, location_id) do update set on_hand = s.on_hand + excluded.on_hand;
    insert into dirty_item (item_id) select distinct u.i from unnest(s_item) u(i) where (select publishing from in_force);
    if cardinality(l_lot) > 0 then
        insert into lot_stock as s (item_id, location_id, lot_id, on_hand)
        select u.* from unnest(l_item, l_location, l_lot, l_delta) u
            on conflict (item_id, location_id, lot_id) do update set on_hand = s.on_hand + excluded.on_hand;
    end if;

    if late then
        for r in
            select u.place, u.delta, e_at[u.e] as at
              from (select f as place, -q as delta, e, n from unnest(m_from, m_quantity, m_event) with ordinality x(f, q, e, n)
                    union all
                    select t, q, e, n from unnest(m_to, m_quantity, m_event) with ordinality x(t, q, e, n)) u
             where v_counted[u.place] >= e_at[u.e] order by u.n
        loop
            perform recount(b_item[r.place], b_location[r.place], b_status[r.place], b_lot[r.place], b_owner[r.place],
                            r.delta, r.at, '', v_now);
        end loop;
    end if;
    return v_id;
end $$;

-- One movement on its own, with all that follows from it. For counts and their corrections, which depend on what is there.
create or replace function post_movement(
    p_event bigint, p_line integer, p_kind text, p_item bigint, p_quantity bigint,
    p_from_location integer, p_from_status integer, p_to_location integer, p_to_status integer,
    p_lot bigint, p_owner integer, p_at timestamptz, p_now timestamptz)
returns void language plpgsql as $$
begin
    insert into balance as b (item_id, location_id, status_id, lot_id, owner_id, quantity, moved_at)
    select p_item, v.l, v.s, p_lot, p_owner, v.d, p_at
      from (values (p_from_location, p_from_status, -p_quantity), (p_to_location, p_to_status, p_quantity)) v(l, s, d)
     order by v.l, v.s
        on conflict (item_id, location_id, status_id, lot_id, owner_id)
        do update set quantity = b.quantity + excluded.quantity, moved_at = greatest(b.moved_at, excluded.moved_at);
    insert into movement (item_id, event_id, line, kind, quantity, from_location, from_status, to_location, to_status,
                          lot_id, owner_id, occurred_at, recorded_at, from_balance, to_balance)
    select p_item, p_event, p_line, p_kind, p_quantity, p_from_location, p_from_status, p_to_location, p_to_status,
           p_lot, p_owner, p_at, p_now, f.quantity, t.quantity
      from balance f, balance t
     where f.item_id = p_item and f.location_id = p_from_location and f.status_id = p_from_status
       and f.lot_id = p_lot and f.owner_id = p_owner
       and t.item_id = p_item and t.location_id = p_to_location and t.status_id = p_to_status
       and t.lot_id = p_lot and t.owner_id = p_owner;
    insert into stock as s (item_id, location_id, on_hand)
    select p_item, v.l, sum(v.d)
      from (values (p_from_location, p_from_status, -p_quantity), (p_to_location, p_to_status, p_quantity)) v(l, s, d)
      join status on status.id = v.s and status.sellable
      join location on location.id = v.l and location.kind in ('warehouse', 'store')
     group by v.l order by v.l
        on conflict (item_id, location_id) do update set on_hand = s.on_hand + excluded.on_hand;
    insert into dirty_item (item_id) select p_item where (select publishing from in_force);
    if p_lot > 0 then
        insert into lot_stock as s (item_id, location_id, lot_id, on_hand)
        select p_item, v.l, p_lot, sum(v.d)
          from (values (p_from_location, p_from_status, -p_quantity), (p_to_location, p_to_status, p_quantity)) v(l, s, d)
          join status on status.id = v.s and status.sellable
          join location on location.id = v.l and location.kind in ('warehouse', 'store')
         group by v.l order by v.l
            on conflict (item_id, location_id, lot_id) do update set on_hand = s.on_hand + excluded.on_hand;
    end if;
end $$;
