-- A share of the listings is read back in every 24 hours, whenever they begin. Counted by the calendar, nothing was due in the
-- first minutes of a day, and half a day's share at once where a hub was started at noon.

alter table publication_channel
    drop column sampled_day,
    drop column sampled,
    add column sampled_until timestamptz;           -- the share of the time before this has been read back
