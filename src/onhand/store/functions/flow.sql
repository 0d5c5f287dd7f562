-- Flow: writing commands, claiming them for calls, settling what became of them. See docs/concepts/flow.md.
--
-- Whoever changes the queue of an endpoint holds the row of its flow_scope; only outbox_put does not, which adds rows
-- that nobody else sees yet. The planner settings stand because of plans cached while the tables were empty; and rows are
-- gathered into arrays before they are updated, because an update joined to a CTE was planned as a walk through the whole
-- table (claims of 500 took 120 ms instead of 12).

create or replace function flow_scopes(p_kind text, p_codes text[])
returns void language plpgsql as $$
begin
    if exists (select from unnest(p_codes) u(code)
                where not exists (select from flow_scope s where s.kind = p_kind and s.code = u.code)) then
        insert into flow_scope (kind, code)
        select distinct p_kind, u.code from unnest(p_codes) u(code) order by 2
            on conflict do nothing;
    end if;
end $$;

-- Lock an endpoint and the quota that it shares, always in the order of their ids.
create or replace function flow_lock(p_endpoint text, p_quota text)
returns table (endpoint_id integer, quota_id integer) language plpgsql as $$
begin
    perform flow_scopes('endpoint', array[p_endpoint]);
    if p_quota is not null then
        perform flow_scopes('quota', array[p_quota]);
    end if;
    perform from flow_scope s
      where (s.kind = 'endpoint' and s.code = p_endpoint) or (s.kind = 'quota' and s.code = p_quota)
      order by s.id for update;
    return query
    select (select s.id from flow_scope s where s.kind = 'endpoint' and s.code = p_endpoint),
           (select s.id from flow_scope s where s.kind = 'quota' and s.code = p_quota);
end $$;

-- Write commands inside the caller's transaction. A key that is there already stays as it is: saying a thing twice is
-- saying it once. Where an endpoint that refuses is full, nothing at all is written and its rows say so.
create or replace function outbox_put(
    p_now timestamptz, p_endpoint text[], p_operation text[], p_lane text[], p_ordering text[], p_key text[],
    p_limit_key text[], p_body text[], p_cause text[], p_due timestamptz[], p_deadline timestamptz[], p_owner text[],
    -- one element an endpoint of the batch, sorted
    b_endpoint text[], b_limit bigint[], b_at_limit text[])
returns table (place integer, id bigint, outcome text)     -- written, known, dead; full: nothing was written
language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
#variable_conflict use_column
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_id bigint[];  v_key text[];  v_written bigint[];
    v_full text[] := '{}';  v_aside text[] := '{}';  v_over text[] := '{}';  v_drop bigint[] := '{}';
    b record;
begin
    perform flow_scopes('endpoint', b_endpoint);
    select array_agg(x.id order by x.place), array_agg(coalesce(x.key, 'oh_' || h.key || '_' || x.id) order by x.place)
      into v_id, v_key
      from (select u.place, u.key, nextval('outbox_id') as id from unnest(p_key) with ordinality u(key, place)) x,
           hub_identity h;
    for b in
        select u.code, u.most, u.at_limit, s.unfinished
             + (select coalesce(sum(a.commands), 0) from outbox_arrival a where a.endpoint_id = s.id)
             + (select count(*) from unnest(p_endpoint, v_key) c(endpoint, key)
                 where c.endpoint = u.code
                   and not exists (select from outbox o where o.endpoint_id = s.id and o.idempotency_key = c.key)) as n
          from unnest(b_endpoint, b_limit, b_at_limit) u(code, most, at_limit)
          join flow_scope s on s.kind = 'endpoint' and s.code = u.code
    loop
        if b.n > b.most then
            case b.at_limit
                when 'refuse' then v_full := v_full || b.code;
                when 'case' then v_aside := v_aside || b.code;
                else v_over := v_over || b.code; v_drop := v_drop || (b.n - b.most)::bigint;
            end case;
        end if;
    end loop;
    if v_full <> '{}' then
        return query select u.place::integer, null::bigint, 'full'
                       from unnest(p_endpoint) with ordinality u(code, place) where u.code = any (v_full);
        return;
    end if;
    with fresh as (
        insert into outbox (id, endpoint_id, state, lane, operation, ordering_key, idempotency_key, limit_key, body, cause,
                            created_at, due_at, deadline_at, finished_at, kind, reason, owner)
        select u.id, s.id,
               case when u.endpoint = any (v_aside) then 'dead' when u.ordering is null then 'ready' else 'new' end,
               u.lane, u.operation, u.ordering, u.key, u.limit_key, u.body, u.cause,
               v_now, coalesce(u.due, v_now), u.deadline,
               case when u.endpoint = any (v_aside) then v_now end, null,
               case when u.endpoint = any (v_aside) then 'buffer_full: more was waiting than the endpoint may hold' end,
               u.owner
          from unnest(v_id, p_endpoint, p_operation, p_lane, p_ordering, v_key, p_limit_key, p_body, p_cause, p_due,
                      p_deadline, p_owner)
               u(id, endpoint, operation, lane, ordering, key, limit_key, body, cause, due, deadline, owner)
          join flow_scope s on s.kind = 'endpoint' and s.code = u.endpoint
         order by u.id
            on conflict (endpoint_id, idempotency_key) do nothing
        returning id, endpoint_id, state),
    counted as (
        insert into outbox_arrival (endpoint_id, commands)
        select f.endpoint_id, count(*) from fresh f where f.state <> 'dead' group by f.endpoint_id)
    select coalesce(array_agg(f.id), '{}') into v_written from fresh f;
    for b in select u.code, u.n, s.id from unnest(v_over, v_drop) u(code, n)
               join flow_scope s on s.kind = 'endpoint' and s.code = u.code order by s.id
    loop
        perform from flow_scope s where s.id = b.id for update;
        perform outbox_drop(v_now, b.id, b.n);
    end loop;
    return query
    select u.place::integer, o.id,
           case when o.id <> all (v_written) then 'known' when u.code = any (v_aside) then 'dead' else 'written' end
      from unnest(p_endpoint, v_key) with ordinality u(code, key, place)
      join flow_scope s on s.kind = 'endpoint' and s.code = u.code
      join outbox o on o.endpoint_id = s.id and o.idempotency_key = u.key;
end $$;

-- The oldest commands make room for newer ones. The caller holds the endpoint's row.
create or replace function outbox_drop(p_now timestamptz, p_endpoint integer, p_n bigint)
returns bigint language plpgsql as $$
declare
    v_keys text[];  v_n bigint;
begin
    with oldest as (
        select x.id
          from ((select id from outbox where endpoint_id = p_endpoint and state = 'ready' order by id limit p_n)
                union all
                (select id from outbox where endpoint_id = p_endpoint and state = 'new' order by id limit p_n)
                union all
                (select id from outbox where endpoint_id = p_endpoint and ordering_key is not null and state = 'waiting'
                  order by id limit p_n)) x
         order by x.id limit p_n),
    gone as (
        update outbox o set state = 'discarded', finished_at = p_now, reason = 'buffer_full: newer commands took its place'
          from oldest x where o.id = x.id
        returning o.ordering_key)
    select count(*), array_agg(distinct ordering_key) filter (where ordering_key is not null) into v_n, v_keys from gone;
    update flow_scope set unfinished = unfinished - v_n where id = p_endpoint;
    perform outbox_promote(p_now, p_endpoint, v_keys);
    return v_n;
end $$;

-- The next command of each key may go, where none of that key is on its way or holds it.
create or replace function outbox_promote(p_now timestamptz, p_endpoint integer, p_keys text[])
returns void language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
declare
    v_id bigint[];
begin
    if p_keys is null then
        return;
    end if;
    select array_agg(x.id) into v_id
      from (select (select w.id from outbox w
                     where w.endpoint_id = p_endpoint and w.ordering_key = k.key and w.state = 'waiting'
                     order by w.id limit 1) as id
              from unnest(p_keys) k(key)
             where not exists (select from outbox a
                                where a.endpoint_id = p_endpoint and a.ordering_key = k.key
                                  and a.state in ('ready', 'sending', 'dead')
                                  and (a.state <> 'dead' or a.holds_key))) x
     where x.id is not null;
    update outbox set state = 'ready' where id = any (v_id);
end $$;

-- New commands with an ordering key: the first of a key may go, the rest waits behind it. One that is replayed comes
-- before those that wait already.
create or replace function outbox_admit(p_now timestamptz, p_endpoint integer, p_n integer)
returns bigint language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
declare
    v_n bigint;  v_keys text[];  v_first bigint[];  v_rest bigint[];
begin
    with fresh as (
        select id, ordering_key from outbox where endpoint_id = p_endpoint and state = 'new' order by id limit p_n),
    ranked as (
        select f.id, f.ordering_key, row_number() over (partition by f.ordering_key order by f.id) as rank,
               exists (select from outbox a
                        where a.endpoint_id = p_endpoint and a.ordering_key = f.ordering_key
                          and a.state in ('ready', 'waiting', 'sending', 'dead')
                          and (a.state <> 'dead' or a.holds_key)) as taken
          from fresh f)
    select array_agg(r.id) filter (where r.rank = 1 and not r.taken), array_agg(r.id) filter (where r.rank > 1 or r.taken),
           array_agg(distinct r.ordering_key) filter (where r.taken), count(*)
      into v_first, v_rest, v_keys, v_n from ranked r;
    update outbox set state = 'ready' where id = any (v_first);
    update outbox set state = 'waiting' where id = any (v_rest);
    perform outbox_promote(p_now, p_endpoint, v_keys);
    return v_n;
end $$;

-- Everything that deciding about an endpoint needs, under its lock: the clock, what is used up, what is in flight, what
-- waits in each lane, and which commands were left behind by workers that did not come back.
create or replace function flow_open(p_now timestamptz, p_endpoint text, p_quota text, p_wanted integer, p_admit integer)
returns table (now timestamptz, endpoint_id integer, quota_id integer, paused text, state text, quota_state text,
               in_flight integer, probes_in_flight integer, quota_in_flight integer, points_in_flight bigint,
               quota_points_in_flight bigint, unfinished bigint, lanes text, lost text)
language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
#variable_conflict use_column
declare
    v_now timestamptz;
    v_endpoint integer;  v_quota integer;  v_arrived bigint;
begin
    select l.endpoint_id, l.quota_id into v_endpoint, v_quota from flow_lock(p_endpoint, p_quota) l;
    v_now := coalesce(p_now, clock_timestamp());        -- after the lock: time went by while it was waited for
    with gone as (delete from outbox_arrival where endpoint_id = v_endpoint returning commands)
    select coalesce(sum(commands), 0) into v_arrived from gone;
    if v_arrived > 0 then
        update flow_scope s set unfinished = s.unfinished + v_arrived where s.id = v_endpoint;
    end if;
    if p_wanted > 0 then
        perform outbox_admit(v_now, v_endpoint, p_admit);
    end if;
    return query
    select v_now, v_endpoint, v_quota,
           case when s.paused_at is not null then coalesce(s.pause_reason, '') end, s.state, q.state,
           c.calls::integer, c.probes::integer, coalesce(d.calls, 0)::integer, c.points, coalesce(d.points, 0),
           s.unfinished,
           (select coalesce(json_object_agg(l.lane, json_build_array(
                        (select count(*) from (select from outbox o
                                                where o.endpoint_id = v_endpoint and o.lane = l.lane and o.state = 'ready'
                                                  and o.due_at <= v_now limit p_wanted) x),
                        (select count(*) from flow_call f where f.endpoint_id = v_endpoint and f.lane = l.lane
                                                            and f.lease_until > v_now))), '{}')::text
              from flow_lanes(v_endpoint) l(lane)),
           (select coalesce(json_agg(json_build_array(o.id, o.call_id, o.attempts, o.deadline_at, o.tries)), '[]')::text
              from (select f.id from flow_call f where f.endpoint_id = v_endpoint and f.lease_until <= v_now
                       and exists (select from outbox s where s.call_id = f.id and s.state = 'sending')
                     limit p_wanted) f
              join outbox o on o.call_id = f.id and o.state = 'sending')
      from flow_scope s
      cross join lateral (select count(*) as calls, count(*) filter (where f.probe) as probes,
                                 coalesce(sum(f.points), 0)::bigint as points
                            from flow_call f where f.endpoint_id = v_endpoint and f.lease_until > v_now) c
      left join flow_scope q on q.id = v_quota
      left join lateral (select count(*) as calls, sum(f.points)::bigint as points
                           from flow_call f where f.quota_id = v_quota and f.lease_until > v_now) d on true
     where s.id = v_endpoint;
end $$;

-- The lanes that have commands ready: one index step a lane, however many commands there are.
create or replace function flow_lanes(p_endpoint integer)
returns table (lane text) language sql stable as $$
    with recursive steps as (
        (select o.lane from outbox o where o.endpoint_id = p_endpoint and o.state = 'ready' order by o.lane limit 1)
        union all
        select (select o.lane from outbox o
                 where o.endpoint_id = p_endpoint and o.state = 'ready' and o.lane > steps.lane order by o.lane limit 1)
          from steps where steps.lane is not null)
    select steps.lane from steps where steps.lane is not null
$$;

-- Hand commands to calls: for each lane so many calls of up to p_batch commands, the longest due first. Commands whose
-- key has used up its day are put off to the next instead; they are few, because they come up once a day.
create or replace function outbox_claim(
    p_now timestamptz, p_endpoint integer, p_quota integer, p_worker text, p_lease timestamptz, p_probe boolean,
    p_lanes text[], p_calls integer[], p_batch integer, p_points_call bigint, p_points_command bigint,
    p_day_scope integer, p_day date, p_day_cap bigint, p_day_next timestamptz,
    p_operations text[], p_most integer[])     -- operations of which a call carries fewer than p_batch
returns table (call_id bigint, id bigint, lane text, operation text, ordering_key text, idempotency_key text,
               limit_key text, body text, cause text, created_at timestamptz, deadline_at timestamptz, tries integer,
               attempts integer, verify boolean)
language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
#variable_conflict use_column
declare
    v_id bigint[];  v_call integer[];  v_lane text[];  v_key text[];  v_calls bigint[];  v_off bigint[];
begin
    -- Commands in the order in which they are due, numbered by the call that will carry them. A call is one request, so
    -- it carries commands of one operation; the call of whatever is due first goes first.
    select array_agg(x.id order by x.call, x.nth), array_agg(x.call order by x.call, x.nth),
           array_agg(x.lane order by x.call, x.nth), array_agg(x.limit_key order by x.call, x.nth)
      into v_id, v_call, v_lane, v_key
      from (select z.id, z.lane, z.limit_key, z.nth,
                   (dense_rank() over (order by z.turn, z.place))::integer as call
              from (select y.*, dense_rank() over (partition by y.place order by y.begins) as turn
                      from (select c.*, l.lane, l.place, l.calls,
                                   min(c.nth) over (partition by l.place, c.operation, c.part) as begins
                              from unnest(p_lanes, p_calls) with ordinality l(lane, calls, place)
                             cross join lateral (
                                select r.id, r.limit_key, r.operation, row_number() over (order by r.due_at, r.id) as nth,
                                       (row_number() over (partition by r.operation order by r.due_at, r.id) - 1)
                                     / least(p_batch, coalesce(p_most[array_position(p_operations, r.operation)], p_batch))
                                       as part
                                  from (select o.id, o.due_at, o.limit_key, o.operation from outbox o
                                         where o.endpoint_id = p_endpoint and o.lane = l.lane and o.state = 'ready'
                                           and o.due_at <= p_now
                                         order by o.due_at, o.id limit l.calls * p_batch for update skip locked) r) c) y
                   ) z
             where z.turn <= z.calls) x;
    if v_id is null then
        return;
    end if;
    if p_day_scope is not null then
        with wanted as (
            select u.id, u.call, u.lane, u.key, u.place,
                   row_number() over (partition by u.key order by u.place)
                 + coalesce((select d.used from daily_use d
                              where d.scope_id = p_day_scope and d.day = p_day and d.key = u.key), 0) as nth
              from unnest(v_id, v_call, v_lane, v_key) with ordinality u(id, call, lane, key, place)),
        used as (
            insert into daily_use as d (scope_id, day, key, used)
            select p_day_scope, p_day, w.key, count(*) from wanted w
             where w.key is not null and w.nth <= p_day_cap group by w.key
                on conflict (scope_id, day, key) do update set used = d.used + excluded.used)
        select array_agg(w.id order by w.place) filter (where w.key is null or w.nth <= p_day_cap),
               array_agg(w.call order by w.place) filter (where w.key is null or w.nth <= p_day_cap),
               array_agg(w.lane order by w.place) filter (where w.key is null or w.nth <= p_day_cap),
               array_agg(w.id) filter (where w.nth > p_day_cap and w.key is not null)
          into v_id, v_call, v_lane, v_off from wanted w;
        update outbox set due_at = p_day_next where id = any (v_off);
        if v_id is null then
            return;
        end if;
    end if;
    select array_agg(nextval('flow_call_id_seq') order by g) into v_calls
      from generate_series(1, (select max(c) from unnest(v_call) c)) g;
    insert into flow_call (id, endpoint_id, quota_id, lane, worker, probe, points, started_at, lease_until)
    overriding system value
    select v_calls[u.call], p_endpoint, p_quota, min(u.lane), p_worker, p_probe,
           p_points_call + count(*) * p_points_command, p_now, p_lease
      from unnest(v_call, v_lane) u(call, lane) group by u.call;
    return query
    update outbox o set state = 'sending', call_id = v_calls[u.call], tries = o.tries + 1
      from unnest(v_id, v_call) u(id, call)
     where o.id = u.id
    returning o.call_id, o.id, o.lane, o.operation, o.ordering_key, o.idempotency_key, o.limit_key, o.body, o.cause,
              o.created_at, o.deadline_at, o.tries, o.attempts, o.verify;
end $$;

-- A call without commands: somebody polls, and the limits count it all the same.
create or replace function flow_permit(
    p_now timestamptz, p_endpoint integer, p_quota integer, p_worker text, p_lease timestamptz, p_probe boolean, p_points bigint)
returns bigint language sql as $$
    insert into flow_call (endpoint_id, quota_id, lane, worker, probe, points, started_at, lease_until)
    values (p_endpoint, p_quota, '', p_worker, p_probe, p_points, p_now, p_lease) returning id
$$;

create or replace function flow_save(
    p_endpoint integer, p_state text, p_quota integer, p_quota_state text, p_blocked text, p_till timestamptz, p_pause text)
returns void language plpgsql as $$
begin
    update flow_scope s
       set state = coalesce(p_state, s.state), blocked_by = coalesce(p_blocked, s.blocked_by),
           blocked_till = case when p_blocked is null then s.blocked_till else p_till end,
           paused_at = case when p_pause is null then s.paused_at else coalesce(s.paused_at, clock_timestamp()) end,
           paused_by = case when p_pause is null then s.paused_by else coalesce(s.paused_by, 'onhand') end,
           pause_reason = case when p_pause is null then s.pause_reason else coalesce(s.pause_reason, p_pause) end
     where s.id = p_endpoint;
    if p_quota is not null and p_quota_state is not null then
        update flow_scope s set state = p_quota_state where s.id = p_quota;
    end if;
end $$;

-- Write down what became of commands and end their calls. A command that another worker has meanwhile keeps what that
-- worker makes of it; only a late "delivered" for one that waits for its next try still counts.
create or replace function outbox_settle(
    p_now timestamptz, p_endpoint integer, p_worker text, p_calls bigint[],
    c_id bigint[], c_call bigint[], c_try integer[], c_state text[], c_kind text[], c_counted boolean[],
    c_attempts integer[], c_due timestamptz[], c_verify boolean[], c_holds boolean[], c_reason text[], c_owner text[],
    c_answer text[], c_detail text[], c_status integer[], c_at timestamptz[], c_took_ms integer[])
returns integer language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off
as $$
declare
    v_n integer;  v_keys text[];
begin
    delete from flow_call where id = any (p_calls);
    insert into outbox_attempt as a (command_id, number, at, took_ms, worker, kind, counted, status, detail)
    select u.id, u.try, u.at, u.took_ms, p_worker, u.kind, u.counted, u.status, u.detail
      from unnest(c_id, c_try, c_at, c_took_ms, c_kind, c_counted, c_status, c_detail)
           u(id, try, at, took_ms, kind, counted, status, detail)
     where u.try > 0
        on conflict (command_id, number) do update
           set worker = excluded.worker, kind = excluded.kind, status = excluded.status, detail = excluded.detail;
    with settled as (
        update outbox o
           set state = u.state, kind = u.kind, attempts = u.attempts, due_at = coalesce(u.due, o.due_at), verify = o.verify or u.verify,
               call_id = null, reason = u.reason, owner = coalesce(u.owner, o.owner), answer = u.answer,
               holds_key = u.holds and o.ordering_key is not null,
               finished_at = case when u.state in ('done', 'dead') then p_now end
          from unnest(c_id, c_call, c_try, c_state, c_kind, c_attempts, c_due, c_verify, c_holds, c_reason, c_owner, c_answer)
               u(id, call, try, state, kind, attempts, due, verify, holds, reason, owner, answer)
         where o.id = u.id
           and (o.state = 'sending' and o.call_id = u.call
                or o.state = 'ready' and u.state = 'done' and o.tries = u.try)
        returning o.state, o.ordering_key, o.holds_key)
    select count(*) filter (where state in ('done', 'dead')),
           array_agg(distinct ordering_key) filter (where state in ('done', 'dead') and ordering_key is not null and not holds_key)
      into v_n, v_keys from settled;
    update flow_scope s set unfinished = s.unfinished - v_n where s.id = p_endpoint;
    perform outbox_promote(p_now, p_endpoint, v_keys);
    return v_n;
end $$;

-- Commands that only ever waited end at their deadline, of whatever endpoint, whether it can be called or not.
create or replace function outbox_expire(p_now timestamptz, p_n integer)
returns bigint language plpgsql as $$
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_endpoints integer[];  v_keys text[];  v_n bigint;  v_total bigint := 0;
    e integer;
begin
    select array_agg(distinct x.endpoint_id order by x.endpoint_id) into v_endpoints
      from (select o.endpoint_id from outbox o where o.deadline_at <= v_now and o.state in ('new', 'ready', 'waiting')
             order by o.deadline_at limit p_n) x;
    foreach e in array coalesce(v_endpoints, '{}') loop
        perform from flow_scope s where s.id = e for update;
        with late as (
            select o.id from outbox o
             where o.deadline_at <= v_now and o.state in ('new', 'ready', 'waiting') and o.endpoint_id = e
             order by o.deadline_at limit p_n for update skip locked),
        ended as (
            update outbox o
               set state = 'dead', finished_at = v_now,
                   reason = 'deadline passed' || case when s.blocked_by = '' then '' else ' while blocked by ' || s.blocked_by end
              from late l, flow_scope s where o.id = l.id and s.id = e
            returning o.ordering_key)
        select count(*), array_agg(distinct ordering_key) filter (where ordering_key is not null)
          into v_n, v_keys from ended;
        update flow_scope s set unfinished = s.unfinished - v_n where s.id = e;
        perform outbox_promote(v_now, e, v_keys);
        v_total := v_total + v_n;
    end loop;
    return v_total;
end $$;

-- Dead letters go back into the queue under the keys that they always had. Those that are not dead letters stay as they
-- are, so that saying it twice is saying it once.
create or replace function outbox_replay(p_now timestamptz, p_ids bigint[], p_deadline_s integer[], p_who text, p_reason text)
returns bigint[] language plpgsql as $$
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_done bigint[];
begin
    perform from flow_scope s
      where s.id in (select o.endpoint_id from outbox o where o.id = any (p_ids)) order by s.id for update;
    with again as (
        update outbox o
           set state = case when o.ordering_key is null then 'ready' else 'new' end, attempts = 0, due_at = v_now,
               deadline_at = v_now + make_interval(secs => u.seconds), finished_at = null, reason = null, holds_key = false,
               replays = o.replays + 1
          from unnest(p_ids, p_deadline_s) u(id, seconds)
         where o.id = u.id and o.state = 'dead'
        returning o.id, o.endpoint_id),
    counted as (
        insert into outbox_arrival (endpoint_id, commands) select endpoint_id, count(*) from again group by endpoint_id),
    noted as (
        insert into flow_action (at, who, action, subject, commands, reason)
        select v_now, p_who, 'replay', s.code, count(*), p_reason
          from again a join flow_scope s on s.id = a.endpoint_id group by s.code)
    select coalesce(array_agg(id order by id), '{}') into v_done from again;
    return v_done;
end $$;

-- Commands that need not be sent any more. What is on its way or done stays as it is.
create or replace function outbox_discard(p_now timestamptz, p_ids bigint[], p_who text, p_reason text)
returns bigint[] language plpgsql as $$
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_done bigint[];
    r record;
begin
    perform from flow_scope s
      where s.id in (select o.endpoint_id from outbox o where o.id = any (p_ids)) order by s.id for update;
    for r in
        with before as (
            select o.id, o.endpoint_id, o.state, o.ordering_key from outbox o
             where o.id = any (p_ids) and o.state in ('new', 'ready', 'waiting', 'dead') for update),
        gone as (
            update outbox o set state = 'discarded', finished_at = v_now, holds_key = false,
                                reason = 'discarded by ' || p_who || case when p_reason = '' then '' else ': ' || p_reason end
              from before b where o.id = b.id
            returning o.id, b.endpoint_id, b.state, b.ordering_key)
        select endpoint_id, count(*) as n, count(*) filter (where state <> 'dead') as unfinished, array_agg(id) as ids,
               array_agg(distinct ordering_key) filter (where ordering_key is not null) as keys
          from gone group by endpoint_id
    loop
        update flow_scope s set unfinished = s.unfinished - r.unfinished where s.id = r.endpoint_id;
        perform outbox_promote(v_now, r.endpoint_id, r.keys);
        insert into flow_action (at, who, action, subject, commands, reason)
        select v_now, p_who, 'discard', s.code, r.n, p_reason from flow_scope s where s.id = r.endpoint_id;
        v_done := coalesce(v_done, '{}') || r.ids;
    end loop;
    return coalesce(v_done, '{}');
end $$;
