-- Numbers out: what each channel should show of each item, what it was told, and what it shows.

-- Whether any channel is told numbers at all; where none is, nobody has to note what changed.
alter table in_force add column publishing boolean not null default false;

-- Items whose numbers may have changed, noted in the transaction of the change. Rows are only ever added by those who
-- change stock, and taken away by those who work numbers out: no index and no key, so that no two writers ever meet.
create table dirty_item (
    item_id      bigint      not null,
    at           timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Whoever works out the numbers of items holds the shard of their ids meanwhile: a number that was read earlier can never
-- overwrite one that was read later.
create table publication_shard (
    shard        integer     primary key
);
insert into publication_shard select generate_series(0, 15);

-- What is to be done once in a while, by one node at a time.
create table publication_clock (
    singleton    boolean     primary key default true check (singleton),
    chores_at    timestamptz not null default '-infinity',
    day          date,                              -- lots that are fit today need not be tomorrow
    swept_item   bigint      not null default 0     -- every item is looked at again now and then, dirty or not
);
insert into publication_clock default values;

create table publication_channel (
    channel_id   integer     primary key references channel,
    paused_at    timestamptz,
    paused_by    text,
    pause_reason text,
    stage        text        not null default '{}', -- JSON: how far it has fallen back, see onhand.domain.fallback
    sampled_day  date,
    sampled      bigint      not null default 0     -- listings read back on that day as a sample
) with (fillfactor = 50);

-- One row a channel and item, or a channel, item and location where numbers are kept per location (0: they are not).
-- It holds states, never a queue: whoever sends reads it at the moment of sending.
create table publication (
    item_id         bigint      not null,
    channel_id      integer     not null,
    location_id     integer     not null default 0,
    listing         text        collate "C" not null,   -- the channel's name of the item
    place           text        collate "C",            -- the channel's name of the location
    state           text        not null default 'listed'
                    check (state in ('listed', 'unlisted', 'refused', 'stuck', 'off')),
    available       bigint      not null,               -- what the hub would have it show
    desired         bigint      not null,               -- what it should show: lessened while a source is stale
    desired_at      timestamptz not null,
    network         integer     not null,               -- the version of the policy behind it
    per_h           double precision not null default 0,    -- velocity: what it lately lost in an hour
    per_h_at        timestamptz,
    rank            integer     not null default 0,     -- what leaving it wrong may cost, coarsely
    cause           text        not null default 'change'
                    check (cause in ('change', 'refresh', 'repair', 'now', 'retry')),
    due_at          timestamptz,                        -- when it is to be looked at; null: nothing to do
    behind_since    timestamptz,
    command_id      bigint,                             -- the command that will tell it
    sent            bigint,
    sent_at         timestamptz,
    sent_key        text,
    acknowledged    bigint,
    acknowledged_at timestamptz,
    ticket          text        collate "C",            -- the channel will answer later, under this name
    ticket_at       timestamptz,
    read_back       bigint,
    read_back_at    timestamptz,
    shown           bigint,                             -- the newest of acknowledged and read back
    look_at         timestamptz,                        -- when it is to be read back
    look_why        text        check (look_why in ('sample', 'doubt', 'conflict', 'sold', 'repair')),
    look_id         bigint,                             -- the command that will read it back
    stubborn        integer     not null default 0,     -- told so often in vain
    refusals        integer     not null default 0,
    failures        integer     not null default 0,
    drifts          integer     not null default 0,
    failed_at       timestamptz,
    error           text,
    primary key (item_id, channel_id, location_id)
) with (fillfactor = 60);
create index publication_due on publication (channel_id, rank desc) where due_at is not null and command_id is null;
create index publication_queued on publication (channel_id) where command_id is not null;
create index publication_look on publication (channel_id, look_at) where look_at is not null;
create index publication_ticket on publication (channel_id, ticket) where ticket is not null;
create index publication_told on publication (channel_id, acknowledged_at) where acknowledged_at is not null;
create index publication_seen on publication (channel_id, read_back_at nulls first) where acknowledged_at is not null;

-- What was told and what came of it, for ever looked up by explain; the oldest is forgotten after a long while.
create table publication_log (
    item_id      bigint      not null,
    channel_id   integer     not null,
    location_id  integer     not null,
    seq          bigint      generated always as identity,
    at           timestamptz not null,
    what         text        not null,              -- sent, acknowledged, refused, unlisted, unknown, stale, read_back, drift, stuck
    quantity     bigint,
    available    bigint,
    network      integer,
    stage        text,                              -- JSON, where the channel had fallen back
    command_id   bigint,
    lag_ms       bigint,                            -- from the change to the acknowledgement
    terms        text,                              -- JSON: what adds up to the number
    detail       text,
    primary key (item_id, channel_id, seq)
);
create index publication_log_lag on publication_log (channel_id, at) where lag_ms is not null;
create index publication_log_at on publication_log using brin (at);
create trigger publication_log_is_append_only before update or truncate on publication_log
    for each statement execute function refuse_change();

-- What happened to a channel as a whole: who paused it, when it fell back and when it came back.
create table publication_event (
    seq          bigint      generated always as identity primary key,
    channel_id   integer     not null references channel,
    at           timestamptz not null,
    who          text        not null,
    what         text        not null,
    detail       text        not null default ''
);
create index publication_event_channel on publication_event (channel_id, seq);
create trigger publication_event_is_append_only before update or delete or truncate on publication_event
    for each statement execute function refuse_change();

-- A kit's number follows its parts. Kits are few, and each part is asked for its kits.
create index item_kits on item using gin (components jsonb_path_ops) where kind = 'kit';
create index item_is_kit on item (id) where kind = 'kit';

-- An item that is blocked, moves to another category or is sold in other packs has other numbers. Items change seldom.
create function note_dirty_items() returns trigger language plpgsql as $$
begin
    insert into dirty_item (item_id) select id from fresh where (select publishing from in_force);
    return null;
end $$;
create trigger item_added after insert on item referencing new table as fresh
    for each statement execute function note_dirty_items();
create trigger item_changed after update on item referencing new table as fresh
    for each statement execute function note_dirty_items();

-- A publication as people read it: codes for ids.
create view publication_line as
select p.item_id, p.channel_id, p.location_id, i.sku, i.category, c.code as channel, l.code as location, p.listing, p.place,
       p.state, p.available, p.desired, p.desired_at, p.network, p.per_h, p.rank, p.cause, p.due_at, p.behind_since,
       p.command_id, p.sent, p.sent_at, p.sent_key, p.acknowledged, p.acknowledged_at, p.ticket, p.ticket_at,
       p.read_back, p.read_back_at, p.shown, p.look_at, p.look_why, p.look_id, p.stubborn, p.refusals, p.failures, p.drifts,
       p.failed_at, p.error
  from publication p join item i on i.id = p.item_id join channel c on c.id = p.channel_id
  left join location l on l.id = p.location_id;
