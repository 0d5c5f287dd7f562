-- Flow: commands to partners, and what is used up of their limits, shared by all nodes.

-- The default idempotency key of a command carries it, so that two hubs that speak to one partner never share a key.
create table hub_identity (
    singleton    boolean     primary key default true check (singleton),
    key          text        not null default substr(replace(gen_random_uuid()::text, '-', ''), 1, 10)
);
insert into hub_identity default values;

-- What limits are counted for. Its row is locked by whoever claims or settles commands of the endpoint, and by nobody
-- who writes them.
create table flow_scope (
    id           integer     generated always as identity primary key,
    kind         text        not null check (kind in ('endpoint', 'quota')),
    code         text        collate "C" not null,
    paused_at    timestamptz,
    paused_by    text,
    pause_reason text,
    state        text        not null default '{}',     -- JSON: breaker, what is used up, tags of lanes
    unfinished   bigint      not null default 0,        -- commands, without those that outbox_arrival still tells of
    blocked_by   text        not null default '',       -- why the last claim got nothing, and until when
    blocked_till timestamptz,
    unique (kind, code)
) with (fillfactor = 50);

-- Rows that come and go with every call have no foreign keys: only the functions of this area write them, and a check a
-- row would cost as much as the row (measured).

-- One row a call in flight. Its lease is what survives a worker that was killed.
create table flow_call (
    id           bigint      generated always as identity primary key,
    endpoint_id  integer     not null,
    quota_id     integer,
    lane         text        collate "C" not null,
    worker       text        not null,
    probe        boolean     not null,
    points       bigint      not null default 0,        -- what it is expected to cost
    started_at   timestamptz not null,
    lease_until  timestamptz not null
);
create index flow_call_endpoint on flow_call (endpoint_id);
create index flow_call_quota on flow_call (quota_id) where quota_id is not null;

create sequence outbox_id as bigint;

-- Commands to partners: written with the fact behind them, kept until they are done or somebody decides.
create table outbox (
    id              bigint      primary key default nextval('outbox_id'),
    endpoint_id     integer     not null,
    state           text        not null
                    check (state in ('new', 'ready', 'waiting', 'sending', 'done', 'dead', 'discarded')),
    lane            text        collate "C" not null,
    operation       text        not null,
    ordering_key    text        collate "C",
    idempotency_key text        collate "C" not null,
    limit_key       text        collate "C",            -- what a cap a day is counted for
    body            text        not null,
    cause           text        not null default '',    -- lineage: the fact, reservation or person behind it
    created_at      timestamptz not null,
    due_at          timestamptz not null,
    deadline_at     timestamptz not null,
    call_id         bigint,                             -- while it is being sent
    tries           integer     not null default 0,     -- sent so often, ever
    attempts        integer     not null default 0,     -- of those, attempts that count, since the last replay
    verify          boolean     not null default false, -- the last try may have been done
    holds_key       boolean     not null default false, -- a dead letter that keeps its successors waiting
    replays         integer     not null default 0,
    finished_at     timestamptz,
    kind            text,                               -- how the last try ended
    reason          text,                               -- why it is a dead letter or was discarded
    answer          text,
    owner           text,
    unique (endpoint_id, idempotency_key)
) with (fillfactor = 70);
create index outbox_ready on outbox (endpoint_id, lane, due_at, id) where state = 'ready';
create index outbox_new on outbox (endpoint_id, id) where state = 'new';
create index outbox_key on outbox (endpoint_id, ordering_key, id)
    where ordering_key is not null and state in ('ready', 'waiting', 'sending', 'dead');
create index outbox_sending on outbox (call_id) where state = 'sending';
create index outbox_dead on outbox (endpoint_id, id) where state = 'dead';
create index outbox_deadline on outbox (deadline_at) where state in ('new', 'ready', 'waiting');

-- Counting what waits must not make whoever writes commands wait for whoever sends them: arrivals are added up later.
create table outbox_arrival (
    seq          bigint      generated always as identity primary key,
    endpoint_id  integer     not null,
    commands     bigint      not null
);
create index outbox_arrival_endpoint on outbox_arrival (endpoint_id);

-- Every try of a command and how it ended.
create table outbox_attempt (
    command_id   bigint      not null,
    number       integer     not null,
    at           timestamptz not null,
    took_ms      integer     not null,
    worker       text        not null,
    kind         text        not null,
    counted      boolean     not null,
    status       integer,
    detail       text        not null,
    primary key (command_id, number)
);

-- What was used up of a cap a day, by key.
create table daily_use (
    scope_id     integer     not null references flow_scope,
    day          date        not null,
    key          text        collate "C" not null,
    used         bigint      not null,
    primary key (scope_id, day, key)
);

-- What people did to endpoints and commands.
create table flow_action (
    seq          bigint      generated always as identity primary key,
    at           timestamptz not null,
    who          text        not null,
    action       text        not null,
    subject      text        not null,
    commands     bigint      not null default 0,
    reason       text        not null default ''
);
create trigger flow_action_is_append_only before update or delete or truncate on flow_action
    for each statement execute function refuse_change();
