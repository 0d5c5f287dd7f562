-- What reading needs beyond writing: a feed that late commits cannot slip through, and inbound goods counted once.

-- The feed is read in (tx, id) order up to the oldest transaction still under way. An order by id alone would skip rows:
-- a transaction takes its id long before it commits. The offset keeps the order, and with it every reader's cursor,
-- when the data moves to another server whose transaction numbers are lower: see continue_feed.
alter table in_force add column feed_offset bigint not null default 0;
create function feed_tx() returns bigint language sql volatile as $$
    select pg_current_xact_id()::text::bigint + feed_offset from in_force
$$;
alter table event alter column tx drop default;
alter table event alter column tx type bigint using tx::text::bigint;
alter table event alter column tx set default feed_tx();
create index event_feed on event (tx, id);

-- An advice names the order that it is part of, and a receipt may name both: what is announced is not expected twice.
alter table supply add column purchase_order text collate "C";
alter table supply_arrival add column purchase_order text collate "C" not null default '';
alter table supply_arrival drop constraint supply_arrival_pkey;
alter table supply_arrival add primary key (item_id, location_id, kind, reference, purchase_order);

-- Whether a fact that comes was discarded before is asked by every batch.
create index quarantine_discarded on quarantine (id) where state = 'discarded';

-- A movement as people read it: codes for ids, and the event that caused it.
create view movement_line as
select m.item_id, m.seq, m.event_id as event, i.sku, m.quantity, fl.code as from_location, fs.code as from_status,
       tl.code as to_location, ts.code as to_status, m.occurred_at, m.recorded_at, m.kind, s.uri as source, e.event_id,
       e.type as event_type, m.from_balance, m.to_balance, t.code as lot, o.code as owner, m.serial
  from movement m join item i on i.id = m.item_id join event e on e.id = m.event_id join source s on s.id = e.source_id
  join location fl on fl.id = m.from_location join status fs on fs.id = m.from_status
  join location tl on tl.id = m.to_location join status ts on ts.id = m.to_status
  join owner o on o.id = m.owner_id left join lot t on t.item_id = m.item_id and t.id = m.lot_id;
