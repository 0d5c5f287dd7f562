"""What a verb prints: for a person on a terminal, for a pipe, or as JSON. A verb prepares its answer once.

Results go to standard output, complaints to standard error, so that a pipe never carries a complaint as data.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import msgspec

from onhand.domain.errors import OnhandError


def emit_json(value: Any) -> None:
    """Print `value` as one JSON document, indented."""
    _write(sys.stdout, msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def say(text: str) -> None:
    """Print one line of prose, now: whoever waits for it at the other end of a pipe hears it in time."""
    _write(sys.stdout, text)
    sys.stdout.flush()


def warn(text: str) -> None:
    """Print a warning to standard error."""
    _write(sys.stderr, f"warning: {text}")


def pairs(rows: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one pair a line, values aligned."""
    table(("", ""), [(name, value) for name, value in rows], titled=False)


def table(titles: Sequence[str], rows: Iterable[Sequence[object]], *, titled: bool = True) -> None:
    """Print rows under titles: drawn by rich on a terminal, aligned by blanks in a pipe."""
    texts = [[_text(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _drawn(titles, texts, titled=titled)
        return
    lines = [list(titles), *texts] if titled else texts
    widths = [max((len(line[n]) for line in lines), default=0) for n in range(len(titles))]
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def is_seen() -> bool:
    """Whether a person looks at standard output, not a pipe."""
    return sys.stdout.isatty()


def complain(error: OnhandError, *, as_json: bool) -> None:
    """Print an error: what happened, what Onhand did about it, what the reader can do."""
    if as_json:
        body = {"code": error.code, "title": error.title, "detail": error.detail, "done": error.done}
        document = {"error": {**body, "remedy": error.advice, **error.facts}}
        _write(sys.stderr, msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
        return
    _write(sys.stderr, f"onhand: {error.title} [{error.code}]")
    for text in (error.detail, error.done, error.advice):
        if text:
            _write(sys.stderr, f"  {text}")


def _drawn(titles: Sequence[str], rows: list[list[str]], *, titled: bool) -> None:
    from rich import box  # noqa: PLC0415 - rich takes a while to import and a pipe does not need it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(*titles, box=box.SIMPLE_HEAD if titled else None, show_header=titled, pad_edge=False)
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _write(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")
