"""Which files of a folder are whole and not yet read: what a cursor remembers, and what follows from a listing.

Pure. A cursor tells of each file how it looked, since when it has looked so, and whether it was read. So "unchanged for
a minute" needs no memory in a node, every node sees the same, and a file that was read but not moved is noticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

import msgspec

from onhand.connectors.files.names import is_usable, name_of
from onhand.connectors.files.settings import Settings
from onhand.ops import limits
from onhand.sdk import ReadFailed, Rejected, RemoteFile


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """How a file looked, since when (seconds since 1970), and whether it was read then."""

    size: int
    modified_us: int
    since_s: int
    read: bool = False


class Cursor(msgspec.Struct, frozen=True):
    """What is remembered of a folder, by the names of its files."""

    files: dict[str, Seen] = {}


def read_cursor(text: str | None) -> Cursor:
    """Return what a cursor remembers; one of another kind remembers nothing, and repetitions fall to their keys."""
    try:
        return msgspec.json.decode(text or "{}", type=Cursor)
    except (msgspec.DecodeError, UnicodeError):
        return Cursor()


def write_cursor(cursor: Cursor) -> str:
    """Return a cursor as text."""
    return msgspec.json.encode(cursor).decode()


def look(
    listed: Sequence[RemoteFile], before: Cursor, settings: Settings, now: datetime
) -> tuple[list[RemoteFile], Cursor]:
    """Return the files to be read, oldest first, and what to remember before any of them is.

    Raises ReadFailed where so many that were read lie there still that no other can be remembered.
    """
    listed = [file for file in listed if is_usable(name_of(file))]
    names = {name_of(file) for file in listed}
    matching = [file for file in listed if _matches(name_of(file), settings)]
    now_s = int(now.timestamp())
    seen = {name_of(file): _seen(file, before.files.get(name_of(file)), now_s) for file in matching}
    ready = [file for file in matching if _is_ready(file, seen[name_of(file)], names, settings, now)]
    ready.sort(key=lambda file: (file.modified_at, file.path))
    # Those that were read must be remembered; of the others the first ones are enough to go on with.
    kept = sorted(seen.items(), key=lambda each: (not each[1].read, each[1].modified_us, each[0]))
    tracked = dict(kept[: limits.FILES_TRACKED_MAX])
    if ready and not any(name_of(file) in tracked for file in ready):
        told = (
            f"{len(tracked)} files have been read and lie there still: no more are remembered; set 'done', or clear it"
        )
        raise ReadFailed(Rejected(reason=told, detail=told))
    return [file for file in ready if name_of(file) in tracked], Cursor(tracked)


def marked_read(cursor: Cursor, files: Sequence[RemoteFile], now: datetime) -> Cursor:
    """Return a cursor that remembers files as read."""
    read = {
        name_of(file): Seen(file.size, _micros(file.modified_at), int(now.timestamp()), read=True) for file in files
    }
    return Cursor({**cursor.files, **read})


def _matches(name: str, settings: Settings) -> bool:
    """Tell whether a name is one to be read: hidden files are never, and markers are not themselves files."""
    if name.startswith(".") or not fnmatchcase(name, settings.pattern):
        return False
    return not (settings.complete.when == "marker" and name.endswith(settings.complete.suffix))


def _seen(file: RemoteFile, before: Seen | None, now_s: int) -> Seen:
    same = before is not None and (before.size, before.modified_us) == (file.size, _micros(file.modified_at))
    return before if same and before is not None else Seen(file.size, _micros(file.modified_at), now_s)


def _is_ready(file: RemoteFile, seen: Seen, names: set[str], settings: Settings, now: datetime) -> bool:
    age_s = now.timestamp() - seen.since_s
    if seen.read:
        # It was stored, and a crash came before it was moved: read it again, and it is moved then.
        return bool(settings.done) and age_s >= limits.FILE_SEEN_AGAIN_S
    if settings.complete.when == "marker":
        return name_of(file) + settings.complete.suffix in names
    return settings.complete.when == "renamed" or age_s >= settings.complete.for_s


def _micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
