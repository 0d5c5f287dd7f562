"""Reading a stream: from a place that says all there is to know, to the next.

A place is the hub's cursor, written as JSON. Between two pages of one sweep it holds where the sweep began and which
page comes next; at the end of a sweep, where the next one begins: before the newest thing by the overlap, so that what
the partner commits late, under an earlier time, is found as well. Repetitions fall to their keys.

Pages that are counted shift when things move while they are read. Where the partner sorts by the cursor's member, the
sweep therefore goes on from the last thing's value instead of from the next page's number.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import msgspec

from onhand.connectors.rest.config import Cursor, Stream
from onhand.connectors.rest.documents import Values, instant, text, things, whole
from onhand.sdk import Answer, Link, Message, Page, ReadFailed, Rejected, Transient

_TARGETS = re.compile(r"<([^<>]*)>([^<>]*)")
_RELATIONS = re.compile(r";\s{0,9}rel\s{0,9}=\s{0,9}(?:\"([^\"]{0,200})\"|([^\s;,\"]{1,200}))", re.IGNORECASE)


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where reading goes on. `since` begins the sweep, `high` is the newest seen in it, `next` the partner's word."""

    since: str = ""
    high: str = ""
    page: int = 0
    next: str = ""
    as_of: datetime | None = None


def read_place(cursor: str | None, stream: Stream) -> Place:
    """Return the place that a cursor names; without one, the beginning. Raises ReadFailed for what is none."""
    if cursor is None:
        return Place(since=stream.cursor.start if stream.cursor else "")
    try:
        return msgspec.json.decode(cursor, type=Place)
    except msgspec.MsgspecError as error:
        raise ReadFailed(Rejected(reason="the cursor is not one of this connector's")) from error


def values_of(place: Place, *, limit: int, stream: Stream) -> Values:
    """Return what the request of a page may name."""
    page = stream.paging.first_page + place.page
    return Values(
        {"cursor": place.since, "limit": limit, "page": page, "offset": place.page * limit, "token": place.next}
    )


def page_of(answer: Answer, place: Place, stream: Stream, *, limit: int, link: Link) -> Page:
    """Return what an answer brought and where reading goes on. Raises ReadFailed."""
    if answer.cut:
        raise ReadFailed(Rejected(reason="the answer is longer than is read: ask for fewer things with limit_max"))
    found = things(answer.body, stream.items)
    messages: dict[str, Message] = {}
    for thing in found:
        message = _message(thing, stream)
        messages[message.key] = message
    as_of = place.as_of or _as_of(answer, stream, link)
    following = _following(answer, place, stream, found, limit=limit, link=link)
    if following is not None:
        following = msgspec.structs.replace(following, as_of=as_of)
    after = following or _next_sweep(stream.cursor, _highest(stream.cursor, place.high, found, link.now()), place)
    return Page(
        messages=tuple(messages.values()),
        cursor=msgspec.json.encode(after).decode(),
        more=following is not None,
        snapshot_as_of=as_of,
    )


def _message(thing: bytes, stream: Stream) -> Message:
    return Message(key=key_of(thing, stream), body=thing, occurred_at=instant(text(thing, stream.occurred_at or "-")))


def key_of(thing: bytes, stream: Stream) -> str:
    """Return the key of a thing. Raises ReadFailed where a member of it is missing."""
    parts = [text(thing, path) for path in stream.key]
    if None in parts:
        missing = stream.key[parts.index(None)]
        raise ReadFailed(Transient(detail=f"a thing in the answer has no {missing!r}, which its key needs"))
    return ":".join(part.replace("\\", "\\\\").replace(":", "\\:") for part in parts if part is not None)


def _following(
    answer: Answer, place: Place, stream: Stream, found: list[bytes], *, limit: int, link: Link
) -> Place | None:
    """Return the place of the sweep's next page; None where this was its last."""
    high = _highest(stream.cursor, place.high, found, link.now())
    style = stream.paging.style
    if style == "token":
        token = text(answer.body, stream.paging.token)
        end = token in (None, "", "false") or token == place.next
        return None if end else msgspec.structs.replace(place, high=high, next=token, page=place.page + 1)
    if style == "link":
        target = _link(answer, link.endpoint.base_url or "")
        return None if target is None else msgspec.structs.replace(place, high=high, next=target, page=place.page + 1)
    if style == "none" or len(found) < limit:
        return None
    if stream.paging.sorted and stream.cursor is not None:
        last = text(found[-1], stream.cursor.field)
        if (
            last is not None
            and last != place.since
            and _number(stream.cursor, last) > _number(stream.cursor, place.since)
        ):
            return Place(since=last, high=high)
    return msgspec.structs.replace(place, high=high, page=place.page + 1)


def _next(header: str) -> str | None:
    """Return where `rel=next` leads (RFC 8288), in one walk over the header."""
    for target, parameters in _TARGETS.findall(header):
        if any("next" in (quoted or bare).lower().split() for quoted, bare in _RELATIONS.findall(parameters)):
            return str(target)
    return None


def _link(answer: Answer, base: str) -> str | None:
    """Return the path of the next page, below the endpoint's address. Raises ReadFailed for one elsewhere."""
    found = _next(answer.header("link") or "")
    if found is None:
        return None
    target, own = urlsplit(found), urlsplit(base)
    root = own.path.rstrip("/")
    elsewhere = target.netloc and (target.scheme, target.netloc) != (own.scheme, own.netloc)
    if elsewhere or not target.path.startswith(f"{root}/") or "/../" in f"{target.path}/":
        raise ReadFailed(Rejected(reason="the next page is said to lie outside the endpoint's address"))
    return target.path[len(root) :] + (f"?{target.query}" if target.query else "")


def _next_sweep(cursor: Cursor | None, high: str, place: Place) -> Place:
    """Return where the next sweep begins: never before the one that has just ended."""
    if cursor is None:
        return Place()
    if not high:
        return Place(since=place.since)
    back = _minus(cursor, high)
    return Place(since=back if _number(cursor, back) > _number(cursor, cursor.start) else cursor.start)


def _highest(cursor: Cursor | None, high: str, found: list[bytes], now: datetime) -> str:
    """Return the highest value of the cursor's member. Raises ReadFailed for a thing without one.

    Times to come do not count: one thing with a wrong clock would hide all others until then.
    """
    if cursor is None:
        return ""
    present = {"time": 10**6, "epoch_ms": 10**3, "epoch_s": 1}.get(cursor.form)
    latest = None if present is None else int(now.timestamp() * present)
    for thing in found:
        value = text(thing, cursor.field)
        if value is None or _number(cursor, value) == _NOWHERE:
            raise ReadFailed(
                Transient(detail=f"a thing in the answer has no {cursor.field!r} that reads as {cursor.form}")
            )
        if _number(cursor, value) > _number(cursor, high) and (latest is None or _number(cursor, value) <= latest):
            high = value
    return high


_NOWHERE = -(10**30)
"""Before every value: that of no text."""


def _number(cursor: Cursor, value: str) -> int:
    """Return a value as a number that can be compared: microseconds, or the number itself."""
    if cursor.form == "time":
        at = instant(value)
        return _NOWHERE if at is None else (at - _EPOCH) // timedelta(microseconds=1)
    found = whole(value)
    return _NOWHERE if found is None else found


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _minus(cursor: Cursor, value: str) -> str:
    """Return a value less the overlap, written as the partner writes it."""
    if cursor.form == "time":
        at = instant(value)
        assert at is not None
        try:
            return (at - timedelta(seconds=cursor.overlap)).isoformat().replace("+00:00", "Z")
        except OverflowError:
            return cursor.start
    return str(_number(cursor, value) - cursor.overlap * (1_000 if cursor.form == "epoch_ms" else 1))


def _as_of(answer: Answer, stream: Stream, link: Link) -> datetime | None:
    """Return the cut-off of a snapshot: the partner's own word, or the time of its answer."""
    if stream.cursor is not None:
        return None
    told = instant(text(answer.body, stream.as_of)) if stream.as_of else None
    if told is None:
        try:
            told = parsedate_to_datetime(answer.header("date") or "")
        except (ValueError, OverflowError):
            told = None
    return told.astimezone(UTC) if told is not None and told.tzinfo is not None else link.now()
