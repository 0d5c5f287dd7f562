"""What tests say is known of a feed."""

from __future__ import annotations

from datetime import datetime


class Heard:
    """When a feed was heard, and since when it is stale."""

    def __init__(self, last_heard_at: datetime | None, stale_since: datetime | None = None) -> None:
        self.last_heard_at = last_heard_at
        self.stale_since = stale_since
