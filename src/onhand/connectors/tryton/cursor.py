"""Where reading stands: passes over what has changed, each in the order of ids, none of which skips what commits late.

Tryton stamps a record with the time at which its transaction *began*; the record is seen when that transaction
commits, perhaps a minute later, behind newer ones. So a pass begins an overlap before the end of the last, and walks by
id, which does not change while it walks. What is read again is left out by its key, as far as the cursor remembers
keys; beyond that the hub's inbox recognises it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from onhand.sdk import ReadFailed, Rejected

REMEMBERED_MAX: Final = 500
"""Keys within the overlap that a cursor holds. More only means that the inbox is shown some once again."""


class Pass(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One walk over what changed at or after `since`, and how far it has come.

    `began` is the partner's time at its first page: nothing later than that may be taken as read when it ends.
    """

    since: datetime | None = None
    after: int = 0
    began: datetime | None = None
    newest: datetime | None = None
    known: dict[str, int] = {}
    """Keys of what was told, with the time of change in whole seconds."""

    def domain(self, overlap_s: int, *paths: str) -> list[Any]:
        """Return Tryton's domain for what the pass still has to walk over; `paths` lead to the records that count."""
        rest: list[Any] = [["id", ">", self.after]]
        if self.since is not None:
            start = self.since - timedelta(seconds=overlap_s)
            rest.append(["OR", *(clause for path in paths for clause in _changed(path, start))])
        return rest

    def asks(self, limit: int) -> int:
        """Return how many records to ask for so that `limit` are new, however many of the known come along."""
        return limit + len(self.known)

    def took(self, found: Sequence[Seen], limit: int) -> list[Seen]:
        """Return the records, from the first on, that hold at most `limit` new ones."""
        new = 0
        for place, each in enumerate(found):
            new += each.key not in self.known
            if new > limit:
                return list(found[:place])
        return list(found)

    def walked(self, seen: Sequence[Seen], *, now: datetime, more: bool, overlap_s: int) -> Pass:
        """Return the pass after these records, or the next pass when they were its last."""
        began = self.began or now
        newest = max((at for at in (self.newest, *(each.at for each in seen)) if at is not None), default=None)
        known = self.known | {each.key: int(each.at.timestamp()) for each in seen}
        if more:
            after = seen[-1].id if seen else self.after
            kept = _kept(known, newest or self.since, overlap_s)
            return Pass(since=self.since, after=after, began=began, newest=newest, known=kept)
        # The newest time seen is the database's own, so that its clock and the server's need not agree.
        until = min(newest, began) if newest is not None else self.since
        since = max(until, self.since) if until and self.since else until
        return Pass(since=since, known=_kept(known, since, overlap_s))


class Seen(msgspec.Struct, frozen=True):
    """A record that was read: its id, its time of change, and the key of what it tells."""

    id: int
    at: datetime
    key: str


def read_cursor(text: str | None) -> Pass:
    """Return what a cursor says. Raises ReadFailed for one that is not ours."""
    if text is None:
        return Pass()
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text.encode()), type=Pass)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise ReadFailed(Rejected(reason="the cursor is none of this connector's", field="cursor")) from error


def write_cursor(state: Pass) -> str:
    """Return a cursor as text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(state)).decode()


def _kept(known: dict[str, int], newest: datetime | None, overlap_s: int) -> dict[str, int]:
    """Return the keys that a later pass can meet again, the latest of them if they are many."""
    if newest is None:
        return {}
    oldest = int(newest.timestamp()) - overlap_s
    again = sorted((at, key) for key, at in known.items() if at >= oldest)
    return {key: at for at, key in again[-REMEMBERED_MAX:]}


def _changed(path: str, start: datetime) -> list[Any]:
    return [
        [f"{path}write_date", ">=", start],
        [[f"{path}write_date", "=", None], [f"{path}create_date", ">=", start]],
    ]
