-- What systems bind of promised goods, summed up, so that their statements may arrive in any order.

-- Hard holds that systems state on goods which a reservation of ours has promised.
create table promise_allocation (
    reservation_id bigint      not null,
    item_id        bigint      not null,
    stated         bigint      not null,            -- created less released; may pass below zero while facts are late
    gone           bigint      not null default 0 check (gone >= 0),   -- what of it has left
    primary key (reservation_id, item_id)
);
insert into promise_allocation (reservation_id, item_id, stated)
select reservation_id, item_id, sum(allocated) from claim where allocated > 0 group by 1, 2;
