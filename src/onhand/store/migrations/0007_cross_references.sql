-- Cross references: which code of ours a partner's code means. Many of theirs may mean one of ours.

-- A removed one stays with no code of ours: the nodes that remember it learn so by its version.
create table cross_reference (
    system       text        collate "C" not null,
    kind         text        collate "C" not null check (kind in ('item', 'location', 'customer')),
    theirs       text        collate "C" not null,
    ours         text        collate "C",
    main         boolean     not null default false,    -- of several, the one that is sent to the partner
    version      bigint      not null,
    changed_at   timestamptz not null default clock_timestamp(),
    changed_by   text        not null default '',
    primary key (system, kind, theirs)
);
create index cross_reference_changes on cross_reference (version);

-- One row: writers take turns on it, so that versions become visible in their order.
create table cross_reference_state (
    only_one     boolean     primary key default true check (only_one),
    version      bigint      not null default 0
);
insert into cross_reference_state default values;
