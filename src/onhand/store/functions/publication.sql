-- Numbers out: working out what channels should show, writing down what they were told. See docs/concepts/publication.md.
--
-- Whoever takes rows of publication takes them in the order of their key. The planner settings stand because of plans
-- cached while the tables were empty.

-- Take what changed among the items of these shards; the caller holds the shards' rows.
create or replace function publication_take(p_shards integer[], p_limit integer)
returns table (item_id bigint, at timestamptz) language plpgsql as $$
#variable_conflict use_column
begin
    return query
    with taken as (
        delete from dirty_item
         where ctid = any (array(select ctid from dirty_item where item_id % 16 = any (p_shards) limit p_limit))
        returning item_id, at)
    select t.item_id, min(t.at) from taken t group by t.item_id order by t.item_id;
end $$;

-- The kits that these items are parts of have other numbers too; they are worked out in the turn of their own shard.
create or replace function publication_mark_kits(p_items bigint[]) returns bigint language plpgsql
set enable_seqscan = off
as $$
declare
    v_n bigint;
begin
    if not exists (select from item where kind = 'kit') then
        return 0;
    end if;
    insert into dirty_item (item_id)
    select distinct k.id
      from item p join item k on k.kind = 'kit' and k.components @> jsonb_build_array(jsonb_build_object('sku', p.sku))
     where p.id = any (p_items);
    get diagnostics v_n = row_count;
    return v_n;
end $$;

-- Write what channels should show. Only rows that differ come here. A row that is due already keeps the instant since when
-- it is, so that its index is left alone.
create or replace function publication_write(
    p_now timestamptz, p_network integer,
    p_item bigint[], p_channel integer[], p_location integer[], p_listing text[], p_place text[], p_state text[],
    p_available bigint[], p_desired bigint[], p_per_h double precision[], p_rank integer[], p_changed timestamptz[])
returns void language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
begin
    insert into publication as p (item_id, channel_id, location_id, listing, place, state, available, desired, desired_at,
                                  network, per_h, per_h_at, rank, due_at, behind_since)
    select u.item, u.channel, u.location, u.listing, u.place, u.state, u.available, u.desired, p_now, p_network, u.per_h,
           p_now, u.rank, case when u.state = 'listed' then p_now end, case when u.state = 'listed' then u.changed end
      from unnest(p_item, p_channel, p_location, p_listing, p_place, p_state, p_available, p_desired, p_per_h, p_rank,
                  p_changed)
           u(item, channel, location, listing, place, state, available, desired, per_h, rank, changed)
     order by u.item, u.channel, u.location
        on conflict (item_id, channel_id, location_id) do update
       set listing = excluded.listing, place = excluded.place, available = excluded.available,
           desired = excluded.desired, desired_at = excluded.desired_at, network = excluded.network,
           per_h = excluded.per_h, per_h_at = excluded.per_h_at, rank = excluded.rank,
           state = case when excluded.state = 'off' then 'off'
                        when p.state = 'off' or p.state = 'stuck' and p.desired <> excluded.desired
                             or p.listing <> excluded.listing or p.place is distinct from excluded.place then 'listed'
                        when p.state = 'refused' and p.desired <> excluded.desired and p.refusals < 3 then 'listed'
                        else p.state end,
           -- Another listing is another thing, and one that was off may show anything by now: nothing is known of it.
           shown = case when p.state = 'off' or p.listing <> excluded.listing or p.place is distinct from excluded.place then null else p.shown end,
           -- What a ticket will answer for is the listing that was told: its answer says nothing of another one.
           ticket = case when (p.listing, p.place) is not distinct from (excluded.listing, excluded.place) then p.ticket end,
           ticket_at = case when (p.listing, p.place) is not distinct from (excluded.listing, excluded.place) then p.ticket_at end,
           refusals = case when p.listing <> excluded.listing then 0 else p.refusals end,
           due_at = case when excluded.state = 'off' then null
                         when (p.listing, p.place) is distinct from (excluded.listing, excluded.place) then p_now
                         when p.ticket is not null then null
                         when excluded.desired = p.shown and p.cause = 'change' and p.state <> 'off' then null
                         when p.due_at <= p_now then p.due_at
                         when p.cause = 'retry' and p.due_at is not null then p.due_at
                         else p_now end,
           behind_since = case when excluded.state = 'off' then null
                               when excluded.desired = p.shown and p.state <> 'off'
                                    and (p.listing, p.place) is not distinct from (excluded.listing, excluded.place) then null
                               else coalesce(p.behind_since, excluded.behind_since) end;
end $$;

-- What to do with listings that are not told now: wait, or nothing.
create or replace function publication_put_off(
    p_item bigint[], p_channel integer[], p_location integer[], p_until timestamptz[],
    p_desired bigint[], p_shown bigint[], p_cause text[])
returns void language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
begin
    update publication p
       set due_at = u.until, cause = case when u.until is null then 'change' else p.cause end,
           behind_since = case when u.until is null then null else p.behind_since end
      from unnest(p_item, p_channel, p_location, p_until, p_desired, p_shown, p_cause)
           u(item, channel, location, until, desired, shown, cause)
     where p.item_id = u.item and p.channel_id = u.channel and p.location_id = u.location
       and p.desired = u.desired and p.shown is not distinct from u.shown and p.cause = u.cause;
end $$;

-- Tie listings to the commands that will tell them, or read them back.
create or replace function publication_tie(
    p_item bigint[], p_channel integer[], p_location integer[], p_command bigint[], p_look boolean)
returns void language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
begin
    update publication p
       set command_id = case when p_look then p.command_id else u.command end,
           look_id = case when p_look then u.command else p.look_id end
      from unnest(p_item, p_channel, p_location, p_command) u(item, channel, location, command)
     where p.item_id = u.item and p.channel_id = u.channel and p.location_id = u.location;
end $$;

-- Write down what came of telling listings. `what`: acknowledged; later (the channel answers under a ticket); stale (it
-- shows another number than it was compared with); unknown; refused; unlisted; failed (surely not done); lost (a ticket
-- that was never answered, or an answer of "not now"; told again at its p_look); same (it shows the number already).
-- `listing`: its name when it was told. Where it has another one by now, nothing was said of that one: it is told. Who records late, after a later call was recorded, only raises a doubt.
create or replace function publication_record(
    p_now timestamptz, p_item bigint[], p_channel integer[], p_location integer[], p_command bigint[], p_what text[],
    p_quantity bigint[], p_started timestamptz[], p_key text[], p_ticket text[], p_available bigint[], p_network integer,
    p_stage text[], p_terms text[], p_detail text[], p_look timestamptz[], p_listing text[], p_refusals_max integer)
returns void language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
declare
    v_n integer;
begin
    for v_n in
        select locked.n
          from (select u.n, u.listing <> p.listing || coalesce('@' || p.place, '') as renamed
                  from publication p
                  join unnest(p_item, p_channel, p_location, p_listing) with ordinality u(item, channel, location, listing, n)
                    on p.item_id = u.item and p.channel_id = u.channel and p.location_id = u.location
                 order by p.item_id, p.channel_id, p.location_id for update of p) locked
         where locked.renamed
    loop
        p_what[v_n] := 'renamed';
    end loop;
    insert into publication_log (item_id, channel_id, location_id, at, what, quantity, available, network, stage,
                                 command_id, lag_ms, terms, detail)
    select u.item, u.channel, u.location, p_now, case when p.sent_at > u.started or u.what = 'renamed' then 'late' else u.what end, u.quantity,
           u.available, p_network, u.stage, u.command,
           case when u.what = 'acknowledged' then greatest(0, extract(epoch from p_now - p.behind_since) * 1000)::bigint end,
           u.terms, u.detail
      from unnest(p_item, p_channel, p_location, p_command, p_what, p_quantity, p_started, p_available, p_stage, p_terms,
                  p_detail)
           u(item, channel, location, command, what, quantity, started, available, stage, terms, detail)
      join publication p on p.item_id = u.item and p.channel_id = u.channel and p.location_id = u.location
     where u.what <> 'same'
     order by u.item, u.channel, u.location;
    update publication p
       set look_at = coalesce(least(p.look_at, p_now), p_now), look_why = 'doubt'
      from unnest(p_item, p_channel, p_location, p_started) u(item, channel, location, started)
     where p.item_id = u.item and p.channel_id = u.channel and p.location_id = u.location and p.sent_at > u.started;
    update publication p
       set sent = case when u.what in ('acknowledged', 'later', 'unknown') and u.started is not null then u.quantity else p.sent end,
           sent_at = case when u.what in ('acknowledged', 'later', 'unknown') then coalesce(u.started, p.sent_at) else p.sent_at end,
           sent_key = coalesce(u.key, p.sent_key),
           acknowledged = case when u.what = 'acknowledged' then u.quantity else p.acknowledged end,
           acknowledged_at = case when u.what = 'acknowledged' then p_now else p.acknowledged_at end,
           shown = case when u.what = 'acknowledged' then u.quantity else p.shown end,
           ticket = case when u.what = 'later' then u.ticket when u.what = 'unknown' then p.ticket else null end,
           ticket_at = case when u.what = 'later' then p_now when u.what = 'unknown' then p.ticket_at else null end,
           state = case when u.what = 'unlisted' then 'unlisted'
                        when u.what = 'refused' and (p.desired = u.quantity or p.refusals + 1 >= p_refusals_max)
                             then 'refused' else p.state end,
           refusals = case when u.what = 'refused' then p.refusals + 1 when u.what = 'acknowledged' then 0 else p.refusals end,
           failures = case when u.what = 'acknowledged' then 0 when u.what = 'lost' then p.failures + 1 else p.failures end,
           failed_at = case when u.what = 'acknowledged' then null when u.what in ('later', 'stale', 'same', 'renamed') then p.failed_at else p_now end,
           error = case when u.what in ('acknowledged', 'later') then null when u.what in ('same', 'renamed') then p.error else coalesce(u.detail, p.error) end,
           command_id = case when u.what in ('unknown', 'failed') or p.command_id is distinct from u.command and u.command is not null
                             then p.command_id end,
           cause = case when u.what = 'lost' then 'retry' when u.what = 'stale' then 'repair'
                        when u.what in ('unknown', 'failed') then p.cause else 'change' end,
           due_at = case when u.what in ('unknown', 'failed') then p.due_at
                         when u.what in ('unlisted', 'stale', 'later') then null
                         when u.what = 'renamed' then p_now
                         when u.what = 'lost' then coalesce(u.look, p_now)
                         when u.what = 'refused' and p.refusals + 1 >= p_refusals_max then null
                         when p.desired = u.quantity then null else p_now end,
           behind_since = case when u.what = 'acknowledged' and p.desired = u.quantity or u.what = 'unlisted'
                                    or u.what = 'refused' and (p.desired = u.quantity or p.refusals + 1 >= p_refusals_max) then null
                               when u.what = 'acknowledged' then greatest(p.behind_since, p.desired_at)
                               else p.behind_since end,
           look_at = case when u.look is not null and u.what not in ('lost', 'renamed') then least(coalesce(p.look_at, u.look), u.look)
                          else p.look_at end,
           look_why = case when u.look is null or u.what in ('lost', 'renamed') then p.look_why when u.what = 'stale' then 'conflict' else 'doubt' end
      from unnest(p_item, p_channel, p_location, p_command, p_what, p_quantity, p_started, p_key, p_ticket, p_detail, p_look)
           u(item, channel, location, command, what, quantity, started, key, ticket, detail, look)
     where p.item_id = u.item and p.channel_id = u.channel and p.location_id = u.location
       and not coalesce(p.sent_at > u.started, false);
end $$;

-- Write down what channels were found to show. `what`: in_step, sold, drift, stuck, unlisted. What was seen under a name
-- that the listing has no more says nothing.
create or replace function publication_looked(
    p_now timestamptz, p_item bigint[], p_channel integer[], p_location integer[], p_what text[], p_shown bigint[],
    p_again timestamptz[], p_why text[], p_detail text[], p_listing text[])
returns void language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
begin
    perform 1 from publication p
       join unnest(p_item, p_channel, p_location) u(item, channel, location)
         on p.item_id = u.item and p.channel_id = u.channel and p.location_id = u.location
      order by p.item_id, p.channel_id, p.location_id for update of p;
    insert into publication_log (item_id, channel_id, location_id, at, what, quantity, detail)
    select u.item, u.channel, u.location, p_now, case when u.what in ('in_step', 'sold') then 'read_back' else u.what end,
           u.shown, u.detail
      from unnest(p_item, p_channel, p_location, p_what, p_shown, p_detail, p_listing)
           u(item, channel, location, what, shown, detail, listing)
      join publication p on p.item_id = u.item and p.channel_id = u.channel and p.location_id = u.location
                        and u.listing = p.listing || coalesce('@' || p.place, '')
     order by u.item, u.channel, u.location;
    update publication p
       set read_back = u.shown, read_back_at = p_now, shown = u.shown, look_id = null, look_at = u.again,
           look_why = case when u.again is not null then u.why end,
           state = case when u.what = 'unlisted' then 'unlisted' when u.what = 'stuck' then 'stuck' else p.state end,
           stubborn = case when u.what = 'drift' then p.stubborn + 1 when u.what = 'stuck' then 0
                           when u.what = 'in_step' then 0 else p.stubborn end,
           drifts = p.drifts + (u.what in ('drift', 'stuck'))::integer,
           cause = case when u.what = 'drift' or u.what <> 'stuck' and p.cause = 'repair' and p.desired <> u.shown then 'repair'
                        when p.cause = 'repair' then 'change' else p.cause end,
           due_at = case when u.what in ('unlisted', 'stuck') or u.what = 'sold' and p.desired >= u.shown then null
                         when u.shown = p.desired then case when p.cause in ('repair', 'change') then null else p.due_at end
                         else coalesce(least(p.due_at, p_now), p_now) end,
           behind_since = case when u.what in ('unlisted', 'stuck') or u.shown = p.desired then null
                               else coalesce(p.behind_since, p_now) end,
           error = case when u.what in ('stuck', 'unlisted') then u.detail else p.error end,
           failed_at = case when u.what in ('stuck', 'unlisted') then p_now else p.failed_at end
      from unnest(p_item, p_channel, p_location, p_what, p_shown, p_again, p_why, p_detail, p_listing)
           u(item, channel, location, what, shown, again, why, detail, listing)
     where p.item_id = u.item and p.channel_id = u.channel and p.location_id = u.location
       and u.listing = p.listing || coalesce('@' || p.place, '');
end $$;

-- Listings whose command ended without a word (dead, discarded, or settled by a worker that was killed before it could
-- record) are looked at again, after a rest that grows; so are those whose read-back ended so, and tickets never answered.
create or replace function publication_untie(p_now timestamptz, p_channels integer[], p_limit integer)
returns table (channel_id integer, item_id bigint) language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
begin
    return query
    with ended as (
        select p.item_id, p.channel_id, p.location_id, o.state as how, o.reason
          from publication p left join outbox o on o.id = p.command_id
         where p.channel_id = any (p_channels) and p.command_id is not null
           and (o.id is null or o.state in ('done', 'dead', 'discarded'))
         order by p.item_id, p.channel_id, p.location_id limit p_limit for update of p skip locked)
    update publication p
       set command_id = null, failures = p.failures + (e.how is distinct from 'done')::integer, failed_at = p_now,
           error = coalesce(e.reason, p.error), cause = case when p.shown = p.desired then p.cause else 'retry' end,
           due_at = case when p.ticket is not null then null when e.how = 'done' then p_now
                         else p_now + make_interval(secs => least(21600, 60 * 2 ^ least(9, p.failures))) end
      from ended e
     where p.item_id = e.item_id and p.channel_id = e.channel_id and p.location_id = e.location_id
    returning p.channel_id, p.item_id;
    update publication p set look_id = null
     where p.channel_id = any (p_channels) and p.look_at is not null and p.look_id is not null
       and not exists (select from outbox o where o.id = p.look_id and o.state not in ('done', 'dead', 'discarded'));
end $$;
