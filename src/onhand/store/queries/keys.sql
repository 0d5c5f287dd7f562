-- API keys and the clients behind them. Secrets are never here, only their SHA-256.

-- query: client
-- in: name text
-- out: id integer
-- retry: safe
-- A client exists from the first key that is made for it.
insert into client (name) values ($1) on conflict (name) do update set name = excluded.name returning id;

-- query: add
-- in: client integer, prefix text, secret_hash bytea, scopes text[], expires timestamptz
-- out: id integer
insert into api_key (client_id, prefix, secret_hash, scopes, expires_at) values ($1, $2, $3, $4, $5) returning id;

-- query: get
-- in: id integer
-- out: id integer, client text, prefix text, scopes text[], created_at timestamptz, expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz, now timestamptz
-- retry: safe
select k.id, c.name as client, k.prefix, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.last_used_at,
       clock_timestamp() as now
  from api_key k join client c on c.id = k.client_id where k.id = $1;

-- query: lock
-- in: id integer
-- out: id integer, client_id integer, client text, prefix text, scopes text[], created_at timestamptz, expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz, now timestamptz
select k.id, k.client_id, c.name as client, k.prefix, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.last_used_at,
       clock_timestamp() as now
  from api_key k join client c on c.id = k.client_id where k.id = $1 for update of k;

-- query: all
-- out: id integer, client text, prefix text, scopes text[], created_at timestamptz, expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz
-- retry: safe
select k.id, c.name as client, k.prefix, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.last_used_at
  from api_key k join client c on c.id = k.client_id order by k.id;

-- query: by_prefix
-- in: prefix text
-- out: id integer, client_id integer, client text, secret_hash bytea, scopes text[], expires_at timestamptz, revoked_at timestamptz, now timestamptz
-- retry: safe
select k.id, k.client_id, c.name as client, k.secret_hash, k.scopes, k.expires_at, k.revoked_at, clock_timestamp() as now
  from api_key k join client c on c.id = k.client_id where k.prefix = $1;

-- query: end_early
-- in: id integer, expires timestamptz
-- out:
update api_key set expires_at = least(expires_at, $2) where id = $1;

-- query: revoke
-- in: id integer
-- out: id integer
-- retry: safe
update api_key set revoked_at = coalesce(revoked_at, clock_timestamp()) where id = $1 returning id;

-- query: used
-- in: id integer
-- out:
-- retry: safe
-- At most once a minute, whichever nodes saw it: a hot key must not become a hot row.
update api_key set last_used_at = clock_timestamp()
 where id = $1 and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute');
