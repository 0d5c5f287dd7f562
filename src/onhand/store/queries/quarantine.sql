-- Facts that were set aside: looking at them, and what was decided about them.

-- query: page
-- in: state text, reason text, source text, type text, after bigint, n bigint
-- out: id bigint, source text, event_id text, type text, reason text, detail text, facts jsonb, body text, received_at timestamptz, times integer, state text, resolved_at timestamptz, resolved_by text, note text
-- retry: safe
-- The oldest first.
select id, source, event_id, type, reason, detail, facts, body, received_at, times, state, resolved_at, resolved_by, note
  from quarantine
 where id > $5 and ($1::text is null or state = $1) and ($2::text is null or reason = $2)
   and ($3::text is null or source = $3) and ($4::text is null or type = $4)
 order by id limit $6;

-- query: open_page
-- in: reason text, source text, type text, after bigint, n bigint
-- out: id bigint, source text, event_id text, type text, reason text, detail text, facts jsonb, body text, received_at timestamptz, times integer, state text, resolved_at timestamptz, resolved_by text, note text
-- retry: safe
-- The same for open ones alone, of which there are few among many: they have an index of their own.
select id, source, event_id, type, reason, detail, facts, body, received_at, times, state, resolved_at, resolved_by, note
  from quarantine
 where state = 'open' and id > $4 and ($1::text is null or reason = $1)
   and ($2::text is null or source = $2) and ($3::text is null or type = $3)
 order by id limit $5;

-- query: some
-- in: ids bigint[]
-- out: id bigint, source text, event_id text, type text, reason text, detail text, facts jsonb, body text, received_at timestamptz, times integer, state text, resolved_at timestamptz, resolved_by text, note text
-- retry: safe
select id, source, event_id, type, reason, detail, facts, body, received_at, times, state, resolved_at, resolved_by, note
  from quarantine where id = any ($1) order by id;

-- query: set_aside
-- in: sources text[], ids text[], fingerprints bytea[]
-- out: id bigint, source text, event_id text, fingerprint bytea, state text, reason text
-- retry: safe
select q.id, q.source, q.event_id, q.fingerprint, q.state, q.reason
  from unnest($1::text[], $2::text[], $3::bytea[]) u(source, id, fingerprint)
  join quarantine q on q.source = u.source and q.event_id = u.id and q.fingerprint = u.fingerprint
 where q.state <> 'released';

-- query: release
-- in: ids bigint[], who text
-- out:
-- retry: safe
-- In the order of their numbers, as everybody who takes several of them. What they hold is recorded by now, also where
-- somebody discarded one at that moment.
update quarantine q set state = 'released', resolved_at = clock_timestamp(), resolved_by = $2
  from (select id from quarantine where id = any ($1) and state <> 'released' order by id for update) x where q.id = x.id;

-- query: tried
-- in: ids bigint[]
-- out:
-- A try to release is no second coming of the fact; the ones that stay were counted as one.
update quarantine q set times = q.times - 1
  from (select id from quarantine where id = any ($1) and state = 'open' and times > 1 order by id for update) x
 where q.id = x.id;

-- query: lock
-- in: ids bigint[]
-- out: id bigint, state text
select id, state from quarantine where id = any ($1) order by id for update;

-- query: discard
-- in: ids bigint[], who text, note text
-- out:
update quarantine set state = 'discarded', resolved_at = clock_timestamp(), resolved_by = $2, note = $3
 where id = any ($1) and state = 'open';
