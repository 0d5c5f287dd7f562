-- Counts. A count says what was there at a moment; what it corrects is the difference to what the ledger says was there
-- at that moment. A fact that arrives later but happened before a count was seen by the counter: the first count
-- after it takes it up, so the order of arrival never changes the end state.

-- `delta` units became known at a place at `at`: if a count follows, that count had already seen them.
-- tie is '' for a fact and the count's own tie for a count: counts of one instant are ordered by it.
create or replace function recount(
    p_item bigint, p_location integer, p_status integer, p_lot bigint, p_owner integer,
    p_delta bigint, p_at timestamptz, p_tie text, p_now timestamptz)
returns void language plpgsql as $$
declare
    c record;
    v_adjustment integer := (select id from location where code = 'adjustment');
begin
    select counted_at, event_id, line into c from count_point
     where item_id = p_item and location_id = p_location and status_id = p_status and lot_id = p_lot
       and owner_id = p_owner and (counted_at, tie) > (p_at, p_tie collate "C")
     order by counted_at, tie limit 1;
    if not found or p_delta = 0 then return; end if;
    perform post_movement(
        c.event_id, c.line, 'recount', p_item, abs(p_delta),
        case when p_delta > 0 then p_location else v_adjustment end, p_status,
        case when p_delta > 0 then v_adjustment else p_location end, p_status,
        p_lot, p_owner, c.counted_at, p_now);
end $$;

-- What the ledger says was at a place at a moment, as known now, just before the count with that tie.
create or replace function balance_before_count(
    p_item bigint, p_location integer, p_status integer, p_lot bigint, p_owner integer, p_at timestamptz, p_tie text)
returns bigint language sql stable as $$
    select coalesce(sum(case when m.to_location = p_location and m.to_status = p_status then m.quantity
                             else -m.quantity end), 0)::bigint
      from movement m
     where m.item_id = p_item and m.lot_id = p_lot and m.owner_id = p_owner and m.occurred_at <= p_at
       and ((m.to_location = p_location and m.to_status = p_status)
         or (m.from_location = p_location and m.from_status = p_status))
       and not (m.kind <> 'fact' and m.occurred_at = p_at and exists (
                select 1 from count_point c
                 where c.item_id = p_item and c.location_id = p_location and c.status_id = p_status
                   and c.lot_id = p_lot and c.owner_id = p_owner and c.counted_at = p_at
                   and c.event_id = m.event_id and c.tie > p_tie collate "C"))
$$;

-- Post counts. One element a counted place; the caller has summed lines of one event that name the same place, and
-- sorted by place. Runs in the transaction that recorded the events.
create or replace function post_counts(
    p_now timestamptz, p_event bigint[], p_line integer[], p_at timestamptz[], p_tie text[],
    p_item bigint[], p_location integer[], p_status integer[], p_lot bigint[], p_owner integer[], p_quantity bigint[])
returns void language plpgsql as $$
declare
    c record;  b record;
    v_before bigint;  v_delta bigint;
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_adjustment integer := (select id from location where code = 'adjustment');
begin
    for c in
        select * from unnest(p_event, p_line, p_at, p_tie, p_item, p_location, p_status, p_lot, p_owner, p_quantity)
                      u(event, line, at, tie, item, location, status, lot, owner, quantity)
    loop
        -- The row is made if need be, so that there is something to lock: facts at this place wait for the count.
        insert into balance (item_id, location_id, status_id, lot_id, owner_id, quantity, moved_at)
        values (c.item, c.location, c.status, c.lot, c.owner, 0, c.at) on conflict do nothing;
        select quantity, moved_at, counted_at into b from balance
         where item_id = c.item and location_id = c.location and status_id = c.status and lot_id = c.lot
           and owner_id = c.owner for update;
        v_now := greatest(v_now, clock_timestamp());
        if b.moved_at <= c.at and (b.counted_at is null or b.counted_at < c.at) then
            v_before := b.quantity;
        else
            v_before := balance_before_count(c.item, c.location, c.status, c.lot, c.owner, c.at, c.tie);
        end if;
        v_delta := c.quantity - v_before;
        insert into count_point (item_id, location_id, status_id, lot_id, owner_id, counted_at, tie, event_id, line, quantity)
        values (c.item, c.location, c.status, c.lot, c.owner, c.at, c.tie, c.event, c.line, c.quantity);
        update balance set counted_at = greatest(counted_at, c.at)
         where item_id = c.item and location_id = c.location and status_id = c.status and lot_id = c.lot
           and owner_id = c.owner;
        if v_delta <> 0 then
            perform post_movement(
                c.event, c.line, 'count', c.item, abs(v_delta),
                case when v_delta < 0 then c.location else v_adjustment end, c.status,
                case when v_delta < 0 then v_adjustment else c.location end, c.status,
                c.lot, c.owner, c.at, v_now);
            perform recount(c.item, c.location, c.status, c.lot, c.owner, v_delta, c.at, c.tie, v_now);
        end if;
    end loop;
end $$;
