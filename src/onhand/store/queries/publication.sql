-- Numbers out: what changed, what channels should show, what they were told, what they show.

-- query: shards
-- in: first integer, n bigint
-- out: shard integer
-- Whoever gets these rows works out the numbers of their items until its transaction ends.
select shard from publication_shard order by (shard + $1) % 16 limit $2 for update skip locked;

-- query: take
-- in: shards integer[], n integer
-- out: item_id bigint, at timestamptz
select item_id, at from publication_take($1, $2);

-- query: mark_kits
-- in: items bigint[]
-- out: publication_mark_kits bigint
select publication_mark_kits($1);

-- query: mark
-- in: skus text[]
-- out:
-- retry: safe
insert into dirty_item (item_id) select id from item where sku = any ($1) and (select publishing from in_force);

-- query: dirty
-- out: waiting boolean
-- retry: safe
select exists (select from dirty_item) as waiting;

-- query: skus
-- in: items bigint[]
-- out: id bigint, sku text
-- retry: safe
select id, sku from item where id = any ($1);

-- query: known
-- in: items bigint[], channels integer[]
-- out: item_id bigint, channel_id integer, location_id integer, listing text, place text, state text, available bigint,
-- out: desired bigint, shown bigint, per_h double precision, per_h_at timestamptz, rank integer
-- retry: safe
select item_id, channel_id, location_id, listing, place, state, available, desired, shown, per_h, per_h_at, rank
  from publication where item_id = any ($1) and channel_id = any ($2);

-- query: write
-- in: now timestamptz, network integer, items bigint[], channels integer[], locations integer[], listings text[],
-- in: places text[], states text[], available bigint[], desired bigint[], per_h double precision[], ranks integer[],
-- in: changed timestamptz[]
-- out: publication_write void
select publication_write($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- query: channels
-- in: channels integer[]
-- out: channel_id integer, paused_at timestamptz, paused_by text, pause_reason text, stage text
-- retry: safe
select channel_id, paused_at, paused_by, pause_reason, stage from publication_channel where channel_id = any ($1);

-- query: ensure_channels
-- in: channels integer[]
-- out:
-- retry: safe
insert into publication_channel (channel_id) select c from unnest($1::integer[]) c order by c on conflict do nothing;

-- query: open
-- in: now timestamptz, channels integer[]
-- out: channel_id integer, now timestamptz, paused boolean, queued bigint, looking bigint
-- Whoever gets these rows decides what is told next until its transaction ends; nobody waits for it.
select c.channel_id, coalesce($1, clock_timestamp()) as now, c.paused_at is not null as paused,
       (select count(*) from publication p where p.channel_id = c.channel_id and p.command_id is not null) as queued,
       (select count(*) from publication p
         where p.channel_id = c.channel_id and p.look_at is not null and p.look_id is not null) as looking
  from publication_channel c where c.channel_id = any ($2) order by c.channel_id for update of c skip locked;

-- query: with_due
-- in: now timestamptz, channels integer[]
-- out: channel_id integer
-- retry: safe
select c.channel_id
  from unnest($2::integer[]) u(channel_id)
  join (select channel_id as c, channel_id from publication_channel where paused_at is null) c on c.channel_id = u.channel_id
 where exists (select from publication p where p.channel_id = c.c and p.due_at is not null and p.command_id is null
                                           and p.due_at <= coalesce($1, clock_timestamp()))
    or exists (select from publication p where p.channel_id = c.c and p.look_at <= coalesce($1, clock_timestamp())
                                           and p.look_id is null);

-- query: candidates
-- in: now timestamptz, channels integer[], n bigint
-- out: item_id bigint, channel_id integer, location_id integer, sku text, category text, channel text, location text,
-- out: listing text, place text, state text, available bigint, desired bigint, desired_at timestamptz,
-- out: network integer, per_h double precision, rank integer, cause text, due_at timestamptz,
-- out: behind_since timestamptz, command_id bigint, sent bigint, sent_at timestamptz, sent_key text,
-- out: acknowledged bigint, acknowledged_at timestamptz, ticket text, ticket_at timestamptz, read_back bigint,
-- out: read_back_at timestamptz, shown bigint, look_at timestamptz, look_why text, look_id bigint, stubborn integer,
-- out: refusals integer, failures integer, drifts integer, failed_at timestamptz, error text
select p.* from unnest($2::integer[]) w(channel_id)
 cross join lateral (
       select * from publication_line q
        where q.channel_id = w.channel_id and q.due_at is not null and q.command_id is null and q.due_at <= $1
        order by q.rank desc limit $3) p
 order by p.rank desc, p.item_id, p.channel_id, p.location_id limit $3;

-- query: to_look_at
-- in: now timestamptz, channels integer[], n bigint
-- out: item_id bigint, channel_id integer, location_id integer, sku text, category text, channel text, location text,
-- out: listing text, place text, state text, available bigint, desired bigint, desired_at timestamptz,
-- out: network integer, per_h double precision, rank integer, cause text, due_at timestamptz,
-- out: behind_since timestamptz, command_id bigint, sent bigint, sent_at timestamptz, sent_key text,
-- out: acknowledged bigint, acknowledged_at timestamptz, ticket text, ticket_at timestamptz, read_back bigint,
-- out: read_back_at timestamptz, shown bigint, look_at timestamptz, look_why text, look_id bigint, stubborn integer,
-- out: refusals integer, failures integer, drifts integer, failed_at timestamptz, error text
select p.* from publication_line p
 where p.channel_id = any ($2) and p.look_at <= $1 and p.look_id is null and p.command_id is null
 order by p.look_why = 'sample', p.look_at limit $3;

-- query: used
-- in: scope text, kind text, day date, keys text[]
-- out: key text, used bigint
-- retry: safe
select d.key, d.used from daily_use d join flow_scope s on s.id = d.scope_id
 where s.code = $1 and s.kind = $2 and d.day = $3 and d.key = any ($4);

-- query: put_off
-- in: items bigint[], channels integer[], locations integer[], until timestamptz[], desired bigint[], shown bigint[],
-- in: causes text[]
-- out: publication_put_off void
select publication_put_off($1, $2, $3, $4, $5, $6, $7);

-- query: tie
-- in: items bigint[], channels integer[], locations integer[], commands bigint[], look boolean
-- out: publication_tie void
select publication_tie($1, $2, $3, $4, $5);

-- query: some
-- in: channels text[], skus text[], locations text[]
-- out: item_id bigint, channel_id integer, location_id integer, sku text, category text, channel text, location text,
-- out: listing text, place text, state text, available bigint, desired bigint, desired_at timestamptz,
-- out: network integer, per_h double precision, rank integer, cause text, due_at timestamptz,
-- out: behind_since timestamptz, command_id bigint, sent bigint, sent_at timestamptz, sent_key text,
-- out: acknowledged bigint, acknowledged_at timestamptz, ticket text, ticket_at timestamptz, read_back bigint,
-- out: read_back_at timestamptz, shown bigint, look_at timestamptz, look_why text, look_id bigint, stubborn integer,
-- out: refusals integer, failures integer, drifts integer, failed_at timestamptz, error text
-- retry: safe
-- A location of '' is the channel as a whole.
select p.*
  from unnest($1::text[], $2::text[], $3::text[]) u(channel, sku, location)
  join item i on i.sku = u.sku join channel c on c.code = u.channel
  join publication_line p on p.item_id = i.id and p.channel_id = c.id
                         and p.location_id = coalesce((select l.id from location l where l.code = u.location), 0);

-- query: of_ticket
-- in: channel text, ticket text
-- out: item_id bigint, channel_id integer, location_id integer, sku text, category text, channel text, location text,
-- out: listing text, place text, state text, available bigint, desired bigint, desired_at timestamptz,
-- out: network integer, per_h double precision, rank integer, cause text, due_at timestamptz,
-- out: behind_since timestamptz, command_id bigint, sent bigint, sent_at timestamptz, sent_key text,
-- out: acknowledged bigint, acknowledged_at timestamptz, ticket text, ticket_at timestamptz, read_back bigint,
-- out: read_back_at timestamptz, shown bigint, look_at timestamptz, look_why text, look_id bigint, stubborn integer,
-- out: refusals integer, failures integer, drifts integer, failed_at timestamptz, error text
-- retry: safe
select p.* from publication_line p
 where p.channel_id = (select id from channel where code = $1) and p.ticket = $2;

-- query: record
-- in: now timestamptz, items bigint[], channels integer[], locations integer[], commands bigint[], what text[],
-- in: quantities bigint[], started timestamptz[], keys text[], tickets text[], available bigint[], network integer,
-- in: stages text[], terms text[], details text[], looks timestamptz[], listings text[], refusals_max integer
-- out: publication_record void
select publication_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18);

-- query: looked
-- in: now timestamptz, items bigint[], channels integer[], locations integer[], what text[], shown bigint[],
-- in: again timestamptz[], why text[], details text[], listings text[]
-- out: publication_looked void
select publication_looked($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- query: look_later
-- in: items bigint[], channels integer[], locations integer[], at timestamptz[]
-- out:
update publication p set look_at = u.at, look_id = null
  from unnest($1::bigint[], $2::integer[], $3::integer[], $4::timestamptz[]) u(item, channel, location, at)
 where p.item_id = u.item and p.channel_id = u.channel and p.location_id = u.location;

-- query: looked_in_vain
-- in: items bigint[], channels integer[], locations integer[]
-- out:
-- The channel cannot be read back at all. Where a compare-and-set had lost, it is told again without comparing.
update publication p set look_at = null, look_why = null, look_id = null,
       shown = case when p.cause = 'repair' then null else p.shown end,
       due_at = case when p.cause = 'repair' and p.command_id is null then clock_timestamp() else p.due_at end
  from unnest($1::bigint[], $2::integer[], $3::integer[]) u(item, channel, location)
 where p.item_id = u.item and p.channel_id = u.channel and p.location_id = u.location;

-- query: untie
-- in: now timestamptz, channels integer[], n integer
-- out: channel_id integer, item_id bigint
select channel_id, item_id from publication_untie($1, $2, $3);

-- query: unanswered
-- in: before timestamptz[], channels integer[], n bigint
-- out: item_id bigint, channel_id integer, location_id integer, sku text, category text, channel text, location text,
-- out: listing text, place text, state text, available bigint, desired bigint, desired_at timestamptz,
-- out: network integer, per_h double precision, rank integer, cause text, due_at timestamptz,
-- out: behind_since timestamptz, command_id bigint, sent bigint, sent_at timestamptz, sent_key text,
-- out: acknowledged bigint, acknowledged_at timestamptz, ticket text, ticket_at timestamptz, read_back bigint,
-- out: read_back_at timestamptz, shown bigint, look_at timestamptz, look_why text, look_id bigint, stubborn integer,
-- out: refusals integer, failures integer, drifts integer, failed_at timestamptz, error text
select p.* from publication_line p
  join unnest($2::integer[], $1::timestamptz[]) u(channel, before) on u.channel = p.channel_id
 where p.ticket is not null and p.ticket_at < u.before limit $3;

-- query: chores
-- in: now timestamptz, every double precision
-- out: now timestamptz, day date, swept_item bigint, last_item bigint
-- One node at a time, once in a while.
update publication_clock k set chores_at = c.now
  from (select coalesce($1, clock_timestamp()) as now) c
 where k.singleton and (k.chores_at <= c.now - make_interval(secs => $2) or k.chores_at > c.now)
   and k.ctid = any (array(select ctid from publication_clock for update skip locked))
returning c.now, k.day, k.swept_item, (select coalesce(max(id), 0) from item) as last_item;

-- query: sweep
-- in: after bigint, upto bigint, day date, lots boolean
-- out:
-- Look at the next items again; at all those with lots when a new day has begun.
with swept as (
    insert into dirty_item (item_id)
    select id from item where id > $1 and id <= $2 union select id from item where $4 and lot_tracked)
update publication_clock set swept_item = $2, day = $3;

-- query: restage
-- in: channel integer, at timestamptz, stage text, what text, detail text
-- out:
-- A channel falls back, further, or no more: each of its numbers is worked out anew.
with changed as (
    update publication_channel set stage = $3 where channel_id = $1),
noted as (
    insert into publication_event (channel_id, at, who, what, detail) select $1, $2, 'onhand', $4, $5 where $4 <> '')
insert into dirty_item (item_id) select distinct item_id from publication where channel_id = $1 and state <> 'off';

-- query: refresh
-- in: now timestamptz, channel integer, before timestamptz, rank integer, n bigint
-- out:
update publication p set due_at = $1, cause = 'refresh', rank = $4
 where (p.item_id, p.channel_id, p.location_id) in (
       select o.item_id, o.channel_id, o.location_id from publication o
        where o.channel_id = $2 and o.acknowledged_at < $3 and o.state = 'listed' and o.due_at is null
          and o.command_id is null and o.ticket is null
        order by o.acknowledged_at limit $5 for update skip locked);

-- query: sampled
-- in: channel integer
-- out: listings bigint, sampled_until timestamptz
-- retry: safe
select (select count(*) from publication p where p.channel_id = $1 and p.acknowledged_at is not null) as listings, c.sampled_until
  from publication_channel c where c.channel_id = $1;

-- query: sample
-- in: now timestamptz, channel integer, n bigint, since timestamptz, each_s double precision
-- out:
-- Those that were not looked at for longest: in time, each is. Each takes up so much of the time since then.
with chosen as (
    select o.item_id, o.location_id from publication o
     where o.channel_id = $2 and o.acknowledged_at is not null and o.state = 'listed' and o.look_at is null
       and o.command_id is null and o.ticket is null
     order by o.read_back_at nulls first limit $3 for update skip locked),
marked as (
    update publication p set look_at = $1, look_why = 'sample' from chosen c
     where p.item_id = c.item_id and p.channel_id = $2 and p.location_id = c.location_id
    returning 1)
update publication_channel set sampled_until = $4::timestamptz + (select count(*) from marked) * make_interval(secs => $5)
 where channel_id = $2;

-- query: forget
-- in: before timestamptz, n bigint
-- out:
-- retry: safe
delete from publication_log where ctid = any (array(select ctid from publication_log where at < $1 limit $2));

-- query: dead_changes
-- out: n bigint
-- retry: safe
select coalesce(pg_stat_get_dead_tuples('dirty_item'::regclass), 0) as n;

-- query: vacuum
-- out:
vacuum (truncate false) dirty_item;

-- query: pause
-- in: channel integer, who text, reason text
-- out: channel_id integer
with p as (
    update publication_channel set paused_at = clock_timestamp(), paused_by = $2, pause_reason = $3
     where channel_id = $1 and paused_at is null
    returning channel_id),
noted as (
    insert into publication_event (channel_id, at, who, what, detail) select channel_id, clock_timestamp(), $2, 'pause', $3 from p)
select channel_id from p;

-- query: resume
-- in: channel integer, who text, reason text
-- out: channel_id integer
with p as (
    update publication_channel set paused_at = null, paused_by = null, pause_reason = null
     where channel_id = $1 and paused_at is not null
    returning channel_id),
noted as (
    insert into publication_event (channel_id, at, who, what, detail) select channel_id, clock_timestamp(), $2, 'resume', $3 from p)
select channel_id from p;

-- query: call_off
-- in: channel integer
-- out: id bigint
-- What waits in the outbox is taken out again; what is on its way ends by itself.
with queued as (
    select p.item_id, p.channel_id, p.location_id, p.command_id from publication p join outbox o on o.id = p.command_id
     where p.channel_id = $1 and p.command_id is not null and o.state in ('new', 'ready', 'waiting')
     order by 1, 2, 3 for update of p),
freed as (
    update publication p set command_id = null, due_at = coalesce(p.due_at, clock_timestamp()) from queued q
     where p.item_id = q.item_id and p.channel_id = q.channel_id and p.location_id = q.location_id)
select command_id as id from queued;

-- query: now
-- in: channel integer, skus text[], who text
-- out: item_id bigint
-- No SKUs: all of them. What a person asks for is tried again whatever the channel said before.
with told as (
    update publication p
       set due_at = clock_timestamp(), cause = 'now', refusals = 0, failures = 0, stubborn = 0,
           state = case when p.state = 'off' then 'off' else 'listed' end
     where p.channel_id = $1 and p.state <> 'off' and p.ticket is null
       and ($2::text[] is null or p.item_id in (select id from item where sku = any ($2)))
    returning p.item_id),
noted as (
    insert into publication_event (channel_id, at, who, what, detail)
    select $1, clock_timestamp(), $3, 'now', count(distinct item_id) || ' items' from told having count(*) > 0)
select item_id from told;

-- query: summary
-- in: now timestamptz, channels integer[], since timestamptz
-- out: channel_id integer, listed bigint, in_step bigint, behind bigint, waiting bigint, queued bigint, awaiting bigint,
-- out: unlisted bigint, failed bigint, drifts bigint, oldest_at timestamptz, p50_ms double precision, p99_ms double precision
-- retry: safe
select c.channel_id, s.listed, s.in_step, s.behind, s.waiting, s.queued, s.awaiting, s.unlisted, s.failed, s.drifts,
       s.oldest_at, g.p50 as p50_ms, g.p99 as p99_ms
  from unnest($2::integer[]) c(channel_id)
 cross join lateral (
       select count(*) filter (where p.state <> 'unlisted') as listed,
              count(*) filter (where p.state = 'listed' and p.shown = p.desired and p.command_id is null) as in_step,
              count(*) filter (where p.state = 'listed' and p.shown is distinct from p.desired
                                 and (p.due_at is not null or p.command_id is not null or p.ticket is not null
                                      or p.look_at is not null)) as behind,
              count(*) filter (where p.due_at > coalesce($1, clock_timestamp()) and p.command_id is null) as waiting,
              count(*) filter (where p.command_id is not null) as queued,
              count(*) filter (where p.ticket is not null) as awaiting,
              count(*) filter (where p.state = 'unlisted') as unlisted,
              count(*) filter (where p.state in ('refused', 'stuck') or p.failures > 0) as failed,
              coalesce(sum(p.drifts), 0)::bigint as drifts, min(p.behind_since) as oldest_at
         from publication p where p.channel_id = c.channel_id and p.state <> 'off') s
 cross join lateral (
       select percentile_cont(0.5) within group (order by lag_ms) as p50, percentile_cont(0.99) within group (order by lag_ms) as p99
         from publication_log g where g.channel_id = c.channel_id and g.at >= $3 and g.lag_ms is not null) g;

-- query: pulse
-- in: channels integer[]
-- out: channel_id integer, behind bigint, oldest_at timestamptz
-- retry: safe
-- Cheap enough to be asked all the time: only what is not done is counted.
select c as channel_id,
       (select count(*) from publication p where p.channel_id = c and p.due_at is not null and p.command_id is null)
     + (select count(*) from publication p where p.channel_id = c and p.command_id is not null) as behind,
       least((select min(p.behind_since) from publication p
               where p.channel_id = c and p.due_at is not null and p.command_id is null),
             (select min(p.behind_since) from publication p where p.channel_id = c and p.command_id is not null)) as oldest_at
  from unnest($1::integer[]) c;

-- query: page
-- in: channel text, sku text, only_behind boolean, after_item bigint, after_channel integer, after_location integer, n bigint
-- out: item_id bigint, channel_id integer, location_id integer, sku text, category text, channel text, location text,
-- out: listing text, place text, state text, available bigint, desired bigint, desired_at timestamptz,
-- out: network integer, per_h double precision, rank integer, cause text, due_at timestamptz,
-- out: behind_since timestamptz, command_id bigint, sent bigint, sent_at timestamptz, sent_key text,
-- out: acknowledged bigint, acknowledged_at timestamptz, ticket text, ticket_at timestamptz, read_back bigint,
-- out: read_back_at timestamptz, shown bigint, look_at timestamptz, look_why text, look_id bigint, stubborn integer,
-- out: refusals integer, failures integer, drifts integer, failed_at timestamptz, error text
-- retry: safe
select p.* from publication_line p
 where ($1::text is null or p.channel = $1)
   and p.item_id >= coalesce((select id from item where sku = $2::text), case when $2 is null then 0 end)
   and p.item_id <= coalesce((select id from item where sku = $2), 9223372036854775807)
   and (not $3 or p.state <> 'off' and p.shown is distinct from p.desired)
   and (p.item_id, p.channel_id, p.location_id) > ($4, $5, $6)
 order by p.item_id, p.channel_id, p.location_id limit $7;

-- query: of_item
-- in: item bigint, channel integer
-- out: item_id bigint, channel_id integer, location_id integer, sku text, category text, channel text, location text,
-- out: listing text, place text, state text, available bigint, desired bigint, desired_at timestamptz,
-- out: network integer, per_h double precision, rank integer, cause text, due_at timestamptz,
-- out: behind_since timestamptz, command_id bigint, sent bigint, sent_at timestamptz, sent_key text,
-- out: acknowledged bigint, acknowledged_at timestamptz, ticket text, ticket_at timestamptz, read_back bigint,
-- out: read_back_at timestamptz, shown bigint, look_at timestamptz, look_why text, look_id bigint, stubborn integer,
-- out: refusals integer, failures integer, drifts integer, failed_at timestamptz, error text
-- retry: safe
select p.* from publication_line p where p.item_id = $1 and p.channel_id = $2 order by p.location_id;

-- query: differences
-- in: channels integer[], n bigint
-- out: item_id bigint, channel_id integer, location_id integer, sku text, category text, channel text, location text,
-- out: listing text, place text, state text, available bigint, desired bigint, desired_at timestamptz,
-- out: network integer, per_h double precision, rank integer, cause text, due_at timestamptz,
-- out: behind_since timestamptz, command_id bigint, sent bigint, sent_at timestamptz, sent_key text,
-- out: acknowledged bigint, acknowledged_at timestamptz, ticket text, ticket_at timestamptz, read_back bigint,
-- out: read_back_at timestamptz, shown bigint, look_at timestamptz, look_why text, look_id bigint, stubborn integer,
-- out: refusals integer, failures integer, drifts integer, failed_at timestamptz, error text
-- retry: safe
select p.* from publication_line p
 where p.channel_id = any ($1) and p.state <> 'off' and p.shown is distinct from p.desired
 order by p.rank desc, p.behind_since nulls last, p.item_id, p.channel_id, p.location_id limit $2;

-- query: events
-- in: channels integer[], n bigint
-- out: channel_id integer, at timestamptz, who text, what text, detail text
-- retry: safe
select channel_id, at, who, what, detail from publication_event where channel_id = any ($1) order by seq desc limit $2;

-- query: history
-- in: item bigint, channel integer, upto timestamptz, n bigint
-- out: location_id integer, at timestamptz, what text, quantity bigint, available bigint, network integer, stage text,
-- out: command_id bigint, lag_ms bigint, terms text, detail text
-- retry: safe
select location_id, at, what, quantity, available, network, stage, command_id, lag_ms, terms, detail
  from publication_log
 where item_id = $1 and channel_id = $2 and ($3::timestamptz is null or at <= $3) order by seq desc limit $4;

-- query: tries
-- in: commands bigint[]
-- out: command_id bigint, number integer, at timestamptz, took_ms integer, kind text, status integer, detail text,
-- out: body text, answer text
-- retry: safe
select a.command_id, a.number, a.at, a.took_ms, a.kind, a.status, a.detail, o.body, o.answer
  from outbox_attempt a join outbox o on o.id = a.command_id
 where a.command_id = any ($1) order by a.command_id desc, a.number desc limit 100;

-- query: movements
-- in: skus text[], upto timestamptz, n bigint
-- out: seq bigint, event bigint, sku text, quantity bigint, from_location text, from_status text, to_location text, to_status text, occurred_at timestamptz, recorded_at timestamptz, kind text, source text, event_id text, event_type text, from_balance bigint, to_balance bigint, lot text, owner text, serial text
-- retry: safe
-- The newest of each item: chosen by the key, then each looked up by itself; joined at once, all movements were read.
select m.seq, m.event, m.sku, m.quantity, m.from_location, m.from_status, m.to_location, m.to_status, m.occurred_at,
       m.recorded_at, m.kind, m.source, m.event_id, m.event_type, m.from_balance, m.to_balance, m.lot, m.owner, m.serial
  from item i cross join lateral (
       select k.item_id, k.seq from movement k where k.item_id = i.id and ($2::timestamptz is null or k.recorded_at <= $2)
        order by k.seq desc limit $3) newest
 cross join lateral (select * from movement_line l where l.item_id = newest.item_id and l.seq = newest.seq offset 0) m
 where i.sku = any ($1) order by m.seq desc;

-- query: held
-- in: skus text[], locations integer[]
-- out: reservation bigint, sku text, client text, request_id text, channel text, location text, quantity bigint,
-- out: allocated bigint, from_fence bigint, expires_at timestamptz
-- retry: safe
select k.reservation_id as reservation, i.sku, t.name as client, r.request_id, c.code as channel, l.code as location,
       sum(k.quantity)::bigint as quantity, sum(k.allocated)::bigint as allocated, sum(k.from_fence)::bigint as from_fence,
       r.expires_at
  from item i join claim k on k.item_id = i.id join reservation r on r.id = k.reservation_id
  join client t on t.id = r.client_id join channel c on c.id = r.channel_id join location l on l.id = k.location_id
 where i.sku = any ($1) and k.location_id = any ($2)
 group by k.reservation_id, i.sku, t.name, r.request_id, c.code, l.code, r.expires_at
 order by k.reservation_id desc limit 200;

-- query: fences
-- in: skus text[], locations integer[]
-- out: sku text, group text, location text, quantity bigint, consumed bigint
-- retry: safe
select i.sku, g.code as "group", l.code as location, f.quantity, f.consumed
  from item i join ring_fence f on f.item_id = i.id join fence_group g on g.id = f.group_id
  join location l on l.id = f.location_id
 where i.sku = any ($1) and f.location_id = any ($2) order by 1, 2, 3;
