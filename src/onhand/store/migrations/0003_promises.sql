-- Promises: requests and their first answers (for ever), what they hold now, and the log of every change.

create table ring_fence (
    item_id      bigint      not null,
    location_id  integer     not null,
    group_id     integer     not null references fence_group,
    quantity     bigint      not null check (quantity >= 0),
    consumed     bigint      not null default 0 check (consumed >= 0),
    primary key (item_id, location_id, group_id)
);

create table reservation (
    id              bigint      generated always as identity primary key,
    client_id       integer     not null references client,
    request_id      text        collate "C" not null,
    fingerprint     bytea       not null,
    channel_id      integer     not null references channel,
    state           text        not null check (state in
                        ('granted', 'partly_granted', 'backordered', 'refused', 'released', 'expired', 'fulfilled')),
    open            boolean     not null,           -- holds stock or waits for it
    created_at      timestamptz not null,
    expires_at      timestamptz,                    -- null: no deadline
    network_version integer     not null,
    request         text        not null,           -- canonical JSON of what was asked
    answer          text        not null,           -- JSON of the lines as they stand
    first_answer    text,                           -- the answer first given, once a later verb has changed the lines
    unique (client_id, request_id)
) with (fillfactor = 80);
create index reservation_due on reservation (expires_at) where open;

create table claim (
    item_id        bigint      not null,
    reservation_id bigint      not null,
    line           integer     not null,
    location_id    integer     not null,
    lot_id         bigint      not null default 0,
    quantity       bigint      not null check (quantity > 0),
    allocated      bigint      not null default 0 check (allocated between 0 and quantity),   -- the hard part of it
    group_id       integer     not null default 0,
    from_fence     bigint      not null default 0,
    primary key (item_id, reservation_id, line, location_id, lot_id)
) with (fillfactor = 90);
create index claim_reservation on claim (reservation_id);

-- Hard holds that a system states on its own, without a reservation of ours.
create table allocation (
    item_id      bigint      not null,
    location_id  integer     not null,
    reference    text        collate "C" not null,
    lot_id       bigint      not null default 0,
    quantity     bigint      not null,              -- created less released; may pass below zero while facts are late
    primary key (item_id, location_id, reference, lot_id)
);

create table backorder (
    item_id        bigint      not null,
    reservation_id bigint      not null,
    line           integer     not null,
    quantity       bigint      not null check (quantity > 0),
    created_at     timestamptz not null,
    primary key (item_id, reservation_id, line)
);

-- What left against a promise: ties each reservation to the shipments that fulfilled it.
create table fulfilment (
    reservation_id bigint      not null,
    seq            bigint      generated always as identity,
    line           integer     not null,
    item_id        bigint      not null,
    location_id    integer     not null,
    lot_id         bigint      not null,
    quantity       bigint      not null check (quantity > 0),
    event_id       bigint      not null,
    primary key (reservation_id, seq)
);

create table promise_log (
    seq            bigint      generated always as identity primary key,
    reservation_id bigint      not null,
    verb           text        not null,
    state          text        not null,
    at             timestamptz not null,
    expires_at     timestamptz,
    detail         text,                            -- JSON, where the reservation's own row does not tell it
    tx             xid8        not null default pg_current_xact_id()
);
create index promise_log_reservation on promise_log (reservation_id);
create trigger promise_log_is_append_only before update or delete or truncate on promise_log
    for each statement execute function refuse_change();

-- What a verb other than create answered, by the caller's Idempotency-Key: written with the effect, replayed for ever.
create table answered_request (
    client_id      integer     not null references client,
    key            text        collate "C" not null,
    fingerprint    bytea       not null,
    status         smallint    not null,
    body           text        not null,
    created_at     timestamptz not null default clock_timestamp(),
    primary key (client_id, key)
);
