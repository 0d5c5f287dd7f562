-- Cross references: a partner's codes and what they mean here.

-- query: version
-- out: version bigint
-- retry: safe
select version from cross_reference_state;

-- query: take_turn
-- out: version bigint
-- Holds the one row until the end of the transaction: who writes later has a larger version.
update cross_reference_state set version = version + 1 returning version;

-- query: put
-- in: system text, kinds text[], theirs text[], ours text[], main boolean[], version bigint, changed_by text
-- out:
-- A row that says so already is left alone.
insert into cross_reference as r (system, kind, theirs, ours, main, version, changed_by)
select $1::text, p.kind, p.theirs, p.ours, p.main, $6, $7 from unnest($2::text[], $3::text[], $4::text[], $5::boolean[]) as p (kind, theirs, ours, main)
 order by p.kind, p.theirs
    on conflict (system, kind, theirs) do update
       set ours = excluded.ours, main = excluded.main, version = excluded.version, changed_by = excluded.changed_by,
           changed_at = clock_timestamp()
     where (r.ours, r.main) is distinct from (excluded.ours, excluded.main);

-- query: unset_main
-- in: system text, kinds text[], theirs text[], ours text[], version bigint, changed_by text
-- out:
-- Of several codes of theirs for one of ours, one at most is the main one.
update cross_reference r set main = false, version = $5, changed_by = $6, changed_at = clock_timestamp()
  from unnest($2::text[], $3::text[], $4::text[]) as p (kind, theirs, ours)
 where r.system = $1 and r.kind = p.kind and r.ours = p.ours and r.theirs <> p.theirs and r.main;

-- query: remove
-- in: system text, kinds text[], theirs text[], version bigint, changed_by text
-- out:
update cross_reference r set ours = null, main = false, version = $4, changed_by = $5, changed_at = clock_timestamp()
  from unnest($2::text[], $3::text[]) as p (kind, theirs)
 where r.system = $1 and r.kind = p.kind and r.theirs = p.theirs and r.ours is not null;

-- query: present
-- out: n bigint
-- retry: safe
select count(*) as n from cross_reference where ours is not null;

-- query: changes
-- in: after bigint
-- out: system text, kind text, theirs text, ours text, main boolean, version bigint
-- retry: safe
select system, kind, theirs, ours, main, version from cross_reference where version > $1;

-- query: page
-- in: system text, kind text, after_system text, after_kind text, after_theirs text, n integer
-- out: system text, kind text, theirs text, ours text, main boolean, changed_at timestamptz, changed_by text
-- retry: safe
select system, kind, theirs, ours, main, changed_at, changed_by
  from cross_reference
 where ours is not null and ($1::text is null or system = $1) and ($2::text is null or kind = $2)
   and (system, kind, theirs) > ($3, $4, $5)
 order by system, kind, theirs limit $6::integer;
