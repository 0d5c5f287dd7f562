"""Cuts a stream of events into parts that a server takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from onhand.client import limits

_encode = msgspec.json.Encoder(decimal_format="number").encode


def parts(events: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The events as JSON arrays, each bounded in number and in bytes; a single event is never cut."""
    waiting: list[bytes] = []
    size = 0
    for event in events:
        encoded = _encode(event)
        if waiting and (len(waiting) >= limits.EVENTS_PER_CALL or size + len(encoded) > limits.EVENTS_BYTES_PER_CALL):
            yield b"[" + b",".join(waiting) + b"]"
            waiting, size = [], 0
        waiting.append(encoded)
        size += len(encoded) + 1
    if waiting:
        yield b"[" + b",".join(waiting) + b"]"
