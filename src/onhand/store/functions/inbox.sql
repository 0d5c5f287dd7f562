-- The inbox: storing what came, and writing down what became of it. See docs/concepts/inbox.md.

-- The number of a feed; a feed exists from its first mention.
create or replace function inbox_feed(p_feed text)
returns integer language plpgsql as $$
declare
    v_id integer := (select id from feed_state where code = p_feed);
begin
    if v_id is null then
        insert into feed_state (code) values (p_feed) on conflict do nothing;
        select id into v_id from feed_state where code = p_feed;
    end if;
    return v_id;
end $$;

-- Store messages. The same key with the same body is the same message; with another body it is one of its own, marked.
create or replace function inbox_put(
    p_now timestamptz, p_feed text, p_mode text, p_snapshot bigint, p_key text[], p_digest bytea[], p_type text[],
    p_body bytea[], p_occurred timestamptz[], p_facts text[])
returns table (place integer, id bigint, outcome text)     -- stored, changed, repeated
language plpgsql as $$
#variable_conflict use_column
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_feed integer := inbox_feed(p_feed);
    v_fresh bigint[];
begin
    with stored as (
        insert into inbox (feed_id, key, digest, changed, state, mode, content_type, body, facts, occurred_at, received_at,
                           snapshot_id, due_at)
        select v_feed, u.key, u.digest,
               exists (select from inbox o where o.feed_id = v_feed and o.key = u.key and o.digest <> u.digest)
                   or exists (select from unnest(p_key, p_digest) with ordinality e(key, digest, place)
                               where e.key = u.key and e.digest <> u.digest and e.place < u.place),
               'new', p_mode, u.type, u.body, u.facts, u.occurred, v_now, p_snapshot, v_now
          from unnest(p_key, p_digest, p_type, p_body, p_occurred, p_facts)
               with ordinality u(key, digest, type, body, occurred, facts, place)
         where not exists (select from inbox o where o.feed_id = v_feed and o.key = u.key and o.digest = u.digest)
         order by u.place
            on conflict do nothing
        returning inbox.id)
    select array_agg(stored.id) into v_fresh from stored;
    v_fresh := coalesce(v_fresh, '{}');
    -- Any row that is not fresh is a repetition, also one that another transaction stored a moment ago.
    update inbox i set repeats = i.repeats + 1
      from (select distinct u.key, u.digest from unnest(p_key, p_digest) u(key, digest)) u
     where i.feed_id = v_feed and i.key = u.key and i.digest = u.digest and not i.id = any (v_fresh);
    return query
    select u.place::integer, i.id,
           case when not i.id = any (v_fresh) then 'repeated' when i.changed then 'changed' else 'stored' end
      from unnest(p_key, p_digest) with ordinality u(key, digest, place)
      join inbox i on i.feed_id = v_feed and i.key = u.key and i.digest = u.digest
     order by u.place;
end $$;

-- Write down how tries to map messages ended; only of those that the holder still holds. Returns which those were.
create or replace function inbox_finish(
    p_now timestamptz, p_holder text, p_id bigint[], p_try integer[], p_state text[], p_attempts integer[],
    p_due timestamptz[], p_outcome text[], p_counted boolean[], p_reason text[], p_place text[], p_print text[],
    p_took_ms integer[])
returns bigint[] language plpgsql as $$
#variable_conflict use_column
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_held bigint[];
begin
    select coalesce(array_agg(x.id), '{}') into v_held from (
        select i.id from inbox i join unnest(p_id, p_try) u(id, try) on u.id = i.id
         where i.holder = p_holder and i.tries = u.try and i.state = 'new'
         order by i.id for update of i) x;
    update inbox i
       set state = u.state, attempts = u.attempts, due_at = coalesce(u.due, i.due_at), holder = null, lease_until = null,
           finished_at = case when u.state <> 'new' then v_now end, reason = nullif(u.reason, ''),
           place = nullif(u.place, ''), fingerprint = coalesce(nullif(u.print, ''), i.fingerprint)
      from unnest(p_id, p_state, p_attempts, p_due, p_reason, p_place, p_print) u(id, state, attempts, due, reason, place, print)
     where i.id = u.id and i.id = any (v_held);
    insert into inbox_attempt (message_id, number, at, took_ms, holder, fingerprint, outcome, counted, reason, place)
    select u.id, u.try, v_now, u.took_ms, p_holder, u.print, u.outcome, u.counted, u.reason, u.place
      from unnest(p_id, p_try, p_took_ms, p_print, p_outcome, p_counted, p_reason, p_place)
           u(id, try, took_ms, print, outcome, counted, reason, place)
     where u.id = any (v_held)
        on conflict do nothing;
    return v_held;
end $$;

-- Write down what became of events. What was applied once stays applied: a replay that finds it there is no news.
create or replace function inbox_lineage(
    p_message bigint[], p_source text[], p_event text[], p_outcome text[], p_quarantine bigint[], p_reason text[])
returns void language sql as $$
    insert into inbox_event as e (message_id, source, event_id, outcome, quarantine_id, reason)
    select * from unnest(p_message, p_source, p_event, p_outcome, p_quarantine, p_reason) u
     order by 1, 2, 3
        on conflict (message_id, source, event_id) do update
       set outcome = excluded.outcome, quarantine_id = excluded.quarantine_id, reason = excluded.reason
     where not (e.outcome = 'applied' and excluded.outcome = 'duplicate')
$$;

-- What the ledger says was there at a moment, what of our open promises was made by then, and as of when the feed has
-- stated it already. One element a place.
create or replace function inbox_standing(
    p_feed text, p_sku text[], p_location text[], p_status text[], p_lot text[], p_at timestamptz[])
returns table (place integer, balance bigint, reserved bigint, allocated bigint, backordered bigint, stated_at timestamptz)
language plpgsql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
#variable_conflict use_column
declare
    v_feed integer := (select id from feed_state where code = p_feed);
begin
    return query
    select u.place::integer,
           coalesce(case when b.moved_at <= u.at then b.quantity
                         when b.moved_at > u.at
                         then balance_before_count(x.item, x.location, x.status, x.lot, 1, u.at, U&'\FFFD') end, 0),
           c.reserved, c.allocated, d.quantity, s.as_of
      from unnest(p_sku, p_location, p_status, p_lot, p_at) with ordinality u(sku, location, status, lot, at, place)
     cross join lateral (
           select (select id from item where sku = u.sku) as item, (select id from location where code = u.location) as location,
                  (select id from status where code = u.status) as status) y
     cross join lateral (
           select y.*, case when u.lot = '' then 0
                            else coalesce((select id from lot where item_id = y.item and code = u.lot), -1) end as lot) x
      left join inbox_stated s on s.feed_id = v_feed and s.sku = u.sku and s.location = u.location and s.status = u.status
                              and s.lot = u.lot
      left join balance b on b.item_id = x.item and b.location_id = x.location and b.status_id = x.status
                         and b.lot_id = x.lot and b.owner_id = 1
     cross join lateral (
           select coalesce(sum(c.quantity - c.allocated) filter (where r.expires_at is null or r.expires_at > u.at), 0)::bigint as reserved,
                  coalesce(sum(c.allocated), 0)::bigint as allocated
             from claim c join reservation r on r.id = c.reservation_id
            where c.item_id = x.item and c.location_id = x.location and (u.lot = '' or c.lot_id = x.lot)
              and r.created_at <= u.at) c
     cross join lateral (
           select coalesce(sum(o.quantity), 0)::bigint as quantity from backorder o
            where o.item_id = x.item and o.created_at <= u.at) d
     order by u.place;
end $$;

-- What stood at a moment, at a place and in a status, of items that a snapshot did not name; a page in order of SKUs.
create or replace function inbox_unnamed(p_snapshot bigint, p_location text, p_status text, p_at timestamptz, p_after text, p_n integer)
returns table (sku text, lot text, quantity bigint) language sql stable as $$
    select x.sku, x.lot, x.quantity from (
        select i.sku, coalesce(t.code, '') as lot,
               case when b.moved_at <= p_at then b.quantity
                    else balance_before_count(b.item_id, b.location_id, b.status_id, b.lot_id, 1, p_at, U&'\FFFD') end as quantity
          from (select i.id, i.sku from item i
                 where i.sku > p_after
                   and not exists (select from inbox_named n where n.snapshot_id = p_snapshot and n.location = p_location
                                      and n.status = p_status and n.sku = i.sku)
                   and exists (select from balance b where b.item_id = i.id
                                  and b.location_id = (select id from location where code = p_location)
                                  and b.status_id = (select id from status where code = p_status)
                                  and b.owner_id = 1 and (b.quantity <> 0 or b.moved_at > p_at))
                 order by i.sku limit p_n) i
          join balance b on b.item_id = i.id and b.location_id = (select id from location where code = p_location)
                        and b.status_id = (select id from status where code = p_status) and b.owner_id = 1
          left join lot t on t.item_id = b.item_id and t.id = b.lot_id) x
     order by x.sku, x.lot
$$;

-- Remember as of when a feed has stated places.
create or replace function inbox_state(
    p_feed text, p_sku text[], p_location text[], p_status text[], p_lot text[], p_at timestamptz[])
returns void language sql as $$
    insert into inbox_stated as s (feed_id, sku, location, status, lot, as_of)
    select inbox_feed(p_feed), u.sku, u.location, u.status, u.lot, max(u.at)
      from unnest(p_sku, p_location, p_status, p_lot, p_at) u(sku, location, status, lot, at)
     group by u.sku, u.location, u.status, u.lot
     order by 2, 3, 4, 5
        on conflict (feed_id, sku, location, status, lot) do update set as_of = excluded.as_of where s.as_of < excluded.as_of
$$;
