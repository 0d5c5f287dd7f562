-- The feed of events after a restore: transaction numbers of the new server may be lower than those recorded.

-- Make sure that what is recorded from now on comes after everything recorded so far. True when it was needed.
create or replace function continue_feed() returns boolean language plpgsql as $$
declare
    v_last bigint := (select max(tx) from event);
    v_next bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
begin
    update in_force set feed_offset = v_last + 1 - v_next where v_last >= feed_offset + v_next;
    return found;
end $$;
