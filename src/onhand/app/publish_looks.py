"""What a look at a channel means for a listing, and what is written down of it; the rule is `publication.judge`."""

from __future__ import annotations

from datetime import datetime, timedelta

from onhand.app.publish_ports import Listing, Looked
from onhand.domain.publication import Finding, Look, judge
from onhand.domain.publishing import Publishing


def look(row: Listing, shown: int | None, policy: Publishing, *, now: datetime) -> tuple[Finding, Looked]:
    """Return what a look at a listing means, and what is written down of it."""
    told_last = row.sent if row.look_why == "doubt" and row.sent is not None else row.acknowledged
    finding = judge(
        Look(shown=shown, told=told_last, desired=row.desired, why=row.look_why, stubborn=row.stubborn), policy
    )
    again = now + timedelta(seconds=policy.order_lag_s) if finding.what == "sold" else None
    off = finding.what in ("drift", "stuck")
    return finding, Looked(
        key=row.key, listing=row.ordering_key, what=finding.what, shown=shown, again=again,
        why="sold" if again else None, detail=f"it was told {told_last} and shows {shown}" if off else None,
    )  # fmt: skip
