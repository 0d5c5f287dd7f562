-- Claiming: a batch of planned orders takes its stock, or single orders of it are refused whole.
-- The UPDATE's predicate, never an earlier read, is what forbids oversell. See docs/concepts/promises.md.
--
-- The planner settings stand because a plan cached while the tables were empty turns these joins quadratic.

create or replace function claim_batch(
    p_now timestamptz,
    p_network integer,
    -- one element an order, in arrival order
    p_client integer[], p_request text[], p_fingerprint bytea[], p_channel integer[], p_state text[],
    p_expires timestamptz[], p_body text[], p_answer text[],
    -- the distinct pool rows, sorted
    p_item bigint[], p_location integer[],
    -- the distinct lot rows and ring-fences, sorted; empty where the batch touches none
    p_lot_item bigint[], p_lot_location integer[], p_lot bigint[],
    p_fence_item bigint[], p_fence_location integer[], p_fence_group integer[],
    -- one element a claim, grouped by order; *_key index into the arrays above, 0 = none
    c_order integer[], c_line integer[], c_key integer[], c_lot_key integer[], c_fence_key integer[],
    c_quantity bigint[], c_from_fence bigint[], c_keep bigint[],
    -- what stays backordered
    w_order integer[], w_line integer[], w_item bigint[], w_quantity bigint[],
    p_lock boolean default false)
returns table (reservation_id bigint, outcome smallint)    -- 1 decided now, 2 decided before, 3 refused: plan again
language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
#variable_conflict use_column
declare
    n integer := cardinality(p_request);
    m integer := cardinality(c_order);
    k integer := cardinality(p_item);
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_id bigint[] := array_fill(null::bigint, array[n]);
    v_outcome smallint[] := array_fill(1::smallint, array[n]);
    v_at integer[];  v_found bigint[];
    v_free bigint[] := array_fill(null::bigint, array[k]);
    v_take bigint[] := array_fill(0::bigint, array[k]);
    v_fenced bigint[] := array_fill(0::bigint, array[k]);
    v_need bigint[] := array_fill((-4611686018427387904)::bigint, array[k]);
    v_lot_free bigint[];  v_lot_take bigint[];
    v_fence_free bigint[];  v_fence_take bigint[];
    i integer := 1;  j integer;  c integer;  ok boolean;  upset boolean := false;  wanted integer;  got integer;
begin
    -- 1. A request decided before keeps its first answer.
    select array_agg(u.o), array_agg(r.id) into v_at, v_found
      from unnest(p_client, p_request) with ordinality u(c, r, o)
      join reservation r on r.client_id = u.c and r.request_id = u.r;
    for x in 1 .. coalesce(cardinality(v_at), 0) loop
        v_id[v_at[x]] := v_found[x];  v_outcome[v_at[x]] := 2;
    end loop;

    -- 2. What is free now; locked, in key order, only after a lost race.
    if p_lock then
        perform 1 from unnest(p_item, p_location) with ordinality x(i, l, o)
          join stock s on s.item_id = x.i and s.location_id = x.l order by x.o for update of s;
    end if;
    select array_agg(x.o), array_agg(s.on_hand - s.reserved - s.allocated - s.fenced) into v_at, v_found
      from unnest(p_item, p_location) with ordinality x(i, l, o)
      join stock s on s.item_id = x.i and s.location_id = x.l;
    for x in 1 .. coalesce(cardinality(v_at), 0) loop v_free[v_at[x]] := v_found[x]; end loop;
    if cardinality(p_lot) > 0 then
        v_lot_take := array_fill(0::bigint, array[cardinality(p_lot)]);
        v_lot_free := array_fill(0::bigint, array[cardinality(p_lot)]);
        select array_agg(x.o), array_agg(s.on_hand - s.held) into v_at, v_found
          from unnest(p_lot_item, p_lot_location, p_lot) with ordinality x(i, l, t, o)
          join lot_stock s on s.item_id = x.i and s.location_id = x.l and s.lot_id = x.t;
        for x in 1 .. coalesce(cardinality(v_at), 0) loop v_lot_free[v_at[x]] := v_found[x]; end loop;
    end if;
    if cardinality(p_fence_group) > 0 then
        v_fence_take := array_fill(0::bigint, array[cardinality(p_fence_group)]);
        v_fence_free := array_fill(0::bigint, array[cardinality(p_fence_group)]);
        select array_agg(x.o), array_agg(f.quantity - f.consumed) into v_at, v_found
          from unnest(p_fence_item, p_fence_location, p_fence_group) with ordinality x(i, l, g, o)
          join ring_fence f on f.item_id = x.i and f.location_id = x.l and f.group_id = x.g;
        for x in 1 .. coalesce(cardinality(v_at), 0) loop v_fence_free[v_at[x]] := v_found[x]; end loop;
    end if;

    -- 3. Decide in arrival order; an order is taken whole or not at all. Plans were made one behind the other: where an
    --    order with claims does not stand, whoever fell short behind it did so on wrong numbers and is planned again.
    for o in 1 .. n loop
        j := i;  ok := v_outcome[o] = 1 and not (upset and p_state[o] <> 'granted');
        while j <= m and c_order[j] = o loop
            if ok then
                c := c_key[j];
                v_take[c] := v_take[c] + c_quantity[j];
                v_fenced[c] := v_fenced[c] + c_from_fence[j];
                if c_lot_key[j] > 0 then
                    v_lot_take[c_lot_key[j]] := v_lot_take[c_lot_key[j]] + c_quantity[j];
                end if;
                if c_fence_key[j] > 0 then
                    v_fence_take[c_fence_key[j]] := v_fence_take[c_fence_key[j]] + c_from_fence[j];
                end if;
            end if;
            j := j + 1;
        end loop;
        if ok then
            -- Judged on the sums of the whole order: the same item on several lines adds up.
            for x in i .. j - 1 loop
                c := c_key[x];
                if v_free[c] is null or v_free[c] - v_take[c] + v_fenced[c] < c_keep[x]
                   or (c_lot_key[x] > 0 and v_lot_take[c_lot_key[x]] > v_lot_free[c_lot_key[x]])
                   or (c_fence_key[x] > 0 and v_fence_take[c_fence_key[x]] > v_fence_free[c_fence_key[x]]) then
                    ok := false;
                end if;
            end loop;
            for x in i .. j - 1 loop
                c := c_key[x];
                if ok then
                    v_need[c] := greatest(v_need[c], v_take[c] - v_fenced[c] + c_keep[x]);
                else
                    v_take[c] := v_take[c] - c_quantity[x];
                    v_fenced[c] := v_fenced[c] - c_from_fence[x];
                    if c_lot_key[x] > 0 then
                        v_lot_take[c_lot_key[x]] := v_lot_take[c_lot_key[x]] - c_quantity[x];
                    end if;
                    if c_fence_key[x] > 0 then
                        v_fence_take[c_fence_key[x]] := v_fence_take[c_fence_key[x]] - c_from_fence[x];
                    end if;
                end if;
            end loop;
        end if;
        if not ok and v_outcome[o] = 1 then v_outcome[o] := 3; end if;
        upset := upset or (not ok and j > i);
        i := j;
    end loop;

    -- 4. Take the stock, in key order. If a row moved since it was read, nothing is taken at all.
    wanted := 0;
    for x in 1 .. k loop if v_take[x] > 0 then wanted := wanted + 1; end if; end loop;
    if wanted > 0 then
        update stock s set reserved = s.reserved + d.q, fenced = s.fenced - d.f
          from unnest(p_item, p_location, v_take, v_fenced, v_need) d(i, l, q, f, need)
         where d.q > 0 and s.item_id = d.i and s.location_id = d.l
           and s.on_hand - s.reserved - s.allocated - s.fenced >= d.need;
        get diagnostics got = row_count;
        if got <> wanted then raise exception 'stock moved' using errcode = 'ON003'; end if;
        insert into dirty_item (item_id)
        select d.i from unnest(p_item, v_take) d(i, q) where d.q > 0 and (select publishing from in_force);
    end if;
    if cardinality(p_lot) > 0 then
        update lot_stock s set held = s.held + d.q
          from unnest(p_lot_item, p_lot_location, p_lot, v_lot_take) d(i, l, t, q)
         where d.q > 0 and s.item_id = d.i and s.location_id = d.l and s.lot_id = d.t and s.on_hand - s.held >= d.q;
        get diagnostics got = row_count;
        wanted := (select count(*) from unnest(v_lot_take) q where q > 0);
        if got <> wanted then raise exception 'a lot moved' using errcode = 'ON003'; end if;
    end if;
    if cardinality(p_fence_group) > 0 then
        update ring_fence f set consumed = f.consumed + d.q
          from unnest(p_fence_item, p_fence_location, p_fence_group, v_fence_take) d(i, l, g, q)
         where d.q > 0 and f.item_id = d.i and f.location_id = d.l and f.group_id = d.g
           and f.quantity - f.consumed >= d.q;
        get diagnostics got = row_count;
        wanted := (select count(*) from unnest(v_fence_take) q where q > 0);
        if got <> wanted then raise exception 'a ring-fence moved' using errcode = 'ON003'; end if;
    end if;

    -- 5. Record the decisions, sorted by their natural key: in arrival order two nodes would deadlock here.
    --    A unique violation is a concurrent duplicate: the caller repeats the batch and gets the first answer.
    for x in 1 .. n loop
        if v_outcome[x] = 1 then v_id[x] := nextval('reservation_id_seq'); end if;
    end loop;
    insert into reservation (id, client_id, request_id, fingerprint, channel_id, state, open, created_at, expires_at,
                             network_version, request, answer) overriding system value
    select u.id, u.client, u.request, u.fingerprint, u.channel, u.state, u.state <> 'refused', v_now, u.expires,
           p_network, u.body, u.answer
      from unnest(v_outcome, v_id, p_client, p_request, p_fingerprint, p_channel, p_state, p_expires, p_body, p_answer)
           u(outcome, id, client, request, fingerprint, channel, state, expires, body, answer)
     where u.outcome = 1 order by u.client, u.request;
    insert into promise_log (reservation_id, verb, state, at, expires_at)
    select u.id, 'create', u.state, v_now, u.expires
      from unnest(v_outcome, v_id, p_state, p_expires) u(outcome, id, state, expires) where u.outcome = 1;
    if m > 0 then
        insert into claim (item_id, reservation_id, line, location_id, lot_id, quantity, group_id, from_fence)
        select p_item[u.key], v_id[u.o], u.line, p_location[u.key],
               case when u.lot_key > 0 then p_lot[u.lot_key] else 0 end, u.quantity,
               case when u.fence_key > 0 then p_fence_group[u.fence_key] else 0 end, u.from_fence
          from unnest(c_order, c_line, c_key, c_lot_key, c_fence_key, c_quantity, c_from_fence)
               u(o, line, key, lot_key, fence_key, quantity, from_fence)
         where v_outcome[u.o] = 1;
    end if;
    if cardinality(w_order) > 0 then
        insert into backorder (item_id, reservation_id, line, quantity, created_at)
        select u.item, v_id[u.o], u.line, u.quantity, v_now
          from unnest(w_order, w_line, w_item, w_quantity) u(o, line, item, quantity) where v_outcome[u.o] = 1;
    end if;
    return query select u.id, u.outcome from unnest(v_id, v_outcome) u(id, outcome);
end $$;

-- Give back all that one reservation holds, so that it can be planned anew; the caller's transaction goes on with retake.
create or replace function put_back(p_id bigint) returns void language plpgsql as $$
declare
    v_r bigint[];  v_i bigint[];  v_l integer[];  v_o integer[];  v_t bigint[];  v_q bigint[];
begin
    select array_agg(reservation_id), array_agg(item_id), array_agg(line), array_agg(location_id), array_agg(lot_id),
           array_agg(quantity)
      into v_r, v_i, v_l, v_o, v_t, v_q from claim where reservation_id = p_id;
    if v_r is not null then perform free_claims(v_r, v_i, v_l, v_o, v_t, v_q, true); end if;
    delete from backorder where reservation_id = p_id;
    -- What has left was lines of the old deal; the new one counts from nought. Their events tell them for ever.
    update fulfilment set line = -1 where reservation_id = p_id and line >= 0;
end $$;

-- Take the claims of one reservation that was put back and planned anew. All of them, or the signal that stock moved.
create or replace function retake(
    p_now timestamptz, p_id bigint, p_verb text, p_state text, p_channel integer, p_network integer, p_answer text, p_request text,
    c_line integer[], c_item bigint[], c_location integer[], c_lot bigint[], c_quantity bigint[],
    c_group integer[], c_from_fence bigint[], c_keep bigint[],
    w_line integer[], w_item bigint[], w_quantity bigint[])
returns void language plpgsql as $$
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    c record;
begin
    for c in
        select item, location, sum(quantity)::bigint as quantity, sum(from_fence)::bigint as from_fence, max(keep) as keep
          from unnest(c_item, c_location, c_quantity, c_from_fence, c_keep) u(item, location, quantity, from_fence, keep)
         group by item, location order by item, location
    loop
        update stock s set reserved = s.reserved + c.quantity, fenced = s.fenced - c.from_fence
         where s.item_id = c.item and s.location_id = c.location
           and s.on_hand - s.reserved - s.allocated - s.fenced - c.keep >= c.quantity - c.from_fence;
        if not found then raise exception 'stock moved' using errcode = 'ON003'; end if;
    end loop;
    for c in
        select item, location, lot, sum(quantity)::bigint as quantity
          from unnest(c_item, c_location, c_lot, c_quantity) u(item, location, lot, quantity)
         where lot > 0 group by item, location, lot order by item, location, lot
    loop
        update lot_stock s set held = s.held + c.quantity
         where s.item_id = c.item and s.location_id = c.location and s.lot_id = c.lot and s.on_hand - s.held >= c.quantity;
        if not found then raise exception 'a lot moved' using errcode = 'ON003'; end if;
    end loop;
    for c in
        select item, location, "group", sum(from_fence)::bigint as quantity
          from unnest(c_item, c_location, c_group, c_from_fence) u(item, location, "group", from_fence)
         where from_fence > 0 group by item, location, "group" order by item, location, "group"
    loop
        update ring_fence f set consumed = f.consumed + c.quantity
         where f.item_id = c.item and f.location_id = c.location and f.group_id = c."group"
           and f.quantity - f.consumed >= c.quantity;
        if not found then raise exception 'a ring-fence moved' using errcode = 'ON003'; end if;
    end loop;
    insert into dirty_item (item_id) select distinct u.i from unnest(c_item) u(i) where (select publishing from in_force);
    insert into claim (item_id, reservation_id, line, location_id, lot_id, quantity, group_id, from_fence)
    select item, p_id, line, location, lot, quantity, "group", from_fence
      from unnest(c_item, c_line, c_location, c_lot, c_quantity, c_group, c_from_fence)
           u(item, line, location, lot, quantity, "group", from_fence)
        on conflict (item_id, reservation_id, line, location_id, lot_id)
        do update set quantity = claim.quantity + excluded.quantity,
                      -- One claim gives back to one fence: that of its group. Of two, the one used up first.
                      group_id = case when claim.from_fence > 0 then claim.group_id else excluded.group_id end,
                      from_fence = claim.from_fence + case when claim.from_fence > 0 and claim.group_id <> excluded.group_id
                                                           then 0 else excluded.from_fence end;
    insert into backorder (item_id, reservation_id, line, quantity, created_at)
    select u.item, p_id, u.line, u.quantity, r.created_at      -- what still waits keeps its place in the queue
      from unnest(w_line, w_item, w_quantity) u(line, item, quantity) join reservation r on r.id = p_id;
    update reservation r
       set state = p_state, channel_id = p_channel, network_version = p_network, answer = p_answer, request = p_request,
           first_answer = coalesce(r.first_answer, first_answer_of(r.expires_at, r.answer))
     where r.id = p_id;
    perform settle_hardness(p_id, a.item_id) from promise_allocation a where a.reservation_id = p_id;
    perform settle_deadlines(v_now, array[p_id]);
    insert into promise_log (reservation_id, verb, state, at, expires_at, detail)
    select r.id, p_verb, r.state, v_now, r.expires_at, p_answer from reservation r where r.id = p_id;
end $$;

-- What a request was first answered is kept apart from the moment that a later verb changes it.
create or replace function first_answer_of(p_expires timestamptz, p_answer text) returns text language sql stable as $$
    select json_build_object('expires_at', p_expires, 'lines', p_answer::json)::text
$$;
