-- Giving stock back: release, expiry and consumption all pass through free_claims, so that there is one way only
-- in which a pool row's holds go down.

-- Reduce claims. One element a claim; quantity is what goes. With p_to_fence the part that came from a ring-fence
-- returns to it (release, expiry); without it the fence stays consumed (the goods left).
create or replace function free_claims(
    p_reservation bigint[], p_item bigint[], p_line integer[], p_location integer[], p_lot bigint[], p_quantity bigint[],
    p_to_fence boolean)
returns void language plpgsql as $$
declare
    r record;
    v_from_fence bigint;  v_allocated bigint;  v_unconsumed bigint;
begin
    -- The pool rows first, in key order, as every other writer takes them.
    perform 1 from stock s
      where (s.item_id, s.location_id) in (select i, l from unnest(p_item, p_location) u(i, l))
      order by s.item_id, s.location_id for update;
    insert into dirty_item (item_id) select distinct u.i from unnest(p_item) u(i) where (select publishing from in_force);
    for r in
        select u.reservation, u.item, u.line, u.location, u.lot, u.quantity as gone,
               c.quantity, c.allocated, c.from_fence, c.group_id
          from unnest(p_reservation, p_item, p_line, p_location, p_lot, p_quantity)
               u(reservation, item, line, location, lot, quantity)
          join claim c on c.item_id = u.item and c.reservation_id = u.reservation and c.line = u.line
                      and c.location_id = u.location and c.lot_id = u.lot
         order by u.item, u.location, u.lot, u.reservation, u.line
    loop
        if r.gone > r.quantity then
            raise exception 'a claim of % cannot give back %', r.quantity, r.gone using errcode = 'ON004';
        end if;
        v_allocated := least(r.allocated, r.gone);
        v_from_fence := greatest(0, r.from_fence - (r.quantity - r.gone));
        if r.gone = r.quantity then
            delete from claim c where c.item_id = r.item and c.reservation_id = r.reservation and c.line = r.line
                                  and c.location_id = r.location and c.lot_id = r.lot;
        else
            update claim c set quantity = c.quantity - r.gone, allocated = c.allocated - v_allocated,
                               from_fence = c.from_fence - v_from_fence
             where c.item_id = r.item and c.reservation_id = r.reservation and c.line = r.line
               and c.location_id = r.location and c.lot_id = r.lot;
        end if;
        v_unconsumed := 0;
        if p_to_fence and v_from_fence > 0 then
            update ring_fence f set consumed = greatest(0, f.consumed - v_from_fence)
              from ring_fence before
             where f.item_id = r.item and f.location_id = r.location and f.group_id = r.group_id
               and before.item_id = f.item_id and before.location_id = f.location_id and before.group_id = f.group_id
            returning greatest(0, f.quantity - f.consumed) - greatest(0, before.quantity - before.consumed)
                 into v_unconsumed;
        end if;
        update stock s set reserved = s.reserved - (r.gone - v_allocated), allocated = s.allocated - v_allocated,
                           fenced = s.fenced + coalesce(v_unconsumed, 0)
         where s.item_id = r.item and s.location_id = r.location;
        if r.lot > 0 then
            update lot_stock s set held = s.held - r.gone
             where s.item_id = r.item and s.location_id = r.location and s.lot_id = r.lot;
        end if;
    end loop;
end $$;

-- End reservations: all that they hold goes back. Only open ones are touched; returns the ids that were.
create or replace function end_reservations(p_ids bigint[], p_state text, p_verb text, p_now timestamptz, p_detail text default null)
returns setof bigint language plpgsql as $$
#variable_conflict use_column
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_ids bigint[];
    v_r bigint[];  v_i bigint[];  v_l integer[];  v_o integer[];  v_t bigint[];  v_q bigint[];
begin
    select array_agg(id order by id) into v_ids
      from (select id from reservation where id = any (p_ids) and open order by id for update) x;
    if v_ids is null then return; end if;
    select array_agg(reservation_id), array_agg(item_id), array_agg(line), array_agg(location_id), array_agg(lot_id),
           array_agg(quantity)
      into v_r, v_i, v_l, v_o, v_t, v_q from claim where reservation_id = any (v_ids);
    if v_r is not null then perform free_claims(v_r, v_i, v_l, v_o, v_t, v_q, true); end if;
    delete from backorder b using reservation r
      where r.id = any (v_ids) and b.reservation_id = r.id;
    update reservation set state = p_state, open = false where id = any (v_ids);
    insert into promise_log (reservation_id, verb, state, at, expires_at, detail)
      select r.id, p_verb, p_state, v_now, r.expires_at, p_detail from reservation r where r.id = any (v_ids) order by r.id;
    return query select unnest(v_ids);
end $$;

-- House-keeping only: every decision honours deadlines by itself. Rows that another transaction works on are left to it,
-- and so is the one that the caller itself works on (p_except): ended under its own change, it would hold for ever.
drop function if exists expire_due(timestamptz, integer);
create or replace function expire_due(p_now timestamptz, p_limit integer, p_except bigint)
returns integer language plpgsql as $$
#variable_conflict use_column
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_ids bigint[];
begin
    select array_agg(id) into v_ids
      from (select id from reservation where open and expires_at <= v_now and id is distinct from p_except
             order by expires_at limit p_limit for update skip locked) x;
    if v_ids is null then return 0; end if;
    return (select count(*) from end_reservations(v_ids, 'expired', 'expire', v_now));
end $$;
