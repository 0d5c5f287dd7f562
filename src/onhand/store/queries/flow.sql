-- Commands to partners and what is used up of their limits.

-- query: put
-- in: now timestamptz, endpoints text[], operations text[], lanes text[], orderings text[], keys text[], limit_keys text[], bodies text[], causes text[], due timestamptz[], deadlines timestamptz[], owners text[]
-- in: b_endpoints text[], b_limits bigint[], b_at_limits text[]
-- out: place integer, id bigint, outcome text
select place, id, outcome from outbox_put($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- query: clock
-- out: now timestamptz
-- retry: safe
select clock_timestamp() as now;

-- query: open
-- in: now timestamptz, endpoint text, quota text, wanted integer, admit integer
-- out: now timestamptz, endpoint_id integer, quota_id integer, paused text, state text, quota_state text,
-- out: in_flight integer, probes_in_flight integer, quota_in_flight integer, points_in_flight bigint,
-- out: quota_points_in_flight bigint, unfinished bigint, lanes text, lost text
select now, endpoint_id, quota_id, paused, state, quota_state, in_flight, probes_in_flight, quota_in_flight,
       points_in_flight, quota_points_in_flight, unfinished, lanes, lost
  from flow_open($1, $2, $3, $4, $5);

-- query: claim
-- in: now timestamptz, endpoint integer, quota integer, worker text, lease timestamptz, probe boolean, lanes text[],
-- in: calls integer[], batch integer, points_call bigint, points_command bigint, day_scope integer, day date,
-- in: day_cap bigint, day_next timestamptz, operations text[], most integer[]
-- out: call_id bigint, id bigint, lane text, operation text, ordering_key text, idempotency_key text, limit_key text,
-- out: body text, cause text, created_at timestamptz, deadline_at timestamptz, tries integer, attempts integer, verify boolean
select call_id, id, lane, operation, ordering_key, idempotency_key, limit_key, body, cause, created_at, deadline_at,
       tries, attempts, verify
  from outbox_claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17);

-- query: permit
-- in: now timestamptz, endpoint integer, quota integer, worker text, lease timestamptz, probe boolean, points bigint
-- out: flow_permit bigint
select flow_permit($1, $2, $3, $4, $5, $6, $7);

-- query: save
-- in: endpoint integer, state text, quota integer, quota_state text, blocked text, till timestamptz, pause text
-- out: flow_save void
select flow_save($1, $2, $3, $4, $5, $6, $7);

-- query: settle
-- in: now timestamptz, endpoint integer, worker text, calls bigint[], ids bigint[], call_ids bigint[], tries integer[],
-- in: states text[], kinds text[], counted boolean[], attempts integer[], due timestamptz[], verify boolean[],
-- in: holds boolean[], reasons text[], owners text[], answers text[], details text[], statuses integer[],
-- in: at timestamptz[], took_ms integer[]
-- out: outbox_settle integer
select outbox_settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21);

-- query: calls
-- in: ids bigint[]
-- out: id bigint, probe boolean, points bigint
select id, probe, points from flow_call where id = any ($1);

-- query: with_work
-- in: now timestamptz, endpoints text[]
-- out: code text
-- retry: safe
select s.code
  from flow_scope s
 where s.kind = 'endpoint' and s.code = any ($2)
   and (exists (select from outbox o where o.endpoint_id = s.id and o.state = 'new')
     or exists (select from flow_lanes(s.id) l(lane)
                 where exists (select from outbox o where o.endpoint_id = s.id and o.lane = l.lane and o.state = 'ready'
                                  and o.due_at <= coalesce($1, clock_timestamp())))
     or exists (select from flow_call f where f.endpoint_id = s.id and f.lease_until <= coalesce($1, clock_timestamp())
                    and exists (select from outbox o where o.call_id = f.id and o.state = 'sending')));

-- query: expire
-- in: now timestamptz, n integer
-- out: outbox_expire bigint
-- retry: safe
select outbox_expire($1, $2);

-- query: forget
-- in: before timestamptz, n bigint
-- out:
-- retry: safe
with old as (
    select id from outbox where state in ('done', 'discarded') and finished_at < $1 order by id limit $2),
told as (
    delete from outbox_attempt where command_id in (select id from old))
delete from outbox where id in (select id from old);

-- query: forget_calls
-- in: before timestamptz
-- out:
-- retry: safe
delete from flow_call f where f.lease_until < $1
   and not exists (select from outbox o where o.call_id = f.id and o.state = 'sending');

-- query: forget_days
-- in: before date
-- out:
-- retry: safe
delete from daily_use where day < $1;

-- query: pause
-- in: endpoint text, who text, reason text
-- out: id integer
with s as (
    update flow_scope set paused_at = clock_timestamp(), paused_by = $2, pause_reason = $3
     where kind = 'endpoint' and code = $1 and paused_at is null
    returning id),
noted as (
    insert into flow_action (at, who, action, subject, reason) select clock_timestamp(), $2, 'pause', $1, $3 from s)
select id from s;

-- query: resume
-- in: endpoint text, who text
-- out: id integer
with s as (
    update flow_scope set paused_at = null, paused_by = null, pause_reason = null, blocked_by = '', blocked_till = null
     where kind = 'endpoint' and code = $1 and paused_at is not null
    returning id),
noted as (
    insert into flow_action (at, who, action, subject) select clock_timestamp(), $2, 'resume', $1 from s)
select id from s;

-- query: note
-- in: who text, action text, subject text, reason text
-- out:
insert into flow_action (at, who, action, subject, reason) values (clock_timestamp(), $1, $2, $3, $4);

-- query: ensure
-- in: kind text, codes text[]
-- out: flow_scopes void
-- retry: safe
select flow_scopes($1, $2);

-- query: scopes
-- in: kind text, now timestamptz
-- out: code text, now timestamptz, paused_at timestamptz, paused_by text, pause_reason text, state text,
-- out: unfinished bigint, blocked_by text, blocked_till timestamptz, in_flight bigint, dead bigint, oldest_at timestamptz
-- retry: safe
select s.code, coalesce($2, clock_timestamp()) as now, s.paused_at, s.paused_by, s.pause_reason, s.state,
       s.unfinished + (select coalesce(sum(a.commands), 0) from outbox_arrival a where a.endpoint_id = s.id)::bigint as unfinished,
       s.blocked_by, s.blocked_till,
       (select count(*) from flow_call f
         where (f.endpoint_id = s.id or f.quota_id = s.id) and f.lease_until > coalesce($2, clock_timestamp())) as in_flight,
       (select count(*) from outbox o where o.endpoint_id = s.id and o.state = 'dead') as dead,
       -- What no worker has looked at yet counts as well: it is all that there is while none runs.
       least((select min(x.due_at)
                from flow_lanes(s.id) l(lane)
               cross join lateral (select o.due_at from outbox o
                                    where o.endpoint_id = s.id and o.lane = l.lane and o.state = 'ready'
                                    order by o.due_at limit 1) x),
             (select o.due_at from outbox o where o.endpoint_id = s.id and o.state = 'new' order by o.id limit 1)
            ) as oldest_at
  from flow_scope s where s.kind = $1 order by s.code;

-- query: actions
-- in: subject text, n bigint
-- out: at timestamptz, who text, action text, subject text, commands bigint, reason text
-- retry: safe
select at, who, action, subject, commands, reason from flow_action
 where $1::text is null or subject = $1 order by seq desc limit $2;

-- query: find
-- in: ids bigint[], endpoint text, states text[], operation text, ordering_key text, cause text, since timestamptz,
-- in: until timestamptz, before bigint, n bigint
-- out: id bigint, endpoint text, state text, lane text, operation text, ordering_key text, idempotency_key text,
-- out: limit_key text, cause text, created_at timestamptz, due_at timestamptz, deadline_at timestamptz,
-- out: finished_at timestamptz, tries integer, attempts integer, replays integer, kind text, reason text, owner text
-- retry: safe
-- Since and until speak of when it ended, and of when it was written while it has not.
select o.id, s.code as endpoint, o.state, o.lane, o.operation, o.ordering_key, o.idempotency_key, o.limit_key, o.cause,
       o.created_at, o.due_at, o.deadline_at, o.finished_at, o.tries, o.attempts, o.replays, o.kind, o.reason, o.owner
  from outbox o join flow_scope s on s.id = o.endpoint_id
 where ($1::bigint[] is null or o.id = any ($1)) and ($2::text is null or s.code = $2) and o.state = any ($3)
   and ($4::text is null or o.operation = $4) and ($5::text is null or o.ordering_key = $5) and ($6::text is null or o.cause = $6)
   and ($7::timestamptz is null or coalesce(o.finished_at, o.created_at) >= $7)
   and ($8::timestamptz is null or coalesce(o.finished_at, o.created_at) < $8)
   and ($9::bigint is null or o.id < $9)
 order by o.id desc limit $10;

-- query: content
-- in: id bigint
-- out: body text, answer text, verify boolean
-- retry: safe
select body, answer, verify from outbox where id = $1;

-- query: attempts
-- in: id bigint
-- out: number integer, at timestamptz, took_ms integer, worker text, kind text, counted boolean, status integer, detail text
-- retry: safe
select number, at, took_ms, worker, kind, counted, status, detail from outbox_attempt where command_id = $1 order by number;

-- query: replay
-- in: now timestamptz, ids bigint[], deadlines integer[], who text, reason text
-- out: outbox_replay bigint[]
-- retry: safe
select outbox_replay($1, $2, $3, $4, $5);

-- query: discard
-- in: now timestamptz, ids bigint[], who text, reason text
-- out: outbox_discard bigint[]
-- retry: safe
select outbox_discard($1, $2, $3, $4);
