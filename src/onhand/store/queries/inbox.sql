-- What systems sent, what became of it, and where each feed has got to.

-- query: put
-- in: now timestamptz, feed text, mode text, snapshot bigint, keys text[], digests bytea[], types text[], bodies bytea[],
-- in: occurred timestamptz[], facts text[]
-- out: place integer, id bigint, outcome text
-- retry: safe
select place, id, outcome from inbox_put($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- query: heard
-- in: now timestamptz, feed text
-- out:
-- retry: safe
-- A webhook came. Once a second is enough: a row that every message updates would make messages wait for each other.
update feed_state set last_heard_at = coalesce($1, clock_timestamp()), last_message_at = coalesce($1, clock_timestamp())
 where code = $2
   and (last_message_at is null or last_message_at < coalesce($1, clock_timestamp()) - interval '1 second');

-- query: ensure
-- in: feeds text[]
-- out: inbox_feed integer
-- retry: safe
select inbox_feed(u.code) from unnest($1::text[]) u(code)
 where not exists (select from feed_state s where s.code = u.code);

-- query: due
-- in: now timestamptz, feeds text[]
-- out: code text
-- retry: safe
select s.code from feed_state s
 where s.code = any ($2) and s.paused_at is null and (s.due_at is null or s.due_at <= coalesce($1, clock_timestamp()))
   and (s.lease_until is null or s.lease_until <= coalesce($1, clock_timestamp()))
 order by s.due_at nulls first, s.code;

-- query: take
-- in: now timestamptz, feed text, holder text, lease interval
-- out: now timestamptz, turn bigint, cursor text, failures integer
update feed_state
   set holder = $3, turn = turn + 1, lease_until = coalesce($1, clock_timestamp()) + $4
 where code = $2 and paused_at is null and (due_at is null or due_at <= coalesce($1, clock_timestamp()))
   and (lease_until is null or lease_until <= coalesce($1, clock_timestamp()))
returning coalesce($1, clock_timestamp()) as now, turn, cursor, failures;

-- query: hold
-- in: feed text, turn bigint
-- out: id integer, reading text
-- The feed's row is locked: while this transaction lasts nobody else can take the feed.
select id, reading from feed_state where code = $1 and turn = $2 for update;

-- query: moved
-- in: now timestamptz, feed text, cursor text, empty boolean, lease interval, due interval, reading text
-- out:
-- A page is stored. With a lease it is read on at once, without one the feed is free until it is due.
update feed_state
   set cursor = $3, reading = $7, last_heard_at = coalesce($1, clock_timestamp()),
       last_message_at = case when $4 then last_message_at else coalesce($1, clock_timestamp()) end,
       last_empty_at = case when $4 then coalesce($1, clock_timestamp()) else last_empty_at end,
       failures = 0, failure = '', failed_at = null, blocked_by = '', blocked_till = null,
       holder = case when $5::interval is null then null else holder end,
       lease_until = coalesce($1, clock_timestamp()) + $5,
       due_at = coalesce($1, clock_timestamp()) + $6
 where code = $2;

-- query: gave_up
-- in: now timestamptz, feed text, turn bigint, due interval, failure text, counted boolean, blocked text, till timestamptz
-- out:
-- retry: safe
-- The poll ended without a page: it failed, or a limit, a window or a pause stood before it, which counts as nothing.
update feed_state
   set holder = null, lease_until = null, due_at = coalesce($1, clock_timestamp()) + $4,
       failures = case when $6 then failures + 1 else failures end,
       failure = case when $6 then $5 else failure end,
       failed_at = case when $6 then coalesce($1, clock_timestamp()) else failed_at end,
       blocked_by = $7, blocked_till = $8
 where code = $2 and turn = $3;

-- query: snapshot
-- in: feed text, key text, as_of timestamptz, complete boolean, torn boolean
-- out: id bigint
-- retry: safe
-- Once complete it stays so, whoever reads a page of it again; and what began in the middle of another stays torn.
insert into inbox_snapshot as s (feed_id, key, as_of, complete, torn) values (inbox_feed($1), $2, $3, $4, $5)
    on conflict (feed_id, key) do update set complete = s.complete or excluded.complete
returning id;

-- query: join_snapshot
-- in: message bigint, snapshot bigint
-- out:
-- retry: safe
update inbox set snapshot_id = $2 where id = $1 and snapshot_id is null;

-- query: named
-- in: snapshot bigint, locations text[], statuses text[], skus text[]
-- out:
-- retry: safe
insert into inbox_named (snapshot_id, location, status, sku)
select distinct $1::bigint, u.location, u.status, u.sku
  from unnest($2::text[], $3::text[], $4::text[]) u(location, status, sku)
 where exists (select from inbox_snapshot s where s.id = $1 and s.closed_at is null)
 order by 2, 3, 4
    on conflict do nothing;

-- query: to_close
-- in: feed text
-- out: id bigint, as_of timestamptz, message_id bigint
-- retry: safe
-- Snapshots that are whole and mapped, the oldest first. One whose page is a dead letter waits for its replay.
select s.id, s.as_of, (select max(i.id) from inbox i where i.snapshot_id = s.id) as message_id
  from inbox_snapshot s join feed_state f on f.id = s.feed_id
 where f.code = $1 and s.closed_at is null and s.complete and not s.torn
   and exists (select from inbox_named n where n.snapshot_id = s.id)
   and not exists (select from inbox i where i.snapshot_id = s.id and i.state not in ('mapped', 'quarantined'))
 order by s.as_of, s.id;

-- query: named_places
-- in: snapshot bigint
-- out: location text, status text
-- retry: safe
select location, status from inbox_named where snapshot_id = $1 group by 1, 2 order by 1, 2;

-- query: unnamed
-- in: snapshot bigint, location text, status text, at timestamptz, after text, n integer
-- out: sku text, lot text, quantity bigint
-- retry: safe
select sku, lot, quantity from inbox_unnamed($1, $2, $3, $4, $5, $6);

-- query: close_snapshot
-- in: now timestamptz, snapshot bigint, zeroed integer
-- out:
-- retry: safe
-- Those of the same feed that are older say nothing more: this one has spoken of all that they could speak of.
with closed as (
    update inbox_snapshot s set closed_at = coalesce($1, clock_timestamp()), zeroed = case when s.id = $2 then $3 else 0 end
      from inbox_snapshot c
     where c.id = $2 and s.feed_id = c.feed_id and s.closed_at is null and (s.id = $2 or s.as_of < c.as_of)
    returning s.id)
delete from inbox_named n using closed where n.snapshot_id = closed.id;

-- query: lock_feed
-- in: feed text
-- out: id integer
select id from feed_state where code = $1 for update;

-- query: in_hand
-- in: now timestamptz, feed text
-- out: held boolean
-- Asked under the lock of the feed, by whoever must not work on it beside somebody else.
select exists (select from inbox i join feed_state f on f.id = i.feed_id
                where f.code = $2 and i.state = 'new' and i.lease_until > coalesce($1, clock_timestamp())) as held;

-- query: claim
-- in: now timestamptz, feed text, n bigint, bytes bigint, holder text, lease interval
-- out: id bigint, tries integer, attempts integer, lost boolean
-- The oldest that are due, up to so many and so large together; the first however large it is. A lease that has run out
-- was left behind by a node that did not come back, which counts.
with due as materialized (
    select i.id, i.holder is not null as lost, octet_length(i.body) as size
      from inbox i join feed_state f on f.id = i.feed_id
     where f.code = $2 and i.state = 'new' and i.due_at <= coalesce($1, clock_timestamp())
       and (i.lease_until is null or i.lease_until <= coalesce($1, clock_timestamp()))
     order by i.id limit $3 for update of i skip locked),
fits as (
    select id, lost from (select id, lost, size, sum(size) over (order by id) as total from due) d
     where total <= $4 or total = size)
update inbox i
   set holder = $5, lease_until = coalesce($1, clock_timestamp()) + $6, tries = i.tries + 1,
       attempts = i.attempts + case when fits.lost then 1 else 0 end
  from fits where i.id = fits.id
returning i.id, i.tries, i.attempts, fits.lost;

-- query: renew
-- in: now timestamptz, ids bigint[], holder text, lease interval
-- out:
-- retry: safe
update inbox set lease_until = coalesce($1, clock_timestamp()) + $4 where id = any ($2) and holder = $3 and state = 'new';

-- query: bodies
-- in: ids bigint[]
-- out: id bigint, key text, mode text, content_type text, body bytea, facts text, occurred_at timestamptz,
-- out: received_at timestamptz, replays integer, snapshot_id bigint, snapshot_as_of timestamptz
-- retry: safe
select i.id, i.key, i.mode, i.content_type, i.body, i.facts, i.occurred_at, i.received_at,
       i.replays, i.snapshot_id, s.as_of as snapshot_as_of
  from inbox i left join inbox_snapshot s on s.id = i.snapshot_id
 where i.id = any ($1) order by i.id;

-- query: with_work
-- in: now timestamptz, feeds text[]
-- out: code text
-- retry: safe
select f.code from feed_state f
 where f.code = any ($2) and f.paused_at is null
   and (exists (select from inbox i where i.feed_id = f.id and i.state = 'new' and i.due_at <= coalesce($1, clock_timestamp())
                   and (i.lease_until is null or i.lease_until <= coalesce($1, clock_timestamp())))
     or exists (select from inbox_snapshot s where s.feed_id = f.id and s.closed_at is null and s.complete and not s.torn
                   and exists (select from inbox_named n where n.snapshot_id = s.id)
                   and not exists (select from inbox i where i.snapshot_id = s.id and i.state not in ('mapped', 'quarantined'))));

-- query: finish
-- in: now timestamptz, holder text, ids bigint[], tries integer[], states text[], attempts integer[], due timestamptz[],
-- in: outcomes text[], counted boolean[], reasons text[], places text[], fingerprints text[], took_ms integer[]
-- out: inbox_finish bigint[]
-- retry: safe
select inbox_finish($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- query: lineage
-- in: messages bigint[], sources text[], events text[], outcomes text[], quarantined bigint[], reasons text[]
-- out: inbox_lineage void
-- retry: safe
select inbox_lineage($1, $2, $3, $4, $5, $6);

-- query: standing
-- in: feed text, skus text[], locations text[], statuses text[], lots text[], at timestamptz[]
-- out: place integer, balance bigint, reserved bigint, allocated bigint, backordered bigint, stated_at timestamptz
-- retry: safe
select place, balance, reserved, allocated, backordered, stated_at from inbox_standing($1, $2, $3, $4, $5, $6);

-- query: stated
-- in: feed text, skus text[], locations text[], statuses text[], lots text[], at timestamptz[]
-- out: inbox_state void
-- retry: safe
select inbox_state($1, $2, $3, $4, $5, $6);

-- query: find
-- in: ids bigint[], feed text, states text[], key text, reason text, since timestamptz, until timestamptz, before bigint, n bigint
-- out: id bigint, feed text, state text, mode text, key text, content_type text, bytes integer, changed boolean,
-- out: occurred_at timestamptz, received_at timestamptz, due_at timestamptz, finished_at timestamptz, repeats integer,
-- out: tries integer, attempts integer, replays integer, reason text, place text, fingerprint text
-- retry: safe
select i.id, f.code as feed, i.state, i.mode, i.key, i.content_type, octet_length(i.body) as bytes, i.changed, i.occurred_at,
       i.received_at, i.due_at, i.finished_at, i.repeats, i.tries, i.attempts, i.replays, i.reason, i.place, i.fingerprint
  from inbox i join feed_state f on f.id = i.feed_id
 where ($1::bigint[] is null or i.id = any ($1)) and ($2::text is null or f.code = $2) and i.state = any ($3)
   and ($4::text is null or i.key = $4) and ($5::text is null or i.reason ilike '%' || $5 || '%')
   and ($6::timestamptz is null or i.received_at >= $6) and ($7::timestamptz is null or i.received_at < $7)
   and ($8::bigint is null or i.id < $8)
 order by i.id desc limit $9;

-- query: content
-- in: id bigint
-- out: body bytea, facts text
-- retry: safe
select body, facts from inbox where id = $1;

-- query: attempts
-- in: id bigint
-- out: number integer, at timestamptz, took_ms integer, holder text, fingerprint text, outcome text, counted boolean, reason text, place text
-- retry: safe
select number, at, took_ms, holder, fingerprint, outcome, counted, reason, place
  from inbox_attempt where message_id = $1 order by number;

-- query: events
-- in: id bigint, n bigint
-- out: message_id bigint, source text, event_id text, outcome text, quarantine_id bigint, reason text
-- retry: safe
-- What needs a person stands first.
select message_id, source, event_id, outcome, quarantine_id, reason from inbox_event where message_id = $1
 order by outcome not in ('rejected', 'quarantined'), source, event_id limit $2;

-- query: counts
-- in: id bigint
-- out: outcome text, n bigint
-- retry: safe
select outcome, count(*) as n from inbox_event where message_id = $1 group by 1 order by 1;

-- query: origin
-- in: source text, event text
-- out: message_id bigint
-- retry: safe
select message_id from inbox_event where source = $1 and event_id = $2 order by message_id;

-- query: replay
-- in: now timestamptz, ids bigint[], states text[], who text, reason text
-- out: id bigint
with again as (
    update inbox set state = 'new', due_at = coalesce($1, clock_timestamp()), attempts = 0, replays = replays + 1,
                     holder = null, lease_until = null, finished_at = null
     where id in (select id from inbox where id = any ($2) and state = any ($3) order by id for update)
    returning id),
noted as (
    insert into flow_action (at, who, action, subject, commands, reason)
    select coalesce($1, clock_timestamp()), $4, 'replay', 'inbox', count(*), $5 from again having count(*) > 0)
select id from again;

-- query: discard
-- in: now timestamptz, ids bigint[], who text, reason text
-- out: id bigint
with gone as (
    update inbox set state = 'discarded', finished_at = coalesce($1, clock_timestamp()), reason = $4, holder = null, lease_until = null
     where id in (select id from inbox
                   where id = any ($2) and (state = 'dead' or (state = 'new' and (lease_until is null or lease_until <= coalesce($1, clock_timestamp()))))
                   order by id for update)
    returning id),
noted as (
    insert into flow_action (at, who, action, subject, commands, reason)
    select coalesce($1, clock_timestamp()), $3, 'discard', 'inbox', count(*), $4 from gone having count(*) > 0)
select id from gone;

-- query: feeds
-- in: now timestamptz, feeds text[]
-- out: code text, now timestamptz, known_since timestamptz, cursor text, due_at timestamptz, holder text, paused_at timestamptz,
-- out: paused_by text, pause_reason text, last_heard_at timestamptz, last_message_at timestamptz, last_empty_at timestamptz,
-- out: failures integer, failed_at timestamptz, failure text, blocked_by text, blocked_till timestamptz, waiting bigint,
-- out: dead bigint, quarantined bigint, oldest_at timestamptz
-- retry: safe
select s.code, coalesce($1, clock_timestamp()) as now, s.known_since, s.cursor, s.due_at,
       case when s.lease_until > coalesce($1, clock_timestamp()) then s.holder end as holder, s.paused_at, s.paused_by,
       s.pause_reason, s.last_heard_at, s.last_message_at, s.last_empty_at, s.failures, s.failed_at, s.failure, s.blocked_by,
       s.blocked_till, (select count(*) from inbox i where i.feed_id = s.id and i.state = 'new') as waiting,
       (select count(*) from inbox i where i.feed_id = s.id and i.state in ('dead', 'quarantined') and i.state = 'dead') as dead,
       (select count(*) from inbox i where i.feed_id = s.id and i.state in ('dead', 'quarantined') and i.state = 'quarantined') as quarantined,
       (select i.received_at from inbox i where i.feed_id = s.id and i.state = 'new' order by i.id limit 1) as oldest_at
  from feed_state s where s.code = any ($2) order by s.code;

-- query: heard_of
-- in: now timestamptz, feeds text[]
-- out: code text, now timestamptz, known_since timestamptz, last_heard_at timestamptz
-- retry: safe
select code, coalesce($1, clock_timestamp()) as now, known_since, last_heard_at from feed_state where code = any ($2);

-- query: pause
-- in: feed text, who text, reason text
-- out: id integer
with s as (
    update feed_state set paused_at = clock_timestamp(), paused_by = $2, pause_reason = $3
     where code = $1 and paused_at is null
    returning id),
noted as (
    insert into flow_action (at, who, action, subject, reason) select clock_timestamp(), $2, 'pause', 'feed ' || $1, $3 from s)
select id from s;

-- query: resume
-- in: feed text, who text
-- out: id integer
with s as (
    update feed_state set paused_at = null, paused_by = null, pause_reason = null where code = $1 and paused_at is not null
    returning id),
noted as (
    insert into flow_action (at, who, action, subject) select clock_timestamp(), $2, 'resume', 'feed ' || $1 from s)
select id from s;

-- query: poll_now
-- in: feed text, who text
-- out: id integer
with s as (
    update feed_state set due_at = null where code = $1 returning id),
noted as (
    insert into flow_action (at, who, action, subject) select clock_timestamp(), $2, 'poll_now', 'feed ' || $1 from s)
select id from s;

-- query: forget
-- in: before timestamptz, n bigint
-- out:
-- retry: safe
with old as (
    select id from inbox where state in ('mapped', 'discarded') and finished_at < $1 order by finished_at limit $2),
tried as (
    delete from inbox_attempt where message_id in (select id from old)),
told as (
    delete from inbox_event where message_id in (select id from old))
delete from inbox where id in (select id from old);
