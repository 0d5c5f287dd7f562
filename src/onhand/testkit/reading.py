"""Reading a stream as the hub does, page by page, for the checks."""

from __future__ import annotations

from collections.abc import Sequence

from onhand.domain.errors import OnhandError
from onhand.domain.outcome import Outcome
from onhand.sdk.answers import outcome_of_fault
from onhand.sdk.connector import Connector, Message, Page, ReadFailed
from onhand.testkit.check import Broken, expect

PAGES_MAX = 500
"""A stream of a stand-in ends long before this; one that goes on says `more` for ever."""


async def pages(connector: Connector, stream: str, cursor: str | None = None, *, limit: int = 10) -> list[Page]:
    """Return the pages of a stream from a cursor until there is no more, as the hub reads them."""
    found: list[Page] = []
    while len(found) < PAGES_MAX:
        page = await connector.read(stream, cursor, limit=limit)
        _well_formed(page, stream)
        found.append(page)
        await connector.stored(stream, page.messages)
        if not page.more:
            return found
        expect(
            page.messages or page.cursor != cursor,
            but=f"{stream}: a page without messages says that there is more, and its cursor stands still",
        )
        cursor = page.cursor
    raise Broken(f"{stream}: reading does not end; after {PAGES_MAX} pages there is still more")


def messages(found: Sequence[Page]) -> list[Message]:
    """Return the messages of all pages in order."""
    return [message for page in found for message in page.messages]


def keys(found: Sequence[Page]) -> set[str]:
    """Return the keys of all messages."""
    return {message.key for message in messages(found)}


def last_cursor(found: Sequence[Page]) -> str | None:
    """Return where the next read begins, as the hub takes it: the last page's cursor, None for the beginning."""
    return found[-1].cursor


async def failure(connector: Connector, stream: str, cursor: str | None = None) -> Outcome | None:
    """Return the outcome of a read that failed; None for one that did not."""
    try:
        await connector.read(stream, cursor, limit=10)
    except OnhandError as error:
        return outcome_of_failure(error)
    return None


def outcome_of_failure(error: OnhandError) -> Outcome:
    """Return what a failed read stands for, as the hub takes it."""
    return error.outcome if isinstance(error, ReadFailed) else outcome_of_fault(error)


def _well_formed(page: Page, stream: str) -> None:
    for message in page.messages:
        expect(message.key.strip(), but=f"{stream}: a message has no key")
        expect(isinstance(message.body, bytes), but=f"{stream}: the body of {message.key} is not bytes")
    seen = [message.key for message in page.messages]
    twice = {key for key in seen if seen.count(key) > 1}
    expect(not twice, but=f"{stream}: one page holds the same key twice: {sorted(twice)[:3]}")
