"""Progress of what takes long: one line on standard error that is rewritten, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def steps(title: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Give a function that says what is done now; nothing is shown beside JSON or in a pipe."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - rich takes a while to import and a pipe does not need it

    with Console(stderr=True).status(title) as status:
        yield lambda step: status.update(f"{title}: {step}")
