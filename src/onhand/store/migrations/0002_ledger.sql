-- Facts and what they sum to. Hot tables carry item_id first in their keys: nothing here joins across items.

create table event (
    id           bigint      generated always as identity primary key,
    source_id    integer     not null references source,
    event_id     text        collate "C" not null,
    type         text        not null,
    version      smallint    not null,
    occurred_at  timestamptz not null,              -- true in the world
    recorded_at  timestamptz not null,              -- known here
    fingerprint  bytea       not null,
    body         text        not null,              -- the envelope as accepted, JSON
    tx           xid8        not null default pg_current_xact_id(),   -- lets a reader of the feed wait for late commits
    unique (source_id, event_id)
);

create table movement (
    item_id        bigint      not null,
    seq            bigint      generated always as identity,
    event_id       bigint      not null,
    line           integer     not null,
    kind           text        not null default 'fact' check (kind in ('fact', 'count', 'recount')),
    quantity       bigint      not null check (quantity > 0),
    from_location  integer     not null,
    from_status    integer     not null,
    to_location    integer     not null,
    to_status      integer     not null,
    lot_id         bigint      not null default 0,
    owner_id       integer     not null default 1,
    serial         text        collate "C",
    occurred_at    timestamptz not null,
    recorded_at    timestamptz not null,
    from_balance   bigint      not null,            -- the balance of each place after this movement:
    to_balance     bigint      not null,            -- a variance shows as a difference between neighbours
    primary key (item_id, seq),
    check ((from_location, from_status) <> (to_location, to_status))
);
create index movement_event on movement (event_id);
create index movement_serial on movement (item_id, serial) where serial is not null;

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the table % is append-only: a correction is another movement', tg_table_name
        using errcode = 'restrict_violation';
end $$;
create trigger event_is_append_only before update or delete or truncate on event
    for each statement execute function refuse_change();
create trigger movement_is_append_only before update or delete or truncate on movement
    for each statement execute function refuse_change();

create table balance (
    item_id      bigint      not null,
    location_id  integer     not null,
    status_id    integer     not null,
    lot_id       bigint      not null default 0,
    owner_id     integer     not null default 1,
    quantity     bigint      not null,
    moved_at     timestamptz not null,              -- newest occurred_at here: a count after it needs no look back
    counted_at   timestamptz,                       -- newest count here: a fact before it is late for that count
    primary key (item_id, location_id, status_id, lot_id, owner_id)
) with (fillfactor = 70);

-- Every count ever stated, because a fact that arrives late must be taken up by the first count after it.
create table count_point (
    item_id      bigint      not null,
    location_id  integer     not null,
    status_id    integer     not null,
    lot_id       bigint      not null,
    owner_id     integer     not null,
    counted_at   timestamptz not null,
    tie          text        collate "C" not null,  -- "source id": orders counts of one instant, whatever came first
    event_id     bigint      not null,
    line         integer     not null,
    quantity     bigint      not null,
    primary key (item_id, location_id, status_id, lot_id, owner_id, counted_at, tie)
);

-- The pool that promises draw on: one row an item and physical location. available = on_hand - reserved - allocated.
create table stock (
    item_id      bigint      not null,
    location_id  integer     not null,
    on_hand      bigint      not null default 0,    -- sum of balances in sellable statuses
    reserved     bigint      not null default 0 check (reserved >= 0),
    allocated    bigint      not null default 0 check (allocated >= 0),
    fenced       bigint      not null default 0 check (fenced >= 0),   -- sum of unconsumed ring-fences
    primary key (item_id, location_id)
) with (fillfactor = 70);

create table lot_stock (
    item_id      bigint      not null,
    location_id  integer     not null,
    lot_id       bigint      not null,
    on_hand      bigint      not null default 0,
    held         bigint      not null default 0 check (held >= 0),     -- reserved and allocated together
    primary key (item_id, location_id, lot_id)
) with (fillfactor = 70);

create table supply (
    item_id             bigint      not null,
    location_id         integer     not null,
    kind                text        not null check (kind in ('purchase_order', 'asn', 'statement')),
    reference           text        collate "C" not null,
    line_id             text        collate "C" not null,
    quantity            bigint      not null check (quantity >= 0),
    due_date            date        not null,
    reliability_percent integer     not null default 100 check (reliability_percent between 0 and 100),
    stated_at           timestamptz not null,
    stated_by           text        not null,
    primary key (item_id, location_id, kind, reference, line_id)
);

-- What receipts took off each supply; kept apart because a receipt may be known before its order.
create table supply_arrival (
    item_id      bigint      not null,
    location_id  integer     not null,
    kind         text        not null,
    reference    text        collate "C" not null,
    quantity     bigint      not null,
    primary key (item_id, location_id, kind, reference)
);

create table quarantine (
    id           bigint      generated always as identity primary key,
    source       text        collate "C" not null,
    event_id     text        collate "C" not null,
    type         text        not null,
    fingerprint  bytea       not null,
    reason       text        not null,
    detail       text        not null,
    facts        jsonb       not null default '{}',
    body         text        not null,
    received_at  timestamptz not null default clock_timestamp(),
    times        integer     not null default 1,    -- how often the same thing came
    state        text        not null default 'open' check (state in ('open', 'released', 'discarded')),
    resolved_at  timestamptz,
    resolved_by  text,
    note         text,
    unique (source, event_id, fingerprint)
);
create index quarantine_open on quarantine (id) where state = 'open';
