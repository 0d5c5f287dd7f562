"""Bodies that no partner means to send and every partner sends one day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

BODIES: tuple[bytes, ...] = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"0",
    b"\x00\x01\xff\xfe",
    b"<html><body>502 Bad Gateway</body></html>",
    b'{"unfinished": ',
    b'{"a": NaN}',
    b'{"a": 1e400, "b": -1e400}',
    b'{"a": 123456789012345678901234567890123456789012345678901234567890}',
    b"[" * 20_000,
    b'{"a":' * 20_000,
    '{"a": "\u202e\u0000\ufffe"}'.encode(errors="surrogatepass"),
    b'{"a": "\\ud800"}',
    b'{"a": 1, "a": 2}',
    b"\xef\xbb\xbf{}",
    b" " * 100_000,
)

VALUES: tuple[Any, ...] = (None, "", "x" * 5_000, -1, 0, 10**30, 1.5, True, [], {}, [None], {"a": {"a": {}}}, "\u0000")
"""What may stand where something else is expected."""


def variants(body: bytes, *, at_most: int = 200) -> Iterator[bytes]:
    """Give a JSON body with one member at a time missing or replaced; a body of another kind, cut short and doubled."""
    try:
        document: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        yield body[: len(body) // 2]
        yield body + body
        yield re.sub(rb"[0-9]", b"x", body)
        yield re.sub(rb"[,;\t]", b"", body)
        return
    made = 0
    for path in _paths(document):
        for value in (*VALUES, _REMOVED):
            if made >= at_most:
                return
            made += 1
            yield msgspec.json.encode(_with(document, path, value))


_REMOVED: Any = object()


def _paths(document: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in members:
        yield (*before, key)
        yield from _paths(value, (*before, key))


def _with(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy = msgspec.json.decode(msgspec.json.encode(document))
    place = copy
    for key in path[:-1]:
        place = place[key]
    if value is _REMOVED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return copy
