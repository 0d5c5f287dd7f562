-- What the rest refers to: the network in force, the codes it names, the items, and who may call.
-- Codes become small integers once and are never deleted, so that history stays readable for ever.

create table network_version (
    version      integer     primary key,
    applied_at   timestamptz not null default clock_timestamp(),
    applied_by   text        not null,
    message      text        not null default '',
    files        jsonb       not null,              -- {path: text}, to be shown again byte for byte
    model        jsonb       not null,              -- the compiled network
    fingerprint  text        not null
);

-- One row, read at the start of every batch: a node that sees other numbers than it knows loads anew before it decides.
create table in_force (
    singleton    boolean     primary key default true check (singleton),
    network      integer     not null default 0,    -- 0: no network was applied yet
    catalogue    bigint      not null default 0     -- goes up whenever an item changes
);
insert into in_force default values;

create table system (
    id           integer     generated always as identity primary key,
    code         text        collate "C" not null unique,
    retired      boolean     not null default false
);

-- The dedupe key of an event is (source, id), and one system may speak from several sources.
create table source (
    id           integer     generated always as identity primary key,
    uri          text        collate "C" not null unique,
    system_id    integer     not null references system
);

create table location (
    id           integer     generated always as identity primary key,
    code         text        collate "C" not null unique,
    kind         text        not null check (kind in ('warehouse', 'store', 'supplier', 'customer', 'transit', 'adjustment')),
    retired      boolean     not null default false
);

create table status (
    id           integer     generated always as identity primary key,
    code         text        collate "C" not null unique,
    sellable     boolean     not null
);

create table channel (
    id           integer     generated always as identity primary key,
    code         text        collate "C" not null unique,
    retired      boolean     not null default false
);

-- A ring-fence is set aside for a fence group: a channel, or several channels together.
create table fence_group (
    id           integer     generated always as identity primary key,
    code         text        collate "C" not null unique
);

create table owner (
    id           integer     generated always as identity primary key,
    code         text        collate "C" not null unique
);

create table item (
    id              bigint      generated always as identity primary key,
    sku             text        collate "C" not null unique,
    name            text        not null default '',
    kind            text        not null check (kind in ('stock', 'kit', 'service')),
    status          text        not null default 'active' check (status in ('active', 'blocked', 'discontinued')),
    base_uom        text        not null,
    selling_uom     text,
    units           jsonb       not null default '{}',   -- {unit code: base units in one}
    lot_tracked     boolean     not null default false,
    serial_tracked  boolean     not null default false,
    shelf_life_days integer,
    category        text,
    components      jsonb       not null default '[]',   -- [{sku, quantity}] of a kit
    attributes      jsonb       not null default '{}',
    -- The newest statement by time in the world wins, whatever order statements arrive in.
    stated_at       timestamptz not null,
    stated_by       text        not null,                -- "source id" of that statement, which breaks ties
    status_at       timestamptz not null,
    status_by       text        not null
);

create table lot (
    id           bigint      generated always as identity,
    item_id      bigint      not null references item,
    code         text        collate "C" not null,
    expiry       date,
    primary key (item_id, id),
    unique (item_id, code)
);

create table client (
    id           integer     generated always as identity primary key,
    name         text        collate "C" not null unique,
    created_at   timestamptz not null default clock_timestamp()
);

create table api_key (
    id           integer     generated always as identity primary key,
    client_id    integer     not null references client,
    prefix       text        not null unique,            -- shown in lists; the secret itself is never stored
    secret_hash  bytea       not null,
    scopes       text[]      not null,
    created_at   timestamptz not null default clock_timestamp(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);

insert into owner (code) values ('own');
insert into location (code, kind) values
    ('supplier', 'supplier'), ('customer', 'customer'), ('transit', 'transit'), ('adjustment', 'adjustment');

-- The hub itself speaks too: fulfilments that were asked of it become events of its own source.
insert into system (code) values ('onhand');
insert into source (uri, system_id) select 'onhand', id from system where code = 'onhand';
