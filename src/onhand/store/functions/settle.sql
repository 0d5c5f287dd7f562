-- What facts do to promises: goods that leave use up claims, allocations harden them.

-- Goods of a reservation left. Claims at the place they left from go first, then others of the same item: the customer
-- has the goods, so the promise is kept wherever they came from. What left beyond claims and backorders changes no promise.
create or replace function consume_claims(
    p_now timestamptz, p_event bigint[], p_reservation bigint[], p_item bigint[], p_location integer[], p_lot bigint[],
    p_quantity bigint[], p_line integer[])
returns void language plpgsql as $$
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    u record;  c record;  r record;
    v_left bigint;  v_take bigint;
begin
    for u in
        select * from unnest(p_event, p_reservation, p_item, p_location, p_lot, p_quantity, p_line)
                      x(event, reservation, item, location, lot, quantity, line)
         order by x.item, x.location, x.lot, x.reservation
    loop
        v_left := u.quantity;
        for c in
            select * from claim where item_id = u.item and reservation_id = u.reservation
             order by line = u.line desc, location_id = u.location desc, lot_id = u.lot desc, line, location_id, lot_id
        loop
            exit when v_left = 0;
            v_take := least(v_left, c.quantity);
            perform free_claims(array[c.reservation_id], array[c.item_id], array[c.line], array[c.location_id],
                                array[c.lot_id], array[v_take], false);
            update promise_allocation a set gone = a.gone + least(v_take, c.allocated)
             where c.allocated > 0 and a.reservation_id = c.reservation_id and a.item_id = c.item_id;
            insert into fulfilment (reservation_id, line, item_id, location_id, lot_id, quantity, event_id)
            values (c.reservation_id, c.line, c.item_id, c.location_id, c.lot_id, v_take, u.event);
            v_left := v_left - v_take;
        end loop;
        -- Then what still waits: it left before the stock for it was known here, and is owed no second time.
        for c in
            select w.* from backorder w join reservation x on x.id = w.reservation_id and x.open
             where w.item_id = u.item and w.reservation_id = u.reservation order by w.line = u.line desc, w.line
        loop
            exit when v_left = 0;
            v_take := least(v_left, c.quantity);
            delete from backorder w where w.item_id = c.item_id and w.reservation_id = c.reservation_id and w.line = c.line
                                      and w.quantity = v_take;
            update backorder w set quantity = w.quantity - v_take
             where w.item_id = c.item_id and w.reservation_id = c.reservation_id and w.line = c.line;
            insert into fulfilment (reservation_id, line, item_id, location_id, lot_id, quantity, event_id)
            values (c.reservation_id, c.line, c.item_id, u.location, u.lot, v_take, u.event);
            update reservation x
               set first_answer = coalesce(x.first_answer, first_answer_of(x.expires_at, x.answer)),
                   answer = jsonb_set(jsonb_set(x.answer::jsonb,
                       array[c.line::text, 'granted'], to_jsonb((x.answer::jsonb -> c.line ->> 'granted')::bigint + v_take)),
                       array[c.line::text, 'backordered'], to_jsonb((x.answer::jsonb -> c.line ->> 'backordered')::bigint - v_take))::text
             where x.id = c.reservation_id;
            v_left := v_left - v_take;
        end loop;
    end loop;
    perform settle_deadlines(v_now, p_reservation);
    for r in
        select x.id,
               exists (select 1 from claim held where held.reservation_id = x.id)
            or exists (select 1 from backorder waits where waits.reservation_id = x.id) as holds
          from reservation x where x.id = any (p_reservation) and x.open order by x.id
    loop
        if not r.holds then
            update reservation set state = 'fulfilled', open = false where id = r.id;
        end if;
        insert into promise_log (reservation_id, verb, state, at, expires_at)
        select x.id, 'fulfil', x.state, v_now, x.expires_at from reservation x where x.id = r.id;
    end loop;
end $$;

-- Of what a reservation claims of an item, so much is hard as systems have stated and has not left, however it was stated,
-- claimed and stated again. What it claims at the location is hardened, or softened, first.
create or replace function settle_hardness(p_reservation bigint, p_item bigint, p_location integer default null)
returns void language plpgsql as $$
declare
    c record;
    v_left bigint;  v_take bigint;
begin
    v_left := greatest(0, (select stated - gone from promise_allocation where reservation_id = p_reservation and item_id = p_item))
            - coalesce((select sum(allocated) from claim where reservation_id = p_reservation and item_id = p_item), 0);
    for c in
        select * from claim where item_id = p_item and reservation_id = p_reservation
         order by location_id is not distinct from p_location desc, line, location_id, lot_id
    loop
        exit when v_left = 0;
        v_take := case when v_left > 0 then least(v_left, c.quantity - c.allocated) else greatest(v_left, -c.allocated) end;
        update claim k set allocated = k.allocated + v_take
         where k.item_id = c.item_id and k.reservation_id = c.reservation_id and k.line = c.line
           and k.location_id = c.location_id and k.lot_id = c.lot_id;
        update stock s set reserved = s.reserved - v_take, allocated = s.allocated + v_take
         where s.item_id = c.item_id and s.location_id = c.location_id;
        v_left := v_left - v_take;
    end loop;
end $$;

-- Once all of a reservation is hard there is nothing left to expire. What turns soft again gets the time that it was last
-- given, anew from now: it was bound to an order, and must not be gone in the moment in which the order lets go of it.
create or replace function settle_deadlines(p_now timestamptz, p_reservation bigint[]) returns void language plpgsql as $$
begin
    update reservation r
       set expires_at = case when not x.hard then greatest(x.until, p_now + (x.until - x.since)) end,
           first_answer = coalesce(r.first_answer, first_answer_of(r.expires_at, r.answer))
      from (select o.id, given.until, given.since,
                   exists (select 1 from claim held where held.reservation_id = o.id)
                   and not exists (select 1 from claim held where held.reservation_id = o.id and held.allocated < held.quantity)
                   and not exists (select 1 from backorder waits where waits.reservation_id = o.id) as hard
              from reservation o cross join lateral (
                   select g.expires_at as until, g.at as since from promise_log g
                    where g.reservation_id = o.id and g.verb in ('create', 'extend') order by g.seq desc limit 1) given
             where o.id = any (p_reservation) and o.open and (o.expires_at is null or o.expires_at > p_now)) x
     where r.id = x.id and (r.expires_at is not null) = x.hard and x.until is not null;
end $$;

-- A released order hardens what it reserved: allocated stock has no deadline. Negative quantities soften it again. Created
-- and released may arrive in any order: only what is above zero hardens. What has expired is no promise any more and is
-- not revived, swept or not.
create or replace function allocate_claims(
    p_now timestamptz, p_reservation bigint[], p_item bigint[], p_location integer[], p_quantity bigint[])
returns void language plpgsql as $$
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    u record;
begin
    for u in
        select x.* from unnest(p_reservation, p_item, p_location, p_quantity) x(reservation, item, location, quantity)
          join reservation r on r.id = x.reservation and r.open and (r.expires_at is null or r.expires_at > v_now)
         order by x.item, x.location, x.reservation
    loop
        -- Released after it had left: what has left counts no longer, or the next allocation would be taken for it.
        insert into promise_allocation as a (reservation_id, item_id, stated) values (u.reservation, u.item, u.quantity)
            on conflict (reservation_id, item_id)
            do update set stated = a.stated + excluded.stated, gone = least(a.gone, greatest(0, a.stated + excluded.stated));
        perform settle_hardness(u.reservation, u.item, u.location);
    end loop;
    perform settle_deadlines(v_now, p_reservation);
    insert into promise_log (reservation_id, verb, state, at, expires_at)
    select r.id, 'allocate', r.state, v_now, r.expires_at from reservation r where r.id = any (p_reservation) order by r.id;
end $$;

-- A hard hold that a system states on its own. Created and released may arrive in any order: only what is above zero holds.
create or replace function allocate_stock(p_item bigint[], p_location integer[], p_reference text[], p_lot bigint[], p_quantity bigint[])
returns void language plpgsql as $$
declare
    u record;
    v_before bigint;  v_after bigint;
begin
    insert into dirty_item (item_id) select distinct x.i from unnest(p_item) x(i) where (select publishing from in_force);
    for u in
        select * from unnest(p_item, p_location, p_reference, p_lot, p_quantity) x(item, location, reference, lot, quantity)
         order by x.item, x.location, x.reference, x.lot
    loop
        insert into stock (item_id, location_id) values (u.item, u.location) on conflict do nothing;
        perform 1 from stock where item_id = u.item and location_id = u.location for update;
        insert into allocation as a (item_id, location_id, reference, lot_id, quantity)
        values (u.item, u.location, u.reference, u.lot, u.quantity)
            on conflict (item_id, location_id, reference, lot_id) do update set quantity = a.quantity + excluded.quantity
        returning quantity into v_after;
        v_before := v_after - u.quantity;
        update stock set allocated = allocated + greatest(0, v_after) - greatest(0, v_before)
         where item_id = u.item and location_id = u.location;
        if u.lot > 0 then
            insert into lot_stock (item_id, location_id, lot_id) values (u.item, u.location, u.lot) on conflict do nothing;
            update lot_stock set held = held + greatest(0, v_after) - greatest(0, v_before)
             where item_id = u.item and location_id = u.location and lot_id = u.lot;
        end if;
    end loop;
end $$;
