"""The stream that every answer of the command line goes to: it says so when it takes no more."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO

from onhand.domain.errors import OnhandError


class NotPrinted(OnhandError):
    """Standard output took no more: its disk is full, most often. What the command did stands."""

    code = "not_printed"
    title = "The answer could not be written"
    done = "What was asked for may be done; only the answer is lost."
    remedy = "Make room, or print elsewhere; look whether it was done before you ask for it again."


class _Raw(io.FileIO):
    """A stream that tells why it failed, once; what is printed after that vanishes."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            print_no_more()
            raise NotPrinted(f"Standard output: {error.strerror or error}.") from error


def opened() -> TextIO:
    """Standard output anew, such that it tells why it failed; where a process has none, what is printed vanishes."""
    if sys.stdout is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - for as long as the process lives
    return io.TextIOWrapper(
        io.BufferedWriter(_Raw(sys.stdout.fileno(), "w", closefd=False)),
        encoding=sys.stdout.encoding, errors=sys.stdout.errors, line_buffering=sys.stdout.isatty(),
    )  # fmt: skip


def print_no_more() -> None:
    """Let what is still to be printed vanish, or the interpreter would fail on it as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
