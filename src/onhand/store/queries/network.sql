-- Versions of the network: written by one function, read whole or as a list.

-- query: store
-- in: base integer, applied_by text, message text, files jsonb, model jsonb, fingerprint text, systems text[], sources text[], source_systems text[], locations text[], location_kinds text[], location_retired boolean[], statuses text[], sellable boolean[], channels text[], groups text[], fence_skus text[], fence_locations text[], fence_groups text[], fence_quantities bigint[]
-- out: version integer
select store_network($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) as version;

-- query: line
-- in: version integer
-- out: version integer, applied_at timestamptz, applied_by text, message text, fingerprint text
-- retry: safe
select version, applied_at, applied_by, message, fingerprint from network_version where version = $1;

-- query: current
-- out: version integer, applied_at timestamptz, applied_by text, message text, fingerprint text, files jsonb, model jsonb
-- retry: safe
select v.version, v.applied_at, v.applied_by, v.message, v.fingerprint, v.files, v.model
  from in_force f join network_version v on v.version = f.network;

-- query: whole
-- in: version integer
-- out: version integer, applied_at timestamptz, applied_by text, message text, fingerprint text, files jsonb, model jsonb
-- retry: safe
select version, applied_at, applied_by, message, fingerprint, files, model from network_version where version = $1;

-- query: lines
-- in: before integer, most integer
-- out: version integer, applied_at timestamptz, applied_by text, message text, fingerprint text
-- retry: safe
select version, applied_at, applied_by, message, fingerprint
  from network_version where $1::integer is null or version < $1 order by version desc limit $2::integer;
