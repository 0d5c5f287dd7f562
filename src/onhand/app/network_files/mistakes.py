"""Mistakes in network files: where each one is, what was found, what was expected and what was probably meant.

They are collected, never raised one by one, so that a person mends a whole folder in one go.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

import msgspec

from onhand.domain.errors import InvalidInput

MISTAKES_MAX = 200
"""A folder of another program yields thousands; nobody reads past the first screens."""

SHOWN_LENGTH_MAX = 80
"""What was found is repeated only as far as is needed to recognise it."""


class Position(msgspec.Struct, frozen=True, order=True):
    """A place in a file; lines and columns count from 1, columns in characters."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Mistake(msgspec.Struct, frozen=True, order=True):
    """One mistake. `where` is the path of keys inside the network, empty for a mistake of the file itself."""

    at: Position
    where: str
    found: str
    expected: str
    suggestion: str | None = None

    def __str__(self) -> str:
        subject = f"{self.where}: " if self.where else ""
        meant = f" Did you mean '{self.suggestion}'?" if self.suggestion is not None else ""
        return f"{self.at}: {subject}found {self.found}, expected {self.expected}.{meant}"


class FileInvalid(InvalidInput):
    """Files that people write hold mistakes. `mistakes` has them all, in the order of the files."""

    code: ClassVar[str] = "file_invalid"
    what: ClassVar[str] = "The file holds"

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        found = sorted(mistakes)
        self.mistakes = tuple(found[:MISTAKES_MAX])
        lines = [str(mistake) for mistake in self.mistakes]
        if len(found) > MISTAKES_MAX:
            lines.append(f"... and {len(found) - MISTAKES_MAX} more.")
        count = "one mistake" if len(found) == 1 else f"{len(found)} mistakes"
        super().__init__(
            f"{self.what} {count}:\n" + "\n".join(lines) + "\n",
            mistakes=[msgspec.to_builtins(mistake) for mistake in self.mistakes],
        )


class NetworkInvalid(FileInvalid):
    """The network files hold mistakes."""

    code: ClassVar[str] = "network_invalid"
    title: ClassVar[str] = "The network files hold mistakes"
    done: ClassVar[str] = "Nothing was changed; the network in force stays in force."
    remedy: ClassVar[str] = "Mend the places named and run 'onhand plan' again."
    what: ClassVar[str] = "The network files hold"


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name that was probably meant by `word`, upper and lower case alike; None when none is near."""
    by_folded = {name.casefold(): name for name in names}
    folded = word.casefold()[:SHOWN_LENGTH_MAX]
    close = difflib.get_close_matches(folded, by_folded, n=5, cutoff=0.6)
    return by_folded[min(close, key=lambda name: _slips(folded, name))] if close else None


def _slips(word: str, name: str) -> int:
    """Return how many slips of the finger lie between two words: a letter too many, too few, wrong, or two swapped.

    The optimal string alignment distance (Damerau 1964), row by row.
    """
    before, row = list(range(len(name) + 1)), list(range(len(name) + 1))
    for i, letter in enumerate(word, start=1):
        earlier, before, row = before, row, [i]
        for j, other in enumerate(name, start=1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == name[j - 2] and word[i - 2] == other:
                least = min(least, earlier[j - 2] + 1)
            row.append(least)
    return row[-1]


def quoted(text: str) -> str:
    """Return what was found as it is shown to a person: in quotes, on one line, shortened."""
    shown = text if len(text) <= SHOWN_LENGTH_MAX else text[: SHOWN_LENGTH_MAX - 3] + "..."
    return repr(shown)


def path_text(path: Iterable[str | int]) -> str:
    """Return a path of keys as it is shown to a person: `channels.web.sells_from[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")
