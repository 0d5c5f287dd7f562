-- The inbox: what systems sent, byte for byte, what became of it, and where each feed has got to.

-- One row a feed. Whoever reads a feed holds its lease; `turn` tells a later holder from one that came back too late.
create table feed_state (
    id              integer     generated always as identity primary key,
    code            text        collate "C" not null unique,
    known_since     timestamptz not null default clock_timestamp(),
    cursor          text,
    reading         text        collate "C",            -- the snapshot in whose middle it is
    due_at          timestamptz,                        -- when it is asked again; null is at once
    holder          text,
    lease_until     timestamptz,
    turn            bigint      not null default 0,
    paused_at       timestamptz,
    paused_by       text,
    pause_reason    text,
    last_heard_at   timestamptz,                        -- a message, or the word that there is none
    last_message_at timestamptz,
    last_empty_at   timestamptz,
    failures        integer     not null default 0,     -- in a row
    failed_at       timestamptz,
    failure         text        not null default '',
    blocked_by      text        not null default '',    -- the limit, window or pause that the last poll waited for
    blocked_till    timestamptz
) with (fillfactor = 50);

-- A statement of everything as of a cut-off. It speaks of what is missing only once all of it is here and mapped.
create table inbox_snapshot (
    id              bigint      generated always as identity primary key,
    feed_id         integer     not null references feed_state,
    key             text        collate "C" not null,   -- the cut-off of one in pages, the number of a message that is one
    as_of           timestamptz not null,
    torn            boolean     not null default false, -- it began in the middle of another one: it never is whole
    complete        boolean     not null,
    closed_at       timestamptz,
    zeroed          integer     not null default 0,
    unique (feed_id, key)
);
create index inbox_snapshot_open on inbox_snapshot (feed_id, id) where closed_at is null;

-- What a snapshot named. Rows go when it is closed.
create table inbox_named (
    snapshot_id     bigint      not null references inbox_snapshot on delete cascade,
    location        text        collate "C" not null,
    status          text        collate "C" not null,
    sku             text        collate "C" not null,
    primary key (snapshot_id, location, status, sku)
);

-- The newest cut-off that a feed has stated each place as of: an older statement that comes late says nothing more.
create table inbox_stated (
    feed_id         integer     not null references feed_state,
    sku             text        collate "C" not null,
    location        text        collate "C" not null,
    status          text        collate "C" not null,
    lot             text        collate "C" not null,
    as_of           timestamptz not null,
    primary key (feed_id, sku, location, status, lot)
) with (fillfactor = 70);

create table inbox (
    id              bigint      generated always as identity primary key,
    feed_id         integer     not null references feed_state,
    key             text        collate "C" not null,
    digest          bytea       not null,               -- SHA-256 of the body
    changed         boolean     not null,               -- the key came before, with another body
    state           text        not null check (state in ('new', 'mapped', 'quarantined', 'dead', 'discarded')),
    mode            text        not null check (mode in ('poll', 'webhook', 'file')),
    content_type    text        not null,
    body            bytea       not null,
    facts           text        not null,               -- JSON: headers without secrets, path, cursor
    occurred_at     timestamptz,
    received_at     timestamptz not null,
    snapshot_id     bigint      references inbox_snapshot,
    repeats         integer     not null default 0,     -- how often the very same came again
    due_at          timestamptz not null,
    holder          text,
    lease_until     timestamptz,
    tries           integer     not null default 0,     -- mapped so often, ever
    attempts        integer     not null default 0,     -- of those that our side failed, since the last replay
    replays         integer     not null default 0,
    finished_at     timestamptz,
    reason          text,                               -- why it is a dead letter or was discarded
    place           text,                               -- where in the body
    fingerprint     text,                               -- of the mapping that it was last mapped with
    unique (feed_id, key, digest)
) with (fillfactor = 80);
create index inbox_new on inbox (feed_id, id) where state = 'new';
create index inbox_dead on inbox (feed_id, id) where state in ('dead', 'quarantined');
create index inbox_done on inbox (finished_at) where state in ('mapped', 'discarded');
create index inbox_received on inbox (feed_id, received_at);
create index inbox_of_snapshot on inbox (snapshot_id) where snapshot_id is not null;

-- Every try to map a message and how it ended.
create table inbox_attempt (
    message_id      bigint      not null,
    number          integer     not null,
    at              timestamptz not null,
    took_ms         integer     not null,
    holder          text        not null,
    fingerprint     text        not null,
    outcome         text        not null,
    counted         boolean     not null,
    reason          text        not null,
    place           text        not null,
    primary key (message_id, number)
);

-- Lineage: which events a message gave, and what became of each.
create table inbox_event (
    message_id      bigint      not null,
    source          text        collate "C" not null,
    event_id        text        collate "C" not null,
    outcome         text        not null,
    quarantine_id   bigint,
    reason          text        not null default '',
    primary key (message_id, source, event_id)
);
create index inbox_event_back on inbox_event (source, event_id);
