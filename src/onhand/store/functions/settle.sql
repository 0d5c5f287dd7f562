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
    for r in
        select x.id, x.expires_at,
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

-- A released order hardens what it reserved: allocated stock has no deadline. Negative quantities soften it again.
-- What has expired is no promise any more and is not revived, swept or not.
create or replace function allocate_claims(
    p_now timestamptz, p_reservation bigint[], p_item bigint[], p_location integer[], p_quantity bigint[])
returns void language plpgsql as $$
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    u record;  c record;
    v_left bigint;  v_take bigint;
begin
    for u in
        select x.* from unnest(p_reservation, p_item, p_location, p_quantity) x(reservation, item, location, quantity)
          join reservation r on r.id = x.reservation and r.open and (r.expires_at is null or r.expires_at > v_now)
         order by x.item, x.location, x.reservation
    loop
        v_left := u.quantity;
        for c in
            select * from claim where item_id = u.item and reservation_id = u.reservation
             order by location_id = u.location desc, line, location_id, lot_id
        loop
            exit when v_left = 0;
            v_take := case when v_left > 0 then least(v_left, c.quantity - c.allocated)
                           else greatest(v_left, -c.allocated) end;
            update claim k set allocated = k.allocated + v_take
             where k.item_id = c.item_id and k.reservation_id = c.reservation_id and k.line = c.line
               and k.location_id = c.location_id and k.lot_id = c.lot_id;
            update stock s set reserved = s.reserved - v_take, allocated = s.allocated + v_take
             where s.item_id = c.item_id and s.location_id = c.location_id;
            v_left := v_left - v_take;
        end loop;
    end loop;
    -- Once all of it is hard there is nothing left to expire.
    update reservation r
       set expires_at = null, first_answer = coalesce(r.first_answer, first_answer_of(r.expires_at, r.answer))
     where r.id = any (p_reservation) and r.open and r.expires_at > v_now
       and exists (select 1 from claim held where held.reservation_id = r.id)
       and not exists (select 1 from claim held where held.reservation_id = r.id and held.allocated < held.quantity)
       and not exists (select 1 from backorder waits where waits.reservation_id = r.id);
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
