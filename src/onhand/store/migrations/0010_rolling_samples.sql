-- A share of the listings is read back in every 24 hours, whenever they begin. Counted by the calendar, nothing was due in the
-- first minutes of a day, and half a day's share at once where a hub was started at noon.
-- What counted by the calendar stays until no node that reads it can be at work any more.

alter table publication_channel
    add column sampled_until timestamptz;           -- the share of the time before this has been read back
